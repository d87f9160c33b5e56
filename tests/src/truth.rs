//! Holding an answer against the truth, by the rules of EXACT.md: times to
//! the microsecond, durations within one, addresses as octets, counts exactly.

mod comparison;
#[cfg(test)]
mod tests;

use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;

pub use comparison::{Difference, Level, compare};

/// The name of the line that holds what found no room in a bounded table.
pub const OTHER: &str = "other";

/// VLAN identifiers a key holds.
const STACK: usize = 4;

/// An answer in the form of `--format exact`, or a truth. Sections that are
/// missing make it unreadable.
#[derive(Debug, Clone, Deserialize)]
pub struct Exact {
    /// Frames in all.
    pub frames: u64,
    /// Their octets on the wire.
    pub frame_bytes: u64,
    /// Frames and frame octets by ethertype.
    pub ethertype: BTreeMap<String, (u64, u64)>,
    /// Packets and IP octets by version and protocol.
    pub ip_proto: BTreeMap<String, (u64, u64)>,
    /// Frames by VLAN stack.
    pub vlan: BTreeMap<String, u64>,
    /// Fragments by version and place.
    pub fragments: BTreeMap<String, u64>,
    /// `ICMPv4` by type and code.
    pub icmp4: BTreeMap<String, u64>,
    /// `ICMPv6` by type and code.
    pub icmp6: BTreeMap<String, u64>,
    /// ARP by operation and kind.
    pub arp: BTreeMap<String, u64>,
    /// Malformed classes; `frames` holds how many frames raised any.
    pub malformed: BTreeMap<String, u64>,
    /// Echo pairs.
    pub echo: Vec<Echo>,
    /// Flows.
    pub flows: Vec<Flow>,
}

/// One echo pair.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Echo {
    /// VLAN stack.
    pub vlan: Vec<u16>,
    /// IP version.
    pub ver: u8,
    /// Requester.
    pub src: IpAddr,
    /// Target.
    pub dst: IpAddr,
    /// ICMP identifier.
    pub id: u16,
    /// Requests.
    pub requests: u64,
    /// Replies.
    pub replies: u64,
    /// Replies that found their request.
    pub matched: u64,
    /// Requests without a reply.
    pub lost: u64,
    /// Second replies.
    pub dup: u64,
    /// Replies without a request.
    pub orphan: u64,
    /// Round trips in nanoseconds, in order of the replies.
    pub rtt_ns: Vec<i64>,
}

/// One flow.
#[derive(Debug, Clone, Deserialize)]
pub struct Flow {
    /// VLAN stack.
    pub vlan: Vec<u16>,
    /// IP version.
    pub ver: u8,
    /// IP protocol.
    pub proto: u8,
    /// Lower end point.
    pub a: IpAddr,
    /// Its port.
    pub ap: u16,
    /// Higher end point.
    pub b: IpAddr,
    /// Its port.
    pub bp: u16,
    /// Sender of the first packet, `a` or `b`.
    pub init: String,
    /// Earliest packet, nanoseconds since 1970.
    pub first_ns: i64,
    /// Latest packet.
    pub last_ns: i64,
    /// From `a` to `b`.
    pub ab: Way,
    /// From `b` to `a`.
    pub ba: Way,
    /// The completed handshake.
    pub handshake: Option<Handshake>,
}

/// One direction of a flow; the last four in TCP flows only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)] // the names of EXACT.md
pub struct Way {
    pub pkts: u64,
    pub ip_bytes: u64,
    pub frame_bytes: u64,
    pub flags: Option<u8>,
    pub seq_back: Option<u64>,
    pub seq_back_bytes: Option<u64>,
    pub unseen_bytes: Option<u64>,
}

/// A handshake's times.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)] // the names of EXACT.md
pub struct Handshake {
    pub client: String,
    pub syn_retx: u64,
    pub synack_retx: u64,
    pub syn_to_synack_ns: i64,
    pub synack_to_ack_ns: i64,
    pub total_ns: i64,
}

type FlowName = (Vec<u16>, u8, u8, IpAddr, u16, IpAddr, u16);
type EchoName = (Vec<u16>, u8, IpAddr, IpAddr, u16);

impl Exact {
    /// Reads the object of `--format exact` or a truth file.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Both ICMP tables: a sensor keeps them in one, with one `other`.
    fn icmp(&self) -> BTreeMap<String, (u64, u64)> {
        let mut both = with_name(&self.icmp4, "4:");
        for (name, (frames, _)) in with_name(&self.icmp6, "6:") {
            both.entry(name).or_default().0 += frames;
        }
        both
    }

    /// Keys every frame by its outermost four VLAN identifiers, as a sensor
    /// with a key of fixed size may (EXACT.md 2): truths hold whole stacks.
    #[must_use]
    pub fn with_stacks_cut(mut self) -> Self {
        let mut vlan = BTreeMap::new();
        for (stack, frames) in self.vlan {
            let outer: Vec<&str> = stack.split('.').take(STACK).collect();
            *vlan.entry(outer.join(".")).or_default() += frames;
        }
        self.vlan = vlan;
        let mut flows: BTreeMap<FlowName, Flow> = BTreeMap::new();
        for mut flow in self.flows {
            flow.vlan.truncate(STACK);
            match flows.entry(flow.name()) {
                Entry::Vacant(free) => {
                    free.insert(flow);
                }
                Entry::Occupied(mut taken) => taken.get_mut().add(&flow),
            }
        }
        self.flows = flows.into_values().collect();
        for echo in &mut self.echo {
            echo.vlan.truncate(STACK);
        }
        self
    }
}

impl Way {
    fn add(&mut self, other: &Self) {
        self.pkts += other.pkts;
        self.ip_bytes += other.ip_bytes;
        self.frame_bytes += other.frame_bytes;
        self.flags = self.flags.zip(other.flags).map(|(x, y)| x | y);
    }
}

impl Flow {
    /// Another flow that a shorter stack gives the same name.
    fn add(&mut self, other: &Self) {
        if other.first_ns < self.first_ns {
            self.first_ns = other.first_ns;
            self.init.clone_from(&other.init);
        }
        self.last_ns = self.last_ns.max(other.last_ns);
        self.ab.add(&other.ab);
        self.ba.add(&other.ba);
    }

    fn name(&self) -> FlowName {
        (
            self.vlan.clone(),
            self.ver,
            self.proto,
            self.a,
            self.ap,
            self.b,
            self.bp,
        )
    }

    /// What survives every split of a record.
    fn sums(&self) -> impl fmt::Debug + PartialEq + use<> {
        let way = |w: &Way| (w.pkts, w.ip_bytes, w.frame_bytes, w.flags);
        (
            self.first_ns.div_euclid(1000),
            self.last_ns.div_euclid(1000),
            way(&self.ab),
            way(&self.ba),
        )
    }

    /// What only a run that forgets nothing can know.
    fn story(&self) -> impl fmt::Debug + PartialEq + use<> {
        let way = |w: &Way| (w.seq_back, w.seq_back_bytes, w.unseen_bytes);
        (self.init.clone(), way(&self.ab), way(&self.ba))
    }
}

impl Echo {
    fn name(&self) -> EchoName {
        (self.vlan.clone(), self.ver, self.src, self.dst, self.id)
    }

    fn counts(&self) -> impl fmt::Debug + PartialEq + use<> {
        (
            self.requests,
            self.replies,
            self.matched,
            self.lost,
            self.dup,
            self.orphan,
        )
    }
}

/// A table of single counts as one of pairs, its names behind a prefix.
fn with_name(table: &BTreeMap<String, u64>, prefix: &str) -> BTreeMap<String, (u64, u64)> {
    let name = |k: &String| {
        if k == OTHER {
            k.clone()
        } else {
            format!("{prefix}{k}")
        }
    };
    table.iter().map(|(k, v)| (name(k), (*v, 0))).collect()
}
