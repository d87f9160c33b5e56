//! IPv4 (RFC 791).

use magpie_protocol::Malformed;
use smoltcp::wire::Ipv4Packet;

use super::{Fragment, Parsed, Rare, transport};

/// Octets of a header without options.
const HEADER: usize = 20;

/// The first octet of most headers: version 4, no options.
const PLAIN: u8 = 0x45;

/// `packet`: the captured octets after the link layer; `left`: how many the
/// wire had there. Leaves it invalid where there is no valid header.
#[inline(never)]
pub(super) fn read(packet: &[u8], left: u32, parsed: &mut Parsed) {
    let Some((fixed, rest)) = packet.split_first_chunk::<HEADER>() else {
        return parsed.rare.raise(Malformed::Ip4Short);
    };
    // Of the flags only M counts, which stands next to the offset.
    let [first, _, _, _, _, _, flags_high, low, ..] = fixed;
    let is_whole = u16::from_ne_bytes([flags_high & 0x3f, *low]) == 0;
    if *first == PLAIN && is_whole {
        rest_of(fixed, Some((&[], rest)), Fragment::Whole, left, parsed);
    } else {
        unusual(fixed, rest, left, parsed);
    }
}

/// With options, a fragment, or not IPv4 at all.
#[inline(never)]
fn unusual(fixed: &[u8; HEADER], rest: &[u8], left: u32, parsed: &mut Parsed) {
    let header = Ipv4Packet::new_unchecked(fixed);
    if header.version() != 4 {
        return parsed.rare.raise(Malformed::Ip4Version);
    }
    let Some(option_octets) = usize::from(header.header_len()).checked_sub(HEADER) else {
        return parsed.rare.raise(Malformed::Ip4Ihl);
    };
    let place = if header.frag_offset() != 0 {
        Fragment::Later
    } else if header.more_frags() {
        Fragment::First
    } else {
        Fragment::Whole
    };
    let behind = rest.split_at_checked(option_octets);
    rest_of(fixed, behind, place, left, parsed);
}

/// A header whose version and length are sound. `behind`: its options and what
/// comes behind them, as captured; `None` where options were not captured
/// whole.
#[expect(
    clippy::inline_always,
    reason = "without options much of it is nothing"
)]
#[inline(always)]
fn rest_of(
    fixed: &[u8; HEADER],
    behind: Option<(&[u8], &[u8])>,
    place: Fragment,
    left: u32,
    parsed: &mut Parsed,
) {
    let header = Ipv4Packet::new_unchecked(fixed);
    let header_octets = match behind {
        Some(([], _)) => 20,
        _ => u32::from(header.header_len()),
    };
    let mut ip_octets = u32::from(header.total_len());
    if ip_octets < header_octets || ip_octets > left {
        let odd = odd_length(ip_octets, header_octets, left, &mut parsed.rare);
        let Some(octets) = odd else {
            return;
        };
        ip_octets = octets;
    }
    parsed.set_ip(ip_octets);
    parsed.rare.set_fragment(place);

    let body_octets = ip_octets.wrapping_sub(header_octets);
    // Options that were not captured leave the checksum unjudged and no body.
    let body = match behind {
        Some((options, rest)) => {
            if !checksum_holds(fixed, options) {
                parsed.rare.raise(Malformed::Ip4Cksum);
            }
            transport::clip(rest, body_octets)
        }
        None => &[],
    };
    let protocol = u8::from(header.next_header());
    let ports = transport::read::<4>(body, body_octets, protocol, place, parsed);
    let (source, destination) = (header.src_addr().to_bits(), header.dst_addr().to_bits());
    parsed.from = parsed.key.set_ip4(protocol, source, destination, ports);
}

/// The length of a packet that does not say it right; `None` where it has none.
#[inline(never)]
fn odd_length(says: u32, header_octets: u32, left: u32, rare: &mut Rare) -> Option<u32> {
    let mut ip_octets = says;
    if says == 0 {
        // Segmentation offload: the packet is the rest of the frame.
        rare.raise(Malformed::Ip4Len0);
        ip_octets = left;
    }
    if ip_octets < header_octets || header_octets > left {
        rare.raise(Malformed::Ip4Len);
        return None;
    }
    if ip_octets > left {
        rare.raise(Malformed::Ip4LenGtFrame);
    }
    Some(ip_octets.min(left))
}

/// RFC 1071: the one's complement sum of a sound header is all ones. The sum
/// does not depend on the octet order, nor on adding two words at a time.
#[inline]
fn checksum_holds(fixed: &[u8; HEADER], options: &[u8]) -> bool {
    let mut sum = fixed.as_chunks::<4>().0.iter().copied().fold(0, add);
    if !options.is_empty() {
        sum = add_options(sum, options);
    }
    // Both halves added, with their carry, in the upper half.
    sum.wrapping_add(sum.rotate_right(16)) >> 16 == 0xffff
}

#[inline(never)] // rare: an unrolled loop would take the registers of all
fn add_options(sum: u32, options: &[u8]) -> u32 {
    options.as_chunks::<4>().0.iter().copied().fold(sum, add)
}

/// One's complement addition.
#[inline]
fn add(sum: u32, word: [u8; 4]) -> u32 {
    let (sum, carry) = sum.overflowing_add(u32::from_ne_bytes(word));
    sum.wrapping_add(u32::from(carry))
}
