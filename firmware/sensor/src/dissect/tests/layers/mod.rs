//! What sound frames give, layer by layer.

mod link;
mod network;
mod transport;

use magpie_protocol::{AddressPair, VlanStack};

use super::frames::*;
use crate::dissect::{Fragment, Ip, Network, Tcp, Transport, View, dissect};

fn view(frame: &[u8]) -> View {
    dissect(frame, u32::try_from(frame.len()).unwrap())
}

fn ip(frame: &[u8]) -> Ip {
    match view(frame).network {
        Network::Ip(ip) => ip,
        other => panic!("not IP: {other:?}"),
    }
}

fn stack(ids: impl IntoIterator<Item = u16>) -> VlanStack {
    let mut stack = VlanStack::NONE;
    for id in ids {
        stack.push(id);
    }
    stack
}

const ADDRESSES4: AddressPair = AddressPair::V4 {
    a: SOURCE4,
    b: DESTINATION4,
};
const ADDRESSES6: AddressPair = AddressPair::V6 {
    a: SOURCE6,
    b: DESTINATION6,
};

/// 60 octets as tcpdump prints them: SYN of a TCP connection, padded.
const SYN: [u8; 60] = [
    0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, //
    0x45, 0x00, 0x00, 0x2c, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06, 0xb1, 0xf6, //
    0xac, 0x10, 0x0a, 0x63, 0xac, 0x10, 0x0a, 0x0c, // 172.16.10.99 > 172.16.10.12
    0xc3, 0x51, 0x00, 0x50, 0x9a, 0x3b, 0x2c, 0x1d, 0x00, 0x00, 0x00, 0x00, //
    0x60, 0x02, 0xfa, 0xf0, 0x00, 0x00, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4, //
    0x00, 0x00,
];

#[test]
fn a_padded_syn() {
    let expected = View {
        ethertype: 0x0800,
        vlan: VlanStack::NONE,
        vlan_cut: false,
        malformed: [].into_iter().collect(),
        network: Network::Ip(Ip {
            addresses: AddressPair::V4 {
                a: [172, 16, 10, 99],
                b: [172, 16, 10, 12],
            },
            protocol: 6,
            ip_octets: 44,
            fragment: Fragment::Whole,
            source_port: 50001,
            destination_port: 80,
            transport: Transport::Tcp(Tcp {
                flags: 2,
                sequence: 0x9a3b_2c1d,
                acknowledgement: 0,
                payload: Some(0),
            }),
        }),
    };
    assert_eq!(view(&SYN), expected);
}

/// The caller errs: the wire cannot have had less than was captured.
#[test]
fn a_wire_shorter_than_the_capture() {
    let frame = frame6(17, &udp(8, &[]));
    for wire_len in 0..=14 {
        let Network::Ip(ip) = dissect(&frame, wire_len).network else {
            panic!()
        };
        assert_eq!(ip.ip_octets, 0);
        let frame = Ip4::new(17, &udp(8, &[])).frame();
        assert_eq!(dissect(&frame, wire_len).network, Network::Invalid);
    }
}
