//! UART0: the line to the host (CMSDK APB UART, Arm DDI 0479, chapter 4.3).
//!
//! It has one octet of buffer each way, so reception is by interrupt into a
//! queue; when that is full the octet stays in the UART, and QEMU waits.

use cortex_m::peripheral::NVIC;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
use magpie_mmio::{Mmio, Registers};

use crate::board::{CLOCK_HZ, Irq, unmask};

const DATA: u32 = 0x00;
const STATE: u32 = 0x04;
const CTRL: u32 = 0x08;
const INTCLEAR: u32 = 0x0c;
const BAUDDIV: u32 = 0x10;
const WINDOW: u32 = 0x14;

const STATE_TX_FULL: u32 = 1 << 0;
const STATE_RX_FULL: u32 = 1 << 1;
/// Both directions on, with their interrupts.
const CTRL_ON: u32 = 0b1111;
const INT_TX: u32 = 1 << 0;
const INT_RX: u32 = 1 << 1;

const BAUD: u32 = 115_200;

/// From the interrupt to the node.
static RECEIVED: Pipe<CriticalSectionRawMutex, 256> = Pipe::new();

/// The registers. Sending is the node's, receiving the interrupt's.
fn registers() -> Mmio {
    // SAFETY: UART0 of the AN386 is at this address (application note 386,
    // table 3-4), does no DMA, and only this module looks at it.
    #[allow(unsafe_code)]
    unsafe {
        Mmio::new(0x4000_4000, WINDOW)
    }
}

/// The node's side.
pub(crate) struct Uart {
    registers: Mmio,
}

impl Uart {
    /// Turns the line on. QEMU does not pace it by its speed.
    pub(crate) fn start() -> Self {
        let mut registers = registers();
        registers.write(BAUDDIV, CLOCK_HZ / BAUD);
        registers.write(CTRL, CTRL_ON);
        unmask(Irq::Uart0Rx);
        Self { registers }
    }
}

impl magpie_node::Uart for Uart {
    fn read(&mut self, octets: &mut [u8]) -> usize {
        let taken = RECEIVED.try_read(octets).unwrap_or(0);
        if taken > 0 {
            unmask(Irq::Uart0Rx); // there is room again
        }
        taken
    }

    fn write(&mut self, octets: &[u8]) -> usize {
        let mut given = 0;
        for octet in octets {
            if self.registers.read(STATE) & STATE_TX_FULL != 0 {
                unmask(Irq::Uart0Tx); // wakes when there is room
                break;
            }
            self.registers.write(DATA, u32::from(*octet));
            given += 1;
        }
        given
    }
}

/// An octet came.
pub(crate) fn on_receive() {
    let mut registers = registers();
    while registers.read(STATE) & STATE_RX_FULL != 0 {
        if RECEIVED.is_full() {
            NVIC::mask(Irq::Uart0Rx);
            break;
        }
        // Cleared before the octet is taken: the next one raises it again.
        registers.write(INTCLEAR, INT_RX);
        let [octet, ..] = registers.read(DATA).to_le_bytes();
        let _ = RECEIVED.try_write(&[octet]);
    }
    magpie_node::wake();
}

/// The line has room.
pub(crate) fn on_transmit() {
    registers().write(INTCLEAR, INT_TX);
    NVIC::mask(Irq::Uart0Tx);
    magpie_node::wake();
}
