//! What of a frame its double has too.

use crate::dissect::{self, Carried};

/// Most octets of a content.
pub(super) const MOST: usize = 128;
/// Octets of a content that may be masked.
const HEAD: usize = 16;

/// Octets of both addresses.
const ADDRESSES: usize = 12;
/// Shortest Ethernet frame without FCS: shorter ones are padded.
const SHORTEST: usize = 60;
/// Most tags walked (EXACT.md 2).
const MAX_TAGS: usize = 32;

const IP4_HEADER: usize = 20;
const IP6_HEADER: usize = 40;
const TCP_HEADER: usize = 20;
const TCP: u8 = 6;
const FIN_OR_SYN: u8 = 0x03;

/// Kind of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ip4 = 1,
    Ip6 = 2,
    Other = 3,
}

impl Kind {
    /// What of the first octets is compared, as words in the order of the memory.
    #[inline]
    fn mask(self) -> [u32; HEAD / 4] {
        const ALL: u32 = u32::MAX;
        match self {
            // Type of service; TTL and header checksum.
            Self::Ip4 => [
                u32::from_ne_bytes([0xff, 0, 0xff, 0xff]),
                ALL,
                u32::from_ne_bytes([0, 0xff, 0, 0]),
                ALL,
            ],
            // Traffic class; hop limit.
            Self::Ip6 => [
                u32::from_ne_bytes([0xf0, 0x0f, 0xff, 0xff]),
                u32::from_ne_bytes([0xff, 0xff, 0xff, 0]),
                ALL,
                ALL,
            ],
            Self::Other => [ALL; 4],
        }
    }
}

/// A frame as the detector sees it.
pub(super) struct Content<'f> {
    pub(super) kind: Kind,
    /// 0 where there is none.
    pub(super) ttl: u8,
    /// 0 for none.
    pub(super) vlan: u16,
    /// The first octets, zero behind the end.
    head: [u8; HEAD],
    /// Those behind them, up to [`MOST`].
    body: &'f [u8],
    /// Octets of both.
    pub(super) octets: u8,
    /// The packet, whole; empty for what is not IP.
    packet: &'f [u8],
}

impl<'f> Content<'f> {
    /// Of a frame as captured.
    #[inline]
    pub(super) fn of(frame: &'f [u8]) -> Self {
        let packet = match frame.get(ADDRESSES..).unwrap_or(&[]) {
            [0x08, 0x00, packet @ ..] => ip4(packet, 0),
            [0x86, 0xdd, packet @ ..] => ip6(packet, 0),
            _ => None,
        };
        packet.unwrap_or_else(|| Self::of_rare(frame))
    }

    /// Tagged, encapsulated, or not IP.
    #[inline(never)]
    fn of_rare(frame: &'f [u8]) -> Self {
        let (addresses, rest) = frame.split_at(ADDRESSES.min(frame.len()));
        let (vlan, rest) = untag(rest);
        match dissect::carried(frame) {
            (Carried::Ip4, packet) => ip4(packet, vlan),
            (Carried::Ip6, packet) => ip6(packet, vlan),
            _ => None,
        }
        .unwrap_or_else(|| other(addresses, rest, vlan))
    }

    /// Words to be compared, two at a time: the same in number for contents
    /// of the same length.
    #[inline]
    pub(super) fn pairs(&self) -> impl Iterator<Item = [u32; 2]> + use<'f> {
        let (words, _) = self.head.as_chunks::<4>();
        let mut head = self.kind.mask();
        for (mask, word) in head.iter_mut().zip(words) {
            *mask &= u32::from_ne_bytes(*word);
        }
        let [first, second, third, fourth] = head;
        let (body, end) = self.body.as_chunks::<8>();
        // The last of them, filled up with zeros.
        let mut last = [0; 8];
        for (octet, from) in last.iter_mut().zip(end) {
            *octet = *from;
        }
        [[first, second], [third, fourth]]
            .into_iter()
            .chain(body.iter().copied().map(words_of))
            .chain((!end.is_empty()).then(|| words_of(last)))
    }

    /// Whether a switched double is a sure one: its sender could not have sent
    /// it twice within a window.
    pub(super) fn tells(&self) -> bool {
        match self.kind {
            Kind::Ip4 => ip4_tells(self.packet),
            Kind::Ip6 => ip6_tells(self.packet),
            Kind::Other => None,
        }
        .unwrap_or(false)
    }
}

fn ip4_tells(packet: &[u8]) -> Option<bool> {
    let [
        first,
        _,
        high,
        low,
        id_high,
        id_low,
        flags,
        offset,
        _,
        protocol,
        ..,
    ] = packet.first_chunk::<IP4_HEADER>()?;
    if (*id_high, *id_low) != (0, 0) {
        return Some(true);
    }
    if (*protocol, flags & 0x1f, *offset) != (TCP, 0, 0) {
        return None;
    }
    let total = match u16::from_be_bytes([*high, *low]) {
        total @ 20.. => usize::from(total),
        _ => packet.len(),
    };
    let header = usize::from(first & 0x0f).wrapping_mul(4);
    tcp_tells(packet.get(header..)?, total.checked_sub(header)?)
}

fn ip6_tells(packet: &[u8]) -> Option<bool> {
    let (header, tcp) = packet.split_first_chunk::<IP6_HEADER>()?;
    let [_, _, _, _, high, low, TCP, ..] = header else {
        return None;
    };
    let payload = match u16::from_be_bytes([*high, *low]) {
        0 => tcp.len(),
        payload => usize::from(payload),
    };
    tcp_tells(tcp, payload)
}

/// Whether a segment of `octets` octets takes sequence space.
fn tcp_tells(captured: &[u8], octets: usize) -> Option<bool> {
    let [.., offset, flags, _, _, _, _, _, _] = captured.first_chunk::<TCP_HEADER>()?;
    let header = usize::from(offset >> 4).wrapping_mul(4);
    Some(flags & FIN_OR_SYN != 0 || octets > header)
}

#[inline]
fn words_of([a, b, c, d, e, f, g, h]: [u8; 8]) -> [u32; 2] {
    [
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
    ]
}

/// Innermost VLAN, and all from the type behind the last tag on.
fn untag(mut rest: &[u8]) -> (u16, &[u8]) {
    let mut vlan = 0;
    for _ in 0..MAX_TAGS {
        let ([0x81 | 0x91, 0x00, tag @ ..] | [0x88, 0xa8, tag @ ..]) = rest else {
            break;
        };
        let [high, low, next @ ..] = tag else { break };
        // A tag counts with the type behind it.
        if next.len() < 2 {
            break;
        }
        let id = u16::from_be_bytes([high & 0x0f, *low]);
        if id != 0 {
            vlan = id;
        }
        rest = next;
    }
    (vlan, rest)
}

fn ip4(captured: &[u8], vlan: u16) -> Option<Content<'_>> {
    let [first, _, high, low, _, _, _, _, ttl, ..] = captured.first_chunk::<IP4_HEADER>()?;
    if first >> 4 != 4 {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([*high, *low]));
    let end = if total >= IP4_HEADER {
        total
    } else {
        usize::MAX
    };
    packet(Kind::Ip4, captured, end, *ttl, vlan)
}

fn ip6(captured: &[u8], vlan: u16) -> Option<Content<'_>> {
    let [first, _, _, _, high, low, _, ttl, ..] = captured.first_chunk::<IP6_HEADER>()?;
    if first >> 4 != 6 {
        return None;
    }
    let payload = usize::from(u16::from_be_bytes([*high, *low]));
    let end = if payload > 0 {
        payload.saturating_add(IP6_HEADER)
    } else {
        usize::MAX
    };
    packet(Kind::Ip6, captured, end, *ttl, vlan)
}

#[inline]
fn packet(kind: Kind, captured: &[u8], end: usize, ttl: u8, vlan: u16) -> Option<Content<'_>> {
    let packet = captured.get(..end).unwrap_or(captured);
    let content = packet.get(..MOST).unwrap_or(packet);
    let (head, body) = content.split_first_chunk::<HEAD>()?;
    Some(Content {
        kind,
        ttl,
        vlan,
        head: *head,
        body,
        octets: u8::try_from(content.len()).unwrap_or(u8::MAX),
        packet,
    })
}

/// `rest`: from the type on, if the frame has one.
fn other<'f>(addresses: &[u8], mut rest: &'f [u8], vlan: u16) -> Content<'f> {
    const BEHIND: usize = MOST - ADDRESSES;
    if (2..=SHORTEST - ADDRESSES).contains(&rest.len()) {
        while let [less @ .., 0] = rest {
            rest = less;
        }
    }
    rest = rest.get(..BEHIND).unwrap_or(rest);
    let octets = u8::try_from(rest.len().saturating_add(addresses.len())).unwrap_or(u8::MAX);
    let mut head = [0; HEAD];
    for (octet, from) in head.iter_mut().zip(addresses.iter().chain(rest)) {
        *octet = *from;
    }
    Content {
        kind: Kind::Other,
        ttl: 0,
        vlan,
        head,
        body: rest.get(HEAD - ADDRESSES..).unwrap_or(&[]),
        octets,
        packet: &[],
    }
}
