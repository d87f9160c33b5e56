//! Weeks in seconds: frames whose stamps run over every width a counter of
//! microseconds or milliseconds might have, while records expire, hosts stall
//! and boards restart. What must come out is added up here, frame by frame.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use magpie_collector::{Offered, State};
use magpie_emulator::{Board, Options};
use magpie_protocol::EndReason;
use magpie_tests::line::{Harm, Line};

use crate::host::Host;
use crate::traffic::{Gate, HOUR, SECOND, Traffic};

on_each_board!(
    minutes_beyond_32_bits_of_microseconds,
    weeks_beyond_32_bits_of_milliseconds,
    stamps_at_every_edge,
    ten_minutes_with_a_reader_that_stalls,
    a_stall_that_fills_every_buffer,
    a_host_that_is_killed_in_mid_stall,
    a_cable_that_is_pulled,
    a_sensor_that_is_reset_three_times
);

const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * HOUR;
/// A day of 2024 on which 32 bits of milliseconds and 32 bits of microseconds
/// since 1970 both begin anew.
const ERA: u64 = (1 << 32) * 1_000 * 400;

fn start(board: &'static Board, traffic: &Traffic, gate: &Gate, pace: u32) -> Line {
    let frames = traffic.behind(gate, pace);
    Line::start_with(board, &Options::default(), frames, Harm::default())
}

fn read(line: &Line) -> u64 {
    let progress = line.feeder().progress();
    assert_eq!(progress.failed, None);
    progress.read
}

/// Books closed, sums and records as fed.
fn closed(what: &str, line: &Line, host: &Host, traffic: &Traffic) {
    balanced(what, &line.progress(), host, traffic);
}

/// The same over what was offered.
fn balanced(what: &str, offered: &Offered, host: &Host, traffic: &Traffic) {
    assert_eq!(
        (offered.frames, offered.octets),
        (traffic.frames.len() as u64, traffic.octets()),
        "{what}: the feed is not over"
    );
    let books = host.picture.books(Some(offered));
    assert_eq!(
        books.state,
        State::Closed,
        "{what}: {books} {:?} {:?}",
        books.broken,
        books.doubts
    );
    let records: Vec<_> = host.records.values().copied().collect();
    traffic.check(what, &records, &host.picture.flows().sorted());
}

/// The whole feed, a flush, and the check.
fn run(board: &'static Board, traffic: &Traffic, pace: u32) -> Host {
    let line = start(board, traffic, &Gate::open(), pace);
    let mut host = Host::on(&line);
    host.until("the feed", |_| line.feeder().progress().done);
    host.flush();
    closed(board.name, &line, &host, traffic);
    host
}

fn all_time_outs_worked(host: &Host) {
    for reason in [EndReason::Idle, EndReason::Active, EndReason::End] {
        assert!(
            host.ended(reason) > 10,
            "{reason:?}: {}",
            host.ended(reason)
        );
    }
}

/// 80 minutes that end beyond a multiple of 2^32 microseconds.
fn minutes_beyond_32_bits_of_microseconds(board: &'static Board) {
    let mut traffic = Traffic::default();
    let wrap = ERA + (1 << 32);
    traffic.steps(wrap - 75 * 60 * SECOND, wrap + 10 * 60 * SECOND);
    let host = run(board, &traffic, 300);
    all_time_outs_worked(&host);
}

/// 60 days over a multiple of 2^32 milliseconds: busy around it, with a sign
/// of life every six hours besides.
fn weeks_beyond_32_bits_of_milliseconds(board: &'static Board) {
    let mut traffic = Traffic::default();
    let quiet = |traffic: &mut Traffic, from: u64, days: u64| {
        for n in 0..days * 4 {
            traffic.udp(from + n * DAY / 4, 4_000, n % 2 == 1);
            traffic.tcp(
                from + n * DAY / 4 + HOUR,
                4_001,
                77 + u32::try_from(n).expect("few"),
            );
        }
    };
    quiet(&mut traffic, ERA - 5 * DAY, 5);
    traffic.steps(ERA - 20 * 60 * SECOND, ERA + 20 * 60 * SECOND);
    quiet(&mut traffic, ERA + DAY, 50);
    let again = ERA + (1 << 32) * 1_000;
    traffic.steps(again + 2 * DAY, again + 2 * DAY + 40 * 60 * SECOND);
    let host = run(board, &traffic, 400);
    all_time_outs_worked(&host);
}

/// Stamps around all that a number may be too narrow for. Beyond the year
/// 294,246 there is no time: such a trailer is as wrong as a wrong FCS, and
/// booked so.
fn stamps_at_every_edge(board: &'static Board) {
    let edges = [
        0,
        1 << 31,
        1 << 32,
        (1 << 32) * 1_000,
        (1 << 32) * SECOND,
        1 << 53,
        (1 << 53) * 1_000,
        (1 << 63) - 3,
    ];
    let mut traffic = Traffic::default();
    for (port, edge) in (5_000..).zip(edges) {
        for at in [edge.max(2) - 2, edge.max(2) - 1, edge, edge + 1, edge + 2] {
            traffic.udp(at, port, at % 2 == 1);
        }
    }
    // And back to our days, which is a step of a quarter of a million years.
    traffic.steps(ERA, ERA + 20 * 60 * SECOND);
    let mut fed = Traffic {
        frames: traffic.frames.clone(),
        truth: traffic.truth.clone(),
    };
    for at in [1 << 63, u64::MAX - 1, u64::MAX] {
        fed.udp(at, 6_000, false);
    }
    let wrong = fed.frames.split_off(traffic.frames.len());
    fed.frames.splice(20..20, wrong);
    let line = start(board, &fed, &Gate::open(), 500);
    let mut host = Host::on(&line);
    host.until("the feed", |_| line.feeder().progress().done);
    host.flush();
    let books = host.picture.books(Some(&line.progress()));
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    assert!(books.to_string().contains("lost=3(fcs 3)"), "{books}");
    for (key, have) in host.picture.flows().sorted() {
        traffic.check_sums(board.name, &key, &have);
    }
    assert_eq!(host.picture.flows().len(), traffic.truth.len());
}

/// Few enough frames for the buffers.
fn talk(traffic: &mut Traffic, from: u64, to: u64) {
    for at in (from..to).step_by(usize::try_from(10 * SECOND).expect("fits")) {
        traffic.udp(at, 1_000, false);
        traffic.udp(at + 5 * SECOND, 1_001, true);
    }
}

/// One minute, ten in which nobody reads, one more; the sensor's clock runs on
/// all the time.
fn quiet_then_stalled() -> (Traffic, usize, usize) {
    let mut traffic = Traffic::default();
    talk(&mut traffic, ERA - 5 * MINUTE, ERA - 4 * MINUTE);
    let heard = traffic.frames.len();
    talk(&mut traffic, ERA - 4 * MINUTE, ERA + 7 * MINUTE);
    let unheard = traffic.frames.len();
    talk(&mut traffic, ERA + 7 * MINUTE, ERA + 8 * MINUTE);
    (traffic, heard, unheard)
}

/// Nobody reads the line. Where the emulated UART makes all of QEMU wait for
/// the reader (the PL011 of the lm3s6965evb), what the board says is lost in
/// the air instead, or its clock would stand still as well.
fn leave_unread(board: &Board, line: &Line, unread: bool) {
    if board.name.contains("lm3s") {
        line.deafen(unread);
    } else {
        line.stall(unread);
    }
}

/// The line with the first minute heard and the next eleven fed while nobody
/// reads.
fn stalled(board: &'static Board, traffic: &Traffic, at: (usize, usize)) -> (Line, Host, Gate) {
    let gate = Gate::default();
    gate.up_to(at.0);
    let line = start(board, traffic, &gate, 2_000);
    let mut host = Host::on(&line);
    host.until("the first minute", |_| read(&line) == at.0 as u64);
    leave_unread(board, &line, true);
    gate.up_to(at.1);
    let begin = Instant::now();
    while read(&line) < at.1 as u64 {
        assert!(
            begin.elapsed() < Duration::from_mins(2),
            "{}: the sensor waits although its buffers have room: {} of {}",
            board.name,
            read(&line),
            at.1
        );
        host.turn();
    }
    (line, host, gate)
}

fn ten_minutes_with_a_reader_that_stalls(board: &'static Board) {
    let (traffic, heard, unheard) = quiet_then_stalled();
    let (line, mut host, gate) = stalled(board, &traffic, (heard, unheard));
    let before = host.picture.ledger().expect("a live ledger").counted.frames;
    assert!(
        before <= heard as u64 + 40,
        "it was heard all the same: {before}"
    );
    leave_unread(board, &line, false);
    gate.up_to(usize::MAX);
    host.until("the feed", |_| line.feeder().progress().done);
    host.flush();
    closed(board.name, &line, &host, &traffic);
    assert!(host.ended(EndReason::Active) >= 2);
}

/// More than all buffers of board and line hold: then the frames wait.
fn a_stall_that_fills_every_buffer(board: &'static Board) {
    let mut traffic = Traffic::default();
    for n in 0..12_000_u64 {
        // More keys than the largest table has places, however well a boot's
        // secret spreads them; each is heard again a minute later.
        let port = 10_000 + u16::try_from(n % 6_000).expect("below 6000");
        traffic.udp(ERA + n * 10_000, port, n % 3 == 0);
    }
    let gate = Gate::default();
    gate.up_to(1_000);
    let line = start(board, &traffic, &gate, 1_000_000);
    let mut host = Host::on(&line);
    host.until("the first frames", |_| read(&line) == 1_000);
    line.stall(true);
    gate.up_to(usize::MAX);
    let (mut last, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        if read(&line) != last {
            (last, since) = (read(&line), Instant::now());
        }
        host.turn();
    }
    assert!(!line.feeder().progress().done, "it never had to wait");
    line.stall(false);
    host.until("the feed", |_| line.feeder().progress().done);
    host.flush();
    closed(board.name, &line, &host, &traffic);
}

/// The first host dies while nobody reads; what it acknowledged and what the
/// second one gets is all there was, nothing missing, nothing twice.
fn a_host_that_is_killed_in_mid_stall(board: &'static Board) {
    let (traffic, heard, unheard) = quiet_then_stalled();
    let (line, first, gate) = stalled(board, &traffic, (heard, unheard));
    let mut records = first.records.clone();
    drop(first);
    let mut second = Host::on(&line);
    for _ in 0..20 {
        second.turn();
    }
    leave_unread(board, &line, false);
    gate.up_to(usize::MAX);
    second.until("the feed", |_| line.feeder().progress().done);
    second.flush();
    let books = second.picture.books(Some(&line.progress()));
    assert!(
        !matches!(books.state, State::Open { .. }),
        "{books} {:?}",
        books.broken
    );
    assert_eq!(
        (books.counted, books.unaccounted),
        (traffic.frames.len() as u64, Some(0))
    );
    records.extend(second.records.clone());
    let mut packets = BTreeMap::<u16, (u64, u64)>::new();
    for record in records.values() {
        let sum = packets.entry(record.key.a_port).or_default();
        *sum = (sum.0 + record.ab.packets, sum.1 + record.ba.packets);
    }
    let want = traffic.truth.iter();
    let want = want.map(|((_, port), sums)| (*port, (sums.ways[0].0, sums.ways[1].0)));
    assert_eq!(packets, want.collect(), "{}", board.name);
}

/// Pulls the mirror port's cable out of the board, or plugs it in again, with no
/// frame under way.
fn plug(line: &Line, host: &mut Host, in_again: bool) {
    line.feeder().hold();
    host.until("a feed that stands", |_| line.feeder().held());
    // What went into the open end is thrown away before it is none.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(200) {
        host.turn();
    }
    line.emulator().plug(in_again).expect("a card of QEMU's");
    line.feeder().unplug(!in_again);
    line.feeder().release();
}

/// Ten minutes without a cable in the mirror port: what passed on the mirrored
/// wire meanwhile is missing from the books, to the frame and to the octet, and
/// nothing else.
fn a_cable_that_is_pulled(board: &'static Board) {
    let (mut traffic, mut unseen) = (Traffic::default(), Traffic::default());
    talk(&mut traffic, ERA - 5 * MINUTE, ERA - 3 * MINUTE);
    let before = traffic.frames.len();
    talk(&mut unseen, ERA - 3 * MINUTE, ERA + 7 * MINUTE);
    talk(&mut traffic, ERA + 7 * MINUTE, ERA + 9 * MINUTE);
    let mut passed = Traffic::default();
    let (first, last) = traffic.frames.split_at(before);
    passed.frames = [first, &unseen.frames, last].concat();
    let gate = Gate::default();
    gate.up_to(before);
    let line = start(board, &passed, &gate, 1_000_000);
    let mut host = Host::on(&line);
    host.until("the first minutes", |_| read(&line) == before as u64);
    plug(&line, &mut host, false);
    let gone = before + unseen.frames.len();
    gate.up_to(gone);
    host.until("a wire that ends nowhere", |_| {
        line.feeder().progress().frames == gone as u64
    });
    plug(&line, &mut host, true);
    let missed = line.feeder().progress().unplugged;
    assert_eq!(
        (missed.frames, missed.octets),
        (unseen.frames.len() as u64, unseen.octets())
    );
    assert_eq!(read(&line), before as u64, "it reads without a cable");
    gate.up_to(usize::MAX);
    host.until("the feed", |_| line.feeder().progress().done);
    host.flush();
    // What came through the cable is all there ...
    let all = line.progress();
    let through = Offered {
        frames: all.frames - missed.frames,
        octets: all.octets - missed.octets,
        ..all.clone()
    };
    balanced(board.name, &through, &host, &traffic);
    // ... and what did not is what the books miss.
    let books = host.picture.books(Some(&all));
    assert_eq!(books.unaccounted, Some(i128::from(missed.frames)));
    let State::Open { by, unit, .. } = &books.state else {
        panic!("{books}");
    };
    assert_eq!((*by, *unit), (i128::from(missed.frames), "frames"));
}

/// Three resets, each after a flush: four boots whose sums are the truth, to
/// the frame. (What a reset without a flush costs: `faults`.)
fn a_sensor_that_is_reset_three_times(board: &'static Board) {
    const RESETS: usize = 3;
    let mut traffic = Traffic::default();
    traffic.steps(ERA - 30 * 60 * SECOND, ERA + 30 * 60 * SECOND);
    let gate = Gate::default();
    let line = start(board, &traffic, &gate, 1_000_000);
    let mut host = Host::on(&line);
    let part = traffic.frames.len() / (RESETS + 1);
    for n in 1..=RESETS {
        gate.up_to(n * part);
        host.until("a part", |_| read(&line) == (n * part) as u64);
        host.flush();
        reset(&line, &mut host);
        // A session that was flushed flushes a new boot of its own accord.
        host.until("another boot", |host| {
            host.picture.boots().len() == n + 1 && host.session.flushed()
        });
    }
    gate.up_to(usize::MAX);
    host.until("the feed", |_| line.feeder().progress().done);
    host.flush();
    closed(board.name, &line, &host, &traffic);
    assert_eq!(host.picture.boots().len(), RESETS + 1);
}

/// Presses the button with nothing under way.
pub(crate) fn reset(line: &Line, host: &mut Host) {
    line.feeder().hold();
    host.until("a feed that stands", |_| line.feeder().held());
    line.emulator().pause().expect("a machine that runs");
    // What the old boot said is read before the new one speaks.
    let quiet = Instant::now();
    while quiet.elapsed() < Duration::from_millis(200) {
        host.turn();
    }
    line.feeder().release_after_reset();
    line.emulator().reset().expect("a machine that stands");
}
