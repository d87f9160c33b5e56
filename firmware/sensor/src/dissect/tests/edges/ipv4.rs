//! Edges of IPv4.

use std::vec;
use std::vec::Vec;

use magpie_protocol::Malformed::*;

use super::{Edge, Frame};
use crate::dissect::tests::frames::*;

#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn ipv4_edges() -> Vec<Edge> {
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
