//! Edges of TCP, UDP and ICMP.

use std::vec;
use std::vec::Vec;

use magpie_protocol::Malformed::*;

use super::{Edge, Frame};
use crate::dissect::tests::frames::*;

pub(super) fn transport_edges() -> Vec<Edge> {
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
