//! A board whose host was away: what was never sent, and to whom.

use magpie::views::{Choice, csv, json, table};
use magpie_collector::{Limits, Offered, Picture};
use magpie_protocol::{
    Address, BootReport, Capacities, Census, ClockKind, EndReason, FlowKey, FlowSum, Hello, Ledger,
    Record, Sum, TableId, Tally, Unsent, UnsentKey, UnsentLine, VlanStack,
};

use super::{Maker, START_US, direction, seen, text, v4};
use crate::blessed::golden;

/// To a web server, to a name server, to many more.
fn lines_not_kept() -> [UnsentLine; 3] {
    let flows = |flows, packets, octets| FlowSum {
        flows,
        packets,
        octets,
    };
    [
        UnsentLine {
            place: 3,
            key: Some(UnsentKey {
                protocol: 6,
                responder: Address::V4([10, 0, 0, 5]),
            }),
            missed_at_most: 0,
            never_sent: flows(700, 2_100, 126_000),
            unconfirmed: flows(0, 0, 0),
        },
        UnsentLine {
            place: 9,
            key: Some(UnsentKey {
                protocol: 17,
                responder: Address::V6([0x20; 16]),
            }),
            missed_at_most: 30,
            never_sent: flows(100, 100, 6_000),
            unconfirmed: flows(12, 12, 720),
        },
        UnsentLine {
            place: 64,
            key: None,
            missed_at_most: 0,
            never_sent: flows(34, 40, 2_400),
            unconfirmed: flows(0, 0, 0),
        },
    ]
}

/// A board whose host was away while it was scanned and flooded: 46 records
/// were dropped by its link, 800 found no room before that.
fn stalled() -> (Picture, Offered) {
    let mut maker = Maker::new("serial:/dev/ttyACM0", Limits::default());
    maker.put(&Record::Hello(Hello {
        major: 1,
        minor: 3,
        boot_id: 0x1a2b_3c4d,
        at_us: START_US,
        clock: ClockKind::Unix,
        zero_seed: false,
        name: "tap1".try_into().unwrap(),
        board: "nucleo".try_into().unwrap(),
        firmware: "0.1.0".try_into().unwrap(),
        git: "abcdef".try_into().unwrap(),
        capacities: Capacities::default(),
        boot: BootReport::default(),
    }));
    let key = FlowKey {
        vlan: VlanStack::NONE,
        protocol: 17,
        addresses: v4([10, 0, 0, 1], [10, 0, 0, 5]),
        a_port: 53,
        b_port: 53,
    };
    maker.flow(key, EndReason::Idle, direction(4, 400), direction(0, 0));
    maker.number += 46;
    let all = Sum {
        frames: 4 + 2_100 + 100 + 12 + 40,
        octets: 456 + 126_000 + 6_000 + 720 + 2_400,
    };
    maker.table(TableId::Ethertype, &[(0x0800, all.frames, all.octets)]);
    maker.table(
        TableId::Vlan,
        &[(VlanStack::NONE.to_bits(), all.frames, all.octets)],
    );
    maker.table(
        TableId::IpProtocol,
        &[(0x406, 2_100, 0), (0x411, all.frames - 2_100, 0)],
    );
    maker.put(&Record::Unsent(Unsent {
        flows: 846,
        lines: lines_not_kept().into_iter().collect(),
    }));
    let tally = |flows, packets, octets| Tally {
        records: flows,
        flows,
        packets,
        octets,
    };
    let mut ledger = Ledger {
        at_us: START_US + 10_000_000,
        flush: 3,
        counted: all,
        in_flows: all,
        flows: Census {
            made: 847,
            evicted: 846,
            ..Census::default()
        },
        exported: Tally {
            records: maker.number + 1,
            ..tally(47, 56, 456 + 720 + 2_400)
        },
        never_sent: tally(800, 2_200, 132_000),
        ..Ledger::default()
    };
    ledger.uplink.never_sent = tally(34, 40, 2_400);
    ledger.uplink.unconfirmed = tally(12, 12, 720);
    maker.put(&Record::Ledger(ledger));
    let offered = Offered {
        frames: all.frames,
        octets: all.octets,
        refused: Vec::new(),
    };
    (maker.picture, offered)
}

#[test]
fn what_was_never_sent_and_to_whom() {
    let (picture, offered) = stalled();
    let seen = seen(&picture, &offered);
    let choice = Choice::default();
    let got = text(|out| table::write(&seen, &choice, out));
    golden("unsent.txt", &got);
    let json = text(|out| json::write(&seen, &choice, true, out));
    let rows = json
        .lines()
        .filter(|line| line.contains(r#""type":"unsent""#));
    let rows = rows.fold(String::new(), |rows, row| rows + row + "\n");
    assert_eq!(rows.lines().count(), 3);
    golden("unsent.json", &rows);
    let got = text(|out| csv::write(&[seen], csv::Table::Unsent, &choice, out));
    golden("unsent.csv", &got);
}
