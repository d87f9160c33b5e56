//! Views of hand-made pictures, held against files beside this test. After a
//! wanted change: `MAGPIE_BLESS=1 cargo test -p magpie --test golden`, then
//! read the difference.

use magpie::views::{Choice, Seen, Sort, csv, exact, json, table};
use magpie_collector::{Limits, Offered, Picture, Position};
use magpie_protocol::{
    Address, AddressPair, BootReason, BootReport, Capacities, Census, ClockKind, CountEntry,
    Counts, Direction, EchoKey, EchoRecord, EchoSample, EndReason, FlowKey, FlowRecord, FlowSum,
    Handshake, Hello, Known, Ledger, LinkState, Losses, Malformed, NetState, Port, Record, Side,
    Sum, TableId, Tally, TcpFacts, TooBig, Unsent, UnsentKey, UnsentLine, VlanStack,
};

mod blessed;

use blessed::golden;

const NOW_US: u64 = 1_700_000_100_000_000;
const START_US: u64 = 1_700_000_000_000_000;

fn stack(ids: &[u16]) -> VlanStack {
    let mut stack = VlanStack::NONE;
    for id in ids {
        stack.push(*id);
    }
    stack
}

fn v4(a: [u8; 4], b: [u8; 4]) -> AddressPair {
    AddressPair::V4 { a, b }
}

fn direction(packets: u64, octets: u64) -> Direction {
    Direction {
        packets,
        ip_octets: octets,
        frame_octets: octets + 14 * packets,
    }
}

struct Maker {
    picture: Picture,
    number: u64,
    start_us: u64,
}

impl Maker {
    fn new(name: &str, limits: Limits) -> Self {
        Self {
            picture: Picture::new(name, limits),
            number: 0,
            start_us: START_US,
        }
    }

    fn put(&mut self, record: &Record) {
        let at = Position {
            boot_id: 0x1a2b_3c4d,
            is_final: true,
            number: self.number,
        };
        self.number += 1;
        self.picture.apply(NOW_US, at, record);
    }

    fn flow(&mut self, key: FlowKey, reason: EndReason, ab: Direction, ba: Direction) {
        let n = self.number;
        let tcp = (key.protocol == 6).then_some(TcpFacts {
            flags: [0x1b, 0x13],
            seq_back: [1, 0],
            seq_back_octets: [1_448, 0],
            unseen_octets: [0, 2_896],
            handshake: Some(Handshake {
                client: Side::B,
                syn_retx: 1,
                synack_retx: 0,
                syn_to_synack_us: 11_000,
                synack_to_ack_us: 250,
            }),
        });
        self.put(&Record::Flow(FlowRecord {
            flow_id: n,
            reason,
            key,
            // The client and who pings have the higher address here.
            initiator: if key.protocol == 6 || (key.protocol == 1 && ab.packets < ba.packets) {
                Side::B
            } else {
                Side::A
            },
            first_us: self.start_us + n,
            last_us: self.start_us + 5_000_000 + n,
            ab,
            ba,
            tcp,
        }));
    }

    fn echo(&mut self, key: EchoKey, requests: u64, matched: u64) {
        let n = self.number;
        self.put(&Record::Echo(EchoRecord {
            echo_id: n,
            reason: EndReason::Flush,
            key,
            first_us: START_US,
            last_us: START_US + 4_000_000,
            requests,
            replies: matched,
            matched,
            duplicates: 0,
            orphans: 0,
            waiting: u64::from(requests > matched),
        }));
        for i in 0..matched {
            let sequence = u16::try_from(i).unwrap();
            self.put(&Record::EchoSample(EchoSample {
                echo_id: n,
                key,
                sequence,
                reply_us: START_US + i,
                rtt_us: 9_800 + i64::from(sequence) * 700,
            }));
        }
    }

    fn table(&mut self, table: TableId, lines: &[(u64, u64, u64)]) {
        let entries = lines.iter().map(|(key, frames, octets)| CountEntry {
            key: *key,
            frames: *frames,
            octets: *octets,
        });
        self.put(&Record::Counts(Counts {
            table,
            entries: entries.collect(),
        }));
    }
}

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

fn text(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// As `replay` shows it.
fn seen<'a>(picture: &'a Picture, offered: &'a Offered) -> Seen<'a> {
    Seen {
        picture,
        offered: Some(offered),
        now_us: NOW_US,
    }
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
    let seen = seen(&picture, &offered);
    for (name, of) in [
        ("flow.csv", csv::Table::Flow),
        ("echo.csv", csv::Table::Echo),
        ("books.csv", csv::Table::Books),
    ] {
        let got = text(|out| csv::write(&[seen], of, &Choice::default(), out));
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
    let seen = Seen {
        picture: &picture,
        offered: None,
        now_us: NOW_US,
    };
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
        let seen = Seen {
            picture: &picture,
            offered: None,
            now_us: NOW_US,
        };
        let json = text(|out| json::write(&seen, &Choice::default(), true, out));
        let line = json.lines().find(|line| line.contains(r#""type":"port""#));
        let line = line.expect("a line of the port");
        assert!(line.ends_with(in_json), "{line}");
        let csv = text(|out| csv::write(&[seen], csv::Table::Port, &Choice::default(), out));
        assert!(csv.trim_end().ends_with(in_csv), "{csv}");
        let table = text(|out| table::write(&seen, &Choice::default(), out));
        assert!(table.contains(in_table), "{table}");
    }
    // A core in this process has none.
    let picture = running();
    let seen = Seen {
        picture: &picture,
        offered: None,
        now_us: NOW_US,
    };
    let csv = text(|out| csv::write(&[seen], csv::Table::Port, &Choice::default(), out));
    assert_eq!(csv, "");
}

#[test]
fn how_a_board_came_to_its_boot() {
    let picture = running();
    let seen = Seen {
        picture: &picture,
        offered: None,
        now_us: NOW_US,
    };
    let got = text(|out| json::write(&seen, &Choice::default(), true, out));
    let row: serde_json::Value = serde_json::from_str(got.lines().next().unwrap()).unwrap();
    assert_eq!(row["boot_count"], 7);
    assert_eq!(row["boot_reason"], "panic or fault");
    assert_eq!(row["boot_watchdogs"], 1);
    assert_eq!(row["last_word"], "port.rs:9: \u{1b}[2J");
    assert!(!got.contains('\x1b'));
}

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
