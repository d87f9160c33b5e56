//! Frames of one client and one server at times of one's choice, and what they
//! must come to, added up here and not by the sensor's core.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use magpie_collector::FlowSums;
use magpie_emulator::FeedFrame;
use magpie_protocol::{AddressPair, Direction, EndReason, FlowKey, FlowRecord, VlanStack};
use magpie_sensor::Config;

pub(crate) const SECOND: u64 = 1_000_000;
pub(crate) const HOUR: u64 = 3_600 * SECOND;
/// Who asks: udp port 53 or tcp port 80 of the server.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const UDP: u8 = 17;
const TCP: u8 = 6;
const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// The key of the client's traffic at this port.
pub(crate) fn key_of(protocol: u8, port: u16) -> FlowKey {
    let (a, b) = (CLIENT.octets(), SERVER.octets());
    FlowKey {
        vlan: VlanStack::NONE,
        protocol,
        addresses: AddressPair::V4 { a, b },
        a_port: port,
        b_port: if protocol == UDP { 53 } else { 80 },
    }
}

/// What one key must come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Frames and their octets, from client to server and back.
    pub(crate) ways: [(u64, u64); 2],
    /// When each frame was, in order of feeding.
    times: Vec<u64>,
}

/// Frames, and what they must come to.
#[derive(Default)]
pub(crate) struct Traffic {
    pub(crate) frames: Vec<FeedFrame>,
    pub(crate) truth: BTreeMap<(u8, u16), Sums>,
}

impl Traffic {
    fn frame(&mut self, at_us: u64, protocol: u8, port: u16, back: bool, transport: &[u8]) {
        let (from, to) = if back {
            (SERVER, CLIENT)
        } else {
            (CLIENT, SERVER)
        };
        let length = u16::try_from(20 + transport.len()).expect("a short packet");
        let mut ip = vec![0x45, 0];
        ip.extend(length.to_be_bytes());
        ip.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
        ip.extend(from.octets());
        ip.extend(to.octets());
        let sum: u32 = ip
            .chunks(2)
            .map(|c| u32::from(c[0]) << 8 | u32::from(c[1]))
            .sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        let check = !u16::try_from(sum).expect("ten words");
        ip[10..12].copy_from_slice(&check.to_be_bytes());
        let mut octets = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        octets.extend(ip);
        octets.extend(transport);
        octets.resize(octets.len().max(60), 0);
        let sums = self.truth.entry((protocol, port)).or_default();
        let way = &mut sums.ways[usize::from(back)];
        *way = (way.0 + 1, way.1 + octets.len() as u64);
        sums.times.push(at_us);
        self.frames.push(FeedFrame {
            at_us,
            wire_octets: u32::try_from(octets.len()).expect("a short frame"),
            octets,
        });
    }

    /// A datagram of the client at this port, or to it.
    pub(crate) fn udp(&mut self, at_us: u64, port: u16, back: bool) {
        let mut datagram = Vec::new();
        let ports = if back { [53, port] } else { [port, 53] };
        for word in ports.into_iter().chain([40, 0]) {
            datagram.extend(word.to_be_bytes());
        }
        datagram.resize(40, 7);
        self.frame(at_us, UDP, port, back, &datagram);
    }

    /// A whole connection of this port, opened and closed within 60 ms.
    pub(crate) fn tcp(&mut self, at_us: u64, port: u16, isn: u32) {
        let (c, s) = (isn, isn ^ 0x5555_5555);
        let steps = [
            (false, c, 0, SYN),
            (true, s, c + 1, SYN | ACK),
            (false, c + 1, s + 1, ACK),
            (false, c + 1, s + 1, FIN | ACK),
            (true, s + 1, c + 2, FIN | ACK),
            (false, c + 2, s + 2, ACK),
        ];
        for (n, (back, seq, ack, flags)) in (0..).zip(steps) {
            let mut segment = Vec::new();
            let ports = if back { [80, port] } else { [port, 80] };
            segment.extend(ports.into_iter().flat_map(u16::to_be_bytes));
            segment.extend(u32::to_be_bytes(seq));
            segment.extend(u32::to_be_bytes(ack));
            segment.extend([0x50, flags, 0x10, 0, 0, 0, 0, 0]);
            self.frame(at_us + n * 10_000, TCP, port, back, &segment);
        }
    }

    /// An hour's kinds of traffic in one step: a flow that is always there,
    /// one that is quiet for longer than the idle time-out, one connection.
    fn step(&mut self, at_us: u64, n: u64) {
        self.udp(at_us, 1_000, n % 2 == 1);
        if n.is_multiple_of(5) {
            self.udp(at_us + 1, 2_000, false);
            self.udp(at_us + 30_000, 2_000, true);
        }
        if n.is_multiple_of(3) {
            let port = 3_000 + u16::try_from(n % 8).expect("below 8");
            self.tcp(
                at_us + 50_000,
                port,
                u32::try_from(n * 4096 + 1).expect("few"),
            );
        }
    }

    /// A step every 20 s from then on.
    pub(crate) fn steps(&mut self, from_us: u64, to_us: u64) {
        let mut n = 0;
        while from_us + n * 20 * SECOND < to_us {
            self.step(from_us + n * 20 * SECOND, n);
            n += 1;
        }
    }

    pub(crate) fn octets(&self) -> u64 {
        self.frames.iter().map(|f| u64::from(f.wire_octets)).sum()
    }

    /// The frames that `gate` has let through so far, at most so many a
    /// second (of the host).
    pub(crate) fn behind(
        &self,
        gate: &Gate,
        pace: u32,
    ) -> impl Iterator<Item = Item> + Send + use<> {
        let (gate, frames) = (gate.clone(), self.frames.clone());
        let mut next = 0;
        let begin = Instant::now();
        std::iter::from_fn(move || {
            let due = begin + Duration::from_secs(1) * u32::try_from(next).ok()? / pace;
            if next < frames.len() && (gate.shuts(next) || Instant::now() < due) {
                std::thread::sleep(Duration::from_millis(1));
                return Some(Ok(None));
            }
            next += 1;
            Some(Ok(Some(frames.get(next - 1)?.clone())))
        })
    }

    /// Holds each record and each sum against what was fed.
    pub(crate) fn check(&self, what: &str, records: &[FlowRecord], sums: &[(FlowKey, FlowSums)]) {
        assert_eq!(sums.len(), self.truth.len(), "{what}: keys");
        let config = Config::default();
        for record in records {
            let name = (record.key.protocol, record.key.a_port);
            let times = &self.truth[&name].times;
            let span = record.last_us.saturating_sub(record.first_us);
            assert!(span < config.active_us, "{what}: {record:?} is too long");
            let next = times.iter().find(|t| **t > record.last_us);
            // Nothing ends before its time.
            let earliest = match record.reason {
                EndReason::Idle => record.last_us + config.idle_us,
                EndReason::End => record.last_us + config.end_us,
                EndReason::Active => record.first_us + config.active_us,
                _ => continue,
            };
            assert!(
                next.is_none_or(|next| *next >= earliest),
                "{what}: ended early: {record:?}, next frame at {next:?}"
            );
        }
        for (key, have) in sums {
            self.check_sums(what, key, have);
        }
    }

    /// Holds the frames and octets of a key against what was fed.
    pub(crate) fn check_ways(&self, what: &str, key: &FlowKey, have: &FlowSums) {
        assert_eq!(*key, key_of(key.protocol, key.a_port), "{what}");
        let want = &self.truth[&(key.protocol, key.a_port)];
        let way = |d: &Direction| (d.packets, d.frame_octets);
        assert_eq!([way(&have.ab), way(&have.ba)], want.ways, "{what}: {key:?}");
    }

    pub(crate) fn check_sums(&self, what: &str, key: &FlowKey, have: &FlowSums) {
        self.check_ways(what, key, have);
        let want = &self.truth[&(key.protocol, key.a_port)];
        assert_eq!(
            (Some(&have.first_us), Some(&have.last_us)),
            (want.times.iter().min(), want.times.iter().max()),
            "{what}: {key:?}"
        );
    }
}

pub(crate) type Item = Result<Option<FeedFrame>, String>;

/// Frames up to this number may go.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<AtomicUsize>);

impl Gate {
    pub(crate) fn open() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }

    pub(crate) fn up_to(&self, frames: usize) {
        self.0.store(frames, Relaxed);
    }

    /// Whether the frame after so many has to wait.
    pub(crate) fn shuts(&self, passed: usize) -> bool {
        passed >= self.0.load(Relaxed)
    }
}
