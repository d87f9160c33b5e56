//! Laws that hold whatever the sizes, the time-outs and the line.

use std::fs::File;

use magpie_capture::Reader;
use magpie_collector::State;
use magpie_sensor::Config;
use magpie_tests::answer;
use magpie_tests::bench::{Bench, Setup};
use magpie_tests::corpus::{Capture, own};
use magpie_tests::truth::{Level, compare};
use magpie_tests::wire::Plan;
use proptest::prelude::*;

fn time_out() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1_u64..10_000_000]
}

fn line() -> impl Strategy<Value = Plan> {
    let share = || 0_u32..120;
    (share(), share(), share(), share(), share(), share()).prop_map(
        |(lost, twice, late, damaged, cut, garbage)| Plan {
            lost,
            twice,
            late,
            damaged,
            cut,
            garbage,
        },
    )
}

fn setup() -> impl Strategy<Value = Setup> {
    let times = (time_out(), time_out(), time_out(), time_out());
    let sizes = (
        1_usize..500,
        1_usize..40,
        2_usize..70,
        1500_usize..9000,
        1_usize..200,
    );
    (
        times,
        sizes,
        line(),
        line(),
        any::<u8>(),
        30_000_u64..1_000_000,
    )
        .prop_map(
            |(
                (idle_us, active_us, end_us, live_us),
                (flows, echoes, outbox, resend, lines),
                up,
                down,
                seed,
                rate,
            )| {
                let config = Config {
                    idle_us,
                    active_us,
                    end_us,
                    live_us,
                    ..Config::default()
                };
                Setup {
                    flows,
                    echoes,
                    outbox,
                    resend,
                    lines,
                    config,
                    rate,
                    up,
                    down,
                    seed,
                    ..Setup::board(flows)
                }
            },
        )
}

/// Some frames of one of our captures.
fn frames() -> impl Strategy<Value = (Capture, usize, usize)> {
    (proptest::sample::select(own()), 0_usize..3000, 1_usize..900)
        .prop_map(|(c, from, n)| (c, from, from + n))
}

/// 48 cases, or as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 48;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_size_no_time_out_no_mishap_changes_a_sum(
        (capture, from, to) in frames(), setup in setup(),
    ) {
        let mut exact = Bench::new(Setup::exact());
        exact.feed(&capture, from, to);
        prop_assert!(exact.flush());
        let mut bench = Bench::new(setup);
        bench.feed(&capture, from, to);
        prop_assert!(bench.flush(), "the ledger never came");
        let books = bench.books();
        prop_assert_eq!(&books.state, &State::Closed, "{} {:?}", books, books.broken);
        let differences = compare(&answer::of(exact.picture()), &answer::of(bench.picture()), Level::Sums);
        prop_assert!(differences.is_empty(), "{}: {}", capture.name, differences[0]);
    }

    #[test]
    fn any_octets_are_a_frame_and_the_books_close(
        octets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..60),
        cut in 0_u32..100, seed in any::<u8>(),
    ) {
        let mut bench = Bench::new(Setup { seed, lines: 8, ..Setup::board(8) });
        for (n, frame) in (0_u64..).zip(&octets) {
            let wire = u32::try_from(frame.len()).expect("short") + cut;
            bench.frame(n * 1000, frame, wire);
        }
        prop_assert!(bench.flush());
        let books = bench.books();
        prop_assert_eq!(&books.state, &State::Closed, "{} {:?}", books, books.broken);
        prop_assert_eq!(books.counted, octets.len() as u64);
    }
}

/// The reading of captures agrees with the numbers in their truths, so that a
/// wrong reader cannot make a wrong comparison true.
#[test]
fn captures_are_read_whole() {
    for capture in own() {
        let mut reader = Reader::new(
            &capture.name,
            File::open(&capture.path).expect("our own file"),
        )
        .expect("a capture");
        let (mut frames, mut octets) = (0, 0);
        while let Some(frame) = reader.next_frame().expect("a whole capture") {
            frames += 1;
            octets += u64::from(frame.wire_len);
        }
        let truth = capture.truth();
        assert_eq!(
            (frames, octets),
            (truth.frames, truth.frame_bytes),
            "{}",
            capture.name
        );
    }
}
