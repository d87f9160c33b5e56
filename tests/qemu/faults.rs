//! Batches that go astray between board and host, hosts that do not listen,
//! boards that are reset.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use magpie_collector::{Picture, State};
use magpie_emulator::Board;
use magpie_sources::{Incoming, Offered, QemuBoard, QemuOptions, Source, SourceError};
use magpie_tests::answer;
use magpie_tests::boards::{self, Outcome};
use magpie_tests::corpus::own_named;
use magpie_tests::truth::{Exact, Flow, Level, compare};

on_each_board!(
    batches_lost_repeated_and_reordered_change_nothing,
    a_host_that_stalls,
    a_board_that_is_reset_in_mid_run
);

/// Stands between a board and the loop and does with each batch as told.
struct Unruly {
    inner: QemuBoard,
    random: fastrand::Rng,
    /// Batches out of a hundred that are lost, given twice, given later.
    lost: u32,
    twice: u32,
    late: u32,
    waiting: VecDeque<Vec<u8>>,
    /// When nothing is heard, and for how long.
    deaf: Option<(Instant, Duration)>,
}

impl Unruly {
    fn around(inner: QemuBoard) -> Self {
        Self {
            inner,
            random: fastrand::Rng::with_seed(11),
            lost: 0,
            twice: 0,
            late: 0,
            waiting: VecDeque::new(),
            deaf: None,
        }
    }

    fn happens(&mut self, share: u32) -> bool {
        self.random.u32(0..100) < share
    }
}

impl Source for Unruly {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn receive(&mut self, timeout: Duration) -> Result<Incoming, SourceError> {
        if let Some((begin, length)) = self.deaf
            && Instant::now() >= begin
        {
            self.deaf = None;
            std::thread::sleep(length);
        }
        if self.waiting.len() > 3 || (!self.waiting.is_empty() && self.random.u32(0..4) == 0) {
            let at = self.random.usize(..self.waiting.len());
            return Ok(Incoming::Batch(
                self.waiting.remove(at).expect("within the queue"),
            ));
        }
        let incoming = self.inner.receive(timeout)?;
        let Incoming::Batch(batch) = incoming else {
            return Ok(incoming);
        };
        if self.happens(self.lost) {
            return Ok(Incoming::Idle);
        }
        if self.happens(self.twice) {
            self.waiting.push_back(batch.clone());
        }
        if self.happens(self.late) {
            self.waiting.push_back(batch);
            return Ok(Incoming::Idle);
        }
        Ok(Incoming::Batch(batch))
    }

    fn send(&mut self, batch: &[u8]) -> Result<(), SourceError> {
        if self.happens(self.lost) {
            Ok(())
        } else {
            self.inner.send(batch)
        }
    }

    fn offered(&self) -> Option<Offered> {
        self.inner.offered()
    }

    fn warnings(&mut self) -> Vec<String> {
        self.inner.warnings()
    }

    fn end_feed(&mut self) -> bool {
        self.inner.end_feed()
    }

    fn failure(&mut self) -> Option<SourceError> {
        self.inner.failure()
    }
}

/// Closed books, and the sums of the truth.
pub(crate) fn unharmed(what: &str, outcome: &Outcome, truth: &Exact) {
    let books = outcome.books();
    assert_eq!(
        books.state,
        State::Closed,
        "{what}: {books} {:?} {:?}",
        books.broken,
        books.doubts
    );
    let differences = compare(truth, &answer::of(&outcome.picture), Level::Sums);
    assert!(
        differences.is_empty(),
        "{what}: {} differences; first: {}",
        differences.len(),
        differences[0]
    );
}

fn batches_lost_repeated_and_reordered_change_nothing(board: &'static Board) {
    let capture = own_named("lab.pcap");
    let truth = capture.truth();
    for (lost, twice, late) in [(20, 0, 0), (0, 40, 0), (0, 0, 40), (10, 20, 20)] {
        let mut source = Unruly::around(boards::start(board, &capture, &QemuOptions::default()));
        (source.lost, source.twice, source.late) = (lost, twice, late);
        let what = format!(
            "{}, {lost} % lost, {twice} % twice, {late} % late",
            board.name
        );
        let outcome = boards::run(Box::new(source), |_, _| {}).sound(&what);
        unharmed(&what, &outcome, &truth);
    }
}

/// Nobody reads the serial line for some seconds in mid-run, longer than the
/// link waits for a host. (A whole minute passes on the bench, in no time:
/// `replay::faults`.)
fn a_host_that_stalls(board: &'static Board) {
    let capture = own_named("lab.pcap");
    let truth = capture.truth();
    let mut source = Unruly::around(boards::start(board, &capture, &QemuOptions::default()));
    source.deaf = Some((
        Instant::now() + Duration::from_millis(300),
        Duration::from_secs(6),
    ));
    let outcome = boards::run(Box::new(source), |_, _| {}).sound(board.name);
    unharmed(board.name, &outcome, &truth);
}

/// No key may ever show more than was sent.
fn nothing_twice(truth: &Exact, picture: &Picture) {
    let key = |f: &Flow| (f.vlan.clone(), f.proto, f.a, f.ap, f.b, f.bp);
    for have in &answer::of(picture).flows {
        let want = truth
            .flows
            .iter()
            .find(|want| key(want) == key(have))
            .expect("a flow that was sent");
        assert!(
            have.ab.pkts <= want.ab.pkts && have.ba.pkts <= want.ba.pkts,
            "counted twice: sent {want:?}, shown {have:?}"
        );
    }
}

/// The reset button in mid-run: another boot, nothing twice, and what died
/// with the memory is missing from the books to the frame.
fn a_board_that_is_reset_in_mid_run(board: &'static Board) {
    let capture = own_named("lab.pcap");
    let truth = capture.truth();
    let mut options = QemuOptions::default();
    // Slow enough to be in the middle when the button is pressed.
    options.feed.pace = magpie_emulator::Pace::PerSecond(1500);
    let source = boards::start(board, &capture, &options);
    let control = source.control();
    let button = control.clone();
    let mut pressed = false;
    let outcome = boards::run(Box::new(source), move |picture, _| {
        if !pressed && picture.ledger().is_some_and(|l| l.counted.frames > 500) {
            pressed = true;
            button.reset();
        }
    })
    .sound(board.name);
    assert_eq!(
        control.resets(),
        1,
        "{}: the button had no effect",
        board.name
    );
    assert_eq!(outcome.picture.boots().len(), 2, "{}", board.name);
    nothing_twice(&truth, &outcome.picture);
    let books = outcome.books();
    let counted = outcome.picture.ledger().expect("a ledger").counted.frames;
    assert!(counted <= truth.frames, "{}: {books}", board.name);
    assert_eq!(
        books.unaccounted,
        Some(i128::from(truth.frames - counted)),
        "{}: {books}",
        board.name
    );
    assert!(
        counted == truth.frames || books.state != State::Closed,
        "{}: {books}",
        board.name
    );
    let last = outcome.picture.boots()[1]
        .ledger()
        .expect("the second boot was flushed");
    assert!(last.counted.frames > 500, "{}: {books}", board.name);
}
