//! Who may ask for packets, and by which way they go.

use magpie_protocol::{
    BpfInstruction, Configuration, FilterAction, FilterReason, Instructions, Items, Outcome,
    RecordType,
};

use super::*;
use crate::tests::HIDDEN;

/// Selects every frame.
const ALL: BpfInstruction = BpfInstruction::new(0x06, 0, 0, 262_144);
/// Its CRC-32.
const CHECK: u32 = 0xc721_13ea;

fn set(wait: bool) -> [Command; 2] {
    [
        Command::LoadFilter {
            id: 1,
            slot: 0,
            of: 1,
            at: 0,
            instructions: Instructions::take(&[ALL]).0,
        },
        Command::StartFilter {
            id: 2,
            slot: 0,
            literal: false,
            action: FilterAction::Capture {
                snap_len: 0,
                max_packets: 0,
                max_octets: 0,
                wait,
            },
            of: 1,
            check: CHECK,
        },
    ]
}

/// Types of all that a line carried.
fn kinds_by_line(bench: &mut Bench) -> Vec<u8> {
    let mut deframer: Deframer<{ MAX_BATCH + 4 }> = Deframer::new();
    let mut kinds = Vec::new();
    for octet in std::mem::take(&mut bench.line.from_node) {
        if let Some(batch) = deframer.push(octet) {
            let batch = batch.unwrap();
            let items = Items::new(&batch[magpie_link::Header::OCTETS..]);
            kinds.extend(items.map(|item| item.unwrap().kind));
        }
    }
    kinds
}

fn packets(kinds: &[u8]) -> usize {
    let is_part = |kind: &&u8| **kind == RecordType::PacketPart as u8;
    kinds.iter().filter(is_part).count()
}

fn frames(bench: &mut Bench, count: u64) {
    for _ in 0..count + HIDDEN {
        bench.port.frames.push_back(between([2; 6], [3; 6]));
    }
    bench.rest();
}

#[test]
fn by_the_line_packets_are_asked_for_and_come() {
    let mut bench = Bench::new(None);
    say_by_line(&mut bench, &[HELLO]);
    say_by_line(&mut bench, &set(false));
    bench.rest();
    frames(&mut bench, 20);
    let kinds = kinds_by_line(&mut bench);
    assert_eq!(packets(&kinds), 20, "{kinds:?}");
}

#[test]
fn by_udp_filters_are_refused_and_counted_and_the_line_is_heard_on() {
    let mut bench = Bench::new(Some(host(7)));
    bench.stack().up = true;
    bench.say(host(7), &[HELLO]);
    bench.rest();
    let [load, start] = set(false);
    bench.say(host(7), &[load]);
    bench.say(host(7), &[start]);
    bench.rest();
    let (records, _) = bench.heard();
    let refused: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::FilterReply(reply) => Some((reply.id, reply.outcome, reply.reason)),
            _ => None,
        })
        .collect();
    let why = (Outcome::Refused, FilterReason::NotAuthenticated);
    assert_eq!(refused, [(1, why.0, why.1), (2, why.0, why.1)]);
    let told = records.iter().rev().find_map(|record| match record {
        Record::Port(port) => Some(port.refused),
        _ => None,
    });
    assert_eq!(told, Some(2));
    frames(&mut bench, 5);

    // Whoever has the board in his hands may ask; but no packet leaves by the
    // network while records do.
    say_by_line(&mut bench, &set(false));
    bench.rest();
    frames(&mut bench, 20);
    let mut sent = std::mem::take(&mut bench.stack().given);
    sent.retain(|(batch, _)| {
        Items::new(&batch[magpie_link::Header::OCTETS..])
            .any(|item| item.unwrap().kind == RecordType::PacketPart as u8)
    });
    assert_eq!(sent, []);
    assert_eq!(packets(&kinds_by_line(&mut bench)), 0);
    // They wait, and go by the line when that is the way again.
    bench.stack().up = false;
    say_by_line(&mut bench, &[HELLO]);
    bench.rest();
    bench.now_us += 1_000_000;
    bench.rest();
    assert_eq!(packets(&kinds_by_line(&mut bench)), 20);
}

/// One question of each kind that is answered, all under the same numbers
/// whoever asks.
fn questions(host_us: u64) -> [Command; 3] {
    [
        Command::StopFilter {
            id: 9,
            slot: 0,
            discard: false,
        },
        Command::TimeSync { id: 9, host_us },
        Command::Configure {
            id: 9,
            set: Configuration::default(),
        },
    ]
}

/// Outcomes of filters, times of hosts, outcomes of settings, as answered.
fn answers(records: &[Record]) -> (Vec<Outcome>, Vec<u64>, Vec<Outcome>) {
    let mut all = (vec![], vec![], vec![]);
    for record in records {
        match record {
            Record::FilterReply(reply) => all.0.push(reply.outcome),
            Record::TimeReply(reply) => all.1.push(reply.host_us),
            Record::CommandReply(reply) => all.2.push(reply.outcome),
            _ => {}
        }
    }
    all
}

/// Numbers of commands are the hosts' own: two may choose the same, and one who
/// sees to that must not answer for the sensor.
#[test]
fn an_answer_goes_only_where_it_was_asked_for() {
    let (by_host, by_other) = (11, 22);
    for by_network in [false, true] {
        let mut bench = Bench::new(Some(host(7)));
        bench.stack().up = by_network;
        say_by_line(&mut bench, &[HELLO]);
        bench.say(host(7), &[HELLO]);
        bench.rest();
        let (line, network) = if by_network {
            (by_other, by_host)
        } else {
            (by_host, by_other)
        };
        for rests in [false, true] {
            bench.say(host(7), &questions(network));
            if rests {
                bench.rest();
            }
            say_by_line(&mut bench, &questions(line));
            bench.rest();
        }
        let (on_network, _) = bench.heard();
        let on_line = by_line(&std::mem::take(&mut bench.line.from_node));
        let (here, there, outcome) = if by_network {
            (on_network, on_line, Outcome::Refused)
        } else {
            (on_line, on_network, Outcome::Done)
        };
        let want = (vec![outcome; 2], vec![by_host; 2], vec![Outcome::Done; 2]);
        assert_eq!(answers(&here), want, "by network: {by_network}");
        assert_eq!(answers(&there), (vec![], vec![], vec![]));
    }
}

/// Whoever reads the line is gone, or another program than asked.
#[test]
fn without_a_word_for_it_a_filter_stops() {
    for asks in [true, false] {
        let mut bench = Bench::new(None);
        say_by_line(&mut bench, &[HELLO]);
        say_by_line(&mut bench, &set(false));
        bench.rest();
        for _ in 0..5 {
            bench.now_us += 8_000_000;
            let [_, start] = set(false);
            let word = if asks { start } else { HELLO };
            say_by_line(&mut bench, &[word]);
            bench.rest();
        }
        kinds_by_line(&mut bench);
        frames(&mut bench, 20);
        let came = packets(&kinds_by_line(&mut bench));
        assert_eq!(came, if asks { 20 } else { 0 });
    }
}

/// Frames wait for room, where they can and were asked to; then all come.
#[test]
fn frames_wait_for_packets_only_where_that_was_asked_for() {
    for (wait, most) in [(true, 200), (false, 60)] {
        let mut bench = Bench::new(None);
        bench.node = node(Clock::SinceBoot, Pace::Hold, 30).0;
        say_by_line(&mut bench, &[HELLO]);
        say_by_line(&mut bench, &set(wait));
        bench.rest();
        bench.line.room = 0; // nobody reads
        for _ in 0..200 {
            bench.port.frames.push_back(between([2; 6], [3; 6]));
        }
        bench.rest();
        let counted = bench.ledger().counted.frames + HIDDEN;
        assert_eq!(counted < 200, wait, "{counted}");
        bench.line.room = usize::MAX;
        bench.rest();
        let came = packets(&kinds_by_line(&mut bench)) as u64;
        assert_eq!(came == 200 - HIDDEN, wait, "{came}");
        assert!(came <= most);
    }
}
