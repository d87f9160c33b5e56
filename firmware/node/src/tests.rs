//! The whole node between a fake port and a fake line, with a host at its end
//! that understands what it says.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};

use magpie_link::{Deframer, MAX_BATCH, Overflow, Receiver, Sender, command_batch, frame};
use magpie_protocol::{
    ClockKind, Command, CountEntry, FlowSum, Hello, Known, Ledger, Losses, Record, decode_record,
};
use magpie_sensor::{
    Config, EMPTY_ECHO_SET, EMPTY_FLOW_SET, EMPTY_REQUEST_SET, EMPTY_UNSENT_SET, FilterSlot,
    Identity, OutboxEntry, Sensor, Storage,
};
use managed::ManagedSlice::Borrowed;

use crate::{Buffers, Clock, FrameReceiver, Lost, Node, Pace, Turn, UPLINK_BUFFER, Uart};

const SCRATCH: usize = 1600;

#[derive(Default)]
struct Port {
    frames: VecDeque<Result<Vec<u8>, Lost>>,
    /// What the port's own counter adds when it is asked.
    missed: u64,
    /// How long frames have waited when they are read.
    age_us: u32,
    armed: u32,
}

impl FrameReceiver for Port {
    fn poll_receive(&mut self, buffer: &mut [u8]) -> Option<Result<usize, Lost>> {
        Some(self.frames.pop_front()?.and_then(|frame| {
            let place = buffer.get_mut(..frame.len()).ok_or(Lost::Oversize)?;
            place.copy_from_slice(&frame);
            Ok(frame.len())
        }))
    }

    fn age_us(&self) -> u32 {
        self.age_us
    }

    fn collect_losses(&mut self, losses: &mut Losses) {
        if self.missed > 0 {
            losses.mac_fifo.add(std::mem::take(&mut self.missed));
        }
    }

    fn arm(&mut self) {
        self.armed += 1;
    }
}

#[derive(Default)]
pub(crate) struct Line {
    pub(crate) to_node: VecDeque<u8>,
    pub(crate) from_node: Vec<u8>,
    /// Octets that `write` takes at a time.
    pub(crate) room: usize,
}

impl Uart for Line {
    fn read(&mut self, octets: &mut [u8]) -> usize {
        let n = octets.len().min(self.to_node.len());
        for (place, octet) in octets.iter_mut().zip(self.to_node.drain(..n)) {
            *place = octet;
        }
        n
    }

    fn write(&mut self, octets: &[u8]) -> usize {
        let n = octets.len().min(self.room);
        self.from_node.extend(&octets[..n]);
        n
    }
}

/// Reads what the node sends and acknowledges it.
struct Host {
    deframer: Deframer<{ MAX_BATCH + 4 }>,
    receiver: Receiver,
    records: Vec<Record>,
    boot_id: u32,
}

impl Host {
    fn new() -> Self {
        Self {
            deframer: Deframer::new(),
            receiver: Receiver::new(),
            records: Vec::new(),
            boot_id: 0,
        }
    }

    fn say(&self, line: &mut Line, commands: &[Command]) {
        let mut batch = [0; MAX_BATCH];
        let len = command_batch(self.boot_id, 0, commands, &mut batch).unwrap();
        let mut framed = [0; UPLINK_BUFFER];
        let len = frame(&batch[..len], &mut framed).unwrap();
        line.to_node.extend(&framed[..len]);
    }

    fn listen(&mut self, line: &mut Line) {
        for octet in std::mem::take(&mut line.from_node) {
            let Some(batch) = self.deframer.push(octet) else {
                continue;
            };
            let delivery = self.receiver.handle_batch(batch.unwrap()).unwrap();
            self.boot_id = delivery.boot_id;
            for item in delivery.items {
                self.records.push(decode_record(item.unwrap()).unwrap());
            }
        }
        while let Some(ack) = self.receiver.poll_ack() {
            self.say(line, &[ack]);
        }
    }

    fn hello(&self) -> &Hello {
        let mut hellos = self.records.iter().filter_map(|r| match r {
            Record::Hello(hello) => Some(hello),
            _ => None,
        });
        hellos.next().expect("a Hello")
    }

    fn flushed(&self, id: u32) -> Option<Ledger> {
        self.records.iter().find_map(|r| match r {
            Record::Ledger(ledger) if ledger.flush == id => Some(*ledger),
            _ => None,
        })
    }

    fn finished(&self) -> (u64, u64) {
        self.records
            .iter()
            .fold((0, 0), |(packets, octets), r| match r {
                Record::Flow(flow) if flow.reason.is_final() => (
                    packets + flow.ab.packets + flow.ba.packets,
                    octets + flow.ab.frame_octets + flow.ba.frame_octets,
                ),
                _ => (packets, octets),
            })
    }
}

struct Bench {
    node: Node<'static>,
    port: Port,
    line: Line,
    host: Host,
    received: &'static AtomicU32,
    now_us: u64,
}

fn leak<T: Clone>(value: T, len: usize) -> &'static mut [T] {
    vec![value; len].leak()
}

/// A node with eight flows, an outbox of `outbox` records, a resend buffer of
/// 1,024; and its counter of frames received.
pub(crate) fn node(clock: Clock, pace: Pace, outbox: usize) -> (Node<'static>, &'static AtomicU32) {
    let lines = || Borrowed(leak(CountEntry::default(), 8));
    let storage = Storage {
        flows: Borrowed(leak(EMPTY_FLOW_SET, 1)),
        echoes: Borrowed(leak(EMPTY_ECHO_SET, 1)),
        requests: Borrowed(leak(EMPTY_REQUEST_SET, 1)),
        ethertypes: lines(),
        protocols: lines(),
        vlans: lines(),
        icmp: lines(),
        arp_operations: lines(),
        outbox: Borrowed(leak(OutboxEntry::EMPTY, outbox)),
        unsent: Borrowed(leak(EMPTY_UNSENT_SET, 1)),
        doubled: None,
        filters: Borrowed(leak(FilterSlot::EMPTY, 2)),
        packets: Borrowed(leak(0, 4000)),
    };
    let identity = Identity {
        clock: clock.kind(),
        ..Identity::default()
    };
    let sensor = Sensor::new(Config::default(), identity, &[7; 32], storage);
    let overflow = match pace {
        Pace::Hold => Overflow::Hold,
        Pace::Never => Overflow::DropOldest,
    };
    let sender = Sender::new(sensor.boot_id(), leak(0, 1024), overflow);
    let received: &'static AtomicU32 = Box::leak(Box::new(AtomicU32::new(0)));
    let buffers = Buffers {
        scratch: leak(0, SCRATCH),
        framed: leak(0, UPLINK_BUFFER),
    };
    let node = Node::new(
        sensor,
        sender,
        clock,
        pace,
        Node::NO_COUNTERS,
        received,
        buffers,
    );
    (node, received)
}

impl Bench {
    fn new(clock: Clock, pace: Pace, outbox: usize) -> Self {
        let (node, received) = node(clock, pace, outbox);
        Self {
            node,
            port: Port::default(),
            line: Line {
                room: usize::MAX,
                ..Line::default()
            },
            host: Host::new(),
            received,
            now_us: 1_000,
        }
    }

    fn turn(&mut self) -> Turn {
        // Every look at the clock costs a microsecond.
        let now_us = std::cell::Cell::new(self.now_us + 100);
        let clock = || now_us.replace(now_us.get() + 1);
        let turn = self.node.turn(clock, &mut self.port, &mut self.line);
        self.now_us = now_us.get();
        turn
    }

    /// Turns with a host that listens, until the ledger of this flush came.
    fn flush(&mut self, id: u32) -> Ledger {
        self.host.say(&mut self.line, &[Command::Flush { id }]);
        for _ in 0..20_000 {
            let turn = self.turn();
            self.host.listen(&mut self.line);
            if let Some(ledger) = self.host.flushed(id)
                && turn != Turn::Again
            {
                return ledger;
            }
        }
        panic!("no ledger of flush {id}");
    }
}

/// A UDP frame of 60 octets; each number is a flow of its own.
pub(crate) fn udp(number: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(number.to_be_bytes());
    frame.extend([0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
    frame.resize(60, 0);
    frame
}

fn stamped(mut frame: Vec<u8>, at_us: u64) -> Vec<u8> {
    frame.extend(at_us.to_be_bytes());
    frame
}

/// Frames that the image under test throws away in secret.
pub(crate) const HIDDEN: u64 = if cfg!(magpie_forget_one) { 1 } else { 0 };

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

/// Sleeps and wakes as the node says for so long, without another frame; the
/// flows that expired.
fn rest(bench: &mut Bench, lasting_us: u64) -> usize {
    let end_us = bench.now_us + lasting_us;
    let mut turns = 0;
    while bench.now_us < end_us {
        turns += 1;
        assert!(turns < 100_000, "it never sleeps");
        let turn = bench.turn();
        bench.host.listen(&mut bench.line);
        match turn {
            Turn::Again => {}
            Turn::Sleep { until_us } => bench.now_us = until_us.map_or(end_us, |at| at.min(end_us)),
        }
    }
    let expired = |r: &&Record| matches!(r, Record::Flow(flow) if flow.reason.is_final());
    bench.host.records.iter().filter(expired).count()
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
