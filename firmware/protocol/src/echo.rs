//! Echo records: ping as the wire saw it.

use serde::{Deserialize, Serialize};

use crate::{EndReason, VlanStack};

/// Who asks whom, under which identifier (EXACT.md 7). `addresses.a` is the
/// requester, `addresses.b` the target: here the order says the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EchoKey {
    /// VLAN stack of the frames.
    pub vlan: VlanStack,
    /// Requester (`a`) and target (`b`).
    pub addresses: crate::AddressPair,
    /// The ICMP identifier.
    pub id: u16,
}

/// Sums of one requester, target and identifier; replaces and adds like a
/// flow record, by `echo_id`.
///
/// | field | encoding |
/// |---|---|
/// | `echo_id` | varint |
/// | reason | octet |
/// | key | stack: list of varints; tag 0 = IPv4, 1 = IPv6; requester, target; id as varint |
/// | first, last | varint each |
/// | requests, replies, matched, duplicates, orphans, waiting | varint each |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EchoRecord {
    /// Number of the table entry, unique in a boot, growing.
    pub echo_id: u64,
    /// Why it ended, or [`EndReason::Live`].
    pub reason: EndReason,
    /// Which pair.
    pub key: EchoKey,
    /// Earliest frame.
    pub first_us: u64,
    /// Latest frame.
    pub last_us: u64,
    /// Requests seen.
    pub requests: u64,
    /// Replies seen.
    pub replies: u64,
    /// Replies that found their request.
    pub matched: u64,
    /// Second replies to a matched request.
    pub duplicates: u64,
    /// Replies without a request.
    pub orphans: u64,
    /// Requests younger than ten seconds and not answered yet.
    pub waiting: u64,
}

impl EchoRecord {
    /// Requests without a reply, those that still wait among them.
    pub fn unanswered(&self) -> u64 {
        self.requests.saturating_sub(self.matched)
    }
}

/// One round trip, sent when its reply was seen.
///
/// | field | encoding |
/// |---|---|
/// | `echo_id` | varint |
/// | key | as in [`EchoRecord`] |
/// | sequence | varint |
/// | `reply_us` | varint |
/// | `rtt_us` | zigzag |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EchoSample {
    /// Table entry of the pair.
    pub echo_id: u64,
    /// Which pair: samples may arrive before the entry's first record.
    pub key: EchoKey,
    /// The ICMP sequence number.
    pub sequence: u16,
    /// When the reply was seen.
    pub reply_us: u64,
    /// Reply minus request; negative where the clock stepped back.
    pub rtt_us: i64,
}
