//! Terminals of any size, and more flows than any of them holds.

use std::time::{Duration, Instant};

use magpie::views::Sort;
use magpie::views::screen::{Controls, Page, Screen, Size};

use super::made::many;
use super::trouble::in_trouble;
use super::{Made, controls};

/// The numbers and end points of a line.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

#[test]
fn no_number_is_cut_at_any_width() {
    let made = in_trouble();
    let every = (2_000, 60);
    for controls in [
        controls(),
        Controls {
            source: 1,
            ..controls()
        },
        Controls {
            page: Page::Ledger,
            source: 1,
            ..controls()
        },
    ] {
        let whole = made.shown(&controls, every);
        for columns in (48..210).step_by(3) {
            let got = made.shown(&controls, (columns, 60));
            // How long a page is depends on its width.
            let above = got.rsplit_once("-- q").unwrap().0;
            for word in words(above) {
                let number = word.chars().any(|c| c.is_ascii_digit()) && !word.contains('~');
                // A list that does not fit begins further down.
                let is_range = word.contains('-') && word.starts_with(|c: char| c.is_ascii_digit());
                assert!(
                    !number || is_range || words(&whole).any(|other| other == word),
                    "{word:?} at {columns} columns\n{got}"
                );
            }
        }
    }
}

#[test]
fn any_size_is_drawn() {
    let made = in_trouble();
    for page in [Page::Flows, Page::Ledger, Page::Help] {
        let controls = Controls {
            page,
            source: 1,
            top: 3,
            ..controls()
        };
        for columns in (1..120).step_by(7) {
            for rows in 1..30 {
                made.shown(&controls, (columns, rows));
            }
        }
    }
}

/// Generous: debug builds on a busy machine. Release takes a few milliseconds
/// (`--release -- --nocapture` shows them).
#[test]
fn thirty_thousand_flows_are_drawn_in_time() {
    let made = Made::of(vec![many(30_000)]);
    let findings = made.findings();
    let size = Size {
        columns: 200,
        rows: 60,
    };
    let mut screen = Screen::default();
    let mut time = |what: &str, work: &mut dyn FnMut(&mut Screen)| {
        let best = (0..5).map(|_| {
            let started = Instant::now();
            work(&mut screen);
            started.elapsed()
        });
        let best = best.min().unwrap();
        println!("{what}: {best:?}");
        assert!(best < Duration::from_millis(400), "{what} took {best:?}");
    };
    for sort in [Sort::Rate, Sort::Octets] {
        time(&format!("{sort:?}"), &mut |screen| {
            screen.scene(&made, &findings, &Controls::new(sort), None, size);
        });
    }
    let filtered = Controls {
        filter: "udp 10.0.1".to_owned(),
        ..controls()
    };
    time("filtered", &mut |screen| {
        screen.scene(&made, &findings, &filtered, None, size);
    });
    time("books and mirror", &mut |_| {
        made.findings();
    });
    time("freezing", &mut |_| {
        let copy = made.sources[0].0.clone();
        assert_eq!(copy.flows().len(), 30_000);
    });
}
