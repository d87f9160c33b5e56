//! Echo requests as octets, and octets as replies.

use std::net::IpAddr;

use pnet_packet::icmp::echo_reply::EchoReplyPacket;
use pnet_packet::icmp::echo_request::{EchoRequestPacket, MutableEchoRequestPacket};
use pnet_packet::icmp::{IcmpPacket, IcmpType, checksum};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv4::Ipv4Packet;

use super::payload::{self, Pattern};
use crate::icmp::IcmpError;

/// Octets of an echo header.
pub const HEADER: usize = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;

/// Writes a request. The `ICMPv6` checksum needs addresses, and whoever sends it
/// writes it.
pub(super) fn request(
    into: &mut Vec<u8>,
    is_v6: bool,
    identifier: u16,
    sequence: u16,
    fill: &Fill<'_>,
) {
    into.clear();
    into.resize(HEADER, 0);
    payload::write(into, fill.size, fill.pattern, fill.wall);
    let Some(mut packet) = MutableEchoRequestPacket::new(into) else {
        return;
    };
    let kind = if is_v6 { ECHO_REQUEST_V6 } else { ECHO_REQUEST };
    packet.set_icmp_type(IcmpType(kind));
    packet.set_identifier(identifier);
    packet.set_sequence_number(sequence);
    if !is_v6 && let Some(whole) = IcmpPacket::new(into) {
        let sum = checksum(&whole);
        if let Some(mut packet) = MutableEchoRequestPacket::new(into) {
            packet.set_checksum(sum);
        }
    }
}

/// What a payload is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fill<'a> {
    pub(super) size: usize,
    pub(super) pattern: &'a Pattern,
    /// Time of sending, since 1970.
    pub(super) wall: std::time::Duration,
}

/// What a socket gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// From the `ICMPv4` header on; its checksum was looked at.
    Icmp4,
    /// From the IPv4 header on; nobody looked at anything.
    Ip4,
    /// From the `ICMPv6` header on; its checksum was looked at.
    Icmp6,
}

/// A reply, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EchoReply<'a> {
    /// Of whom it says it is.
    pub identifier: u16,
    /// Of which request.
    pub sequence: u16,
    /// What it carries.
    pub payload: &'a [u8],
    /// The sum over it is as it says.
    pub is_sum_right: bool,
    /// IPv4 options, if its header is there.
    pub ip_options: &'a [u8],
    /// The TTL, if its header is there.
    pub ttl: Option<u8>,
}

/// Reads a reply; `None`: it is none.
pub fn parse_reply(framing: Framing, octets: &[u8]) -> Option<EchoReply<'_>> {
    let (icmp, ip_options, ttl) = match framing {
        Framing::Icmp4 | Framing::Icmp6 => (octets, [].as_slice(), None),
        Framing::Ip4 => {
            let (packet, header, icmp) = behind_ipv4(octets)?;
            (icmp, header.get(20..)?, Some(packet.get_ttl()))
        }
    };
    let reply = EchoReplyPacket::new(icmp)?;
    let wanted = if framing == Framing::Icmp6 {
        ECHO_REPLY_V6
    } else {
        ECHO_REPLY
    };
    if reply.get_icmp_type() != IcmpType(wanted) || icmp.get(1) != Some(&0) {
        return None;
    }
    let is_sum_right = match framing {
        Framing::Ip4 => checksum(&IcmpPacket::new(icmp)?) == reply.get_checksum(),
        Framing::Icmp4 | Framing::Icmp6 => true,
    };
    Some(EchoReply {
        identifier: reply.get_identifier(),
        sequence: reply.get_sequence_number(),
        payload: icmp.get(HEADER..)?,
        is_sum_right,
        ip_options,
        ttl,
    })
}

/// An IPv4 packet that carries ICMP: it, its header, and what is behind that.
fn behind_ipv4(octets: &[u8]) -> Option<(Ipv4Packet<'_>, &[u8], &[u8])> {
    let packet = Ipv4Packet::new(octets)?;
    let header = usize::from(packet.get_header_length()).checked_mul(4)?;
    let is_icmp = packet.get_version() == 4
        && packet.get_next_level_protocol() == IpNextHeaderProtocols::Icmp;
    // Not `payload()`: raw sockets give what came, whatever the header's length
    // says, and what came is what is looked at.
    let (header, icmp) = is_icmp.then(|| octets.split_at_checked(header))??;
    Some((packet, header, icmp))
}

/// What a router says of a request that it passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// What it says.
    pub error: IcmpError,
    /// Where the request went.
    pub to: IpAddr,
    /// Identifier and sequence number of the request.
    pub request: (u16, u16),
}

/// Reads a redirect or a source quench, from its IPv4 header on; `None`: it is
/// none, or of no request.
pub fn parse_advice(octets: &[u8]) -> Option<Advice> {
    let (.., icmp) = behind_ipv4(octets)?;
    let message = IcmpPacket::new(icmp)?;
    let (head, quoted) = icmp.split_at_checked(HEADER)?;
    let error = IcmpError {
        is_v6: false,
        icmp_type: message.get_icmp_type().0,
        icmp_code: message.get_icmp_code().0,
        info: u32::from_be_bytes(head.get(4..)?.try_into().ok()?),
    };
    // Nobody looked at its sum.
    if !error.is_advice() || checksum(&message) != message.get_checksum() {
        return None;
    }
    let (packet, _, request) = behind_ipv4(quoted)?;
    Some(Advice {
        error,
        to: packet.get_destination().into(),
        request: parse_quote(false, request)?,
    })
}

/// Identifier and sequence number of the request that an ICMP error quotes,
/// from its ICMP header on; `None`: it quotes something else.
pub fn parse_quote(is_v6: bool, octets: &[u8]) -> Option<(u16, u16)> {
    let request = EchoRequestPacket::new(octets)?;
    let wanted = if is_v6 { ECHO_REQUEST_V6 } else { ECHO_REQUEST };
    (request.get_icmp_type() == IcmpType(wanted))
        .then(|| (request.get_identifier(), request.get_sequence_number()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn write(is_v6: bool, size: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        let fill = Fill {
            size,
            pattern: &Pattern::default(),
            wall: Duration::from_secs(1),
        };
        request(&mut octets, is_v6, 0x1234, 7, &fill);
        octets
    }

    #[test]
    fn requests_have_a_sum_over_which_all_is_ones() {
        for size in [0, 1, 56, 1473] {
            let octets = write(false, size);
            assert_eq!(octets.len(), HEADER + size);
            let sum: u32 = octets
                .chunks(2)
                .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
                .sum();
            let sum = (sum & 0xffff) + (sum >> 16);
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "{size}");
            assert_eq!(parse_quote(false, &octets), Some((0x1234, 7)));
        }
        let octets = write(true, 4);
        assert_eq!(octets[..8], [128, 0, 0, 0, 0x12, 0x34, 0, 7]);
        assert_eq!(parse_quote(true, &octets), Some((0x1234, 7)));
        assert_eq!(parse_quote(false, &octets), None);
    }

    /// The reply that a host makes of a request.
    fn answered(mut octets: Vec<u8>) -> Vec<u8> {
        octets[0] = 0;
        // 8 less in the sum of the first word (RFC 1624).
        let sum = u32::from(u16::from_be_bytes([octets[2], octets[3]])) + 0x0800;
        let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
        octets[2..4].copy_from_slice(&sum.to_be_bytes());
        octets
    }

    fn header(words: u8, protocol: u8) -> Vec<u8> {
        let mut octets = vec![0; usize::from(words) * 4];
        octets[0] = 0x40 | words;
        octets[8] = 61;
        octets[9] = protocol;
        octets
    }

    #[test]
    fn replies_are_read_behind_any_header() {
        let icmp = answered(write(false, 20));
        for words in [5, 6, 15] {
            let mut octets = header(words, 1);
            octets.extend(&icmp);
            let reply = parse_reply(Framing::Ip4, &octets).unwrap();
            assert!(reply.is_sum_right);
            assert_eq!((reply.identifier, reply.sequence), (0x1234, 7));
            assert_eq!(reply.payload.len(), 20);
            assert_eq!(reply.ip_options.len(), usize::from(words) * 4 - 20);
            assert_eq!(reply.ttl, Some(61));
            *octets.last_mut().unwrap() ^= 1;
            assert!(!parse_reply(Framing::Ip4, &octets).unwrap().is_sum_right);
        }
        assert!(parse_reply(Framing::Icmp4, &icmp).is_some());
    }

    /// A redirect to 10.0.0.2, as a router makes it of a packet.
    fn redirected(packet: &[u8]) -> Vec<u8> {
        let mut icmp = vec![5, 1, 0, 0, 10, 0, 0, 2];
        icmp.extend_from_slice(packet);
        let sum = checksum(&IcmpPacket::new(&icmp).unwrap());
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        [header(5, 1), icmp].concat()
    }

    #[test]
    fn a_redirect_names_its_request() {
        for words in [5, 15] {
            let mut packet = [header(words, 1), write(false, 0)].concat();
            packet[16..20].copy_from_slice(&[192, 0, 2, 1]);
            let octets = redirected(&packet);
            let advice = parse_advice(&octets).unwrap();
            assert_eq!(advice.error.text(), "Redirect Host(New nexthop: 10.0.0.2)");
            assert_eq!(advice.to, IpAddr::from([192, 0, 2, 1]));
            assert_eq!(advice.request, (0x1234, 7));
            for len in 0..octets.len() {
                assert_eq!(parse_advice(&octets[..len]), None, "{len}");
            }
            let mut wrong = octets.clone();
            wrong[25] ^= 1;
            assert_eq!(parse_advice(&wrong), None);
        }
        // Of a packet of somebody else's, and no redirect at all.
        let tcp = redirected(&[header(5, 6), write(false, 0)].concat());
        assert_eq!(parse_advice(&tcp), None);
        let reply = [header(5, 1), answered(write(false, 20))].concat();
        assert_eq!(parse_advice(&reply), None);
    }

    #[test]
    fn what_is_no_reply_is_none() {
        let mut tcp = header(5, 6);
        tcp.extend(answered(write(false, 0)));
        assert_eq!(parse_reply(Framing::Ip4, &tcp), None);
        let mut short = header(4, 1);
        short.extend(answered(write(false, 0)));
        short.resize(40, 0);
        assert_eq!(parse_reply(Framing::Ip4, &short), None);
        assert_eq!(parse_reply(Framing::Icmp4, &write(false, 9)), None);
        assert_eq!(
            parse_reply(Framing::Icmp4, &answered(write(false, 0))[..7]),
            None
        );
        assert_eq!(parse_reply(Framing::Icmp6, &write(true, 9)), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_panic(
            octets in proptest::collection::vec(any::<u8>(), 0..100)
        ) {
            for framing in [Framing::Icmp4, Framing::Ip4, Framing::Icmp6] {
                if let Some(reply) = parse_reply(framing, &octets) {
                    prop_assert!(reply.payload.len() + HEADER <= octets.len());
                }
            }
            let _ = parse_quote(false, &octets);
            let _ = parse_advice(&octets);
        }
    }
}
