//! A clock that goes back, jumps for hours and years, and stands at every edge
//! of 64 bits: times are what they are, and no count depends on them.

use magpie_collector::State;
use magpie_protocol::FlowKey;
use magpie_tests::bench::{Bench, Setup};

use crate::count::Count;
use crate::packet::{A, B, Segment, tcp_key, udp};

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;
const YEAR: u64 = 8_766 * HOUR;

/// Moments around which something may be too narrow.
const EDGES: [u64; 16] = [
    0,
    1 << 16,
    1 << 31,
    1 << 32,
    (1 << 32) * 1_000,
    1 << 42,
    1 << 47,
    1 << 48,
    1 << 53,
    1_700_000_000 * SECOND,
    (1 << 32) * SECOND,
    1 << 56,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX - 10 * SECOND,
    u64::MAX,
];

fn next(random: &mut fastrand::Rng, at_us: u64) -> u64 {
    match random.u8(..20) {
        0 => random.u64(..),
        1 | 2 => random.choice(EDGES).expect("sixteen"),
        3 => at_us.wrapping_add(random.u64(..3 * YEAR)),
        4 => at_us.saturating_sub(random.u64(..3 * YEAR)),
        5 => at_us.wrapping_add(random.u64(..5 * HOUR)),
        6 => at_us.saturating_sub(random.u64(..5 * HOUR)),
        7 => at_us.saturating_sub(random.u64(..5 * SECOND)),
        8 => at_us,
        _ => at_us.saturating_add(random.u64(..SECOND)),
    }
}

#[test]
fn no_jump_changes_a_count() {
    for seed in 1..=120 {
        let setup = if seed % 3 == 0 {
            Setup::exact()
        } else {
            Setup {
                lines: 1 << 17,
                rate: u64::MAX,
                ..Setup::board(if seed % 3 == 1 { 8 } else { 256 })
            }
        };
        let (mut count, mut bench) = (Count::default(), Bench::new(setup));
        let mut random = fastrand::Rng::with_seed(seed);
        let seeds = crate::seeds::all();
        let mut at_us = random.choice(EDGES).expect("sixteen");
        for n in 0..800 {
            at_us = next(&mut random, at_us);
            let frame = if n % 4 == 0 {
                udp(random.u16(1..40), random.bool(), random.usize(..300))
            } else {
                seeds[random.usize(..seeds.len())].clone()
            };
            let len = u32::try_from(frame.len()).expect("short");
            bench.frame(at_us, &frame, len);
            count.frame(at_us, &frame, len);
        }
        assert!(bench.flush(), "seed {seed}: no answer to the flush");
        count.check(&format!("seed {seed}"), &bench);
    }
}

/// Each ends the same way, whatever lies between the steps of a handshake:
/// durations are differences, and negative where the clock went back.
#[test]
fn handshakes_of_any_length_are_measured() {
    let (hour, year) = (HOUR.cast_signed(), YEAR.cast_signed());
    let steps = [
        (0, 0),
        (1, 2),
        (40_000_000, 7),
        (hour, 3 * hour),
        ((1 << 31) + 5, (1 << 32) + 9),
        (year, 2 * year),
        (-3, 9),
        (-hour, 2 * hour),
        (9, -year),
        (-(1 << 33), -(1 << 34)),
    ];
    for begin in [0, 1 << 32, 1_700_000_000 * SECOND, 1 << 62] {
        for (there, back) in steps {
            let Some(synack_us) = begin.checked_add_signed(there) else {
                continue;
            };
            let Some(ack_us) = synack_us.checked_add_signed(back) else {
                continue;
            };
            let mut bench = Bench::new(Setup::exact());
            let (c, s) = (u32::MAX, u32::MAX - 1);
            let mut frame = |at_us: u64, segment: Segment| {
                let octets = segment.frame();
                let len = u32::try_from(octets.len()).expect("short");
                bench.frame(at_us, &octets, len);
            };
            // Sequence numbers that wrap with the SYN.
            frame(begin, Segment::new(A, c, 0, "S"));
            frame(synack_us, Segment::new(B, s, c.wrapping_add(1), "SA"));
            frame(
                ack_us,
                Segment::new(A, c.wrapping_add(1), s.wrapping_add(1), "A"),
            );
            assert!(bench.flush());
            assert_eq!(bench.books().state, State::Closed, "{}", bench.books());
            let key: FlowKey = tcp_key();
            let sums = bench.picture().flows().get(&key).expect("the flow").total();
            let handshake = sums.and_then(|sums| sums.handshake()).expect("a handshake");
            assert_eq!(
                (handshake.syn_to_synack_us, handshake.synack_to_ack_us),
                (there, back),
                "from {begin}"
            );
        }
    }
}
