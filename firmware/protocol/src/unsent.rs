//! Flows whose finished records were not kept: summed by what they went to.

use serde::{Deserialize, Serialize};

use crate::{FlowKey, Side, Tally};

/// Flows, packets and frame octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct FlowSum {
    /// Flow records.
    pub flows: u64,
    /// Packets in them.
    pub packets: u64,
    /// Frame octets of those, without FCS.
    pub octets: u64,
}

impl FlowSum {
    /// Adds another sum.
    pub fn add(&mut self, other: &Self) {
        self.flows = self.flows.saturating_add(other.flows);
        self.packets = self.packets.saturating_add(other.packets);
        self.octets = self.octets.saturating_add(other.octets);
    }
}

impl From<&Tally> for FlowSum {
    fn from(tally: &Tally) -> Self {
        Self {
            flows: tally.flows,
            packets: tally.packets,
            octets: tally.octets,
        }
    }
}

/// An IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Address {
    /// IPv4.
    V4([u8; 4]),
    /// IPv6.
    V6([u8; 16]),
}

/// What flows went to: IP protocol and the responder's address, that is, of
/// the end point that did not send the record's first packet.
///
/// Neither port nor VLAN: a scan of all ports of a host and a flood of one
/// service are one line each, where a key with the port would spend a table on
/// the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnsentKey {
    /// IP protocol number.
    pub protocol: u8,
    /// Address of the responder.
    pub responder: Address,
}

impl UnsentKey {
    /// What a flow went to that this end point began.
    pub fn of(flow: &FlowKey, initiator: Side) -> Self {
        Self {
            protocol: flow.protocol,
            responder: flow.addresses.of(initiator.other()),
        }
    }
}

/// One line of the table, since boot.
///
/// The table has few places (`magpie_sensor`'s `Storage::unsent`). A key that
/// finds none takes that of the key with the fewest flows, whose sums then
/// stand under `other`: so the lines and `other` always add up to everything,
/// and what most flows went to is among the lines however many other keys
/// there were (Metwally, Agrawal and El Abbadi, "Efficient computation of
/// frequent and top-k elements in data streams", 2005).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UnsentLine {
    /// Where the line stands; what came later to the same place replaces it.
    pub place: u16,
    /// What the flows went to; `None` for `other`, the one line without place.
    pub key: Option<UnsentKey>,
    /// So many flows of this key, at most, stand under `other`. 0: the line is
    /// exact; else it says "at least".
    pub missed_at_most: u64,
    /// Never sent (IPFIX `notSentFlowTotalCount`, `notSentPacketTotalCount`,
    /// `notSentOctetTotalCount`).
    pub never_sent: FlowSum,
    /// Sent at least once and then dropped: the host may have them.
    pub unconfirmed: FlowSum,
}

impl UnsentLine {
    /// Flows that ever were counted at this place: of two records of one place
    /// the later has more.
    pub fn weight(&self) -> u64 {
        self.missed_at_most
            .saturating_add(self.never_sent.flows)
            .saturating_add(self.unconfirmed.flows)
    }
}

/// Lines of the table of flows whose finished records were not kept. All lines
/// together are [`crate::Ledger::never_sent`] and the never sent and
/// unconfirmed of [`crate::UplinkCounts`], in flows, packets and octets.
///
/// A Flush writes the whole table right before its ledger, where the host reads
/// it ([`Unsent::SINCE`]) and something was not kept.
///
/// | field | encoding |
/// |---|---|
/// | flows | varint |
/// | lines | list, at most 6, of: place, varint; key; `missed_at_most`, varint; `never_sent`, unconfirmed, 3 varints each: flows, packets, octets |
/// | key | option of: protocol, octet; tag 0 = IPv4, 1 = IPv6; address |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsent {
    /// So many flows were never sent or unconfirmed, in the whole table and by
    /// the ledger, when this was written: records that agree are of one moment.
    pub flows: u64,
    /// Some of the lines.
    pub lines: heapless::Vec<UnsentLine, { Unsent::MAX_LINES }>,
}

impl Unsent {
    /// The minor version that brought it.
    pub const SINCE: u8 = 3;
    /// Most lines in one record.
    pub const MAX_LINES: usize = 6;
}
