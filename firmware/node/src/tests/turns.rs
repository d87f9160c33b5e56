//! What a turn does, and when it ends: also with noise from the host, or with
//! no room on the line.

use std::sync::atomic::Ordering;

use magpie_protocol::{ClockKind, Record};
use magpie_sensor::Config;

use super::{Bench, udp};
use crate::{Clock, Pace, Turn};

#[test]
fn a_turn_is_bounded() {
    let mut bench = Bench::new(Clock::SinceBoot, Pace::Never, 30);
    for i in 0..100 {
        bench.port.frames.push_back(Ok(udp(i)));
    }
    bench.line.to_node.extend([1; 10_000]);
    assert_eq!(bench.turn(), Turn::Again);
    assert_eq!(bench.received.load(Ordering::Relaxed), 32);
    assert_eq!(bench.line.to_node.len(), 10_000 - 256);
    assert!(bench.line.from_node.len() <= 256);
}

#[test]
fn noise_from_the_host_is_counted_and_the_next_command_understood() {
    let mut bench = Bench::new(Clock::SinceBoot, Pace::Hold, 30);
    bench.line.to_node.extend([0, 1, 2, 3, 0, 0xff, 0, 5, 5, 0]);
    bench.line.to_node.extend([7; 1_000]); // longer than any batch
    bench.line.to_node.push_back(0);
    let ledger = bench.flush(3);
    assert_eq!(ledger.uplink.bad_frames, 4);
    assert_eq!(bench.node.health().line.too_long, 1);
}

#[test]
fn hello_comes_first_and_without_being_asked() {
    let mut bench = Bench::new(Clock::SinceBoot, Pace::Hold, 30);
    while bench.turn() == Turn::Again {}
    bench.host.listen(&mut bench.line);
    assert!(matches!(bench.host.records.first(), Some(Record::Hello(_))));
    assert_eq!(bench.host.hello().clock, ClockKind::SinceBoot);
}

#[test]
fn with_nothing_to_do_it_sleeps_until_something_is_due() {
    let mut bench = Bench::new(Clock::SinceBoot, Pace::Hold, 30);
    let until = loop {
        match bench.turn() {
            Turn::Again => {}
            Turn::Sleep { until_us } => break until_us.expect("live records are due"),
        }
    };
    assert!(until > bench.now_us);
    assert!(until <= bench.now_us + Config::default().live_us);
    // A stamped clock stands: only an interrupt matters, and the cable.
    let mut bench = Bench::new(Clock::STAMPED, Pace::Hold, 30);
    let mut turns = 0;
    let until = loop {
        turns += 1;
        assert!(turns < 1_000, "never rests");
        if let Turn::Sleep { until_us } = bench.turn() {
            break until_us.expect("a look at the cable");
        }
    };
    assert!(until > bench.now_us + 490_000 && until <= bench.now_us + 500_000);
}

#[test]
fn a_line_without_room_ends_the_turns() {
    let mut bench = Bench::new(Clock::SinceBoot, Pace::Hold, 30);
    bench.line.room = 0;
    let mut turns = 0;
    while bench.turn() == Turn::Again {
        turns += 1;
        assert!(turns < 1_000, "spins on a full line");
    }
    bench.line.room = 1;
    while bench.turn() == Turn::Again {}
    bench.host.listen(&mut bench.line);
    assert!(matches!(bench.host.records.first(), Some(Record::Hello(_))));
}
