//! A run that closes, in every format.

use magpie::views::{Choice, Sort, csv, exact, json, table};
use magpie_collector::{Limits, Offered, Picture};
use magpie_protocol::{
    AddressPair, BootReport, Capacities, Census, ClockKind, EchoKey, EndReason, FlowKey, Hello,
    Ledger, Malformed, Record, Sum, TableId, Tally, VlanStack,
};

use super::{Maker, START_US, direction, seen, stack, text, v4};
use crate::blessed::golden;

/// The counters of that run, and its ledger; what was counted.
fn count(maker: &mut Maker) -> Sum {
    // 60 + 100 + 7 + 3 + 4 packets; 14 octets each above their IP octets.
    let in_flows = Sum {
        frames: 174,
        octets: 62_000 + 50_000 + 840 + 400 + 14 * 174,
    };
    let mut types = vec![
        (0x0800, 74, in_flows.octets - 51_400),
        (0x86dd, 100, 51_400),
    ];
    types.extend([(0x0806, 4, 240), (0x88cc, 2, 120), (0x1_0000, 1, 10)]);
    maker.table(TableId::Ethertype, &types);
    let all = Sum {
        frames: 181,
        octets: in_flows.octets + 370,
    };
    let tagged = 60 + 10;
    maker.table(
        TableId::Vlan,
        &[
            (stack(&[10]).to_bits(), tagged, 60_000),
            (stack(&[20]).to_bits(), 100, 51_400),
            (VlanStack::NONE.to_bits(), 11, all.octets - 111_400),
        ],
    );
    maker.table(
        TableId::IpProtocol,
        &[
            (0x406, 60, 62_000),
            (0x611, 100, 50_000),
            (0x401, 10, 840),
            (0x411, 4, 400),
        ],
    );
    maker.table(TableId::Icmp, &[(0x4_0800, 7, 0), (0x4_0000, 3, 0)]);
    maker.table(TableId::ArpOperation, &[(1, 3, 0), (2, 1, 0)]);
    maker.table(TableId::ArpKind, &[(0, 1, 0), (2, 3, 0)]);
    maker.table(TableId::Malformed, &[(Malformed::EthShort as u64, 1, 0)]);
    let records = maker.number;
    maker.put(&Record::Ledger(Ledger {
        at_us: START_US + 10_000_000,
        flush: 3,
        counted: all,
        in_flows,
        arp: Sum {
            frames: 4,
            octets: 240,
        },
        other: Sum {
            frames: 2,
            octets: 120,
        },
        invalid: Sum {
            frames: 1,
            octets: 10,
        },
        malformed: 1,
        flows: Census {
            made: 6,
            ..Census::default()
        },
        exported: Tally {
            records: records + 1,
            flows: 6,
            packets: in_flows.frames,
            octets: in_flows.octets,
        },
        ..Ledger::default()
    }));
    all
}

/// A run that closes: TCP over a VLAN, a ping, one that the mirror shows one
/// way only, an asymmetric pair, ARP, LLDP, something malformed.
fn closed() -> (Picture, Offered) {
    let mut maker = Maker::new("file:lab.pcap", Limits::default());
    maker.put(&Record::Hello(Hello {
        major: 1,
        minor: 0,
        boot_id: 0x1a2b_3c4d,
        at_us: START_US,
        clock: ClockKind::Unix,
        zero_seed: false,
        name: "lab.pcap".try_into().unwrap(),
        board: "in-process".try_into().unwrap(),
        firmware: "0.1.0".try_into().unwrap(),
        git: "abcdef".try_into().unwrap(),
        capacities: Capacities {
            flows: 4_096,
            ..Capacities::default()
        },
        boot: BootReport::default(),
    }));
    let web = FlowKey {
        vlan: stack(&[10]),
        protocol: 6,
        addresses: v4([10, 0, 10, 23], [185, 125, 190, 39]),
        a_port: 443,
        b_port: 51_544,
    };
    maker.flow(
        web,
        EndReason::End,
        direction(40, 60_000),
        direction(20, 2_000),
    );
    let cast = FlowKey {
        vlan: stack(&[20]),
        protocol: 17,
        addresses: AddressPair::V6 {
            a: [0xfe; 16],
            b: [0xff; 16],
        },
        a_port: 5_004,
        b_port: 5_004,
    };
    maker.flow(
        cast,
        EndReason::Flush,
        direction(100, 50_000),
        direction(0, 0),
    );
    let pings = [
        (stack(&[10]), [1, 1, 1, 1], 4, 3),
        (stack(&[10]), [10, 0, 40, 1], 3, 0),
    ];
    let requester = [10, 0, 10, 2];
    for (vlan, target, sent, back) in pings {
        let (a, b) = (requester.min(target), requester.max(target));
        let key = FlowKey {
            vlan,
            protocol: 1,
            addresses: v4(a, b),
            a_port: 0,
            b_port: 0,
        };
        let (mut ab, mut ba) = (direction(sent, 84 * sent), direction(back, 84 * back));
        if a != requester {
            std::mem::swap(&mut ab, &mut ba);
        }
        maker.flow(key, EndReason::Flush, ab, ba);
        let key = EchoKey {
            vlan,
            addresses: v4(requester, target),
            id: 7,
        };
        maker.echo(key, sent, back);
    }
    for (vlan, there, back) in [(30, 2, 0), (31, 0, 2)] {
        let key = FlowKey {
            vlan: stack(&[vlan]),
            protocol: 17,
            addresses: v4([10, 0, 30, 1], [10, 0, 30, 2]),
            a_port: 53,
            b_port: 53,
        };
        maker.flow(
            key,
            EndReason::Idle,
            direction(there, 100 * there),
            direction(back, 100 * back),
        );
    }
    let all = count(&mut maker);
    let mut offered = Offered {
        frames: 183,
        octets: all.octets + 6_000,
        refused: Vec::new(),
    };
    offered.refuse("oversize", 2, 6_000);
    (maker.picture, offered)
}

#[test]
fn the_table() {
    let (picture, offered) = closed();
    let choice = Choice {
        top: Some(4),
        sort: Some(Sort::Octets),
    };
    let got = text(|out| table::write(&seen(&picture, &offered), &choice, out));
    golden("table.txt", &got);
    let last = got.lines().last().unwrap();
    assert!(last.starts_with("books CLOSED wire=183 counted=181 lost=2(oversize 2)"));
}

#[test]
fn json_lines() {
    let (picture, offered) = closed();
    let got = text(|out| json::write(&seen(&picture, &offered), &Choice::default(), true, out));
    golden("json.txt", &got);
    for line in got.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            row["type"].is_string() && row["source"] == "file:lab.pcap",
            "{line}"
        );
    }
}

#[test]
fn csv_tables() {
    let (picture, offered) = closed();
    let seen = [seen(&picture, &offered)];
    for (name, of) in [
        ("flow.csv", csv::Table::Flow),
        ("echo.csv", csv::Table::Echo),
        ("books.csv", csv::Table::Books),
    ] {
        let got = text(|out| csv::write(&seen, of, &Choice::default(), out));
        golden(name, &got);
    }
}

#[test]
fn the_exact_object() {
    let (picture, _) = closed();
    let line = text(|out| exact::write(&picture, out));
    assert_eq!(line.lines().count(), 1);
    let object: serde_json::Value = serde_json::from_str(&line).unwrap();
    let mut got = serde_json::to_string_pretty(&object).unwrap();
    got.push('\n');
    golden("exact.json", &got);
    assert!(exact::shortfalls(&picture).is_empty());
}
