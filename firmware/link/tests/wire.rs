//! Sender and receiver over wires that lose, repeat, reorder and corrupt.

use std::collections::VecDeque;

use magpie_link::{
    Deframer, LinkError, MAX_BATCH, MAX_FRAME, MIN_STORAGE, Overflow, Receiver, Sender, Stream,
    command_batch, frame,
};
use magpie_protocol::{
    Command, CommandReply, Emitted, Outcome, Record, RecordSource, Tally, UplinkCounts, Want,
    decode_record, encode_record,
};
use proptest::prelude::*;

/// Makes numbered records: finals count from 0 upwards, so do live ones.
#[derive(Default)]
struct Numbers {
    finals_left: u32,
    finals_made: u32,
    live_left: u32,
    live_made: u32,
    pulled: Tally,
    noted: UplinkCounts,
}

impl Numbers {
    fn new(finals_left: u32, live_left: u32) -> Self {
        Self {
            finals_left,
            live_left,
            ..Self::default()
        }
    }
}

fn numbered(id: u32, command: u8) -> Record {
    Record::CommandReply(CommandReply {
        id,
        command,
        outcome: Outcome::Done,
    })
}

impl RecordSource for Numbers {
    fn poll_record(&mut self, _now_us: u64, want: Want, out: &mut [u8]) -> Option<Emitted> {
        assert!(out.len() >= magpie_protocol::MAX_ITEM);
        match want {
            Want::Final => {
                self.finals_left = self.finals_left.checked_sub(1)?;
                let id = self.finals_made;
                self.finals_made += 1;
                let tally = Tally {
                    records: 1,
                    flows: u64::from(id % 3 != 0),
                    packets: u64::from(id % 3 * id),
                    octets: u64::from(id % 3) * u64::from(id) * 1500,
                };
                self.pulled.add(&tally);
                Some(Emitted {
                    len: encode_record(&numbered(id, 1), out).unwrap(),
                    tally,
                })
            }
            Want::Live => {
                self.live_left = self.live_left.checked_sub(1)?;
                let id = self.live_made;
                self.live_made += 1;
                let len = encode_record(&numbered(id, 2), out).unwrap();
                Some(Emitted {
                    len,
                    tally: Tally::default(),
                })
            }
        }
    }

    fn note_uplink(&mut self, counts: &UplinkCounts) {
        self.noted = *counts;
    }
}

fn ids(items: magpie_protocol::Items<'_>) -> Vec<u32> {
    items
        .map(|item| match decode_record(item.unwrap()).unwrap() {
            Record::CommandReply(reply) => reply.id,
            other => panic!("unexpected {other:?}"),
        })
        .collect()
}

/// Sends everything over a wire without faults; returns finals and live.
#[test]
fn a_clean_wire_delivers_everything_once() {
    let mut storage = [0; 4096];
    let mut sender = Sender::new(7, &mut storage, Overflow::Hold);
    let mut source = Numbers::new(5000, 300);
    let mut receiver = Receiver::new();
    let (mut finals, mut live) = (Vec::new(), Vec::new());
    let mut out = [0; MAX_BATCH];
    let mut now = 0;
    while finals.len() < 5000 || live.len() < 300 || !sender.all_acked() {
        now += 30_000;
        assert!(now < 1_000_000_000, "stalled at {} finals", finals.len());
        while let Some(len) = sender.poll_transmit(now, &mut source, &mut out) {
            let delivery = receiver.handle_batch(&out[..len]).unwrap();
            assert_eq!(delivery.lost_finals + delivery.live_gap, 0);
            match delivery.stream {
                Stream::Final => finals.extend(ids(delivery.items)),
                _ => live.extend(ids(delivery.items)),
            }
            if let Some(ack) = receiver.poll_ack() {
                let mut batch = [0; 64];
                let len = command_batch(7, 0, &[ack], &mut batch).unwrap();
                assert_eq!(sender.handle_batch(now, &batch[..len]).unwrap().count(), 0);
            }
        }
    }
    assert!(finals.into_iter().eq(0..5000));
    assert!(live.into_iter().eq(0..300));
    assert_eq!(sender.counts().acked, 5000);
    assert_eq!(sender.counts().resent, 0);
    assert_eq!(source.noted.never_sent, Tally::default());
}
