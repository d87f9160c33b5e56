//! Hand-made pictures: one sensor, its ledger, and as many flows as wanted.

use magpie_collector::{Limits, Picture, Position};
use magpie_protocol::{
    AddressPair, BootReason, BootReport, Capacities, Census, ClockKind, CountEntry, Counts,
    Direction, EchoKey, EchoRecord, EchoSample, EndReason, FlowKey, FlowRecord, Handshake, Hello,
    Known, Ledger, Losses, Record, Side, Sum, TableId, Tally, TcpFacts, TooBig, UplinkCounts,
    VlanStack,
};

use super::{BOOT, NOW_US, SENSOR_US};

pub(crate) struct Maker {
    pub(crate) picture: Picture,
    pub(crate) number: u64,
}

pub(crate) fn stack(ids: &[u16]) -> VlanStack {
    let mut stack = VlanStack::NONE;
    for id in ids {
        stack.push(*id);
    }
    stack
}

pub(crate) fn direction(packets: u64, octets: u64) -> Direction {
    Direction {
        packets,
        ip_octets: octets,
        frame_octets: octets + 14 * packets,
    }
}

fn octets(n: u64) -> [u8; 8] {
    n.to_be_bytes()
}

impl Maker {
    pub(crate) fn new(source: &str) -> Self {
        Self {
            picture: Picture::new(source, Limits::default()),
            number: 0,
        }
    }

    pub(crate) fn put(&mut self, record: &Record) {
        let at = Position {
            boot_id: BOOT,
            is_final: true,
            number: self.number,
        };
        self.number += 1;
        self.picture.apply(NOW_US, at, record);
    }

    /// A stranger's words are shown and must not move the cursor.
    pub(crate) fn hello(&mut self, name: &str) {
        self.put(&Record::Hello(Hello {
            major: 1,
            minor: 0,
            boot_id: BOOT,
            at_us: SENSOR_US,
            clock: ClockKind::SinceBoot,
            zero_seed: false,
            name: name.try_into().unwrap(),
            board: "nucleo-h743zi2".try_into().unwrap(),
            firmware: "0.1.0".try_into().unwrap(),
            git: "abcdef".try_into().unwrap(),
            boot: BootReport {
                count: 7,
                reason: BootReason::Watchdog,
                last_word: "ring.rs:70: stuck\x1b[2J".try_into().unwrap(),
                watchdogs: Some(2),
            },
            capacities: Capacities {
                flows: 32_768,
                echoes: 256,
                ..Capacities::default()
            },
        }));
    }

    pub(crate) fn flow(&mut self, record: FlowRecord) {
        let flow_id = self.number;
        self.put(&Record::Flow(FlowRecord { flow_id, ..record }));
    }

    pub(crate) fn echo(&mut self, last: [u8; 2], requests: u64, matched: u64) {
        let echo_id = self.number;
        let key = EchoKey {
            vlan: stack(&[10]),
            addresses: AddressPair::V4 {
                a: [10, 0, 10, last[0]],
                b: [192, 0, 2, last[1]],
            },
            id: 7,
        };
        self.put(&Record::Echo(EchoRecord {
            echo_id,
            reason: EndReason::Flush,
            key,
            first_us: SENSOR_US - 4_000_000,
            last_us: SENSOR_US,
            requests,
            replies: matched,
            matched,
            duplicates: 0,
            orphans: 0,
            waiting: 1,
        }));
        for i in 0..matched.min(20) {
            let sequence = u16::try_from(i).unwrap();
            self.put(&Record::EchoSample(EchoSample {
                echo_id,
                key,
                sequence,
                reply_us: SENSOR_US,
                rtt_us: 9_800 + i64::from(sequence) * 700,
            }));
        }
    }

    fn icmp(&mut self, lines: &[(u64, u64)]) {
        let entries = lines.iter().map(|(key, frames)| CountEntry {
            key: *key,
            frames: *frames,
            octets: 0,
        });
        self.put(&Record::Counts(Counts {
            table: TableId::Icmp,
            entries: entries.collect(),
        }));
    }
}

pub(crate) fn ledger(live: u64, lost: Losses) -> Ledger {
    let counted = Sum {
        frames: 148_210_331,
        octets: 98_765_432_100,
    };
    Ledger {
        at_us: SENSOR_US,
        counted,
        in_flows: counted,
        lost,
        flows: Census {
            made: live,
            live,
            live_packets: counted.frames,
            live_octets: counted.octets,
            evicted: 0,
        },
        exported: Tally {
            records: 90_112,
            ..Tally::default()
        },
        uplink: UplinkCounts {
            acked: 90_112,
            batches: 12_345,
            resent: 6,
            ..UplinkCounts::default()
        },
        ..Ledger::default()
    }
}

pub(crate) const QUIET: Losses = Losses {
    fcs: Known::Exact(3),
    oversize: Known::Exact(0),
    mac_fifo: Known::Exact(0),
    no_descriptor: Known::Exact(0),
    ring: Known::Exact(0),
};

/// One of many flows: TCP and UDP, IPv4 and IPv6, every tenth one-way.
pub(crate) fn one_of_many(n: u64) -> FlowRecord {
    let [.., x, y, z] = octets(n);
    let tcp = !n.is_multiple_of(3);
    let addresses = if n % 5 == 4 {
        let mut a = [
            0x20, 0x01, 0x0d, 0xb8, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, x, y, z,
        ];
        let b = a;
        a[15] ^= 0x80;
        a[6] = 0x12;
        AddressPair::V6 {
            a: b.min(a),
            b: b.max(a),
        }
    } else {
        AddressPair::V4 {
            a: [10, x, y, z],
            b: [192, 0, 2, 80],
        }
    };
    let back = if n % 10 == 7 { 0 } else { 3 * n };
    FlowRecord {
        flow_id: 0,
        reason: EndReason::Live,
        key: FlowKey {
            vlan: match n % 4 {
                0 => VlanStack::NONE,
                1 => stack(&[10]),
                2 => stack(&[100, 30]),
                _ => stack(&[4_094]),
            },
            protocol: if tcp { 6 } else { 17 },
            addresses,
            a_port: 1_024 + u16::from(y) * 250 + u16::from(z),
            b_port: 443,
        },
        initiator: if n.is_multiple_of(2) {
            Side::A
        } else {
            Side::B
        },
        first_us: SENSOR_US - 4_000_000 - n,
        last_us: SENSOR_US - n * 1_000,
        ab: direction(3 + n, 10 * n * (n % 97 + 1)),
        ba: direction(back, 900 * n),
        tcp: tcp.then_some(TcpFacts {
            flags: [0x1b, 0x13],
            seq_back: [n % 7, 0],
            seq_back_octets: [0, 0],
            unseen_octets: [0, n % 11],
            handshake: n.is_multiple_of(2).then_some(Handshake {
                client: Side::A,
                syn_retx: u32::from(n.is_multiple_of(8)),
                synack_retx: 0,
                syn_to_synack_us: i64::try_from(11_000 + n * 13).unwrap(),
                synack_to_ack_us: 250,
            }),
        }),
    }
}

/// A sensor with so many flows, some ping and ICMP.
pub(crate) fn many(flows: u64) -> Picture {
    let mut maker = Maker::new("serial:/dev/ttyACM0");
    maker.hello("tap1");
    for n in 1..=flows {
        maker.flow(one_of_many(n));
    }
    maker.echo([23, 1], 1_200, 1_199);
    maker.echo([2, 9], 240, 200);
    maker.icmp(&[
        (0x4_0800, 183),
        (0x4_0000, 179),
        (0x4_0303, 12),
        (0x4_0304, 3),
        (0x6_8000, 94),
        (0x4_0b00, 4),
    ]);
    maker.put(&Record::TooBig(TooBig {
        at_us: SENSOR_US,
        addresses: AddressPair::V4 {
            a: [10, 0, 0, 1],
            b: [10, 0, 10, 77],
        },
        mtu: 1_420,
    }));
    // Two a second apart: 100 Mb/s between them.
    let mut before = ledger(flows, QUIET);
    before.at_us -= 1_000_000;
    before.counted.frames -= 18_402;
    before.counted.octets -= 12_500_000;
    maker.put(&Record::Ledger(before));
    maker.put(&Record::Ledger(ledger(flows, QUIET)));
    maker.picture
}
