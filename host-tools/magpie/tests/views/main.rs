//! Views of hand-made pictures, held against files in `golden`. After a wanted
//! change: `MAGPIE_BLESS=1 cargo test -p magpie --test views`, then read the
//! difference.

#[path = "../blessed/mod.rs"]
mod blessed;

mod closed;
mod running;
mod unsent;

use magpie::views::Seen;
use magpie_collector::{Limits, Offered, Picture, Position};
use magpie_protocol::{
    AddressPair, CountEntry, Counts, Direction, EchoKey, EchoRecord, EchoSample, EndReason,
    FlowKey, FlowRecord, Handshake, Record, Side, TableId, TcpFacts, VlanStack,
};

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

fn text(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// As `replay` shows it.
fn seen<'a>(picture: &'a Picture, offered: &'a Offered) -> Seen<'a> {
    Seen::new(picture, Some(offered), NOW_US)
}
