//! A whole node whose port speaks, with a stack that does as it is told.

mod fallback;
mod filters;

use std::collections::VecDeque;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddrV4};

use magpie_link::{Deframer, MAX_BATCH, Receiver, command_batch, frame};
use magpie_protocol::{Command, Ledger, LinkState, Losses, NetState, Record, decode_record};

use super::{FrameSender, Given, Placed, Settings, Speaking, Stack, may_leave};
use crate::tests::{HIDDEN, Line, node, udp};
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

#[test]
fn every_frame_is_counted_and_the_stack_hears_its_own_only() {
    let mut bench = Bench::new(None);
    let other = [2, 0, 0, 0, 0, 7];
    let multicast = [1, 0, 0x5e, 0, 0, 1];
    let to_all = |kind: [u8; 2], to: u16| {
        let mut frame = between([0xff; 6], other);
        frame[12..14].copy_from_slice(&kind);
        frame[36..38].copy_from_slice(&to.to_be_bytes());
        frame
    };
    let frames = [
        between(US, other),
        to_all([8, 6], 0),
        to_all([8, 0], 68),
        to_all([8, 0], 67),
        to_all([0x86, 0xdd], 68),
        between(multicast, other),
        between(other, US), // never sent
        between(other, other),
        vec![1, 2, 3],
    ];
    for frame in &frames {
        bench.port.frames.push_back(frame.clone());
        // The image under test hides the third frame of all.
        if HIDDEN == 1 && bench.port.frames.len() == 2 {
            bench.port.frames.push_back(vec![0; 60]);
        }
    }
    bench.rest();
    let ledger = bench.ledger();
    assert_eq!(ledger.counted.frames, 9);
    assert_eq!((ledger.own_rx, ledger.own_tx, ledger.forged), (1, 0, 1));
    assert_eq!(bench.stack().heard, frames[..3]);
}

#[test]
fn a_stack_without_room_misses_frames_and_the_counts_do_not() {
    let mut bench = Bench::new(None);
    bench.stack().ears = 3;
    for _ in 0..200 {
        bench.port.frames.push_back(between(US, [2; 6]));
    }
    bench.rest();
    assert_eq!(bench.ledger().counted.frames, 200 - HIDDEN);
    assert_eq!(bench.stack().heard.len(), 3);
    assert_eq!(bench.side.unheard(), 197 - HIDDEN);
}

#[test]
fn only_arp_dhcp_and_the_export_leave() {
    let udp_from = |from: u16, to: u16| {
        let mut frame = between([2; 6], US);
        frame[34..36].copy_from_slice(&from.to_be_bytes());
        frame[36..38].copy_from_slice(&to.to_be_bytes());
        frame
    };
    let icmp = {
        let mut frame = udp_from(super::PORT, 9);
        frame[23] = 1;
        frame
    };
    let fragment = {
        let mut frame = udp_from(super::PORT, 9);
        frame[20] = 0x20;
        frame
    };
    let options = {
        let mut frame = udp_from(super::PORT, 9);
        frame[14] = 0x46;
        frame
    };
    let ipv6 = {
        let mut frame = udp_from(super::PORT, 9);
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        frame
    };
    let pause = {
        let mut frame = arp();
        frame[12..14].copy_from_slice(&[0x88, 0x08]);
        frame
    };
    let good = [arp(), udp_from(68, 67), udp_from(super::PORT, 4739)];
    let bad = [
        icmp,
        fragment,
        options,
        ipv6,
        pause,
        udp_from(67, 68),
        udp_from(53, 53),
        arp()[..13].to_vec(),
        udp_from(super::PORT, 9)[..37].to_vec(),
        vec![],
    ];
    for frame in &bad {
        assert!(!may_leave(frame), "{frame:02x?}");
    }
    let mut bench = Bench::new(None);
    for frame in bad.iter().chain(&good) {
        bench.stack().to_send.push_back(frame.clone());
    }
    bench.rest();
    assert_eq!(bench.port.sent, good);
    assert_eq!(bench.side.refused(), bad.len() as u64);
}

#[test]
fn a_full_port_keeps_the_frame_and_what_is_sent_may_be_seen() {
    let mut bench = Bench::new(None);
    bench.port.room = 1;
    bench.stack().to_send.extend([arp(), arp()]);
    bench.rest();
    assert_eq!((bench.port.sent.len(), bench.stack().to_send.len()), (1, 1));
    for _ in 0..2 {
        bench.port.frames.push_back(arp());
    }
    bench.rest();
    let ledger = bench.ledger();
    assert_eq!((ledger.own_tx, ledger.forged), (1, 1));
    bench.port.room = 1;
    bench.rest();
    assert_eq!(bench.port.sent.len(), 2);
}

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

/// A frame that the port took and gave up, or never takes, was not seen: what
/// passes under the address is forged.
#[test]
fn what_did_not_leave_is_not_ours() {
    let mut bench = Bench::new(None);
    bench.stack().to_send.extend([arp(), arp()]);
    bench.rest();
    for _ in 0..2 {
        bench.port.frames.push_back(arp());
    }
    bench.rest();
    let told = |bench: &Bench| (bench.ledger().own_tx, bench.ledger().forged);
    assert_eq!(told(&bench), (2, 0));
    bench.port.failed = 1;
    bench.rest();
    assert_eq!(told(&bench), (1, 1));
    bench.port.longest = Some(59);
    bench.stack().to_send.push_back(arp());
    bench.rest();
    assert!(bench.stack().to_send.is_empty(), "it blocks nothing");
    // (The image under test hides the third frame of all.)
    for _ in 0..=HIDDEN {
        bench.port.frames.push_back(arp());
    }
    bench.rest();
    assert_eq!(told(&bench), (1, 2));
}

/// Sleeps and wakes as the node says, until this time since boot.
fn rest_until(bench: &mut Bench, end_us: u64) {
    while bench.now_us < end_us {
        let until = bench.rest().unwrap_or(end_us);
        bench.now_us = until.min(end_us).max(bench.now_us);
    }
}

#[test]
fn ten_seconds_without_a_lease_are_told_on_the_line() {
    let mut bench = Bench::new(None);
    let asking = (LinkState::Unknown, NetState::Asking);
    // Hosts before 1.3 would not know what to do with it.
    say_by_line(&mut bench, &[HELLO]);
    rest_until(&mut bench, 9_900_000);
    let told = bench.ports();
    assert!(told.len() >= 9, "with every ledger: {told:?}");
    assert!(told.iter().all(|port| *port == asking), "{told:?}");
    rest_until(&mut bench, 10_000_000);
    bench.rest();
    let no_lease = (LinkState::Unknown, NetState::NoLease);
    assert_eq!(bench.ports().last(), Some(&no_lease));
    // It goes on asking, and may get one yet.
    bench.stack().up = true;
    bench.rest();
    let up = NetState::Up(OURS.octets());
    assert_eq!(bench.ports().last(), Some(&(LinkState::Unknown, up)));
    // A lease that is lost has ten seconds again.
    bench.now_us += 60_000_000;
    bench.rest();
    bench.stack().up = false;
    bench.rest();
    let lost_us = bench.now_us;
    assert_eq!(bench.ports().last(), Some(&asking));
    rest_until(&mut bench, lost_us + 9_900_000);
    assert!(!bench.ports().contains(&no_lease));
    rest_until(&mut bench, lost_us + 10_300_000);
    assert!(bench.ports().contains(&no_lease));
}

#[test]
fn a_pulled_cable_is_told_and_the_stack_hears_of_it() {
    let mut bench = Bench::new(Some(host(7)));
    bench.stack().up = true;
    let up = LinkState::Up {
        mbit: 100,
        full_duplex: true,
    };
    bench.port.link = up;
    bench.say(host(7), &[HELLO]);
    bench.rest();
    let told = |bench: &mut Bench| {
        let (records, _) = bench.heard();
        records.iter().rev().find_map(|record| match record {
            Record::Port(port) => Some(port.link),
            _ => None,
        })
    };
    assert_eq!(told(&mut bench), Some(up));
    bench.port.link = LinkState::Down;
    bench.now_us += 500_000;
    bench.rest();
    // Datagrams would go nowhere: the line it is.
    assert_eq!(told(&mut bench), None);
    let net = NetState::Up(OURS.octets());
    assert_eq!(bench.ports().last(), Some(&(LinkState::Down, net)));
    bench.port.link = up;
    bench.now_us += 500_000;
    bench.rest();
    assert_eq!(told(&mut bench), Some(up));
    assert_eq!(bench.stack().links, [true, false, true]);
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
