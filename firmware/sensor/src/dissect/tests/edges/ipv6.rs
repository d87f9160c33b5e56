//! Edges of IPv6 and its extension headers.

use std::vec;
use std::vec::Vec;

use magpie_protocol::Malformed::*;

use super::{Edge, Frame};
use crate::dissect::tests::frames::*;

pub(super) fn ipv6_edges() -> Vec<Edge> {
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
