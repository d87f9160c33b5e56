//! The whole node between a fake port and a fake line, with a host at its end
//! that understands what it says.

mod books;
mod times;
mod turns;

use std::collections::VecDeque;
use std::sync::atomic::AtomicU32;

use magpie_link::{Deframer, MAX_BATCH, Overflow, Receiver, Sender, command_batch, frame};
use magpie_protocol::{Command, CountEntry, Hello, Ledger, Losses, Record, decode_record};
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

/// Frames that the image under test throws away in secret.
pub(crate) const HIDDEN: u64 = if cfg!(magpie_forget_one) { 1 } else { 0 };

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
