//! What holds for all frames.

use std::{vec, vec::Vec};

use magpie_protocol::{ETHERTYPE_LLC, Malformed};
use proptest::{collection::vec as octets, prelude::*, sample::Index};

use super::frames::*;
use crate::dissect::{Ip, Network, Transport, View, dissect};

fn packet4() -> impl Strategy<Value = Vec<u8>> {
    let ihl = prop_oneof![4 => Just(5_u8), 1 => 5..=15_u8, 1 => 0..=15_u8];
    let flags = prop_oneof![4 => Just(0_u16), 1 => Just(0x2000), 1 => any::<u16>()];
    let total = prop_oneof![4 => Just(None), 1 => Just(Some(0)), 1 => any::<u16>().prop_map(Some)];
    (ihl, flags, total, body()).prop_map(|(ihl, flags_offset, total, (protocol, body))| {
        let options = vec![1; usize::from(ihl.saturating_sub(5)) * 4];
        Ip4 {
            version_ihl: 0x40 | ihl,
            total,
            flags_offset,
            protocol,
            options,
            body,
        }
        .octets()
    })
}

fn packet6() -> impl Strategy<Value = Vec<u8>> {
    let walked = prop_oneof![Just(0_u8), Just(43), Just(44), Just(60)];
    let units = prop_oneof![6 => Just(0_u8), 1 => 1..=2_u8, 1 => any::<u8>()];
    let count = prop_oneof![4 => 0..4_usize, 1 => 126..131_usize];
    let headers = count.prop_flat_map(move |n| {
        octets(
            (
                walked.clone(),
                units.clone(),
                octets(prop_oneof![Just(0_u8), any::<u8>()], 6),
            ),
            n,
        )
    });
    let payload =
        prop_oneof![4 => Just(None), 1 => Just(Some(0)), 1 => any::<u16>().prop_map(Some)];
    (headers, payload, body()).prop_map(|(headers, payload, (protocol, body))| {
        let first = headers.first().map_or(protocol, |(kind, ..)| *kind);
        let nexts = headers
            .iter()
            .skip(1)
            .map(|(kind, ..)| *kind)
            .chain([protocol]);
        let mut all: Vec<u8> = Vec::new();
        for (next, (_, units, rest)) in nexts.zip(&headers) {
            let mut header = extension(next, *units);
            header[2..8].copy_from_slice(rest);
            all.extend(header);
        }
        all.truncate(4000);
        all.extend(body);
        ip6(first, payload, &all)
    })
}

fn body() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let protocol = prop_oneof![
        Just(1_u8),
        Just(6),
        Just(17),
        Just(58),
        Just(132),
        any::<u8>()
    ];
    (protocol, octets(any::<u8>(), 0..64), 4..=15_u8).prop_map(|(protocol, mut body, offset)| {
        if let Some(octet) = body.get_mut(12) {
            *octet = offset << 4;
        }
        (protocol, body)
    })
}

/// A frame of any layers, some octets changed.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let network = prop_oneof![
        4 => packet4().prop_map(|p| (0x0800, p)),
        4 => packet6().prop_map(|p| (0x86dd, p)),
        1 => octets(any::<u8>(), 0..40).prop_map(|p| (0x0806, p)),
        1 => Just((0x0806, arp(1, SOURCE4, DESTINATION4))),
        1 => octets(any::<u8>(), 0..40).prop_map(|p| (0x88cc, p)),
    ];
    let depth = prop_oneof![6 => Just(0_usize), 2 => 1..6_usize, 1 => 31..34_usize];
    let changes = octets((any::<Index>(), any::<u8>()), 0..3);
    (network, depth.clone(), depth, 0..8_u8, changes).prop_map(
        |((ethertype, packet), tags, label_count, wrap, changes)| {
            let (ethertype, packet) = match wrap {
                0 if label_count > 0 => (0x8847, labels(label_count, &packet)),
                1 => {
                    let protocol = if ethertype == 0x86dd { 0x57 } else { 0x21 };
                    (
                        0x8864,
                        join(&[&[0x11, 0, 0, 1, 0, 0, 0, protocol], &packet]),
                    )
                }
                2 => {
                    let head = [&[0xaa, 0xaa, 3, 0, 0, 0][..], &u16::to_be_bytes(ethertype)];
                    (40, join(&[&head.concat(), &packet]))
                }
                _ => (ethertype, packet),
            };
            let mut frame = tagged(&vec![0x8100; tags], ethertype, &packet);
            for (index, octet) in changes {
                *index.get_mut(&mut frame) = octet;
            }
            frame
        },
    )
}

/// Classes that only say that octets are missing.
fn is_short(class: Malformed) -> bool {
    class.name().ends_with("_short")
}

fn check(frame: &[u8], wire_len: u32) -> View {
    let view = dissect(frame, wire_len);
    if let Network::Ip(ip) = view.network {
        assert!(ip.ip_octets <= wire_len);
        if let Transport::Tcp(tcp) = ip.transport {
            assert!(tcp.payload.unwrap_or(0) <= ip.ip_octets);
            assert_eq!(ip.protocol, 6);
        }
    }
    if view.network == Network::Invalid {
        assert!(!view.malformed.is_empty(), "invalid without a reason");
    }
    assert!(view.vlan.depth() == 4 || !view.vlan_cut);
    view
}

fn is_part_of(part: Transport, whole: Transport) -> bool {
    match (part, whole) {
        (Transport::Other, _) => true,
        (Transport::Icmp(part), Transport::Icmp(all)) => {
            (part.kind, part.code) == (all.kind, all.code)
                && (part.echo.is_none() || part.echo == all.echo)
                && (part.mtu.is_none() || part.mtu == all.mtu)
        }
        _ => part == whole,
    }
}

/// The IP part of a frame whose capture was cut, against the whole's.
fn cut_ip(part: &Ip, part_view: &View, whole: &Ip) {
    assert_eq!(part.addresses, whole.addresses);
    let ext_cut = part_view.malformed.contains(Malformed::Ip6ExtShort);
    if !ext_cut {
        assert_eq!(
            (part.protocol, part.ip_octets, part.fragment),
            (whole.protocol, whole.ip_octets, whole.fragment)
        );
    }
    // A jumbo option that was not captured leaves the fixed header's 40.
    assert!(part.ip_octets == whole.ip_octets || part.ip_octets <= 40);
    for (part, whole) in [
        (part.source_port, whole.source_port),
        (part.destination_port, whole.destination_port),
    ] {
        assert!(part == 0 || part == whole);
    }
    assert!(is_part_of(part.transport, whole.transport));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_octets_of_any_length(frame in octets(any::<u8>(), 0..120), wire_len in prop_oneof![0..200_u32, any::<u32>()]) {
        check(&frame, wire_len);
    }

    #[test]
    fn any_layers_of_any_length(frame in frame(), wire_len in prop_oneof![0..200_u32, any::<u32>()]) {
        check(&frame, wire_len);
        check(&frame, u32::try_from(frame.len()).unwrap());
    }

    /// Cutting the capture hides; it never invents.
    #[test]
    fn a_cut_capture(frame in frame(), at in any::<Index>()) {
        let wire_len = u32::try_from(frame.len()).unwrap();
        let whole = check(&frame, wire_len);
        let part = check(&frame[..at.index(frame.len() + 1)], wire_len);
        for class in part.malformed.iter() {
            prop_assert!(is_short(class) || whole.malformed.contains(class), "{class:?}");
        }
        let mut ids = whole.vlan.ids();
        prop_assert!(part.vlan.ids().all(|id| ids.next() == Some(id)));
        match (part.network, whole.network) {
            (Network::Ip(ip), Network::Ip(all)) => cut_ip(&ip, &part, &all),
            (Network::Arp(arp), Network::Arp(all)) => {
                prop_assert_eq!(arp.operation, all.operation);
                prop_assert!(arp.kind.is_none() || arp.kind == all.kind);
            }
            // The SNAP header, or the octet behind the labels, was cut off.
            (Network::Other, all) => prop_assert!(
                all == Network::Other
                    || u64::from(part.ethertype) == ETHERTYPE_LLC
                    || matches!(part.ethertype, 0x8847 | 0x8848)
            ),
            (Network::Invalid, _) => prop_assert!(part.malformed.iter().any(is_short)
                || part.malformed == whole.malformed),
            (part, whole) => prop_assert!(false, "{part:?} from {whole:?}"),
        }
    }

    /// Padding on the wire is no part of the packet.
    #[test]
    fn padding(frame in frame(), pad in 1..50_usize) {
        let wire_len = u32::try_from(frame.len()).unwrap();
        let padded = [frame.clone(), vec![0; pad]].concat();
        let bare = check(&frame, wire_len);
        let view = check(&padded, u32::try_from(padded.len()).unwrap());
        if bare.malformed.is_empty()
            && let (Network::Ip(ip), Network::Ip(all)) = (bare.network, view.network)
        {
            prop_assert_eq!(ip, all);
        }
    }
}
