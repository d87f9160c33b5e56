//! The receive ring: which descriptors are whose, and what became of each
//! frame. No hardware here: descriptors are reached through [`Memory`].
//!
//! # Whose is a descriptor
//!
//! OWN in RDES3 decides, and each side only ever gives away: the DMA clears it
//! as the last word of its write-back, the ring sets it as the last word of
//! [`Memory::give`]. The DMA takes descriptors in ring order, and so does the
//! ring: all from `head` on to the first that is the DMA's are ours, and stay
//! ours until given. So there is no moment at which both may write, and a
//! descriptor that we see late as ours (a write still on its way) only makes
//! the frames behind it wait.
//!
//! # What is booked
//!
//! A frame lies in one or more descriptors, from "first" to "last". It is taken
//! when all of them are ours, and each frame of which the DMA gave back at least
//! one descriptor is booked exactly once: whole, or lost with a [`Loss`]. What
//! has no first or no last descriptor (the DMA was stopped in between) is one
//! lost frame. Context descriptors hold time stamps and are no frames.

use crate::descriptor::{Status, Verdict};

/// How often the context descriptor behind a stamped frame is looked at: the
/// DMA writes it right behind the last one.
const CONTEXT_READS: usize = 32;

const FCS_OCTETS: usize = 4;

/// Words of a descriptor besides RDES3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// RDES0: nanoseconds in a context descriptor.
    Rdes0,
    /// RDES1: extended status; seconds in a context descriptor.
    Rdes1,
}

/// Descriptors and their buffers.
pub trait Memory {
    /// How many there are; at least two.
    fn descriptors(&self) -> usize;
    /// Octets of each buffer.
    fn buffer_octets(&self) -> usize;
    /// RDES3. When it says that the descriptor is ours, all that the DMA wrote
    /// for it is visible to the calls after this one.
    fn status(&self, index: usize) -> u32;
    /// Another word of a descriptor that is ours.
    fn word(&self, index: usize, word: Word) -> u32;
    /// Copies from the start of the buffer of a descriptor that is ours.
    fn copy(&self, index: usize, octets: &mut [u8]);
    /// Gives a descriptor that is ours to the DMA.
    fn give(&mut self, index: usize);
}

/// When a frame came, by the controller's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Seconds.
    pub seconds: u32,
    /// Nanoseconds within the second.
    pub nanoseconds: u32,
}

/// A frame received whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Octets on the wire, without FCS.
    pub octets: usize,
    /// As many of them as the caller's buffer took.
    pub stored: usize,
    /// When it came, if the hardware said so.
    pub stamp: Option<Stamp>,
}

/// Why a frame is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// FCS wrong.
    Fcs,
    /// Damaged in another way: an error signalled by the PHY, no octets, or a
    /// status that contradicts itself.
    Damaged,
    /// The FIFO ran over while it was moved to memory.
    Overrun,
    /// Cut off by the receive watchdog, or longer than the whole ring.
    Oversize,
    /// Its first or its last descriptor is missing: the DMA was stopped.
    Split,
}

/// What the ring has booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Booked {
    /// Frames handed out whole.
    pub whole: u64,
    /// Frames lost, by reason.
    pub fcs: u64,
    /// See [`Loss::Damaged`].
    pub damaged: u64,
    /// See [`Loss::Overrun`].
    pub overrun: u64,
    /// See [`Loss::Oversize`].
    pub oversize: u64,
    /// See [`Loss::Split`].
    pub split: u64,
    /// Context descriptors, used or not.
    pub contexts: u64,
    /// Descriptors given back to the DMA.
    pub descriptors: u64,
}

/// The ring.
pub struct Ring<M> {
    memory: M,
    /// The descriptor that the DMA fills next, or has filled first.
    head: usize,
    /// The frame that lies at `head` is booked; what is left of it is skipped.
    skipping: bool,
    booked: Booked,
}

/// How far a frame reaches.
#[derive(Debug, Clone, Copy)]
struct Extent {
    pieces: usize,
    end: End,
}

#[derive(Debug, Clone, Copy)]
enum End {
    /// By its last descriptor, which says this.
    Last(Status),
    /// By something else that begins behind it.
    Cut,
    /// Not within the ring.
    Beyond,
}

impl<M: Memory> Ring<M> {
    /// A ring over memory of which the DMA has nothing; gives it everything.
    pub fn new(mut memory: M) -> Self {
        for index in 0..memory.descriptors() {
            memory.give(index);
        }
        Self {
            memory,
            head: 0,
            skipping: false,
            booked: Booked::default(),
        }
    }

    /// What was booked since the beginning.
    pub fn booked(&self) -> Booked {
        self.booked
    }

    /// The memory.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Takes the next frame, copied into `out` as far as that reaches, or why it
    /// is lost. `None` when none is complete. Looks at each descriptor once.
    pub fn pop(&mut self, out: &mut [u8]) -> Option<Result<Frame, Loss>> {
        for _ in 0..self.memory.descriptors() {
            let status = Status(self.memory.status(self.head));
            if status.is_the_dmas() {
                return None;
            }
            if status.is_context() {
                // Of a frame that did not wait for it.
                self.booked.contexts = self.booked.contexts.wrapping_add(1);
            } else if self.skipping && !status.is_first() {
                self.skipping = !status.is_last();
            } else {
                self.skipping = false;
                return self.pop_frame(status, out);
            }
            self.give(1);
        }
        None
    }

    fn pop_frame(&mut self, first: Status, out: &mut [u8]) -> Option<Result<Frame, Loss>> {
        let Extent { pieces, end } = self.extent(first)?;
        let outcome = match end {
            End::Beyond if first.is_first() => Err(Loss::Oversize),
            End::Last(last) if first.is_first() => self.judge(last, pieces),
            End::Last(_) | End::Cut | End::Beyond => Err(Loss::Split),
        };
        // Without its end, more of it may come.
        self.skipping = !matches!(end, End::Last(_));
        let mut used = pieces;
        let outcome = outcome.map(|octets| {
            let stored = octets.min(out.len());
            self.copy(out.get_mut(..stored).unwrap_or_default());
            let stamp = match end {
                End::Last(last) => self.stamp(last, pieces),
                End::Cut | End::Beyond => None,
            };
            if stamp.is_some() {
                used = pieces.saturating_add(1);
                self.booked.contexts = self.booked.contexts.wrapping_add(1);
            }
            Frame {
                octets,
                stored,
                stamp,
            }
        });
        self.book(&outcome);
        self.give(used);
        Some(outcome)
    }

    /// How far the frame at `head` reaches; `None` while it is still coming.
    fn extent(&self, first: Status) -> Option<Extent> {
        let mut status = first;
        for pieces in 1..=self.memory.descriptors() {
            if status.is_last() {
                let end = End::Last(status);
                return Some(Extent { pieces, end });
            }
            if pieces == self.memory.descriptors() {
                let end = End::Beyond;
                return Some(Extent { pieces, end });
            }
            status = Status(self.memory.status(self.at(pieces)));
            if status.is_the_dmas() {
                return None;
            }
            if status.is_first() || status.is_context() {
                let end = End::Cut;
                return Some(Extent { pieces, end });
            }
        }
        None
    }

    /// What its last descriptor says of a frame; its octets without FCS.
    fn judge(&self, last: Status, pieces: usize) -> Result<usize, Loss> {
        match last.verdict() {
            Verdict::Good => {}
            Verdict::Fcs => return Err(Loss::Fcs),
            Verdict::Damaged => return Err(Loss::Damaged),
            Verdict::Overrun => return Err(Loss::Overrun),
            Verdict::Watchdog => return Err(Loss::Oversize),
        }
        // The DMA fills every buffer but the last. What says otherwise is no
        // length to copy by.
        let on_wire = last.octets();
        if on_wire <= FCS_OCTETS || on_wire.div_ceil(self.memory.buffer_octets().max(1)) != pieces {
            return Err(Loss::Damaged);
        }
        Ok(on_wire.saturating_sub(FCS_OCTETS))
    }

    fn copy(&self, out: &mut [u8]) {
        let piece = self.memory.buffer_octets().max(1);
        for (i, part) in out.chunks_mut(piece).enumerate() {
            self.memory.copy(self.at(i), part);
        }
    }

    /// The time stamp behind a frame, if the DMA says that there is one.
    fn stamp(&self, last: Status, pieces: usize) -> Option<Stamp> {
        let last_at = self.at(pieces.saturating_sub(1));
        let stamped = last.is_stamped(self.memory.word(last_at, Word::Rdes1));
        if !stamped || pieces >= self.memory.descriptors() {
            return None;
        }
        let at = self.at(pieces);
        let context = (0..CONTEXT_READS)
            .map(|_| Status(self.memory.status(at)))
            .find(|status| !status.is_the_dmas())?;
        context.is_context().then(|| Stamp {
            seconds: self.memory.word(at, Word::Rdes1),
            nanoseconds: self.memory.word(at, Word::Rdes0),
        })
    }

    fn book(&mut self, outcome: &Result<Frame, Loss>) {
        let counter = match outcome {
            Ok(_) => &mut self.booked.whole,
            Err(Loss::Fcs) => &mut self.booked.fcs,
            Err(Loss::Damaged) => &mut self.booked.damaged,
            Err(Loss::Overrun) => &mut self.booked.overrun,
            Err(Loss::Oversize) => &mut self.booked.oversize,
            Err(Loss::Split) => &mut self.booked.split,
        };
        *counter = counter.wrapping_add(1);
    }

    /// Gives the next so many descriptors, which are ours, to the DMA.
    fn give(&mut self, count: usize) {
        for _ in 0..count {
            self.memory.give(self.head);
            self.head = self.at(1);
            self.booked.descriptors = self.booked.descriptors.wrapping_add(1);
        }
    }

    /// The descriptor so many behind `head` (less than the ring has).
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
