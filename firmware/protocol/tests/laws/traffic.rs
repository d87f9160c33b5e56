//! Any flows and echoes, and what else is told of the wire.

use magpie_protocol::{
    Address, Direction, EchoKey, EchoRecord, EchoSample, EndReason, FlowKey, FlowRecord, FlowSum,
    Handshake, Side, TcpFacts, TooBig, Unsent, UnsentKey, UnsentLine,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::values::{addresses, number, numbers, side, signed, stack};

fn reason() -> impl Strategy<Value = EndReason> {
    any::<u8>().prop_map(EndReason::from)
}

fn direction([packets, ip_octets, frame_octets]: [u64; 3]) -> Direction {
    Direction {
        packets,
        ip_octets,
        frame_octets,
    }
}

fn handshake() -> impl Strategy<Value = Handshake> {
    (side(), any::<[u32; 2]>(), signed(), signed()).prop_map(|(client, retx, first, second)| {
        Handshake {
            client,
            syn_retx: retx[0],
            synack_retx: retx[1],
            syn_to_synack_us: first,
            synack_to_ack_us: second,
        }
    })
}

fn tcp() -> impl Strategy<Value = TcpFacts> {
    (any::<[u8; 2]>(), numbers::<6>(), option::of(handshake())).prop_map(|(flags, n, handshake)| {
        TcpFacts {
            flags,
            seq_back: [n[0], n[1]],
            seq_back_octets: [n[2], n[3]],
            unseen_octets: [n[4], n[5]],
            handshake,
        }
    })
}

pub(crate) fn flow() -> impl Strategy<Value = FlowRecord> {
    let key = (stack(), any::<u8>(), addresses(), any::<[u16; 2]>());
    (
        key,
        reason(),
        side(),
        numbers::<3>(),
        numbers::<3>(),
        numbers::<3>(),
        option::of(tcp()),
    )
        .prop_map(
            |((vlan, protocol, addresses, ports), reason, initiator, n, ab, ba, tcp)| FlowRecord {
                flow_id: n[0],
                reason,
                key: FlowKey {
                    vlan,
                    protocol,
                    addresses,
                    a_port: ports[0],
                    b_port: ports[1],
                },
                initiator,
                first_us: n[1],
                last_us: n[2],
                ab: direction(ab),
                ba: direction(ba),
                tcp,
            },
        )
}

/// A flow as they are in nature: of its parts any may be missing, or follow
/// from the others.
pub(crate) fn likely_flow() -> impl Strategy<Value = FlowRecord> {
    let protocol = prop_oneof![Just(6_u8), Just(17), Just(1), Just(58), any::<u8>()];
    let traits = any::<[bool; 6]>();
    (flow(), protocol, 0..8_u8, tcp(), traits).prop_map(
        |(mut flow, protocol, reason, mut tcp, traits)| {
            let [portless, one_way, brief, plain, smooth, untroubled] = traits;
            flow.reason = EndReason::from(reason);
            flow.key.protocol = protocol;
            if portless {
                (flow.key.a_port, flow.key.b_port) = (0, 0);
            }
            let (forth, back) = match flow.initiator {
                Side::A => (&mut flow.ab, &mut flow.ba),
                Side::B => (&mut flow.ba, &mut flow.ab),
            };
            if brief {
                forth.packets = 1;
                flow.last_us = flow.first_us;
            }
            if one_way {
                *back = Direction::default();
                tcp.flags = match flow.initiator {
                    Side::A => [tcp.flags[0], 0],
                    Side::B => [0, tcp.flags[1]],
                };
            }
            if plain {
                let a_frame = 14 + 4 * flow.key.vlan.depth() as u64;
                for way in [forth, back] {
                    way.frame_octets = way
                        .packets
                        .wrapping_mul(a_frame)
                        .wrapping_add(way.ip_octets);
                }
            }
            if untroubled {
                tcp = TcpFacts {
                    flags: tcp.flags,
                    handshake: tcp.handshake,
                    ..TcpFacts::default()
                };
            }
            if let Some(handshake) = tcp.handshake.as_mut().filter(|_| smooth) {
                handshake.client = flow.initiator;
                (handshake.syn_retx, handshake.synack_retx) = (0, 0);
            }
            flow.tcp = (protocol == 6).then_some(tcp);
            flow
        },
    )
}

fn echo_key() -> impl Strategy<Value = EchoKey> {
    (stack(), addresses(), any::<u16>()).prop_map(|(vlan, addresses, id)| EchoKey {
        vlan,
        addresses,
        id,
    })
}

pub(crate) fn echo() -> impl Strategy<Value = EchoRecord> {
    (echo_key(), reason(), numbers::<9>()).prop_map(|(key, reason, n)| EchoRecord {
        echo_id: n[0],
        reason,
        key,
        first_us: n[1],
        last_us: n[2],
        requests: n[3],
        replies: n[4],
        matched: n[5],
        duplicates: n[6],
        orphans: n[7],
        waiting: n[8],
    })
}

pub(crate) fn echo_sample() -> impl Strategy<Value = EchoSample> {
    (number(), echo_key(), any::<u16>(), number(), signed()).prop_map(
        |(echo_id, key, sequence, reply_us, rtt_us)| EchoSample {
            echo_id,
            key,
            sequence,
            reply_us,
            rtt_us,
        },
    )
}

pub(crate) fn too_big() -> impl Strategy<Value = TooBig> {
    (number(), addresses(), any::<u32>()).prop_map(|(at_us, addresses, mtu)| TooBig {
        at_us,
        addresses,
        mtu,
    })
}

pub(crate) fn unsent() -> impl Strategy<Value = Unsent> {
    let flow_sum = |[flows, packets, octets]: [u64; 3]| FlowSum {
        flows,
        packets,
        octets,
    };
    let responder = prop_oneof![
        any::<[u8; 4]>().prop_map(Address::V4),
        any::<[u8; 16]>().prop_map(Address::V6),
    ];
    let key = (any::<u8>(), responder).prop_map(|(protocol, responder)| UnsentKey {
        protocol,
        responder,
    });
    let line = (
        any::<u16>(),
        option::of(key),
        number(),
        numbers::<3>(),
        numbers::<3>(),
    );
    let line = line.prop_map(
        move |(place, key, missed_at_most, never, unsure)| UnsentLine {
            place,
            key,
            missed_at_most,
            never_sent: flow_sum(never),
            unconfirmed: flow_sum(unsure),
        },
    );
    (number(), vec(line, 0..=Unsent::MAX_LINES)).prop_map(|(flows, lines)| Unsent {
        flows,
        lines: lines.into_iter().collect(),
    })
}
