//! Laws of the picture: order, repetition and splitting of records never
//! change a sum; what does not fit is summed, never lost.

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

#[test]
fn a_live_record_gives_way_to_its_finished_one_only() {
    let mut live = FlowRecord {
        flow_id: 3,
        reason: EndReason::Live,
        key: flow_key(2),
        initiator: Side::A,
        first_us: 1,
        last_us: 2,
        ab: Direction {
            packets: 5,
            ip_octets: 50,
            frame_octets: 60,
        },
        ba: Direction::default(),
        tcp: None,
    };
    let mut picture = Picture::new("test", Limits::default());
    let mut number = 0;
    let mut apply = |picture: &mut Picture, record: &FlowRecord| {
        let at = Position {
            boot_id: 7,
            is_final: record.reason.is_final(),
            number,
        };
        number += 1;
        picture.apply(0, at, &Record::Flow(*record));
        picture.flows().sorted()[0].1.packets()
    };
    assert_eq!(apply(&mut picture, &live), 5);
    live.ab.packets = 4;
    assert_eq!(apply(&mut picture, &live), 5, "an older update");
    live.ab.packets = 9;
    assert_eq!(apply(&mut picture, &live), 9);
    assert!(picture.flows().get(&flow_key(2)).unwrap().is_live());
    live.reason = EndReason::Idle;
    live.ab.packets = 8;
    assert_eq!(apply(&mut picture, &live), 8, "the finished one is right");
    assert_eq!(apply(&mut picture, &live), 8, "twice is once");
    live.reason = EndReason::Live;
    live.ab.packets = 20;
    assert_eq!(apply(&mut picture, &live), 8, "it has ended");
    live.flow_id = 4;
    assert_eq!(apply(&mut picture, &live), 28, "another entry adds");
    assert!(picture.flows().get(&flow_key(2)).unwrap().is_live());
}

/// A live record may come behind a later one.
#[test]
fn the_latest_that_was_too_big_stays() {
    let mut picture = Picture::new("test", Limits::default());
    let mut tell = |boot_id, at_us| {
        let at = Position {
            boot_id,
            is_final: false,
            number: 0,
        };
        let one = TooBig {
            at_us,
            addresses: echo_key(1).addresses,
            mtu: 1_420,
        };
        picture.apply(0, at, &Record::TooBig(one));
        picture.too_big().next().unwrap().at_us
    };
    assert_eq!([5, 7, 6, 7].map(|at_us| tell(1, at_us)), [5, 7, 7, 7]);
    assert_eq!(tell(2, 3), 3, "another boot");
}

#[test]
fn a_port_is_what_its_boot_said_last() {
    let limits = Limits {
        events: 16,
        ..Limits::default()
    };
    let mut picture = Picture::new("test", limits);
    let mut tell = |boot_id, number, link, net, cpu| {
        let at = Position {
            boot_id,
            is_final: false,
            number,
        };
        let port = Port {
            at_us: 5,
            link,
            net,
            refused: 0,
            cpu_permille: Some(cpu),
        };
        picture.apply(0, at, &Record::Port(port));
        let news = picture
            .take_events()
            .filter(|e| matches!(e, Event::Port(_)));
        (picture.port().unwrap().cpu_permille, news.count())
    };
    let (down, unknown) = (LinkState::Down, LinkState::Unknown);
    assert_eq!(tell(7, 1, unknown, NetState::Asking, 1), (Some(1), 1));
    assert_eq!(tell(7, 5, unknown, NetState::Asking, 2), (Some(2), 0));
    assert_eq!(tell(7, 6, down, NetState::Asking, 3), (Some(3), 1));
    // Out of order: it was so, and is no more.
    assert_eq!(tell(7, 4, unknown, NetState::NoLease, 4), (Some(3), 0));
    assert_eq!(tell(7, 7, down, NetState::NoLease, 5), (Some(5), 1));
    assert_eq!(tell(8, 0, down, NetState::NoLease, 6), (Some(6), 1));
    assert_eq!(tell(7, 9, unknown, NetState::NoLease, 7), (Some(6), 1));
    let at = Position {
        boot_id: 9,
        is_final: false,
        number: 0,
    };
    let sample = EchoSample {
        echo_id: 0,
        key: echo_key(1),
        sequence: 0,
        reply_us: 5,
        rtt_us: 1,
    };
    picture.apply(0, at, &Record::EchoSample(sample));
    assert_eq!(picture.port(), None, "that boot has not said");
}

/// A recording may hold another boot in every batch; each would be searched
/// for among all earlier ones.
#[test]
fn boots_without_end_are_added_up_in_an_exact_picture_too() {
    let mut picture = Picture::new("hostile", Limits::EXACT);
    for boot_id in 0..5_000_u32 {
        let line = CountEntry {
            key: u64::from(boot_id),
            frames: 1,
            octets: 2,
        };
        let counts = Counts {
            table: TableId::Vlan,
            entries: std::iter::once(line).collect(),
        };
        let at = Position {
            boot_id,
            is_final: true,
            number: 0,
        };
        picture.apply(0, at, &Record::Counts(counts));
    }
    assert!(picture.boots().len() <= 2_000);
    assert_eq!(picture.seen_boots(), 5_000);
    assert_eq!(picture.counts(TableId::Vlan).len(), 5_000, "every line");
}

#[test]
fn a_hostile_sensor_cannot_make_the_picture_grow() {
    let limits = Limits {
        flows: Some(100),
        echoes: Some(100),
        samples: Some(10),
        count_lines: Some(100),
        boots: Some(4),
        events: 50,
    };
    let mut picture = Picture::new("hostile", limits);
    for n in 0..20_000_u32 {
        let key = FlowKey {
            addresses: AddressPair::V4 {
                a: [0; 4],
                b: n.to_be_bytes(),
            },
            ..flow_key(0)
        };
        let flow = FlowRecord {
            flow_id: u64::from(n) * 2,
            reason: if n % 3 == 0 {
                EndReason::Live
            } else {
                EndReason::Evicted
            },
            key: if n % 2 == 0 { flow_key(1) } else { key },
            initiator: Side::A,
            first_us: u64::MAX,
            last_us: u64::MAX,
            ab: Direction {
                packets: u64::MAX,
                ip_octets: u64::MAX,
                frame_octets: u64::MAX,
            },
            ba: Direction::default(),
            tcp: None,
        };
        let sample = EchoSample {
            echo_id: 0,
            key: EchoKey {
                id: u16::try_from(n % 0x1_0000).unwrap(),
                ..echo_key(0)
            },
            sequence: 0,
            reply_us: 0,
            rtt_us: i64::MIN,
        };
        let line = CountEntry {
            key: u64::from(n),
            frames: u64::MAX,
            octets: u64::MAX,
        };
        let counts = Counts {
            table: TableId::Vlan,
            entries: std::iter::once(line).collect(),
        };
        let at = Position {
            boot_id: n / 500,
            is_final: true,
            number: u64::from(n) * 2,
        };
        for (i, record) in (0..).zip([
            Record::Flow(flow),
            Record::EchoSample(sample),
            Record::Counts(counts),
        ]) {
            let at = Position {
                number: at.number * 3 + i,
                ..at
            };
            picture.apply(0, at, &record);
        }
    }
    assert!(picture.flows().len() <= 100);
    assert!(picture.echoes().len() <= 100);
    assert_eq!(picture.boots().len(), 4);
    assert_eq!(picture.seen_boots(), 40);
    // Those of four boots, those of all earlier ones together, and `other`.
    assert!(picture.counts(TableId::Vlan).len() <= 5 * 100 + 1);
    assert!(picture.take_events().count() <= 50);
    let forgotten = picture.forgotten();
    assert!(forgotten.any() && forgotten.flows > 0 && forgotten.count_lines > 0);
    assert_eq!(forgotten.boots, 36);
    assert!(
        picture
            .books(None)
            .to_string()
            .starts_with("books PARTIAL(")
    );
}
