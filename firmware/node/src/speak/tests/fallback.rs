//! A UDP host that vanishes and returns, and one on the serial line.

use std::collections::BTreeMap;

use magpie_link::{Deframer, MAX_BATCH, Receiver, Stream};
use magpie_protocol::{Command, EndReason, Record, decode_record};

use super::{Bench, HELLO, host, rest_until, say_by_line};
use crate::tests::{HIDDEN, udp};

const SECOND: u64 = 1_000_000;

/// A host at one of the ends: hears, and acknowledges while it lives.
#[derive(Default)]
struct Ear {
    receiver: Receiver,
    deframer: Deframer<{ MAX_BATCH + 4 }>,
    /// Finished records by their number, each heard once.
    finals: BTreeMap<u64, Record>,
    hellos: usize,
    live: usize,
    dead: bool,
}

impl Ear {
    fn hear(&mut self, batch: &[u8]) -> Option<Command> {
        let delivery = self.receiver.handle_batch(batch).unwrap();
        for (number, item) in (delivery.first_seq..).zip(delivery.items) {
            let record = decode_record(item.unwrap()).unwrap();
            self.hellos += usize::from(matches!(record, Record::Hello(_)));
            if delivery.stream == Stream::Final {
                assert!(self.finals.insert(number, record).is_none());
            } else {
                self.live += 1;
            }
        }
        self.receiver.poll_ack()
    }

    fn on_network(&mut self, bench: &mut Bench) {
        for (batch, to) in std::mem::take(&mut bench.stack().given) {
            assert_eq!(to, host(7));
            if !self.dead
                && let Some(ack) = self.hear(&batch)
            {
                bench.say(host(7), &[ack]);
            }
        }
    }

    fn on_line(&mut self, bench: &mut Bench) {
        for octet in std::mem::take(&mut bench.line.from_node) {
            let heard = match self.deframer.push(octet) {
                Some(Ok(batch)) if !self.dead => Some(batch.to_vec()),
                _ => None,
            };
            if let Some(ack) = heard.and_then(|batch| self.hear(&batch)) {
                say_by_line(bench, &[ack]);
            }
        }
    }
}

/// Both ends for so long, in steps short enough for any wait.
fn pass(bench: &mut Bench, udp: &mut Ear, line: &mut Ear, lasting_us: u64) {
    let end_us = bench.now_us + lasting_us;
    while bench.now_us < end_us {
        let next = (bench.now_us + 20_000).min(end_us);
        rest_until(bench, next);
        bench.rest();
        udp.on_network(bench);
        line.on_line(bench);
    }
}

/// Flows that end at once, since the table has eight places.
fn flows(bench: &mut Bench, numbers: std::ops::Range<u16>) {
    for number in numbers {
        bench.port.frames.push_back(udp(number));
    }
}

fn only_flows(finals: &BTreeMap<u64, Record>) -> usize {
    let evicted = |r: &&Record| matches!(r, Record::Flow(f) if f.reason == EndReason::Evicted);
    finals.values().filter(evicted).count()
}

/// The UDP host vanishes while records come as fast as the buffers can hold for
/// four seconds; one on the line takes over; the first returns. Every record
/// arrives, once, and nobody drops one.
#[test]
fn a_host_that_vanishes_and_returns() {
    let mut bench = Bench::new(Some(host(7)));
    bench.stack().up = true;
    let (mut udp, mut line) = (Ear::default(), Ear::default());
    flows(&mut bench, 0..30);
    pass(&mut bench, &mut udp, &mut line, 2 * SECOND);
    assert_eq!(only_flows(&udp.finals) as u64, 22 - HIDDEN);
    assert!(
        line.finals.is_empty() && line.live == 0,
        "the line is quiet"
    );

    udp.dead = true;
    say_by_line(&mut bench, &[HELLO]);
    flows(&mut bench, 30..60);
    pass(&mut bench, &mut udp, &mut line, 2_900_000);
    assert!(line.finals.is_empty(), "it may yet answer");
    pass(&mut bench, &mut udp, &mut line, 150_000);
    assert!(only_flows(&line.finals) > 10, "{:?}", line.finals.len());
    say_by_line(&mut bench, &[HELLO]);
    flows(&mut bench, 60..90);
    pass(&mut bench, &mut udp, &mut line, SECOND);
    assert_eq!(only_flows(&line.finals), 60);
    assert!(line.hellos > 0 && line.live > 0, "it is answered");

    // Back again, it hears within two seconds that there is a sensor.
    udp.dead = false;
    flows(&mut bench, 90..120);
    let by_line = line.finals.len();
    pass(&mut bench, &mut udp, &mut line, 2_100_000);
    let at_line = line.finals.len();
    flows(&mut bench, 120..150);
    let live = line.live;
    pass(&mut bench, &mut udp, &mut line, 2 * SECOND);
    assert!(at_line - by_line <= 30);
    assert_eq!(
        (line.finals.len(), line.live),
        (at_line, live),
        "moved back"
    );

    let both: Vec<u64> = udp
        .finals
        .keys()
        .chain(line.finals.keys())
        .copied()
        .collect();
    let mut numbers = both.clone();
    numbers.sort_unstable();
    assert_eq!(
        numbers,
        (0..both.len() as u64).collect::<Vec<_>>(),
        "all, once"
    );
    let flows = only_flows(&udp.finals) + only_flows(&line.finals);
    assert_eq!(flows as u64, 142 - HIDDEN);
    let uplink = bench.ledger().uplink;
    assert_eq!(
        (uplink.never_sent.records, uplink.unconfirmed.records),
        (0, 0)
    );
    assert_eq!(uplink.acked, both.len() as u64);
    // Nobody's live records have a hole but for what went the other way.
    assert_eq!(line.receiver.counts().live_gap, 0);
}

/// The line's host has records whose acknowledgement is under way when the UDP
/// host speaks: it is waited for, or both would have them.
#[test]
fn a_host_that_is_left_acknowledges_first() {
    for acknowledges in [true, false] {
        let mut bench = Bench::new(None);
        bench.stack().up = true;
        let (mut udp, mut line) = (Ear::default(), Ear::default());
        say_by_line(&mut bench, &[HELLO]);
        flows(&mut bench, 0..20);
        for _ in 0..10 {
            bench.now_us += 5_000;
            bench.rest();
        }
        assert!(!bench.line.from_node.is_empty());
        bench.say(host(7), &[HELLO]);
        let until = bench.rest().expect("it waits for so long");
        assert!(until <= bench.now_us + 500_000, "{until} {}", bench.now_us);
        assert!(bench.stack().given.is_empty());
        line.dead = !acknowledges;
        line.on_line(&mut bench);
        let before = line.finals.len();
        assert_eq!(before > 5, acknowledges);
        pass(&mut bench, &mut udp, &mut line, 60_000);
        // Without an answer it goes on all the same, a little later.
        assert_eq!(udp.hellos > 0, acknowledges);
        pass(&mut bench, &mut udp, &mut line, 500_000);
        assert!(udp.hellos > 0);
        assert_eq!(line.finals.len(), before);
        let twice = udp.finals.keys().filter(|n| line.finals.contains_key(n));
        assert_eq!(twice.count(), 0);
        let all = udp.finals.len() + line.finals.len();
        assert_eq!(all as u64, bench.ledger().uplink.acked);
        assert!(all as u64 >= 12 - HIDDEN);
    }
}

#[test]
fn without_anybody_on_the_line_nothing_moves() {
    let mut bench = Bench::new(Some(host(7)));
    bench.stack().up = true;
    let (mut udp, mut line) = (Ear::default(), Ear::default());
    flows(&mut bench, 0..20);
    pass(&mut bench, &mut udp, &mut line, SECOND);
    udp.dead = true;
    // One was there, and has left.
    say_by_line(&mut bench, &[HELLO]);
    pass(&mut bench, &mut udp, &mut line, 10 * SECOND);
    flows(&mut bench, 20..40);
    pass(&mut bench, &mut udp, &mut line, 60 * SECOND);
    assert!(line.finals.is_empty() && line.live == 0);
    udp.dead = false;
    pass(&mut bench, &mut udp, &mut line, 5 * SECOND);
    assert!(only_flows(&udp.finals) as u64 >= 32 - HIDDEN);
}

/// Two hosts that are both well: the line's gets nothing, however it asks.
#[test]
fn a_host_that_answers_keeps_its_records() {
    let mut bench = Bench::new(None);
    bench.stack().up = true;
    let (mut udp, mut line) = (Ear::default(), Ear::default());
    bench.say(host(7), &[HELLO]);
    bench.rest();
    bench.line.from_node.clear();
    for number in 0..60 {
        // It has little to acknowledge, and asks for the time every ten seconds.
        if number % 10 == 0 {
            let ask = Command::TimeSync { id: 1, host_us: 1 };
            bench.say(host(7), &[ask]);
        }
        flows(&mut bench, number..number + 1);
        say_by_line(&mut bench, &[HELLO]);
        pass(&mut bench, &mut udp, &mut line, SECOND);
    }
    assert!(line.finals.is_empty() && line.live == 0);
    assert!(only_flows(&udp.finals) > 40);
}

/// The half of a frame that a line does not take keeps nothing from the network.
#[test]
fn a_line_that_is_stuck_is_left() {
    let mut bench = Bench::new(None);
    bench.stack().up = true;
    bench.line.room = 1;
    bench.turn();
    bench.line.room = 0;
    bench.rest();
    let (mut udp, mut line) = (Ear::default(), Ear::default());
    bench.say(host(7), &[HELLO]);
    let until = bench.rest().expect("it waits no longer than for a while");
    assert!(until <= bench.now_us + 100_000, "{until} {}", bench.now_us);
    assert!(bench.stack().given.is_empty(), "the frame may yet go on");
    pass(&mut bench, &mut udp, &mut line, 200_000);
    assert!(udp.hellos > 0);
}

/// A frame that goes on is not cut.
#[test]
fn a_line_that_moves_is_given_its_frame() {
    let mut bench = Bench::new(None);
    bench.stack().up = true;
    bench.line.room = 1;
    bench.turn();
    bench.say(host(7), &[HELLO]);
    let mut line = Ear::default();
    for _ in 0..400 {
        bench.now_us += 20_000;
        bench.turn();
        line.on_line(&mut bench);
    }
    assert!(line.hellos > 0, "its first Hello was whole");
    let counts = line.deframer.counts();
    assert_eq!(counts.garbage_octets, 0, "{counts:?}");
}
