//! Long runs of everything at once: each frame is booked once, or missed in a way
//! that the driver admits to.

use std::vec::Vec;

use embassy_futures::block_on;

use super::model::{Mischief, Model, Plugged, Random};
use super::{Missed, chip, receive};

struct Run {
    load: u64,
    longest: u64,
    mischief: Mischief,
    steps: u32,
}

/// Runs, and holds the driver to its word after each step.
fn run(seed: u64, run: &Run) -> (Missed, usize, u32) {
    let model = Model::new();
    let mut chip = chip(&model);
    {
        let mut model = model.borrow_mut();
        model.random = Random(seed);
        (model.load, model.longest) = (run.load, run.longest);
        model.mischief = run.mischief;
    }
    let mut delivered: Vec<u32> = Vec::new();
    let mut spent = Random(seed ^ 0x5555);
    for step in 0..run.steps {
        // Sometimes the node is slow, and octets pass on the wire meanwhile.
        if spent.once_in(4) {
            let mut model = model.borrow_mut();
            for _ in 0..spent.below(4) {
                let octets = 60 + spent.below(run.longest - 59);
                model.arrive(usize::try_from(octets).unwrap());
            }
        }
        if spent.once_in(50) {
            let mut model = model.borrow_mut();
            model.plugged = Plugged::Yes;
            model.link = true;
        }
        if spent.once_in(20) {
            let _ = block_on(chip.look());
        }
        let _ = block_on(chip.acknowledge());
        let came = receive(&mut chip).unwrap_or_default();
        // In order, so each at most once; `number` saw that they are whole.
        assert!(came.is_sorted_by(|a, b| a < b), "step {step}");
        if let (Some(last), Some(first)) = (delivered.last(), came.first()) {
            assert!(last < first, "step {step}: {last} {first}");
        }
        delivered.extend(came);
        let model = model.borrow();
        let offered = usize::try_from(model.offered).unwrap();
        let gone = offered - delivered.len() - model.held();
        let missed = chip.missed();
        assert!(
            usize::try_from(missed.certain).unwrap() <= gone,
            "step {step}: {missed:?}, but {gone} are gone"
        );
        if missed.occasions == 0 {
            assert_eq!(gone, 0, "step {step}");
            assert!(model.is_open());
        }
    }
    let gone = model.borrow().offered - u32::try_from(delivered.len()).unwrap();
    (chip.missed(), delivered.len(), gone)
}

#[test]
fn a_wire_that_spi_can_follow_loses_nothing_and_says_so() {
    for (seed, load, longest) in [(1, 30, 1514), (2, 60, 300), (3, 45, 64), (4, 50, 1522)] {
        let (missed, delivered, _) = run(
            seed,
            &Run {
                load,
                longest,
                mischief: Mischief {
                    torn: 5,
                    // Three in a row, which would be the end, never come.
                    bus: 500,
                    ..Mischief::default()
                },
                steps: 3_000,
            },
        );
        assert_eq!(missed, super::NOTHING, "seed {seed}");
        assert!(delivered > 3_000);
    }
}

#[test]
fn a_full_wire_is_too_much_and_it_says_so() {
    for (seed, longest) in [(1, 1514), (2, 64), (3, 300)] {
        let (missed, delivered, gone) = run(
            seed,
            &Run {
                load: 267,
                longest,
                mischief: Mischief::default(),
                steps: 150,
            },
        );
        assert!(missed.occasions > 0 && missed.certain == 0);
        assert!(delivered > 500 && gone > 500, "{delivered} {gone}");
    }
}

#[test]
fn everything_at_once() {
    for seed in 1..=10 {
        let (missed, delivered, gone) = run(
            seed,
            &Run {
                load: 20 + seed * 25,
                longest: if seed % 2 == 0 { 1514 } else { 120 },
                mischief: Mischief {
                    bad_word: 3_000,
                    bus: 30,
                    torn: 10,
                    reset: 9_000,
                    unplug: 9_000,
                },
                steps: 2_000,
            },
        );
        assert!(missed.occasions > 0 && missed.certain > 0, "{missed:?}");
        assert!(delivered > 1_000 && gone > 0, "{delivered} {gone}");
    }
}
