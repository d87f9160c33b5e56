//! Where addresses stand in a frame. Each function replaces those it knows and
//! says how many octets from its beginning it knows.

use super::addresses::Addresses;
use super::{checksum, icmp};

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
/// Packets within packets that are followed.
const MAX_DEPTH: u8 = 4;

pub(super) fn half(octets: &[u8], at: usize) -> Option<u16> {
    octets
        .get(at..)?
        .first_chunk()
        .map(|pair| u16::from_be_bytes(*pair))
}

/// Replaces `N` octets at `at`, if they are there.
pub(super) fn replace<const N: usize>(
    octets: &mut [u8],
    at: usize,
    by: impl FnOnce([u8; N]) -> [u8; N],
) -> Option<()> {
    let place = octets.get_mut(at..)?.first_chunk_mut::<N>()?;
    *place = by(*place);
    Some(())
}

/// Octets from `at` on; none where there are none.
pub(super) fn from(octets: &mut [u8], at: usize) -> &mut [u8] {
    octets.get_mut(at..).unwrap_or_default()
}

pub(super) fn ethernet(frame: &mut [u8], to: &mut Addresses) -> usize {
    ethernet_at(frame, to, MAX_DEPTH)
}

fn ethernet_at(frame: &mut [u8], to: &mut Addresses, depth: u8) -> usize {
    let Some(destination) = frame.first_chunk::<6>().copied() else {
        return 0; // not even an address is whole
    };
    let _ = replace(frame, 0, |octets| to.mac(octets));
    if replace(frame, 6, |octets| to.mac(octets)).is_none() {
        return 6;
    }
    let (mut at, mut kind) = (14, half(frame, 12));
    while let Some(0x8100 | 0x88a8 | 0x9100) = kind {
        (at, kind) = (at + 4, half(frame, at + 2));
    }
    // An 802.3 length, then LLC and SNAP.
    if kind.is_some_and(|length| length < 0x600)
        && let Some([0xaa, 0xaa, 3, 0, 0, 0 | 0xf8]) =
            frame.get(at..).and_then(<[u8]>::first_chunk::<6>)
    {
        (at, kind) = (at + 8, half(frame, at + 6));
    }
    if kind == Some(0x8864) {
        // The protocol may be one octet.
        let (protocol, length) = match frame.get(at + 6) {
            Some(&short) if short & 1 != 0 => (Some(short.into()), 7),
            _ => (half(frame, at + 6), 8),
        };
        kind = match protocol {
            Some(0x0021) => Some(IPV4),
            Some(0x0057) => Some(IPV6),
            _ => None,
        };
        at += length;
    }
    if let Some(0x8847 | 0x8848) = kind {
        // Labels up to the bottom of the stack; the version follows.
        let mut bottom = false;
        while !bottom && at < frame.len() {
            bottom = frame.get(at + 2).is_none_or(|octet| octet & 1 != 0);
            at += 4;
        }
        kind = match frame.get(at).map(|octet| octet >> 4) {
            Some(4) => Some(IPV4),
            Some(6) => Some(IPV6),
            _ => None,
        };
    }
    let inner = from(frame, at);
    let known = match kind {
        Some(ARP) => arp(inner, to),
        Some(IPV4) => ipv4(inner, to, depth),
        Some(IPV6) => ipv6(inner, to, depth),
        _ => 0,
    };
    group(frame, destination, at, kind, to);
    at + known
}

/// The MAC address of an IP group follows the group's new address.
fn group(frame: &mut [u8], old: [u8; 6], at: usize, kind: Option<u16>, to: &mut Addresses) {
    let new = match old {
        [0x01, 0x00, 0x5e, b, c, d] => {
            let group = match kind {
                Some(IPV4) => frame.get(at + 16..).and_then(<[u8]>::first_chunk::<4>),
                _ => None,
            };
            let [_, b, c, d] = match group {
                Some(group @ [224..=239, ..]) => *group,
                // Whatever else was sent there: as a group of these bits.
                _ => to.v4([239, b, c, d]),
            };
            [0x01, 0x00, 0x5e, b & 0x7f, c, d]
        }
        [0x33, 0x33, a, b, c, d] => {
            let group = match kind {
                Some(IPV6) => frame.get(at + 24..).and_then(<[u8]>::first_chunk::<16>),
                _ => None,
            };
            let group = match group {
                Some(group @ [0xff, ..]) => *group,
                _ => to.v6([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]),
            };
            let [.., a, b, c, d] = group;
            [0x33, 0x33, a, b, c, d]
        }
        _ => return,
    };
    let _ = replace(frame, 0, |_| new);
}

fn arp(packet: &mut [u8], to: &mut Addresses) -> usize {
    // Ethernet and IPv4, with addresses of 6 and 4 octets.
    if packet.first_chunk() != Some(&[0, 1, 8, 0, 6, 4]) {
        return 8;
    }
    for at in [8, 18] {
        if replace(packet, at, |octets| to.mac(octets)).is_none() {
            return at;
        }
        if replace(packet, at + 6, |octets| to.v4(octets)).is_none() {
            return at + 6;
        }
    }
    28
}

/// An IP packet of either version.
pub(super) fn ip(packet: &mut [u8], to: &mut Addresses, depth: u8) -> usize {
    match packet.first().map(|octet| octet >> 4) {
        Some(4) => ipv4(packet, to, depth),
        Some(6) => ipv6(packet, to, depth),
        _ => 0,
    }
}

fn ipv4(packet: &mut [u8], to: &mut Addresses, depth: u8) -> usize {
    let Some(&first) = packet.first() else {
        return 0;
    };
    let header = usize::from(first & 0xf) * 4;
    if first >> 4 != 4 || header < 20 {
        return 0;
    }
    let before = checksum::sum(packet.get(..header.min(packet.len())).unwrap_or_default());
    let addresses = checksum::sum(packet.get(12..20).unwrap_or_default());
    if replace(packet, 12, |octets| to.v4(octets)).is_none() {
        return 12;
    }
    if replace(packet, 16, |octets| to.v4(octets)).is_none() {
        return 16;
    }
    let pseudo = (
        addresses,
        checksum::sum(packet.get(12..20).unwrap_or_default()),
    );
    let there = header.min(packet.len());
    if let Some(options) = packet.get_mut(20..there) {
        // Those that hold no address: end, none, stream, router alert.
        only_options(options, &[136, 148]);
    }
    let after = checksum::sum(packet.get(..there).unwrap_or_default());
    checksum::update(packet, 10, before, after);
    let fragment = half(packet, 6).is_none_or(|word| word & 0x1fff != 0);
    let Some(&protocol) = packet.get(9) else {
        return header;
    };
    if fragment {
        return header;
    }
    header + transport(from(packet, header), protocol, pseudo, to, depth)
}

/// Overwrites options of an IPv4 or TCP header that are not among `kept`.
fn only_options(options: &mut [u8], kept: &[u8]) {
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        let length = match (kind, options.get(at + 1)) {
            (0, _) => options.len() - at,
            (1, _) => 1,
            (_, Some(&length)) if length >= 2 => usize::from(length),
            _ => options.len() - at,
        };
        let end = (at + length).min(options.len());
        if kind > 1 && !kept.contains(&kind) {
            options.get_mut(at..end).unwrap_or_default().fill(1);
        } else if kind == 0 {
            options.get_mut(at..end).unwrap_or_default().fill(0);
        }
        at = end;
    }
}

fn ipv6(packet: &mut [u8], to: &mut Addresses, depth: u8) -> usize {
    if packet.first().is_none_or(|octet| octet >> 4 != 6) {
        return 0;
    }
    let before = checksum::sum(packet.get(8..40).unwrap_or_default());
    if replace(packet, 8, |octets| to.v6(octets)).is_none() {
        return 8;
    }
    if replace(packet, 24, |octets| to.v6(octets)).is_none() {
        return 24;
    }
    let after = checksum::sum(packet.get(8..40).unwrap_or_default());
    let (mut at, mut next) = (40, packet.get(6).copied());
    for _ in 0..8 {
        match next {
            // Hop-by-hop and destination options.
            Some(0 | 60) => {
                let Some(&[following, length]) =
                    packet.get(at..).and_then(<[u8]>::first_chunk::<2>)
                else {
                    return at;
                };
                let end = at + (usize::from(length) + 1) * 8;
                let Some(options) = packet.get(at + 2..end) else {
                    return at;
                };
                if !only_known(options) {
                    return at;
                }
                (at, next) = (end, Some(following));
            }
            Some(44) => {
                let Some(&[following, _, high, low]) =
                    packet.get(at..).and_then(<[u8]>::first_chunk::<4>)
                else {
                    return at;
                };
                at += 8;
                if u16::from_be_bytes([high, low]) >> 3 != 0 {
                    return at;
                }
                next = Some(following);
            }
            // Routing headers are full of addresses.
            Some(43) | None => return at,
            Some(protocol) => {
                let pseudo = (before, after);
                return at + transport(from(packet, at), protocol, pseudo, to, depth);
            }
        }
    }
    at
}

/// Whether there are only options without an address: padding, router alert,
/// jumbo payload.
fn only_known(options: &[u8]) -> bool {
    let mut at = 0;
    while let Some(kind) = options.get(at) {
        at += match (kind, options.get(at + 1)) {
            (0, _) => 1,
            (1 | 5 | 0xc2, Some(length)) => usize::from(*length) + 2,
            _ => return false,
        };
    }
    true
}

/// `pseudo`: what the addresses of the pseudo header summed up to, and do.
fn transport(
    segment: &mut [u8],
    protocol: u8,
    pseudo: (u32, u32),
    to: &mut Addresses,
    depth: u8,
) -> usize {
    match protocol {
        1 => icmp::v4(segment, to, depth),
        58 => icmp::v6(segment, pseudo, to, depth),
        2 => icmp::igmp(segment, to),
        4 | 41 if depth > 0 => ip(segment, to, depth - 1),
        6 => tcp(segment, pseudo),
        17 | 136 => {
            // Without a checksum there is none to keep right.
            if half(segment, 6).is_some_and(|checksum| checksum != 0) {
                checksum::update(segment, 6, pseudo.0, pseudo.1);
                let _ = replace(segment, 6, |new: [u8; 2]| match new {
                    [0, 0] => [0xff, 0xff],
                    other => other,
                });
            }
            8
        }
        132 => 12,
        50 => 8,
        47 => gre(segment, to, depth),
        _ => 0,
    }
}

/// RFC 2784, 2890: flags say what is before the packet.
fn gre(segment: &mut [u8], to: &mut Addresses, depth: u8) -> usize {
    const ROUTING_OR_VERSION: u16 = 0x4007;
    let (Some(flags), Some(kind)) = (half(segment, 0), half(segment, 2)) else {
        return segment.len();
    };
    let Some(depth) = depth
        .checked_sub(1)
        .filter(|_| flags & ROUTING_OR_VERSION == 0)
    else {
        return 4;
    };
    let words = (flags & 0xb000).count_ones() as usize;
    let header = 4 + words * 4;
    let before = checksum::sum(segment);
    let inner = from(segment, header);
    let known = match kind {
        IPV4 => ipv4(inner, to, depth),
        IPV6 => ipv6(inner, to, depth),
        0x6558 => ethernet_at(inner, to, depth),
        _ => 0,
    };
    if flags & 0x8000 != 0 {
        let after = checksum::sum(segment);
        checksum::update(segment, 4, before, after);
    }
    header + known
}

fn tcp(segment: &mut [u8], pseudo: (u32, u32)) -> usize {
    let header = match segment.get(12) {
        Some(octet) if octet >> 4 >= 5 => usize::from(octet >> 4) * 4,
        _ => 20,
    };
    let there = header.min(segment.len());
    let before = checksum::sum(segment.get(..there).unwrap_or_default());
    if let Some(options) = segment.get_mut(20..there) {
        // Segment size, window scale, selective acknowledgements, times.
        only_options(options, &[2, 3, 4, 5, 8]);
    }
    let after = checksum::sum(segment.get(..there).unwrap_or_default());
    checksum::update(segment, 16, before, after);
    checksum::update(segment, 16, pseudo.0, pseudo.1);
    header
}
