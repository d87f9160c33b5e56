//! Probes as octets.

use std::net::IpAddr;

use pnet_packet::Packet as _;
use pnet_packet::icmp::{self, IcmpTypes, echo_request};
use pnet_packet::icmpv6::{self, Icmpv6Types};
use pnet_packet::tcp::{self, MutableTcpPacket, TcpFlags, TcpOption};

use super::plan::{Method, Plan};

/// Octets of an ICMP echo header.
pub(crate) const ECHO_HEADER: usize = 8;
/// Octets of a SYN: its header, and the options that a host's own would have.
const SYN_OCTETS: usize = 40;

/// What a socket is to send: the payload of UDP, an ICMP echo request, or a
/// SYN. `local` is the identifier or source port where we write it.
pub(crate) fn build(
    plan: &Plan,
    local: u16,
    wire: u16,
    sequence: u32,
    payload: Vec<u8>,
) -> Vec<u8> {
    match plan.method {
        Method::Udp => payload,
        Method::Icmp => echo(plan.destination.is_ipv4(), local, wire, &payload),
        Method::Tcp => syn(plan, local, sequence),
    }
}

/// Over IPv6 the kernel writes the checksum, which needs the addresses.
fn echo(is_v4: bool, identifier: u16, wire: u16, payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![0; ECHO_HEADER + payload.len()];
    if is_v4 {
        if let Some(mut echo) = echo_request::MutableEchoRequestPacket::new(&mut octets) {
            echo.set_icmp_type(IcmpTypes::EchoRequest);
            echo.set_identifier(identifier);
            echo.set_sequence_number(wire);
            echo.set_payload(payload);
        }
        let sum = icmp::IcmpPacket::new(&octets).map(|packet| icmp::checksum(&packet));
        if let (Some(sum), Some(mut packet)) = (sum, icmp::MutableIcmpPacket::new(&mut octets)) {
            packet.set_checksum(sum);
        }
    } else if let Some(mut echo) = icmpv6::echo_request::MutableEchoRequestPacket::new(&mut octets)
    {
        echo.set_icmpv6_type(Icmpv6Types::EchoRequest);
        echo.set_identifier(identifier);
        echo.set_sequence_number(wire);
        echo.set_payload(payload);
    }
    octets
}

/// A SYN as a host sends it, without payload.
fn syn(plan: &Plan, local: u16, sequence: u32) -> Vec<u8> {
    let mut octets = vec![0; SYN_OCTETS];
    let Some(mut segment) = MutableTcpPacket::new(&mut octets) else {
        return octets;
    };
    segment.set_source(local);
    segment.set_destination(plan.port);
    segment.set_sequence(sequence);
    segment.set_data_offset(10);
    segment.set_flags(TcpFlags::SYN);
    segment.set_window(64_240);
    segment.set_options(&[
        TcpOption::mss(if plan.destination.is_ipv4() {
            1_460
        } else {
            1_440
        }),
        TcpOption::sack_perm(),
        // The number again: what answers echoes it, and nothing depends on it.
        TcpOption::timestamp(sequence, 0),
        TcpOption::nop(),
        TcpOption::wscale(7),
    ]);
    let segment = segment.to_immutable();
    let sum = match (plan.source, plan.destination) {
        (IpAddr::V4(from), IpAddr::V4(to)) => tcp::ipv4_checksum(&segment, &from, &to),
        (IpAddr::V6(from), IpAddr::V6(to)) => tcp::ipv6_checksum(&segment, &from, &to),
        _ => 0,
    };
    let mut octets = segment.packet().to_vec();
    if let Some(mut segment) = MutableTcpPacket::new(&mut octets) {
        segment.set_checksum(sum);
    }
    octets
}
