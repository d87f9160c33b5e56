//! What may be called lost: never more than was, whatever kept the rest from
//! us.

use magpie_collector::{Doubt, EchoLoss, Limits, Mirror, Offered, Picture, Position};
use magpie_protocol::{
    AddressPair, Direction, EchoKey, EchoRecord, EndReason, FlowKey, FlowRecord, Known, Ledger,
    Record, Side, TcpFacts, VlanStack,
};

const PAIR: EchoKey = EchoKey {
    vlan: VlanStack::NONE,
    addresses: AddressPair::V4 {
        a: [10, 0, 0, 9],
        b: [10, 0, 0, 1],
    },
    id: 5,
};

/// A pair with these requests, replies that found theirs, and orphans.
fn echo(requests: u64, matched: u64, orphans: u64) -> Record {
    Record::Echo(EchoRecord {
        echo_id: 1,
        reason: EndReason::Idle,
        key: PAIR,
        first_us: 1,
        last_us: 20_000_000,
        requests,
        replies: matched + orphans,
        matched,
        duplicates: 0,
        orphans,
        waiting: 0,
    })
}

fn packets(packets: u64) -> Direction {
    Direction {
        packets,
        ip_octets: 84 * packets,
        frame_octets: 98 * packets,
    }
}

/// A flow between the pair's addresses.
fn flow(protocol: u8, vlan: &[u16], ways: [u64; 2], unseen: u64) -> Record {
    let mut stack = VlanStack::NONE;
    for id in vlan {
        stack.push(*id);
    }
    Record::Flow(FlowRecord {
        flow_id: u64::from(protocol) + 100 * vlan.len() as u64,
        reason: EndReason::Idle,
        key: FlowKey {
            vlan: stack,
            protocol,
            addresses: AddressPair::V4 {
                a: [10, 0, 0, 1],
                b: [10, 0, 0, 9],
            },
            a_port: 0,
            b_port: 0,
        },
        initiator: Side::B,
        first_us: 1,
        last_us: 20_000_000,
        ab: packets(ways[0]),
        ba: packets(ways[1]),
        tcp: (protocol == 6).then(|| TcpFacts {
            unseen_octets: [unseen, 0],
            ..TcpFacts::default()
        }),
    })
}

fn loss(records: &[Record], offered: Option<&Offered>) -> EchoLoss {
    let mut picture = Picture::new("tap", Limits::default());
    for (number, record) in records.iter().enumerate() {
        let at = Position {
            boot_id: 1,
            is_final: true,
            number: number as u64,
        };
        picture.apply(1, at, record);
    }
    let sums = picture.echoes().sorted().remove(0).1;
    Mirror::with(&picture, offered).loss(&PAIR, &sums)
}

fn ledger(change: impl FnOnce(&mut Ledger)) -> Record {
    let mut ledger = Ledger::default();
    change(&mut ledger);
    Record::Ledger(ledger)
}

#[test]
fn with_nothing_missing_lost_is_a_number() {
    let sound = [
        flow(1, &[], [7, 10], 0),
        flow(6, &[], [9, 9], 0),
        ledger(|ledger| ledger.lost.mac_fifo = Known::Unknown),
    ];
    let with = |pair| loss(&[&sound[..], &[pair]].concat(), Some(&Offered::default()));
    assert_eq!(with(echo(10, 7, 0)), EchoLoss::Exactly(3));
    assert_eq!(with(echo(10, 10, 0)), EchoLoss::Exactly(0));
}

#[test]
fn whatever_kept_frames_from_us_makes_it_a_bound() {
    let icmp = flow(1, &[], [7, 10], 0);
    let pair = || echo(10, 7, 0);
    let at_most = |doubt| EchoLoss::AtMost(3, doubt);
    for (doubt, sign) in [
        (Doubt::Unseen, flow(6, &[], [9, 9], 1)),
        (
            Doubt::Dropped,
            ledger(|ledger| ledger.lost.ring = Known::AtLeast(1)),
        ),
        (
            Doubt::Dropped,
            ledger(|ledger| ledger.lost.fcs = Known::Exact(1)),
        ),
        (Doubt::Forgotten, ledger(|ledger| ledger.echo_forgotten = 1)),
    ] {
        let got = loss(&[icmp.clone(), pair(), sign.clone()], None);
        assert_eq!(got, at_most(doubt), "{sign:?}");
        // Where every request found its reply there is nothing to doubt.
        let got = loss(&[icmp.clone(), echo(10, 10, 0), sign], None);
        assert_eq!(got, EchoLoss::Exactly(0));
    }
    let mut offered = Offered::default();
    offered.refuse("kernel", 1, 0);
    let got = loss(&[icmp.clone(), pair()], Some(&offered));
    assert_eq!(got, at_most(Doubt::Dropped));
    let got = loss(&[icmp, echo(10, 7, 1)], None);
    assert_eq!(got, at_most(Doubt::Orphans));
}

#[test]
fn where_the_way_back_is_not_shown_there_is_no_bound() {
    let unseen = flow(6, &[], [9, 9], 1);
    let one_way = [flow(1, &[], [0, 10], 0), echo(10, 0, 0), unseen.clone()];
    assert_eq!(loss(&one_way, None), EchoLoss::Hidden(Doubt::OneWay));
    let tags = [
        flow(1, &[], [0, 10], 0),
        flow(1, &[20], [10, 0], 0),
        echo(10, 0, 0),
        unseen,
    ];
    assert_eq!(loss(&tags, None), EchoLoss::Hidden(Doubt::Tags));
}
