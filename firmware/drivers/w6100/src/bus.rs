//! Reading and writing the chip's memory (data sheet, "SPI Frame": offset, control
//! octet, data; the length is what chip select lasts).

use embedded_hal_async::spi::{Operation, SpiDevice};

use crate::registers::{Place, WRITE};

/// How often an access is tried.
const TRIES: usize = 3;

/// The bus did not do what it was told, three times over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BusError;

pub(crate) struct Bus<SPI>(pub(crate) SPI);

impl<SPI: SpiDevice> Bus<SPI> {
    /// Reads from this place on.
    pub(crate) async fn read(&mut self, from: Place, octets: &mut [u8]) -> Result<(), BusError> {
        let head = header(from, 0);
        for _ in 0..TRIES {
            let mut operations = [Operation::Write(&head), Operation::Read(octets)];
            if self.0.transaction(&mut operations).await.is_ok() {
                return Ok(());
            }
        }
        Err(BusError)
    }

    /// Reads one octet.
    pub(crate) async fn get(&mut self, from: Place) -> Result<u8, BusError> {
        let mut octet = [0];
        self.read(from, &mut octet).await?;
        let [octet] = octet;
        Ok(octet)
    }

    /// Writes from this place on. What is written twice is the same as once.
    pub(crate) async fn write(&mut self, to: Place, octets: &[u8]) -> Result<(), BusError> {
        let head = header(to, WRITE);
        for _ in 0..TRIES {
            let mut operations = [Operation::Write(&head), Operation::Write(octets)];
            if self.0.transaction(&mut operations).await.is_ok() {
                return Ok(());
            }
        }
        Err(BusError)
    }
}

fn header(at: Place, write: u8) -> [u8; 3] {
    let [high, low] = at.offset.to_be_bytes();
    // OM = 0: as long as chip select lasts.
    [high, low, at.block << 3 | write]
}
