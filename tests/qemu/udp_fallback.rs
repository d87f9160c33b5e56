//! A UDP host that goes away, one on the serial line that gets the records
//! meanwhile, and the first again; a cable that is pulled, and the lease after it.
//! What must come out is added up by `traffic`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use magpie_collector::State;
use magpie_emulator::{Board, Options};
use magpie_protocol::{AddressPair, FlowRecord};
use magpie_tests::udp::board::SerialEnd;
use magpie_tests::udp::host::BOARD;
use magpie_tests::udp::{SpeakingBoard, Wiring};

use crate::host::Host;
use crate::traffic::{SECOND, Traffic};

on_each_board!(
    a_host_that_vanishes_and_returns,
    a_pulled_cable_asks_for_a_lease_anew
);

const MINUTE: u64 = 60 * SECOND;
/// Where the feed's clock begins.
const ERA: u64 = 1_000_000 * SECOND;
/// Flows of each part: their records find room in either board for a while.
const FLOWS: u16 = 40;
/// Longest wait for a move: the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(2);

/// Flows of one datagram each, which end by being silent.
fn part(traffic: &mut Traffic, n: u16) {
    let from = ERA + u64::from(n) * 10 * MINUTE;
    for i in 0..FLOWS {
        traffic.udp(from + u64::from(i) * SECOND, 2_000 + n * FLOWS + i, false);
    }
    // Time enough for all of them to end.
    for i in 0..10 {
        traffic.udp(from + MINUTE + i * MINUTE / 2, 1_000, false);
    }
}

/// Both ends of the board, turned in turns.
struct Ends {
    udp: Host<SpeakingBoard>,
    line: Option<Host<SerialEnd>>,
}

impl Ends {
    fn until(&mut self, what: &str, mut wish: impl FnMut(&Self) -> bool) {
        let begin = Instant::now();
        while !wish(self) {
            assert!(begin.elapsed() < PATIENCE, "{what}: not in {PATIENCE:?}");
            self.udp.turn();
            if let Some(line) = &mut self.line {
                line.turn();
            }
        }
    }

    fn feed(&mut self, part: &[magpie_emulator::FeedFrame]) {
        self.udp.source.feed(part);
        self.until("the feed", |ends| ends.udp.source.is_fed());
    }

    fn by_line(&self) -> usize {
        self.line.as_ref().map_or(0, |line| line.records.len())
    }
}

fn is_mirrored(record: &FlowRecord) -> bool {
    match record.key.addresses {
        AddressPair::V4 { a, b } => ![a, b].contains(&BOARD.octets()),
        AddressPair::V6 { .. } => false,
    }
}

fn a_host_that_vanishes_and_returns(board: &'static Board) {
    let mut traffic = Traffic::default();
    let mut ends_at = Vec::new();
    for n in 0..3 {
        part(&mut traffic, n);
        ends_at.push(traffic.frames.len());
    }
    let frames = &traffic.frames;
    let name = format!("{} over UDP", board.name);
    let options = Options::default();
    let source = SpeakingBoard::start_with(name, board, vec![], Wiring::default(), &options);
    let mut ends = Ends {
        udp: Host::with(source),
        line: None,
    };
    ends.feed(&frames[..ends_at[0]]);
    ends.until("records by UDP", |ends| {
        ends.udp.records.len() >= FLOWS.into()
    });

    // It is gone; nobody else is there yet, and records wait.
    ends.udp.source.turn_host_off(true);
    ends.feed(&frames[ends_at[0]..ends_at[1]]);
    let by_udp = ends.udp.records.len();
    let line = ends.udp.source.serial_end();
    ends.line = Some(Host::with(line));
    ends.until("records by the line", |ends| ends.by_line() >= FLOWS.into());
    ends.until("an answer by the line", |ends| {
        let line = ends.line.as_ref().expect("just plugged in");
        line.picture.hello().is_some()
    });
    assert_eq!(ends.udp.records.len(), by_udp, "a machine that is off");

    // It is back, and hears that there is a sensor, before it has said a word.
    let heard = |ends: &Ends| ends.udp.session.receiver().counts().batches;
    let before = heard(&ends);
    ends.udp.source.turn_host_off(false);
    ends.until("a sign of the sensor", |ends| heard(ends) > before);
    // The feed has its answers by UDP: from the first frame on, all is moved.
    ends.feed(&frames[ends_at[1]..=ends_at[1]]);
    ends.feed(&frames[ends_at[1] + 1..]);
    ends.until("records by UDP again", |ends| {
        ends.udp.records.len() >= by_udp + usize::from(FLOWS)
    });
    let by_line = ends.by_line();
    ends.udp.session.request_flush();
    ends.until("a flush", |ends| ends.udp.session.flushed());
    assert_eq!(ends.by_line(), by_line, "{}: moved back", board.name);

    // Together they have everything, once.
    let line = ends.line.as_ref().expect("still there");
    let mut records = ends.udp.records.clone();
    for (id, record) in &line.records {
        assert!(records.insert(*id, *record).is_none(), "twice: {record:?}");
    }
    let mut sums = BTreeMap::<(u8, u16), [u64; 2]>::new();
    for record in records.values().filter(|record| is_mirrored(record)) {
        let sum = sums.entry((record.key.protocol, record.key.a_port));
        let sum = sum.or_default();
        *sum = [sum[0] + record.ab.packets, sum[1] + record.ba.packets];
    }
    let want = traffic.truth.iter();
    let want = want.map(|(key, sums)| (*key, sums.ways.map(|way| way.0)));
    assert_eq!(sums, want.collect(), "{}", board.name);

    let picture = &ends.udp.picture;
    let ledger = picture.ledger().expect("a flushed sensor's ledger");
    let passed = ends.udp.source.passed_so_far();
    let books = picture.books(Some(&passed.offered(&[Some(ledger.counted.frames)])));
    assert_eq!((books.never_sent, books.unconfirmed), (0, 0), "{books}");
    assert_eq!(books.unaccounted, Some(0), "{books}");
    // The rest of its records another host has, as many as the line's.
    let elsewhere = books.records - books.acked;
    let why = format!("{elsewhere} records went to another host");
    assert_eq!(
        books.state,
        State::Partial(why),
        "{books} {:?}",
        books.broken
    );
    let finals = line.session.receiver().counts().finals;
    assert_eq!(elsewhere, finals, "{}", board.name);
}

/// The network behind the next cable may be another one. (The emulated LM3S6965
/// cannot see that its cable is out: its lease stays.)
fn a_pulled_cable_asks_for_a_lease_anew(board: &'static Board) {
    let mut traffic = Traffic::default();
    part(&mut traffic, 0);
    let before = traffic.frames.len();
    part(&mut traffic, 1);
    let wiring = Wiring {
        dhcp: true,
        ..Wiring::default()
    };
    let name = format!("{} over UDP", board.name);
    let source = SpeakingBoard::start_with(name, board, vec![], wiring, &Options::default());
    let mut ends = Ends {
        udp: Host::with(source),
        line: None,
    };
    let leases = |ends: &Ends| ends.udp.source.passed_so_far().leases;
    ends.feed(&traffic.frames[..before]);
    assert_eq!(leases(&ends), 1, "{}", board.name);
    ends.udp.source.plug(false).expect("a card of QEMU's");
    // Time for two looks at the cable.
    let pulled = Instant::now();
    ends.until("a while", |_| {
        pulled.elapsed() > Duration::from_millis(1_500)
    });
    let missed = ends.udp.source.plug(true).expect("a card of QEMU's");
    assert_eq!(missed.frames, 0, "nothing was fed meanwhile");
    let told = if board.name.contains("lm3s") { 1 } else { 2 };
    ends.until("a lease", |ends| leases(ends) == told);
    ends.feed(&traffic.frames[before..]);
    ends.udp.session.request_flush();
    ends.until("a flush", |ends| ends.udp.session.flushed());
    assert_eq!(leases(&ends), told, "{}", board.name);
    let picture = &ends.udp.picture;
    let ledger = picture.ledger().expect("a flushed sensor's ledger");
    let passed = ends.udp.source.passed_so_far();
    let books = picture.books(Some(&passed.offered(&[Some(ledger.counted.frames)])));
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
}
