//! The ledger: where every frame and every record went.

use serde::{Deserialize, Serialize};

/// A counter that a stage has, has only a lower bound for, or does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Known {
    /// The hardware cannot tell. Never shown as 0.
    #[default]
    Unknown,
    /// Counted.
    Exact(u64),
    /// At least so many: the hardware's counter may have been full.
    AtLeast(u64),
}

impl Known {
    /// The number, as far as it is known.
    pub fn value(self) -> u64 {
        match self {
            Self::Unknown => 0,
            Self::Exact(n) | Self::AtLeast(n) => n,
        }
    }

    /// Adds frames; an unknown counter becomes a lower bound.
    pub fn add(&mut self, n: u64) {
        *self = match *self {
            Self::Unknown => Self::AtLeast(n),
            Self::Exact(old) => Self::Exact(old.saturating_add(n)),
            Self::AtLeast(old) => Self::AtLeast(old.saturating_add(n)),
        };
    }
}

/// Frames lost before they could be counted, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Losses {
    /// Frame check sequence wrong.
    pub fcs: Known,
    /// Longer than the receiver takes.
    pub oversize: Known,
    /// No room in the MAC's FIFO.
    pub mac_fifo: Known,
    /// No receive descriptor free.
    pub no_descriptor: Known,
    /// No room between driver and core.
    pub ring: Known,
}

/// Frames and frame octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Sum {
    /// Frames.
    pub frames: u64,
    /// Frame octets without FCS.
    pub octets: u64,
}

/// What a set of finished records amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Records of any type.
    pub records: u64,
    /// Flow records among them.
    pub flows: u64,
    /// Packets in those.
    pub packets: u64,
    /// Frame octets in those.
    pub octets: u64,
}

impl Tally {
    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        self.records = self.records.saturating_add(other.records);
        self.flows = self.flows.saturating_add(other.flows);
        self.packets = self.packets.saturating_add(other.packets);
        self.octets = self.octets.saturating_add(other.octets);
    }
}

/// A table's entries since boot: made = live + exported + lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Census {
    /// Entries made (each with its own identifier).
    pub made: u64,
    /// In the table now.
    pub live: u64,
    /// Packets of those in the table now (0 where the table has none).
    pub live_packets: u64,
    /// Frame octets of those.
    pub live_octets: u64,
    /// Left because their place was needed.
    pub evicted: u64,
}

/// What the link's sender knows of finished records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct UplinkCounts {
    /// Finished records acknowledged by the host.
    pub acked: u64,
    /// Dropped without ever having been sent.
    pub never_sent: Tally,
    /// Dropped after having been sent at least once: the host may have them.
    pub unconfirmed: Tally,
    /// Batches sent, repetitions included.
    pub batches: u64,
    /// Batches sent again.
    pub resent: u64,
    /// Frames from the host that could not be understood.
    pub bad_frames: u64,
}

/// Frames that a mirror showed twice: each double counts here and nowhere else.
/// What exactly is one, `magpie_sensor::doubled` says.
///
/// | field | encoding |
/// |---|---|
/// | window | varint |
/// | sum | 2 varints: frames, octets |
/// | unsure, forgotten | varint each |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Doubles {
    /// A double comes so long after its original at most; 0: none are looked for.
    pub window_us: u32,
    /// The doubles.
    pub sum: Sum,
    /// Those among them that a sender may have sent itself, as far as their
    /// octets tell.
    pub unsure: u64,
    /// Frames whose double would not have been known any more.
    pub forgotten: u64,
}

/// Where every frame went, as of one frame (DESIGN.md, "The ledger").
///
/// `counted = in_flows + arp + other + invalid + filtered`, and
/// `in_flows = flows.live + exported + never_sent + unconfirmed`, in packets
/// and in octets, where `exported` is what entered the outbox less what the
/// uplink had to drop. What went to whom of the flows that were never sent or
/// are unconfirmed, [`crate::Unsent`] says.
///
/// | field | encoding |
/// |---|---|
/// | at, flush | varint each |
/// | counted, `in_flows`, arp, other, invalid | 2 varints each: frames, octets |
/// | lost | 5 times a tag: 0 = unknown, 1 = exact, 2 = at least; then, but for 0, a varint |
/// | malformed, `vlan_cut`, `own_tx`, `own_rx`, forged | varint each |
/// | flows, echoes | 5 varints each: made, live, its packets, its octets, evicted |
/// | `echo_forgotten` | varint |
/// | exported, `never_sent` | 4 varints each: records, flows, packets, octets |
/// | uplink | acked; `never_sent`, unconfirmed as above; batches, resent, bad frames: varints |
/// | doubles (since 1.2; a body may end before it) | as [`Doubles`] |
/// | filtered (since 1.4; likewise) | 2 varints: frames, octets |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// When it was drawn up.
    pub at_us: u64,
    /// Number of the Flush that this ledger ends; 0 for none.
    pub flush: u32,
    /// Every frame that reached the core, but for doubles.
    pub counted: Sum,
    /// With a valid outermost IP header.
    pub in_flows: Sum,
    /// ARP.
    pub arp: Sum,
    /// Other than IP and ARP.
    pub other: Sum,
    /// IP by its type, without a valid header; or no Ethernet header.
    pub invalid: Sum,
    /// Lost before the core.
    pub lost: Losses,
    /// Overlay: frames that raised at least one malformed class.
    pub malformed: u64,
    /// Overlay: frames with more tags than a key holds.
    pub vlan_cut: u64,
    /// Overlay: frames the sensor sent and saw.
    pub own_tx: u64,
    /// Overlay: frames sent to the sensor.
    pub own_rx: u64,
    /// Overlay: frames under the sensor's address beyond those it sent.
    pub forged: u64,
    /// The flow table.
    pub flows: Census,
    /// The echo table.
    pub echoes: Census,
    /// Echo requests forgotten before their reply or their time-out.
    pub echo_forgotten: u64,
    /// Finished records that entered the outbox.
    pub exported: Tally,
    /// Finished records that found the outbox full.
    pub never_sent: Tally,
    /// The link.
    pub uplink: UplinkCounts,
    /// Frames that reached the core a second time.
    // Behind the rest by hand (item.rs): a sensor of 1.1 ends before it.
    #[serde(skip)]
    pub doubles: Doubles,
    /// Counted and shown to no table: no filter that says which frames reach
    /// them selected these ([`crate::FilterAction::Only`]).
    // Likewise.
    #[serde(skip)]
    pub filtered: Sum,
}

impl Ledger {
    /// As a host of this minor version reads it. Before 1.4 there is no
    /// `filtered`: frames that no table was shown are told to such a host as lost
    /// between port and core, where its sums agree.
    #[must_use]
    pub fn told_to(mut self, host_minor: u8) -> Self {
        if host_minor < 4 && self.filtered.frames > 0 {
            let Sum { frames, octets } = core::mem::take(&mut self.filtered);
            self.counted.frames = self.counted.frames.saturating_sub(frames);
            self.counted.octets = self.counted.octets.saturating_sub(octets);
            self.lost.ring.add(frames);
        }
        self
    }
}
