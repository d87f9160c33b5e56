//! What a sensor says of the wire: flows, echoes, what was too big, what it
//! did not keep.

use magpie_protocol::{
    Address, AddressPair, Direction, EchoKey, EchoRecord, EchoSample, EndReason, FlowKey,
    FlowRecord, FlowSum, Handshake, Record, Side, TcpFacts, TooBig, Unsent, UnsentKey, UnsentLine,
    VlanStack,
};

use super::stack;

pub(crate) fn traffic_records() -> Vec<(&'static str, Record, &'static str)> {
    let echo_key = EchoKey {
        vlan: VlanStack::NONE,
        addresses: AddressPair::V4 {
            a: [10, 0, 10, 23],
            b: [1, 1, 1, 1],
        },
        id: 0x1234,
    };
    let udp = FlowRecord {
        flow_id: 1,
        reason: EndReason::Idle,
        key: FlowKey {
            vlan: VlanStack::NONE,
            protocol: 17,
            addresses: AddressPair::V4 {
                a: [10, 0, 0, 1],
                b: [10, 0, 0, 2],
            },
            a_port: 53,
            b_port: 40000,
        },
        initiator: Side::B,
        first_us: 1_000_000,
        last_us: 1_000_300,
        ab: Direction {
            packets: 1,
            ip_octets: 100,
            frame_octets: 114,
        },
        ba: Direction {
            packets: 2,
            ip_octets: 58,
            frame_octets: 120,
        },
        tcp: None,
    };
    let tcp = FlowRecord {
        flow_id: 300,
        reason: EndReason::Live,
        key: FlowKey {
            vlan: stack(&[10, 0, 4095]),
            protocol: 6,
            addresses: AddressPair::V6 {
                a: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                b: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
            },
            a_port: 443,
            b_port: 65535,
        },
        initiator: Side::A,
        // A clock that stepped back: last before first.
        first_us: 5,
        last_us: 4,
        ab: Direction {
            packets: u64::MAX,
            ip_octets: 2,
            frame_octets: 1,
        },
        ba: Direction::default(),
        tcp: Some(TcpFacts {
            flags: [0x1b, 0x12],
            seq_back: [1, 0],
            seq_back_octets: [1460, 0],
            unseen_octets: [0, 200],
            handshake: Some(Handshake {
                client: Side::B,
                syn_retx: 1,
                synack_retx: 0,
                syn_to_synack_us: -1,
                synack_to_ack_us: 250,
            }),
        }),
    };
    vec![
        (
            "flow, UDP",
            Record::Flow(udp),
            "031e01010011000a0000010a00000235c0b80201c0843dac0201640e023a3e00",
        ),
        (
            "flow, TCP",
            Record::Flow(tcp),
            "0365ac0200030a00ff1f060120010db800000000000000000000000120010db8000000000000\
             000000000002bb03ffff030005ffffffffffffffffff01ffffffffffffffffff0102ffffffff\
             ffffffffff01000000011b120100b40b0000c8010101010001f403",
        ),
        (
            "echo",
            Record::Echo(EchoRecord {
                echo_id: 9,
                reason: EndReason::Flush,
                key: echo_key,
                first_us: 100,
                last_us: 200,
                requests: 6,
                replies: 5,
                matched: 4,
                duplicates: 1,
                orphans: 0,
                waiting: 2,
            }),
            "0417090600000a000a1701010101b42464c801060504010002",
        ),
        (
            "echo sample",
            Record::EchoSample(EchoSample {
                echo_id: 9,
                key: echo_key,
                sequence: 65535,
                reply_us: 200,
                rtt_us: -3,
            }),
            "05130900000a000a1701010101b424ffff03c80105",
        ),
        (
            "too big for IPv4",
            Record::TooBig(TooBig {
                at_us: 300,
                addresses: AddressPair::V4 {
                    a: [10, 0, 0, 1],
                    b: [10, 0, 10, 77],
                },
                mtu: 1420,
            }),
            "0d0dac02000a0000010a000a4d8c0b",
        ),
        (
            "too big for IPv6",
            Record::TooBig(TooBig {
                at_us: 7,
                addresses: AddressPair::V6 {
                    a: [0xfe; 16],
                    b: [0x20; 16],
                },
                mtu: 0,
            }),
            concat!(
                "0d230701",
                "fefefefefefefefefefefefefefefefe",
                "20202020202020202020202020202020",
                "00"
            ),
        ),
        (
            "flows not kept",
            Record::Unsent(Unsent {
                flows: 1_003,
                lines: [
                    UnsentLine {
                        place: 300,
                        key: Some(UnsentKey {
                            protocol: 6,
                            responder: Address::V4([10, 0, 0, 5]),
                        }),
                        missed_at_most: 0,
                        never_sent: FlowSum {
                            flows: 700,
                            packets: 2_100,
                            octets: 126_000,
                        },
                        unconfirmed: FlowSum {
                            flows: 3,
                            packets: 4,
                            octets: 240,
                        },
                    },
                    UnsentLine {
                        place: 301,
                        key: Some(UnsentKey {
                            protocol: 17,
                            responder: Address::V6([
                                0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
                            ]),
                        }),
                        missed_at_most: 200,
                        never_sent: FlowSum {
                            flows: 100,
                            packets: 100,
                            octets: 6_000,
                        },
                        unconfirmed: FlowSum::default(),
                    },
                    UnsentLine {
                        place: 512,
                        key: None,
                        missed_at_most: 0,
                        never_sent: FlowSum {
                            flows: 200,
                            packets: 201,
                            octets: 12_060,
                        },
                        unconfirmed: FlowSum::default(),
                    },
                ]
                .into_iter()
                .collect(),
            }),
            "0b43eb0703ac020106000a00000500bc05b410b0d8070304f001ad0201110120010db8000000000000000000000002c8016464f02e00000080040000c801c9019c5e000000",
        ),
    ]
}
