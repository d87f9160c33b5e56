//! Frames of every length a jumbo port may bring, with sound and with hostile
//! content: each counted once, where the second reading says.

use magpie_tests::bench::{Bench, Setup};

use crate::count::Count;
use crate::hostile::Hostile;

/// Octets of the longest frame: a jumbo frame of common switches.
const LONGEST: usize = 9_216;
const MADE_UP: u64 = 100_000;

fn close(what: &str, count: &Count, mut bench: Bench) {
    assert!(bench.flush(), "{what}: no answer to the flush");
    count.check(what, &bench);
    println!("{what}: {}", bench.books());
}

/// A board whose tables hold every line of these tests.
fn board() -> Setup {
    Setup {
        rate: u64::MAX,
        lines: 1 << 17,
        ..Setup::board(256)
    }
}

/// A datagram, segment or message that fills a frame of this length exactly.
fn sound(kind: usize, octets: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    let protocol = [17, 6, 1, 17][kind];
    let len = |from: usize| u16::try_from(octets.saturating_sub(from)).expect("16 bits");
    if kind == 3 {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend(len(54).to_be_bytes());
        frame.extend([protocol, 64]);
        frame.extend([0xfd; 16]);
        frame.extend([0xfc; 16]);
    } else {
        frame.extend([8, 0, 0x45, 0]);
        frame.extend(len(14).to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    }
    let at = frame.len();
    match protocol {
        6 => frame.extend([
            9, 9, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 4, 0, 0, 0, 0, 0,
        ]),
        17 => {
            frame.extend([9, 9, 0, 53]);
            frame.extend(len(at).to_be_bytes());
            frame.extend([0, 0]);
        }
        _ => frame.extend([8, 0, 0, 0, 0, 7, 0, 1]),
    }
    frame.resize(octets, 0x5a);
    frame
}

#[test]
fn every_length_with_sound_content() {
    for setup in [Setup::exact(), board()] {
        let (mut count, mut bench) = (Count::default(), Bench::new(setup));
        let mut at_us = 1_000_000;
        for octets in 0..=LONGEST {
            for kind in 0..4 {
                let frame = sound(kind, octets);
                let len = u32::try_from(octets).expect("short");
                at_us += 10;
                bench.frame(at_us, &frame, len);
                count.frame(at_us, &frame, len);
            }
        }
        close("sound content, 0 to 9,216 octets", &count, bench);
    }
}

#[test]
fn every_length_with_hostile_content() {
    for setup in [Setup::exact(), board()] {
        let (mut count, mut bench) = (Count::default(), Bench::new(setup));
        let mut random = fastrand::Rng::with_seed(17);
        let heads = crate::seeds::all();
        let mut at_us = 1_000_000;
        for octets in 0..=LONGEST {
            // Anything; a header and then anything; one octet again and again.
            let mut frames = vec![vec![0; octets]; 3];
            random.fill(&mut frames[0]);
            random.fill(&mut frames[1]);
            let head = &heads[octets % heads.len()];
            let header = head.len().min(octets).min(14 + random.usize(..40));
            frames[1][..header].copy_from_slice(&head[..header]);
            let filler = [0x81, 0x88, 0, 0xff, 0x45, 60][octets % 6];
            frames[2][12.min(octets)..].fill(filler);
            if octets % 12 == 5 && octets > 60 {
                // An endless chain of empty options headers.
                frames[2][..14].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd]);
                frames[2][14] = 0x60;
                for unit in frames[2][54..].chunks_exact_mut(8) {
                    unit[1] = 0;
                }
            }
            for frame in &frames {
                let len = u32::try_from(octets).expect("short");
                at_us += 10;
                bench.frame(at_us, frame, len);
                count.frame(at_us, frame, len);
            }
        }
        close("hostile content, 0 to 9,216 octets", &count, bench);
    }
}

#[test]
fn frames_made_up_are_counted_alike() {
    for setup in [Setup::exact(), board()] {
        let (mut count, mut bench) = (Count::default(), Bench::new(setup));
        let mut hostile = Hostile::new(crate::seeds::all(), 5);
        for n in 0..MADE_UP {
            let at_us = 1_000_000 + n * 50;
            let (frame, wire_len) = hostile.next();
            bench.frame(at_us, frame, wire_len);
            count.frame(at_us, frame, wire_len);
        }
        close("made up", &count, bench);
    }
}
