//! Everything below the network layer: tags, LLC/SNAP, `PPPoE`, MPLS.

use magpie_protocol::{ETHERTYPE_LLC, ETHERTYPE_NONE, Malformed, VlanStack};

use super::{Link, Parsed, Rare};

/// Most tags walked (EXACT.md 2).
const MAX_TAGS: usize = 32;
/// Most labels walked (EXACT.md 2).
const MAX_LABELS: usize = 32;

/// Octets of two addresses and a type.
const HEADER: usize = 14;

/// IEEE 802.3 clause 3.2.6: below this the field is a length.
const FIRST_TYPE: u16 = 0x0600;
const TYPE_IP4: u16 = 0x0800;
const TYPE_ARP: u16 = 0x0806;
const TYPE_IP6: u16 = 0x86dd;
const TYPE_PPPOE_SESSION: u16 = 0x8864;
const TYPE_MPLS: u16 = 0x8847;
const TYPE_MPLS_UPSTREAM: u16 = 0x8848;

/// Octets of LLC/SNAP, its type included.
const SNAP: usize = 8;

const PPP_IP4: u16 = 0x0021;
const PPP_IP6: u16 = 0x0057;

/// [`ETHERTYPE_NONE`] as a view has it.
#[expect(clippy::cast_possible_truncation, reason = "the key has 17 bits")]
pub(super) const NONE: u32 = ETHERTYPE_NONE as u32;
#[expect(clippy::cast_possible_truncation, reason = "the key has 17 bits")]
const LLC: u32 = ETHERTYPE_LLC as u32;

/// What the link layer carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carried {
    Ip4,
    Ip6,
    Arp,
    Other,
    /// It ended before that could be told.
    Nothing,
}

/// Reads up to the network layer: what is carried, and how many octets stand
/// before it.
#[inline]
pub(super) fn read(frame: &[u8], parsed: &mut Parsed) -> (Carried, usize) {
    let Some(([.., high, low], rest)) = frame.split_first_chunk::<HEADER>() else {
        parsed.rare.raise(Malformed::EthShort);
        return (Carried::Nothing, 0);
    };
    let ethertype = u16::from_be_bytes([*high, *low]);
    parsed.link = Link::new(u32::from(ethertype));
    if ethertype == TYPE_IP4 {
        (Carried::Ip4, HEADER)
    } else {
        let (carried, octets) = encapsulated(ethertype, rest, parsed);
        (carried, octets.wrapping_add(HEADER))
    }
}

/// Everything between the first type and the network layer: what is carried,
/// and how many octets stand before it.
#[inline(never)] // most frames have nothing there: out of their way
fn encapsulated(first: u16, after: &[u8], parsed: &mut Parsed) -> (Carried, usize) {
    let mut ethertype = first;
    let mut octets = 0_usize;
    if is_tag(first.to_be_bytes()) {
        let Some((last, tags)) = tags(first, after, parsed) else {
            return (Carried::Nothing, 0);
        };
        ethertype = last;
        octets = tags;
    }
    if ethertype < FIRST_TYPE {
        let Some(inner) = after.get(octets..).and_then(snap) else {
            parsed.link = Link::new(LLC);
            return (Carried::Other, 0);
        };
        ethertype = inner;
        octets = octets.wrapping_add(SNAP);
    }
    parsed.link = Link::new(u32::from(ethertype));
    let (carried, more) = match ethertype {
        TYPE_IP4 => (Carried::Ip4, 0),
        TYPE_IP6 => (Carried::Ip6, 0),
        TYPE_ARP => (Carried::Arp, 0),
        TYPE_PPPOE_SESSION => pppoe(after.get(octets..).unwrap_or(&[]), &mut parsed.rare),
        TYPE_MPLS | TYPE_MPLS_UPSTREAM => {
            mpls(after.get(octets..).unwrap_or(&[]), &mut parsed.rare)
        }
        // Also a SNAP type below 0x600: no type, but what stands there.
        _ => (Carried::Other, 0),
    };
    (carried, octets.wrapping_add(more))
}

/// IEEE 802.1Q C-tag, 802.1ad S-tag, and the S-tag of before the standard;
/// the type in the order of the memory, whichever that is.
#[inline]
fn is_tag(ethertype: [u8; 2]) -> bool {
    const C_TAG: u16 = u16::from_be(0x8100);
    const S_TAG: u16 = u16::from_be(0x88a8);
    const OLD_S_TAG: u16 = u16::from_be(0x9100);
    matches!(u16::from_ne_bytes(ethertype), C_TAG | S_TAG | OLD_S_TAG)
}

/// A tag, from its identifier on, and the type behind it.
type Tag = [u8; 4];

/// Whether another tag stands behind this one.
#[inline]
fn goes_on([_, _, high, low]: Tag) -> bool {
    is_tag([high, low])
}

/// Walks the tags from behind the first type `first` on: the type after the
/// last tag, and how many octets the tags take. A walk that fails leaves the
/// type of the tag that could not be read.
#[inline]
fn tags(first: u16, rest: &[u8], parsed: &mut Parsed) -> Option<(u16, usize)> {
    let type_of = |[_, _, high, low]: Tag| u16::from_be_bytes([high, low]);
    let (tags, _) = rest.as_chunks();
    let walked = tags.get(..MAX_TAGS).unwrap_or(tags);
    let mut octets = 0_usize;
    for tag in walked.iter().copied().take(VlanStack::MAX) {
        let [id_high, id_low, _, _] = tag;
        parsed.key.push_tag(u16::from_be_bytes([id_high, id_low]));
        octets = octets.wrapping_add(4);
        if !goes_on(tag) {
            return Some((type_of(tag), octets));
        }
    }
    let deeper = walked.get(VlanStack::MAX..).unwrap_or(&[]);
    if !deeper.is_empty() {
        parsed.rare.set(Rare::VLAN_CUT);
    }
    for tag in deeper.iter().copied() {
        octets = octets.wrapping_add(4);
        if !goes_on(tag) {
            return Some((type_of(tag), octets));
        }
    }
    let last = walked.last().copied().map_or(first, type_of);
    parsed.link = Link::new(u32::from(last));
    parsed.rare.raise(if tags.len() > MAX_TAGS {
        Malformed::VlanDeep
    } else {
        Malformed::VlanShort
    });
    None
}

/// The type in LLC/SNAP (RFC 1042; OUI 0000f8 is its bridge-tunnel variant).
#[inline]
fn snap(rest: &[u8]) -> Option<u16> {
    match rest.first_chunk::<SNAP>()? {
        [0xaa, 0xaa, 0x03, 0, 0, 0 | 0xf8, high, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

/// A `PPPoE` session packet (RFC 2516) with its PPP protocol (RFC 1661; one
/// octet where the field is compressed). Its own length is not judged. Gives
/// what is carried and how many octets stand before it.
#[inline]
fn pppoe(rest: &[u8], rare: &mut Rare) -> (Carried, usize) {
    let Some([version_type, code, _, _, _, _, high, low]) = rest.first_chunk::<8>() else {
        rare.raise(Malformed::PppoeShort);
        return (Carried::Nothing, 0);
    };
    if (*version_type, *code) != (0x11, 0) {
        return (Carried::Other, 0);
    }
    let (protocol, octets) = if high & 1 == 1 {
        (u16::from(*high), 7)
    } else {
        (u16::from_be_bytes([*high, *low]), 8)
    };
    match protocol {
        PPP_IP4 => (Carried::Ip4, octets),
        PPP_IP6 => (Carried::Ip6, octets),
        _ => (Carried::Other, octets),
    }
}

/// A label stack (RFC 3032); what it carries shows only by its first nibble.
/// Gives what is carried and how many octets stand before it.
#[inline]
fn mpls(rest: &[u8], rare: &mut Rare) -> (Carried, usize) {
    let (labels, _) = rest.as_chunks::<4>();
    let walked = labels.get(..MAX_LABELS).unwrap_or(labels);
    let Some(bottom) = walked.iter().position(|[_, _, third, _]| third & 1 == 1) else {
        rare.raise(if labels.len() >= MAX_LABELS {
            Malformed::MplsDeep
        } else {
            Malformed::MplsShort
        });
        return (Carried::Nothing, 0);
    };
    let octets = bottom.wrapping_add(1).wrapping_mul(4);
    let carried = match rest.get(octets).map(|octet| octet >> 4) {
        Some(4) => Carried::Ip4,
        Some(6) => Carried::Ip6,
        _ => Carried::Other,
    };
    (carried, octets)
}
