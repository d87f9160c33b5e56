//! A frame in the words that the tables take.

use magpie_protocol::{Malformed, Side};

use super::{Arp, Classes, Fragment, Icmp, Ip, Network, Tcp, Transport, View};
use crate::key::Key;

/// The four parts of EXACT.md 1: a frame is in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Part {
    Invalid,
    Flow,
    Arp,
    Other,
}

impl Part {
    pub(crate) const ALL: [Self; 4] = [Self::Invalid, Self::Flow, Self::Arp, Self::Other];
}

/// Ethertype of a frame, and above it its [`Part`] and whether it is an echo
/// message (code 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link(u32);

impl Link {
    const PART: u32 = 20;
    const ETHERTYPE: u32 = (1 << Self::PART) - 1;
    const PARTS: u32 = 3 << Self::PART;
    const REQUEST: u32 = 1 << 22;
    const REPLY: u32 = 1 << 23;

    /// Of this type (as [`View::ethertype`] has it); invalid so far.
    #[inline]
    pub(crate) const fn new(ethertype: u32) -> Self {
        Self(ethertype)
    }

    /// Of this type and part.
    #[cfg(test)]
    pub(crate) fn of(ethertype: u32, part: Part) -> Self {
        let mut link = Self::new(ethertype);
        link.belongs_to(part);
        link
    }

    /// What was invalid so far belongs to this part.
    #[inline]
    pub(super) fn belongs_to(&mut self, part: Part) {
        self.0 |= (part as u32) << Self::PART;
    }

    /// It is an echo request, or reply.
    #[inline]
    pub(crate) fn set_echo(&mut self, request: bool) {
        self.0 |= if request { Self::REQUEST } else { Self::REPLY };
    }

    /// Echo request, or reply, if it is one.
    pub(crate) fn echo(self) -> Option<bool> {
        match self.0 & (Self::REQUEST | Self::REPLY) {
            0 => None,
            bits => Some(bits == Self::REQUEST),
        }
    }

    pub(crate) fn ethertype(self) -> u32 {
        self.0 & Self::ETHERTYPE
    }

    #[inline]
    pub(crate) fn part(self) -> Part {
        match self.0 >> Self::PART & 3 {
            1 => Part::Flow,
            2 => Part::Arp,
            3 => Part::Other,
            _ => Part::Invalid,
        }
    }

    #[inline]
    pub(crate) fn word(self) -> u32 {
        self.0
    }
}

/// What most frames have nothing of: malformed classes, a stack that was cut,
/// a place in a fragmented packet, ICMP that is no echo, ARP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rare(u32);

impl Rare {
    pub(crate) const NONE: Self = Self(0);
    const CLASSES: u32 = (1 << Malformed::ALL.len()) - 1;
    pub(crate) const VLAN_CUT: u32 = 1 << 31;
    pub(crate) const FIRST: u32 = 1 << 30;
    pub(crate) const LATER: u32 = 1 << 29;
    pub(crate) const ICMP: u32 = 1 << 28;
    pub(crate) const ARP: u32 = 1 << 27;

    /// Raises a malformed class.
    #[cold]
    #[inline(never)] // a branch never taken costs less than what it skips
    pub(super) fn raise(&mut self, class: Malformed) {
        self.0 |= 1 << (class as u8);
    }

    #[inline]
    pub(super) fn set(&mut self, bits: u32) {
        self.0 |= bits;
    }

    /// Its place in a fragmented packet.
    #[inline]
    pub(super) fn set_fragment(&mut self, place: Fragment) {
        match place {
            Fragment::Whole => {}
            Fragment::First => self.set(Self::FIRST),
            Fragment::Later => self.set(Self::LATER),
        }
    }

    #[inline]
    pub(crate) fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }

    pub(crate) fn classes(self) -> Classes {
        Classes::from_bits(self.0 & Self::CLASSES)
    }

    pub(crate) fn fragment(self) -> Fragment {
        if self.has(Self::LATER) {
            Fragment::Later
        } else if self.has(Self::FIRST) {
            Fragment::First
        } else {
            Fragment::Whole
        }
    }
}

/// A TCP segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    /// Octets of payload on the wire, in this frame.
    pub(crate) payload: u32,
    /// The low eight, CWR to FIN.
    pub(crate) flags: u8,
}

impl Segment {
    fn tcp(self, payload: Option<u32>) -> Tcp {
        let Self {
            sequence,
            acknowledgement,
            flags,
            ..
        } = self;
        Tcp {
            flags,
            sequence,
            acknowledgement,
            payload,
        }
    }
}

/// What a table asks of a frame beyond its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Nothing,
    Tcp(Segment),
    /// The same, going on in other fragments.
    TcpFirst(Segment),
    Icmp(Icmp),
    Arp(Arp),
}

/// One frame, understood as far as counting needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parsed {
    /// Of its flow; of a frame without IP only the path is set.
    pub(crate) key: Key,
    pub(crate) link: Link,
    pub(crate) rare: Rare,
    /// Octets of the IP packet without padding, never more than the wire had.
    pub(crate) ip_octets: u32,
    /// Which end point sent the packet.
    pub(crate) from: Side,
    pub(crate) content: Content,
}

impl Parsed {
    /// Nothing was read yet.
    // No constant: that would be copied whole, its unused octets too.
    #[inline]
    pub(crate) fn nothing() -> Self {
        Self {
            key: Key::new(),
            link: Link::new(super::link::NONE),
            rare: Rare::NONE,
            ip_octets: 0,
            from: Side::A,
            content: Content::Nothing,
        }
    }

    /// It is an IP packet.
    #[inline]
    pub(super) fn set_ip(&mut self, octets: u32) {
        self.link.belongs_to(Part::Flow);
        self.ip_octets = octets;
    }

    #[inline]
    pub(crate) fn is_ip(&self) -> bool {
        self.link.part() == Part::Flow
    }

    /// It is one, with nothing rare about it: most frames are.
    #[inline]
    pub(crate) fn is_plain_ip(&self) -> bool {
        let beside = self.link.0 & Link::PARTS ^ (Part::Flow as u32) << Link::PART;
        beside | self.rare.0 == 0
    }

    /// For people to read.
    pub(super) fn view(&self) -> View {
        let network = match (self.link.part(), self.content) {
            (Part::Flow, _) => Network::Ip(self.ip()),
            (Part::Arp, Content::Arp(arp)) => Network::Arp(arp),
            (Part::Other, _) => Network::Other,
            _ => Network::Invalid,
        };
        View {
            ethertype: self.link.ethertype(),
            vlan: self.key.path().vlan(),
            vlan_cut: self.rare.has(Rare::VLAN_CUT),
            malformed: self.rare.classes(),
            network,
        }
    }

    fn ip(&self) -> Ip {
        let (addresses, [source_port, destination_port]) = self.key.sent_by(self.from);
        Ip {
            addresses,
            protocol: self.key.path().protocol(),
            ip_octets: self.ip_octets,
            fragment: self.rare.fragment(),
            source_port,
            destination_port,
            transport: match self.content {
                Content::Tcp(segment) => Transport::Tcp(segment.tcp(Some(segment.payload))),
                Content::TcpFirst(segment) => Transport::Tcp(segment.tcp(None)),
                Content::Icmp(icmp) => Transport::Icmp(icmp),
                Content::Nothing | Content::Arp(_) => Transport::Other,
            },
        }
    }
}
