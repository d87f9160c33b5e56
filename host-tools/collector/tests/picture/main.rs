//! Laws of the picture: order, repetition and splitting of records never
//! change a sum; what does not fit is summed, never lost.

mod told;

use magpie_collector::{EchoSums, Event, FlowSums, Limits, Picture, Position};
use magpie_protocol::{
    AddressPair, CountEntry, Counts, Direction, EchoKey, EchoRecord, EchoSample, EndReason,
    FlowKey, FlowRecord, Handshake, LinkState, NetState, Port, Record, Side, TableId, TcpFacts,
    TooBig, VlanStack,
};
use proptest::prelude::*;

const BOOTS: [u32; 2] = [70, 7];

fn flow_key(n: u8) -> FlowKey {
    FlowKey {
        vlan: VlanStack::NONE,
        protocol: 6,
        addresses: AddressPair::V4 {
            a: [10, 0, 0, 1],
            b: [10, 0, 0, n],
        },
        a_port: 1000,
        b_port: 80,
    }
}

fn echo_key(n: u8) -> EchoKey {
    EchoKey {
        vlan: VlanStack::NONE,
        addresses: AddressPair::V4 {
            a: [10, 0, 0, n],
            b: [10, 0, 0, 1],
        },
        id: 5,
    }
}

prop_compose! {
    fn direction()(packets in 0..1_000_u64, ip_octets in 0..100_000_u64, more in 0..1_000_u64)
        -> Direction {
        Direction { packets, ip_octets, frame_octets: ip_octets + more }
    }
}

prop_compose! {
    fn flow()(
        key in 0..4_u8, ab in direction(), ba in direction(), side in any::<bool>(),
        first_us in 0..1_000_000_u64, span in 0..1_000_000_u64, flags in any::<[u8; 2]>(),
        back in any::<[u16; 2]>(), handshake in any::<Option<u16>>(),
    ) -> FlowRecord {
        FlowRecord {
            flow_id: 0,
            reason: EndReason::Idle,
            key: flow_key(key),
            initiator: if side { Side::A } else { Side::B },
            first_us,
            last_us: first_us + span,
            ab,
            ba,
            tcp: Some(TcpFacts {
                flags,
                seq_back: back.map(u64::from),
                handshake: handshake.map(|us| Handshake {
                    client: Side::A,
                    syn_retx: 0,
                    synack_retx: 0,
                    syn_to_synack_us: i64::from(us),
                    synack_to_ack_us: 0,
                }),
                ..TcpFacts::default()
            }),
        }
    }
}

prop_compose! {
    fn echo()(key in 0..3_u8, n in any::<[u16; 5]>()) -> EchoRecord {
        let [requests, replies, matched, duplicates, orphans] = n.map(u64::from);
        EchoRecord {
            echo_id: 0,
            reason: EndReason::Idle,
            key: echo_key(key),
            first_us: requests,
            last_us: requests + replies,
            requests,
            replies,
            matched,
            duplicates,
            orphans,
            waiting: 0,
        }
    }
}

fn record() -> impl Strategy<Value = Record> {
    let sample = (0..3_u8, any::<u16>()).prop_map(|(key, rtt)| {
        Record::EchoSample(EchoSample {
            echo_id: 0,
            key: echo_key(key),
            sequence: rtt,
            reply_us: 5,
            rtt_us: i64::from(rtt),
        })
    });
    let counts = (0..8_u8, 0..5_u64, 0..1_000_u64).prop_map(|(table, key, n)| {
        let line = CountEntry {
            key,
            frames: n,
            octets: 2 * n,
        };
        Record::Counts(Counts {
            table: TableId::from(table),
            entries: std::iter::once(line).collect(),
        })
    });
    prop_oneof![
        4 => flow().prop_map(Record::Flow),
        2 => echo().prop_map(Record::Echo),
        2 => sample,
        1 => counts,
    ]
}

/// What a sensor sends of these: entries numbered, each with live updates
/// before its finished record, over two boots.
fn sent(records: Vec<(bool, Record)>) -> Vec<(Position, Record)> {
    let mut out = Vec::new();
    let (mut id, mut finals, mut lives) = (0, [0; 2], [0; 2]);
    for (second, mut record) in records {
        let boot = usize::from(second);
        id += 1;
        let mut live = None;
        match &mut record {
            Record::Flow(flow) => {
                flow.flow_id = id;
                let mut early = *flow;
                early.reason = EndReason::Live;
                early.ab.packets /= 2;
                live = Some(Record::Flow(early));
            }
            Record::Echo(echo) => {
                echo.echo_id = id;
                let mut early = *echo;
                early.reason = EndReason::Live;
                early.requests /= 2;
                live = Some(Record::Echo(early));
            }
            _ => {}
        }
        let mut push = |is_final, numbers: &mut [u64; 2], record| {
            let number = numbers[boot];
            numbers[boot] += 1;
            let boot_id = BOOTS[boot];
            let at = Position {
                boot_id,
                is_final,
                number,
            };
            out.push((at, record));
        };
        if let Some(live) = live {
            push(false, &mut lives, live);
        }
        push(true, &mut finals, record);
    }
    out
}

type Seen = (
    Vec<(FlowKey, FlowSums)>,
    Vec<(EchoKey, EchoSums, Vec<i64>)>,
    Vec<Vec<(u64, u64, u64)>>,
    u64,
);

/// All that must not depend on the order of records.
fn seen(picture: &Picture) -> Seen {
    let echoes = picture.echoes();
    let samples = |key: &EchoKey| echoes.get(key).unwrap().samples().in_order();
    let tables = (0..8).map(|table| {
        let lines = picture.counts(TableId::from(table));
        lines
            .iter()
            .map(|(key, line)| (*key, line.frames, line.octets))
            .collect()
    });
    (
        picture.flows().sorted(),
        echoes
            .sorted()
            .into_iter()
            .map(|(key, sums)| (key, sums, samples(&key)))
            .collect(),
        tables.collect(),
        picture
            .boots()
            .iter()
            .map(|boot| boot.received().tally.packets)
            .sum(),
    )
}

fn picture_of(records: &[(Position, Record)], limits: Limits) -> Picture {
    let mut picture = Picture::new("test", limits);
    // The order of boots is the session's to know.
    for boot_id in BOOTS {
        let at = Position {
            boot_id,
            is_final: false,
            number: u64::MAX,
        };
        let nothing = Counts {
            table: TableId::Vlan,
            entries: heapless::Vec::new(),
        };
        picture.apply(0, at, &Record::Counts(nothing));
    }
    for (at, record) in records {
        picture.apply(0, *at, record);
    }
    picture
}

proptest! {
    #[test]
    fn order_and_repetition_change_nothing(
        records in prop::collection::vec((any::<bool>(), record()), 0..40),
        shuffle in any::<prop::sample::Index>(),
        seed in any::<u64>(),
        exact in any::<bool>(),
    ) {
        let limits = if exact { Limits::EXACT } else { Limits { samples: Some(3), ..Limits::default() } };
        let records = sent(records);
        let expected = seen(&picture_of(&records, limits));
        let mut mixed = records.clone();
        if !records.is_empty() {
            mixed.push(records[shuffle.index(records.len())].clone());
            mixed.extend(records.iter().take(shuffle.index(7)).cloned());
        }
        // Fisher and Yates, with a generator that proptest can shrink.
        let mut state = seed | 1;
        for i in (1..mixed.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            mixed.swap(i, usize::try_from(state >> 33).unwrap() % (i + 1));
        }
        prop_assert_eq!(expected, seen(&picture_of(&mixed, limits)));
    }

    #[test]
    fn splitting_a_flow_changes_no_sum(
        whole in flow(), cut in 0..=100_u64,
    ) {
        let part = |d: Direction, of: u64| Direction {
            packets: d.packets * of / 100,
            ip_octets: d.ip_octets * of / 100,
            frame_octets: d.frame_octets * of / 100,
        };
        let rest = |d: Direction, p: Direction| Direction {
            packets: d.packets - p.packets,
            ip_octets: d.ip_octets - p.ip_octets,
            frame_octets: d.frame_octets - p.frame_octets,
        };
        let (ab, ba) = (part(whole.ab, cut), part(whole.ba, cut));
        let first = FlowRecord { ab, ba, ..whole };
        let second = FlowRecord {
            flow_id: 1,
            ab: rest(whole.ab, ab),
            ba: rest(whole.ba, ba),
            tcp: whole.tcp.map(|tcp| TcpFacts { seq_back: [0; 2], handshake: None, ..tcp }),
            initiator: whole.initiator.other(),
            ..whole
        };
        let at = |number| Position { boot_id: 7, is_final: true, number };
        let one = picture_of(&[(at(0), Record::Flow(whole))], Limits::default());
        let two = picture_of(
            &[(at(0), Record::Flow(second)), (at(1), Record::Flow(first))],
            Limits::default(),
        );
        let total = |picture: &Picture| {
            let (_, sums) = picture.flows().sorted().remove(0);
            (sums.ab, sums.ba, sums.initiator, sums.first_us, sums.last_us, sums.tcp)
        };
        prop_assert_eq!(total(&one), total(&two));
    }

    #[test]
    fn what_is_forgotten_is_summed(
        records in prop::collection::vec((Just(false), record()), 0..40),
        flows in 1..4_usize, echoes in 1..3_usize,
    ) {
        let records = sent(records);
        let limits = Limits { flows: Some(flows), echoes: Some(echoes), ..Limits::default() };
        let all = picture_of(&records, Limits::EXACT);
        let some = picture_of(&records, limits);
        prop_assert!(some.flows().len() <= flows && some.echoes().len() <= echoes);
        let packets = |picture: &Picture| -> u64 {
            let kept: u64 = picture.flows().sorted().iter().map(|(_, s)| s.packets()).sum();
            kept + picture.forgotten().packets
        };
        prop_assert_eq!(packets(&all), packets(&some));
        let requests = |picture: &Picture| -> u64 {
            let kept: u64 = picture.echoes().sorted().iter().map(|(_, s)| s.requests).sum();
            kept + picture.forgotten().requests
        };
        prop_assert_eq!(requests(&all), requests(&some));
        prop_assert!(!all.forgotten().any());
    }
}
