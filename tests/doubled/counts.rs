//! The counts of a doubled capture with the detector on are those of the
//! capture before it was doubled: from the core over link and records to the
//! picture, every section of EXACT.md.

use magpie_sensor::Config;
use magpie_tests::answer;
use magpie_tests::bench::{Bench, Setup};
use magpie_tests::corpus;
use magpie_tests::truth::{Exact, Flow, Level, compare};

use crate::decisions::WINDOW_US;
use crate::second::{Second, Verdict};
use crate::twice::{self, Frame, How};

/// Longest that a copy comes behind its original.
const BEHIND_US: u64 = 40;

fn run(name: &str, frames: &[Frame]) -> Bench {
    let mut setup = Setup::exact();
    setup.config = Config {
        dedup_us: WINDOW_US,
        ..Config::exact()
    };
    let mut bench = Bench::new(setup);
    for frame in frames {
        bench.frame(frame.at_us, &frame.data, frame.wire_len);
    }
    assert!(bench.flush(), "{name}: no answer to the flush");
    bench
}

/// Whether two frames that cannot be told apart came so close to each other
/// that one overtook the other's copy.
fn repeats(frames: &[Frame]) -> bool {
    let mut second = Second::new(BEHIND_US);
    frames
        .iter()
        .any(|frame| second.frame(frame.at_us, &frame.data) != Verdict::Counted)
}

/// Of two equal frames either may have been kept: times within so many
/// nanoseconds are the same.
fn forgive_times(truth: &Exact, got: &mut Exact) {
    let close = |a: i64, b: i64| a.abs_diff(b) <= BEHIND_US * 1_000;
    for flow in &mut got.flows {
        let ends = |flow: &Flow| (flow.a, flow.ap, flow.b, flow.bp);
        let same = truth.flows.iter().find(|other| {
            (&other.vlan, other.proto, ends(other)) == (&flow.vlan, flow.proto, ends(flow))
        });
        let Some(same) = same else { continue };
        if close(same.first_ns, flow.first_ns) && close(same.last_ns, flow.last_ns) {
            (flow.first_ns, flow.last_ns) = (same.first_ns, same.last_ns);
        }
        if let (Some(want), Some(have)) = (&same.handshake, &mut flow.handshake)
            && close(want.syn_to_synack_ns, have.syn_to_synack_ns)
            && close(want.synack_to_ack_ns, have.synack_to_ack_ns)
            && close(want.total_ns, have.total_ns)
        {
            have.clone_from(want);
        }
    }
}

/// All sections are equal. Where a capture itself holds frames that cannot be told
/// apart, closer than the copies: the same, but for times by as much; and
/// where copies have other tags, only in frames, since then which of the two
/// was kept shows.
#[test]
fn a_doubled_capture_counts_as_before() {
    let (mut whole, mut times, mut frames_only) = (0, 0, 0);
    for capture in corpus::all() {
        let truth = capture.truth();
        let undoubled = twice::frames(&capture);
        let repeats = repeats(&undoubled);
        for (seed, how) in How::ALL.into_iter().enumerate() {
            let name = format!("{}, {how:?}", capture.name);
            let doubled = twice::double(&undoubled, how, seed as u64);
            // Which copy was whose cannot be told: see the definition.
            if repeats && how == How::Mixed {
                continue;
            }
            let bench = run(&name, &doubled);
            let (frames, of_all) = (undoubled.len(), doubled.len());
            let books = bench.books().to_string();
            let begin = format!(
                "books CLOSED wire={of_all} counted={frames} lost=0 doubled={frames} own=0 \
                 unaccounted=0 "
            );
            assert!(books.starts_with(&begin), "{name}: {books}");
            let mirror = magpie_collector::Mirror::of(bench.picture());
            let share = mirror.doubled.map(|share| share.to_string());
            let expected = if frames > 0 { "50.00%" } else { "0.00%" };
            assert_eq!(share.as_deref(), Some(expected), "{name}");
            let mut got = answer::of(bench.picture());
            if repeats && how.changes_tags() {
                frames_only += 1;
                continue;
            }
            if repeats {
                times += 1;
                forgive_times(&truth, &mut got);
            } else {
                whole += 1;
            }
            let differences = compare(&truth, &got, Level::Whole);
            assert!(
                differences.is_empty(),
                "{name}: {} differences; first: {}",
                differences.len(),
                differences[0]
            );
        }
    }
    println!(
        "doubled captures: {whole} equal in all, {times} but for times by {BEHIND_US} us, \
         {frames_only} in frames"
    );
    assert!(whole > 10 * (times + frames_only) || corpus::corpus().is_none());
}

/// Without the detector they do not: the test could fail.
#[test]
fn without_it_everything_counts_twice() {
    let capture = corpus::own_named("lab.pcap");
    let undoubled = twice::frames(&capture);
    let doubled = twice::double(&undoubled, How::Routed, 1);
    let mut bench = Bench::new(Setup::exact());
    for frame in &doubled {
        bench.frame(frame.at_us, &frame.data, frame.wire_len);
    }
    assert!(bench.flush());
    let books = bench.books();
    assert_eq!(books.counted, doubled.len() as u64);
    assert_eq!(books.doubled, None);
    assert!(!books.to_string().contains("doubled"), "{books}");
}
