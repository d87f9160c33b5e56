//! What a full table forgets, against a second telling of the rule.

use magpie_collector::{Limits, Picture, Position};
use magpie_protocol::{
    AddressPair, Direction, EndReason, FlowKey, FlowRecord, Record, Side, VlanStack,
};
use proptest::prelude::*;

fn key(n: u16) -> FlowKey {
    FlowKey {
        vlan: VlanStack::NONE,
        protocol: 17,
        addresses: AddressPair::V4 {
            a: [10, 0, 0, 1],
            b: [10, 0, 0, 2],
        },
        a_port: n,
        b_port: 53,
    }
}

fn record(flow_id: u64, n: u16, packets: u64, octets: u64) -> Record {
    Record::Flow(FlowRecord {
        flow_id,
        reason: EndReason::Evicted,
        key: key(n),
        initiator: Side::A,
        first_us: flow_id,
        last_us: flow_id,
        ab: Direction {
            packets,
            ip_octets: octets,
            frame_octets: octets,
        },
        ba: Direction::default(),
        tcp: None,
    })
}

fn picture(records: &[(u16, u64, u64)], flows: Option<usize>) -> Picture {
    let limits = Limits {
        flows,
        ..Limits::default()
    };
    let mut picture = Picture::new("test", limits);
    for (number, (n, packets, octets)) in (0..).zip(records) {
        let at = Position {
            boot_id: 1,
            is_final: true,
            number,
        };
        picture.apply(0, at, &record(number, *n, *packets, *octets));
    }
    picture
}

/// One key as the rule sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    n: u16,
    packets: u64,
    octets: u64,
    changed: usize,
}

/// The rule of `table.rs`, told again over a plain list.
fn told_again(records: &[(u16, u64, u64)], most: usize) -> Vec<Kept> {
    let mut all: Vec<Kept> = Vec::new();
    for (changed, (n, packets, octets)) in records.iter().enumerate() {
        if let Some(kept) = all.iter_mut().find(|kept| kept.n == *n) {
            kept.packets += packets;
            kept.octets += octets;
            kept.changed = changed;
            continue;
        }
        if all.len() == most {
            all.sort_by_key(|kept| kept.changed);
            let recent = all.split_off(most - most / 2);
            all.sort_by_key(|kept| (kept.octets, kept.changed));
            all.drain(..(most / 8).max(1));
            all.extend(recent);
        }
        all.push(Kept {
            n: *n,
            packets: *packets,
            octets: *octets,
            changed,
        });
    }
    all.sort_by_key(|kept| kept.n);
    all
}

proptest! {
    #[test]
    fn kept_and_forgotten_are_the_truth_at_any_limit(
        records in prop::collection::vec((0..60_u16, 1..9_u64, 1..99_u64), 0..300),
        most in 1..70_usize,
    ) {
        let all = picture(&records, None);
        let some = picture(&records, Some(most));
        let kept: Vec<_> = some.flows().sorted();
        let rule = told_again(&records, most);
        let seen: Vec<_> = kept
            .iter()
            .map(|(key, sums)| (key.a_port, sums.packets(), sums.frame_octets()))
            .collect();
        let told: Vec<_> = rule.iter().map(|k| (k.n, k.packets, k.octets)).collect();
        prop_assert_eq!(seen, told);
        let forgotten = some.forgotten();
        let sum = |of: fn(&(u16, u64, u64)) -> u64| records.iter().map(of).sum::<u64>();
        let packets: u64 = kept.iter().map(|(_, sums)| sums.packets()).sum();
        let octets: u64 = kept.iter().map(|(_, sums)| sums.frame_octets()).sum();
        prop_assert_eq!(packets + forgotten.packets, sum(|r| r.1));
        prop_assert_eq!(octets + forgotten.octets, sum(|r| r.2));
        // Every kept key's sums are the truth, or marked as a part of it.
        for (key, sums) in &kept {
            let whole = all.flows().get(key).and_then(magpie_collector::Held::total);
            let held = some.flows().get(key);
            let marked = held.is_some_and(magpie_collector::Held::is_partial);
            prop_assert!(marked || whole.as_ref() == Some(sums), "{key:?}");
        }
        prop_assert!(all.flows().iter().all(|(_, flow)| !flow.is_partial()));
        if forgotten.flows == 0 {
            prop_assert!(some.flows().iter().all(|(_, flow)| !flow.is_partial()));
        }
    }
}

/// A download that ended long ago outlasts a scan.
#[test]
fn the_greatest_of_the_silent_stay() {
    let mut records: Vec<(u16, u64, u64)> = (0..10).map(|n| (n, 100, 1_000_000)).collect();
    records.extend((10..50_000).map(|n| (n, 1, 60)));
    let picture = picture(&records, Some(1_000));
    for n in 0..10 {
        let flow = picture.flows().get(&key(n));
        let sums = flow.and_then(magpie_collector::Held::total);
        assert_eq!(sums.map(|sums| sums.packets()), Some(100), "{n}");
    }
    assert!(picture.flows().get(&key(49_999)).is_some(), "the latest");
    assert!((875..=1_000).contains(&picture.flows().len()));
}

#[test]
fn a_change_that_nobody_took_in_time_is_told_of() {
    let limits = Limits {
        events: 4,
        ..Limits::default()
    };
    let mut picture = Picture::new("test", limits);
    let hear = |picture: &mut Picture, boot_id| {
        let at = Position {
            boot_id,
            is_final: false,
            number: 0,
        };
        picture.apply(0, at, &Record::Ledger(magpie_protocol::Ledger::default()));
    };
    hear(&mut picture, 1);
    assert!(!picture.events_crowded());
    hear(&mut picture, 1);
    assert!(picture.events_crowded());
    assert!(!picture.forgotten().any());
    for _ in 0..3 {
        hear(&mut picture, 1);
    }
    assert_eq!(picture.forgotten().events, 1);
    assert!(picture.forgotten().any());
    assert_eq!(picture.take_events().count(), 4);
    assert!(!picture.events_crowded());
}
