//! Weeks in seconds over UDP: frames whose stamps run over every width a
//! counter might have, while datagrams are lost, repeated and reordered, the
//! uplink stalls, hosts are killed, the cable is pulled and boards restart.
//! What must come out is added up by `traffic` and by the cable, never by the
//! sensor. (The same over the serial line: `soak`.)

use std::time::{Duration, Instant};

use magpie_collector::{FlowSums, State};
use magpie_emulator::{Board, FeedFrame, Options};
use magpie_protocol::{Address, AddressPair, EndReason, FlowKey, FlowRecord, UnsentKey};
use magpie_tests::flood::unsent;
use magpie_tests::udp::host::BOARD;
use magpie_tests::udp::{SpeakingBoard, Weather, Wiring};

use crate::host::Host;
use crate::traffic::{CLIENT, HOUR, SECOND, SERVER, Traffic, UDP};

on_each_board!(
    minutes_and_weeks_in_any_weather,
    ten_minutes_in_which_nothing_arrives,
    a_stall_that_overflows_is_stated_to_the_packet,
    a_host_that_is_killed_and_another,
    a_cable_that_is_pulled,
    a_sensor_that_is_reset
);

const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * HOUR;
/// As in `soak`: 32 bits of milliseconds and of microseconds begin anew.
const ERA: u64 = (1 << 32) * 1_000 * 400;

pub(crate) const STALLED: Weather = Weather {
    stalled: true,
    lost: 0,
    twice: 0,
    late: 0,
};

pub(crate) type Udp = Host<SpeakingBoard>;

pub(crate) fn start(board: &'static Board, frames: &[FeedFrame]) -> Udp {
    Host::with(SpeakingBoard::start_with(
        format!("{} over UDP", board.name),
        board,
        frames.to_vec(),
        Wiring::default(),
        &Options::default(),
    ))
}

pub(crate) fn feed(host: &mut Udp, frames: &[FeedFrame]) {
    feed_by(24, host, frames);
}

/// Feeds so many frames at a time: the fewer, the more datagrams go to and
/// fro.
fn feed_by(many: usize, host: &mut Udp, frames: &[FeedFrame]) {
    for some in frames.chunks(many) {
        host.source.feed(some);
        host.until("the feed", |host| host.source.is_fed());
    }
}

/// Flows that host and board have with each other.
pub(crate) fn is_own(key: &FlowKey) -> bool {
    match key.addresses {
        AddressPair::V4 { a, b } => [a, b].contains(&BOARD.octets()),
        AddressPair::V6 { .. } => false,
    }
}

/// Finished records of the mirrored wire, and its sums.
fn mirrored(host: &Udp) -> (Vec<FlowRecord>, Vec<(FlowKey, FlowSums)>) {
    let records = host.records.values().filter(|r| !is_own(&r.key));
    let mut sums = host.picture.flows().sorted();
    sums.retain(|(key, _)| !is_own(key));
    (records.copied().collect(), sums)
}

/// Frames counted by each boot, as its last ledger says.
pub(crate) fn counted(host: &Udp) -> Vec<Option<u64>> {
    let boots = host.picture.boots().iter();
    boots
        .map(|boot| Some(boot.ledger()?.counted.frames))
        .collect()
}

/// What is missing is what the ledger says was never sent, to the packet, and
/// the books close over the rest.
fn stated(what: &str, host: &Udp, traffic: &Traffic) {
    let offered = host.source.passed_so_far().offered(&counted(host));
    let books = host.picture.books(Some(&offered));
    assert_eq!(
        books.state,
        State::Closed,
        "{what}: {books} {:?}",
        books.broken
    );
    let ledger = host.picture.ledger().expect("a flushed sensor's ledger");
    // (A flow may be shown by a live record whose final one is lost.)
    let final_packets = |r: &FlowRecord| r.ab.packets + r.ba.packets;
    let arrived: u64 = host.records.values().map(final_packets).sum();
    let stated = ledger.never_sent.packets
        + ledger.uplink.never_sent.packets
        + ledger.uplink.unconfirmed.packets;
    let ended = ledger.in_flows.frames - ledger.flows.live_packets;
    assert_eq!(ended - arrived, stated, "{what}: {books}");
    nothing_twice(host, traffic);
}

/// And by what it went to: no flow of this traffic is answered, so that server
/// and client are responders of what the other sent.
fn stated_by_responder(host: &Udp, traffic: &Traffic) {
    let told = unsent(&host.picture);
    let (records, _) = mirrored(host);
    for (to_client, who) in [(false, SERVER), (true, CLIENT)] {
        let sent = traffic
            .truth
            .values()
            .map(|sums| sums.ways[usize::from(to_client)]);
        let arrived = records.iter().map(|r| if to_client { r.ba } else { r.ab });
        let sent = sent.fold((0, 0), |sum, way| (sum.0 + way.0, sum.1 + way.1));
        let missing = arrived.fold(sent, |left, way| {
            (left.0 - way.packets, left.1 - way.frame_octets)
        });
        let key = UnsentKey {
            protocol: UDP,
            responder: Address::V4(who.octets()),
        };
        let line = told.lines.iter().find(|(of, _)| *of == key);
        let (_, line) = line.unwrap_or_else(|| panic!("no line of {who}"));
        let (never, unsure) = (line.never_sent, line.unconfirmed);
        assert_eq!(line.missed_at_most, 0);
        assert!((never.packets..=never.packets + unsure.packets).contains(&missing.0));
        assert!((never.octets..=never.octets + unsure.octets).contains(&missing.1));
    }
}

/// No key shows more than was sent.
fn nothing_twice(host: &Udp, traffic: &Traffic) {
    for (key, have) in mirrored(host).1 {
        let want = &traffic.truth[&(key.protocol, key.a_port)].ways;
        assert!(have.ab.packets <= want[0].0 && have.ba.packets <= want[1].0);
    }
}

/// Books closed over what was on the cable; sums and records as fed.
fn closed(what: &str, host: &Udp, traffic: &Traffic) {
    let offered = host.source.passed_so_far().offered(&counted(host));
    assert!(offered.frames >= traffic.frames.len() as u64);
    let books = host.picture.books(Some(&offered));
    assert_eq!(
        books.state,
        State::Closed,
        "{what}: {books} {:?} {:?}",
        books.broken,
        books.doubts
    );
    assert_eq!((books.never_sent, books.unconfirmed), (0, 0), "{books}");
    let (records, sums) = mirrored(host);
    traffic.check(what, &records, &sums);
}

/// 85 minutes around a multiple of 2^32 microseconds, then 51 days beyond one
/// of 2^32 milliseconds, in all sorts of weather.
fn minutes_and_weeks_in_any_weather(board: &'static Board) {
    let mut traffic = Traffic::default();
    let mut parts = Vec::new();
    traffic.steps(ERA - 75 * MINUTE, ERA + 10 * MINUTE);
    parts.push(traffic.frames.len());
    for n in 0..51 * 2 {
        traffic.udp(ERA + DAY + n * DAY / 2, 4_000, n % 2 == 1);
    }
    parts.push(traffic.frames.len());
    let again = ERA + (1 << 32) * 1_000 + 2 * DAY;
    traffic.steps(again, again + 20 * MINUTE);
    parts.push(traffic.frames.len());
    traffic.steps(again + 30 * MINUTE, again + 50 * MINUTE);
    let mut host = start(board, &[]);
    let weathers = [(20, 0, 0), (0, 40, 0), (0, 0, 40), (10, 20, 20)];
    let mut at = 0;
    for ((lost, twice, late), end) in weathers
        .into_iter()
        .zip(parts.into_iter().chain([traffic.frames.len()]))
    {
        let before = host.source.harmed();
        host.source.set_weather(Weather {
            lost,
            twice,
            late,
            stalled: false,
        });
        feed_by(8, &mut host, &traffic.frames[at..end]);
        at = end;
        let harmed = host.source.harmed() - before;
        assert!(harmed > 10, "{lost} {twice} {late}: {harmed} harmed");
    }
    host.flush();
    // The port waits for nobody, so that small buffers may run over.
    stated(board.name, &host, &traffic);
    let ledger = host.picture.ledger().expect("a flushed sensor's ledger");
    if ledger.never_sent.records == 0 {
        closed(board.name, &host, &traffic);
    }
    assert!(ledger.never_sent.records < 30, "{ledger:?}");
    for reason in [EndReason::Idle, EndReason::Active, EndReason::End] {
        assert!(host.ended(reason) > 10, "{reason:?}");
    }
}

/// Frames for so long, a few a minute: what ends in ten minutes of them finds
/// room in the buffers.
fn talk(traffic: &mut Traffic, from: u64, lasting: u64) {
    for n in 0..lasting / (10 * SECOND) {
        traffic.udp(from + n * 10 * SECOND, 1_000, false);
        traffic.udp(from + n * 10 * SECOND + 5 * SECOND, 1_001, true);
    }
}

fn ten_minutes_in_which_nothing_arrives(board: &'static Board) {
    let mut traffic = Traffic::default();
    talk(&mut traffic, ERA - 5 * MINUTE, MINUTE);
    let heard = traffic.frames.len();
    talk(&mut traffic, ERA - 4 * MINUTE, 10 * MINUTE);
    let unheard = traffic.frames.len();
    talk(&mut traffic, ERA + 6 * MINUTE, MINUTE);
    let mut host = start(board, &[]);
    feed(&mut host, &traffic.frames[..heard]);
    let known = host.picture.latest_us();
    host.source.set_weather(STALLED);
    feed(&mut host, &traffic.frames[heard..unheard]);
    assert!(
        host.picture.latest_us() < ERA - 3 * MINUTE,
        "it was heard all the same: {known} {}",
        host.picture.latest_us()
    );
    host.source.set_weather(Weather::default());
    feed(&mut host, &traffic.frames[unheard..]);
    host.flush();
    closed(board.name, &host, &traffic);
    assert!(host.ended(EndReason::Active) >= 2);
}

/// More flows end, unheard, than the buffers hold; the port does not wait. What
/// is missing then is what the ledger says was never sent, packet by packet.
fn a_stall_that_overflows_is_stated_to_the_packet(board: &'static Board) {
    let mut traffic = Traffic::default();
    talk(&mut traffic, ERA, MINUTE);
    let heard = traffic.frames.len();
    // (The mps2-an386 has megabytes for records.)
    let flows = if board.name.contains("lm3s") {
        2_000
    } else {
        12_000
    };
    for n in 0..flows {
        let port = 10_000 + u16::try_from(n).expect("a port");
        let at = ERA + 2 * MINUTE + n * 10 * MINUTE / flows;
        traffic.udp(at, port, n % 3 == 0);
    }
    let unheard = traffic.frames.len();
    talk(&mut traffic, ERA + 14 * MINUTE, MINUTE);
    let mut host = start(board, &[]);
    feed(&mut host, &traffic.frames[..heard]);
    host.source.set_weather(STALLED);
    host.source.feed(&traffic.frames[heard..unheard]);
    host.until("the feed", |host| host.source.is_fed());
    host.source.set_weather(Weather::default());
    feed(&mut host, &traffic.frames[unheard..]);
    host.flush();
    stated(board.name, &host, &traffic);
    let ledger = host.picture.ledger().expect("a flushed sensor's ledger");
    assert!(ledger.never_sent.records > 100, "nothing was lost");
    stated_by_responder(&host, &traffic);
}

/// The first host dies, nobody listens for ten minutes, another one comes:
/// what both have is all there was, nothing missing, nothing twice.
fn a_host_that_is_killed_and_another(board: &'static Board) {
    let mut traffic = Traffic::default();
    traffic.steps(ERA - 25 * MINUTE, ERA - 5 * MINUTE);
    let heard = traffic.frames.len();
    talk(&mut traffic, ERA - 4 * MINUTE, 10 * MINUTE);
    let unheard = traffic.frames.len();
    talk(&mut traffic, ERA + 6 * MINUTE, MINUTE);
    let mut first = start(board, &[]);
    feed(&mut first, &traffic.frames[..heard]);
    let mut records = first.records;
    assert!(records.len() > 10, "little was acknowledged");
    let mut nobody = Host::with(first.source);
    nobody.source.set_weather(STALLED);
    feed(&mut nobody, &traffic.frames[heard..unheard]);
    assert!(nobody.records.is_empty() && nobody.picture.boots().is_empty());
    let mut second = Host::with(nobody.source);
    second.source.set_weather(Weather::default());
    feed(&mut second, &traffic.frames[unheard..]);
    second.flush();
    let offered = second.source.passed_so_far().offered(&counted(&second));
    let books = second.picture.books(Some(&offered));
    assert!(
        matches!(&books.state, State::Partial(why) if why.starts_with("joined")),
        "{books} {:?}",
        books.broken
    );
    assert_eq!(books.unaccounted, Some(0), "{books}");
    records.extend(second.records.clone());
    let mut sums = std::collections::BTreeMap::<(u8, u16), [u64; 2]>::new();
    for record in records.values().filter(|r| !is_own(&r.key)) {
        let sum = sums
            .entry((record.key.protocol, record.key.a_port))
            .or_default();
        *sum = [sum[0] + record.ab.packets, sum[1] + record.ba.packets];
    }
    let want = traffic.truth.iter();
    let want = want.map(|(key, sums)| (*key, sums.ways.map(|way| way.0)));
    assert_eq!(sums, want.collect(), "{}", board.name);
}

/// Ten minutes without a cable: what passed on the mirrored wire meanwhile is
/// missing from the books, to the frame and to the octet, and nothing else.
fn a_cable_that_is_pulled(board: &'static Board) {
    let mut traffic = Traffic::default();
    let mut unseen = Traffic::default();
    talk(&mut traffic, ERA - 5 * MINUTE, 2 * MINUTE);
    let before = traffic.frames.len();
    talk(&mut unseen, ERA - 3 * MINUTE, 10 * MINUTE);
    talk(&mut traffic, ERA + 7 * MINUTE, 2 * MINUTE);
    let mut host = start(board, &[]);
    feed(&mut host, &traffic.frames[..before]);
    let plug = |host: &mut Udp, in_again| host.source.plug(in_again).expect("a card of QEMU's");
    plug(&mut host, false);
    feed(&mut host, &unseen.frames);
    // The board goes on talking, to nobody.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {
        host.turn();
    }
    let missed = plug(&mut host, true);
    assert_eq!(missed.frames, unseen.frames.len() as u64);
    assert_eq!(missed.octets, unseen.octets());
    feed(&mut host, &traffic.frames[before..]);
    host.flush();
    // What came through the cable is all there ...
    closed(board.name, &host, &traffic);
    // ... and what did not is what the books miss.
    let mut offered = host.source.passed_so_far().offered(&counted(&host));
    offered.frames += missed.frames;
    offered.octets += missed.octets;
    let books = host.picture.books(Some(&offered));
    assert_eq!(
        books.unaccounted,
        Some(i128::from(missed.frames)),
        "{books}"
    );
    let State::Open { by, unit, .. } = &books.state else {
        panic!("{books}");
    };
    assert_eq!((*by, *unit), (i128::from(missed.frames), "frames"));
}

/// A reset after a flush costs nothing; one in mid-run costs what the memory
/// held, and the books miss just that.
fn a_sensor_that_is_reset(board: &'static Board) {
    let mut traffic = Traffic::default();
    traffic.steps(ERA - 30 * MINUTE, ERA + 30 * MINUTE);
    let part = traffic.frames.len() / 3;
    let mut host = start(board, &[]);
    feed(&mut host, &traffic.frames[..part]);
    host.flush();
    host.source.reset().expect("a machine that runs");
    host.until("another boot", |host| {
        host.picture.boots().len() == 2 && host.session.flushed()
    });
    feed(&mut host, &traffic.frames[part..2 * part]);
    host.flush();
    let offered = host.source.passed_so_far().offered(&counted(&host));
    let books = host.picture.books(Some(&offered));
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    // The last part nobody hears of before it is gone.
    host.source.set_weather(STALLED);
    host.source.feed(&traffic.frames[2 * part..]);
    host.until("the feed", |host| host.source.is_fed());
    host.source.reset().expect("a machine that runs");
    host.source.set_weather(Weather::default());
    host.until("a third boot", |host| {
        host.picture.boots().len() == 3 && host.session.flushed()
    });
    host.flush();
    let mut counted = counted(&host);
    let told = counted[1].expect("its live ledgers").max(1);
    counted[1] = None;
    let offered = host.source.passed_so_far().offered(&counted);
    let sum: u64 = counted.iter().flatten().sum();
    let died = offered.frames - sum - told;
    let books = host.picture.books(Some(&offered));
    assert_eq!(books.unaccounted, Some(i128::from(died)), "{books}");
    assert!(
        died >= part as u64 && books.state != State::Closed,
        "{books}"
    );
    println!(
        "{}: {died} frames died with the memory: {books}",
        board.name
    );
    nothing_twice(&host, &traffic);
}
