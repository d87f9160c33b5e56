//! UART0: the line to the host (LM3S6965 data sheet, chapter "UARTs"; an Arm
//! PL011).
//!
//! It holds 16 octets each way; reception is by interrupt into a queue. When
//! that is full the octets stay in the UART, and QEMU waits.

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
use magpie_mmio::{Mmio, Registers};

use crate::board::{CLOCK_HZ, Irq, unmask};

const UARTDR: u32 = 0x00;
const UARTFR: u32 = 0x18;
const UARTIBRD: u32 = 0x24;
const UARTFBRD: u32 = 0x28;
const UARTLCRH: u32 = 0x2c;
const UARTCTL: u32 = 0x30;
const UARTIM: u32 = 0x38;
const UARTMIS: u32 = 0x40;
const UARTICR: u32 = 0x44;
const WINDOW: u32 = 0x48;

const FR_RXFE: u32 = 1 << 4;
const FR_TXFF: u32 = 1 << 5;
/// Eight bits, FIFOs on.
const LCRH_ON: u32 = 0x70;
/// UART, transmitter and receiver on.
const CTL_ON: u32 = 0x301;
/// Octets have come; or some have and no more for a while.
const INT_RX: u32 = 1 << 4 | 1 << 6;
/// The transmit FIFO is half empty.
const INT_TX: u32 = 1 << 5;

const BAUD: u32 = 115_200;
/// The divisor in 64ths, rounded.
const DIVISOR_64: u32 = (CLOCK_HZ * 8 / BAUD).div_ceil(2);

/// From the interrupt to the node.
static RECEIVED: Pipe<CriticalSectionRawMutex, 128> = Pipe::new();

/// The registers. Sending is the node's, receiving the interrupt's; both
/// change the interrupt mask, with interrupts off.
fn registers() -> Mmio {
    // SAFETY: UART0 is at this address (data sheet, table 2-1), does no DMA as
    // it is set up here, and only this module looks at it.
    #[allow(unsafe_code)]
    unsafe {
        Mmio::new(0x4000_c000, WINDOW)
    }
}

/// The node's side.
pub(crate) struct Uart {
    registers: Mmio,
}

impl Uart {
    /// Turns the line on; its clock and pins are. QEMU does not pace it by its
    /// speed.
    pub(crate) fn start() -> Self {
        let mut registers = registers();
        registers.write(UARTCTL, 0);
        registers.write(UARTIBRD, DIVISOR_64 / 64);
        registers.write(UARTFBRD, DIVISOR_64 % 64);
        registers.write(UARTLCRH, LCRH_ON);
        registers.write(UARTCTL, CTL_ON);
        registers.write(UARTIM, INT_RX);
        unmask(Irq::Uart0);
        Self { registers }
    }

    /// Lets these interrupts through as well.
    fn expect(&mut self, interrupts: u32) {
        critical_section::with(|_| self.registers.modify(UARTIM, |mask| mask | interrupts));
    }
}

impl magpie_node::Uart for Uart {
    fn read(&mut self, octets: &mut [u8]) -> usize {
        let taken = RECEIVED.try_read(octets).unwrap_or(0);
        if taken > 0 {
            self.expect(INT_RX); // there is room again
        }
        taken
    }

    fn write(&mut self, octets: &[u8]) -> usize {
        let mut given = 0;
        for octet in octets {
            if self.registers.read(UARTFR) & FR_TXFF != 0 {
                self.expect(INT_TX); // wakes when there is room
                break;
            }
            self.registers.write(UARTDR, u32::from(*octet));
            given += 1;
        }
        given
    }
}

/// Octets came, or the line has room.
pub(crate) fn on_interrupt() {
    let mut registers = registers();
    let raised = registers.read(UARTMIS);
    if raised & INT_TX != 0 {
        registers.modify(UARTIM, |mask| mask & !INT_TX);
    }
    // Only this one is cleared by hand. Reception ends by itself when the FIFO
    // is empty; clearing it could hide an octet that came just now, and QEMU
    // raises it for the first octet in an empty FIFO only: deaf for ever.
    registers.write(UARTICR, raised & INT_TX);
    while registers.read(UARTFR) & FR_RXFE == 0 {
        if RECEIVED.is_full() {
            registers.modify(UARTIM, |mask| mask & !INT_RX);
            break;
        }
        let [octet, ..] = registers.read(UARTDR).to_le_bytes();
        let _ = RECEIVED.try_write(&[octet]);
    }
    magpie_node::wake();
}
