//! SMSC LAN9118: a 10/100 Ethernet MAC and PHY on a parallel bus, used as a
//! promiscuous port, receive-only unless started otherwise.
//!
//! It never looks into a frame and never counts: a frame with an error is
//! handed out as its error, so that the caller books it.
//! Order of use: [`Lan9118::start`], then [`Lan9118::poll_receive`] until it
//! says `None`; before sleeping, [`Lan9118::acknowledge`] and poll once more.
//! After [`Lan9118::start`] the chip's transmitter is off, and nothing here
//! turns it on: only [`Lan9118::start_speaking`] does, and
//! [`Lan9118::transmit`] works after that.
//!
//! Names of registers and bits are those of the data sheet (SMSC, LAN9118
//! rev. 1.5, chapter 5).
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

mod registers;
#[cfg(test)]
mod tests;

use magpie_mmio::Registers;
use registers::{
    ADDRH, ADDRL, BYTE_TEST, BYTE_TEST_VALUE, FIFO_INT, FIFO_INT_AT_ONCE, HW_CFG, HW_CFG_SRST,
    HW_CFG_TX_FIFO_5_MF, INT_EN, INT_RSFL, INT_STS, IRQ_CFG, IRQ_CFG_PUSH_PULL_HIGH, MAC_CR,
    MAC_CR_FDPX, MAC_CR_PRMS, MAC_CR_RXEN, MAC_CR_TXEN, MAC_CSR_BUSY, MAC_CSR_CMD, MAC_CSR_DATA,
    MAC_CSR_READ, MII_ACC, MII_ACC_BUSY, MII_ACC_PHY, MII_ACC_REGISTER_SHIFT, MII_DATA, RX_CFG,
    RX_CFG_RX_DUMP, RX_DATA_FIFO, RX_FIFO_INF, RX_STATUS_FIFO, RxStatus, TX_CFG, TX_CFG_TX_ON,
    TX_CMD_A_WHOLE, TX_DATA_FIFO, TX_FIFO_INF, TX_STATUS_FIFO, phy,
};

/// Longest frame the chip takes, in octets without FCS.
pub const MAX_FRAME: usize = 2047;
/// Octets of its register window.
pub const WINDOW: u32 = 0x100;

/// How often a bit that the chip clears by itself is looked at before the
/// chip is given up. The data sheet's longest is the reset's 10 ms.
const PATIENCE: u32 = 1_000_000;

/// Why the chip cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartError {
    /// `BYTE_TEST` reads this instead of 0x87654321: no LAN9118 at this
    /// address, or the bus has another byte order.
    NotThere(u32),
    /// The reset does not end.
    ResetStuck,
    /// An access to a MAC register does not end.
    MacStuck,
}

/// Why a frame is lost. It was read out of the chip and is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiveError {
    /// FCS wrong.
    Fcs,
    /// Damaged in another way: runt, collision, MII error.
    Damaged,
    /// Cut off by the receive watchdog (more than 2,048 octets).
    Watchdog,
    /// Longer than the caller's buffer: so many octets.
    TooLong(usize),
}

/// Why a frame was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransmitError {
    /// The transmitter is off ([`Lan9118::start`]).
    Off,
    /// No room in the chip now.
    Full,
    /// Shorter than an Ethernet header, or longer than [`MAX_SENT`].
    Length,
}

/// State of the cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// None, or nothing agreed on yet.
    Down,
    /// Frames can come.
    Up {
        /// 100 Mbit/s; else 10.
        hundred: bool,
        /// Full duplex.
        full_duplex: bool,
    },
}

impl Link {
    /// The best that both ends offer.
    fn agreed(both: u32) -> Self {
        let best = |hundred, full_duplex| Self::Up {
            hundred,
            full_duplex,
        };
        if both & phy::HUNDRED_FULL != 0 {
            best(true, true)
        } else if both & phy::HUNDRED_HALF != 0 {
            best(true, false)
        } else if both & phy::TEN_FULL != 0 {
            best(false, true)
        } else if both & phy::TEN_HALF != 0 {
            best(false, false)
        } else {
            Self::Down
        }
    }
}

/// Longest frame sent, in octets without FCS.
pub const MAX_SENT: usize = 1514;
/// Shortest frame on the wire, in octets without FCS.
const MIN_SENT: usize = 60;
const HEADER_OCTETS: usize = 14;

/// The chip.
pub struct Lan9118<R> {
    registers: R,
    speaks: bool,
}

impl<R: Registers> Lan9118<R> {
    /// A chip behind these registers ([`WINDOW`] octets).
    pub const fn new(registers: R) -> Self {
        Self {
            registers,
            speaks: false,
        }
    }

    /// Resets the chip and turns the receiver on, promiscuous. Frames sent
    /// before are lost. The transmitter is off: what is mirrored must never be
    /// answered.
    pub fn start(&mut self) -> Result<(), StartError> {
        self.reset()?;
        self.speaks = false;
        self.write_mac(MAC_CR, MAC_CR_FDPX | MAC_CR_PRMS | MAC_CR_RXEN)
    }

    /// The same with the transmitter on.
    pub fn start_speaking(&mut self) -> Result<(), StartError> {
        self.reset()?;
        self.registers.write(TX_CFG, TX_CFG_TX_ON);
        self.speaks = true;
        self.write_mac(
            MAC_CR,
            MAC_CR_FDPX | MAC_CR_PRMS | MAC_CR_TXEN | MAC_CR_RXEN,
        )
    }

    fn reset(&mut self) -> Result<(), StartError> {
        let signature = self.registers.read(BYTE_TEST);
        if signature != BYTE_TEST_VALUE {
            return Err(StartError::NotThere(signature));
        }
        self.registers.write(HW_CFG, HW_CFG_SRST);
        self.wait(HW_CFG, HW_CFG_SRST, StartError::ResetStuck)?;

        self.registers.write(HW_CFG, HW_CFG_TX_FIFO_5_MF);
        self.registers.write(INT_EN, 0);
        self.registers.write(INT_STS, u32::MAX);
        self.registers.write(IRQ_CFG, IRQ_CFG_PUSH_PULL_HIGH);
        self.registers.write(FIFO_INT, FIFO_INT_AT_ONCE);
        self.registers.write(RX_CFG, RX_CFG_RX_DUMP);
        self.wait(RX_CFG, RX_CFG_RX_DUMP, StartError::ResetStuck)?;
        self.registers.write(INT_EN, INT_RSFL);
        Ok(())
    }

    /// The chip's own address, from its EEPROM.
    pub fn address(&mut self) -> Result<[u8; 6], StartError> {
        let [a, b, c, d] = self.read_mac(ADDRL)?.to_le_bytes();
        let [e, f, ..] = self.read_mac(ADDRH)?.to_le_bytes();
        Ok([a, b, c, d, e, f])
    }

    /// What the chip's PHY says of the cable.
    pub fn link(&mut self) -> Result<Link, StartError> {
        // A lost link stays in BMSR until it was read once: then it was down,
        // if only for a moment, and is looked at again the next time.
        let state = self.read_phy(phy::BMSR)?;
        let up = phy::BMSR_LINK | phy::BMSR_AGREED;
        if state & up != up {
            return Ok(Link::Down);
        }
        Ok(Link::agreed(
            self.read_phy(phy::ANAR)? & self.read_phy(phy::ANLPAR)?,
        ))
    }

    fn read_phy(&mut self, register: u32) -> Result<u32, StartError> {
        let access = MII_ACC_PHY | register << MII_ACC_REGISTER_SHIFT | MII_ACC_BUSY;
        self.write_mac(MII_ACC, access)?;
        for _ in 0..PATIENCE {
            if self.read_mac(MII_ACC)? & MII_ACC_BUSY == 0 {
                return self.read_mac(MII_DATA);
            }
        }
        Err(StartError::MacStuck)
    }

    /// Gives the chip a frame to send, from its destination address on and
    /// without FCS; a short one is padded. The chip takes it whole or not at
    /// all.
    pub fn transmit(&mut self, frame: &[u8]) -> Result<(), TransmitError> {
        if !self.speaks {
            return Err(TransmitError::Off);
        }
        if frame.len() < HEADER_OCTETS || frame.len() > MAX_SENT {
            return Err(TransmitError::Length);
        }
        let octets = frame.len().max(MIN_SENT);
        let octets = u32::try_from(octets).map_err(|_| TransmitError::Length)?;
        let state = self.registers.read(TX_FIFO_INF);
        // What became of earlier frames: nobody asks.
        for _ in 0..(state >> 16) & 0xff {
            self.registers.read(TX_STATUS_FIFO);
        }
        // Two command words go in as well, and the last word is filled up.
        if state & 0xffff < octets.saturating_add(COMMAND_AND_FILL) {
            return Err(TransmitError::Full);
        }
        self.registers.write(TX_DATA_FIFO, TX_CMD_A_WHOLE | octets);
        self.registers.write(TX_DATA_FIFO, octets);
        let (words, tail) = frame.as_chunks::<4>();
        for word in words {
            self.registers
                .write(TX_DATA_FIFO, u32::from_le_bytes(*word));
        }
        let mut written = words.len();
        if !tail.is_empty() {
            let mut last = [0; 4];
            for (to, from) in last.iter_mut().zip(tail) {
                *to = *from;
            }
            self.registers.write(TX_DATA_FIFO, u32::from_le_bytes(last));
            written = written.saturating_add(1);
        }
        for _ in written..MIN_SENT.div_ceil(4) {
            self.registers.write(TX_DATA_FIFO, 0);
        }
        Ok(())
    }

    /// The next frame, read whole into `buffer`; its octets without FCS.
    /// `None` when none waits. An error is a frame lost, with its reason.
    pub fn poll_receive(&mut self, buffer: &mut [u8]) -> Option<Result<usize, ReceiveError>> {
        let waiting = (self.registers.read(RX_FIFO_INF) >> 16) & 0xff;
        if waiting == 0 {
            return None;
        }
        let status = RxStatus(self.registers.read(RX_STATUS_FIFO));
        let on_wire = status.octets();
        let frame = on_wire.saturating_sub(FCS_OCTETS);
        let fits = buffer.get_mut(..frame);
        let too_long = fits.is_none();
        // Every word is read, also of a frame that is of no use: the fast
        // forward of RX_DP_CTRL leaks FIFO space in QEMU.
        let (octets, words) = (fits.unwrap_or_default(), on_wire.div_ceil(4));
        self.registers.read_fifo(RX_DATA_FIFO, octets, words);
        Some(match status.error() {
            Some(error) => Err(error),
            None if too_long => Err(ReceiveError::TooLong(frame)),
            None => Ok(frame),
        })
    }

    /// Clears the receive interrupt. To be called when the FIFO was found
    /// empty, followed by one more [`Self::poll_receive`]: what came in between
    /// raises it again only with the next frame.
    pub fn acknowledge(&mut self) {
        self.registers.write(INT_STS, INT_RSFL);
    }

    /// Lets the receive interrupt through, or not.
    pub fn enable_interrupt(&mut self, enable: bool) {
        self.registers
            .write(INT_EN, if enable { INT_RSFL } else { 0 });
    }

    fn write_mac(&mut self, index: u32, value: u32) -> Result<(), StartError> {
        self.wait(MAC_CSR_CMD, MAC_CSR_BUSY, StartError::MacStuck)?;
        self.registers.write(MAC_CSR_DATA, value);
        self.registers.write(MAC_CSR_CMD, MAC_CSR_BUSY | index);
        self.wait(MAC_CSR_CMD, MAC_CSR_BUSY, StartError::MacStuck)
    }

    fn read_mac(&mut self, index: u32) -> Result<u32, StartError> {
        self.wait(MAC_CSR_CMD, MAC_CSR_BUSY, StartError::MacStuck)?;
        self.registers
            .write(MAC_CSR_CMD, MAC_CSR_BUSY | MAC_CSR_READ | index);
        self.wait(MAC_CSR_CMD, MAC_CSR_BUSY, StartError::MacStuck)?;
        Ok(self.registers.read(MAC_CSR_DATA))
    }

    fn wait(&self, offset: u32, bit: u32, error: StartError) -> Result<(), StartError> {
        for _ in 0..PATIENCE {
            if self.registers.read(offset) & bit == 0 {
                return Ok(());
            }
        }
        Err(error)
    }
}

const FCS_OCTETS: usize = 4;
/// Two command words, and up to three octets of filling.
const COMMAND_AND_FILL: u32 = 11;
