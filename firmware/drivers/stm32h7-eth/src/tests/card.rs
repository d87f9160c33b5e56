//! The DMA's side of the ring, as RM0433 describes it and worse: it is late,
//! runs over, reports errors, contradicts itself, stops in the middle of a frame
//! and loses first and last descriptors. It also watches the CPU's side: whoever
//! touches a descriptor that is not his fails the test.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::ring::{Loss, Memory, Stamp, Word};

pub(super) const OWN: u32 = 1 << 31;
pub(super) const CTXT: u32 = 1 << 30;
pub(super) const FD: u32 = 1 << 29;
pub(super) const LD: u32 = 1 << 28;
pub(super) const RS1V: u32 = 1 << 26;
pub(super) const CE: u32 = 1 << 24;
pub(super) const GP: u32 = 1 << 23;
pub(super) const RWT: u32 = 1 << 22;
pub(super) const OE: u32 = 1 << 21;
pub(super) const RE: u32 = 1 << 20;
pub(super) const DE: u32 = 1 << 19;
pub(super) const ES: u32 = 1 << 15;
pub(super) const TSA: u32 = 1 << 14;
pub(super) const TD: u32 = 1 << 15;

/// A frame on its way in, and how it is going to be maltreated.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrival {
    /// Tells its octets from those of others.
    pub(super) id: u64,
    /// Octets with FCS.
    pub(super) on_wire: usize,
    /// Status bits of the last descriptor.
    pub(super) status: u32,
    /// What the last descriptor says instead of `on_wire`.
    pub(super) wrong_length: Option<u32>,
    /// Comes without "first", without "last".
    pub(super) headless: bool,
    pub(super) endless: bool,
    /// Has a context descriptor; says so and has none.
    pub(super) stamp: Option<Stamp>,
    pub(super) stamp_dropped: bool,
    /// Reads of a descriptor until its write-back is seen, by piece.
    pub(super) late: [u8; 4],
}

/// What must be booked for it.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) id: u64,
    pub(super) outcome: Result<usize, Loss>,
    pub(super) stamp: Option<Stamp>,
    /// The context may come too late to be used.
    pub(super) stamp_late: bool,
}

#[derive(Debug)]
struct Moving {
    arrival: Arrival,
    pieces: usize,
    done: usize,
}

pub(super) struct Card {
    words: Vec<[u32; 4]>,
    /// Reads of RDES3 until the write-back is seen.
    late: Vec<u8>,
    buffers: Vec<Vec<u8>>,
    /// The descriptor the DMA takes next.
    pub(super) next: usize,
    moving: Option<Moving>,
    context: Option<(Stamp, u8)>,
    pub(super) queue: VecDeque<Arrival>,
    /// The last frame had no end: the next one must have a beginning, or the two
    /// would look like one.
    cut: bool,
    /// The last frame was promised a context descriptor that never came: another
    /// one in its place would be taken for it.
    context_lost: bool,
    /// In the order of arrival, of every frame that took a descriptor.
    pub(super) expected: VecDeque<Expected>,
    pub(super) begun: u64,
    pub(super) contexts: u64,
    pub(super) waits: u64,
}

/// The CPU's way to the card's memory.
#[derive(Clone)]
pub(super) struct Shared(Rc<RefCell<Card>>);

impl Shared {
    pub(super) fn new(descriptors: usize, buffer_octets: usize) -> Self {
        Self(Rc::new(RefCell::new(Card {
            words: vec![[0xdead_0000; 4].map(|w: u32| w & !OWN); descriptors],
            late: vec![0; descriptors],
            buffers: vec![vec![0xee; buffer_octets]; descriptors],
            next: 0,
            moving: None,
            context: None,
            queue: VecDeque::new(),
            cut: false,
            context_lost: false,
            expected: VecDeque::new(),
            begun: 0,
            contexts: 0,
            waits: 0,
        })))
    }

    pub(super) fn card(&self) -> RefMut<'_, Card> {
        self.0.borrow_mut()
    }

    fn look(&self) -> Ref<'_, Card> {
        self.0.borrow()
    }
}

impl Memory for Shared {
    fn descriptors(&self) -> usize {
        self.look().words.len()
    }

    fn buffer_octets(&self) -> usize {
        self.look().buffers[0].len()
    }

    fn status(&self, index: usize) -> u32 {
        let mut card = self.card();
        if card.late[index] > 0 {
            card.late[index] -= 1;
            return card.words[index][3] | OWN;
        }
        card.words[index][3]
    }

    fn word(&self, index: usize, word: Word) -> u32 {
        let card = self.look();
        card.must_be_the_cpus(index);
        card.words[index][usize::from(word == Word::Rdes1)]
    }

    fn copy(&self, index: usize, octets: &mut [u8]) {
        let card = self.look();
        card.must_be_the_cpus(index);
        octets.copy_from_slice(&card.buffers[index][..octets.len()]);
    }

    fn give(&mut self, index: usize) {
        let mut card = self.card();
        card.must_be_the_cpus(index);
        card.words[index] = [0, 0, 0, OWN | 1 << 30 | 1 << 24];
        card.buffers[index].fill(0xee);
    }
}

/// Octet `at` of frame `id`.
pub(super) fn octet(id: u64, at: usize) -> u8 {
    let [low, ..] = (id.wrapping_mul(31).wrapping_add(at as u64)).to_le_bytes();
    low
}

impl Card {
    fn must_be_the_cpus(&self, index: usize) {
        assert_eq!(self.words[index][3] & OWN, 0, "the DMA's: {index}");
        assert_eq!(self.late[index], 0, "not yet seen as the CPU's: {index}");
    }

    /// True when the DMA owns everything and has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.moving.is_none()
            && self.context.is_none()
            && self.queue.is_empty()
            && self.words.iter().all(|w| w[3] & OWN != 0)
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// A context descriptor is still to be written.
    pub(super) fn context_waits(&self) -> bool {
        self.context.is_some()
    }

    /// Writes a descriptor back, if it is the DMA's.
    fn write_back(&mut self, words: [u32; 4], late: u8) -> bool {
        if self.words[self.next][3] & OWN == 0 {
            self.waits += 1; // receive buffer unavailable
            return false;
        }
        self.words[self.next] = words;
        self.late[self.next] = late;
        self.next = (self.next + 1) % self.words.len();
        true
    }

    /// A context descriptor that no frame announced.
    pub(super) fn stray_context(&mut self) {
        if !self.context_lost
            && self.moving.is_none()
            && self.context.is_none()
            && self.write_back([1, 2, 3, CTXT], 0)
        {
            self.contexts += 1;
        }
    }

    /// The DMA is stopped and started again: the frame that it was moving ends
    /// without an end.
    pub(super) fn stop(&mut self) {
        if let Some((stamp, _)) = self.context.take() {
            // Of a frame that lies complete in the ring, or has left it.
            let waiting = self.expected.back_mut();
            if let Some(frame) = waiting.filter(|f| f.stamp == Some(stamp)) {
                frame.stamp = None;
            }
            self.context_lost = true;
        }
        let Some(moving) = self.moving.take() else {
            return;
        };
        if moving.done == 0 {
            return; // never reached memory
        }
        self.cut = true;
        let ring = self.words.len();
        let waiting = self.expected.back_mut();
        let Some(expected) = waiting.filter(|e| e.id == moving.arrival.id) else {
            assert!(moving.done >= ring, "booked before its end");
            return;
        };
        let whole_ring = moving.done >= ring && !moving.arrival.headless;
        expected.outcome = Err(if whole_ring {
            Loss::Oversize
        } else {
            Loss::Split
        });
    }

    /// Moves one piece of a frame; false when there is nothing to move, or
    /// nowhere.
    pub(super) fn step(&mut self) -> bool {
        if let Some((stamp, late)) = self.context {
            let moved = self.write_back([stamp.nanoseconds, stamp.seconds, 0, CTXT], late);
            if moved {
                self.context = None;
                self.contexts += 1;
            }
            return moved;
        }
        let piece = self.buffers[0].len();
        if self.moving.is_none() {
            let Some(mut arrival) = self.queue.pop_front() else {
                return false;
            };
            arrival.headless &= !self.cut;
            self.moving = Some(Moving {
                pieces: arrival.on_wire.div_ceil(piece).max(1),
                arrival,
                done: 0,
            });
        }
        if self.words[self.next][3] & OWN == 0 {
            self.waits += 1;
            return false;
        }
        let Some(mut moving) = self.moving.take() else {
            return false;
        };
        let Moving {
            arrival,
            pieces,
            done,
        } = &mut moving;
        let begin = *done * piece;
        let end = arrival.on_wire.min(begin + piece);
        for at in begin..end {
            self.buffers[self.next][at - begin] = octet(arrival.id, at);
        }
        let mut words = [0x5555, 0, 0x7777, 0];
        if *done == 0 {
            if !arrival.headless {
                words[3] |= FD;
            }
            self.begun += 1;
            self.context_lost = false;
            let expected = expect(arrival, *pieces, self.words.len(), piece);
            self.expected.push_back(expected);
        }
        *done += 1;
        let late = arrival.late[(*done - 1).min(3)];
        let last = *done == *pieces;
        if last {
            self.cut = arrival.endless;
            if !arrival.endless {
                let length = u32::try_from(arrival.on_wire).expect("15 bits");
                words[3] |= LD | arrival.status | arrival.wrong_length.unwrap_or(length);
                let stamped = arrival.stamp.is_some() || arrival.stamp_dropped;
                if stamped {
                    words[3] |= RS1V;
                    words[1] |= TSA | if arrival.stamp_dropped { TD } else { 0 };
                    self.context = arrival.stamp.map(|s| (s, arrival.late[3]));
                }
            }
        } else {
            // Octets so far: meaningless to the CPU.
            words[3] |= u32::try_from(end).expect("15 bits");
        }
        let written = self.write_back(words, late);
        assert!(written, "it was the DMA's");
        if !last {
            self.moving = Some(moving);
        }
        true
    }
}

/// What must be booked for a frame, if the DMA is not stopped.
fn expect(arrival: &Arrival, pieces: usize, ring: usize, piece: usize) -> Expected {
    let length = arrival
        .wrong_length
        .map_or(arrival.on_wire, |l| usize::try_from(l).expect("32 bits"));
    let errors = arrival.status;
    let outcome = if arrival.headless {
        Err(Loss::Split)
    } else if pieces > ring || (arrival.endless && pieces == ring) {
        Err(Loss::Oversize)
    } else if arrival.endless {
        Err(Loss::Split)
    } else if errors & OE != 0 {
        Err(Loss::Overrun)
    } else if errors & RWT != 0 {
        Err(Loss::Oversize)
    } else if errors & CE != 0 {
        Err(Loss::Fcs)
    } else if errors & RE != 0 || errors == ES || length <= 4 || length.div_ceil(piece) != pieces {
        Err(Loss::Damaged)
    } else {
        Ok(length - 4)
    };
    Expected {
        id: arrival.id,
        outcome,
        stamp: arrival
            .stamp
            .filter(|_| pieces < ring && !arrival.stamp_dropped),
        stamp_late: arrival.late[3] >= 30,
    }
}
