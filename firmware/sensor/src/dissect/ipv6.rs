//! IPv6 (RFC 8200) and the walk over its extension headers.

use magpie_protocol::Malformed;
use smoltcp::wire::Ipv6Packet;

use super::{Fragment, Parsed, transport};

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
/// wire had there. Leaves it invalid where there is no valid header.
#[inline(never)]
pub(super) fn read(packet: &[u8], left: u32, parsed: &mut Parsed) {
    let Some((fixed, rest)) = packet.split_first_chunk::<HEADER>() else {
        return parsed.rare.raise(Malformed::Ip6Short);
    };
    let header = Ipv6Packet::new_unchecked(fixed);
    if header.version() != 6 {
        return parsed.rare.raise(Malformed::Ip6Version);
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
        parsed.rare.raise(Malformed::Ip6LenGtFrame);
    }

    parsed.set_ip(ip_octets);

    let octets = ip_octets.saturating_sub(HEADER_OCTETS);
    let body = transport::clip(rest, octets);
    let (protocol, ports) = if step(next) == Step::End {
        (
            next,
            transport::read::<6>(body, octets, next, Fragment::Whole, parsed),
        )
    } else {
        extended(body, octets, next, parsed)
    };
    let (source, destination) = (header.src_addr().octets(), header.dst_addr().octets());
    parsed.from = parsed.key.set_ip6(protocol, &source, &destination, ports);
}

/// As [`transport::read`], behind extension headers of which `first` is the
/// first: the protocol and the ports.
#[inline(never)] // most packets have none: out of their way
fn extended(body: &[u8], octets: u32, first: u8, parsed: &mut Parsed) -> (u8, u32) {
    let (protocol, place, walked) = walk(body, first);
    parsed.rare.set_fragment(place);
    let walked = match walked {
        Ok(walked) => walked,
        Err(class) => {
            parsed.rare.raise(class);
            return (protocol, 0);
        }
    };
    let octets = octets.saturating_sub(u32::try_from(walked).unwrap_or(u32::MAX));
    let body = body.get(walked..).unwrap_or(&[]);
    let ports = transport::read::<6>(body, octets, protocol, place, parsed);
    (protocol, ports)
}

/// What the walk does with a header.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It is the protocol: the walk ends.
    End,
    /// It has a length field.
    Length,
    /// It is a fragment header: eight octets.
    Fragment,
}

/// By protocol number (EXACT.md 4). A table: one load instead of four
/// comparisons for each of 128 headers.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static STEPS: [Step; 256] = {
    let mut steps = [Step::End; 256];
    steps[HOP_BY_HOP as usize] = Step::Length;
    steps[ROUTING as usize] = Step::Length;
    steps[FRAGMENT as usize] = Step::Fragment;
    steps[DESTINATION as usize] = Step::Length;
    steps
};

#[inline]
fn step(protocol: u8) -> Step {
    STEPS
        .get(usize::from(protocol))
        .copied()
        .unwrap_or(Step::End)
}

/// Walks the extension headers that `packet` begins with, the first of them
/// being `first`: the header where the walk ended, which part of a packet this
/// is, and how many octets were walked or what was wrong.
#[inline]
fn walk(packet: &[u8], first: u8) -> (u8, Fragment, Result<usize, Malformed>) {
    // RFC 8200 4.5: offset in the high 13 bits, M in the lowest. Tested in
    // the order of the memory, whichever that is.
    const OFFSET: u16 = u16::from_be(0xfff8);
    const MORE: u16 = u16::from_be(0x0001);
    // Every extension header takes a multiple of eight octets.
    let (units, _) = packet.as_chunks::<8>();
    let mut at = 0_usize;
    let mut protocol = first;
    let mut here = step(protocol);
    // Of several fragment headers the last one says it.
    let mut offset_and_more = 0_u16;
    let mut failed = Some(Malformed::Ip6ExtDeep);
    for _ in 0..MAX_HEADERS {
        let Some([next, more_units, offset_first, offset_second, ..]) = units.get(at) else {
            failed = Some(Malformed::Ip6ExtShort);
            break;
        };
        at = at.wrapping_add(1);
        if here == Step::Fragment {
            offset_and_more = u16::from_ne_bytes([*offset_first, *offset_second]);
            if offset_and_more & OFFSET != 0 {
                protocol = *next;
                failed = None;
                break;
            }
        } else {
            at = at.wrapping_add(usize::from(*more_units));
            if at > units.len() {
                failed = Some(Malformed::Ip6ExtShort);
                break;
            }
        }
        protocol = *next;
        here = step(protocol);
        if here == Step::End {
            failed = None;
            break;
        }
    }
    let place = if offset_and_more & OFFSET != 0 {
        Fragment::Later
    } else if offset_and_more & MORE != 0 {
        Fragment::First
    } else {
        Fragment::Whole
    };
    let walked = failed.map_or(Ok(at.wrapping_mul(8)), Err);
    (protocol, place, walked)
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
