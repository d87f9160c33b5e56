//! IPv6 (RFC 8200) and the walk over its extension headers.

use magpie_protocol::{AddressPair, Malformed};
use smoltcp::wire::Ipv6Packet;

use super::{Classes, Fragment, Ip, Network, Transport, View, transport};

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

/// `packet`: the captured octets after the link layer; `left`: how many the
/// wire had there. Leaves [`Network::Invalid`] where there is no valid header.
#[inline(never)]
pub(super) fn read(packet: &[u8], left: u32, view: &mut View) {
    let Some((fixed, rest)) = packet.split_first_chunk::<HEADER>() else {
        view.malformed.insert(Malformed::Ip6Short);
        return;
    };
    let header = Ipv6Packet::new_unchecked(fixed);
    if header.version() != 6 {
        view.malformed.insert(Malformed::Ip6Version);
        return;
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
        view.malformed.insert(Malformed::Ip6LenGtFrame);
    }

    view.network = Network::Ip(Ip {
        addresses: AddressPair::V6 {
            a: header.src_addr().octets(),
            b: header.dst_addr().octets(),
        },
        protocol: next,
        ip_octets,
        fragment: Fragment::Whole,
        source_port: 0,
        destination_port: 0,
        transport: Transport::Other,
    });
    let Network::Ip(ip) = &mut view.network else {
        return;
    };
    let mut octets = ip_octets.saturating_sub(HEADER_OCTETS);
    let mut body = transport::clip(rest, octets);
    if is_extension(next) {
        let Some(walked) = walk(body, ip, &mut view.malformed) else {
            return;
        };
        octets = octets.saturating_sub(u32::try_from(walked).unwrap_or(u32::MAX));
        body = body.get(walked..).unwrap_or(&[]);
    }
    transport::read(body, octets, ip, &mut view.malformed);
}

/// Is it a header that the walk goes over (EXACT.md 4)?
#[inline]
fn is_extension(protocol: u8) -> bool {
    // A table: one load for what would be four comparisons a header.
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        table[HOP_BY_HOP as usize] = true;
        table[ROUTING as usize] = true;
        table[FRAGMENT as usize] = true;
        table[DESTINATION as usize] = true;
        table
    };
    static IS_EXTENSION: [bool; 256] = TABLE;
    IS_EXTENSION.get(usize::from(protocol)).copied().unwrap_or(false)
}

/// Walks the extension headers that `packet` begins with, the first of them
/// being `ip.protocol`. Leaves the header where the walk ended in
/// `ip.protocol` and gives how many octets were walked; `None` when it failed.
#[inline(never)] // most packets have none: out of their way
fn walk(packet: &[u8], ip: &mut Ip, malformed: &mut Classes) -> Option<usize> {
    // Every extension header takes a multiple of eight octets.
    let (units, _) = packet.as_chunks::<8>();
    let mut protocol = ip.protocol;
    let mut at = 0_usize;
    for _ in 0..MAX_HEADERS {
        let Some([next, more_units, offset_high, offset_low, ..]) = units.get(at) else {
            return stop(Malformed::Ip6ExtShort, protocol, ip, malformed);
        };
        at = at.wrapping_add(1);
        if protocol == FRAGMENT {
            let offset_and_flags = u16::from_be_bytes([*offset_high, *offset_low]);
            // RFC 8200 4.5: offset in the high 13 bits, M in the lowest. Of
            // several fragment headers the last one says it.
            ip.fragment = match (offset_and_flags & 0xfff8, offset_and_flags & 1) {
                (0, 0) => Fragment::Whole,
                (0, _) => Fragment::First,
                _ => Fragment::Later,
            };
            if ip.fragment == Fragment::Later {
                ip.protocol = *next;
                return Some(at.wrapping_mul(8));
            }
        } else {
            at = at.wrapping_add(usize::from(*more_units));
            if at > units.len() {
                return stop(Malformed::Ip6ExtShort, protocol, ip, malformed);
            }
        }
        protocol = *next;
        if !is_extension(protocol) {
            ip.protocol = protocol;
            return Some(at.wrapping_mul(8));
        }
    }
    stop(Malformed::Ip6ExtDeep, protocol, ip, malformed)
}

/// A walk cut short: the protocol is the extension header where it was.
fn stop(class: Malformed, protocol: u8, ip: &mut Ip, malformed: &mut Classes) -> Option<usize> {
    malformed.insert(class);
    ip.protocol = protocol;
    None
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
