//! A line that damages, loses, repeats and reorders; hosts that come late,
//! stall or start anew; sensors that start anew. The picture stays what it
//! is, or the loss is reported exactly.

use magpie_collector::State;
use magpie_link::Overflow;
use magpie_tests::answer;
use magpie_tests::bench::{Bench, Setup};
use magpie_tests::corpus::{Capture, own_named};
use magpie_tests::truth::{Exact, Level, compare};
use magpie_tests::wire::Plan;

const MINUTE_US: u64 = 60_000_000;

fn lab() -> (Capture, Exact) {
    let capture = own_named("lab.pcap");
    let truth = capture.truth();
    (capture, truth)
}

fn packets(exact: &Exact) -> u64 {
    exact.flows.iter().map(|f| f.ab.pkts + f.ba.pkts).sum()
}

/// Books closed, and every sum as the truth has it.
fn unharmed(bench: &Bench, truth: &Exact) {
    let books = bench.books();
    assert_eq!(
        books.state,
        State::Closed,
        "{books}: {:?} {:?}",
        books.broken,
        books.doubts
    );
    let differences = compare(truth, &answer::of(bench.picture()), Level::Sums);
    assert!(
        differences.is_empty(),
        "{} differences: {}",
        differences.len(),
        differences[0]
    );
}

fn with_line(up: Plan, down: Plan) {
    let (capture, truth) = lab();
    for seed in 1..=5 {
        let mut bench = Bench::new(Setup {
            up,
            down,
            seed,
            ..Setup::board(256)
        });
        bench.feed(&capture, 0, usize::MAX);
        assert!(bench.flush(), "seed {seed}: the ledger never came");
        unharmed(&bench, &truth);
        assert!(bench.up.mishaps > 10, "only {} mishaps", bench.up.mishaps);
    }
}

#[test]
fn batches_lost_both_ways() {
    let plan = Plan {
        lost: 150,
        ..Plan::default()
    };
    with_line(plan, plan);
}

#[test]
fn batches_repeated() {
    let plan = Plan {
        twice: 400,
        ..Plan::default()
    };
    with_line(plan, plan);
}

#[test]
fn batches_overtaken() {
    let plan = Plan {
        late: 250,
        ..Plan::default()
    };
    with_line(plan, plan);
}

#[test]
fn octets_damaged_frames_cut_garbage_between() {
    let plan = Plan {
        damaged: 80,
        cut: 80,
        garbage: 80,
        ..Plan::default()
    };
    with_line(plan, plan);
}

#[test]
fn everything_at_once() {
    let plan = Plan {
        lost: 60,
        twice: 100,
        late: 100,
        damaged: 50,
        cut: 50,
        garbage: 50,
    };
    with_line(plan, plan);
}

/// The line's receiver counts what was no frame, and finds the next one.
#[test]
fn garbage_is_counted_and_left_behind() {
    let (capture, truth) = lab();
    let plan = Plan {
        garbage: 300,
        ..Plan::default()
    };
    let mut bench = Bench::new(Setup {
        up: plan,
        ..Setup::board(256)
    });
    bench.feed(&capture, 0, usize::MAX);
    assert!(bench.flush());
    let counts = bench.up.counts();
    assert!(counts.garbage_octets > 1000, "{counts:?}");
    assert!(
        counts.bad_crc + counts.cut + counts.too_long > 10,
        "{counts:?}"
    );
    unharmed(&bench, &truth);
}

/// The sensor waits with its frames as long as its card pushes back.
#[test]
fn a_host_that_stalls_for_a_minute() {
    let (capture, truth) = lab();
    let mut bench = Bench::new(Setup {
        resend: 1 << 20,
        ..Setup::board(256)
    });
    bench.feed(&capture, 0, 1500);
    bench.up.unplugged = true;
    bench.down.unplugged = true;
    bench.feed(&capture, 1500, 2500);
    bench.wait(MINUTE_US);
    bench.up.unplugged = false;
    bench.down.unplugged = false;
    bench.feed(&capture, 2500, usize::MAX);
    assert!(bench.flush());
    unharmed(&bench, &truth);
}

/// Frames do not wait, nobody listens for a minute, the room is small: what
/// had to be dropped is counted, and what arrived plus that is everything.
#[test]
fn what_a_small_outbox_drops_is_reported_to_the_packet() {
    let (capture, truth) = lab();
    let mut setup = Setup {
        hold: false,
        resend: 2048,
        overflow: Overflow::DropOldest,
        ..Setup::board(64)
    };
    // What was shown live need not be missing when its end is dropped.
    setup.config.live_us = 0;
    let mut bench = Bench::new(setup);
    bench.feed(&capture, 0, 1000);
    bench.up.unplugged = true;
    bench.wait(MINUTE_US);
    bench.feed(&capture, 1000, 3000);
    bench.wait(MINUTE_US);
    bench.up.unplugged = false;
    bench.feed(&capture, 3000, usize::MAX);
    assert!(bench.flush());
    let books = bench.books();
    assert_eq!(books.state, State::Closed, "{books}: {:?}", books.broken);
    let ledger = bench.picture().ledger().expect("a ledger");
    let dropped = ledger.never_sent.packets + ledger.uplink.never_sent.packets;
    let unsure = ledger.uplink.unconfirmed.packets;
    assert!(dropped > 0, "nothing was dropped: {books}");
    let got = answer::of(bench.picture());
    assert_eq!(
        (got.frames, got.frame_bytes),
        (truth.frames, truth.frame_bytes)
    );
    assert_eq!(got.ethertype, truth.ethertype);
    let missing = packets(&truth) - packets(&got);
    assert!(
        (dropped..=dropped + unsure).contains(&missing),
        "{missing} packets are missing, reported {dropped} and up to {unsure} more"
    );
    for (want, have) in pairs(&truth, &got) {
        assert!(
            have.ab.pkts <= want.ab.pkts && have.ba.pkts <= want.ba.pkts,
            "counted twice: {want:?} {have:?}"
        );
    }
}

type Pair<'e> = (&'e magpie_tests::truth::Flow, &'e magpie_tests::truth::Flow);

/// Flows of the same key; every flow of `got` must be in `truth`.
fn pairs<'e>(truth: &'e Exact, got: &'e Exact) -> Vec<Pair<'e>> {
    let key = |f: &magpie_tests::truth::Flow| (f.vlan.clone(), f.proto, f.a, f.ap, f.b, f.bp);
    let find = |have| {
        truth
            .flows
            .iter()
            .find(|want| key(want) == key(have))
            .expect("a flow that nobody sent")
    };
    got.flows.iter().map(|have| (find(have), have)).collect()
}

/// A host that comes late finds everything: nothing was dropped for it.
#[test]
fn a_host_that_starts_late() {
    let (capture, truth) = lab();
    let mut bench = Bench::new(Setup {
        resend: 1 << 20,
        ..Setup::board(256)
    });
    bench.stop_host();
    bench.feed(&capture, 0, 2000);
    bench.wait(MINUTE_US);
    bench.start_host();
    bench.feed(&capture, 2000, usize::MAX);
    assert!(bench.flush());
    unharmed(&bench, &truth);
}

/// What an earlier host acknowledged is the earlier host's: both pictures
/// together are the truth, and the later one says that it began late.
#[test]
fn a_host_that_starts_anew() {
    let (capture, truth) = lab();
    let mut setup = Setup::board(256);
    // No live records: what the first host saw live and unfinished would
    // come again, finished, to the second.
    setup.config.live_us = 0;
    let mut bench = Bench::new(setup);
    bench.feed(&capture, 0, 2000);
    bench.wait(MINUTE_US);
    let first = bench.stop_host().expect("the first host");
    bench.start_host();
    bench.feed(&capture, 2000, usize::MAX);
    assert!(bench.flush());
    let books = bench.books();
    assert!(
        !matches!(books.state, State::Open { .. }),
        "{books}: {:?}",
        books.broken
    );
    assert!(
        matches!(books.state, State::Partial(_)),
        "it cannot know what the first host got: {books}"
    );
    let second = answer::of(bench.picture());
    assert_eq!(
        (second.frames, &second.ethertype),
        (truth.frames, &truth.ethertype)
    );
    let before = answer::of(&first.picture);
    assert_eq!(packets(&before) + packets(&second), packets(&truth));
    assert!(packets(&before) > 0);
}

/// A sensor that was flushed, then starts anew: both boots add up.
#[test]
fn a_sensor_that_starts_anew_after_a_flush() {
    let (capture, truth) = lab();
    let mut bench = Bench::new(Setup::board(256));
    bench.feed(&capture, 0, 1700);
    assert!(bench.flush());
    bench.reboot();
    bench.feed(&capture, 1700, usize::MAX);
    bench.wait(1_000_000);
    assert!(bench.flush());
    unharmed(&bench, &truth);
    assert_eq!(bench.picture().boots().len(), 2);
    // Numbers begin anew with a boot; round trips of the first one stay.
    for echo in answer::of(bench.picture()).echo {
        assert_eq!(echo.rtt_ns.len() as u64, echo.matched, "{echo:?}");
    }
}

/// A sensor that dies with frames it never told of: nothing is counted twice,
/// and the books do not claim to be closed.
#[test]
fn a_sensor_that_starts_anew_in_mid_run() {
    let (capture, truth) = lab();
    for cut in [300, 1500, 2900] {
        let mut bench = Bench::new(Setup::board(256));
        bench.feed(&capture, 0, cut);
        bench.reboot();
        bench.feed(&capture, cut, usize::MAX);
        bench.wait(1_000_000);
        assert!(bench.flush());
        let picture = bench.picture();
        assert_eq!(picture.boots().len(), 2);
        let last = picture.boots()[1]
            .ledger()
            .expect("the second boot's ledger");
        assert_eq!(
            last.counted.frames,
            truth.frames - cut as u64,
            "the second boot counted what it saw"
        );
        let got = answer::of(picture);
        for (want, have) in pairs(&truth, &got) {
            assert!(
                have.ab.pkts <= want.ab.pkts && have.ba.pkts <= want.ba.pkts,
                "counted twice: {want:?} {have:?}"
            );
        }
        let books = bench.books();
        assert_ne!(books.state, State::Closed, "{books}");
        let missing = truth.frames - got.frames;
        assert!(
            books.unaccounted.is_none_or(|n| n == i128::from(missing)),
            "{missing} missing, {books}"
        );
    }
}
