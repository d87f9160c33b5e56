//! What was read is counted, or its loss is told.

use std::sync::atomic::Ordering;

use magpie_protocol::{FlowSum, Known, Record};

use super::times::stamped;
use super::{Bench, HIDDEN, SCRATCH, udp};
use crate::{Clock, Lost, Pace, Turn};

#[test]
fn what_is_read_is_counted_or_lost_with_its_reason() {
    let mut bench = Bench::new(Clock::STAMPED, Pace::Hold, 30);
    let outcomes = [
        Ok(stamped(udp(1), 5)),
        Err(Lost::Fcs),
        Ok(vec![0; 7]),                // no room for a stamp
        Ok(stamped(udp(1), u64::MAX)), // no time
        Err(Lost::Oversize),           // said by the port
        Ok(vec![0; SCRATCH + 1]),      // longer than the buffer
        Ok(stamped(udp(2), 6)),
        Ok(stamped(vec![], 7)), // an empty frame is one
    ];
    bench.port.frames.extend(outcomes);
    bench.port.missed = 9;
    let ledger = bench.flush(1);
    assert_eq!(bench.received.load(Ordering::Relaxed), 8);
    assert_eq!(ledger.lost.oversize, Known::AtLeast(2));
    assert_eq!(ledger.lost.mac_fifo, Known::AtLeast(9));
    assert_eq!(ledger.lost.no_descriptor, Known::Exact(0));
    assert_eq!(ledger.lost.fcs, Known::Exact(3 - HIDDEN));
    assert_eq!(ledger.counted.frames, 3);
}

#[test]
fn nothing_is_lost_however_long_the_host_stalls() {
    let mut bench = Bench::new(Clock::STAMPED, Pace::Hold, 15);
    let frames = 500;
    for i in 0..frames {
        bench
            .port
            .frames
            .push_back(Ok(stamped(udp(i), u64::from(i))));
    }
    bench.line.room = 0;
    for _ in 0..1_000 {
        bench.turn();
    }
    let waiting = bench.port.frames.len();
    assert!(waiting > 0, "the buffers hold less than {frames} records");
    assert!(bench.node.health().held_turns > 0);
    bench.line.room = 7;
    // A flush ends what there is: first all frames have to be in.
    for _ in 0..20_000 {
        bench.turn();
        bench.host.listen(&mut bench.line);
    }
    assert!(bench.port.frames.is_empty());
    let ledger = bench.flush(1);
    assert_eq!(ledger.counted.frames + HIDDEN, u64::from(frames));
    assert_eq!(ledger.never_sent.records, 0);
    assert_eq!(ledger.uplink.never_sent.records, 0);
    assert_eq!(bench.host.finished().0 + HIDDEN, u64::from(frames));
    assert!(ledger.flows.evicted > 0);
}

#[test]
fn a_port_that_cannot_wait_is_read_and_the_records_booked() {
    let mut bench = Bench::new(Clock::SinceBoot, Pace::Never, 8);
    let frames = 500;
    for i in 0..frames {
        bench.port.frames.push_back(Ok(udp(i)));
    }
    bench.line.room = 0;
    for _ in 0..100 {
        bench.turn();
    }
    assert!(bench.port.frames.is_empty());
    let ledger = bench.node.sensor().ledger(bench.now_us);
    assert_eq!(ledger.counted.frames + HIDDEN, u64::from(frames));
    assert!(ledger.never_sent.packets > 0, "the outbox is too small");
}

/// The outbox is full, and later the link drops what it had: whose that was,
/// the lines say.
#[test]
fn what_a_node_does_not_keep_is_told_by_responder() {
    let mut bench = Bench::new(Clock::SinceBoot, Pace::Never, 8);
    bench.line.room = 0;
    for _ in 0..3 {
        for i in 0..200 {
            bench.port.frames.push_back(Ok(udp(i)));
        }
        while bench.turn() == Turn::Again {}
        bench.now_us += 5_000_000;
        bench.line.room = usize::MAX;
        for _ in 0..50 {
            bench.turn();
        }
        bench.line.room = 0;
    }
    bench.line.room = 7;
    let ledger = bench.flush(1);
    // Later lines of a place replace earlier ones.
    let mut lines = std::collections::BTreeMap::new();
    for record in &bench.host.records {
        if let Record::Unsent(unsent) = record {
            lines.extend(unsent.lines.iter().map(|line| (line.place, line)));
        }
    }
    let mut sums = [FlowSum::default(); 2];
    for line in lines.values() {
        sums[0].add(&line.never_sent);
        sums[1].add(&line.unconfirmed);
    }
    let mut never_sent = ledger.never_sent;
    never_sent.add(&ledger.uplink.never_sent);
    let unconfirmed = FlowSum::from(&ledger.uplink.unconfirmed);
    assert_eq!(sums, [FlowSum::from(&never_sent), unconfirmed]);
    assert!(ledger.never_sent.flows > 0 && ledger.uplink.never_sent.flows > 0);
}
