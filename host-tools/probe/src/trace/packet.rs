//! Probes as octets.

use std::net::IpAddr;

use pnet_packet::Packet as _;
use pnet_packet::icmp::{self, IcmpTypes, echo_request};
use pnet_packet::icmpv6::{self, Icmpv6Types};
use pnet_packet::tcp::{self, MutableTcpPacket, TcpFlags, TcpOption};

use super::flight::Transmit;
use super::plan::{Method, Plan};
use crate::event::ProbeKey;

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

impl Transmit {
    /// By what this probe is found on a wire. `local` is the source port or
    /// identifier of its flow's socket, which the kernel may have chosen.
    pub fn key(&self, plan: &Plan, local: u16) -> ProbeKey {
        let word = |at: usize| match self.octets.get(at..at + 2) {
            Some([high, low]) => u16::from_be_bytes([*high, *low]),
            _ => 0,
        };
        match plan.method {
            Method::Udp => ProbeKey::Udp {
                source_port: local,
                destination_port: plan.port,
            },
            Method::Icmp => ProbeKey::Echo {
                identifier: local,
                sequence: word(6),
            },
            Method::Tcp => ProbeKey::Tcp {
                source_port: local,
                destination_port: plan.port,
                sequence: u32::from(word(4)) << 16 | u32::from(word(6)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::trace::{Machine as _, Once};

    fn first(method: Method, is_v4: bool) -> (Plan, Transmit) {
        let addresses = if is_v4 {
            ["192.0.2.1", "192.0.2.2"]
        } else {
            ["2001:db8::1", "2001:db8::2"]
        };
        let [to, from] = addresses.map(|address| address.parse().unwrap());
        let mut plan = Plan::new(to, from, method);
        plan.local = Some(20_000);
        let mut once = Once::new(plan.clone(), [3; 16]).unwrap();
        let transmit = once.poll_transmit(Duration::ZERO).unwrap();
        (plan, transmit)
    }

    #[test]
    fn octets_are_of_the_length_that_was_asked_for() {
        for method in [Method::Udp, Method::Icmp, Method::Tcp] {
            for (is_v4, ip) in [(true, 20), (false, 40)] {
                let (plan, transmit) = first(method, is_v4);
                let udp = if method == Method::Udp { 8 } else { 0 };
                assert_eq!(
                    transmit.octets.len() + udp + ip,
                    plan.packet_octets as usize
                );
            }
        }
    }

    #[test]
    fn checksums_are_right_and_keys_are_in_the_octets() {
        let (plan, echo) = first(Method::Icmp, true);
        assert_eq!(pnet_packet::util::checksum(&echo.octets, usize::MAX), 0);
        let key = ProbeKey::Echo {
            identifier: 20_000,
            sequence: 1,
        };
        assert_eq!(echo.key(&plan, 20_000), key);
        assert_eq!(echo.octets[4..8], [0x4e, 0x20, 0, 1]);

        let (plan, syn) = first(Method::Tcp, true);
        let IpAddr::V4(to) = plan.destination else {
            panic!("IPv4");
        };
        let IpAddr::V4(from) = plan.source else {
            panic!("IPv4");
        };
        let segment = tcp::TcpPacket::new(&syn.octets).unwrap();
        assert_eq!(
            segment.get_checksum(),
            tcp::ipv4_checksum(&segment, &from, &to)
        );
        assert_eq!(segment.get_flags(), TcpFlags::SYN);
        let key = ProbeKey::Tcp {
            source_port: 20_000,
            destination_port: 80,
            sequence: segment.get_sequence(),
        };
        assert_eq!(syn.key(&plan, 20_000), key);
    }
}
