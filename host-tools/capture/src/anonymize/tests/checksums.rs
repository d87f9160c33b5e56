//! A checksum that was not right before is none afterwards: addresses that are
//! gone could be solved from the difference that it kept.

use etherparse::PacketBuilder;

use super::untold::{ether, ipv4, v6};
use super::{A, B, MACS, Payload, anonymized};

const IPV4_SUM: usize = 14 + 10;

/// A frame with right checksums and all of its payload, and where one of those
/// over addresses is.
struct Case {
    name: &'static str,
    frame: Vec<u8>,
    sum: usize,
}

pub(super) fn sum(parts: &[&[u8]]) -> u16 {
    let all = parts.concat();
    let pairs = all.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(*high) << 8 | u32::from(*low),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u32 = pairs.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::try_from(sum).unwrap()
}

/// Writes the Internet checksum of everything from `from` on at `at`.
fn seal(frame: &mut [u8], from: usize, at: usize, pseudo: &[u8]) {
    frame[at..at + 2].fill(0);
    let right = !sum(&[pseudo, &frame[from..]]);
    frame[at..at + 2].copy_from_slice(&right.to_be_bytes());
}

fn seal_ipv4(frame: &mut [u8], from: usize) {
    frame[from + 10..from + 12].fill(0);
    let right = !sum(&[&frame[from..from + 20]]);
    frame[from + 10..from + 12].copy_from_slice(&right.to_be_bytes());
}

fn cases() -> Vec<Case> {
    let payload = b"magpie";
    let four = || PacketBuilder::ethernet2(MACS.0, MACS.1).ipv4(A, B, 64);
    let (c, d) = (v6("2001:db8::1"), v6("2001:db8::2"));
    let six = || PacketBuilder::ethernet2(MACS.0, MACS.1).ipv6(c, d, 64);
    let mut all = Vec::new();
    let mut add = |name, sum, write: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = Vec::new();
        write(&mut frame);
        all.push(Case { name, frame, sum });
    };
    add("tcp", 34 + 16, &|out| {
        four().tcp(1, 2, 7, 9).write(out, payload).unwrap();
    });
    add("udp", 34 + 6, &|out| {
        four().udp(1, 2).write(out, payload).unwrap();
    });
    add("tcp over ipv6", 54 + 16, &|out| {
        six().tcp(1, 2, 7, 9).write(out, payload).unwrap();
    });
    add("udp over ipv6", 54 + 6, &|out| {
        six().udp(1, 2).write(out, payload).unwrap();
    });
    add("icmpv6", 54 + 2, &|out| {
        six().icmpv6_echo_request(1, 2).write(out, payload).unwrap();
    });
    add("ipv4 header", IPV4_SUM, &|out| {
        four().udp(1, 2).write(out, payload).unwrap();
    });
    // A datagram, all of it quoted.
    let mut quoted = Vec::new();
    let inner = PacketBuilder::ipv4(B, A, 64).udp(4000, 33_434);
    inner.write(&mut quoted, payload).unwrap();
    let unreachable = || {
        etherparse::Icmpv4Type::DestinationUnreachable(
            etherparse::icmpv4::DestUnreachableHeader::Port,
        )
    };
    for (name, sum) in [
        ("icmp error", 34 + 2),
        ("quoted header", 42 + 10),
        ("quoted datagram", 62 + 6),
    ] {
        add(name, sum, &|out| {
            four().icmpv4(unreachable()).write(out, &quoted).unwrap();
        });
    }
    add("igmp", 34 + 2, &|out| {
        let report = [0x16, 0, 0, 0, 239, 1, 2, 3];
        out.extend(ether(0x800, &ipv4(&[], 2, &report)));
        seal_ipv4(out, 14);
        seal(out, 34, 36, &[]);
    });
    add("gre", 34 + 4, &|out| {
        let gre = [&[0x80, 0, 8, 0, 0, 0, 0, 0][..], &quoted].concat();
        out.extend(ether(0x800, &ipv4(&[], 47, &gre)));
        seal_ipv4(out, 14);
        seal(out, 34, 38, &[]);
    });
    add("udp-lite", 34 + 6, &|out| {
        let lite = [&[0, 1, 0, 2, 0, 8, 0, 0][..], payload].concat();
        out.extend(ether(0x800, &ipv4(&[], 136, &lite)));
        seal_ipv4(out, 14);
        // Over the header alone, but the length is the whole one.
        let right = !sum(&[&A, &B, &[0, 136, 0, 14], &out[34..42]]);
        out[40..42].copy_from_slice(&right.to_be_bytes());
    });
    all
}

fn at(frame: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([frame[at], frame[at + 1]])
}

#[test]
fn one_that_was_right_is_right() {
    for Case {
        name,
        frame,
        sum: place,
    } in cases()
    {
        let kept = anonymized(&frame, Payload::Kept);
        assert_eq!(kept.len(), frame.len(), "{name}");
        assert_ne!(kept[26..34], frame[26..34], "{name}");
        let right = at(&kept, place);
        // Whatever it was, the octets that it is over say what it is.
        let again = match name {
            "tcp" | "udp" => {
                let length = u16::try_from(frame.len() - 34).unwrap().to_be_bytes();
                sum(&[&kept[26..34], &[0, kept[23]], &length, &kept[34..]])
            }
            "udp-lite" => sum(&[&kept[26..34], &[0, 136, 0, 14], &kept[34..42]]),
            "tcp over ipv6" | "udp over ipv6" | "icmpv6" => {
                let length = u16::try_from(frame.len() - 54).unwrap().to_be_bytes();
                sum(&[&kept[22..54], &[0, kept[20]], &length, &kept[54..]])
            }
            "ipv4 header" => sum(&[&kept[14..34]]),
            "icmp error" | "igmp" | "gre" => sum(&[&kept[34..]]),
            "quoted header" => sum(&[&kept[42..62]]),
            "quoted datagram" => {
                let length = u16::try_from(frame.len() - 62).unwrap().to_be_bytes();
                sum(&[&kept[54..62], &[0, 17], &length, &kept[62..]])
            }
            other => panic!("{other}"),
        };
        assert_eq!(again, 0xffff, "{name}: {right:04x}");
    }
}

/// Checksum offload leaves the pseudo header's sum, or zero; others are wrong.
#[test]
fn one_that_was_wrong_is_gone() {
    for Case {
        name,
        frame,
        sum: place,
    } in cases()
    {
        let right = at(&frame, place);
        let pseudo = sum(&[&A, &B, &[0, 6, 0, 26]]);
        for wrong in [0, right ^ 0x5500, right ^ 1, pseudo] {
            let mut frame = frame.clone();
            frame[place..place + 2].copy_from_slice(&wrong.to_be_bytes());
            for payload in [Payload::Kept, Payload::Cut] {
                let new = anonymized(&frame, payload);
                assert_eq!(at(&new, place), 0, "{name} {wrong:04x} {payload:?}");
            }
        }
    }
}

/// What an outer checksum is over has changed with an inner one.
#[test]
fn one_over_a_wrong_one_is_right() {
    for (name, inner, from, outer) in [
        ("quoted header", 52, 34, 36),
        ("quoted datagram", 68, 34, 36),
        ("gre", 52, 34, 38),
    ] {
        let mut cases = cases().into_iter();
        let mut frame = cases.find(|case| case.name == name).unwrap().frame;
        frame[inner] ^= 0x55;
        seal(&mut frame, from, outer, &[]);
        let kept = anonymized(&frame, Payload::Kept);
        assert_eq!(at(&kept, inner), 0, "{name}");
        assert_eq!(sum(&[&kept[from..]]), 0xffff, "{name}");
    }
}

#[test]
fn one_over_octets_that_the_capture_has_not_is_gone() {
    for Case {
        name,
        frame,
        sum: place,
    } in cases()
    {
        if matches!(name, "ipv4 header" | "quoted header" | "udp-lite") {
            continue; // it is over headers alone
        }
        for (length, payload) in (place + 2..frame.len())
            .flat_map(|length| [(length, Payload::Kept), (length, Payload::Cut)])
        {
            let new = anonymized(&frame[..length], payload);
            let shown = new.get(place..place + 2);
            assert!(
                shown.is_none_or(|sum| sum == [0, 0]),
                "{name} {length} {payload:?}"
            );
        }
    }
    // Nor is an IPv4 header's sum without its end.
    for length in IPV4_SUM + 2..34 {
        let new = anonymized(&cases()[0].frame[..length], Payload::Kept);
        assert_eq!(at(&new, IPV4_SUM), 0, "{length}");
    }
    // A fragment holds a part of what its checksum is over.
    let mut fragment = cases().remove(0).frame;
    fragment[20] = 0x20;
    seal_ipv4(&mut fragment, 14);
    let new = anonymized(&fragment, Payload::Kept);
    assert_eq!(at(&new, 34 + 16), 0);
    assert_eq!(sum(&[&new[14..34]]), 0xffff);
    // And of segments that a card is to cut nobody knows the length.
    let mut segments = cases().remove(0).frame;
    segments[16..18].fill(0);
    seal_ipv4(&mut segments, 14);
    assert_eq!(at(&anonymized(&segments, Payload::Kept), 34 + 16), 0);
}

/// One that covers no address tells of none, wrong or not.
#[test]
fn one_over_no_address_stays() {
    let mut echo = Vec::new();
    let builder = PacketBuilder::ethernet2(MACS.0, MACS.1).ipv4(A, B, 64);
    let builder = builder.icmpv4_echo_request(1, 2);
    builder.write(&mut echo, b"magpie").unwrap();
    echo[36] ^= 0x55;
    for length in [echo.len(), echo.len() - 1] {
        let kept = anonymized(&echo[..length], Payload::Kept);
        assert_eq!(kept[34..], echo[34..length]);
    }
    // SCTP's CRC has no pseudo header.
    let sctp = ether(0x800, &ipv4(&[], 132, b"0123456789abcdef"));
    assert_eq!(anonymized(&sctp, Payload::Kept)[34..], sctp[34..]);
    // Nor is one of GRE's looked at where nothing behind it is.
    let routed = ether(0x800, &ipv4(&[], 47, &[0xc0, 0, 8, 0, 1, 2, 3, 4, 5]));
    assert_eq!(anonymized(&routed, Payload::Kept)[34..], routed[34..]);
    // A datagram over IPv4 may have none.
    let mut none = cases().remove(1).frame;
    none[40..42].fill(0);
    assert_eq!(anonymized(&none, Payload::Kept)[34..], none[34..]);
}

/// The same frames under addresses that differ, with the same wrong checksum,
/// differ in addresses afterwards and in nothing else.
#[test]
fn a_wrong_one_tells_nothing_of_addresses() {
    let of = |address: [u8; 4], payload| {
        let mut frame = Vec::new();
        let builder = PacketBuilder::ethernet2(MACS.0, MACS.1).ipv4(address, B, 64);
        let builder = builder.tcp(1, 2, 7, 9);
        builder.write(&mut frame, b"magpie").unwrap();
        frame[24..26].copy_from_slice(&[0x12, 0x34]);
        frame[50..52].copy_from_slice(&[0x12, 0x34]);
        let mut new = anonymized(&frame, payload);
        new[26..30].fill(0);
        new
    };
    for payload in [Payload::Kept, Payload::Cut] {
        assert_eq!(of(A, payload), of([172, 16, 254, 1], payload));
    }
}
