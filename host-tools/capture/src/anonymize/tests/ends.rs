//! An address of which the capture holds a part only: no key is for that, so the
//! frame ends before it, whether payload is kept or not.

use std::ops::Range;

use etherparse::PacketBuilder;

use super::untold::{ether, ipv4, ipv6, v6};
use super::{A, B, Key, MACS, Payload};
use crate::anonymize::Anonymizer;

/// What it is, and where addresses stand in it, behind those of Ethernet.
type Frame = (&'static str, Vec<u8>, Vec<Range<usize>>);

fn frames() -> Vec<Frame> {
    let (c, d) = (v6("2001:db8::1"), v6("2001:db8::2"));
    let datagram = [0, 1, 0, 2, 0, 8, 0, 0];
    let four = ipv4(&[], 17, &datagram);
    let six = ipv6(17, &datagram);
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 2];
    arp.extend([&MACS.0[..], &A, &MACS.1, &B].concat());
    let redirect = [&[5, 1, 0, 0][..], &A, &four].concat();
    let report = [&[0x16, 0, 0, 0][..], &[239, A[0], A[1], A[2]]].concat();
    let gre = |kind: [u8; 2], inner: &[u8]| [&[0, 0][..], &kind, inner].concat();
    let link = |kind| [&[kind, 1][..], &MACS.0].concat();
    let solicitation = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &c, &link(1)].concat();
    let prefix = [&[3, 4, 64, 0xc0][..], &[0; 12], &c].concat();
    let mtu = [5, 1, 0, 0, 0, 0, 5, 220];
    let advertisement = [&[134; 1][..], &[0; 15], &mtu, &prefix, &link(1)].concat();
    let quote = [&[4, 7, 0, 0, 0, 0, 0, 0][..], &six].concat();
    let better = [&[137; 1][..], &[0; 7], &c, &d, &link(2), &quote].concat();
    let listener = [&[131, 0, 0, 0, 0, 0, 0, 0][..], &v6("ff0e::aa:bb:cc")].concat();
    let error = [&[1, 4, 0, 0, 0, 0, 0, 0][..], &six].concat();
    vec![
        (
            "arp",
            ether(0x806, &arp),
            vec![22..28, 28..32, 32..38, 38..42],
        ),
        ("ipv4", ether(0x800, &four), vec![26..30, 30..34]),
        (
            "tagged",
            ether(0x8100, &[&[0, 5, 8, 0][..], &four].concat()),
            vec![30..34, 34..38],
        ),
        ("ipv6", ether(0x86dd, &six), vec![22..38, 38..54]),
        (
            "redirect",
            ether(0x800, &ipv4(&[], 1, &redirect)),
            vec![26..30, 30..34, 38..42, 54..58, 58..62],
        ),
        (
            "igmp",
            ether(0x800, &ipv4(&[], 2, &report)),
            vec![26..30, 30..34, 38..42],
        ),
        (
            "ip in ip",
            ether(0x800, &ipv4(&[], 41, &six)),
            vec![26..30, 30..34, 42..58, 58..74],
        ),
        (
            "ip in gre",
            ether(0x800, &ipv4(&[], 47, &gre([8, 0], &four))),
            vec![26..30, 30..34, 50..54, 54..58],
        ),
        (
            "ethernet in gre",
            ether(
                0x800,
                &ipv4(&[], 47, &gre([0x65, 0x58], &ether(0x806, &arp))),
            ),
            vec![
                26..30,
                30..34,
                38..44,
                44..50,
                60..66,
                66..70,
                70..76,
                76..80,
            ],
        ),
        (
            "solicitation",
            ether(0x86dd, &ipv6(58, &solicitation)),
            vec![22..38, 38..54, 62..78, 80..86],
        ),
        (
            "advertisement",
            ether(0x86dd, &ipv6(58, &advertisement)),
            vec![22..38, 38..54, 94..110, 112..118],
        ),
        (
            "neighbours' redirect",
            ether(0x86dd, &ipv6(58, &better)),
            vec![22..38, 38..54, 62..78, 78..94, 96..102, 118..134, 134..150],
        ),
        (
            "listener",
            ether(0x86dd, &ipv6(58, &listener)),
            vec![22..38, 38..54, 62..78],
        ),
        (
            "icmpv6 error",
            ether(0x86dd, &ipv6(58, &error)),
            vec![22..38, 38..54, 70..86, 86..102],
        ),
    ]
}

#[test]
fn a_frame_ends_before_an_address_that_is_cut() {
    for (name, frame, behind) in frames() {
        let addresses = [vec![0..6, 6..12], behind].concat();
        let mut whole = frame.clone();
        Anonymizer::new(&Key(super::KEY), Payload::Kept).frame(&mut whole);
        for length in 0..=frame.len() {
            let cut = addresses
                .iter()
                .find(|a| a.start < length && length < a.end);
            for payload in [Payload::Kept, Payload::Cut] {
                let mut new = frame[..length].to_vec();
                let shown = Anonymizer::new(&Key(super::KEY), payload).frame(&mut new);
                match (cut, payload) {
                    (Some(cut), Payload::Kept) => assert_eq!(shown, cut.start, "{name} {length}"),
                    (Some(cut), Payload::Cut) => assert!(shown <= cut.start, "{name} {length}"),
                    (None, Payload::Kept) => assert_eq!(shown, length, "{name} {length}"),
                    (None, Payload::Cut) => assert!(shown <= length, "{name} {length}"),
                }
                // What is there is as it is in the whole frame.
                for address in addresses.iter().filter(|a| a.end <= shown) {
                    let address = address.clone();
                    assert_eq!(new[address.clone()], whole[address], "{name} {length}");
                }
            }
        }
    }
}

/// Not by the capture, but by the packet's own length: what is behind it may be
/// the rest of the address, and checksums are not over what is left.
#[test]
fn a_packet_may_end_within_an_address() {
    let mut message = [5, 1, 0, 0, A[0], A[1]];
    let sum = 0x0501 + u16::from_be_bytes([A[0], A[1]]);
    message[2..4].copy_from_slice(&(!sum).to_be_bytes());
    let mut frame = ether(0x800, &ipv4(&[], 1, &message));
    frame.extend(&A[2..]);
    for payload in [Payload::Kept, Payload::Cut] {
        let mut new = frame.clone();
        let shown = Anonymizer::new(&Key(super::KEY), payload).frame(&mut new);
        assert_eq!(shown, 38, "{payload:?}");
        assert_eq!(new[36..38], [0, 0], "{payload:?}");
    }
}

/// What has no part of an address is kept wherever it ends.
#[test]
fn payload_ends_where_it_ended() {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2(MACS.0, MACS.1).ipv4(A, B, 64);
    builder.udp(1, 2).write(&mut frame, b"magpie").unwrap();
    for length in 34..=frame.len() {
        let mut new = frame[..length].to_vec();
        let mut to = Anonymizer::new(&Key(super::KEY), Payload::Kept);
        assert_eq!(to.frame(&mut new), length);
        // One frame's end is not another's.
        assert_eq!(to.frame(&mut frame[..32].to_vec()), 30);
        assert_eq!(to.frame(&mut frame[..length].to_vec()), length);
    }
}
