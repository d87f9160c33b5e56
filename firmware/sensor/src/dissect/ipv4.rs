//! IPv4 (RFC 791).

use magpie_protocol::{AddressPair, Malformed};
use smoltcp::wire::Ipv4Packet;

use super::{Classes, Fragment, Ip, Network, transport};

/// Octets of a header without options.
const HEADER: usize = 20;

/// `packet`: the captured octets after the link layer; `left`: how many the
/// wire had there.
#[inline]
pub(super) fn read(packet: &[u8], left: u32, malformed: &mut Classes) -> Network {
    let Some((fixed, options)) = packet.split_first_chunk::<HEADER>() else {
        malformed.insert(Malformed::Ip4Short);
        return Network::Invalid;
    };
    let header = Ipv4Packet::new_unchecked(fixed);
    if header.version() != 4 {
        malformed.insert(Malformed::Ip4Version);
        return Network::Invalid;
    }
    let header_octets = header.header_len();
    let Some(option_octets) = usize::from(header_octets).checked_sub(HEADER) else {
        malformed.insert(Malformed::Ip4Ihl);
        return Network::Invalid;
    };
    let mut ip_octets = u32::from(header.total_len());
    if ip_octets == 0 {
        // Segmentation offload: the packet is the rest of the frame.
        ip_octets = left;
        malformed.insert(Malformed::Ip4Len0);
    }
    if ip_octets < u32::from(header_octets) || u32::from(header_octets) > left {
        malformed.insert(Malformed::Ip4Len);
        return Network::Invalid;
    }
    if ip_octets > left {
        ip_octets = left;
        malformed.insert(Malformed::Ip4LenGtFrame);
    }

    let body_octets = ip_octets.saturating_sub(u32::from(header_octets));
    // Options that were not captured leave the checksum unjudged and no body.
    let body = match options.split_at_checked(option_octets) {
        Some((options, rest)) => {
            if !checksum_holds(fixed, options) {
                malformed.insert(Malformed::Ip4Cksum);
            }
            transport::clip(rest, body_octets)
        }
        None => &[],
    };
    let fragment = if header.frag_offset() != 0 {
        Fragment::Later
    } else if header.more_frags() {
        Fragment::First
    } else {
        Fragment::Whole
    };
    let protocol = u8::from(header.next_header());
    let upper = transport::read(
        transport::Version::V4,
        protocol,
        fragment,
        body,
        body_octets,
        malformed,
    );
    Network::Ip(Ip {
        addresses: AddressPair::V4 {
            a: header.src_addr().octets(),
            b: header.dst_addr().octets(),
        },
        protocol,
        ip_octets,
        fragment,
        source_port: upper.source_port,
        destination_port: upper.destination_port,
        transport: upper.transport,
    })
}

/// RFC 1071: the one's complement sum of a sound header is all ones. The sum
/// does not depend on the octet order, nor on adding two words at a time.
#[inline]
fn checksum_holds(fixed: &[u8; HEADER], options: &[u8]) -> bool {
    let words = fixed
        .as_chunks::<4>()
        .0
        .iter()
        .chain(options.as_chunks::<4>().0);
    // At most 15 words of 32 bits: 64 bits are ample.
    let sum = words.fold(0_u64, |sum, word| {
        sum.wrapping_add(u64::from(u32::from_ne_bytes(*word)))
    });
    sum.is_multiple_of(0xffff)
}
