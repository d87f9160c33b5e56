//! One misfortune at a time.

use super::card::*;
use crate::ring::{Frame, Loss, Ring, Stamp};

const N: usize = 4;
const BUFFER: usize = 16;

struct Bench {
    shared: Shared,
    ring: Ring<Shared>,
}

impl Bench {
    fn new() -> Self {
        let shared = Shared::new(N, BUFFER);
        let ring = Ring::new(shared.clone());
        Self { shared, ring }
    }

    /// Lets a frame in as far as the ring has room.
    fn arrive(&mut self, arrival: Arrival) {
        let mut card = self.shared.card();
        card.queue.push_back(arrival);
        while card.step() {}
    }

    fn run(&mut self) {
        while self.shared.card().step() {}
    }

    fn pop(&mut self) -> Option<Result<Frame, Loss>> {
        let mut out = [0; 256];
        self.ring.pop(&mut out)
    }

    fn pop_len(&mut self) -> Option<Result<usize, Loss>> {
        self.pop().map(|r| r.map(|f| f.octets))
    }

    /// The ring is in step with the card.
    fn end(mut self) {
        assert_eq!(self.pop_len(), None);
        self.arrive(frame(99, 20));
        assert_eq!(self.pop_len(), Some(Ok(16)));
        assert_eq!(self.pop_len(), None);
        assert!(self.shared.card().is_idle());
    }
}

fn frame(id: u64, on_wire: usize) -> Arrival {
    Arrival {
        id,
        on_wire,
        ..Arrival::default()
    }
}

fn with_status(on_wire: usize, status: u32) -> Arrival {
    Arrival {
        on_wire,
        status,
        ..Arrival::default()
    }
}

#[test]
fn frames_of_every_length_come_out_whole() {
    let mut bench = Bench::new();
    for (id, on_wire) in (5..=N * BUFFER).enumerate() {
        let id = id as u64;
        bench.arrive(frame(id, on_wire));
        let mut out = [0; 256];
        let popped = bench.ring.pop(&mut out);
        let octets = on_wire - 4;
        let expected = Frame {
            octets,
            stored: octets,
            stamp: None,
        };
        assert_eq!(popped, Some(Ok(expected)), "{on_wire}");
        assert!((0..octets).all(|at| out[at] == octet(id, at)), "{on_wire}");
        assert_eq!(out[octets..], [0; 256][octets..], "no octet more");
    }
    assert_eq!(bench.ring.booked().whole, 60);
    bench.end();
}

#[test]
fn a_small_buffer_takes_the_beginning_and_the_length_stays() {
    let mut bench = Bench::new();
    for room in [0, 1, 16, 17, 39] {
        bench.arrive(frame(7, 44));
        let mut out = vec![0; room];
        let popped = bench.ring.pop(&mut out).unwrap().unwrap();
        assert_eq!((popped.octets, popped.stored), (40, room));
        assert!((0..room).all(|at| out[at] == octet(7, at)));
    }
    bench.end();
}

#[test]
fn errors_by_their_reason() {
    let cases = [
        (CE | ES, Err(Loss::Fcs)),
        (RE | ES, Err(Loss::Damaged)),
        (RE | CE | ES, Err(Loss::Fcs)),
        (DE | CE | ES, Err(Loss::Fcs)),
        (RWT | CE | ES, Err(Loss::Oversize)),
        (OE | CE | ES, Err(Loss::Overrun)),
        (OE | RWT | ES, Err(Loss::Overrun)),
        (ES, Err(Loss::Damaged)),
        (GP | ES, Ok(36)),
        (DE | ES, Ok(36)),
        (0, Ok(36)),
    ];
    let mut bench = Bench::new();
    for (status, expected) in cases {
        bench.arrive(with_status(40, status));
        assert_eq!(bench.pop_len(), Some(expected), "{status:x}");
    }
    let booked = bench.ring.booked();
    assert_eq!((booked.fcs, booked.damaged), (3, 2));
    assert_eq!((booked.oversize, booked.overrun), (1, 2));
    assert_eq!((booked.whole, booked.split), (3, 0));
    bench.end();
}

#[test]
fn a_length_that_cannot_be_is_damage() {
    let cases = [
        (40, 0),
        (40, 4),
        (40, 32),
        (40, 49),
        (40, 0x7fff),
        (3, 3),
        (4, 4),
    ];
    let mut bench = Bench::new();
    for (on_wire, length) in cases {
        bench.arrive(Arrival {
            wrong_length: Some(length),
            ..frame(1, on_wire)
        });
        let lost = Some(Err(Loss::Damaged));
        assert_eq!(bench.pop_len(), lost, "{on_wire} {length}");
    }
    bench.end();
}

#[test]
fn nothing_is_taken_before_its_end_is_there() {
    let mut bench = Bench::new();
    bench.shared.card().queue.push_back(frame(1, 40));
    for _ in 0..2 {
        assert!(bench.shared.card().step());
        assert_eq!(bench.pop_len(), None);
    }
    assert!(bench.shared.card().step());
    assert_eq!(bench.pop_len(), Some(Ok(36)));
    bench.end();
}

#[test]
fn a_late_write_back_makes_the_frames_behind_it_wait() {
    let mut bench = Bench::new();
    bench.arrive(Arrival {
        late: [2, 0, 0, 0],
        ..frame(1, 30)
    });
    bench.arrive(frame(2, 10));
    assert_eq!(bench.pop_len(), None);
    assert_eq!(bench.pop_len(), None);
    assert_eq!(bench.pop_len(), Some(Ok(26)));
    assert_eq!(bench.pop_len(), Some(Ok(6)));
    bench.end();
}

#[test]
fn a_full_ring_gives_what_it_has_and_goes_on() {
    let mut bench = Bench::new();
    for id in 0..7 {
        bench.arrive(frame(id, 10));
    }
    assert_eq!(bench.shared.card().queue.len(), 2, "and one on its way");
    for _ in 0..7 {
        assert_eq!(bench.pop_len(), Some(Ok(6)));
        bench.run();
    }
    bench.end();
}

#[test]
fn frames_without_beginning_or_end_are_one_loss_each() {
    let mut bench = Bench::new();
    bench.arrive(Arrival {
        headless: true,
        ..frame(1, 40)
    });
    assert_eq!(bench.pop_len(), Some(Err(Loss::Split)));
    bench.arrive(Arrival {
        endless: true,
        ..frame(2, 20)
    });
    assert_eq!(bench.pop_len(), None, "its end may still come");
    bench.arrive(frame(3, 20));
    assert_eq!(bench.pop_len(), Some(Err(Loss::Split)));
    assert_eq!(bench.pop_len(), Some(Ok(16)));
    bench.end();
}

#[test]
fn a_stopped_dma_cuts_a_frame() {
    let mut bench = Bench::new();
    bench.shared.card().queue.push_back(frame(1, 40));
    bench.shared.card().step();
    bench.shared.card().stop();
    bench.arrive(frame(2, 20));
    assert_eq!(bench.pop_len(), Some(Err(Loss::Split)));
    assert_eq!(bench.pop_len(), Some(Ok(16)));
    bench.end();
}

#[test]
fn a_frame_longer_than_the_ring_is_lost_once() {
    for on_wire in [N * BUFFER + 1, 3 * N * BUFFER, 3 * N * BUFFER + 5] {
        let mut bench = Bench::new();
        bench.arrive(frame(1, on_wire));
        assert_eq!(bench.pop_len(), Some(Err(Loss::Oversize)));
        for _ in 0..12 {
            bench.run();
            assert_eq!(bench.pop_len(), None);
        }
        bench.end();
    }
}

#[test]
fn stamps_come_from_the_context_descriptor() {
    let stamp = Some(Stamp {
        seconds: 7,
        nanoseconds: 999_999_999,
    });
    let mut bench = Bench::new();
    for on_wire in [20, 48, 10, 32] {
        bench.arrive(Arrival {
            stamp,
            ..frame(1, on_wire)
        });
        assert_eq!(bench.pop().unwrap().unwrap().stamp, stamp, "{on_wire}");
    }
    // Fills the ring: the context comes when there is room, too late.
    bench.arrive(Arrival {
        stamp,
        ..frame(1, N * BUFFER)
    });
    assert_eq!(bench.pop().unwrap().unwrap().stamp, None);
    bench.run();
    assert_eq!(bench.pop_len(), None);
    // Dropped by the hardware.
    bench.arrive(Arrival {
        stamp_dropped: true,
        ..frame(1, 20)
    });
    assert_eq!(bench.pop().unwrap().unwrap().stamp, None);
    // A little late, and too late.
    for (late, expected) in [(20, stamp), (40, None)] {
        bench.arrive(Arrival {
            stamp,
            late: [0, 0, 0, late],
            ..frame(1, 10)
        });
        assert_eq!(bench.pop().unwrap().unwrap().stamp, expected, "{late}");
    }
    for _ in 0..8 {
        assert_eq!(bench.pop_len(), None);
    }
    bench.shared.card().stray_context();
    bench.arrive(frame(1, 20));
    assert_eq!(bench.pop_len(), Some(Ok(16)));
    assert_eq!(bench.ring.booked().contexts, 8);
    bench.end();
}

#[test]
fn a_lost_frame_leaves_its_context_to_be_skipped() {
    let mut bench = Bench::new();
    bench.arrive(Arrival {
        stamp: Some(Stamp {
            seconds: 1,
            nanoseconds: 1,
        }),
        ..with_status(20, CE | ES)
    });
    assert_eq!(bench.pop_len(), Some(Err(Loss::Fcs)));
    assert_eq!(bench.pop_len(), None);
    assert_eq!(bench.ring.booked().contexts, 1);
    bench.end();
}
