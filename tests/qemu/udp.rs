//! Boards that speak: the capture on the mirrored wire and the records on the
//! same cable, and what the sensor itself says told apart.

use magpie_collector::State;
use magpie_emulator::Board;
use magpie_protocol::Ledger;
use magpie_sources::QemuOptions;
use magpie_tests::corpus::{self, Capture, own, own_named};
use magpie_tests::truth::{Level, compare};
use magpie_tests::udp::board::ETHERNET;
use magpie_tests::udp::own::{Said, addressed_to, without};
use magpie_tests::udp::{self, SpeakingBoard, Wiring};
use magpie_tests::{answer, boards};

on_each_board!(
    captures_over_udp,
    an_address_by_dhcp,
    a_host_that_is_learnt,
    a_hub_and_a_forger,
    without_a_lease_records_stay_on_the_serial_line
);

/// Least captures of a corpus that must be run.
const CORPUS_RUNS: usize = 8;
/// Captures of more frames are left to the serial line.
const MOST_FRAMES: u64 = 4_000;

/// Captures that both boards take whole, and not too long: the feed waits for
/// the board again and again.
fn chosen() -> Vec<Capture> {
    let fits = |c: &Capture| c.truth().frames <= MOST_FRAMES && boards::fits(c);
    let mut all: Vec<Capture> = own().into_iter().filter(fits).collect();
    assert!(all.iter().any(|c| c.name == "lab.pcap"));
    if let Some(corpus) = corpus::corpus() {
        let some: Vec<Capture> = corpus
            .into_iter()
            .filter(|c| c.truth().frames >= 50 && fits(c))
            .take(CORPUS_RUNS)
            .collect();
        assert_eq!(some.len(), CORPUS_RUNS, "too few captures fit the boards");
        all.extend(some);
    }
    all
}

/// A run, held against the truth; its ledger and what passed.
fn exact(board: &'static Board, capture: &Capture, wiring: Wiring) -> (Ledger, udp::board::Passed) {
    let what = format!("{} {} {wiring:?}", board.name, capture.name);
    let truth = capture.truth();
    let (outcome, passed) = SpeakingBoard::start(board, capture, wiring).run();
    let ledger = outcome.picture.ledger().expect("a flushed sensor's ledger");
    let counted = ledger.counted.frames;
    let books = outcome
        .picture
        .books(Some(&passed.offered(counted, &truth)));
    assert_eq!(
        books.state,
        State::Closed,
        "{what}: {books} {:?} {:?}",
        books.broken,
        books.doubts
    );
    let own = passed.counted(counted, &truth);
    let mut got = answer::of(&outcome.picture);
    without(&mut got, own);
    let differences = compare(&truth, &got, Level::Sums);
    assert!(
        differences.is_empty(),
        "{what}: {} differences; first: {}",
        differences.len(),
        differences[0]
    );
    assert_eq!(ledger.own_rx, addressed_to(own, ETHERNET), "{what}");
    (ledger, passed)
}

fn captures_over_udp(board: &'static Board) {
    let captures = chosen();
    for capture in &captures {
        let (ledger, passed) = exact(board, capture, Wiring::default());
        assert_eq!((ledger.own_tx, ledger.forged), (0, 0), "{}", capture.name);
        assert_eq!(passed.kinds(), [Said::Arp, Said::Export]);
    }
    println!("{}: {} captures over UDP", board.name, captures.len());
}

fn an_address_by_dhcp(board: &'static Board) {
    let wiring = Wiring {
        dhcp: true,
        ..Wiring::default()
    };
    let (_, passed) = exact(board, &own_named("lab.pcap"), wiring);
    assert_eq!(passed.leases, 1);
    assert_eq!(passed.kinds(), [Said::Arp, Said::Dhcp, Said::Export]);
}

fn a_host_that_is_learnt(board: &'static Board) {
    let wiring = Wiring {
        host_unknown: true,
        ..Wiring::default()
    };
    exact(board, &own_named("lab.pcap"), wiring);
}

/// On a hub the sensor sees what it sends: its own, as many as it sent. More
/// than that under its address is somebody else's.
fn a_hub_and_a_forger(board: &'static Board) {
    let wiring = Wiring {
        hub: true,
        forged: 7,
        ..Wiring::default()
    };
    let (ledger, passed) = exact(board, &own_named("lab.pcap"), wiring);
    assert_eq!(ledger.forged, 7);
    let sent = passed.said.len() as u64;
    assert!(
        ledger.own_tx > 10 && ledger.own_tx <= sent,
        "{} of {sent}",
        ledger.own_tx
    );
}

/// Nobody answers the board's DHCP: it goes on as if it were silent.
fn without_a_lease_records_stay_on_the_serial_line(board: &'static Board) {
    let capture = own_named("lab.pcap");
    let mut options = QemuOptions::default();
    options.emulator.image = Some(udp::image(board));
    // A port that speaks makes nobody wait.
    options.feed.pace = magpie_emulator::Pace::PerSecond(1000);
    let source = boards::start(board, &capture, &options);
    let outcome = boards::run(Box::new(source), |_, _| {}).sound(board.name);
    let books = outcome.books();
    assert_eq!(books.state, State::Closed, "{}: {books}", board.name);
    let got = answer::of(&outcome.picture);
    assert_eq!(
        compare(&capture.truth(), &got, Level::Sums),
        [],
        "{}",
        board.name
    );
}
