//! The transmit ring: which descriptors are whose, and what became of each
//! frame. No hardware here: descriptors are reached through
//! [`TransmitMemory`].
//!
//! # Whose is a descriptor
//!
//! A frame lies in one descriptor. OWN in TDES3 decides, and each side only
//! ever gives away, as in the receive ring ([`crate::Ring`]): we set it last,
//! the DMA clears it last. Of `waiting` descriptors from `head` on we know that
//! they were given; all others are ours, whatever their words say. So a
//! descriptor whose write-back is seen late only keeps its place longer.
//!
//! # What is booked
//!
//! Each frame that was taken is booked exactly once, when the DMA gives its
//! descriptor back: sent, or failed. At any time, in frames: given = sent +
//! failed + waiting.

/// TDES3, both formats: the descriptor is the DMA's.
const OWN: u32 = 1 << 31;
/// TDES3: a context descriptor; we never make one.
const CTXT: u32 = 1 << 30;
/// TDES3: first and last descriptor of a frame.
const FD: u32 = 1 << 29;
const LD: u32 = 1 << 28;
/// TDES3, write-back format, error summary: collisions, carrier, underflow,
/// flushed (RM0433, "Transmit descriptor").
const ES: u32 = 1 << 15;

/// TDES3 that gives a frame of so many octets to the DMA. CPC = 0: the MAC pads
/// it and adds the FCS. CIC = 0: checksums are the stack's.
pub(crate) const fn give(octets: u32) -> u32 {
    OWN | FD | LD | octets & 0x7fff
}

/// Descriptors of frames to be sent, and their buffers.
pub trait TransmitMemory {
    /// How many there are; at least one.
    fn descriptors(&self) -> usize;
    /// Octets of each buffer.
    fn buffer_octets(&self) -> usize;
    /// TDES3. When it says that the descriptor is ours, the DMA reads its buffer
    /// no more.
    fn status(&self, index: usize) -> u32;
    /// Makes a descriptor ours, before the DMA has started.
    fn take(&mut self, index: usize);
    /// Copies to the start of the buffer of a descriptor that is ours.
    fn put(&mut self, index: usize, octets: &[u8]);
    /// Gives a descriptor that is ours to the DMA, with a frame of so many
    /// octets in its buffer.
    fn give(&mut self, index: usize, octets: usize);
}

/// What became of the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transmitted {
    /// Taken and given to the DMA.
    pub given: u64,
    /// Sent.
    pub sent: u64,
    /// Given up by the MAC.
    pub failed: u64,
}

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The port is silent: it was not started for sending.
    Silent,
    /// All descriptors are in use.
    Full,
    /// Shorter than an Ethernet header, or longer than a buffer.
    Length,
}

const HEADER_OCTETS: usize = 14;

/// The ring.
pub struct TransmitRing<M> {
    memory: M,
    /// The oldest descriptor given, if any is.
    head: usize,
    /// So many from `head` on are given and not yet booked.
    waiting: usize,
    booked: Transmitted,
}

impl<M: TransmitMemory> TransmitRing<M> {
    /// A ring over memory that the DMA does not use yet.
    pub fn new(mut memory: M) -> Self {
        for index in 0..memory.descriptors() {
            memory.take(index);
        }
        Self {
            memory,
            head: 0,
            waiting: 0,
            booked: Transmitted::default(),
        }
    }

    /// What was booked since the beginning.
    pub fn booked(&self) -> Transmitted {
        self.booked
    }

    /// Frames given and not yet booked.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes a frame, from its destination address on and without FCS, whole or
    /// not at all.
    pub fn push(&mut self, frame: &[u8]) -> Result<(), Refused> {
        let longest = self.memory.buffer_octets();
        if frame.len() < HEADER_OCTETS || frame.len() > longest {
            return Err(Refused::Length);
        }
        self.book();
        if self.waiting >= self.memory.descriptors() {
            return Err(Refused::Full);
        }
        let index = self.at(self.waiting);
        self.memory.put(index, frame);
        self.memory.give(index, frame.len());
        self.waiting = self.waiting.saturating_add(1);
        self.booked.given = self.booked.given.wrapping_add(1);
        Ok(())
    }

    /// Books what the DMA has given back; looks at each descriptor once.
    pub fn book(&mut self) {
        while self.waiting > 0 {
            let status = self.memory.status(self.head);
            if status & OWN != 0 {
                return;
            }
            // A context descriptor is none of ours: whatever it was, our frame
            // was not seen to leave.
            let counter = if status & (ES | CTXT) == 0 {
                &mut self.booked.sent
            } else {
                &mut self.booked.failed
            };
            *counter = counter.wrapping_add(1);
            self.head = self.at(1);
            self.waiting = self.waiting.saturating_sub(1);
        }
    }

    /// The descriptor so many behind `head` (no more than the ring has).
    fn at(&self, behind: usize) -> usize {
        let index = self.head.wrapping_add(behind);
        let len = self.memory.descriptors();
        if index < len {
            index
        } else {
            index.wrapping_sub(len)
        }
    }
}
