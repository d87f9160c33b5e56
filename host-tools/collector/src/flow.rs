//! What flow records add up to.

use std::net::IpAddr;

use magpie_protocol::{
    AddressPair, Direction, EndReason, FlowKey, FlowRecord, Handshake, Side, TcpFacts,
};

use crate::EntryId;
use crate::table::TableRecord;

/// Records of one key (or, in a sum over keys, of many), added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowSums {
    /// Which of the records is the oldest; it says who began.
    pub oldest: EntryId,
    /// Sender of the first frame that was seen.
    pub initiator: Side,
    /// Which of the records is the newest; it says how the flow stands.
    pub newest: EntryId,
    /// How the newest record ended.
    pub reason: EndReason,
    /// Earliest frame, sensor time.
    pub first_us: u64,
    /// Latest frame, sensor time.
    pub last_us: u64,
    /// From `a` to `b`.
    pub ab: Direction,
    /// From `b` to `a`.
    pub ba: Direction,
    /// For TCP: flags or-ed, the rest added; the handshake is the oldest.
    pub tcp: Option<TcpFacts>,
    /// Which record the handshake is from.
    pub handshake_of: Option<EntryId>,
    /// How many records these are.
    pub records: u64,
}

fn add_direction(into: &mut Direction, other: &Direction) {
    into.packets = into.packets.saturating_add(other.packets);
    into.ip_octets = into.ip_octets.saturating_add(other.ip_octets);
    into.frame_octets = into.frame_octets.saturating_add(other.frame_octets);
}

fn add_each(into: &mut [u64; 2], other: [u64; 2]) {
    for (sum, n) in into.iter_mut().zip(other) {
        *sum = sum.saturating_add(n);
    }
}

impl FlowSums {
    /// Packets of both directions.
    pub fn packets(&self) -> u64 {
        self.ab.packets.saturating_add(self.ba.packets)
    }

    /// Frame octets of both directions.
    pub fn frame_octets(&self) -> u64 {
        self.ab.frame_octets.saturating_add(self.ba.frame_octets)
    }

    /// IP octets of both directions.
    pub fn ip_octets(&self) -> u64 {
        self.ab.ip_octets.saturating_add(self.ba.ip_octets)
    }

    /// What the originator sent, then what the responder sent.
    pub fn by_role(&self) -> (Direction, Direction) {
        match self.initiator {
            Side::A => (self.ab, self.ba),
            Side::B => (self.ba, self.ab),
        }
    }

    /// The handshake, once there was one.
    pub fn handshake(&self) -> Option<Handshake> {
        self.tcp.and_then(|tcp| tcp.handshake)
    }

    fn add_tcp(&mut self, other: &Self) {
        let Some(theirs) = other.tcp else { return };
        let Some(mine) = &mut self.tcp else {
            self.tcp = Some(theirs);
            self.handshake_of = other.handshake_of;
            return;
        };
        for (flags, more) in mine.flags.iter_mut().zip(theirs.flags) {
            *flags |= more;
        }
        add_each(&mut mine.seq_back, theirs.seq_back);
        add_each(&mut mine.seq_back_octets, theirs.seq_back_octets);
        add_each(&mut mine.unseen_octets, theirs.unseen_octets);
        let older = match (self.handshake_of, other.handshake_of) {
            (Some(mine), Some(theirs)) => theirs < mine,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if older {
            mine.handshake = theirs.handshake;
            self.handshake_of = other.handshake_of;
        }
    }
}

impl TableRecord for FlowRecord {
    type Key = FlowKey;
    type Sums = FlowSums;

    fn key(&self) -> FlowKey {
        self.key
    }

    fn id(&self) -> u64 {
        self.flow_id
    }

    fn is_final(&self) -> bool {
        self.reason.is_final()
    }

    fn rank(&self) -> [u64; 4] {
        let sum = |a: u64, b: u64| a.saturating_add(b);
        [
            sum(self.ab.packets, self.ba.packets),
            sum(self.ab.frame_octets, self.ba.frame_octets),
            self.last_us,
            self.tcp
                .map_or(0, |tcp| sum(tcp.unseen_octets[0], tcp.unseen_octets[1])),
        ]
    }

    fn sums(&self, entry: EntryId) -> FlowSums {
        FlowSums {
            oldest: entry,
            initiator: self.initiator,
            newest: entry,
            reason: self.reason,
            first_us: self.first_us,
            last_us: self.last_us,
            ab: self.ab,
            ba: self.ba,
            tcp: self.tcp,
            handshake_of: self.tcp.and_then(|tcp| tcp.handshake).map(|_| entry),
            records: 1,
        }
    }

    fn add(into: &mut FlowSums, other: &FlowSums) {
        if other.oldest < into.oldest {
            into.oldest = other.oldest;
            into.initiator = other.initiator;
        }
        if other.newest > into.newest {
            into.newest = other.newest;
            into.reason = other.reason;
        }
        into.first_us = into.first_us.min(other.first_us);
        into.last_us = into.last_us.max(other.last_us);
        add_direction(&mut into.ab, &other.ab);
        add_direction(&mut into.ba, &other.ba);
        into.add_tcp(other);
        into.records = into.records.saturating_add(other.records);
    }

    fn weight(sums: &FlowSums) -> u64 {
        sums.frame_octets()
    }
}

/// Both addresses of a pair as the standard library writes them.
pub fn addresses(pair: &AddressPair) -> (IpAddr, IpAddr) {
    match *pair {
        AddressPair::V4 { a, b } => (a.into(), b.into()),
        AddressPair::V6 { a, b } => (a.into(), b.into()),
    }
}

/// Originator's address and port, then the responder's.
pub fn ends(key: &FlowKey, initiator: Side) -> ((IpAddr, u16), (IpAddr, u16)) {
    let (a, b) = addresses(&key.addresses);
    let (a, b) = ((a, key.a_port), (b, key.b_port));
    match initiator {
        Side::A => (a, b),
        Side::B => (b, a),
    }
}
