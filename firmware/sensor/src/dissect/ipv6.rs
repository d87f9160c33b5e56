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
/// Headers or options to a round of a loop: they share its end.
const UNROLLED: usize = 4;

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
#[repr(u8)]
enum Step {
    /// It has a length field.
    Length,
    /// It is a fragment header: eight octets.
    Fragment,
    /// It is the protocol: the walk ends.
    End,
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
    let (mut before, mut protocol) = (first, first);
    let mut here = step(first);
    // Of several fragment headers the last one says it.
    let mut fragment = 0_u16;
    let class = 'walk: {
        for _ in 0..MAX_HEADERS / UNROLLED {
            for _ in 0..UNROLLED {
                let Some([next, more, first, second, ..]) = units.get(at) else {
                    break 'walk Malformed::Ip6ExtShort;
                };
                match here {
                    Step::Length => at = at.wrapping_add(usize::from(*more)),
                    Step::Fragment => {
                        fragment = u16::from_ne_bytes([*first, *second]);
                        if fragment & OFFSET != 0 {
                            (protocol, here) = (*next, Step::End);
                            at = at.wrapping_add(1);
                            break 'walk Malformed::Ip6ExtShort;
                        }
                    }
                    Step::End => break 'walk Malformed::Ip6ExtShort,
                }
                at = at.wrapping_add(1);
                (before, protocol) = (protocol, *next);
                here = step(protocol);
            }
        }
        Malformed::Ip6ExtDeep
    };
    let place = if fragment & OFFSET != 0 {
        Fragment::Later
    } else if fragment & MORE != 0 {
        Fragment::First
    } else {
        Fragment::Whole
    };
    if at > units.len() {
        // The last header is not there as a whole.
        (before, place, Err(Malformed::Ip6ExtShort))
    } else if here == Step::End {
        (protocol, place, Ok(at.wrapping_mul(8)))
    } else {
        (protocol, place, Err(class))
    }
}

/// The payload length in a jumbo option (RFC 2675), if the hop-by-hop
/// options (from the extension header's first octet on) have one.
#[inline(never)]
fn jumbo(header: &[u8]) -> Option<u32> {
    // Kind in the lower half, length in the upper.
    const KIND: u16 = 0x00ff;
    const PAD1: u16 = 0;
    const JUMBO: u16 = 0x04c2;
    let ([_, units, ..], _) = header.split_first_chunk::<8>()?;
    let octets = usize::from(*units).saturating_mul(8).saturating_add(8);
    let options = header.get(2..octets.min(header.len()))?;
    // Both octets of an option by where it begins.
    let kinds = options.get(..options.len().wrapping_sub(1))?;
    let lengths = options.get(1..)?;
    let mut at = 0_usize;
    for _ in 0..MAX_JUMBO_OPTIONS / UNROLLED {
        for _ in 0..UNROLLED {
            let option = u16::from_le_bytes([*kinds.get(at)?, *lengths.get(at)?]);
            at = at.wrapping_add(1);
            if option & KIND == PAD1 {
                continue;
            }
            at = at.wrapping_add(1);
            if option == JUMBO {
                let payload = options.get(at..)?.first_chunk()?;
                return Some(u32::from_be_bytes(*payload));
            }
            at = at.wrapping_add(usize::from(option >> 8));
        }
    }
    None
}
