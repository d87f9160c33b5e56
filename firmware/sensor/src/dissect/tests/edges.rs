//! Each malformed class at its edge: the first frame raises it, the second,
//! its nearest neighbour, does not.

use std::{vec, vec::Vec};

use magpie_protocol::Malformed::{self, *};

use super::frames::*;
use crate::dissect::{Classes, Network, dissect};

/// A frame and its length on the wire.
struct Frame {
    octets: Vec<u8>,
    wire_len: u32,
}

impl Frame {
    /// Captured whole.
    fn whole(octets: Vec<u8>) -> Self {
        let wire_len = u32::try_from(octets.len()).unwrap();
        Self { octets, wire_len }
    }

    /// Only the first octets captured.
    fn cut(octets: &[u8], captured: usize) -> Self {
        let wire_len = u32::try_from(octets.len()).unwrap();
        Self {
            octets: octets[..captured].to_vec(),
            wire_len,
        }
    }

    fn classes(&self) -> Classes {
        dissect(&self.octets, self.wire_len).malformed
    }
}

/// The class, a frame that raises it and what else that frame raises, and a
/// frame that raises nothing.
type Edge = (Malformed, Frame, &'static [Malformed], Frame);

fn link_edges() -> Vec<Edge> {
    let syn = Ip4::new(6, &tcp(5, 2, &[])).octets();
    let tagged_ip = |n| tagged(&vec![0x8100; n], 0x0800, &syn);
    let pppoe = join(&[&[0x11, 0, 0, 1, 0, 0, 0, 0x21], &syn]);
    let cut_label = labels(2, &[])[..7].to_vec();
    let request = arp(1, SOURCE4, DESTINATION4);
    let ipv6_arp = join(&[&[0, 1, 0x86, 0xdd, 6, 16, 0, 1], &[0; 44]]);
    vec![
        (
            EthShort,
            Frame::whole(vec![0; 13]),
            &[],
            Frame::whole(vec![0; 14]),
        ),
        (
            EthShort,
            Frame::whole(vec![]),
            &[],
            Frame::cut(&eth(0x88cc, &[0; 50]), 14),
        ),
        (
            VlanShort,
            Frame::cut(&tagged(&[0x8100], 0x88cc, &[]), 17),
            &[],
            Frame::cut(&tagged(&[0x8100], 0x88cc, &[]), 18),
        ),
        (
            VlanShort,
            Frame::whole(tagged_ip(32)[..14 + 4 * 31 + 3].to_vec()),
            &[],
            Frame::whole(tagged(&[0x9100; 32], 0x88cc, &[])),
        ),
        (
            VlanDeep,
            Frame::whole(tagged_ip(33)),
            &[],
            Frame::whole(tagged_ip(32)),
        ),
        (
            PppoeShort,
            Frame::whole(eth(0x8864, &pppoe[..7])),
            &[],
            Frame::whole(eth(0x8864, &[&pppoe[..6], &[0xc0, 0x21]].concat())),
        ),
        (
            MplsShort,
            Frame::whole(eth(0x8847, &cut_label)),
            &[],
            Frame::whole(eth(0x8847, &labels(2, &[]))),
        ),
        (
            MplsDeep,
            Frame::whole(eth(0x8848, &labels(33, &syn))),
            &[],
            Frame::whole(eth(0x8848, &labels(32, &syn))),
        ),
        (
            ArpShort,
            Frame::whole(eth(0x0806, &request[..7])),
            &[],
            Frame::whole(eth(0x0806, &[0; 8])),
        ),
        (
            ArpShort,
            Frame::whole(eth(0x0806, &request[..27])),
            &[],
            Frame::whole(eth(0x0806, &request)),
        ),
        (
            ArpShort,
            Frame::whole(eth(0x0806, &ipv6_arp[..51])),
            &[],
            Frame::whole(eth(0x0806, &ipv6_arp)),
        ),
    ]
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn ipv4_edges() -> Vec<Edge> {
    let sound = Ip4::new(6, &tcp(5, 2, b"data"));
    let total = 44;
    let with = |change: fn(&mut Ip4)| {
        let mut packet = sound.clone();
        change(&mut packet);
        packet.frame()
    };
    let other = Ip4::new(47, &[]).frame();
    let mut bad_sum = sound.frame();
    bad_sum[14 + 8] ^= 1;
    let mut bad_option = with(|p| {
        p.options = vec![1; 40];
        p.version_ihl = 0x4f;
    });
    bad_option[14 + 59] ^= 1;
    vec![
        (
            Ip4Short,
            Frame::whole(other[..33].to_vec()),
            &[],
            Frame::whole(other.clone()),
        ),
        (
            Ip4Short,
            Frame::cut(&other, 33),
            &[],
            Frame::whole(other.clone()),
        ),
        (
            Ip4Version,
            Frame::whole(with(|p| p.version_ihl = 0x55)),
            &[],
            Frame::whole(sound.frame()),
        ),
        (
            Ip4Ihl,
            Frame::whole(with(|p| p.version_ihl = 0x44)),
            &[],
            Frame::whole(with(|p| p.version_ihl = 0x45)),
        ),
        (
            // Total length one below the header's length.
            Ip4Len,
            Frame::whole(with(|p| p.total = Some(19))),
            &[],
            Frame::whole(with(|p| {
                p.total = Some(20);
                p.protocol = 47;
            })),
        ),
        (
            // A header longer than the wire had octets.
            Ip4Len,
            Frame::whole(with(|p| {
                p.version_ihl = 0x46;
                p.body = vec![1; 3];
                p.total = Some(24);
            })),
            &[],
            Frame::whole(with(|p| {
                p.version_ihl = 0x46;
                p.options = vec![1; 4];
                p.body = vec![];
                p.protocol = 47;
            })),
        ),
        (
            Ip4Len0,
            Frame::whole(with(|p| p.total = Some(0))),
            &[],
            Frame::whole(sound.frame()),
        ),
        (
            // Both at once: nothing of the packet on the wire.
            Ip4Len0,
            Frame {
                octets: with(|p| p.total = Some(0)),
                wire_len: 14 + 19,
            },
            &[Ip4Len],
            Frame::whole(sound.frame()),
        ),
        (
            Ip4LenGtFrame,
            Frame::whole(with(|p| p.total = Some(45))),
            &[],
            Frame {
                octets: with(|p| p.total = Some(45)),
                wire_len: 14 + total + 1,
            },
        ),
        (
            Ip4Cksum,
            Frame::whole(bad_sum.clone()),
            &[],
            Frame::whole(sound.frame()),
        ),
        (
            Ip4Cksum,
            Frame::whole(bad_option.clone()),
            &[],
            Frame::whole(with(|p| {
                p.options = vec![1; 40];
                p.version_ihl = 0x4f;
            })),
        ),
        (
            // The last octet of the options is missing: no judgement.
            Ip4Cksum,
            Frame::cut(&bad_option, 14 + 60),
            &[L4Short],
            Frame {
                octets: {
                    let mut cut = Ip4 {
                        protocol: 47,
                        version_ihl: 0x4f,
                        options: vec![1; 40],
                        ..sound.clone()
                    }
                    .frame();
                    cut[14 + 30] ^= 1;
                    cut.truncate(14 + 59);
                    cut
                },
                wire_len: 14 + 64 + 20,
            },
        ),
    ]
}

fn ipv6_edges() -> Vec<Edge> {
    let sound = frame6(59, &[]);
    let mut version = sound.clone();
    version[14] = 0x50;
    let jumbo = |octets: u32, pads: usize| {
        let mut options = vec![0; pads];
        options.extend([0xc2, 4]);
        options.extend(octets.to_be_bytes());
        let header = hop_by_hop(59, &options);
        eth(0x86dd, &ip6(0, Some(0), &[&header[..], &[0; 8]].concat()))
    };
    let chain = |n| frame6(60, &extensions(n, 59));
    vec![
        (
            Ip6Short,
            Frame::whole(sound[..53].to_vec()),
            &[],
            Frame::whole(sound.clone()),
        ),
        (
            Ip6Version,
            Frame::whole(version),
            &[],
            Frame::whole(sound.clone()),
        ),
        (
            Ip6LenGtFrame,
            Frame::whole(eth(0x86dd, &ip6(59, Some(9), &[0; 8]))),
            &[],
            Frame::whole(eth(0x86dd, &ip6(59, Some(8), &[0; 8]))),
        ),
        (
            Ip6LenGtFrame,
            Frame::whole(jumbo(17, 0)),
            &[],
            Frame::whole(jumbo(16, 0)),
        ),
        (
            Ip6LenGtFrame,
            Frame::whole(jumbo(u32::MAX, 0)),
            &[],
            Frame::whole(jumbo(16, 0)),
        ),
        (
            // The 64th option is found, the 65th is not: then there is no length at all.
            Ip6ExtShort,
            Frame::whole(jumbo(80, 64)),
            &[],
            Frame::whole(jumbo(80, 63)),
        ),
        (
            Ip6ExtShort,
            Frame::whole(frame6(60, &extensions(1, 59)[..7])),
            &[],
            Frame::whole(frame6(60, &extensions(1, 59))),
        ),
        (
            // Its own length field beyond the packet.
            Ip6ExtShort,
            Frame::whole(frame6(43, &extension(59, 1)[..15])),
            &[],
            Frame::whole(frame6(43, &extension(59, 1))),
        ),
        (
            // Within the frame, but behind the packet's end.
            Ip6ExtShort,
            Frame::whole(eth(0x86dd, &ip6(43, Some(8), &extension(59, 1)))),
            &[],
            Frame::whole(eth(0x86dd, &ip6(43, Some(16), &extension(59, 1)))),
        ),
        (
            Ip6ExtShort,
            Frame::cut(&chain(2), 14 + 40 + 15),
            &[],
            Frame::cut(&chain(2), 14 + 40 + 16),
        ),
        (
            Ip6ExtDeep,
            Frame::whole(chain(129)),
            &[],
            Frame::whole(chain(128)),
        ),
        (
            // 128 walked and nothing left: too deep, not short.
            Ip6ExtDeep,
            Frame::whole(frame6(60, &extensions(128, 60))),
            &[],
            Frame::whole(frame6(60, &extensions(127, 59))),
        ),
    ]
}

fn transport_edges() -> Vec<Edge> {
    let v4 = |protocol, body: &[u8]| Frame::whole(Ip4::new(protocol, body).frame());
    let v6 = |protocol, body: &[u8]| Frame::whole(frame6(protocol, body));
    let first = |protocol, body: &[u8]| {
        let packet = Ip4 {
            flags_offset: 0x2000,
            ..Ip4::new(protocol, body)
        };
        Frame::whole(packet.frame())
    };
    let later = |protocol, body: &[u8]| {
        let packet = Ip4 {
            flags_offset: 0x0001,
            ..Ip4::new(protocol, body)
        };
        Frame::whole(packet.frame())
    };
    let segment = tcp(5, 0x10, &[]);
    vec![
        (L4Short, v4(6, &segment[..3]), &[], later(6, &[])),
        (L4Short, v4(6, &segment[..19]), &[], v4(6, &segment)),
        (L4Short, v4(17, &[0; 3]), &[], v4(17, &udp(8, &[]))),
        (
            L4Short,
            v6(17, &udp(8, &[])[..7]),
            &[],
            v6(17, &udp(8, &[])),
        ),
        (L4Short, v4(132, &[0; 3]), &[], v4(132, &[0; 12])),
        (L4Short, v6(132, &[0; 11]), &[], v6(132, &[0; 12])),
        (L4Short, v4(1, &[8]), &[], v4(58, &[8])),
        (L4Short, v4(1, &icmp(8, 0)[..7]), &[], v4(1, &icmp(8, 0))),
        (
            L4Short,
            v6(58, &icmp(128, 0)[..7]),
            &[],
            v6(58, &icmp(128, 0)),
        ),
        (
            TcpOff,
            v4(6, &tcp(4, 0x10, &[])),
            &[],
            v4(6, &tcp(5, 0x10, &[])),
        ),
        (
            TcpOff,
            v4(6, &tcp(6, 0x10, &[0; 3])),
            &[],
            v4(6, &tcp(6, 0x10, &[0; 4])),
        ),
        (
            TcpOff,
            v6(6, &tcp(15, 0x10, &[0; 39])),
            &[],
            v6(6, &tcp(15, 0x10, &[0; 40])),
        ),
        (
            // Judged by the wire, not by what was captured.
            TcpOff,
            Frame::cut(&frame6(6, &tcp(15, 0x10, &[0; 39])), 14 + 40 + 20),
            &[],
            Frame::cut(&frame6(6, &tcp(15, 0x10, &[0; 40])), 14 + 40 + 20),
        ),
        (UdpLen, v4(17, &udp(7, &[])), &[], v4(17, &udp(8, &[]))),
        (UdpLen, v4(17, &udp(0, &[])), &[], v6(17, &udp(0, &[]))),
        (UdpLen, v6(17, &udp(7, &[])), &[], v6(17, &udp(8, &[]))),
        (
            UdpLen,
            v4(17, &udp(13, &[0; 4])),
            &[],
            v4(17, &udp(12, &[0; 4])),
        ),
        (
            UdpLen,
            first(17, &udp(7, &[])),
            &[],
            first(17, &udp(4000, &[])),
        ),
    ]
}

#[test]
fn every_class_at_its_edge() {
    let mut seen = Classes::NONE;
    let tables = [link_edges(), ipv4_edges(), ipv6_edges(), transport_edges()];
    for (table, edges) in tables.iter().enumerate() {
        for (row, (class, raises, others, sound)) in edges.iter().enumerate() {
            let at = std::format!("table {table}, row {row}, {}", class.name());
            let expected: Classes = others.iter().copied().chain([*class]).collect();
            assert_eq!(raises.classes(), expected, "{at}");
            // A neighbour that cannot be sound in every respect says so in
            // the first frame's list.
            let mut left = sound.classes();
            if others.contains(&L4Short) {
                left = left.iter().filter(|c| *c != L4Short).collect();
            }
            assert_eq!(left, Classes::NONE, "the neighbour of {at}");
            seen.insert(*class);
        }
    }
    assert_eq!(
        seen,
        Malformed::ALL.into_iter().collect(),
        "a class has no row"
    );
}

#[test]
fn a_frame_without_a_valid_header_is_invalid_and_only_that() {
    let invalid: Classes = [
        EthShort, VlanShort, VlanDeep, PppoeShort, MplsShort, MplsDeep, Ip4Short, Ip4Version,
        Ip4Ihl, Ip4Len, Ip6Short, Ip6Version,
    ]
    .into_iter()
    .collect();
    for (class, raises, _, sound) in [link_edges(), ipv4_edges(), ipv6_edges(), transport_edges()]
        .into_iter()
        .flatten()
    {
        let view = dissect(&raises.octets, raises.wire_len);
        // An ARP packet is counted as such as soon as its operation is there.
        let arp_without_operation = class == ArpShort && raises.octets.len() < 14 + 8;
        let expected = view.malformed.iter().any(|c| invalid.contains(c)) || arp_without_operation;
        assert_eq!(
            view.network == Network::Invalid,
            expected,
            "{}",
            class.name()
        );
        assert_ne!(
            dissect(&sound.octets, sound.wire_len).network,
            Network::Invalid
        );
    }
}
