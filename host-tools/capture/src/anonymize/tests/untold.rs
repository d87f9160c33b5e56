//! What must not be told: of octets that are cut, of groups, of octets that
//! only claim to be headers.

use etherparse::{Icmpv6Type, PacketBuilder};

use super::{A, B, Key, MACS, Payload, addresses, anonymized, tells_nothing};
use crate::anonymize::Anonymizer;

pub(super) const SECRET: &[u8] = b"magpie!!";

pub(super) fn v6(text: &str) -> [u8; 16] {
    text.parse::<std::net::Ipv6Addr>().unwrap().octets()
}

pub(super) fn hides(frame: &[u8]) {
    let found = frame.windows(4).any(|four| four == &SECRET[..4]);
    assert!(!found, "{frame:?}");
}

pub(super) fn ether(kind: u16, packet: &[u8]) -> Vec<u8> {
    [&MACS.1[..], &MACS.0, &kind.to_be_bytes(), packet].concat()
}

/// An IPv4 packet whose header has these options.
pub(super) fn ipv4(options: &[u8], protocol: u8, segment: &[u8]) -> Vec<u8> {
    let first = 0x45 + u8::try_from(options.len() / 4).unwrap();
    let total = u16::try_from(20 + options.len() + segment.len()).unwrap();
    let [high, low] = total.to_be_bytes();
    let fixed = [first, 0, high, low, 0, 0, 0, 0, 64, protocol, 0, 0];
    [&fixed[..], &A, &B, options, segment].concat()
}

pub(super) fn ipv6(next: u8, rest: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(rest.len()).unwrap().to_be_bytes();
    let (c, d) = (v6("2001:db8::1"), v6("2001:db8::2"));
    [&[0x60, 0, 0, 0, high, low, next, 64][..], &c, &d, rest].concat()
}

/// Frames with this payload and right checksums, and octets of their headers.
fn with(payload: &[u8]) -> Vec<(Vec<u8>, usize)> {
    let four = || PacketBuilder::ethernet2(MACS.0, MACS.1).ipv4(A, B, 64);
    let (c, d) = (v6("2001:db8::1"), v6("2001:db8::2"));
    let six = || PacketBuilder::ethernet2(MACS.0, MACS.1).ipv6(c, d, 64);
    let mut frames: Vec<Vec<u8>> = vec![Vec::new(); 6];
    let mut at = frames.iter_mut();
    let mut next = || at.next().unwrap();
    four().tcp(1, 23, 7, 9).write(next(), payload).unwrap();
    four().udp(1, 2).write(next(), payload).unwrap();
    four()
        .icmpv4_echo_request(1, 2)
        .write(next(), payload)
        .unwrap();
    six().tcp(1, 23, 7, 9).write(next(), payload).unwrap();
    six().udp(1, 2).write(next(), payload).unwrap();
    six()
        .icmpv6_echo_request(1, 2)
        .write(next(), payload)
        .unwrap();
    let headers = [54, 42, 42, 74, 62, 62];
    // An error that quotes no more than the eight octets it must.
    let quoted = frames[1][14..42].to_vec();
    let unreachable = etherparse::Icmpv4Type::DestinationUnreachable(
        etherparse::icmpv4::DestUnreachableHeader::Port,
    );
    let mut error = Vec::new();
    let builder = four().icmpv4(unreachable);
    builder.write(&mut error, &quoted).unwrap();
    // The first of two fragments, whose checksum is for both.
    let mut fragment = frames[1][..42].to_vec();
    fragment[16..18].copy_from_slice(&28_u16.to_be_bytes());
    fragment[20] = 0x20;
    // A CRC over everything, as SCTP has it.
    let crc: u32 = payload
        .iter()
        .fold(7, |all, octet| all * 31 + u32::from(*octet));
    let sctp = [&[0, 1, 0, 2, 0, 0, 0, 3][..], &crc.to_be_bytes(), payload].concat();
    let mut all: Vec<_> = frames.into_iter().zip(headers).collect();
    all.push((error, 14 + 20 + 8 + 28));
    all.push((fragment, 42));
    all.push((ether(0x800, &ipv4(&[], 132, &sctp)), 14 + 20 + 12));
    all
}

#[test]
fn a_checksum_tells_nothing_of_what_is_cut() {
    for (number, ((one, headers), (other, _))) in with(b"a").into_iter().zip(with(b"q")).enumerate()
    {
        assert_ne!(one, other, "{number}");
        let cut = anonymized(&one, Payload::Cut);
        assert_eq!(cut.len(), headers, "{number}");
        // Of an IPv4 header nothing depends on payload.
        assert_eq!(cut, anonymized(&other, Payload::Cut), "{number}");
        // Nor where the capture has cut it already.
        assert_eq!(cut, anonymized(&one[..headers], Payload::Cut), "{number}");
    }
    // Where nothing is cut, it stays.
    for (number, (frame, headers)) in with(b"").into_iter().enumerate().take(7) {
        let cut = anonymized(&frame, Payload::Cut);
        assert_eq!(cut.len(), headers, "{number}");
        assert_eq!(cut, anonymized(&frame, Payload::Kept), "{number}");
    }
}

#[test]
fn groups_that_are_somebodys_are_replaced() {
    let mut to = addresses();
    // Windows' load balancing, a vendor's, locally administered ones.
    for group in [
        [0x03, 0xbf, A[0], A[1], A[2], A[3]],
        [0x01, 0x11, 0x22, 0x33, 0x44, 0x55],
        [0xab, 0x00, 0x00, 0x03, 0x00, 0x00],
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xfe],
        [0x01, 0x00, 0x5e, A[1], A[2], A[3]],
        [0x33, 0x33, A[0], A[1], A[2], A[3]],
    ] {
        let new = to.mac(group);
        assert_ne!(new[2..], group[2..], "{group:?}");
        assert_eq!(new[0] & 3, group[0] & 3);
        // As destination, and as source, where no group belongs.
        let kind = 0x88b5_u16.to_be_bytes();
        for ends in [[group, MACS.0], [MACS.0, group]] {
            let frame = [&ends[0][..], &ends[1], &kind].concat();
            let cut = anonymized(&frame, Payload::Cut);
            let want = [&to.mac(ends[0])[..], &to.mac(ends[1]), &kind].concat();
            assert_eq!(cut, want);
            tells_nothing(&cut);
        }
    }
    for same in [
        [0xff; 6],
        [0x01, 0x80, 0xc2, 0, 0, 0],
        [0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc],
        [0x01, 0x1b, 0x19, 0, 0, 0],
    ] {
        assert_eq!(to.mac(same), same);
    }
    assert_eq!(to.mac([0x01, 0x00, 0x5e, 1, 2, 3])[..3], [0x01, 0x00, 0x5e]);
    assert_eq!(to.mac([0x33, 0x33, 1, 2, 3, 4])[..2], [0x33, 0x33]);
}

#[test]
fn what_is_behind_the_packet_is_no_header() {
    // A TCP header that claims to be longer than the packet.
    let mut tcp = [0; 20];
    tcp[12] = 0xf0;
    let option = [&[8, 10][..], SECRET].concat();
    let frame = [ether(0x800, &ipv4(&[], 6, &tcp)), option.clone()].concat();
    assert_eq!(anonymized(&frame, Payload::Cut).len(), 14 + 40);
    let frame = [ether(0x86dd, &ipv6(6, &tcp)), option].concat();
    assert_eq!(anonymized(&frame, Payload::Cut).len(), 14 + 60);
    // Likewise one of IP.
    let mut packet = [ipv4(&[], 17, &[]), SECRET.to_vec()].concat();
    packet[0] = 0x47;
    let cut = anonymized(&ether(0x800, &packet), Payload::Cut);
    assert_eq!(cut.len(), 14 + 20);
    // And a datagram that is shorter than its header.
    let packet = [ipv4(&[], 17, &[0; 4]), SECRET.to_vec()].concat();
    let cut = anonymized(&ether(0x800, &packet), Payload::Cut);
    assert_eq!(cut.len(), 14 + 24);
    // Segments that the card is to cut have no length yet.
    let mut packet = ipv4(&[], 6, &[&tcp[..12], &[0x50], &tcp[13..], SECRET].concat());
    packet[2..4].fill(0);
    let cut = anonymized(&ether(0x800, &packet), Payload::Cut);
    assert_eq!(cut.len(), 14 + 40);
}

#[test]
fn options_are_kept_at_their_own_length_only() {
    let long = |kind: u8| [&[kind, 10][..], SECRET, &[1, 1]].concat();
    for kind in [2, 3, 4, 5] {
        let mut tcp = [&[0; 20][..], &long(kind)].concat();
        tcp[12] = 0x80;
        if kind == 5 {
            tcp[21] = 12; // one block has ten octets
        }
        let cut = anonymized(&ether(0x800, &ipv4(&[], 6, &tcp)), Payload::Cut);
        assert_eq!(cut.len(), 14 + 20 + 32);
        hides(&cut);
    }
    let mut times = [&[0; 20][..], &[8, 12], SECRET, SECRET, &[1, 1]].concat();
    (times[12], times[21]) = (0xa0, 18);
    hides(&anonymized(
        &ether(0x800, &ipv4(&[], 6, &times)),
        Payload::Cut,
    ));
    for kind in [136, 148] {
        let cut = anonymized(&ether(0x800, &ipv4(&long(kind), 17, &[0; 8])), Payload::Cut);
        assert_eq!(cut.len(), 14 + 32 + 8);
        hides(&cut);
    }
    // At their own they stay.
    let alert = [148, 4, 0, 7];
    let cut = anonymized(&ether(0x800, &ipv4(&alert, 17, &[0; 8])), Payload::Cut);
    assert_eq!(cut[34..38], alert);
}

#[test]
fn padding_is_zeroes() {
    let udp = [0, 1, 0, 2, 0, 8, 0, 0];
    let padded = [&[17, 1, 1, 12][..], SECRET, &[9; 4], &udp].concat();
    let cut = anonymized(&ether(0x86dd, &ipv6(0, &padded)), Payload::Cut);
    assert_eq!(cut.len(), 14 + 40 + 16 + 8);
    hides(&cut);
    assert_eq!(cut[54..58], [17, 1, 1, 12]);
    assert_eq!(cut[58..70], [0; 12]);
    // Router alert and jumbo payload have no room for more.
    for kind in [5, 0xc2] {
        let long = [&[17, 1, kind, 12][..], SECRET, &[9; 4], &udp].concat();
        let cut = anonymized(&ether(0x86dd, &ipv6(60, &long)), Payload::Cut);
        assert_eq!(cut.len(), 14 + 40 + 16 + 8);
        hides(&cut);
        assert_eq!(cut[56..58], [1, 12], "{kind}: padding");
    }
}

#[test]
fn neighbours_options_are_kept_at_their_own_length_only() {
    let six = || PacketBuilder::ethernet2(MACS.0, MACS.1).ipv6(v6("fe80::1"), v6("ff02::1"), 255);
    let advertisement = Icmpv6Type::Unknown {
        type_u8: 134,
        code_u8: 0,
        bytes5to8: [0; 4],
    };
    let fixed = [0; 8];
    let mtu = [&[5, 2, 0, 0, 0, 0, 5, 220][..], SECRET].concat();
    let mut prefix = [&[3, 5][..], &[64; 1], &[0; 29]].concat();
    prefix.extend(SECRET);
    for option in [mtu, prefix] {
        let mut frame = Vec::new();
        let message = [&fixed[..], &option].concat();
        let builder = six().icmpv6(advertisement);
        builder.write(&mut frame, &message).unwrap();
        let cut = anonymized(&frame, Payload::Cut);
        hides(&cut);
        assert_eq!(cut.len(), frame.len());
        assert!(cut[72..].iter().all(|octet| *octet == 0));
    }
    let mut frame = Vec::new();
    let message = [&fixed[..], &[5, 1, 0, 0, 0, 0, 5, 220]].concat();
    six()
        .icmpv6(advertisement)
        .write(&mut frame, &message)
        .unwrap();
    let length = frame.len();
    assert_eq!(
        Anonymizer::new(&Key(super::KEY), Payload::Cut).frame(&mut frame),
        length
    );
}
