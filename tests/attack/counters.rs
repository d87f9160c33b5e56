//! Counters at their limits and sequence numbers that wrap: sums stay exact,
//! for a record is split before one of its counters is full.

use magpie_collector::{FlowSums, State};
use magpie_tests::bench::{Bench, Setup};

use crate::count::Count;
use crate::packet::{A, B, Segment, ip4, tcp_key, udp};

fn flushed(mut bench: Bench) -> Bench {
    assert!(bench.flush(), "no answer to the flush");
    let books = bench.books();
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    bench
}

fn tcp_sums(bench: &Bench) -> FlowSums {
    let flow = bench.picture().flows().get(&tcp_key()).expect("the flow");
    flow.total().expect("a record")
}

/// Frames said to be as long as 32 bits hold, IP packets too.
#[test]
fn octets_beyond_32_bits() {
    for setup in [Setup::exact(), Setup::board(8)] {
        let (mut count, mut bench) = (Count::default(), Bench::new(setup));
        let mut random = fastrand::Rng::with_seed(3);
        let lengths = [
            60,
            65_535,
            1 << 24,
            (1 << 31) - 1,
            1 << 31,
            u32::MAX - 1,
            u32::MAX,
        ];
        for n in 0..4_000 {
            let back = random.bool();
            // A total length of 0 stands for all the wire has.
            let frame = if random.bool() {
                udp(1 + n % 3, back, 20)
            } else {
                ip4(if back { B } else { A }, 17, 0, &[0, 9, 0, 53, 0, 8, 0, 0])
            };
            let wire_len = random.choice(lengths).expect("seven");
            let at_us = 1_000_000 + u64::from(n) * 1_000;
            bench.frame(at_us, &frame, wire_len);
            count.frame(at_us, &frame, wire_len);
        }
        let bench = flushed(bench);
        count.check("long frames", &bench);
        let ledger = bench.picture().ledger().expect("a ledger");
        assert!(ledger.counted.octets > 1 << 40, "{ledger:?}");
        println!(
            "octets beyond 32 bits: {} in {} records",
            ledger.counted.octets, ledger.flows.made
        );
    }
}

/// One direction of a connection as its ends see it: positions of 64 bits.
#[derive(Debug, Default, Clone, Copy)]
struct End {
    isn: u32,
    /// Highest position seen, from the SYN on.
    highest: u64,
    back: u64,
    back_octets: u64,
    unseen: u64,
}

impl End {
    fn sequence(&self, position: u64) -> u32 {
        self.isn.wrapping_add((position & 0xffff_ffff) as u32)
    }

    /// EXACT.md 8, without a modulus.
    fn segment(&mut self, position: u64, octets: u64) {
        let keep_alive = octets <= 1 && position + 1 == self.highest;
        if position < self.highest && octets > 0 && !keep_alive {
            self.back += 1;
            self.back_octets += octets.min(self.highest - position);
        }
        if octets > 0 {
            self.highest = self.highest.max(position + octets);
        }
    }

    fn acknowledged(&mut self, position: u64) {
        let gap = position.saturating_sub(self.highest);
        if gap > 0 && gap <= 1 << 24 {
            self.unseen += gap;
            self.highest = position;
        }
    }
}

/// Hundreds of gigabytes of one connection: gaps, repetitions and loss around
/// every wrap, more of them than 16 bits count, more octets than 32 bits.
#[test]
fn sequence_numbers_wrap_and_their_sums_do_not() {
    for (setup, seed) in [(Setup::exact(), 1), (Setup::exact(), 2)] {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new(setup);
        let mut at_us = 1_000_000;
        let mut ends = [End::default(); 2];
        ends[0].isn = u32::MAX - 5;
        ends[1].isn = random.u32(..);
        let mut feed = |bench: &mut Bench, segment: Segment| {
            at_us += 100;
            bench.frame(at_us, &segment.frame(), segment.wire_len());
        };
        let [c, s] = [ends[0].isn, ends[1].isn];
        feed(&mut bench, Segment::new(A, c, 0, "S"));
        feed(&mut bench, Segment::new(B, s, c.wrapping_add(1), "SA"));
        feed(
            &mut bench,
            Segment::new(A, c.wrapping_add(1), s.wrapping_add(1), "A"),
        );
        ends[0].highest = 1;
        ends[1].highest = 1;
        for _ in 0..300_000 {
            let side = usize::from(random.bool());
            let (me, peer) = (ends[side], ends[1 - side]);
            let payload = random.usize(..1_461);
            let position = match random.u8(..10) {
                // Half of them again, up to just below what may be taken for new.
                0..=3 => me.highest.saturating_sub(random.u64(..3_000)).max(1),
                4 => me
                    .highest
                    .saturating_sub(random.u64(..(1 << 31) - 4_000))
                    .max(1),
                // Something is missing, up to half the sequence space.
                5 => me.highest + random.u64(..(1 << 31) - 4_000),
                _ => me.highest,
            };
            let acknowledged = match random.u8(..10) {
                0 => peer.highest + random.u64(..(1 << 24) + 3),
                1 => peer.highest.saturating_sub(random.u64(..100_000)),
                _ => peer.highest,
            };
            let from = [A, B][side];
            feed(
                &mut bench,
                Segment {
                    payload,
                    ..Segment::new(
                        from,
                        me.sequence(position),
                        peer.sequence(acknowledged),
                        "A",
                    )
                },
            );
            ends[side].segment(position, payload as u64);
            ends[1 - side].acknowledged(acknowledged);
        }
        let bench = flushed(bench);
        let sums = tcp_sums(&bench);
        let tcp = sums.tcp.expect("TCP");
        assert_eq!(tcp.seq_back, ends.map(|e| e.back));
        assert_eq!(tcp.seq_back_octets, ends.map(|e| e.back_octets));
        assert_eq!(tcp.unseen_octets, ends.map(|e| e.unseen));
        assert!(tcp.seq_back[0] > 60_000, "{tcp:?}");
        assert!(tcp.unseen_octets[0] > 1 << 34, "{tcp:?}");
        assert!(ends[0].highest >> 32 > 10, "{ends:?}");
        println!(
            "{} records, {} wraps, {tcp:?}",
            sums.records,
            ends[0].highest >> 32
        );
    }
}

/// A SYN repeated more often than 16 bits count.
#[test]
fn repetitions_beyond_16_bits() {
    const TIMES: u32 = 70_000;
    let mut bench = Bench::new(Setup::exact());
    let mut at_us = 1_000_000;
    let mut feed = |bench: &mut Bench, segment: Segment| {
        at_us += 100;
        bench.frame(at_us, &segment.frame(), segment.wire_len());
    };
    for _ in 0..=TIMES {
        feed(&mut bench, Segment::new(A, 7, 0, "S"));
    }
    for _ in 0..=TIMES {
        feed(&mut bench, Segment::new(B, 99, 8, "SA"));
    }
    feed(&mut bench, Segment::new(A, 8, 100, "A"));
    let bench = flushed(bench);
    let sums = tcp_sums(&bench);
    let tcp = sums.tcp.expect("TCP");
    assert_eq!(
        (sums.ab.packets, sums.ba.packets),
        (u64::from(TIMES) + 2, u64::from(TIMES) + 1)
    );
    assert_eq!(tcp.seq_back, [u64::from(TIMES); 2]);
    let handshake = sums.handshake().expect("a handshake");
    assert_eq!((handshake.syn_retx, handshake.synack_retx), (TIMES, TIMES));
}

/// Pings of one pair, each answered twice: more than 16 bits count.
#[test]
fn echoes_beyond_16_bits() {
    const TIMES: u64 = 140_000;
    let mut bench = Bench::new(Setup::exact());
    for n in 0..TIMES {
        let [.., high, low] = n.to_be_bytes();
        for (step, kind) in [(0, 8), (3, 0), (5, 0)] {
            let from = if kind == 8 { A } else { B };
            let frame = ip4(from, 1, 28, &[kind, 0, 0, 0, 0, 1, high, low]);
            bench.frame(1_000_000 + n * 10 + step, &frame, 42);
        }
    }
    let bench = flushed(bench);
    let (_, echo) = bench.picture().echoes().iter().next().expect("a pair");
    let sums = echo.total().expect("a record");
    assert_eq!(
        (
            sums.requests,
            sums.replies,
            sums.matched,
            sums.duplicates,
            sums.orphans
        ),
        (TIMES, 2 * TIMES, TIMES, TIMES, 0)
    );
    assert!(echo.samples().in_order().into_iter().all(|us| us == 3));
}
