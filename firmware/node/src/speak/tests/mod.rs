//! A whole node whose port speaks, with a stack that does as it is told.

mod fallback;
mod filters;
mod frames;
mod hosts;
mod lease;

use std::collections::VecDeque;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddrV4};

use magpie_link::{Deframer, MAX_BATCH, Receiver, command_batch, frame};
use magpie_protocol::{Command, Ledger, LinkState, Losses, NetState, Record, decode_record};

use super::{FrameSender, Given, Placed, Settings, Speaking, Stack};
use crate::tests::{Line, node, udp};
use crate::{Clock, FrameReceiver, Lost, Node, Pace, Turn, UPLINK_BUFFER};

const HELLO: Command = Command::Hello { major: 1, minor: 4 };
const US: [u8; 6] = [2, 0, 0, 0, 0, 9];
const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);

#[derive(Default)]
struct Port {
    frames: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    /// Frames it takes until it is full.
    room: usize,
    /// Longer ones it can never send.
    longest: Option<usize>,
    /// Frames that it took and that did not leave.
    failed: u64,
    link: LinkState,
}

impl FrameReceiver for Port {
    fn poll_receive(&mut self, buffer: &mut [u8]) -> Option<Result<usize, Lost>> {
        let frame = self.frames.pop_front()?;
        buffer[..frame.len()].copy_from_slice(&frame);
        Some(Ok(frame.len()))
    }

    fn collect_losses(&mut self, _: &mut Losses) {}

    fn link(&mut self) -> LinkState {
        self.link
    }

    fn arm(&mut self) {}
}

impl FrameSender for Port {
    fn poll_transmit(&mut self, frame: &[u8]) -> Placed {
        if self.longest.is_some_and(|longest| frame.len() > longest) {
            return Placed::Never;
        }
        if self.room == 0 {
            return Placed::Full;
        }
        self.room -= 1;
        self.sent.push(frame.to_vec());
        Placed::Taken
    }

    fn take_failed(&mut self) -> u64 {
        std::mem::take(&mut self.failed)
    }
}

#[derive(Default)]
struct Told {
    up: bool,
    /// What it was told of the cable, whenever it was told anew.
    links: Vec<bool>,
    heard: Vec<Vec<u8>>,
    /// Frames it has room for.
    ears: usize,
    to_send: VecDeque<Vec<u8>>,
    datagrams: VecDeque<(Vec<u8>, SocketAddrV4)>,
    given: Vec<(Vec<u8>, SocketAddrV4)>,
    full: bool,
}

impl Stack for Told {
    fn hear(&mut self, frame: &[u8]) -> bool {
        let room = self.heard.len() < self.ears;
        if room {
            self.heard.push(frame.to_vec());
        }
        room
    }

    fn frame(&mut self) -> Option<&[u8]> {
        self.to_send.front().map(Vec::as_slice)
    }

    fn frame_done(&mut self) {
        self.to_send.pop_front();
    }

    fn address(&mut self) -> Option<Ipv4Addr> {
        self.up.then_some(OURS)
    }

    fn set_link(&mut self, up: bool) {
        if self.links.last() != Some(&up) {
            self.links.push(up);
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Option<(Option<usize>, SocketAddrV4)> {
        let (datagram, from) = self.datagrams.pop_front()?;
        let place = buffer.get_mut(..datagram.len());
        let octets = place.map(|place| {
            place.copy_from_slice(&datagram);
            datagram.len()
        });
        Some((octets, from))
    }

    fn send(&mut self, datagram: &[u8], to: SocketAddrV4) -> Given {
        if self.full {
            return Given::Full;
        }
        self.given.push((datagram.to_vec(), to));
        Given::Taken
    }

    fn changed(&mut self) -> impl Future<Output = ()> {
        std::future::pending()
    }
}

struct Bench {
    node: Node<'static>,
    port: Port,
    line: Line,
    side: Speaking<Told>,
    now_us: u64,
}

fn host(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new([10, 0, 0, 1].into(), port)
}

impl Bench {
    fn new(set: Option<SocketAddrV4>) -> Self {
        let settings = Settings {
            host: set,
            own: None,
        };
        let stack = Told {
            ears: usize::MAX,
            ..Told::default()
        };
        let mut bench = Self {
            node: node(Clock::SinceBoot, Pace::Never, 30).0,
            port: Port {
                room: usize::MAX,
                ..Port::default()
            },
            line: Line {
                room: usize::MAX,
                ..Line::default()
            },
            side: Speaking::new(stack, US, &settings),
            now_us: 1_000,
        };
        bench.node.start_with::<Port, _>(&mut bench.side);
        bench
    }

    fn stack(&mut self) -> &mut Told {
        self.side.stack_mut()
    }

    fn turn(&mut self) -> Turn {
        let now_us = std::cell::Cell::new(self.now_us + 100);
        let clock = || now_us.replace(now_us.get() + 1);
        let turn = self
            .node
            .turn_with(clock, &mut self.port, &mut self.line, &mut self.side);
        self.now_us = now_us.get();
        turn
    }

    fn rest(&mut self) -> Option<u64> {
        for _ in 0..1_000 {
            if let Turn::Sleep { until_us } = self.turn() {
                return until_us;
            }
        }
        panic!("never rests");
    }

    /// What the line was told of the port, in order.
    fn ports(&mut self) -> Vec<(LinkState, NetState)> {
        let records = by_line(&std::mem::take(&mut self.line.from_node));
        let ports = records.iter().filter_map(|record| match record {
            Record::Port(port) => Some((port.link, port.net)),
            _ => None,
        });
        ports.collect()
    }

    fn say(&mut self, from: SocketAddrV4, commands: &[Command]) {
        let mut batch = [0; MAX_BATCH];
        let len = command_batch(0, 0, commands, &mut batch).unwrap();
        self.stack()
            .datagrams
            .push_back((batch[..len].to_vec(), from));
    }

    /// What went out as datagrams, and to whom.
    fn heard(&mut self) -> (Vec<Record>, Vec<SocketAddrV4>) {
        let mut receiver = Receiver::new();
        let mut records = Vec::new();
        let mut hosts = Vec::new();
        for (batch, to) in std::mem::take(&mut self.stack().given) {
            hosts.push(to);
            let delivery = receiver.handle_batch(&batch).unwrap();
            for item in delivery.items {
                records.push(decode_record(item.unwrap()).unwrap());
            }
        }
        hosts.sort_unstable();
        hosts.dedup();
        (records, hosts)
    }

    fn ledger(&self) -> Ledger {
        self.node.sensor().ledger(self.now_us)
    }
}

fn say_by_line(bench: &mut Bench, commands: &[Command]) {
    let mut batch = [0; MAX_BATCH];
    let len = command_batch(0, 0, commands, &mut batch).unwrap();
    let mut framed = [0; UPLINK_BUFFER];
    let len = frame(&batch[..len], &mut framed).unwrap();
    bench.line.to_node.extend(&framed[..len]);
}

/// Records in what a line carried.
fn by_line(octets: &[u8]) -> Vec<Record> {
    let mut deframer: Deframer<{ MAX_BATCH + 4 }> = Deframer::new();
    let mut receiver = Receiver::new();
    let mut records = Vec::new();
    for octet in octets {
        if let Some(batch) = deframer.push(*octet) {
            let delivery = receiver.handle_batch(batch.unwrap()).unwrap();
            for item in delivery.items {
                records.push(decode_record(item.unwrap()).unwrap());
            }
        }
    }
    records
}

/// A frame between these two.
fn between(to: [u8; 6], from: [u8; 6]) -> Vec<u8> {
    let mut frame = udp(1);
    frame[..6].copy_from_slice(&to);
    frame[6..12].copy_from_slice(&from);
    frame
}

fn arp() -> Vec<u8> {
    let mut frame = [[0xff; 6], US].concat();
    frame.extend([8, 6]);
    frame.resize(60, 0);
    frame
}

/// Sleeps and wakes as the node says, until this time since boot.
fn rest_until(bench: &mut Bench, end_us: u64) {
    while bench.now_us < end_us {
        let until = bench.rest().unwrap_or(end_us);
        bench.now_us = until.min(end_us).max(bench.now_us);
    }
}
