//! What dissection says of a frame.

use magpie_protocol::{AddressPair, VlanStack};

use super::Classes;

/// One frame, understood as far as counting needs. Small and `Copy`: it holds
/// no reference into the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Type after the last tag, or [`magpie_protocol::ETHERTYPE_NONE`] or
    /// [`magpie_protocol::ETHERTYPE_LLC`].
    pub ethertype: u32,
    /// The outermost tags, as many as a key holds.
    pub vlan: VlanStack,
    /// There were more tags than that.
    pub vlan_cut: bool,
    /// What is wrong with the frame.
    pub malformed: Classes,
    /// Which of the ledger's four parts it belongs to, and its content.
    pub network: Network,
}

/// The four parts of EXACT.md 1: a frame is in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// A valid outermost IP header: belongs to a flow.
    Ip(Ip),
    /// An ARP packet whose operation can be read.
    Arp(Arp),
    /// Neither IP nor ARP.
    Other,
    /// No Ethernet header, or IP, ARP or an encapsulation by its type that
    /// could not be read.
    Invalid,
}

impl Network {
    /// The packet, where there is one.
    #[inline]
    pub fn ip(&self) -> Option<&Ip> {
        match self {
            Self::Ip(ip) => Some(ip),
            _ => None,
        }
    }
}

/// The outermost IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ip {
    /// `a` is the source, `b` the destination: not ordered as in a key.
    pub addresses: AddressPair,
    /// IP protocol; for IPv6 the last header walked to.
    pub protocol: u8,
    /// Octets of the packet without padding, never more than the wire had.
    pub ip_octets: u32,
    /// Place in a fragmented packet.
    pub fragment: Fragment,
    /// 0 where the protocol, the fragment or the capture has none.
    pub source_port: u16,
    /// As [`Self::source_port`].
    pub destination_port: u16,
    /// What the next layer says.
    pub transport: Transport,
}

/// Place in a fragmented packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fragment {
    /// Not fragmented (or the only fragment).
    Whole,
    /// The first of several: has the transport header.
    First,
    /// A later one.
    Later,
}

/// The layer above IP, where it is counted by more than ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Nothing beyond the ports.
    Other,
    /// TCP with a sound, fully captured fixed header.
    Tcp(Tcp),
    /// ICMP or `ICMPv6` of the fitting IP version.
    Icmp(Icmp),
}

/// A TCP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tcp {
    /// The low eight flag bits, CWR to FIN.
    pub flags: u8,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number, also where the flag is not set.
    pub acknowledgement: u32,
    /// Octets of payload on the wire; `None` in a first fragment, whose
    /// segment goes on elsewhere.
    pub payload: Option<u32>,
}

/// An ICMP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Set in an echo request or reply whose eight octets were captured.
    pub echo: Option<Echo>,
    /// Set in a message that a packet was too big (RFC 1191 section 4, RFC 4443
    /// section 3.2), likewise: what the link takes, or 0 where the router does
    /// not say.
    pub mtu: Option<u32>,
}

/// What matches echo requests and replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo {
    /// Request, else reply.
    pub request: bool,
    /// Identifier.
    pub id: u16,
    /// Sequence number.
    pub sequence: u16,
}

/// An ARP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// Operation (1 = request, 2 = reply).
    pub operation: u16,
    /// `None` unless it is about IPv4 and was captured whole.
    pub kind: Option<ArpKind>,
}

/// Kind of an ARP packet by its protocol addresses (EXACT.md 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArpKind {
    /// Sender and target are the same.
    Gratuitous,
    /// The sender is 0.0.0.0.
    Probe,
    /// Any other.
    Normal,
}
