//! Which host gets the records, and by which way.

use magpie_protocol::{Command, Record};

use super::{Bench, host};

#[test]
fn without_an_address_or_a_host_records_go_by_line() {
    let mut bench = Bench::new(None);
    bench.rest();
    let by_line = bench.line.from_node.len();
    assert!(by_line > 0, "Hello");
    bench.stack().up = true;
    bench.now_us += 5_000_000;
    bench.rest();
    assert!(bench.line.from_node.len() > by_line, "nobody to send it to");
    let (records, _) = bench.heard();
    assert_eq!(records, []);
}

#[test]
fn a_host_that_was_set_is_greeted_and_gets_all() {
    let mut bench = Bench::new(Some(host(7)));
    bench.rest();
    bench.stack().up = true;
    let until = bench.rest();
    let (records, hosts) = bench.heard();
    assert!(records.iter().any(|r| matches!(r, Record::Hello(_))));
    assert_eq!(hosts, [host(7)]);
    let silent = bench.line.from_node.len();
    bench.now_us = until.expect("a greeting is due") + 3_000_000;
    bench.rest();
    let (records, _) = bench.heard();
    assert!(records.iter().any(|r| matches!(r, Record::Hello(_))));
    assert_eq!(bench.line.from_node.len(), silent, "the line is quiet");
    // A stranger's commands do nothing.
    bench.say(host(8), &[Command::Flush { id: 3 }]);
    bench.rest();
    let (records, hosts) = bench.heard();
    assert!(!records.iter().any(is_flush));
    assert_eq!(hosts.iter().find(|h| **h != host(7)), None);
}

fn is_flush(record: &Record) -> bool {
    matches!(record, Record::Ledger(ledger) if ledger.flush == 3)
}

#[test]
fn a_host_that_commands_is_learnt_and_obeyed() {
    let mut bench = Bench::new(None);
    bench.stack().up = true;
    bench.rest();
    bench.stack().datagrams.push_back((vec![0; 30], host(6)));
    bench.stack().datagrams.push_back((vec![0; 2_000], host(6)));
    bench.say(host(7), &[Command::Flush { id: 3 }]);
    bench.rest();
    let (records, hosts) = bench.heard();
    assert_eq!(hosts, [host(7)], "garbage teaches nothing");
    assert!(records.iter().any(is_flush));
    assert_eq!(bench.ledger().uplink.bad_frames, 2);
}

#[test]
fn a_batch_that_finds_no_room_waits_and_is_not_lost() {
    let mut bench = Bench::new(Some(host(7)));
    bench.stack().up = true;
    bench.stack().full = true;
    bench.rest();
    assert!(bench.stack().given.is_empty());
    bench.stack().full = false;
    bench.rest();
    let (records, _) = bench.heard();
    assert!(matches!(records.first(), Some(Record::Hello(_))));
}
