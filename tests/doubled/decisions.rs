//! Frame by frame: the core and the second reading of the definition decide
//! alike, over captures, doubled captures and sequences made up.

use magpie_sensor::{Config, Identity, Sensor, Storage};
use magpie_tests::corpus;

use crate::mutate::Mirror;
use crate::second::{Second, Verdict};
use crate::twice::{self, Frame, How};

pub(crate) const WINDOW_US: u32 = 500;
/// Frames made up; without optimisation, which is slow, fewer.
const MADE_UP: u64 = if cfg!(debug_assertions) {
    100_000
} else {
    1_000_000
};

/// The core with its detector on.
pub(crate) struct First(Sensor<'static>);

impl First {
    pub(crate) fn new(seed: u8) -> Self {
        let config = Config {
            dedup_us: WINDOW_US,
            ..Config::default()
        };
        let storage = Storage::owned(64, 16).with_doubled::<4096>();
        let sensor = Sensor::new(config, Identity::default(), &[seed; 32], storage);
        Self(sensor)
    }

    pub(crate) fn frame(&mut self, frame: &Frame) -> Verdict {
        let before = self.0.ledger(0);
        self.0.observe(frame.at_us, &frame.data, frame.wire_len);
        let after = self.0.ledger(0);
        let octets = u64::from(frame.wire_len);
        let (was, is) = (before.doubles, after.doubles);
        if is.sum.frames == was.sum.frames {
            assert_eq!(after.counted.frames, before.counted.frames + 1);
            assert_eq!(after.counted.octets, before.counted.octets + octets);
            assert_eq!((is.sum, is.unsure), (was.sum, was.unsure));
            return Verdict::Counted;
        }
        assert_eq!(after.counted, before.counted);
        assert_eq!(is.sum.frames, was.sum.frames + 1);
        assert_eq!(is.sum.octets, was.sum.octets + octets);
        match is.unsure - was.unsure {
            0 => Verdict::Sure,
            1 => Verdict::Unsure,
            more => panic!("{more} for one frame"),
        }
    }

    /// Frames whose double would not have been known.
    pub(crate) fn forgotten(&self) -> u64 {
        self.0.ledger(0).doubles.forgotten
    }
}

/// What came of a row of frames.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Verdicts {
    shown: u64,
    counted: u64,
    sure: u64,
    unsure: u64,
    end: End,
}

/// Why the comparison ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All frames were shown.
    #[default]
    Whole,
    /// The table was full, and says so.
    Full,
    /// A clock stepped back to where the table has forgotten frames.
    SteppedBack,
}

/// Shows both the same frames, as long as the definition says that they agree.
fn compare(name: &str, frames: &[Frame]) -> Verdicts {
    let mut first = First::new(7);
    let mut second = Second::new(u64::from(WINDOW_US));
    let mut all = Verdicts::default();
    let mut latest_us = 0;
    let mut stepped_back = false;
    for (n, frame) in frames.iter().enumerate() {
        let ours = first.frame(frame);
        let theirs = second.frame(frame.at_us, &frame.data);
        stepped_back |= frame.at_us < latest_us;
        latest_us = frame.at_us;
        if first.forgotten() > 0 {
            all.end = End::Full;
            break;
        }
        if stepped_back && theirs != Verdict::Counted && theirs != ours {
            all.end = End::SteppedBack;
            break;
        }
        assert_eq!(ours, theirs, "{name}: frame {n}: {frame:x?}");
        all.shown += 1;
        match ours {
            Verdict::Counted => all.counted += 1,
            Verdict::Sure => all.sure += 1,
            Verdict::Unsure => all.unsure += 1,
        }
    }
    all
}

/// The same, where the table has room for all of them.
fn alike(name: &str, frames: &[Frame]) -> Verdicts {
    let all = compare(name, frames);
    assert_eq!(all.end, End::Whole, "{name}");
    all
}

/// Also prints the table of false positives in the module's documentation.
#[test]
fn captures_are_decided_alike() {
    let (mut frames, mut none) = (0, 0);
    let mut captures = 0;
    for capture in corpus::all() {
        let undoubled = twice::frames(&capture);
        let all = alike(&capture.name, &undoubled);
        frames += undoubled.len();
        captures += 1;
        if all.sure + all.unsure == 0 {
            none += 1;
        } else {
            println!(
                "| {} | {} | {} | {} |",
                capture.name,
                undoubled.len(),
                all.sure,
                all.unsure
            );
        }
    }
    println!("{frames} frames in {captures} captures, {none} without a double");
    assert!(frames > 9_000);
}

#[test]
fn doubled_captures_are_decided_alike() {
    for capture in corpus::all() {
        let undoubled = twice::frames(&capture);
        for (seed, how) in How::ALL.into_iter().enumerate() {
            let doubled = twice::double(&undoubled, how, seed as u64);
            alike(&format!("{}, {how:?}", capture.name), &doubled);
        }
    }
}

/// Copies that are late, early, changed in a field that matters or does not,
/// cut, padded, tagged, between others; clocks that step back.
#[test]
fn sequences_made_up_are_decided_alike() {
    let mut seeds = Vec::new();
    for capture in corpus::own() {
        seeds.extend(twice::frames(&capture).into_iter().map(|frame| frame.data));
    }
    let mut all = Verdicts::default();
    let mut ends = [0; 3];
    let mut seed = 0;
    while all.shown < MADE_UP {
        seed += 1;
        let steps_back = seed % 4 == 0;
        let frames = Mirror::new(&seeds, seed, steps_back).take(2_000);
        let some = compare(&format!("seed {seed}"), &frames);
        assert!(steps_back || some.end != End::SteppedBack, "seed {seed}");
        all.shown += some.shown;
        all.counted += some.counted;
        all.sure += some.sure;
        all.unsure += some.unsure;
        ends[some.end as usize] += 1;
    }
    println!("made up: {all:?}, {seed} rows: whole, full, stepped back {ends:?}");
    let least = MADE_UP / 50;
    assert!(
        all.counted > least && all.sure > least && all.unsure > least,
        "{all:?}"
    );
    assert!(ends.iter().all(|rows| *rows > 0), "{ends:?}");
}
