//! What sound frames give, layer by layer.

use std::{vec, vec::Vec};

use magpie_protocol::{AddressPair, ETHERTYPE_LLC, ETHERTYPE_NONE, VlanStack};

use super::frames::*;
use crate::dissect::{
    Arp, ArpKind, Echo, Fragment, Icmp, Ip, Network, Tcp, Transport, View, dissect,
};

fn view(frame: &[u8]) -> View {
    dissect(frame, u32::try_from(frame.len()).unwrap())
}

fn ip(frame: &[u8]) -> Ip {
    match view(frame).network {
        Network::Ip(ip) => ip,
        other => panic!("not IP: {other:?}"),
    }
}

fn stack(ids: impl IntoIterator<Item = u16>) -> VlanStack {
    let mut stack = VlanStack::NONE;
    for id in ids {
        stack.push(id);
    }
    stack
}

const ADDRESSES4: AddressPair = AddressPair::V4 {
    a: SOURCE4,
    b: DESTINATION4,
};
const ADDRESSES6: AddressPair = AddressPair::V6 {
    a: SOURCE6,
    b: DESTINATION6,
};

/// 60 octets as tcpdump prints them: SYN of a TCP connection, padded.
const SYN: [u8; 60] = [
    0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, //
    0x45, 0x00, 0x00, 0x2c, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06, 0xb1, 0xf6, //
    0xac, 0x10, 0x0a, 0x63, 0xac, 0x10, 0x0a, 0x0c, // 172.16.10.99 > 172.16.10.12
    0xc3, 0x51, 0x00, 0x50, 0x9a, 0x3b, 0x2c, 0x1d, 0x00, 0x00, 0x00, 0x00, //
    0x60, 0x02, 0xfa, 0xf0, 0x00, 0x00, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4, //
    0x00, 0x00,
];

#[test]
fn a_padded_syn() {
    let expected = View {
        ethertype: 0x0800,
        vlan: VlanStack::NONE,
        vlan_cut: false,
        malformed: [].into_iter().collect(),
        network: Network::Ip(Ip {
            addresses: AddressPair::V4 {
                a: [172, 16, 10, 99],
                b: [172, 16, 10, 12],
            },
            protocol: 6,
            ip_octets: 44,
            fragment: Fragment::Whole,
            source_port: 50001,
            destination_port: 80,
            transport: Transport::Tcp(Tcp {
                flags: 2,
                sequence: 0x9a3b_2c1d,
                acknowledgement: 0,
                payload: Some(0),
            }),
        }),
    };
    assert_eq!(view(&SYN), expected);
}

#[test]
fn ethertypes() {
    let inner = Ip4::new(47, &[]).octets();
    let snap = |oui: [u8; 3], ethertype: u16| {
        let header = [&[0xaa, 0xaa, 3][..], &oui, &ethertype.to_be_bytes()].concat();
        [&header[..], &inner].concat()
    };
    let llc = u32::try_from(ETHERTYPE_LLC).unwrap();
    let none = u32::try_from(ETHERTYPE_NONE).unwrap();
    // The frame, its ethertype, and whether its IP packet is found.
    let table: Vec<(Vec<u8>, u32, bool)> = vec![
        (vec![0; 13], none, false),
        (eth(0x05ff, &inner), llc, false),
        (eth(0x0600, &inner), 0x0600, false),
        (eth(0x0000, &[]), llc, false),
        (eth(40, &snap([0, 0, 0], 0x0800)), 0x0800, true),
        (eth(40, &snap([0, 0, 0xf8], 0x0800)), 0x0800, true),
        (eth(40, &snap([0, 0, 0x0c], 0x0800)), llc, false),
        (eth(40, &snap([0, 0, 0], 0x05ff)), 0x05ff, false),
        (eth(40, &snap([0, 0, 0], 0x0800)[..7]), llc, false),
        // A tag type in SNAP is a type like any other.
        (eth(40, &snap([0, 0, 0], 0x8100)), 0x8100, false),
        (
            tagged(&[0x8100], 40, &snap([0, 0, 0], 0x0800)),
            0x0800,
            true,
        ),
        (tagged(&[0x88a8, 0x8100], 0x0800, &inner), 0x0800, true),
        (tagged(&[0x9100], 0x86dd, &ip6(59, None, &[])), 0x86dd, true),
        (tagged(&[0x8100; 32], 0x0800, &inner), 0x0800, true),
        // Cut or too deep: the type of the tag that was not read.
        (
            tagged(&[0x9100, 0x88a8], 0x0800, &[])[..20].to_vec(),
            0x88a8,
            false,
        ),
        (tagged(&[0x9100; 33], 0x0800, &inner), 0x9100, false),
        (eth(0x88cc, &inner), 0x88cc, false),
    ];
    for (row, (frame, ethertype, found)) in table.iter().enumerate() {
        let view = view(frame);
        assert_eq!(view.ethertype, *ethertype, "row {row}");
        assert_eq!(matches!(view.network, Network::Ip(_)), *found, "row {row}");
    }
}

#[test]
fn vlan_stacks() {
    for depth in 0..=34_u16 {
        let frame = tagged(&vec![0x8100; usize::from(depth)], 0x0806, &[0; 8]);
        let view = view(&frame);
        assert_eq!(
            view.vlan,
            stack((0..depth.min(4)).map(|n| n + 10)),
            "{depth} tags"
        );
        assert_eq!(view.vlan_cut, depth > 4, "{depth} tags");
    }
    // Priority and drop bits are not the identifier; a priority tag is kept.
    let frame = eth(0x8100, &[0xf0, 0x00, 0x81, 0x00, 0xff, 0xff, 0x88, 0xcc]);
    assert_eq!(view(&frame).vlan, stack([0, 0xfff]));
    // Four tags read and a fifth that is cut: nothing beyond the stack was seen.
    let frame = tagged(&[0x8100; 5], 0x88cc, &[]);
    assert!(!view(&frame[..14 + 16 + 3]).vlan_cut);
}

#[test]
fn pppoe() {
    let inner = Ip4::new(47, &[]).octets();
    let session = |head: [u8; 2], protocol: &[u8], inner: &[u8]| {
        eth(
            0x8864,
            &[&head[..], &[0, 1, 0, 0], protocol, inner].concat(),
        )
    };
    let six = ip6(59, None, &[]);
    let table: Vec<(Vec<u8>, Option<u32>)> = vec![
        (session([0x11, 0], &[0, 0x21], &inner), Some(20)),
        (session([0x11, 0], &[0x21], &inner), Some(20)),
        (session([0x11, 0], &[0, 0x57], &six), Some(40)),
        (session([0x11, 0], &[0x57], &six), Some(40)),
        (session([0x11, 0], &[0xc0, 0x21], &inner), None),
        (session([0x12, 0], &[0, 0x21], &inner), None),
        (session([0x11, 9], &[0, 0x21], &inner), None),
        (eth(0x8863, &inner), None),
    ];
    for (row, (frame, octets)) in table.into_iter().enumerate() {
        let view = view(&frame);
        assert!(view.malformed.is_empty(), "row {row}");
        match (view.network, octets) {
            (Network::Ip(ip), Some(octets)) => assert_eq!(ip.ip_octets, octets, "row {row}"),
            (Network::Other, None) => {}
            other => panic!("row {row}: {other:?}"),
        }
    }
}

#[test]
fn mpls() {
    let inner = Ip4::new(47, &[]).octets();
    let six = ip6(59, None, &[]);
    for count in [1, 2, 31, 32] {
        assert_eq!(ip(&eth(0x8847, &labels(count, &inner))).ip_octets, 20);
        assert_eq!(ip(&eth(0x8848, &labels(count, &six))).ip_octets, 40);
    }
    for other in [&[][..], &[0; 20], &[0x50; 20]] {
        let view = view(&eth(0x8847, &labels(2, other)));
        assert_eq!(view.network, Network::Other);
        assert!(view.malformed.is_empty());
    }
}

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

/// The caller errs: the wire cannot have had less than was captured.
#[test]
fn a_wire_shorter_than_the_capture() {
    let frame = frame6(17, &udp(8, &[]));
    for wire_len in 0..=14 {
        let Network::Ip(ip) = dissect(&frame, wire_len).network else {
            panic!()
        };
        assert_eq!(ip.ip_octets, 0);
        let frame = Ip4::new(17, &udp(8, &[])).frame();
        assert_eq!(dissect(&frame, wire_len).network, Network::Invalid);
    }
}

#[test]
fn tcp_segments() {
    let expected = |payload| {
        Transport::Tcp(Tcp {
            flags: 0x91,
            sequence: 0x0102_0304,
            acknowledgement: 0x0506_0708,
            payload,
        })
    };
    let segment = tcp(6, 0x91, &[0; 14]);
    let packet = Ip4::new(6, &segment);
    assert_eq!(ip(&packet.frame()).transport, expected(Some(10)));
    assert_eq!(ip(&frame6(6, &segment)).transport, expected(Some(10)));
    let Network::Ip(cut) = dissect(&packet.frame()[..54], 68).network else {
        panic!()
    };
    assert_eq!(
        cut.transport,
        expected(Some(10)),
        "the payload is the wire's"
    );
    let first = Ip4 {
        flags_offset: 0x2000,
        ..packet.clone()
    };
    assert_eq!(ip(&first.frame()).transport, expected(None));
    // The reserved bits beside the offset are not flags.
    let mut reserved = segment.clone();
    reserved[12] |= 0x0f;
    assert_eq!(ip(&frame6(6, &reserved)).transport, expected(Some(10)));
    for (len, ports) in [(3, (0, 0)), (4, (0xc001, 443)), (19, (0xc001, 443))] {
        let short = ip(&Ip4::new(6, &segment[..len]).frame());
        assert_eq!((short.source_port, short.destination_port), ports);
        assert_eq!(short.transport, Transport::Other);
    }
}

#[test]
fn ports() {
    let body = [0x12, 0x34, 0x56, 0x78, 0, 12, 0, 0, 0, 0, 0, 0];
    for protocol in 0..=255_u8 {
        let four = ip(&Ip4::new(protocol, &body).frame());
        let expected = if matches!(protocol, 6 | 17 | 132) {
            (0x1234, 0x5678)
        } else {
            (0, 0)
        };
        assert_eq!(
            (four.source_port, four.destination_port),
            expected,
            "protocol {protocol}"
        );
        assert_eq!((four.protocol, four.addresses), (protocol, ADDRESSES4));
        if !matches!(protocol, 0 | 43 | 44 | 60) {
            let six = ip(&frame6(protocol, &body));
            assert_eq!(
                (six.source_port, six.destination_port),
                expected,
                "protocol {protocol}"
            );
            assert_eq!((six.protocol, six.addresses), (protocol, ADDRESSES6));
        }
    }
}

#[test]
fn what_was_too_big_says_what_fits() {
    let table = [
        (4, 3, 4, Some(0x5678)), // the upper half is unused
        (4, 3, 3, None),
        (4, 2, 0, None),
        (6, 2, 0, Some(0x1234_5678)),
        (6, 2, 7, Some(0x1234_5678)), // the code is to be ignored
        (6, 3, 4, None),
    ];
    for (version, kind, code, mtu) in table {
        for octets in 2..=8 {
            let message = &icmp(kind, code)[..octets];
            let frame = if version == 4 {
                Ip4::new(1, message).frame()
            } else {
                frame6(58, message)
            };
            let expected = Transport::Icmp(Icmp {
                kind,
                code,
                echo: None,
                mtu: mtu.filter(|_| octets == 8),
            });
            assert_eq!(ip(&frame).transport, expected, "{version} {kind}/{code}");
        }
    }
}

#[test]
fn icmp_messages() {
    let seen = |request| {
        Some(Echo {
            request,
            id: 0x1234,
            sequence: 0x5678,
        })
    };
    let table = [
        (4, 8, seen(true)),
        (4, 0, seen(false)),
        (4, 128, None),
        (4, 3, None),
        (6, 128, seen(true)),
        (6, 129, seen(false)),
        (6, 8, None),
        (6, 0, None),
    ];
    for (version, kind, echo) in table {
        let message = icmp(kind, 1);
        let frame = if version == 4 {
            Ip4::new(1, &message).frame()
        } else {
            frame6(58, &message)
        };
        let expected = Transport::Icmp(Icmp {
            kind,
            code: 1,
            echo,
            mtu: None,
        });
        assert_eq!(
            ip(&frame).transport,
            expected,
            "version {version}, type {kind}"
        );
    }
    // Type and code with less than the header; not of the other version.
    let short = Transport::Icmp(Icmp {
        kind: 8,
        code: 3,
        echo: None,
        mtu: None,
    });
    assert_eq!(ip(&Ip4::new(1, &[8, 3]).frame()).transport, short);
    assert_eq!(
        ip(&Ip4::new(58, &icmp(128, 0)).frame()).transport,
        Transport::Other
    );
    assert_eq!(ip(&frame6(1, &icmp(8, 0))).transport, Transport::Other);
    let first = Ip4 {
        flags_offset: 0x2000,
        ..Ip4::new(1, &icmp(8, 0))
    };
    assert!(matches!(ip(&first.frame()).transport, Transport::Icmp(_)));
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

#[test]
fn arp_kinds() {
    let kinds = [
        (SOURCE4, SOURCE4, ArpKind::Gratuitous),
        ([0; 4], [0; 4], ArpKind::Gratuitous),
        ([0; 4], SOURCE4, ArpKind::Probe),
        (SOURCE4, [0; 4], ArpKind::Normal),
        (SOURCE4, DESTINATION4, ArpKind::Normal),
    ];
    for (sender, target, kind) in kinds {
        let packet = arp(0x0102, sender, target);
        let expected = Network::Arp(Arp {
            operation: 0x0102,
            kind: Some(kind),
        });
        assert_eq!(view(&eth(0x0806, &packet)).network, expected);
        // Another protocol, or an address cut: the operation alone.
        let mut other = packet.clone();
        other[2] = 9;
        let alone = Network::Arp(Arp {
            operation: 0x0102,
            kind: None,
        });
        assert_eq!(view(&eth(0x0806, &other)).network, alone);
        assert_eq!(view(&eth(0x0806, &packet[..27])).network, alone);
    }
    // Protocol addresses of another length are not IPv4's.
    let odd = [&[0, 1, 8, 0, 6, 6, 0, 1][..], &[0; 24]].concat();
    let alone = Network::Arp(Arp {
        operation: 1,
        kind: None,
    });
    assert_eq!(view(&eth(0x0806, &odd)).network, alone);
    // Hardware addresses of another length stand between the addresses.
    let long = [
        &[0, 32, 8, 0, 20, 4, 0, 1][..],
        &[7; 20],
        &SOURCE4,
        &[8; 20],
        &SOURCE4,
    ]
    .concat();
    let expected = Network::Arp(Arp {
        operation: 1,
        kind: Some(ArpKind::Gratuitous),
    });
    assert_eq!(view(&eth(0x0806, &long)).network, expected);
}
