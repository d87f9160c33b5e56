//! Known octets of every record and command: what is deployed must stay
//! readable, so a change of any line here is a new major version.
#![allow(clippy::too_many_lines)] // tables of data

use core::num::NonZeroU32;

use magpie_protocol::{
    Address, AddressPair, BootReason, BootReport, BpfInstruction, Capacities, Census, ClockKind,
    Command, CommandReply, Configuration, CountEntry, Counts, DecodeError, Direction, Doubles,
    EchoKey, EchoRecord, EchoSample, EndReason, FilterAction, FilterReason, FilterReply,
    FilterRoom, FilterState, FilterStatus, FlowKey, FlowRecord, FlowSum, Handshake, Hello,
    Instructions, Items, KEY_OTHER, Known, Ledger, LinkState, Losses, MAX_BODY, MAX_ITEM,
    Malformed, NetState, Outcome, PacketHead, PacketPart, PartPlace, Port, Record, Side, Sum,
    TableId, Tally, TcpFacts, TimeReply, TooBig, Unsent, UnsentKey, UnsentLine, UplinkCounts,
    VlanStack, decode_command, decode_packet_part, decode_record, encode_command,
    encode_packet_part, encode_record_for,
};

/// The forms that every host reads; `compact.rs` has the newer one of flows.
const FIRST: u8 = 0;

fn stack(ids: &[u16]) -> VlanStack {
    let mut stack = VlanStack::NONE;
    assert!(ids.iter().all(|id| stack.push(*id)));
    stack
}

fn records() -> Vec<(&'static str, Record, &'static str)> {
    let echo_key = EchoKey {
        vlan: VlanStack::NONE,
        addresses: AddressPair::V4 {
            a: [10, 0, 10, 23],
            b: [1, 1, 1, 1],
        },
        id: 0x1234,
    };
    let udp = FlowRecord {
        flow_id: 1,
        reason: EndReason::Idle,
        key: FlowKey {
            vlan: VlanStack::NONE,
            protocol: 17,
            addresses: AddressPair::V4 {
                a: [10, 0, 0, 1],
                b: [10, 0, 0, 2],
            },
            a_port: 53,
            b_port: 40000,
        },
        initiator: Side::B,
        first_us: 1_000_000,
        last_us: 1_000_300,
        ab: Direction {
            packets: 1,
            ip_octets: 100,
            frame_octets: 114,
        },
        ba: Direction {
            packets: 2,
            ip_octets: 58,
            frame_octets: 120,
        },
        tcp: None,
    };
    let tcp = FlowRecord {
        flow_id: 300,
        reason: EndReason::Live,
        key: FlowKey {
            vlan: stack(&[10, 0, 4095]),
            protocol: 6,
            addresses: AddressPair::V6 {
                a: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                b: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
            },
            a_port: 443,
            b_port: 65535,
        },
        initiator: Side::A,
        // A clock that stepped back: last before first.
        first_us: 5,
        last_us: 4,
        ab: Direction {
            packets: u64::MAX,
            ip_octets: 2,
            frame_octets: 1,
        },
        ba: Direction::default(),
        tcp: Some(TcpFacts {
            flags: [0x1b, 0x12],
            seq_back: [1, 0],
            seq_back_octets: [1460, 0],
            unseen_octets: [0, 200],
            handshake: Some(Handshake {
                client: Side::B,
                syn_retx: 1,
                synack_retx: 0,
                syn_to_synack_us: -1,
                synack_to_ack_us: 250,
            }),
        }),
    };
    let ledger = Ledger {
        at_us: 128,
        flush: 1,
        counted: Sum {
            frames: 10,
            octets: 1000,
        },
        in_flows: Sum {
            frames: 6,
            octets: 600,
        },
        arp: Sum {
            frames: 2,
            octets: 120,
        },
        other: Sum {
            frames: 1,
            octets: 60,
        },
        invalid: Sum {
            frames: 1,
            octets: 220,
        },
        lost: Losses {
            fcs: Known::Exact(3),
            oversize: Known::AtLeast(4),
            mac_fifo: Known::Unknown,
            no_descriptor: Known::Exact(0),
            ring: Known::Exact(5),
        },
        malformed: 11,
        vlan_cut: 12,
        own_tx: 13,
        own_rx: 14,
        forged: 15,
        flows: Census {
            made: 16,
            live: 17,
            live_packets: 18,
            live_octets: 19,
            evicted: 20,
        },
        echoes: Census {
            made: 21,
            live: 22,
            live_packets: 23,
            live_octets: 24,
            evicted: 25,
        },
        echo_forgotten: 26,
        exported: Tally {
            records: 27,
            flows: 28,
            packets: 29,
            octets: 30,
        },
        never_sent: Tally {
            records: 31,
            flows: 32,
            packets: 33,
            octets: 34,
        },
        uplink: UplinkCounts {
            acked: 35,
            never_sent: Tally {
                records: 36,
                flows: 37,
                packets: 38,
                octets: 39,
            },
            unconfirmed: Tally {
                records: 40,
                flows: 41,
                packets: 42,
                octets: 43,
            },
            batches: 44,
            resent: 45,
            bad_frames: 46,
        },
        doubles: Doubles {
            window_us: 500,
            sum: Sum {
                frames: 47,
                octets: 48,
            },
            unsure: 49,
            forgotten: 50,
        },
        filtered: Sum {
            frames: 51,
            octets: 300,
        },
    };
    let hello = Hello {
        major: 1,
        minor: 1,
        boot_id: 0xdead_beef,
        at_us: 7,
        clock: ClockKind::Unix,
        zero_seed: true,
        name: "tap1".try_into().unwrap(),
        board: "qemu".try_into().unwrap(),
        firmware: "0.1.0".try_into().unwrap(),
        git: "8bee3b8".try_into().unwrap(),
        capacities: Capacities {
            flows: 256,
            echoes: 32,
            echo_requests: 64,
            outbox_octets: 2048,
            resend_octets: 4096,
            max_frame: 1518,
            doubles: 1024,
            filters: FilterRoom {
                slots: 4,
                ring_octets: 300,
                payload: true,
            },
        },
        boot: BootReport {
            count: 7,
            reason: BootReason::Watchdog,
            last_word: "port.rs:9".try_into().unwrap(),
            watchdogs: Some(3),
        },
    };
    let entries = [
        CountEntry {
            key: 0x0800,
            frames: 300,
            octets: 45_000,
        },
        CountEntry {
            key: KEY_OTHER,
            frames: 1,
            octets: 0,
        },
    ];
    vec![
        (
            "hello",
            Record::Hello(hello),
            "01400101effdb6f50d07010104746170310471656d7505302e312e3007386265653362388002\
             204080108020ee0b070309706f72742e72733a398008010304ac0201",
        ),
        (
            "ledger",
            Record::Ledger(ledger),
            "02468001010ae80706d8040278013c01dc010103020400010001050b0c0d0e0f101112131415\
             161718191a1b1c1d1e1f202122232425262728292a2b2c2d2ef4032f30313233ac02",
        ),
        (
            "flow, UDP",
            Record::Flow(udp),
            "031e01010011000a0000010a00000235c0b80201c0843dac0201640e023a3e00",
        ),
        (
            "flow, TCP",
            Record::Flow(tcp),
            "0365ac0200030a00ff1f060120010db800000000000000000000000120010db8000000000000\
             000000000002bb03ffff030005ffffffffffffffffff01ffffffffffffffffff0102ffffffff\
             ffffffffff01000000011b120100b40b0000c8010101010001f403",
        ),
        (
            "echo",
            Record::Echo(EchoRecord {
                echo_id: 9,
                reason: EndReason::Flush,
                key: echo_key,
                first_us: 100,
                last_us: 200,
                requests: 6,
                replies: 5,
                matched: 4,
                duplicates: 1,
                orphans: 0,
                waiting: 2,
            }),
            "0417090600000a000a1701010101b42464c801060504010002",
        ),
        (
            "echo sample",
            Record::EchoSample(EchoSample {
                echo_id: 9,
                key: echo_key,
                sequence: 65535,
                reply_us: 200,
                rtt_us: -3,
            }),
            "05130900000a000a1701010101b424ffff03c80105",
        ),
        (
            "counts",
            Record::Counts(Counts {
                table: TableId::Ethertype,
                entries: entries.into_iter().collect(),
            }),
            "061500028010ac02c8df02feffffffffffffffff010100",
        ),
        (
            "counts of a newer table",
            Record::Counts(Counts {
                table: TableId::Unknown(77),
                entries: heapless::Vec::new(),
            }),
            "06024d00",
        ),
        (
            "time reply",
            Record::TimeReply(TimeReply {
                id: 1,
                host_us: 2,
                received_us: 300,
                sent_us: 70_000,
            }),
            "07070102ac02f0a204",
        ),
        (
            "command reply",
            Record::CommandReply(CommandReply {
                id: 5,
                command: 132,
                outcome: Outcome::BadValue,
            }),
            "0803058402",
        ),
        (
            "port without a lease",
            Record::Port(Port {
                at_us: 128,
                link: LinkState::Up {
                    mbit: 100,
                    full_duplex: true,
                },
                net: NetState::NoLease,
                cpu_permille: Some(310),
                refused: 7,
            }),
            "0c0e8001026401020000000001b60207",
        ),
        (
            "port with an address",
            Record::Port(Port {
                at_us: 7,
                link: LinkState::Unknown,
                net: NetState::Up([10, 99, 0, 2]),
                cpu_permille: None,
                refused: 300,
            }),
            "0c0c07000000030a63000200ac02",
        ),
        (
            "port without a cable",
            Record::Port(Port {
                at_us: 7,
                link: LinkState::Down,
                net: NetState::Silent,
                cpu_permille: Some(0),
                refused: 0,
            }),
            "0c0c070100000000000000010000",
        ),
        (
            "too big for IPv4",
            Record::TooBig(TooBig {
                at_us: 300,
                addresses: AddressPair::V4 {
                    a: [10, 0, 0, 1],
                    b: [10, 0, 10, 77],
                },
                mtu: 1420,
            }),
            "0d0dac02000a0000010a000a4d8c0b",
        ),
        (
            "too big for IPv6",
            Record::TooBig(TooBig {
                at_us: 7,
                addresses: AddressPair::V6 {
                    a: [0xfe; 16],
                    b: [0x20; 16],
                },
                mtu: 0,
            }),
            concat!(
                "0d230701",
                "fefefefefefefefefefefefefefefefe",
                "20202020202020202020202020202020",
                "00"
            ),
        ),
        (
            "flows not kept",
            Record::Unsent(Unsent {
                flows: 1_003,
                lines: [
                    UnsentLine {
                        place: 300,
                        key: Some(UnsentKey {
                            protocol: 6,
                            responder: Address::V4([10, 0, 0, 5]),
                        }),
                        missed_at_most: 0,
                        never_sent: FlowSum {
                            flows: 700,
                            packets: 2_100,
                            octets: 126_000,
                        },
                        unconfirmed: FlowSum {
                            flows: 3,
                            packets: 4,
                            octets: 240,
                        },
                    },
                    UnsentLine {
                        place: 301,
                        key: Some(UnsentKey {
                            protocol: 17,
                            responder: Address::V6([
                                0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
                            ]),
                        }),
                        missed_at_most: 200,
                        never_sent: FlowSum {
                            flows: 100,
                            packets: 100,
                            octets: 6_000,
                        },
                        unconfirmed: FlowSum::default(),
                    },
                    UnsentLine {
                        place: 512,
                        key: None,
                        missed_at_most: 0,
                        never_sent: FlowSum {
                            flows: 200,
                            packets: 201,
                            octets: 12_060,
                        },
                        unconfirmed: FlowSum::default(),
                    },
                ]
                .into_iter()
                .collect(),
            }),
            "0b43eb0703ac020106000a00000500bc05b410b0d8070304f001ad0201110120010db8000000000000000000000002c8016464f02e00000080040000c801c9019c5e000000",
        ),
        (
            "a filter refused",
            Record::FilterReply(FilterReply {
                id: 300,
                command: 134,
                slot: 3,
                outcome: Outcome::BadValue,
                reason: FilterReason::JumpOutside,
                instruction: 255,
            }),
            "0e08ac028603020eff01",
        ),
        (
            "a filter refused to whoever may be anybody",
            Record::FilterReply(FilterReply {
                id: 1,
                command: 133,
                slot: 0,
                outcome: Outcome::Refused,
                reason: FilterReason::NotAuthenticated,
                instruction: 0,
            }),
            "0e06018500040400",
        ),
        (
            "a capture that ended",
            Record::FilterStatus(FilterStatus {
                slot: 1,
                run: 300,
                at_us: 128,
                state: FilterState::PacketLimit,
                action: FilterAction::Capture {
                    snap_len: 128,
                    max_packets: 10,
                    max_octets: 0,
                    wait: true,
                },
                matched: Sum {
                    frames: 12,
                    octets: 1200,
                },
                kept: Sum {
                    frames: 10,
                    octets: 1000,
                },
                dropped: Sum {
                    frames: 2,
                    octets: 200,
                },
                forwarded: Sum {
                    frames: 9,
                    octets: 900,
                },
            }),
            "0f1801ac028001030180010a00010cb0090ae80702c801098407",
        ),
        (
            "a filter that counts",
            Record::FilterStatus(FilterStatus {
                run: 7,
                state: FilterState::Running,
                ..FilterStatus::default()
            }),
            "0f110007000100000000000000000000000000",
        ),
    ]
}

fn commands() -> Vec<(&'static str, Command, &'static str)> {
    let set = Configuration {
        idle_us: Some(15_000_000),
        active_us: None,
        end_us: Some(0),
        live_us: Some(1),
        dedup_us: Some(500),
    };
    vec![
        ("hello", Command::Hello { major: 1, minor: 0 }, "80020100"),
        (
            "ack",
            Command::Ack {
                boot_id: 0xdead_beef,
                next: 1000,
            },
            "8107effdb6f50de807",
        ),
        ("flush", Command::Flush { id: 3 }, "820103"),
        (
            "time sync",
            Command::TimeSync {
                id: 4,
                host_us: 1 << 56,
            },
            "830a04808080808080808001",
        ),
        (
            "configure",
            Command::Configure { id: 5, set },
            "840e0501c0c39307000100010101f403",
        ),
        (
            "load filter",
            Command::LoadFilter {
                id: 6,
                slot: 1,
                of: 300,
                at: 2,
                instructions: Instructions::take(&[
                    BpfInstruction {
                        code: 0x28,
                        jt: 0,
                        jf: 0,
                        k: 12,
                    },
                    BpfInstruction {
                        code: 0x0115,
                        jt: 2,
                        jf: 255,
                        k: 0x8100_0806,
                    },
                ])
                .0,
            },
            "85160601ac020202280000000c000000150102ff06080081",
        ),
        (
            "start filter",
            Command::StartFilter {
                id: 7,
                slot: 0,
                literal: true,
                action: FilterAction::Capture {
                    snap_len: 256,
                    max_packets: 0,
                    max_octets: 128,
                    wait: false,
                },
                of: 4,
                check: 0xdead_beef,
            },
            "86100700010180020080010004effdb6f50d",
        ),
        (
            "stop filter",
            Command::StopFilter {
                id: 8,
                slot: 3,
                discard: true,
            },
            "8703080301",
        ),
    ]
}

fn hex(octets: &[u8]) -> String {
    octets
        .iter()
        .fold(String::new(), |hex, octet| hex + &format!("{octet:02x}"))
}

fn one_item(octets: &[u8]) -> magpie_protocol::Item<'_> {
    let mut items = Items::new(octets);
    let item = items.next().unwrap().unwrap();
    assert!(items.next().is_none());
    item
}

#[test]
fn records_have_their_known_octets() {
    let mut out = [0; MAX_ITEM];
    for (name, record, known) in records() {
        let len = encode_record_for(FIRST, &record, &mut out).unwrap();
        assert_eq!(hex(&out[..len]), known, "{name}");
        assert_eq!(decode_record(one_item(&out[..len])), Ok(record), "{name}");
    }
}

#[test]
fn commands_have_their_known_octets() {
    let mut out = [0; MAX_ITEM];
    for (name, command, known) in commands() {
        let len = encode_command(&command, &mut out).unwrap();
        assert_eq!(hex(&out[..len]), known, "{name}");
        assert_eq!(decode_command(one_item(&out[..len])), Ok(command), "{name}");
    }
}

/// Octets of the boot report in the Hello of [`records`].
const BOOT_REPORT: usize = 12;
/// Octets of what 1.2 put behind it, and behind the ledger.
const DOUBLES: usize = 2;
/// Octets of what 1.3 put behind that.
const WATCHDOGS: usize = 2;
const LEDGER_DOUBLES: usize = 6;
/// Octets of what 1.4 put behind those of 1.3: in a Hello, a ledger, a port.
const FILTERS: usize = 4;
const FILTERED: usize = 3;
const REFUSED: [(&str, usize); 3] = [
    ("port without a lease", 1),
    ("port with an address", 2),
    ("port without a cable", 1),
];

/// A Hello of 1.0 ends before its boot report.
#[test]
fn a_hello_of_1_0_is_read() {
    let old = "012c0100effdb6f50d07010104746170310471656d7505302e312e3007386265653362388002\
               204080108020ee0b";
    let octets: Vec<u8> = (0..old.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&old[at..at + 2], 16).unwrap())
        .collect();
    let Some((_, Record::Hello(new), known)) = records().into_iter().next() else {
        panic!("Hello is the first");
    };
    let since = [BOOT_REPORT, DOUBLES, WATCHDOGS, FILTERS];
    assert_eq!(known.len(), old.len() + 2 * since.iter().sum::<usize>());
    let hello = Hello {
        minor: 0,
        boot: BootReport::default(),
        capacities: Capacities {
            doubles: 0,
            filters: FilterRoom::default(),
            ..new.capacities
        },
        ..new
    };
    let read = decode_record(one_item(&octets));
    assert_eq!(read, Ok(Record::Hello(hello)));
}

/// A Hello ends where its version did, and only there.
#[test]
fn a_hello_of_each_version_is_read() {
    let mut out = [0; MAX_ITEM];
    let Some((_, Record::Hello(hello), _)) = records().into_iter().next() else {
        panic!("Hello is the first");
    };
    let len = encode_record_for(FIRST, &Record::Hello(hello.clone()), &mut out).unwrap();
    let item = one_item(&out[..len]);
    let read = |less: usize| {
        let body = &item.body[..item.body.len() - less];
        decode_record(magpie_protocol::Item { body, ..item })
    };
    let mut of_1_3 = hello;
    of_1_3.capacities.filters = FilterRoom::default();
    assert_eq!(read(FILTERS), Ok(Record::Hello(of_1_3.clone())));
    let mut of_1_2 = of_1_3;
    of_1_2.boot.watchdogs = None;
    let less = FILTERS + WATCHDOGS;
    assert_eq!(read(less), Ok(Record::Hello(of_1_2.clone())));
    let mut of_1_1 = of_1_2;
    of_1_1.capacities.doubles = 0;
    assert_eq!(read(less + DOUBLES), Ok(Record::Hello(of_1_1)));
    for within in [1, FILTERS + 1, less + 1, less + DOUBLES + 1] {
        assert!(read(within).is_err(), "{within} less");
    }
}

/// What 1.1 said and heard: no word of doubles.
#[test]
fn bodies_of_1_1_end_before_the_doubles() {
    let mut out = [0; MAX_ITEM];
    for (name, record, _) in records() {
        let Record::Ledger(ledger) = record else {
            continue;
        };
        let len = encode_record_for(FIRST, &Record::Ledger(ledger), &mut out).unwrap();
        let item = one_item(&out[..len]);
        let body = &item.body[..item.body.len() - LEDGER_DOUBLES - FILTERED];
        let old = Ledger {
            doubles: Doubles::default(),
            filtered: Sum::default(),
            ..ledger
        };
        let read = decode_record(magpie_protocol::Item { body, ..item });
        assert_eq!(read, Ok(Record::Ledger(old)), "{name}");
        // Sent even where none are looked for: newer fields stand behind them.
        let nothing = [body, &[0; 7]].concat();
        let len = encode_record_for(FIRST, &Record::Ledger(old), &mut out).unwrap();
        assert_eq!(one_item(&out[..len]).body, nothing);
    }
    let set = Configuration {
        idle_us: Some(15_000_000),
        active_us: None,
        end_us: Some(0),
        live_us: Some(1),
        dedup_us: None,
    };
    let command = Command::Configure { id: 5, set };
    let len = encode_command(&command, &mut out).unwrap();
    let known = [132, 12, 5, 1, 0xc0, 0xc3, 0x93, 7, 0, 1, 0, 1, 1, 0];
    assert_eq!(out[..len], known);
    let item = one_item(&out[..len]);
    let body = &item.body[..item.body.len() - 1];
    let old = magpie_protocol::Item { body, ..item };
    for read in [item, old] {
        assert_eq!(decode_command(read), Ok(command));
    }
}

/// States of a newer version are no damage: of the link one knows nothing then,
/// of the network the number.
#[test]
fn newer_states_of_a_port_are_read() {
    let body = [7, 9, 100, 1, 4, 10, 0, 0, 1, 0];
    let read = decode_record(magpie_protocol::Item {
        kind: 12,
        body: &body,
    });
    let port = Port {
        at_us: 7,
        link: LinkState::Unknown,
        net: NetState::Unknown(4),
        cpu_permille: None,
        refused: 0,
    };
    assert_eq!(read, Ok(Record::Port(port)));
}

/// A newer minor version appends fields to the end of a body.
#[test]
fn appended_fields_are_ignored() {
    let mut out = [0; MAX_ITEM];
    for (name, record, _) in records() {
        let len = encode_record_for(FIRST, &record, &mut out).unwrap();
        let item = one_item(&out[..len]);
        let longer = [item.body, &[1, 2, 255, 255]].concat();
        let longer = magpie_protocol::Item {
            body: &longer,
            ..item
        };
        assert_eq!(decode_record(longer), Ok(record), "{name}");
    }
    for (name, command, _) in commands() {
        let len = encode_command(&command, &mut out).unwrap();
        let item = one_item(&out[..len]);
        let longer = [item.body, &[1, 2, 255, 255]].concat();
        let longer = magpie_protocol::Item {
            body: &longer,
            ..item
        };
        assert_eq!(decode_command(longer), Ok(command), "{name}");
    }
}

/// No prefix of a body is taken for the whole.
#[test]
fn shorter_bodies_are_refused() {
    let mut out = [0; MAX_ITEM];
    for (name, record, _) in records() {
        let len = encode_record_for(FIRST, &record, &mut out).unwrap();
        let item = one_item(&out[..len]);
        for cut in 0..item.body.len() {
            let missing = item.body.len() - cut;
            let of_1_2 = FILTERS + WATCHDOGS;
            let of_1_1 = of_1_2 + DOUBLES;
            let hellos = [FILTERS, of_1_2, of_1_1, of_1_1 + BOOT_REPORT];
            if name == "hello" && hellos.contains(&missing) {
                continue; // the whole of 1.3, of 1.2, of 1.1, of 1.0
            }
            if name == "ledger" && [FILTERED, LEDGER_DOUBLES + FILTERED].contains(&missing) {
                continue; // the whole of 1.3, of 1.1
            }
            if REFUSED.contains(&(name, missing)) {
                continue; // the whole of 1.3
            }
            let shorter = magpie_protocol::Item {
                body: &item.body[..cut],
                ..item
            };
            let refused = Err(DecodeError::BadBody(item.kind));
            assert_eq!(decode_record(shorter), refused, "{name} cut to {cut}");
        }
    }
}

/// The largest of each record fits an item, whatever the counters say.
#[test]
fn the_largest_records_fit() {
    const TOP: u64 = u64::MAX;
    let sum = Sum {
        frames: TOP,
        octets: TOP,
    };
    let census = Census {
        made: TOP,
        live: TOP,
        live_packets: TOP,
        live_octets: TOP,
        evicted: TOP,
    };
    let tally = Tally {
        records: TOP,
        flows: TOP,
        packets: TOP,
        octets: TOP,
    };
    let known = Known::AtLeast(TOP);
    let ledger = Ledger {
        at_us: TOP,
        flush: u32::MAX,
        counted: sum,
        in_flows: sum,
        arp: sum,
        other: sum,
        invalid: sum,
        lost: Losses {
            fcs: known,
            oversize: known,
            mac_fifo: known,
            no_descriptor: known,
            ring: known,
        },
        malformed: TOP,
        vlan_cut: TOP,
        own_tx: TOP,
        own_rx: TOP,
        forged: TOP,
        flows: census,
        echoes: census,
        echo_forgotten: TOP,
        exported: tally,
        never_sent: tally,
        uplink: UplinkCounts {
            acked: TOP,
            never_sent: tally,
            unconfirmed: tally,
            batches: TOP,
            resent: TOP,
            bad_frames: TOP,
        },
        doubles: Doubles {
            window_us: u32::MAX,
            sum,
            unsure: TOP,
            forgotten: TOP,
        },
        filtered: sum,
    };
    let entry = CountEntry {
        key: TOP,
        frames: TOP,
        octets: TOP,
    };
    let counts = Counts {
        table: TableId::Vlan,
        entries: [entry; Counts::MAX_ENTRIES].into_iter().collect(),
    };
    let direction = Direction {
        packets: TOP,
        ip_octets: TOP,
        frame_octets: TOP - 1,
    };
    let flow = FlowRecord {
        flow_id: TOP,
        reason: EndReason::Unknown(255),
        key: FlowKey {
            vlan: stack(&[4095; 4]),
            protocol: 255,
            addresses: AddressPair::V6 {
                a: [255; 16],
                b: [255; 16],
            },
            a_port: 65535,
            b_port: 65535,
        },
        initiator: Side::B,
        first_us: TOP,
        last_us: TOP - 1,
        ab: direction,
        ba: direction,
        tcp: Some(TcpFacts {
            flags: [255; 2],
            seq_back: [TOP; 2],
            seq_back_octets: [TOP; 2],
            unseen_octets: [TOP; 2],
            handshake: Some(Handshake {
                client: Side::B,
                syn_retx: u32::MAX,
                synack_retx: u32::MAX,
                syn_to_synack_us: i64::MIN,
                synack_to_ack_us: i64::MIN,
            }),
        }),
    };
    let flows = FlowSum {
        flows: TOP,
        packets: TOP,
        octets: TOP,
    };
    let line = UnsentLine {
        place: u16::MAX,
        key: Some(UnsentKey {
            protocol: 255,
            responder: Address::V6([255; 16]),
        }),
        missed_at_most: TOP,
        never_sent: flows,
        unconfirmed: flows,
    };
    let unsent = Unsent {
        flows: TOP,
        lines: [line; Unsent::MAX_LINES].into_iter().collect(),
    };
    for (record, octets) in [
        (Record::Ledger(ledger), 598),
        (Record::Unsent(unsent), 566),
        (Record::Counts(counts), 245),
        (Record::Flow(flow), 239),
    ] {
        // Exactly the room a record source is promised.
        let mut out = [0; MAX_ITEM];
        let len = encode_record_for(FIRST, &record, &mut out).unwrap();
        assert_eq!(len, octets);
        assert!(len <= MAX_BODY);
        assert_eq!(decode_record(one_item(&out[..len])), Ok(record));
    }
}

/// Types this version does not know keep their place in a batch.
#[test]
fn unknown_types_are_named_and_skipped() {
    let octets = [200, 3, 1, 2, 3, 130, 1, 7, 99, 0];
    let items: Vec<_> = Items::new(&octets).collect::<Result<_, _>>().unwrap();
    let decoded: Vec<_> = items.iter().map(|item| decode_command(*item)).collect();
    assert_eq!(
        decoded,
        [
            Err(DecodeError::UnknownType(200)),
            Ok(Command::Flush { id: 7 }),
            Err(DecodeError::UnknownType(99)),
        ]
    );
    assert_eq!(decode_record(items[0]), Err(DecodeError::UnknownType(200)));
}

#[test]
fn broken_lengths_end_a_batch() {
    for (octets, why) in [
        (&[3][..], DecodeError::Truncated),
        (&[3, 0x80], DecodeError::Truncated),
        (&[3, 2, 0], DecodeError::Truncated),
        (&[3, 0x85, 0x00, 0, 0, 0, 0, 0], DecodeError::BadLength), // not minimal
        (&[3, 0x80, 0x80, 0x01], DecodeError::BadLength),          // over two octets
        (&[3, 0xd9, 0x04, 0], DecodeError::BadLength),             // 601, one over MAX_BODY
    ] {
        let items: Vec<_> = Items::new(octets).collect();
        assert_eq!(items, [Err(why)], "{octets:?}");
    }
}

/// Numbers that stand in records: fixed for ever, new ones only at the end.
#[test]
fn enumerations_keep_their_numbers() {
    let reasons = [
        EndReason::Live,
        EndReason::Idle,
        EndReason::Active,
        EndReason::End,
        EndReason::Reuse,
        EndReason::Evicted,
        EndReason::Flush,
        EndReason::Split,
        EndReason::Unknown(8),
    ];
    let tables = [
        TableId::Ethertype,
        TableId::IpProtocol,
        TableId::Vlan,
        TableId::Fragment,
        TableId::Icmp,
        TableId::ArpOperation,
        TableId::ArpKind,
        TableId::Malformed,
        TableId::Unknown(8),
    ];
    for (number, (reason, table)) in (0_u8..).zip(reasons.into_iter().zip(tables)) {
        assert_eq!(
            (u8::from(reason), EndReason::from(number)),
            (number, reason)
        );
        assert_eq!((u8::from(table), TableId::from(number)), (number, table));
    }
    for (number, class) in (0_u8..).zip(Malformed::ALL) {
        assert_eq!(class as u8, number);
    }
    let names = Malformed::ALL.map(Malformed::name).join(" ");
    // The list of EXACT.md 10, in its order.
    assert_eq!(
        names,
        "eth_short vlan_short vlan_deep pppoe_short mpls_short mpls_deep arp_short ip4_short \
         ip4_version ip4_ihl ip4_len ip4_len0 ip4_len_gt_frame ip4_cksum ip6_short ip6_version \
         ip6_len_gt_frame ip6_ext_short ip6_ext_deep l4_short tcp_off udp_len"
    );
}

#[test]
fn a_record_is_final_unless_live() {
    let finals: Vec<_> = (0..=255)
        .filter(|code| EndReason::from(*code).is_final())
        .collect();
    assert!(finals.into_iter().eq(1..=255));
}

/// An unknown counter never looks like a count of zero.
#[test]
fn unknown_plus_some_is_at_least_some() {
    let mut unknown = Known::Unknown;
    let mut exact = Known::Exact(1);
    let mut at_least = Known::AtLeast(u64::MAX);
    for counter in [&mut unknown, &mut exact, &mut at_least] {
        counter.add(2);
    }
    assert_eq!(unknown, Known::AtLeast(2));
    assert_eq!(exact, Known::Exact(3));
    assert_eq!(at_least, Known::AtLeast(u64::MAX));
}

/// Parts of packets: known octets of a first and of a later one.
#[test]
fn parts_of_packets_have_their_known_octets() {
    let first = PacketPart {
        slot: 1,
        run: 300,
        number: 7,
        place: PartPlace::First(PacketHead {
            at_us: 128,
            wire_len: 60,
            captured_len: 5,
            dropped: Sum {
                frames: 2,
                octets: 3000,
            },
        }),
    };
    let later = PacketPart {
        place: PartPlace::Later(NonZeroU32::new(3).unwrap()),
        ..first
    };
    let none = PacketPart {
        slot: 0,
        run: 0,
        number: 0,
        ..later
    };
    for (part, octets, known) in [
        (
            first,
            [&b"ab"[..], b"c"],
            "101001ac02070080013c0502b81703616263",
        ),
        (later, [&b"de"[..], b""], "100801ac020703026465"),
        (none, [&[][..], &[]], "10050000000300"),
    ] {
        let mut out = [0; MAX_ITEM];
        let len = encode_packet_part(&part, octets, &mut out).unwrap();
        assert_eq!(hex(&out[..len]), known);
        let item = one_item(&out[..len]);
        let all = octets.concat();
        assert_eq!(decode_packet_part(item), Ok((part, &all[..])));
        // It is no record; newer fields stand behind it.
        assert_eq!(decode_record(item), Err(DecodeError::UnknownType(16)));
        let longer = [item.body, &[9; 3]].concat();
        let longer = magpie_protocol::Item {
            body: &longer,
            ..item
        };
        assert_eq!(decode_packet_part(longer), Ok((part, &all[..])));
        for cut in 0..item.body.len() {
            let shorter = magpie_protocol::Item {
                body: &item.body[..cut],
                ..item
            };
            let refused = Err(DecodeError::BadBody(16));
            assert_eq!(decode_packet_part(shorter), refused, "cut to {cut}");
        }
    }
    let other = magpie_protocol::Item {
        kind: 15,
        body: &[0; 9],
    };
    let refused = Err(DecodeError::UnknownType(15));
    assert_eq!(decode_packet_part(other), refused);
}

/// The greatest head leaves the room that is promised.
#[test]
fn the_greatest_part_fits() {
    let part = PacketPart {
        slot: u8::MAX,
        run: u32::MAX,
        number: u64::MAX,
        place: PartPlace::First(PacketHead {
            at_us: u64::MAX,
            wire_len: u32::MAX,
            captured_len: u32::MAX,
            dropped: Sum {
                frames: u64::MAX,
                octets: u64::MAX,
            },
        }),
    };
    let octets = [7; MAX_BODY];
    let most = MAX_BODY - PacketPart::MAX_HEAD;
    let mut out = [0; MAX_ITEM];
    let len = encode_packet_part(&part, [&octets[..most], &[]], &mut out).unwrap();
    // A place other than 0 would take four octets more.
    assert_eq!(len, MAX_ITEM - 4);
    assert!(encode_packet_part(&part, [&octets[..most], &octets[..5]], &mut [0; 700]).is_err());
}

/// A host of 1.3 knows no filtered frames: what no table was shown is lost to it.
#[test]
fn a_ledger_adds_up_for_an_older_host() {
    let sum = |frames| Sum {
        frames,
        octets: frames * 100,
    };
    let ledger = Ledger {
        counted: sum(10),
        in_flows: sum(4),
        arp: sum(1),
        filtered: sum(5),
        lost: Losses {
            ring: Known::Exact(2),
            ..Losses::default()
        },
        ..Ledger::default()
    };
    assert_eq!(ledger.told_to(4), ledger);
    let old = ledger.told_to(3);
    assert_eq!((old.counted, old.filtered), (sum(5), Sum::default()));
    assert_eq!(old.lost.ring, Known::Exact(7));
    let none = Ledger {
        filtered: Sum::default(),
        ..ledger
    };
    assert_eq!(none.told_to(3), none);
}

/// Numbers of reasons and states are fixed for ever.
#[test]
fn reasons_and_states_keep_their_numbers() {
    for code in 0..=u8::MAX {
        let reason = FilterReason::from(code);
        assert_eq!(u8::from(reason), code);
        assert_eq!(matches!(reason, FilterReason::Unknown(_)), code > 18);
        let state = FilterState::from(code);
        assert_eq!(u8::from(state), code);
        assert_eq!(matches!(state, FilterState::Unknown(_)), code > 5);
    }
    assert_eq!(FilterReason::from(4), FilterReason::NotAuthenticated);
    assert_eq!(FilterReason::from(12), FilterReason::UnknownCode);
    assert_eq!(FilterReason::from(18), FilterReason::DivisionByZero);
    assert_eq!(FilterState::from(4), FilterState::OctetLimit);
    assert_eq!(FilterState::from(5), FilterState::Unheard);
    assert_eq!(u8::from(Outcome::Refused), 4);
}
