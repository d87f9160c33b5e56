//! What is told of one thing twice, and of very many things.

use super::*;

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
