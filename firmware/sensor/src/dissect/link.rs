//! Everything below the network layer: tags, LLC/SNAP, `PPPoE`, MPLS.

use magpie_protocol::{ETHERTYPE_LLC, ETHERTYPE_NONE, Malformed, VlanStack};

use super::Classes;

/// Most tags walked (EXACT.md 2).
const MAX_TAGS: usize = 32;
/// Most labels walked (EXACT.md 2).
const MAX_LABELS: usize = 32;

/// IEEE 802.3 clause 3.2.6: below this the field is a length.
const FIRST_TYPE: u16 = 0x0600;
const TYPE_IP4: u16 = 0x0800;
const TYPE_ARP: u16 = 0x0806;
const TYPE_IP6: u16 = 0x86dd;
const TYPE_PPPOE_SESSION: u16 = 0x8864;
const TYPE_MPLS: u16 = 0x8847;
const TYPE_MPLS_UPSTREAM: u16 = 0x8848;

const PPP_IP4: u16 = 0x0021;
const PPP_IP6: u16 = 0x0057;

/// What the link layer carries, from its first octet on.
pub(super) enum Payload<'a> {
    Ip4(&'a [u8]),
    Ip6(&'a [u8]),
    Arp(&'a [u8]),
    Other,
    Invalid,
}

/// The link layer of a frame.
pub(super) struct Link<'a> {
    pub(super) ethertype: u32,
    pub(super) vlan: VlanStack,
    pub(super) vlan_cut: bool,
    pub(super) payload: Payload<'a>,
}

#[inline]
pub(super) fn read<'a>(frame: &'a [u8], malformed: &mut Classes) -> Link<'a> {
    let Some(([.., high, low], rest)) = frame.split_first_chunk::<14>() else {
        malformed.insert(Malformed::EthShort);
        return Link {
            // The key is 0x1_0000: the cast to 32 bits keeps it.
            ethertype: NONE,
            vlan: VlanStack::NONE,
            vlan_cut: false,
            payload: Payload::Invalid,
        };
    };
    let ethertype = u16::from_be_bytes([*high, *low]);
    if !is_tag(ethertype) {
        return untagged(ethertype, rest, VlanStack::NONE, false, malformed);
    }
    let tags = Tags::walk(ethertype, rest, malformed);
    match tags.inside {
        Some(inside) => untagged(tags.ethertype, inside, tags.vlan, tags.cut, malformed),
        None => Link {
            ethertype: u32::from(tags.ethertype),
            vlan: tags.vlan,
            vlan_cut: tags.cut,
            payload: Payload::Invalid,
        },
    }
}

#[expect(clippy::cast_possible_truncation, reason = "both keys are 17 bits")]
const NONE: u32 = ETHERTYPE_NONE as u32;
#[expect(clippy::cast_possible_truncation, reason = "both keys are 17 bits")]
const LLC: u32 = ETHERTYPE_LLC as u32;

/// IEEE 802.1Q C-tag, 802.1ad S-tag, and the S-tag of before the standard.
#[inline]
fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100)
}

/// The tags of a frame that has at least one.
struct Tags<'a> {
    /// Type after the last tag; of a tag that could not be read, its own.
    ethertype: u16,
    vlan: VlanStack,
    cut: bool,
    /// What the last tag carries; `None` when the walk failed.
    inside: Option<&'a [u8]>,
}

impl<'a> Tags<'a> {
    #[inline(never)] // most frames have none: keep it out of their way
    fn walk(first: u16, mut rest: &'a [u8], malformed: &mut Classes) -> Self {
        let mut ethertype = first;
        let mut vlan = VlanStack::NONE;
        let mut depth = 0_usize;
        while is_tag(ethertype) {
            let Some(([id_high, id_low, high, low], inside)) = rest.split_first_chunk::<4>() else {
                malformed.insert(Malformed::VlanShort);
                return Self {
                    ethertype,
                    vlan,
                    cut: depth > VlanStack::MAX,
                    inside: None,
                };
            };
            if depth == MAX_TAGS {
                malformed.insert(Malformed::VlanDeep);
                return Self {
                    ethertype,
                    vlan,
                    cut: true,
                    inside: None,
                };
            }
            if depth < VlanStack::MAX {
                vlan.push(u16::from_be_bytes([*id_high, *id_low]));
            }
            depth = depth.saturating_add(1);
            ethertype = u16::from_be_bytes([*high, *low]);
            rest = inside;
        }
        Self {
            ethertype,
            vlan,
            cut: depth > VlanStack::MAX,
            inside: Some(rest),
        }
    }
}

/// From the type after the last tag on.
#[inline]
fn untagged<'a>(
    ethertype: u16,
    rest: &'a [u8],
    vlan: VlanStack,
    vlan_cut: bool,
    malformed: &mut Classes,
) -> Link<'a> {
    let (ethertype, payload) = if ethertype < FIRST_TYPE {
        match snap(rest) {
            None => (LLC, Payload::Other),
            // A SNAP type below 0x600 is no type, but it is what stands there.
            Some((inner, _)) if inner < FIRST_TYPE => (u32::from(inner), Payload::Other),
            Some((inner, inside)) => (u32::from(inner), carried(inner, inside, malformed)),
        }
    } else {
        (u32::from(ethertype), carried(ethertype, rest, malformed))
    };
    Link {
        ethertype,
        vlan,
        vlan_cut,
        payload,
    }
}

/// LLC/SNAP with a type (RFC 1042; OUI 0000f8 is its bridge-tunnel variant).
fn snap(rest: &[u8]) -> Option<(u16, &[u8])> {
    match rest.split_first_chunk::<8>()? {
        ([0xaa, 0xaa, 0x03, 0, 0, 0 | 0xf8, high, low], inside) => {
            Some((u16::from_be_bytes([*high, *low]), inside))
        }
        _ => None,
    }
}

#[inline]
fn carried<'a>(ethertype: u16, rest: &'a [u8], malformed: &mut Classes) -> Payload<'a> {
    match ethertype {
        TYPE_IP4 => Payload::Ip4(rest),
        TYPE_IP6 => Payload::Ip6(rest),
        TYPE_ARP => Payload::Arp(rest),
        TYPE_PPPOE_SESSION => pppoe(rest, malformed),
        TYPE_MPLS | TYPE_MPLS_UPSTREAM => mpls(rest, malformed),
        _ => Payload::Other,
    }
}

/// A `PPPoE` session packet (RFC 2516) with its PPP protocol (RFC 1661; one
/// octet where the field is compressed). Its own length is not judged.
#[inline(never)]
fn pppoe<'a>(rest: &'a [u8], malformed: &mut Classes) -> Payload<'a> {
    let Some(([version_type, code, _, _, _, _, high, low], after)) = rest.split_first_chunk::<8>()
    else {
        malformed.insert(Malformed::PppoeShort);
        return Payload::Invalid;
    };
    if (*version_type, *code) != (0x11, 0) {
        return Payload::Other;
    }
    let (protocol, inside) = if high & 1 == 1 {
        (u16::from(*high), rest.get(7..).unwrap_or(after))
    } else {
        (u16::from_be_bytes([*high, *low]), after)
    };
    match protocol {
        PPP_IP4 => Payload::Ip4(inside),
        PPP_IP6 => Payload::Ip6(inside),
        _ => Payload::Other,
    }
}

/// A label stack (RFC 3032); what it carries shows only by its first nibble.
#[inline(never)]
fn mpls<'a>(mut rest: &'a [u8], malformed: &mut Classes) -> Payload<'a> {
    for _ in 0..MAX_LABELS {
        let Some(([_, _, third, _], after)) = rest.split_first_chunk::<4>() else {
            malformed.insert(Malformed::MplsShort);
            return Payload::Invalid;
        };
        rest = after;
        if third & 1 == 1 {
            return match rest.first().map(|octet| octet >> 4) {
                Some(4) => Payload::Ip4(rest),
                Some(6) => Payload::Ip6(rest),
                _ => Payload::Other,
            };
        }
    }
    malformed.insert(Malformed::MplsDeep);
    Payload::Invalid
}
