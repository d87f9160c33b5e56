//! The Ethernet controller of Stellaris LM3S microcontrollers: a 10/100 MAC
//! with 2 KB of FIFO each way, used as a promiscuous port, receive-only unless
//! started otherwise.
//!
//! It never looks into a frame and never counts: a frame with an error is
//! handed out as its error, so that the caller books it.
//! Order of use: [`StellarisEthernet::start`], then
//! [`StellarisEthernet::poll_receive`] until it says `None`; before sleeping,
//! [`StellarisEthernet::acknowledge`] and poll once more. After
//! [`StellarisEthernet::start`] the transmitter is off, and nothing here turns
//! it on: only [`StellarisEthernet::start_speaking`] does, and
//! [`StellarisEthernet::transmit`] works after that.
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
/// The FIFOs, 32 bits at a time. A received frame begins with its length in
/// octets (16 bits: this length field, frame and FCS), and the next frame with
/// a new word. One to be sent begins with its length less the Ethernet header.
const MACDATA: u32 = 0x10;
/// Own address, octets 0 to 3.
const MACIA0: u32 = 0x14;
/// Own address, octets 4 and 5.
const MACIA1: u32 = 0x18;
/// Frames in the receive FIFO.
const MACNP: u32 = 0x34;
/// Transmission request: the FIFO holds a whole frame. Clears itself.
const MACTR: u32 = 0x38;

/// A frame was received.
const INT_RXINT: u32 = 1 << 0;
/// FIFO overrun: at least one frame was lost.
const INT_FOV: u32 = 1 << 3;
/// Receive error: a frame with a bad FCS was rejected.
const INT_RXER: u32 = 1 << 4;
const INT_ALL: u32 = 0x7f;

const TCTL_TXEN: u32 = 1 << 0;
/// Pads short frames.
const TCTL_PADEN: u32 = 1 << 1;
/// Appends the FCS.
const TCTL_CRC: u32 = 1 << 2;
const TCTL_DUPLEX: u32 = 1 << 4;
const TR_NEWTX: u32 = 1 << 0;

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

/// Why a frame was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransmitError {
    /// The transmitter is off ([`StellarisEthernet::start`]).
    Off,
    /// The one before is still in the FIFO.
    Full,
    /// Shorter than an Ethernet header, or longer than [`MAX_SENT`].
    Length,
}

/// Longest frame sent, in octets without FCS.
pub const MAX_SENT: usize = 1514;
const HEADER_OCTETS: usize = 14;

/// The chip.
pub struct StellarisEthernet<R> {
    registers: R,
    speaks: bool,
}

impl<R: Registers> StellarisEthernet<R> {
    /// A chip behind these registers ([`WINDOW`] octets); its clock is on.
    pub const fn new(registers: R) -> Self {
        Self {
            registers,
            speaks: false,
        }
    }

    /// Turns the receiver on, promiscuous. Frames sent before are lost. The
    /// transmitter is off: what is mirrored must never be answered.
    pub fn start(&mut self) {
        self.start_with(0);
        self.speaks = false;
    }

    /// The same with the transmitter on.
    pub fn start_speaking(&mut self) {
        self.start_with(TCTL_TXEN | TCTL_PADEN | TCTL_CRC | TCTL_DUPLEX);
        self.speaks = true;
    }

    fn start_with(&mut self, transmitter: u32) {
        self.registers.write(MACIM, 0);
        self.registers.write(MACTCTL, transmitter);
        self.restart_receiver();
        self.registers.write(MACRIS_MACIACK, INT_ALL);
        self.registers.write(MACIM, INT_RXINT);
    }

    /// The chip's own address. In QEMU the machine gives it; on silicon it is
    /// what somebody wrote there since reset.
    pub fn address(&self) -> [u8; 6] {
        let [a, b, c, d] = self.registers.read(MACIA0).to_le_bytes();
        let [e, f, ..] = self.registers.read(MACIA1).to_le_bytes();
        [a, b, c, d, e, f]
    }

    /// Gives the chip a frame to send, from its destination address on and
    /// without FCS; the chip pads a short one. It takes it whole or not at
    /// all.
    pub fn transmit(&mut self, frame: &[u8]) -> Result<(), TransmitError> {
        if !self.speaks {
            return Err(TransmitError::Off);
        }
        let payload = frame
            .len()
            .checked_sub(HEADER_OCTETS)
            .filter(|_| frame.len() <= MAX_SENT)
            .and_then(|octets| u16::try_from(octets).ok())
            .ok_or(TransmitError::Length)?;
        if self.registers.read(MACTR) & TR_NEWTX != 0 {
            return Err(TransmitError::Full);
        }
        let [low, high] = payload.to_le_bytes();
        let (head, body) = frame.split_first_chunk().ok_or(TransmitError::Length)?;
        let [first, second] = *head;
        let mut write = |octets| self.registers.write(MACDATA, u32::from_le_bytes(octets));
        write([low, high, first, second]);
        let (words, tail) = body.as_chunks::<4>();
        for word in words {
            write(*word);
        }
        let mut last = [0; 4];
        for (to, from) in last.iter_mut().zip(tail) {
            *to = *from;
        }
        if !tail.is_empty() {
            write(last);
        }
        self.registers.write(MACTR, TR_NEWTX);
        Ok(())
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
        let fits = buffer.get_mut(..frame);
        let too_long = fits.is_none();
        let fits = fits.unwrap_or_default();
        let (head, body) = fits.split_at_mut(fits.len().min(2));
        for (to, from) in head.iter_mut().zip([first, second]) {
            *to = from;
        }
        // One word, with the frame's first two octets, has been read.
        let rest = total.div_ceil(4).saturating_sub(1);
        self.registers.read_fifo(MACDATA, body, rest);
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
