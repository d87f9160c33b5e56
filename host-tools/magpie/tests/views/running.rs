//! A board that runs: what was forgotten, its port, how it came to its boot.

use magpie::views::{Choice, Seen, csv, exact, json, table};
use magpie_collector::{Limits, Offered, Picture, Position};
use magpie_protocol::{
    AddressPair, BootReason, BootReport, Capacities, Census, ClockKind, EndReason, FlowKey, Hello,
    Known, Ledger, LinkState, Losses, NetState, Port, Record, Sum, TableId, Tally, TooBig,
    VlanStack,
};

use super::{Maker, NOW_US, START_US, direction, seen, text, v4};
use crate::blessed::golden;

/// A board whose MAC cannot tell what it lost, in mid-run, without time.
fn running() -> Picture {
    let limits = Limits {
        flows: Some(2),
        ..Limits::default()
    };
    let mut maker = Maker::new("serial:/dev/ttyACM0", limits);
    maker.start_us = 8_000_000_000;
    maker.put(&Record::Hello(Hello {
        major: 1,
        minor: 0,
        boot_id: 0x1a2b_3c4d,
        at_us: 8_043_000_000,
        clock: ClockKind::SinceBoot,
        zero_seed: true,
        // A stranger's name must not move the cursor.
        name: "tap1\x1b[2J".try_into().unwrap(),
        board: "nucleo".try_into().unwrap(),
        firmware: "0.1.0".try_into().unwrap(),
        git: "abcdef".try_into().unwrap(),
        capacities: Capacities {
            flows: 256,
            ..Capacities::default()
        },
        // A stranger's words must not, either.
        boot: BootReport {
            count: 7,
            reason: BootReason::Software,
            last_word: "port.rs:9: \x1b[2J".try_into().unwrap(),
            watchdogs: Some(1),
        },
    }));
    for n in 0..4 {
        let key = FlowKey {
            vlan: VlanStack::NONE,
            protocol: 89,
            addresses: v4([10, 0, 0, n], [224, 0, 0, 5]),
            a_port: 0,
            b_port: 0,
        };
        maker.flow(
            key,
            EndReason::Evicted,
            direction(1_000, 64_000),
            direction(0, 0),
        );
    }
    maker.table(TableId::Ethertype, &[(0x800, 4_000, 312_000)]);
    maker.put(&Record::Ledger(Ledger {
        at_us: 8_043_000_000,
        counted: Sum {
            frames: 4_000,
            octets: 312_000,
        },
        in_flows: Sum {
            frames: 4_000,
            octets: 312_000,
        },
        lost: Losses {
            fcs: Known::Exact(3),
            oversize: Known::Exact(0),
            mac_fifo: Known::Unknown,
            no_descriptor: Known::Exact(0),
            ring: Known::AtLeast(5),
        },
        flows: Census {
            made: 4,
            evicted: 4,
            ..Census::default()
        },
        exported: Tally {
            records: 4,
            flows: 4,
            packets: 4_000,
            octets: 312_000,
        },
        ..Ledger::default()
    }));
    maker.picture
}

#[test]
fn what_was_forgotten_and_what_a_stranger_says() {
    let picture = running();
    let seen = Seen::new(&picture, None, NOW_US);
    let got = text(|out| table::write(&seen, &Choice::default(), out));
    assert!(!got.contains('\x1b'));
    golden("forgotten.txt", &got);
    assert!(!exact::shortfalls(&picture).is_empty());
}

#[test]
fn a_port_in_every_format() {
    let up = LinkState::Up {
        mbit: 100,
        full_duplex: true,
    };
    let port = |link, net, cpu_permille| Port {
        at_us: 8_043_000_000,
        link,
        net,
        cpu_permille,
        refused: 2,
    };
    for (port, in_json, in_csv, in_table) in [
        (
            port(up, NetState::Up([10, 0, 0, 9]), Some(312)),
            r#""link":"up","mbit":100,"full_duplex":true,"net":"speaks","address":"10.0.0.9","cpu_permille":312,"refused_commands":2}"#,
            "8043000000,up,100,true,speaks,10.0.0.9,312,2",
            "PORT    100M full, speaks as 10.0.0.9  sensor cpu 31.2%  2 commands refused (by UDP)\n",
        ),
        (
            port(LinkState::Down, NetState::NoLease, None),
            r#""link":"down","mbit":null,"full_duplex":null,"net":"no lease","address":null,"cpu_permille":null,"refused_commands":2}"#,
            "8043000000,down,,,no lease,,,2",
            "PORT    down, no lease  2 commands refused (by UDP)\n",
        ),
        (
            port(LinkState::Unknown, NetState::Silent, None),
            r#""link":null,"mbit":null,"full_duplex":null,"net":"silent","address":null,"cpu_permille":null,"refused_commands":2}"#,
            "8043000000,,,,silent,,,2",
            "PORT    link ?, silent  2 commands refused (by UDP)\n",
        ),
    ] {
        let mut picture = running();
        let at = Position {
            boot_id: 0x1a2b_3c4d,
            is_final: false,
            number: 0,
        };
        picture.apply(NOW_US, at, &Record::Port(port));
        let seen = Seen::new(&picture, None, NOW_US);
        let json = text(|out| json::write(&seen, &Choice::default(), true, out));
        let line = json.lines().find(|line| line.contains(r#""type":"port""#));
        let line = line.expect("a line of the port");
        assert!(line.ends_with(in_json), "{line}");
        let table = text(|out| table::write(&seen, &Choice::default(), out));
        assert!(table.contains(in_table), "{table}");
        let csv = text(|out| csv::write(&[seen], csv::Table::Port, &Choice::default(), out));
        assert!(csv.trim_end().ends_with(in_csv), "{csv}");
    }
    // A core in this process has none.
    let picture = running();
    let seen = Seen::new(&picture, None, NOW_US);
    let csv = text(|out| csv::write(&[seen], csv::Table::Port, &Choice::default(), out));
    assert_eq!(csv, "");
}

#[test]
fn how_a_board_came_to_its_boot() {
    let picture = running();
    let seen = Seen::new(&picture, None, NOW_US);
    let got = text(|out| json::write(&seen, &Choice::default(), true, out));
    let row: serde_json::Value = serde_json::from_str(got.lines().next().unwrap()).unwrap();
    assert_eq!(row["boot_count"], 7);
    assert_eq!(row["boot_reason"], "panic or fault");
    assert_eq!(row["boot_watchdogs"], 1);
    assert_eq!(row["last_word"], "port.rs:9: \u{1b}[2J");
    assert!(!got.contains('\x1b'));
}

/// The latest stands with the messages of its kind.
#[test]
fn who_said_that_a_packet_was_too_big() {
    let told = |addresses, mtu| {
        let mut maker = Maker::new("file:lab.pcap", Limits::default());
        let kinds = [(0x4_0303, 2, 0), (0x4_0304, 3, 0), (0x6_0200, 1, 0)];
        maker.table(TableId::Icmp, &kinds);
        maker.put(&Record::TooBig(TooBig {
            at_us: START_US,
            addresses,
            mtu,
        }));
        let offered = Offered::default();
        let mut out = Vec::new();
        let seen = seen(&maker.picture, &offered);
        csv::write(&[seen], csv::Table::Icmp, &Choice::default(), &mut out).unwrap();
        let lines = String::from_utf8(out).unwrap();
        let lines = lines.lines().skip(1).map(|line| {
            let (_, line) = line.split_once(",file:lab.pcap,").unwrap();
            line.to_owned()
        });
        lines.collect::<Vec<_>>()
    };
    assert_eq!(
        told(v4([10, 0, 0, 1], [10, 0, 10, 77]), 1_420),
        [
            "4,3,3,port-unreach,2,,,",
            "4,3,4,frag-needed,3,10.0.0.1,10.0.10.77,1420",
            "6,2,0,too-big,1,,,",
        ]
    );
    let v6 = AddressPair::V6 {
        a: [0xfe; 16],
        b: [0x20; 16],
    };
    let last = "6,2,0,too-big,1,fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe,\
                2020:2020:2020:2020:2020:2020:2020:2020,";
    assert_eq!(
        told(v6, 0),
        ["4,3,3,port-unreach,2,,,", "4,3,4,frag-needed,3,,,", last]
    );
}
