//! IPv4 (RFC 791).

use magpie_protocol::{AddressPair, Malformed};
use smoltcp::wire::Ipv4Packet;

use super::{Fragment, Ip, Network, Transport, View, transport};

/// Octets of a header without options.
const HEADER: usize = 20;

/// `packet`: the captured octets after the link layer; `left`: how many the
/// wire had there. Leaves [`Network::Invalid`] where there is no valid header.
#[inline(never)]
pub(super) fn read(packet: &[u8], left: u32, view: &mut View) {
    let Some((fixed, options)) = packet.split_first_chunk::<HEADER>() else {
        view.malformed.insert(Malformed::Ip4Short);
        return;
    };
    let header = Ipv4Packet::new_unchecked(fixed);
    if header.version() != 4 {
        view.malformed.insert(Malformed::Ip4Version);
        return;
    }
    let header_octets = u32::from(header.header_len());
    let option_octets = usize::from(header.header_len()).wrapping_sub(HEADER);
    if header_octets < 20 {
        view.malformed.insert(Malformed::Ip4Ihl);
        return;
    }
    let mut ip_octets = u32::from(header.total_len());
    if ip_octets == 0 {
        // Segmentation offload: the packet is the rest of the frame.
        ip_octets = left;
        view.malformed.insert(Malformed::Ip4Len0);
    }
    if ip_octets < header_octets || header_octets > left {
        view.malformed.insert(Malformed::Ip4Len);
        return;
    }
    if ip_octets > left {
        ip_octets = left;
        view.malformed.insert(Malformed::Ip4LenGtFrame);
    }

    view.network = Network::Ip(Ip {
        addresses: AddressPair::V4 {
            a: header.src_addr().octets(),
            b: header.dst_addr().octets(),
        },
        protocol: u8::from(header.next_header()),
        ip_octets,
        fragment: if header.frag_offset() != 0 {
            Fragment::Later
        } else if header.more_frags() {
            Fragment::First
        } else {
            Fragment::Whole
        },
        source_port: 0,
        destination_port: 0,
        transport: Transport::Other,
    });

    let body_octets = ip_octets.wrapping_sub(header_octets);
    // Options that were not captured leave the checksum unjudged and no body.
    let body = match options.split_at_checked(option_octets) {
        Some((options, rest)) => {
            if !checksum_holds(fixed, options) {
                view.malformed.insert(Malformed::Ip4Cksum);
            }
            transport::clip(rest, body_octets)
        }
        None => &[],
    };
    if let Network::Ip(ip) = &mut view.network {
        transport::read(body, body_octets, ip, &mut view.malformed);
    }
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
