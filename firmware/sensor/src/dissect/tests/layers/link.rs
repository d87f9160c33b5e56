//! Below IP: ethertypes, tags, tunnels of the link, ARP.

use std::vec;
use std::vec::Vec;

use magpie_protocol::{ETHERTYPE_LLC, ETHERTYPE_NONE};

use super::{ip, stack, view};
use crate::dissect::tests::frames::*;
use crate::dissect::{Arp, ArpKind, Network};

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
