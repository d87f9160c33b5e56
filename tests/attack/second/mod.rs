//! A second, independent reading of a frame: etherparse's, and where EXACT.md
//! wants something else, that, each time under the name of a [`Why`].
//!
//! etherparse decides everything it has an opinion on. A difference that no
//! `Why` names is a fault of one of the two.

mod link;
mod network;
mod transport;

use std::collections::BTreeSet;

use magpie_protocol::{ETHERTYPE_NONE, Malformed, VlanStack};
use magpie_sensor::dissect::{Classes, Network, View};

/// Where EXACT.md and etherparse part, one reason each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// etherparse walks three tags, EXACT.md 2 walks 32: read on behind the
    /// third.
    ManyTags,
    /// More than 32 tags (EXACT.md 2): totals only.
    TagsDeep,
    /// etherparse looks into `MACsec`; EXACT.md 2 keeps totals only.
    Macsec,
    /// etherparse knows types only: a length of 802.3 that carries none.
    Llc,
    /// LLC/SNAP, whose type counts (EXACT.md 2): read on behind it.
    Snap,
    /// A SNAP type that is a tag, a length or `MACsec`: totals only.
    SnapOfMore,
    /// `PPPoE` is unknown to etherparse: read on behind it, or totals.
    Pppoe,
    /// MPLS is unknown to etherparse: read on behind it, or totals.
    Mpls,
    /// etherparse takes the version from the packet; EXACT.md 4 wants the
    /// type's.
    VersionOfType,
    /// Options beyond what the capture holds: etherparse refuses, EXACT.md 4
    /// asks for 20 captured octets.
    CutOptions,
    /// Total length below the header's: etherparse takes the rest of the
    /// frame, EXACT.md 4 only where it is 0.
    LengthBelowHeader,
    /// IPv6 payload length 0 without a jumbo option: etherparse takes the rest
    /// of the frame, EXACT.md 4 nothing.
    PayloadZero,
    /// A jumbo option, which etherparse does not read (EXACT.md 4).
    Jumbo,
    /// etherparse looks behind AH; EXACT.md 3 and 4 stop at it.
    Authentication,
    /// Hop-by-hop behind another header: etherparse stops, EXACT.md 4 walks on.
    HopByHopLater,
    /// etherparse walks headers within a later fragment's octets; EXACT.md 4
    /// stops at the fragment header.
    WalkInFragment,
    /// Of several fragment headers etherparse heeds any, EXACT.md 4 the last.
    FragmentTwice,
    /// More than 128 extension headers (EXACT.md 4): walked no further.
    HeadersDeep,
    /// etherparse reads no transport in a fragment; EXACT.md 5 reads the first.
    FirstFragment,
    /// etherparse does not know SCTP; EXACT.md 6 takes its ports.
    Sctp,
    /// A cut transport header: etherparse refuses it, EXACT.md 6 and 7 take
    /// ports from four octets, type and code from two.
    TransportShort,
    /// A TCP data offset out of range: etherparse refuses the header, EXACT.md
    /// 6 takes the ports.
    TcpOffset,
    /// TCP options beyond what the capture holds, not the wire: EXACT.md 6
    /// takes the fixed header.
    CutTcpOptions,
    /// ICMP in IPv6, `ICMPv6` in IPv4: etherparse reads it, EXACT.md 7 does not.
    IcmpOfOtherVersion,
    /// An echo with a code: another message to etherparse, EXACT.md 7 does not
    /// ask for the code.
    EchoWithCode,
    /// A timestamp message that has not 20 octets: refused by etherparse.
    TimestampLength,
    /// IGMP too short for etherparse, of which EXACT.md wants nothing.
    Igmp,
    /// ARP whose addresses are cut: etherparse refuses, EXACT.md 9 counts the
    /// operation.
    ArpCut,
}

impl Why {
    /// All of them.
    pub(crate) const ALL: [Self; 28] = [
        Self::ManyTags,
        Self::TagsDeep,
        Self::Macsec,
        Self::Llc,
        Self::Snap,
        Self::SnapOfMore,
        Self::Pppoe,
        Self::Mpls,
        Self::VersionOfType,
        Self::CutOptions,
        Self::LengthBelowHeader,
        Self::PayloadZero,
        Self::Jumbo,
        Self::Authentication,
        Self::HopByHopLater,
        Self::WalkInFragment,
        Self::FragmentTwice,
        Self::HeadersDeep,
        Self::FirstFragment,
        Self::Sctp,
        Self::TransportShort,
        Self::TcpOffset,
        Self::CutTcpOptions,
        Self::IcmpOfOtherVersion,
        Self::EchoWithCode,
        Self::TimestampLength,
        Self::Igmp,
        Self::ArpCut,
    ];
}

/// What the second reading came to.
pub(crate) struct Second {
    /// What dissection should say, as far as the malformed classes go only
    /// where etherparse has an opinion.
    pub(crate) view: View,
    /// Where EXACT.md overruled etherparse.
    pub(crate) why: BTreeSet<Why>,
    /// etherparse gave up somewhere.
    refused: bool,
    /// A packet that says it is longer than what is there.
    incomplete: bool,
}

impl Second {
    /// Reads a frame of which the wire had `wire_len` octets.
    pub(crate) fn read(frame: &[u8], wire_len: u32) -> Self {
        let mut second = Self {
            view: View {
                ethertype: u32::try_from(ETHERTYPE_NONE).expect("17 bits"),
                vlan: VlanStack::NONE,
                network: Network::Invalid,
                vlan_cut: false,
                malformed: Classes::NONE,
            },
            why: BTreeSet::new(),
            refused: false,
            incomplete: false,
        };
        second.link(frame, wire_len);
        second
    }

    /// What the first reading says that the second does not.
    pub(crate) fn differs(&self, ours: &View, cut: bool) -> Option<&'static str> {
        let View {
            ethertype,
            vlan,
            vlan_cut,
            malformed,
            network,
        } = &self.view;
        let checksum = |view: &View| view.malformed.contains(Malformed::Ip4Cksum);
        let too_long = ours.malformed.contains(Malformed::Ip4LenGtFrame)
            || ours.malformed.contains(Malformed::Ip6LenGtFrame);
        if ours.vlan != *vlan || ours.vlan_cut != *vlan_cut {
            Some("tags")
        } else if ours.ethertype != *ethertype {
            Some("ethertype")
        } else if ours.network != *network {
            Some("network")
        } else if checksum(ours) != malformed.contains(Malformed::Ip4Cksum) {
            Some("IPv4 header checksum")
        } else if self.why.is_empty() && self.refused && ours.malformed.is_empty() {
            Some("refused, and no malformed class")
        } else if self.why.is_empty() && !cut && self.incomplete != too_long {
            Some("longer than the frame")
        } else {
            None
        }
    }

    fn because(&mut self, why: Why) {
        self.why.insert(why);
    }
}

/// The octets, and zeros up to this length.
fn padded(octets: &[u8], len: usize) -> Vec<u8> {
    let mut all = octets.to_vec();
    all.resize(len.max(octets.len()), 0);
    all
}
