//! Where addresses stand in a frame. Each function replaces those it knows and
//! says how many octets from its beginning it knows.

use super::checksum::{self, Checksum};
use super::{Anonymizer, Payload, icmp, options, replace};

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
/// Packets within packets that are followed.
const MAX_DEPTH: u8 = 4;
/// More octets than any packet has: of one whose length is not known.
const UNKNOWN: usize = usize::MAX;

pub(super) fn half(octets: &[u8], at: usize) -> Option<u16> {
    octets
        .get(at..)?
        .first_chunk()
        .map(|pair| u16::from_be_bytes(*pair))
}

/// Octets from `at` on; none where there are none.
pub(super) fn from(octets: &mut [u8], at: usize) -> &mut [u8] {
    octets.get_mut(at..).unwrap_or_default()
}

/// A packet without what is behind it: padding, trailers.
fn up_to(packet: &mut [u8], octets: usize) -> &mut [u8] {
    let there = octets.min(packet.len());
    packet.get_mut(..there).unwrap_or_default()
}

pub(super) fn ethernet(frame: &mut [u8], to: &mut Anonymizer) -> usize {
    ethernet_at(frame, to, MAX_DEPTH)
}

fn ethernet_at(frame: &mut [u8], to: &mut Anonymizer, depth: u8) -> usize {
    let destination = frame.first_chunk::<6>().copied().unwrap_or_default();
    for at in [0, 6] {
        if to.mac(frame, at).is_none() {
            return at;
        }
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
    group(frame, destination, at, kind);
    at + known
}

/// The MAC address of an IP group follows the group's new address, where the
/// packet shows it.
fn group(frame: &mut [u8], old: [u8; 6], at: usize, kind: Option<u16>) {
    let new = match (old, kind) {
        ([0x01, 0x00, 0x5e, ..], Some(IPV4)) => {
            match frame.get(at + 16..).and_then(<[u8]>::first_chunk::<4>) {
                Some([224..=239, b, c, d]) => [0x01, 0x00, 0x5e, b & 0x7f, *c, *d],
                _ => return,
            }
        }
        ([0x33, 0x33, ..], Some(IPV6)) => {
            match frame.get(at + 24..).and_then(<[u8]>::first_chunk::<16>) {
                Some([0xff, .., a, b, c, d]) => [0x33, 0x33, *a, *b, *c, *d],
                _ => return,
            }
        }
        _ => return,
    };
    let _ = replace(frame, 0, |_| new);
}

fn arp(packet: &mut [u8], to: &mut Anonymizer) -> usize {
    // Ethernet and IPv4, with addresses of 6 and 4 octets.
    if packet.first_chunk() != Some(&[0, 1, 8, 0, 6, 4]) {
        return 8;
    }
    for at in [8, 18] {
        if to.mac(packet, at).is_none() {
            return at;
        }
        if to.v4(packet, at + 6).is_none() {
            return at + 6;
        }
    }
    28
}

/// An IP packet of either version.
pub(super) fn ip(packet: &mut [u8], to: &mut Anonymizer, depth: u8) -> usize {
    match packet.first().map(|octet| octet >> 4) {
        Some(4) => ipv4(packet, to, depth),
        Some(6) => ipv6(packet, to, depth),
        _ => 0,
    }
}

fn ipv4(packet: &mut [u8], to: &mut Anonymizer, depth: u8) -> usize {
    let Some(&first) = packet.first() else {
        return 0;
    };
    let claimed = usize::from(first & 0xf) * 4;
    if first >> 4 != 4 || claimed < 20 {
        return 0;
    }
    let total = half(packet, 2).map_or(0, usize::from);
    let (header, on_wire) = match total {
        // A card is to cut it into segments: it has no length of its own yet.
        0 => (claimed, UNKNOWN),
        // Too short for its header: nothing behind the fixed part is one.
        _ if total < claimed => (20, 20),
        _ => (claimed, total),
    };
    let packet = up_to(packet, on_wire);
    let there = header.min(packet.len());
    let own = Checksum::of_header(packet, claimed);
    let before = checksum::sum(packet.get(12..20).unwrap_or_default());
    let whole = to.v4(packet, 12).and_then(|()| to.v4(packet, 16));
    let after = checksum::sum(packet.get(12..20).unwrap_or_default());
    options::only(packet.get_mut(20..there).unwrap_or_default(), options::ipv4);
    own.write(packet, there, 0);
    if whole.is_none() {
        // What there is of an address in part is not shown.
        return if packet.len() < 16 { 12 } else { 16 };
    }
    let fragment = half(packet, 6).unwrap_or_default();
    let (Some(&protocol), 0) = (packet.get(9), fragment & 0x1fff) else {
        return there;
    };
    let rest = match fragment & 0x2000 {
        0 => on_wire.saturating_sub(header),
        _ => UNKNOWN,
    };
    let segment = from(packet, header);
    header + transport(segment, rest, protocol, (before, after), to, depth)
}

fn ipv6(packet: &mut [u8], to: &mut Anonymizer, depth: u8) -> usize {
    if packet.first().is_none_or(|octet| octet >> 4 != 6) {
        return 0;
    }
    let mut on_wire = match half(packet, 4) {
        // Segments of a card, or a jumbogram.
        None | Some(0) => UNKNOWN,
        Some(payload) => usize::from(payload) + 40,
    };
    let packet = up_to(packet, on_wire);
    let before = checksum::sum(packet.get(8..40).unwrap_or_default());
    for at in [8, 24] {
        if to.v6(packet, at).is_none() {
            return at;
        }
    }
    let after = checksum::sum(packet.get(8..40).unwrap_or_default());
    let (mut at, mut next) = (40, packet.get(6).copied());
    for _ in 0..8 {
        match next {
            // Hop-by-hop and destination options, routes.
            Some(0 | 43 | 60) => {
                let Some(&[following, length]) =
                    packet.get(at..).and_then(<[u8]>::first_chunk::<2>)
                else {
                    return at;
                };
                let end = at + (usize::from(length) + 1) * 8;
                let there = end.min(packet.len());
                let inside = packet.get_mut(at + 2..there).unwrap_or_default();
                match next {
                    // Its type, and how many addresses are still to come.
                    Some(43) => inside.get_mut(2..).unwrap_or_default().fill(0),
                    _ => options::only_ipv6(inside),
                }
                if there < end {
                    return there;
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
                let fragment = u16::from_be_bytes([high, low]);
                if fragment >> 3 != 0 {
                    return at;
                }
                if fragment & 1 != 0 {
                    on_wire = UNKNOWN;
                }
                next = Some(following);
            }
            None => return at,
            Some(protocol) => {
                let pseudo = (before, after);
                let rest = on_wire.saturating_sub(at);
                return at + transport(from(packet, at), rest, protocol, pseudo, to, depth);
            }
        }
    }
    at
}

/// `on_wire`: its octets there, as far as is known. `pseudo`: what the addresses
/// of the pseudo header summed up to, and do.
fn transport(
    segment: &mut [u8],
    on_wire: usize,
    protocol: u8,
    pseudo: (u32, u32),
    to: &mut Anonymizer,
    depth: u8,
) -> usize {
    let checksum = Checksum::of_segment(segment, on_wire, protocol, pseudo.0);
    let known = match protocol {
        1 => icmp::v4(segment, to, depth),
        58 => icmp::v6(segment, to, depth),
        2 => icmp::igmp(segment, to),
        4 | 41 if depth > 0 => ip(segment, to, depth - 1),
        6 => tcp(segment),
        17 | 136 | 50 => 8,
        132 => 12,
        47 => gre(segment, to, depth),
        51 if depth > 0 => authentication(segment, on_wire, pseudo, to, depth - 1),
        _ => 0,
    };
    let known = known.min(segment.len());
    // UDP has a length of its own, which the checksum goes by.
    let is_all = known == on_wire && (protocol != 17 || half(segment, 4) == Some(8));
    if to.is_cut || to.payload == Payload::Cut && !is_all {
        checksum::untold(segment, protocol);
    } else if let Some(checksum) = checksum {
        checksum.write(segment, known, pseudo.1);
    }
    known
}

/// RFC 2784, 2890: flags say what is before the packet.
fn gre(segment: &mut [u8], to: &mut Anonymizer, depth: u8) -> usize {
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
    let inner = from(segment, header);
    let known = match kind {
        IPV4 => ipv4(inner, to, depth),
        IPV6 => ipv6(inner, to, depth),
        0x6558 => ethernet_at(inner, to, depth),
        _ => 0,
    };
    header + known
}

/// RFC 4302: the value that proves what is behind it is over addresses, too, and
/// proves nothing any more.
fn authentication(
    segment: &mut [u8],
    on_wire: usize,
    pseudo: (u32, u32),
    to: &mut Anonymizer,
    depth: u8,
) -> usize {
    const FIXED: usize = 12;
    let Some(&[next, words]) = segment.first_chunk::<2>() else {
        return 0;
    };
    let header = (usize::from(words) + 2) * 4;
    let there = header.min(segment.len());
    segment.get_mut(FIXED..there).unwrap_or_default().fill(0);
    if header < FIXED {
        return header;
    }
    let rest = on_wire.saturating_sub(header);
    header + transport(from(segment, header), rest, next, pseudo, to, depth)
}

fn tcp(segment: &mut [u8]) -> usize {
    let header = match segment.get(12) {
        Some(octet) if octet >> 4 >= 5 => usize::from(octet >> 4) * 4,
        _ => 20,
    };
    let there = header.min(segment.len());
    options::only(segment.get_mut(20..there).unwrap_or_default(), options::tcp);
    header
}
