//! A million random steps of card and ring: every frame that reached a
//! descriptor is booked exactly once, in order, with its octets or its reason.

use super::card::*;
use crate::ring::{Booked, Loss, Ring, Stamp};

const STEPS: u32 = 1_000_000;

/// xorshift64*: the same run each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

fn arrival(random: &mut Random, id: u64) -> Arrival {
    let longest = if random.one_in(50) { 400 } else { 60 };
    let mut arrival = Arrival {
        id,
        on_wire: usize::try_from(1 + random.below(longest)).unwrap(),
        ..Arrival::default()
    };
    if random.one_in(4) {
        let errors = [CE, RE, OE, RWT, CE | DE, OE | CE, GP, DE, 0];
        let pick = usize::try_from(random.below(errors.len() as u64)).unwrap();
        arrival.status = errors[pick] | ES;
    }
    arrival.wrong_length = random
        .one_in(40)
        .then(|| u32::try_from(random.below(0x8000)).unwrap());
    arrival.headless = random.one_in(40);
    arrival.endless = random.one_in(40);
    arrival.stamp = random.one_in(2).then(|| Stamp {
        seconds: u32::try_from(id & 0xffff).unwrap(),
        nanoseconds: u32::try_from(random.below(1_000_000_000)).unwrap(),
    });
    arrival.stamp_dropped = arrival.stamp.is_none() && random.one_in(8);
    if random.one_in(8) {
        let piece = usize::try_from(random.below(4)).unwrap();
        arrival.late[piece] = [1, 2, 5, 29, 60][usize::try_from(random.below(5)).unwrap()];
    }
    arrival
}

struct Run {
    random: Random,
    shared: Shared,
    ring: Ring<Shared>,
    seen: Booked,
    offered: u64,
    overflowed: u64,
}

impl Run {
    fn new(seed: u64, descriptors: usize) -> Self {
        let shared = Shared::new(descriptors, 16);
        Self {
            random: Random(seed),
            ring: Ring::new(shared.clone()),
            shared,
            seen: Booked::default(),
            offered: 0,
            overflowed: 0,
        }
    }

    fn offer(&mut self) {
        self.offered += 1;
        let arrival = arrival(&mut self.random, self.offered);
        let mut card = self.shared.card();
        // The FIFO in front of the DMA holds so many; it drops, and counts.
        if card.queue.len() < 3 {
            card.queue.push_back(arrival);
        } else {
            self.overflowed += 1;
        }
    }

    fn pop(&mut self) -> bool {
        let mut out = [0; 64];
        let room = [0, 20, 64][usize::try_from(self.random.below(3)).unwrap()];
        let Some(outcome) = self.ring.pop(&mut out[..room]) else {
            return false;
        };
        let front = self.shared.card().expected.pop_front();
        let expected = front.expect("booked a frame that was not there");
        let id = expected.id;
        assert_eq!(outcome.map(|f| f.octets), expected.outcome, "frame {id}");
        match outcome {
            Ok(frame) => {
                self.seen.whole += 1;
                assert_eq!(frame.stored, frame.octets.min(room));
                let right = (0..frame.stored).all(|at| out[at] == octet(id, at));
                assert!(right, "frame {id}");
                let late = expected.stamp_late && frame.stamp.is_none();
                assert!(
                    late || frame.stamp == expected.stamp || self.waited(),
                    "frame {id}: {frame:?}, {expected:?}"
                );
            }
            Err(Loss::Fcs) => self.seen.fcs += 1,
            Err(Loss::Damaged) => self.seen.damaged += 1,
            Err(Loss::Overrun) => self.seen.overrun += 1,
            Err(Loss::Oversize) => self.seen.oversize += 1,
            Err(Loss::Split) => self.seen.split += 1,
        }
        true
    }

    /// The DMA had not come to write the context of the frame just popped.
    fn waited(&self) -> bool {
        self.shared.card().context_waits()
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..45 => {
                self.shared.card().step();
            }
            45..60 => self.offer(),
            60..99 => {
                self.pop();
            }
            _ if self.random.one_in(3) => self.shared.card().stop(),
            _ => self.shared.card().stray_context(),
        }
    }

    /// Lets everything through, and a last frame that ends an endless one.
    fn end(mut self) -> Booked {
        self.shared.card().queue.push_back(Arrival {
            id: u64::MAX,
            on_wire: 20,
            ..Arrival::default()
        });
        for _ in 0..10_000 {
            self.shared.card().step();
            self.pop();
        }
        let card = self.shared.card();
        assert!(card.expected.is_empty(), "frames that were never booked");
        assert!(card.is_idle(), "descriptors that were never given back");
        let booked = self.ring.booked();
        let Booked {
            whole,
            fcs,
            damaged,
            overrun,
            oversize,
            split,
            ..
        } = booked;
        let all = whole + fcs + damaged + overrun + oversize + split;
        assert_eq!(all, card.begun, "each once");
        assert_eq!(booked.contexts, card.contexts);
        let seen = Booked {
            contexts: booked.contexts,
            descriptors: booked.descriptors,
            ..self.seen
        };
        assert_eq!(booked, seen);
        assert_eq!(card.next as u64, booked.descriptors % card.len() as u64);
        booked
    }
}

#[test]
fn a_million_steps() {
    let rings = [2, 3, 7, 16];
    let mut total = Booked::default();
    for (seed, descriptors) in (1_u64..).zip(rings) {
        let mut run = Run::new(seed * 0x9e37_79b9, descriptors);
        for _ in 0..STEPS / 4 {
            run.step();
        }
        assert!(run.overflowed > 0, "the FIFO never ran over");
        assert!(run.shared.card().waits > 0, "the ring was never full");
        let booked = run.end();
        total.whole += booked.whole;
        total.fcs += booked.fcs;
        total.damaged += booked.damaged;
        total.overrun += booked.overrun;
        total.oversize += booked.oversize;
        total.split += booked.split;
    }
    // Each fate was met often.
    let Booked {
        whole,
        fcs,
        damaged,
        overrun,
        oversize,
        split,
        ..
    } = total;
    assert!(whole > 10_000, "{total:?}");
    for fate in [fcs, damaged, overrun, oversize, split] {
        assert!(fate > 1_000, "{total:?}");
    }
}
