//! IP: lengths, fragments, extension headers.

use std::vec;
use std::vec::Vec;

use super::{ip, view};
use crate::dissect::tests::frames::*;
use crate::dissect::{Fragment, Network, dissect};

#[test]
fn ip_octets() {
    let packet = Ip4::new(6, &tcp(5, 0x18, b"hello"));
    let padded = [packet.frame(), vec![0; 7]].concat();
    assert_eq!(ip(&padded).ip_octets, 45, "padding does not count");
    let offloaded = Ip4 {
        total: Some(0),
        ..packet.clone()
    }
    .frame();
    assert_eq!(ip(&offloaded).ip_octets, 45, "the rest of the frame");
    let beyond = Ip4 {
        total: Some(1500),
        ..packet.clone()
    }
    .frame();
    assert_eq!(ip(&beyond).ip_octets, 45, "what the wire had");
    let Network::Ip(cut) = dissect(&packet.frame()[..40], 59).network else {
        panic!()
    };
    assert_eq!(cut.ip_octets, 45, "the wire's length, not the capture's");

    let jumbo = hop_by_hop(59, &[0xc2, 4, 0, 0, 0, 12]);
    let frame = eth(0x86dd, &ip6(0, Some(0), &[&jumbo[..], &[0; 9]].concat()));
    assert_eq!(ip(&frame).ip_octets, 52);
    // Not the hop-by-hop header's: length 0 means 0.
    assert_eq!(ip(&eth(0x86dd, &ip6(59, Some(0), &[0; 9]))).ip_octets, 40);
    // Options before it: Pad1, and another with a length.
    let jumbo = hop_by_hop(59, &[0, 5, 2, 9, 9, 0xc2, 4, 0, 0, 0, 20]);
    let frame = eth(0x86dd, &ip6(0, Some(0), &[&jumbo[..], &[0; 9]].concat()));
    assert_eq!(ip(&frame).ip_octets, 60);
}

#[test]
fn fragments() {
    use Fragment::{First, Later, Whole};
    let datagram = udp(8, &[]);
    for (flags_offset, expected) in [
        (0x0000, Whole),
        (0x4000, Whole),
        (0x2000, First),
        (0x2001, Later),
        (0x0001, Later),
        (0x1fff, Later),
        (0x8000, Whole),
    ] {
        let packet = Ip4 {
            flags_offset,
            ..Ip4::new(17, &datagram)
        };
        let ip = ip(&packet.frame());
        assert_eq!(ip.fragment, expected, "{flags_offset:#06x}");
        assert_eq!(ip.source_port != 0, expected != Later);
    }
    // IPv6: what the fragment headers say, the last one for all.
    let table: Vec<(Vec<u8>, Fragment, u8)> = vec![
        (fragment(17, 0, true), First, 17),
        (fragment(17, 0, false), Whole, 17),
        (fragment(17, 8, true), Later, 17),
        (fragment(17, 0xfff8, false), Later, 17),
        // The reserved bits are no offset.
        (fragment(17, 6, false), Whole, 17),
        (
            [fragment(44, 0, true), fragment(17, 0, false)].concat(),
            Whole,
            17,
        ),
        (
            [fragment(44, 0, false), fragment(17, 0, true)].concat(),
            First,
            17,
        ),
        // Behind a later fragment's header nothing is a header.
        (
            [fragment(60, 8, true), extension(17, 0)].concat(),
            Later,
            60,
        ),
        (
            [fragment(60, 0, true), extension(17, 0)].concat(),
            First,
            17,
        ),
    ];
    for (row, (headers, expected, protocol)) in table.into_iter().enumerate() {
        let frame = frame6(44, &[headers, datagram.clone()].concat());
        let ip = ip(&frame);
        assert_eq!(
            (ip.fragment, ip.protocol),
            (expected, protocol),
            "row {row}"
        );
        assert_eq!(ip.source_port != 0, expected != Later, "row {row}");
        assert!(view(&frame).malformed.is_empty(), "row {row}");
    }
}

#[test]
fn extension_headers() {
    let datagram = udp(8, &[]);
    let body = [
        hop_by_hop(43, &[5, 2, 0, 0]),
        extension(60, 2),
        extension(17, 1),
        datagram,
    ];
    let walked = ip(&frame6(0, &body.concat()));
    assert_eq!((walked.protocol, walked.source_port), (17, 0xc002));
    // A walk cut short: the extension header is the protocol, no ports.
    let cut = view(&frame6(0, &body.concat()[..8 + 23]));
    let Network::Ip(cut_ip) = cut.network else {
        panic!()
    };
    assert_eq!((cut_ip.protocol, cut_ip.source_port), (43, 0));
    // AH and ESP are protocols, not walked.
    for protocol in [50, 51, 59, 135] {
        assert_eq!(ip(&frame6(protocol, &extension(17, 0))).protocol, protocol);
    }
    // The limit counts headers, not octets.
    let long: Vec<u8> = (0..5)
        .flat_map(|n| extension(if n == 4 { 17 } else { 60 }, 255))
        .collect();
    assert_eq!(
        ip(&frame6(60, &[long, udp(8, &[])].concat())).source_port,
        0xc002
    );
}
