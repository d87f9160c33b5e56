//! Tables of counters: one record form for all of them.

use serde::{Deserialize, Serialize};

/// Ethertype key of a frame without one (shorter than an Ethernet header).
pub const ETHERTYPE_NONE: u64 = 0x1_0000;
/// Ethertype key of an 802.3 frame that carries none (EXACT.md 2).
pub const ETHERTYPE_LLC: u64 = 0x1_0001;
/// Key of what found no room in a bounded table.
/// Not all ones: that is [`crate::VlanStack::NONE`].
pub const KEY_OTHER: u64 = u64::MAX - 1;

/// Which table; the key's meaning in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum TableId {
    /// Frames and frame octets by type after the last tag
    /// (the type, [`ETHERTYPE_NONE`] or [`ETHERTYPE_LLC`]).
    Ethertype,
    /// Frames and IP octets by protocol (version << 8 | protocol).
    IpProtocol,
    /// Frames by stack ([`crate::VlanStack::to_bits`]); octets are frame octets.
    Vlan,
    /// Fragments (0 = IPv4 first, 1 = IPv4 later, 2 and 3 = IPv6); no octets.
    Fragment,
    /// ICMP messages (version << 16 | type << 8 | code); no octets.
    Icmp,
    /// ARP operations (the 16-bit code); no octets.
    ArpOperation,
    /// ARP kinds (0 = gratuitous, 1 = probe, 2 = normal); no octets.
    ArpKind,
    /// Malformed classes ([`Malformed`] as a number); no octets.
    Malformed,
    /// A table of a newer version.
    Unknown(u8),
}

impl From<u8> for TableId {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Ethertype,
            1 => Self::IpProtocol,
            2 => Self::Vlan,
            3 => Self::Fragment,
            4 => Self::Icmp,
            5 => Self::ArpOperation,
            6 => Self::ArpKind,
            7 => Self::Malformed,
            other => Self::Unknown(other),
        }
    }
}

impl From<TableId> for u8 {
    fn from(table: TableId) -> Self {
        match table {
            TableId::Ethertype => 0,
            TableId::IpProtocol => 1,
            TableId::Vlan => 2,
            TableId::Fragment => 3,
            TableId::Icmp => 4,
            TableId::ArpOperation => 5,
            TableId::ArpKind => 6,
            TableId::Malformed => 7,
            TableId::Unknown(code) => code,
        }
    }
}

/// One line of a table, since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct CountEntry {
    /// See [`TableId`]; [`KEY_OTHER`] for what found no room.
    pub key: u64,
    /// How many frames.
    pub frames: u64,
    /// Their octets, of the kind the table says; 0 where it has none.
    pub octets: u64,
}

/// Lines of one table. Counters only grow, so of two lines with one key the
/// larger is the later: order and repetition do not matter.
///
/// | field | encoding |
/// |---|---|
/// | table | octet |
/// | entries | list, at most 8, of 3 varints: key, frames, octets |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Which table.
    pub table: TableId,
    /// Some of its lines.
    pub entries: heapless::Vec<CountEntry, { Counts::MAX_ENTRIES }>,
}

impl Counts {
    /// Most lines in one record.
    pub const MAX_ENTRIES: usize = 8;
}

/// What can be wrong with a frame (EXACT.md 10), in the order of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Malformed {
    /// Shorter than an Ethernet header.
    EthShort,
    /// Cut within a VLAN tag.
    VlanShort,
    /// More than 32 tags.
    VlanDeep,
    /// Cut within the `PPPoE` header.
    PppoeShort,
    /// Cut within the label stack.
    MplsShort,
    /// More than 32 labels.
    MplsDeep,
    /// Cut within an ARP packet.
    ArpShort,
    /// Fewer than 20 octets of IPv4 header.
    Ip4Short,
    /// Ethertype IPv4, version not 4.
    Ip4Version,
    /// Header length below 20.
    Ip4Ihl,
    /// Total length below the header's, or header beyond the frame.
    Ip4Len,
    /// Total length 0 (segmentation offload).
    Ip4Len0,
    /// Total length beyond the frame.
    Ip4LenGtFrame,
    /// Header checksum wrong.
    Ip4Cksum,
    /// Fewer than 40 octets of IPv6 header.
    Ip6Short,
    /// Ethertype IPv6, version not 6.
    Ip6Version,
    /// Payload length beyond the frame.
    Ip6LenGtFrame,
    /// Cut within an extension header.
    Ip6ExtShort,
    /// More than 128 extension headers.
    Ip6ExtDeep,
    /// Cut within the transport header.
    L4Short,
    /// TCP data offset out of range.
    TcpOff,
    /// UDP length out of range.
    UdpLen,
}

impl Malformed {
    /// All classes, in order of their number.
    pub const ALL: [Self; 22] = [
        Self::EthShort,
        Self::VlanShort,
        Self::VlanDeep,
        Self::PppoeShort,
        Self::MplsShort,
        Self::MplsDeep,
        Self::ArpShort,
        Self::Ip4Short,
        Self::Ip4Version,
        Self::Ip4Ihl,
        Self::Ip4Len,
        Self::Ip4Len0,
        Self::Ip4LenGtFrame,
        Self::Ip4Cksum,
        Self::Ip6Short,
        Self::Ip6Version,
        Self::Ip6LenGtFrame,
        Self::Ip6ExtShort,
        Self::Ip6ExtDeep,
        Self::L4Short,
        Self::TcpOff,
        Self::UdpLen,
    ];

    /// The class's name as EXACT.md writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::EthShort => "eth_short",
            Self::VlanShort => "vlan_short",
            Self::VlanDeep => "vlan_deep",
            Self::PppoeShort => "pppoe_short",
            Self::MplsShort => "mpls_short",
            Self::MplsDeep => "mpls_deep",
            Self::ArpShort => "arp_short",
            Self::Ip4Short => "ip4_short",
            Self::Ip4Version => "ip4_version",
            Self::Ip4Ihl => "ip4_ihl",
            Self::Ip4Len => "ip4_len",
            Self::Ip4Len0 => "ip4_len0",
            Self::Ip4LenGtFrame => "ip4_len_gt_frame",
            Self::Ip4Cksum => "ip4_cksum",
            Self::Ip6Short => "ip6_short",
            Self::Ip6Version => "ip6_version",
            Self::Ip6LenGtFrame => "ip6_len_gt_frame",
            Self::Ip6ExtShort => "ip6_ext_short",
            Self::Ip6ExtDeep => "ip6_ext_deep",
            Self::L4Short => "l4_short",
            Self::TcpOff => "tcp_off",
            Self::UdpLen => "udp_len",
        }
    }
}
