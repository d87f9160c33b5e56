//! Edges of the link: Ethernet, tags, PPP over Ethernet, MPLS, ARP.

use std::vec;
use std::vec::Vec;

use magpie_protocol::Malformed::*;

use super::{Edge, Frame};
use crate::dissect::tests::frames::*;

pub(super) fn link_edges() -> Vec<Edge> {
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
