//! Our dissector against etherparse, over captures and over frames that were
//! made to be difficult. Every difference has a name in [`Why`], or fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;

use magpie_capture::Reader;
use magpie_sensor::dissect::dissect;
use magpie_tests::corpus;

use crate::hostile::Hostile;
use crate::second::{Second, Why};

/// Frames that are made up; without optimisation, which is slow, fewer.
const MADE_UP: u64 = if cfg!(debug_assertions) {
    200_000
} else {
    1_000_000
};
/// Differences shown.
const SHOWN: usize = 5;

/// Frames compared, and why they differ where they do.
#[derive(Default)]
struct Comparison {
    frames: u64,
    agreed: u64,
    why: BTreeMap<Why, u64>,
    unexplained: u64,
    text: String,
}

impl Comparison {
    fn frame(&mut self, from: &str, frame: &[u8], wire_len: u32) {
        let ours = dissect(frame, wire_len);
        let second = Second::read(frame, wire_len);
        self.frames += 1;
        self.agreed += u64::from(second.why.is_empty());
        for why in &second.why {
            *self.why.entry(*why).or_default() += 1;
        }
        let cut = wire_len as usize != frame.len();
        if let Some(what) = second.differs(&ours, cut) {
            self.unexplained += 1;
            if self.unexplained <= SHOWN as u64 {
                let hex: String = frame.iter().fold(String::new(), |mut hex, octet| {
                    let _ = write!(hex, "{octet:02x}");
                    hex
                });
                let _ = writeln!(
                    self.text,
                    "{from}: {what}; why {:?}\n ours {ours:?}\n theirs {:?}\n wire {wire_len} frame {hex}",
                    second.why, second.view
                );
            }
        }
    }

    fn close(&self, what: &str) {
        println!(
            "{what}: {} frames, {} read alike, {} where EXACT.md overrules etherparse, \
             {} unexplained",
            self.frames,
            self.agreed,
            self.frames - self.agreed,
            self.unexplained
        );
        for (why, frames) in &self.why {
            println!("  {why:<18?} {frames:>8}");
        }
        assert_eq!(self.unexplained, 0, "{}", self.text);
    }
}

fn each_frame(mut with: impl FnMut(&str, &[u8], u32)) {
    for capture in corpus::all() {
        let file =
            File::open(&capture.path).unwrap_or_else(|e| panic!("{}: {e}", capture.path.display()));
        let mut reader = Reader::new(&capture.name, file).expect("a capture");
        while let Some(frame) = reader.next_frame().expect("a whole capture") {
            with(&capture.name, frame.data, frame.wire_len);
        }
    }
}

#[test]
fn captures_are_read_alike() {
    let mut all = Comparison::default();
    each_frame(|name, frame, wire_len| all.frame(name, frame, wire_len));
    all.close("captures");
    assert!(all.frames > 9_000, "{}", all.frames);
    // Most traffic is such that both agree to the bit.
    assert!(all.agreed * 10 > all.frames * 8, "{}", all.agreed);
}

#[test]
fn frames_made_up_are_read_alike() {
    let mut seeds = crate::seeds::all();
    let mut number = 0_u64;
    each_frame(|_, frame, _| {
        number += 1;
        // A few of every capture, of any length.
        if number.is_multiple_of(61) && frame.len() < 400 {
            seeds.push(frame.to_vec());
        }
    });
    let mut hostile = Hostile::new(seeds, 4);
    let mut all = Comparison::default();
    while all.frames < MADE_UP {
        let (frame, wire_len) = hostile.next();
        all.frame("made up", frame, wire_len);
    }
    all.close("made up");
    for why in Why::ALL {
        assert!(all.why.contains_key(&why), "no frame showed {why:?}");
    }
    assert!(all.agreed * 10 > all.frames, "{}", all.agreed);
}
