//! IPv6 (RFC 8200) and the walk over its extension headers.

use magpie_protocol::{AddressPair, Malformed};
use smoltcp::wire::Ipv6Packet;

use super::{Classes, Fragment, Ip, Network, transport};

const HEADER: usize = 40;
const HEADER_OCTETS: u32 = 40;

/// Most extension headers walked (EXACT.md 4).
const MAX_HEADERS: usize = 128;
/// Most options looked at for a jumbo payload (EXACT.md 4).
const MAX_JUMBO_OPTIONS: usize = 64;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// Where a walk over the extension headers ended.
struct Walk<'a> {
    /// The header that was not walked.
    protocol: u8,
    fragment: Fragment,
    /// The captured octets from there on; `None` when the walk failed.
    body: Option<&'a [u8]>,
    /// The octets the IP header gives to what follows.
    body_octets: u32,
}

/// `packet`: the captured octets after the link layer; `left`: how many the
/// wire had there.
#[inline]
pub(super) fn read(packet: &[u8], left: u32, malformed: &mut Classes) -> Network {
    let Some((fixed, rest)) = packet.split_first_chunk::<HEADER>() else {
        malformed.insert(Malformed::Ip6Short);
        return Network::Invalid;
    };
    let header = Ipv6Packet::new_unchecked(fixed);
    if header.version() != 6 {
        malformed.insert(Malformed::Ip6Version);
        return Network::Invalid;
    }
    let next = u8::from(header.next_header());
    let payload_octets = match u32::from(header.payload_len()) {
        0 if next == HOP_BY_HOP => jumbo(rest).unwrap_or(0),
        octets => octets,
    };
    // A sum beyond 32 bits is beyond the frame too.
    let mut ip_octets = payload_octets.saturating_add(HEADER_OCTETS);
    if ip_octets > left {
        ip_octets = left;
        malformed.insert(Malformed::Ip6LenGtFrame);
    }

    let body_octets = ip_octets.saturating_sub(HEADER_OCTETS);
    let body = transport::clip(rest, body_octets);
    let walk = if is_extension(next) {
        walk(next, body, body_octets, malformed)
    } else {
        Walk {
            protocol: next,
            fragment: Fragment::Whole,
            body: Some(body),
            body_octets,
        }
    };
    let upper = match walk.body {
        Some(body) => transport::read(
            transport::Version::V6,
            walk.protocol,
            walk.fragment,
            body,
            walk.body_octets,
            malformed,
        ),
        None => transport::Upper::NONE,
    };
    Network::Ip(Ip {
        addresses: AddressPair::V6 {
            a: header.src_addr().octets(),
            b: header.dst_addr().octets(),
        },
        protocol: walk.protocol,
        ip_octets,
        fragment: walk.fragment,
        source_port: upper.source_port,
        destination_port: upper.destination_port,
        transport: upper.transport,
    })
}

#[inline]
fn is_extension(protocol: u8) -> bool {
    matches!(protocol, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION)
}

/// From a first extension header on.
#[inline(never)] // most packets have none: keep it out of their way
fn walk<'a>(first: u8, packet: &'a [u8], octets: u32, malformed: &mut Classes) -> Walk<'a> {
    let mut protocol = first;
    let mut fragment = Fragment::Whole;
    let mut rest = packet;
    let end = |protocol, fragment, rest: &'a [u8], whole: bool| Walk {
        protocol,
        fragment,
        body: whole.then_some(rest),
        body_octets: octets.saturating_sub(
            u32::try_from(packet.len().saturating_sub(rest.len())).unwrap_or(u32::MAX),
        ),
    };
    for _ in 0..MAX_HEADERS {
        let Some(([next, units, offset_high, offset_low, _, _, _, _], after)) =
            rest.split_first_chunk::<8>()
        else {
            malformed.insert(Malformed::Ip6ExtShort);
            return end(protocol, fragment, rest, false);
        };
        if protocol == FRAGMENT {
            let offset_and_flags = u16::from_be_bytes([*offset_high, *offset_low]);
            rest = after;
            // RFC 8200 4.5: offset in the high 13 bits, M in the lowest.
            if offset_and_flags & 0xfff8 != 0 {
                return end(*next, Fragment::Later, rest, true);
            }
            fragment = if offset_and_flags & 1 == 1 {
                Fragment::First
            } else {
                Fragment::Whole
            };
        } else {
            // The length is in units of eight octets, the first not counted.
            let Some(after) = after.get(usize::from(*units).saturating_mul(8)..) else {
                malformed.insert(Malformed::Ip6ExtShort);
                return end(protocol, fragment, rest, false);
            };
            rest = after;
        }
        protocol = *next;
        if !is_extension(protocol) {
            return end(protocol, fragment, rest, true);
        }
    }
    malformed.insert(Malformed::Ip6ExtDeep);
    end(protocol, fragment, rest, false)
}

/// The payload length in a jumbo option (RFC 2675), if the hop-by-hop
/// options (from the extension header's first octet on) have one.
#[inline(never)]
fn jumbo(options: &[u8]) -> Option<u32> {
    const PAD1: u8 = 0;
    const JUMBO: u8 = 0xc2;
    let ([_, units, ..], _) = options.split_first_chunk::<8>()?;
    let octets = usize::from(*units).saturating_mul(8).saturating_add(8);
    let mut rest = options.get(2..octets.min(options.len()))?;
    for _ in 0..MAX_JUMBO_OPTIONS {
        let ([kind, len], after) = rest.split_first_chunk::<2>()?;
        rest = if *kind == PAD1 {
            rest.get(1..)?
        } else {
            if (*kind, *len) == (JUMBO, 4)
                && let Some(payload) = after.first_chunk::<4>()
            {
                return Some(u32::from_be_bytes(*payload));
            }
            after.get(usize::from(*len)..)?
        };
    }
    None
}
