//! Flow records.

use serde::{Deserialize, Serialize};

use crate::{FlowKey, Side};

/// Why a flow's record ended (EXACT.md 12). Carried as a number so that a
/// newer sensor's reason stays readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum EndReason {
    /// Not ended: a live update, replaced by any later record of its `flow_id`.
    Live,
    /// No frame for the idle time-out.
    Idle,
    /// Older than the active time-out: exported, nothing forgotten.
    Active,
    /// FIN of both sides acknowledged, or RST.
    End,
    /// A SYN with a new sequence number after the end.
    Reuse,
    /// Its place was needed.
    Evicted,
    /// The host asked for everything.
    Flush,
    /// A counter came near its width: exported, nothing forgotten.
    Split,
    /// A reason of a newer version.
    Unknown(u8),
}

impl EndReason {
    /// True for every record that will not be replaced.
    pub fn is_final(self) -> bool {
        self != Self::Live
    }
}

impl From<u8> for EndReason {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Live,
            1 => Self::Idle,
            2 => Self::Active,
            3 => Self::End,
            4 => Self::Reuse,
            5 => Self::Evicted,
            6 => Self::Flush,
            7 => Self::Split,
            other => Self::Unknown(other),
        }
    }
}

impl From<EndReason> for u8 {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::Live => 0,
            EndReason::Idle => 1,
            EndReason::Active => 2,
            EndReason::End => 3,
            EndReason::Reuse => 4,
            EndReason::Evicted => 5,
            EndReason::Flush => 6,
            EndReason::Split => 7,
            EndReason::Unknown(code) => code,
        }
    }
}

/// What went one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Direction {
    /// Frames (IPFIX `packetDeltaCount`).
    pub packets: u64,
    /// IP octets without padding (EXACT.md 4).
    pub ip_octets: u64,
    /// Frame octets on the wire without FCS.
    pub frame_octets: u64,
}

/// How a connection was set up, once it was (EXACT.md 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Handshake {
    /// Who sent the SYN.
    pub client: Side,
    /// Repetitions of the SYN; over 0 the sample is ambiguous (Karn).
    pub syn_retx: u32,
    /// Repetitions of the SYN/ACK; likewise.
    pub synack_retx: u32,
    /// Last SYN to first SYN/ACK; negative where the clock stepped back.
    pub syn_to_synack_us: i64,
    /// First SYN/ACK to first ACK.
    pub synack_to_ack_us: i64,
}

/// What only TCP has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct TcpFacts {
    /// OR of the low eight flag bits, from `a`, from `b`.
    pub flags: [u8; 2],
    /// Segments that began below the highest sequence number seen.
    pub seq_back: [u64; 2],
    /// Octets of those segments below it.
    pub seq_back_octets: [u64; 2],
    /// Octets acknowledged by the peer and never seen here.
    pub unseen_octets: [u64; 2],
    /// The first completed handshake.
    pub handshake: Option<Handshake>,
}

/// All that is known of one table entry.
///
/// A later record of the same (boot, `flow_id`) replaces an earlier one;
/// records of one key with different `flow_id`s add up.
///
/// # Old form
///
/// [`RecordType::Flow`](crate::RecordType::Flow): any record, for any host.
///
/// | field | encoding |
/// |---|---|
/// | `flow_id` | varint |
/// | reason | octet |
/// | key | stack: list of varints; protocol: octet; tag 0 = IPv4, 1 = IPv6; both addresses; both ports: varint each |
/// | initiator | tag 0 = a, 1 = b |
/// | first | varint |
/// | duration | varint: last - first modulo 2^64 |
/// | ab, ba | 3 varints each: packets, IP octets, frame octets - IP octets modulo 2^64 |
/// | tcp | option of: flags, 2 octets; `seq_back`, `seq_back_octets`, `unseen_octets`, 2 varints each; handshake |
/// | handshake | option of: client, tag; `syn_retx`, `synack_retx`, varint each; `syn_to_synack_us`, `synack_to_ack_us`, zigzag each |
///
/// # Compact form
///
/// [`RecordType::CompactFlow`](crate::RecordType::CompactFlow), since 1.3:
/// what follows from the rest is not written. Every item stands alone, so that
/// none is lost with another, and all can be sent again in other batches.
///
/// | bits | what: first octet of flags |
/// |---|---|
/// | 0-2 | reason |
/// | 3 | IPv6 |
/// | 4 | the initiator is `b` |
/// | 5 | there are VLAN tags |
/// | 6-7 | protocol: 0 = written, 1 = ICMP of the IP version, 2 = TCP, 3 = UDP |
///
/// | bit | how: second octet of flags |
/// |---|---|
/// | 0 | ports are written; else both are 0 |
/// | 1 | brief: the initiator sent one packet, the duration is 0 |
/// | 2 | one way: the other sent nothing, its TCP flags are 0 |
/// | 3, 4 | excess of the initiator's frames, of the other's, is written; else 0 |
/// | 5 | TCP: trouble is written; else all of it is 0 |
/// | 6 | TCP: there is a handshake |
/// | 7 | TCP: it is irregular; else the initiator's, and nothing was repeated |
///
/// | octets | field | where |
/// |---|---|---|
/// | 1, 1 | what, how | |
/// | varint | `flow_id` | |
/// | 2 each | VLAN tags, outermost first, at most four: 12 bits, then 0; bit 15 where another one follows | what 5 |
/// | 8 or 32 | both addresses | |
/// | 1 | protocol | what 6-7 = 0 |
/// | 2, 2 | both ports | how 0 |
/// | 4, varint | first: low half, high half | |
/// | varint, varint | duration, packets of the initiator | not how 1 |
/// | varint | IP octets of the initiator | |
/// | varint | excess of its frames | how 3 |
/// | varint, varint | packets, IP octets of the other | not how 2 |
/// | varint | excess of its frames | how 4 |
/// | 1 | TCP flags of the initiator | TCP |
/// | 1 | of the other | TCP, not how 2 |
/// | 1, varint each | trouble: a mask, bit 0 first, and those that it names of `seq_back` (`a`, `b`), `seq_back_octets`, `unseen_octets`; the others are 0 | how 5 |
/// | 1, varint, varint | client: 0 = `a`, 1 = `b`; `syn_retx`, `synack_retx` | how 7 |
/// | varint, varint | `syn_to_synack_us`, `synack_to_ack_us` | how 6 |
///
/// Numbers of two and four octets are little endian, differences are modulo
/// 2^64. Excess is frame octets - IP octets - packets * (14 + 4 a tag). Flags
/// that contradict each other are refused: excess of the other where there was
/// one way, irregular without a handshake, a flag of TCP without TCP.
///
/// TCP facts are there if and only if the protocol is TCP. Where they are not,
/// and where the reason is over 7, the record is written in the old form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
pub struct FlowRecord {
    /// Number of the table entry, unique in a boot, growing.
    pub flow_id: u64,
    /// Why it ended, or [`EndReason::Live`].
    pub reason: EndReason,
    /// Which flow.
    pub key: FlowKey,
    /// Sender of the first frame seen.
    pub initiator: Side,
    /// Earliest frame.
    pub first_us: u64,
    /// Latest frame.
    pub last_us: u64,
    /// From `a` to `b`.
    pub ab: Direction,
    /// From `b` to `a`.
    pub ba: Direction,
    /// For TCP only.
    pub tcp: Option<TcpFacts>,
}

/// The form on the wire: differences of neighbours, since they are small.
#[derive(Serialize, Deserialize, Clone, Copy)]
struct Wire {
    flow_id: u64,
    reason: EndReason,
    key: FlowKey,
    initiator: Side,
    first_us: u64,
    duration_us: u64,
    ab: [u64; 3],
    ba: [u64; 3],
    tcp: Option<TcpFacts>,
}

/// How a body begins, up to who began the flow.
#[derive(Deserialize)]
struct Beginning {
    _flow_id: u64,
    _reason: u8,
    key: FlowKey,
    initiator: Side,
}

/// The key in a body, and who began the flow.
pub(crate) fn read_key(body: &[u8]) -> Option<(FlowKey, Side)> {
    let (Beginning { key, initiator, .. }, _) = postcard::take_from_bytes(body).ok()?;
    Some((key, initiator))
}

fn pack(d: Direction) -> [u64; 3] {
    [
        d.packets,
        d.ip_octets,
        d.frame_octets.wrapping_sub(d.ip_octets),
    ]
}

fn unpack([packets, ip_octets, overhead]: [u64; 3]) -> Direction {
    Direction {
        packets,
        ip_octets,
        frame_octets: ip_octets.wrapping_add(overhead),
    }
}

impl From<Wire> for FlowRecord {
    fn from(w: Wire) -> Self {
        Self {
            flow_id: w.flow_id,
            reason: w.reason,
            key: w.key,
            initiator: w.initiator,
            first_us: w.first_us,
            last_us: w.first_us.wrapping_add(w.duration_us),
            ab: unpack(w.ab),
            ba: unpack(w.ba),
            tcp: w.tcp,
        }
    }
}

impl From<FlowRecord> for Wire {
    fn from(r: FlowRecord) -> Self {
        Self {
            flow_id: r.flow_id,
            reason: r.reason,
            key: r.key,
            initiator: r.initiator,
            first_us: r.first_us,
            duration_us: r.last_us.wrapping_sub(r.first_us),
            ab: pack(r.ab),
            ba: pack(r.ba),
            tcp: r.tcp,
        }
    }
}
