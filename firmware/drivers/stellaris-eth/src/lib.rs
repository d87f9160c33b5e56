//! The Ethernet controller of Stellaris LM3S microcontrollers: a 10/100 MAC
//! with 2 KB of receive FIFO, used as a receive-only, promiscuous port.
//!
//! It never transmits, never looks into a frame and never counts: a frame
//! with an error is handed out as its error, so that the caller books it.
//! Order of use: [`StellarisEthernet::start`], then
//! [`StellarisEthernet::poll_receive`] until it says `None`; before sleeping,
//! [`StellarisEthernet::acknowledge`] and poll once more.
//!
//! Names of registers and bits are those of the data sheet (Luminary Micro,
//! LM3S6965, chapter "Ethernet Controller").
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

use magpie_mmio::Registers;

/// Longest frame the chip's FIFO takes in QEMU, in octets without FCS.
pub const MAX_FRAME: usize = 2041;
/// Octets of its register window.
pub const WINDOW: u32 = 0x40;

/// Raw interrupt status when read, acknowledgement when written.
const MACRIS_MACIACK: u32 = 0x00;
/// Interrupt mask: a set bit lets through.
const MACIM: u32 = 0x04;
const MACRCTL: u32 = 0x08;
const MACTCTL: u32 = 0x0c;
/// The receive FIFO, 32 bits at a time. A frame begins with its length in
/// octets (16 bits: this length field, frame and FCS), and the next frame with
/// a new word.
const MACDATA: u32 = 0x10;
/// Frames in the receive FIFO.
const MACNP: u32 = 0x34;

/// A frame was received.
const INT_RXINT: u32 = 1 << 0;
/// FIFO overrun: at least one frame was lost.
const INT_FOV: u32 = 1 << 3;
/// Receive error: a frame with a bad FCS was rejected.
const INT_RXER: u32 = 1 << 4;
const INT_ALL: u32 = 0x7f;

const RCTL_RXEN: u32 = 1 << 0;
const RCTL_AMUL: u32 = 1 << 1;
const RCTL_PRMS: u32 = 1 << 2;
const RCTL_BADCRC: u32 = 1 << 3;
const RCTL_RSTFIFO: u32 = 1 << 4;

const LENGTH_OCTETS: usize = 2;
const FCS_OCTETS: usize = 4;

/// Why a frame is lost. It was read out of the chip and is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiveError {
    /// Longer than the caller's buffer: so many octets.
    TooLong(usize),
    /// The FIFO says that a frame is shorter than its own length field and
    /// FCS, or longer than the FIFO; it was emptied.
    OutOfStep,
}

/// What the chip noticed since it was last asked. It does not say how many
/// frames: each flag stands for at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// No room in the FIFO.
    pub overrun: bool,
    /// Rejected for a bad FCS.
    pub fcs: bool,
}

/// The chip.
pub struct StellarisEthernet<R> {
    registers: R,
}

impl<R: Registers> StellarisEthernet<R> {
    /// A chip behind these registers ([`WINDOW`] octets); its clock is on.
    pub const fn new(registers: R) -> Self {
        Self { registers }
    }

    /// Turns the receiver on, promiscuous. Frames sent before are lost.
    pub fn start(&mut self) {
        self.registers.write(MACIM, 0);
        self.registers.write(MACTCTL, 0);
        self.restart_receiver();
        self.registers.write(MACRIS_MACIACK, INT_ALL);
        self.registers.write(MACIM, INT_RXINT);
    }

    /// The next frame, read whole into `buffer`; its octets without FCS.
    /// `None` when none waits. An error is a frame lost, with its reason.
    pub fn poll_receive(&mut self, buffer: &mut [u8]) -> Option<Result<usize, ReceiveError>> {
        if self.registers.read(MACNP) == 0 {
            return None;
        }
        let [low, high, first, second] = self.registers.read(MACDATA).to_le_bytes();
        let total = usize::from(u16::from_le_bytes([low, high]));
        let frame = total
            .checked_sub(LENGTH_OCTETS)
            .and_then(|rest| rest.checked_sub(FCS_OCTETS));
        let Some(frame) = frame.filter(|octets| *octets <= FIFO_OCTETS) else {
            // Where the next frame begins is unknown: only a reset helps.
            self.restart_receiver();
            return Some(Err(ReceiveError::OutOfStep));
        };
        // One word, with the frame's first two octets, has been read.
        let mut rest = total.div_ceil(4).saturating_sub(1);
        let fits = buffer.get_mut(..frame);
        let too_long = fits.is_none();
        let fits = fits.unwrap_or_default();
        let (head, body) = fits.split_at_mut(fits.len().min(2));
        for (to, from) in head.iter_mut().zip([first, second]) {
            *to = from;
        }
        let (words, tail) = body.as_chunks_mut::<4>();
        rest = rest.saturating_sub(words.len());
        for word in words {
            *word = self.registers.read(MACDATA).to_le_bytes();
        }
        if !tail.is_empty() {
            rest = rest.saturating_sub(1);
            let word = self.registers.read(MACDATA).to_le_bytes();
            for (to, from) in tail.iter_mut().zip(word) {
                *to = from;
            }
        }
        for _ in 0..rest {
            self.registers.read(MACDATA);
        }
        Some(if too_long {
            Err(ReceiveError::TooLong(frame))
        } else {
            Ok(frame)
        })
    }

    /// Clears the receive interrupt. To be called when the FIFO was found
    /// empty, followed by one more [`Self::poll_receive`]: what came in between
    /// raises it again only with the next frame.
    pub fn acknowledge(&mut self) {
        self.registers.write(MACRIS_MACIACK, INT_RXINT);
    }

    /// Lets the receive interrupt through, or not.
    pub fn enable_interrupt(&mut self, enable: bool) {
        self.registers
            .write(MACIM, if enable { INT_RXINT } else { 0 });
    }

    /// What the chip noticed since the last call.
    pub fn take_faults(&mut self) -> Faults {
        let raised = self.registers.read(MACRIS_MACIACK) & (INT_FOV | INT_RXER);
        if raised != 0 {
            self.registers.write(MACRIS_MACIACK, raised);
        }
        Faults {
            overrun: raised & INT_FOV != 0,
            fcs: raised & INT_RXER != 0,
        }
    }

    /// Empties the FIFO and enables reception of everything with a good FCS.
    fn restart_receiver(&mut self) {
        let on = RCTL_RXEN | RCTL_AMUL | RCTL_PRMS | RCTL_BADCRC;
        self.registers.write(MACRCTL, RCTL_RSTFIFO);
        self.registers.write(MACRCTL, on);
    }
}

/// Receive FIFO of the chip.
const FIFO_OCTETS: usize = 2048;

#[cfg(test)]
mod tests;
