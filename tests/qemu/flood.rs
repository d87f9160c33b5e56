//! Floods of distinct flows through the boards' tables: thousands more than
//! they hold, each one's sums exact.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use magpie_collector::{Books, Offered, Picture, State, UnsentFlows};
use magpie_emulator::{Board, FeedFrame, Options};
use magpie_tests::boards;
use magpie_tests::corpus::Capture;
use magpie_tests::flood::{
    Flood, Kind, check_missing, missing, number_of, total, truth, unsent, ways,
};
use magpie_tests::line::{Harm, Line};
use magpie_tests::udp::Weather;

use crate::host::Host;
use crate::traffic::Gate;
use crate::udp_soak::{STALLED, counted, feed, is_own, start as start_udp};

on_each_board!(
    twenty_thousand_flows,
    seven_thousand_flows_and_a_reader_that_stalls,
    a_flood_that_nobody_hears
);

/// Some time of 2023.
const BEGIN_US: u64 = 1_700_000_000_000_000;

fn start(board: &'static Board, flows: u64, gate: &Gate) -> Line {
    let (mut flood, gate) = (Flood::new(flows, BEGIN_US), gate.clone());
    let mut passed = 0;
    let frames = std::iter::from_fn(move || {
        if gate.shuts(passed) {
            std::thread::sleep(Duration::from_millis(1));
            return Some(Ok(None));
        }
        let (at_us, frame) = flood.next_frame()?;
        passed += 1;
        Some(Ok(Some(FeedFrame {
            at_us,
            wire_octets: u32::try_from(frame.len()).expect("a short frame"),
            octets: frame.to_vec(),
        })))
    });
    Line::start_with(board, &Options::default(), frames, Harm::default())
}

/// The flood as a capture file.
fn recorded(flows: u64) -> (tempfile::TempDir, Capture) {
    let folder = tempfile::tempdir().expect("a folder for a capture");
    // pcap, microseconds, little endian, Ethernet.
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0xffff, 1] {
        file.extend(word.to_le_bytes());
    }
    let mut flood = Flood::new(flows, BEGIN_US);
    while let Some((at_us, frame)) = flood.next_frame() {
        let octets = frame.len() as u64;
        for word in [at_us / 1_000_000, at_us % 1_000_000, octets, octets] {
            file.extend(u32::try_from(word).expect("32 bits").to_le_bytes());
        }
        file.extend(frame);
    }
    let path = folder.path().join("flood.pcap");
    std::fs::write(&path, file).expect("room for a capture");
    let capture = Capture {
        name: "flood.pcap".into(),
        truth: path.clone(), // it has none: the flood knows
        path,
    };
    (folder, capture)
}

/// Every frame is in the books and every flow in the picture, exactly.
fn check(board: &Board, picture: &Picture, books: &Books, offered: &Offered, flows: u64) {
    let (frames, octets) = total(0..flows);
    assert_eq!((offered.frames, offered.octets), (frames, octets));
    assert_eq!(
        books.state,
        State::Closed,
        "{}: {books} {:?}",
        board.name,
        books.broken
    );
    assert_eq!((books.never_sent, books.unconfirmed), (0, 0), "{books}");
    assert_eq!(picture.flows().len() as u64, flows);
    for (key, held) in picture.flows().iter() {
        let truth = truth(number_of(key));
        assert_eq!(truth.key, *key, "{}: a flow that nobody sent", board.name);
        let have = held.total().map(|sums| ways(&sums));
        assert_eq!(have, Some(truth.ways), "{}: {key:?}", board.name);
    }
    assert_eq!(unsent(picture), UnsentFlows::default());
    // More flows than the table holds, by far.
    let ledger = picture.ledger().expect("a flushed ledger");
    let capacity = u64::from(picture.hello().expect("a greeting").capacities.flows);
    assert!(
        ledger.flows.evicted >= flows - capacity,
        "{}: {:?}",
        board.name,
        ledger.flows
    );
    println!("{}: {} evicted; {books}", board.name, ledger.flows.evicted);
}

fn twenty_thousand_flows(board: &'static Board) {
    let (_folder, capture) = recorded(20_000);
    let outcome = boards::replay(board, &capture);
    let offered = outcome.report.offered.as_ref().expect("the feeder counts");
    check(board, &outcome.picture, &outcome.books(), offered, 20_000);
}

/// The board keeps what it can, then lets the frames wait: a flood does not
/// change that.
fn seven_thousand_flows_and_a_reader_that_stalls(board: &'static Board) {
    let gate = Gate::default();
    gate.up_to(1_000);
    let line = start(board, 7_000, &gate);
    let mut host = Host::on(&line);
    let read = || line.feeder().progress().read;
    host.until("the first flows", |_| read() == 1_000);
    line.stall(true);
    gate.up_to(usize::MAX);
    let (mut last, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        if read() != last {
            (last, since) = (read(), Instant::now());
        }
        host.turn();
    }
    assert!(!line.feeder().progress().done, "it never had to wait");
    line.stall(false);
    host.until("the feed", |_| {
        let progress = line.feeder().progress();
        assert_eq!(progress.failed, None);
        progress.done
    });
    host.flush();
    let offered = line.progress();
    let books = host.picture.books(Some(&offered));
    check(board, &host.picture, &books, &offered, 7_000);
}

/// A port that speaks waits for nobody: what a flood leaves no room for is in
/// the books, by what it went to.
fn a_flood_that_nobody_hears(board: &'static Board) {
    // Tables and buffers of the one hold hundreds, of the other thousands.
    let flows = if board.name.contains("lm3s") {
        2_000
    } else {
        12_000
    };
    let kind = Kind::OneWay;
    let mut flood = Flood::of(kind, flows, BEGIN_US);
    let mut frames = Vec::new();
    while let Some((at_us, frame)) = flood.next_frame() {
        frames.push(FeedFrame {
            at_us,
            wire_octets: u32::try_from(frame.len()).expect("a short frame"),
            octets: frame.to_vec(),
        });
    }
    let mut host = start_udp(board, &[]);
    let heard = frames.len() / 10;
    feed(&mut host, &frames[..heard]);
    host.source.set_weather(STALLED);
    host.source.feed(&frames[heard..]);
    host.until("the feed", |host| host.source.is_fed());
    host.source.set_weather(Weather::default());
    host.flush();
    let offered = host.source.passed_so_far().offered(&counted(&host));
    let books = host.picture.books(Some(&offered));
    assert_eq!(
        books.state,
        State::Closed,
        "{}: {books} {:?}",
        board.name,
        books.broken
    );
    let told = unsent(&host.picture);
    assert!(
        told.total.never_sent.flows > 100,
        "nothing was lost: {books}"
    );
    // (A flow may be shown by a live record whose final one is lost.)
    let arrived = host.records.values().filter(|r| !is_own(&r.key));
    let arrived: HashSet<u64> = arrived.map(|r| number_of(&r.key)).collect();
    let missing = missing(kind, 0..flows, |flow| arrived.contains(&flow));
    let victims: Vec<_> = (0..4).map(|flow| kind.responder(flow)).collect();
    let lines = told
        .lines
        .iter()
        .filter(|(key, _)| missing.contains_key(key));
    let of_the_flood = UnsentFlows {
        lines: lines.copied().collect(),
        ..told.clone()
    };
    check_missing(&of_the_flood, |key| missing[key]);
    let in_sight = |key| of_the_flood.lines.iter().any(|(of, _)| of == key);
    assert!(victims.iter().all(in_sight), "{told:?}");
    let (total, rest) = (told.total.flows(), told.other.flows());
    println!(
        "{}: {total} flows not kept, {rest} of them in no line of {}; {books}",
        board.name,
        told.lines.len()
    );
}
