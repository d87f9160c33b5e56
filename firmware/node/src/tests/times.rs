//! Times of frames and of answers.

use magpie_protocol::{ClockKind, Command, Record};
use magpie_sensor::Config;

use super::{Bench, HIDDEN, rest, udp};
use crate::{Clock, Pace, Turn};

pub(super) fn stamped(mut frame: Vec<u8>, at_us: u64) -> Vec<u8> {
    frame.extend(at_us.to_be_bytes());
    frame
}

#[test]
fn a_stamp_is_no_part_of_the_frame_and_is_its_time() {
    let mut bench = Bench::new(Clock::STAMPED, Pace::Hold, 30);
    let at = 1_700_000_000_000_000;
    for i in 0..2 {
        bench.port.frames.push_back(Ok(stamped(udp(1), at + i)));
    }
    let ledger = bench.flush(1);
    assert_eq!(ledger.counted.frames, 2);
    assert_eq!(ledger.counted.octets, 120);
    assert_eq!(ledger.at_us, at + 1);
    assert_eq!(bench.host.hello().clock, ClockKind::Unix);
    assert_eq!(bench.host.finished(), (2, 120));
}

#[test]
fn a_flow_of_a_quiet_wire_expires_where_the_clock_runs() {
    let at = 1_700_000_000_000_000;
    let idle_us = Config::default().idle_us;
    for (clock, expired) in [(Clock::RUNNING, 1), (Clock::STAMPED, 0)] {
        let mut bench = Bench::new(clock, Pace::Hold, 30);
        bench.port.frames.push_back(Ok(stamped(udp(1), at)));
        assert_eq!(rest(&mut bench, idle_us / 2), 0, "{clock:?}");
        assert_eq!(rest(&mut bench, idle_us), expired, "{clock:?}");
        let ledger = bench.flush(1);
        assert_eq!(ledger.at_us > at + idle_us, expired == 1, "{clock:?}");
        assert_eq!(bench.host.finished(), (1, 60));
    }
}

#[test]
fn each_frame_has_its_own_time() {
    let mut bench = Bench::new(Clock::SinceBoot, Pace::Hold, 30);
    for _ in 0..4 {
        bench.port.frames.push_back(Ok(udp(1)));
    }
    bench.flush(1);
    let flow = bench.host.records.iter().find_map(|r| match r {
        Record::Flow(flow) if flow.reason.is_final() => Some(flow),
        _ => None,
    });
    let flow = flow.expect("a finished flow");
    assert_eq!(flow.last_us - flow.first_us, 3 - HIDDEN);
}

#[test]
fn a_frame_has_the_time_at_which_it_came() {
    for (age_us, came_us) in [(0, 1_000), (600, 400), (u32::MAX, 0)] {
        let mut bench = Bench::new(Clock::SinceBoot, Pace::Hold, 30);
        bench.port.frames.push_back(Ok(udp(1)));
        bench.port.age_us = age_us;
        bench.flush(1);
        let flow = bench.host.records.iter().find_map(|r| match r {
            Record::Flow(flow) if flow.reason.is_final() => Some(flow),
            _ => None,
        });
        let first_us = flow.expect("a finished flow").first_us;
        // The bench's clock is at 1,000 when the frame is offered.
        let expected = came_us..=came_us + 200;
        assert!(expected.contains(&first_us), "{age_us}: {first_us}");
    }
}

#[test]
fn a_time_answer_lies_between_question_and_answer() {
    let mut bench = Bench::new(Clock::SinceBoot, Pace::Hold, 30);
    let ask = Command::TimeSync { id: 5, host_us: 77 };
    while bench.turn() == Turn::Again {}
    let before = bench.now_us;
    bench.host.say(&mut bench.line, &[ask]);
    while bench.turn() == Turn::Again {}
    bench.host.listen(&mut bench.line);
    let answer = bench.host.records.iter().find_map(|r| match r {
        Record::TimeReply(reply) => Some(*reply),
        _ => None,
    });
    let answer = answer.expect("an answer");
    assert_eq!((answer.id, answer.host_us), (5, 77));
    assert!(before < answer.received_us);
    assert!(answer.received_us < answer.sent_us);
    assert!(answer.sent_us < bench.now_us);
}
