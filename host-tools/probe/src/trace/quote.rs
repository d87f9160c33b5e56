//! IP headers: of what raw sockets give, and of what routers quote.

use std::net::IpAddr;

use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::ipv6::Ipv6Packet;

use super::Foreign;
use super::plan::{Method, Plan};

/// The transport header of a quoted packet of ours, and where it begins.
pub(super) fn quoted_transport<'a>(
    plan: &Plan,
    quote: &'a [u8],
) -> Result<(&'a [u8], usize), Foreign> {
    let is_v4 = plan.destination.is_ipv4();
    let protocol = match plan.method {
        Method::Udp => 17,
        Method::Tcp => 6,
        Method::Icmp if is_v4 => 1,
        Method::Icmp => 58,
    };
    let (source, destination, quoted_protocol, offset): (IpAddr, IpAddr, u8, usize) = if is_v4 {
        let ip = Ipv4Packet::new(quote).ok_or(Foreign::Short)?;
        if ip.get_version() != 4 || ip.get_header_length() < 5 || ip.get_fragment_offset() != 0 {
            return Err(Foreign::Address);
        }
        (
            ip.get_source().into(),
            ip.get_destination().into(),
            ip.get_next_level_protocol().0,
            usize::from(ip.get_header_length()) * 4,
        )
    } else {
        let ip = Ipv6Packet::new(quote).ok_or(Foreign::Short)?;
        if ip.get_version() != 6 {
            return Err(Foreign::Address);
        }
        // A first fragment: its header is 8 octets, its offset must be 0.
        let (protocol, offset) = match (ip.get_next_header().0, quote.get(40..44)) {
            (44, Some([next, _, high, low])) if *high == 0 && *low & 0xf8 == 0 => (*next, 48),
            (protocol, _) => (protocol, 40),
        };
        (
            ip.get_source().into(),
            ip.get_destination().into(),
            protocol,
            offset,
        )
    };
    if (source, destination, quoted_protocol) != (plan.source, plan.destination, protocol) {
        return Err(Foreign::Address);
    }
    let transport = quote.get(offset..).unwrap_or_default();
    if transport.len() < 8 {
        return Err(Foreign::Short);
    }
    Ok((transport, offset))
}

/// What is behind the IPv4 header that raw sockets give; `None`: no IPv4.
pub fn behind_ipv4(packet: &[u8]) -> Option<&[u8]> {
    let ip = Ipv4Packet::new(packet)?;
    let header = usize::from(ip.get_header_length()) * 4;
    if ip.get_version() != 4 || header < 20 {
        return None;
    }
    packet.get(header..)
}
