//! Published mappings, laws of the mapping, and frames with known places.

use etherparse::{
    Icmpv4Header, IpNumber, Ipv4Header, PacketBuilder, SlicedPacket, TransportSlice, UdpHeader,
};
use proptest::prelude::*;

use super::addresses::Addresses;
use super::{Anonymizer, Key, Payload};

mod behind;
mod checksums;
mod ends;
mod untold;

/// The key of Crypto-PAn's own sample.
const KEY: [u8; 32] = [
    21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16, 216, 152, 143, 131, 121,
    121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2,
];

fn addresses() -> Addresses {
    Addresses::new(&KEY)
}

/// Of the sample trace that comes with Crypto-PAn 1.0.
#[test]
fn what_crypto_pan_makes_of_addresses() {
    let mut to = addresses();
    for (old, new) in [
        ([128, 11, 68, 132], [135, 242, 180, 132]),
        ([129, 118, 74, 4], [134, 136, 186, 123]),
        ([130, 132, 252, 244], [133, 68, 164, 234]),
        ([141, 223, 7, 43], [141, 167, 8, 160]),
        ([141, 233, 145, 108], [141, 129, 237, 235]),
        ([152, 163, 225, 39], [151, 140, 114, 167]),
        ([156, 29, 3, 236], [147, 225, 12, 42]),
    ] {
        assert_eq!(to.crypto_pan(old), new, "{old:?}");
    }
}

fn shared(a: u128, b: u128) -> u32 {
    (a ^ b).leading_zeros()
}

fn wide<const N: usize>(octets: [u8; N]) -> u128 {
    octets
        .iter()
        .fold(0_u128, |all, octet| all << 8 | u128::from(*octet))
        .checked_shl(128 - 8 * u32::try_from(N).unwrap())
        .unwrap()
}

proptest! {
    #[test]
    fn prefixes_are_kept_and_no_two_become_one(
        a in any::<[u8; 4]>(), b in any::<[u8; 4]>(), c in any::<[u8; 16]>(), d in any::<[u8; 16]>(),
        m in any::<[u8; 6]>(), n in any::<[u8; 6]>(), same in 0_usize..16,
    ) {
        let mut to = addresses();
        let special = |a: [u8; 4]| matches!(a, [0, 0, 0, 0] | [255, 255, 255, 255]);
        let mut b = b;
        b[..same / 4].copy_from_slice(&a[..same / 4]);
        prop_assume!(![a, b, to.v4(a), to.v4(b)].into_iter().any(special));
        prop_assert_eq!(shared(wide(a), wide(b)), shared(wide(to.v4(a)), wide(to.v4(b))));
        let mut d = d;
        d[..same].copy_from_slice(&c[..same]);
        prop_assert_eq!(shared(wide(c), wide(d)), shared(wide(to.v6(c)), wide(to.v6(d))));
        let (m, n) = ([m[0] & !1, m[1], m[2], m[3], m[4], m[5]], [n[0] & !1, n[1], n[2], n[3], n[4], n[5]]);
        prop_assert_eq!(shared(wide(m), wide(n)), shared(wide(to.mac(m)), wide(to.mac(n))));
        prop_assert_eq!(to.mac(m)[0] & 3, m[0] & 3);
    }

    #[test]
    fn classes_are_kept(a in any::<[u8; 4]>(), c in any::<[u8; 16]>(), scope in any::<u8>()) {
        let mut to = addresses();
        let class = |a: [u8; 4]| (a[0] >> 4 == 14, a[0] == 127, a[..2] == [169, 254], a[..3] == [224, 0, 0]);
        for a in [a, [0xe0 | a[0] & 0x0f, a[1], a[2], a[3]], [169, 254, a[2], a[3]], [127, a[1], a[2], a[3]]] {
            prop_assert_eq!(class(a), class(to.v4(a)));
        }
        let mut group = c;
        (group[0], group[1]) = (0xff, scope);
        prop_assert_eq!(&to.v6(group)[..2], &group[..2]);
        prop_assert_eq!(to.v6(c)[0] == 0xff, c[0] == 0xff);
        let mut local = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        local[8..].copy_from_slice(&c[8..]);
        prop_assert_eq!(&to.v6(local)[..8], &local[..8]);
    }

    #[test]
    fn any_octets_are_borne(octets in prop::collection::vec(any::<u8>(), 0..200), kind in any::<u8>()) {
        let mut frame = octets;
        if let Some(place) = frame.get_mut(12..15) {
            let (a, b) = [(8, 0), (8, 6), (0x86, 0xdd), (0x81, 0), (0x88, 0x64), (0x88, 0x47)][usize::from(kind % 6)];
            place.copy_from_slice(&[a, b, if kind % 6 == 0 { 0x45 } else { 0x60 }]);
        }
        for payload in [Payload::Cut, Payload::Kept] {
            let mut new = frame.clone();
            let keep = Anonymizer::new(&Key(KEY), payload).frame(&mut new);
            prop_assert!(keep <= frame.len());
            // Nothing behind what is shown was taken for a header.
            prop_assert_eq!(&new[keep..], &frame[keep..]);
        }
    }
}

#[test]
fn what_everybody_uses_stays() {
    let mut to = addresses();
    for same in [
        [0, 0, 0, 0],
        [255, 255, 255, 255],
        [224, 0, 0, 251],
        [127, 0, 0, 1],
    ] {
        assert_eq!(to.v4(same), same);
    }
    let v6 = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    for same in ["::", "::1", "ff02::1", "ff02::fb", "ff05::1:3", "ff0e::101"] {
        let same = v6(same);
        let is_known = same[13] == 0;
        assert_eq!(to.v6(same) == same, is_known, "{same:?}");
    }
    let solicited = to.v6(v6("ff02::1:ff12:3456"));
    assert_eq!(solicited[..13], v6("ff02::1:ff00:0")[..13]);
    assert_ne!(solicited, v6("ff02::1:ff12:3456"));
    for same in [[0xff; 6], [0; 6], [1, 0x80, 0xc2, 0, 0, 0x0e]] {
        assert_eq!(to.mac(same), same);
    }
}

const MACS: ([u8; 6], [u8; 6]) = ([2, 1, 1, 1, 1, 1], [2, 2, 2, 2, 2, 2]);
const A: [u8; 4] = [10, 1, 2, 3];
const B: [u8; 4] = [192, 168, 7, 8];

fn anonymized(frame: &[u8], payload: Payload) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let keep = Anonymizer::new(&Key(KEY), payload).frame(&mut frame);
    frame.truncate(keep);
    frame
}

/// No address of ours is anywhere in it.
fn tells_nothing(frame: &[u8]) {
    for secret in [&A[..], &B, &MACS.0, &MACS.1] {
        let found = frame.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "{secret:?} in {frame:?}");
    }
}

#[test]
fn tcp_and_udp_have_right_checksums_and_no_payload() {
    let mut to = addresses();
    let payload = [&A[..], &MACS.0, b"secret!"].concat();
    let builder = || PacketBuilder::ethernet2(MACS.0, MACS.1).ipv4(A, B, 64);
    let mut tcp = Vec::new();
    builder()
        .tcp(51_000, 443, 7, 1000)
        .options_raw(&[2, 4, 5, 180, 30, 8, 0x30, 1, A[0], A[1], A[2], A[3]])
        .unwrap()
        .write(&mut tcp, &payload)
        .unwrap();
    let mut udp = Vec::new();
    builder().udp(53, 1).write(&mut udp, &payload).unwrap();
    let mut six = Vec::new();
    let c: [u8; 16] = "2001:db8::1"
        .parse::<std::net::Ipv6Addr>()
        .unwrap()
        .octets();
    PacketBuilder::ethernet2(MACS.0, MACS.1)
        .ipv6(c, c, 64)
        .udp(53, 1)
        .write(&mut six, &payload)
        .unwrap();
    for (frame, headers) in [
        (&tcp, 14 + 20 + 32),
        (&udp, 14 + 20 + 8),
        (&six, 14 + 40 + 8),
    ] {
        let cut = anonymized(frame, Payload::Cut);
        assert_eq!(cut.len(), headers);
        tells_nothing(&cut);
        let kept = anonymized(frame, Payload::Kept);
        assert_eq!(kept.len(), frame.len());
        // A checksum over payload tells of it, so goes with it.
        let mut shown = kept[..headers].to_vec();
        let at = if headers == 66 { 34 + 16 } else { headers - 2 };
        shown[at..at + 2].fill(0);
        assert_eq!(shown, cut);
        assert_eq!(kept[headers..], payload);
        // With the payload there, every checksum can be looked at.
        let parsed = SlicedPacket::from_ethernet(&kept).unwrap();
        match parsed.net.unwrap() {
            etherparse::NetSlice::Ipv4(ip) => {
                let header = ip.header().to_header();
                assert_eq!(header.header_checksum, header.calc_header_checksum());
                assert_eq!(header.source, to.v4(A));
                assert_eq!(header.destination, to.v4(B));
                match parsed.transport.unwrap() {
                    TransportSlice::Tcp(tcp) => {
                        let header = tcp.to_header();
                        let sum =
                            header.calc_checksum_ipv4(&ip.header().to_header(), tcp.payload());
                        assert_eq!(header.checksum, sum.unwrap());
                        assert_eq!(
                            header.options.as_slice(),
                            [2, 4, 5, 180, 1, 1, 1, 1, 1, 1, 1, 1]
                        );
                    }
                    TransportSlice::Udp(udp) => {
                        let header = udp.to_header();
                        let sum =
                            header.calc_checksum_ipv4(&ip.header().to_header(), udp.payload());
                        assert_eq!(header.checksum, sum.unwrap());
                    }
                    other => panic!("{other:?}"),
                }
            }
            etherparse::NetSlice::Ipv6(ip) => {
                let Some(TransportSlice::Udp(udp)) = parsed.transport else {
                    panic!()
                };
                let header: UdpHeader = udp.to_header();
                let sum = header.calc_checksum_ipv6(&ip.header().to_header(), udp.payload());
                assert_eq!(header.checksum, sum.unwrap());
                assert_eq!(ip.header().source(), to.v6(c));
            }
            other @ etherparse::NetSlice::Arp(_) => panic!("{other:?}"),
        }
    }
}

#[test]
fn quoted_packets_are_followed() {
    let mut inner = Vec::new();
    PacketBuilder::ipv4(A, B, 64)
        .udp(4000, 33_434)
        .write(&mut inner, b"secret")
        .unwrap();
    let icmp = etherparse::Icmpv4Type::DestinationUnreachable(
        etherparse::icmpv4::DestUnreachableHeader::Port,
    );
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(MACS.0, MACS.1)
        .ipv4(B, A, 64)
        .icmpv4(icmp)
        .write(&mut frame, &inner)
        .unwrap();
    let cut = anonymized(&frame, Payload::Cut);
    tells_nothing(&cut);
    assert_eq!(cut.len(), 14 + 20 + 8 + 20 + 8);
    let kept = anonymized(&frame, Payload::Kept);
    let message = &kept[34..];
    let (header, rest) = Icmpv4Header::from_slice(message).unwrap();
    assert_eq!(header.checksum, header.icmp_type.calc_checksum(rest));
    let (quoted, rest) = Ipv4Header::from_slice(rest).unwrap();
    let mut to = addresses();
    assert_eq!((quoted.source, quoted.destination), (to.v4(A), to.v4(B)));
    assert_eq!(quoted.header_checksum, quoted.calc_header_checksum());
    let (udp, payload) = UdpHeader::from_slice(rest).unwrap();
    assert_eq!(
        udp.checksum,
        udp.calc_checksum_ipv4(&quoted, payload).unwrap()
    );
    assert_eq!(quoted.protocol, IpNumber::UDP);
}

#[test]
fn arp_and_neighbours() {
    let mut arp = [&[0xff; 6][..], &MACS.0, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
    arp.extend([&MACS.0[..], &A, &[0; 6], &B].concat());
    arp.extend([0xee; 18]);
    let cut = anonymized(&arp, Payload::Cut);
    tells_nothing(&cut);
    let mut to = addresses();
    assert_eq!(cut.len(), 42);
    assert_eq!(cut[..6], [0xff; 6]);
    assert_eq!(cut[22..28], to.mac(MACS.0));
    assert_eq!(cut[28..32], to.v4(A));
    assert_eq!(cut[32..38], [0; 6]);
    // A solicitation goes to the group of its target, by IP and by MAC.
    let v6 = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    let (from, group, target) = (
        v6("fe80::1"),
        v6("ff02::1:ff12:3456"),
        v6("2001:db8::12:3456"),
    );
    let message = [&[0; 4][..], &target, &[1, 1], &MACS.0].concat();
    let mut frame = Vec::new();
    let unknown = etherparse::Icmpv6Type::Unknown {
        type_u8: 135,
        code_u8: 0,
        bytes5to8: [0; 4],
    };
    PacketBuilder::ethernet2(MACS.0, [0x33, 0x33, 0xff, 0x12, 0x34, 0x56])
        .ipv6(from, group, 255)
        .icmpv6(unknown)
        .write(&mut frame, &message[4..])
        .unwrap();
    let kept = anonymized(&frame, Payload::Cut);
    assert_eq!(kept.len(), frame.len());
    tells_nothing(&kept);
    assert_eq!(kept[..2], [0x33, 0x33]);
    assert_eq!(kept[2..6], kept[50..54], "the group's last octets");
    assert_eq!(kept[62..78], to.v6(target));
    assert_eq!(kept[80..86], to.mac(MACS.0));
    let parsed = SlicedPacket::from_ethernet(&kept).unwrap();
    let Some(TransportSlice::Icmpv6(icmp)) = parsed.transport else {
        panic!()
    };
    let Some(etherparse::NetSlice::Ipv6(ip)) = parsed.net else {
        panic!()
    };
    assert!(icmp.is_checksum_valid(ip.header().source(), ip.header().destination()));
}

#[test]
fn tags_sessions_and_labels_are_passed() {
    let mut inner = Vec::new();
    PacketBuilder::ipv4(A, B, 64)
        .udp(1, 2)
        .write(&mut inner, b"secret")
        .unwrap();
    for between in [
        &[0x81, 0, 0, 5, 8, 0][..],
        &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0],
        &[0x88, 0x64, 0x11, 0, 0, 1, 0, 36, 0, 0x21],
        &[0x88, 0x64, 0x11, 0, 0, 1, 0, 35, 0x21],
        &[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64],
        &[0, 42, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0],
    ] {
        let frame = [&MACS.1[..], &MACS.0, between, &inner].concat();
        let cut = anonymized(&frame, Payload::Cut);
        tells_nothing(&cut);
        assert_eq!(cut.len(), 12 + between.len() + 28);
    }
    // Of what is not known nothing is shown.
    let lldp = [
        &[1, 0x80, 0xc2, 0, 0, 0x0e][..],
        &MACS.0,
        &[0x88, 0xcc, 2, 7, 4],
        &MACS.0,
    ]
    .concat();
    assert_eq!(anonymized(&lldp, Payload::Cut).len(), 14);
}

#[test]
fn keys_in_files() {
    let hex = "1522178d33a4cf80130a5b1649907d10d8988f83797965276257\
               4c2d2a842202";
    let hex = hex.to_owned();
    for file in [
        KEY.to_vec(),
        hex.clone().into_bytes(),
        format!("{hex}\n").into_bytes(),
    ] {
        assert_eq!(Key::parse(&file), Ok(Key(KEY)));
    }
    for file in [&hex.as_bytes()[1..], b"", b"password"] {
        assert!(Key::parse(file).is_err());
    }
    assert_ne!(Key::random().unwrap(), Key::random().unwrap());
    assert_eq!(format!("{:?}", Key(KEY)), "Key(..)");
}
