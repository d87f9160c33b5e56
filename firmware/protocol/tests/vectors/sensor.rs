//! What a sensor says of itself: Hello, ledger, counts, answers, its port.

use magpie_protocol::{
    BootReason, BootReport, Capacities, Census, ClockKind, CommandReply, CountEntry, Counts,
    Doubles, FilterRoom, Hello, KEY_OTHER, Known, Ledger, LinkState, Losses, NetState, Outcome,
    Port, Record, Sum, TableId, Tally, TimeReply, UplinkCounts,
};

pub(crate) fn sensor_records() -> Vec<(&'static str, Record, &'static str)> {
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
    ]
}
