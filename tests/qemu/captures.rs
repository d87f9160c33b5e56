//! What the boards count is what is true, whatever their tables hold.

use magpie_collector::State;
use magpie_emulator::Board;
use magpie_sources::QemuOptions;
use magpie_tests::corpus::{self, Capture, own, own_named};
use magpie_tests::truth::{Echo, Level, compare};
use magpie_tests::{answer, boards};

on_each_board!(
    every_capture,
    every_round_trip_of_the_lab,
    what_a_card_cannot_take_is_refused_by_name,
    a_sensor_that_forgets_one_frame_leaves_the_books_open
);

/// Least captures of a corpus that must fit.
const CORPUS_RUNS: usize = 20;

/// Every capture that both boards take whole: no frame of it is cut, too
/// short or too long for their network cards.
fn chosen() -> Vec<Capture> {
    let mut all: Vec<Capture> = own().into_iter().filter(boards::fits).collect();
    assert!(
        all.iter().any(|c| c.name == "lab.pcap"),
        "the bundled capture must fit every board"
    );
    if let Some(corpus) = corpus::corpus() {
        let fitting: Vec<Capture> = corpus.into_iter().filter(boards::fits).collect();
        assert!(
            fitting.len() >= CORPUS_RUNS,
            "only {} captures of the corpus fit the boards",
            fitting.len()
        );
        all.extend(fitting);
    }
    all
}

fn every_capture(board: &'static Board) {
    let mut wrong = Vec::new();
    let (mut evicted, mut runs, mut frames) = (0, 0, 0);
    for capture in chosen() {
        let outcome = boards::replay(board, &capture);
        let books = outcome.books();
        if books.state != State::Closed {
            wrong.push(format!("{}: {books} {:?}", capture.name, books.broken));
        }
        let differences = compare(&capture.truth(), &answer::of(&outcome.picture), Level::Sums);
        if let Some(first) = differences.first() {
            wrong.push(format!(
                "{}: {} differences; first: {first}",
                capture.name,
                differences.len()
            ));
        }
        let ledger = outcome.picture.ledger().expect("a flushed sensor's ledger");
        evicted += u64::from(ledger.flows.evicted > 0);
        runs += 1;
        frames += ledger.counted.frames;
    }
    assert!(
        wrong.is_empty(),
        "{} of {runs} captures on {}:\n{}",
        wrong.len(),
        board.name,
        wrong.join("\n")
    );
    assert!(
        evicted > 0,
        "no capture had more flows than the table of {}",
        board.name
    );
    println!(
        "{}: {runs} captures, {frames} frames, {evicted} with evictions, all as their truth says",
        board.name
    );
}

/// A boot whose hash spreads the pairs of the bundled capture so that no set of
/// the small board's 16 places overflows.
const ROOMY: [u8; 32] = [3; 32];

/// Pings of the bundled capture, every pair and every round trip to the
/// microsecond, where the echo tables hold them all. Whether 12 pairs find room
/// in 4 sets of 4 is the seed's luck: with a fresh one, each round trip that
/// is missing was stated as forgotten.
fn every_round_trip_of_the_lab(board: &'static Board) {
    let capture = own_named("lab.pcap");
    let truth = capture.truth();
    assert!(truth.echo.iter().map(|e| e.rtt_ns.len()).sum::<usize>() > 200);

    let mut roomy = QemuOptions::default();
    roomy.emulator.seed = Some(ROOMY);
    let source = boards::start(board, &capture, &roomy);
    let outcome = boards::run(Box::new(source), |_, _| {}).sound(board.name);
    let ledger = outcome.picture.ledger().expect("a flushed sensor's ledger");
    assert_eq!(
        (ledger.echoes.evicted, ledger.echo_forgotten),
        (0, 0),
        "{}: the seed leaves no room; pick another",
        board.name
    );
    let mut differences = compare(&truth, &answer::of(&outcome.picture), Level::Whole);
    differences.retain(|d| d.section == "echo");
    assert!(differences.is_empty(), "{}: {}", board.name, differences[0]);

    let outcome = boards::replay(board, &capture);
    let ledger = outcome.picture.ledger().expect("a flushed sensor's ledger");
    let got = answer::of(&outcome.picture);
    let matched = |echoes: &[Echo]| echoes.iter().map(|e| e.matched).sum::<u64>();
    let missing = matched(&truth.echo).checked_sub(matched(&got.echo));
    assert!(
        missing.is_some_and(|missing| missing <= ledger.echo_forgotten),
        "{}: {missing:?} round trips missing, {} requests forgotten",
        board.name,
        ledger.echo_forgotten
    );
}

/// Frames that a card cannot take are refused by the feeder, named, and part
/// of what was on the wire.
fn what_a_card_cannot_take_is_refused_by_name(board: &'static Board) {
    let capture = own_named("malformed.pcap");
    let outcome = boards::replay(board, &capture);
    let books = outcome.books();
    assert_eq!(
        books.state,
        State::Closed,
        "{}: {books} {:?}",
        board.name,
        books.broken
    );
    let offered = outcome.report.offered.expect("the feeder counts");
    assert_eq!(offered.frames, capture.truth().frames);
    for reason in ["short", "oversize"] {
        assert!(
            offered
                .refused
                .iter()
                .any(|r| r.reason == reason && r.frames > 0),
            "{reason}: {offered:?}"
        );
        assert!(books.to_string().contains(reason), "{books}");
    }
}

/// The books are no decoration: a sensor that forgets one frame is found out.
fn a_sensor_that_forgets_one_frame_leaves_the_books_open(board: &'static Board) {
    let mut options = QemuOptions::default();
    options.emulator.image = Some(boards::forgetful_image(board));
    let source = boards::start(board, &own_named("lab.pcap"), &options);
    let outcome = boards::run(Box::new(source), |_, _| {}).sound(board.name);
    let books = outcome.books();
    assert!(
        matches!(books.state, State::Open { .. }),
        "{}: {books}",
        board.name
    );
    assert_eq!(
        (books.exit_code(), books.unaccounted),
        (4, Some(1)),
        "{}: {books}",
        board.name
    );
}
