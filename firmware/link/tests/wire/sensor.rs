//! A sensor that tells numbers, and keeps the books of what became of them.

use magpie_protocol::{
    CommandReply, Emitted, Outcome, Record, RecordSource, Tally, UplinkCounts, Want, decode_record,
    encode_record,
};

/// Makes numbered records: finals count from 0 upwards, so do live ones.
#[derive(Default)]
pub(crate) struct Numbers {
    pub(crate) finals_left: u32,
    pub(crate) finals_made: u32,
    pub(crate) live_left: u32,
    live_made: u32,
    pub(crate) pulled: Tally,
    pub(crate) noted: UplinkCounts,
    /// What it was told was dropped: never sent, unconfirmed.
    pub(crate) dropped: [Tally; 2],
}

impl Numbers {
    pub(crate) fn new(finals_left: u32, live_left: u32) -> Self {
        Self {
            finals_left,
            live_left,
            ..Self::default()
        }
    }
}

/// What a final record amounts to.
fn tally_of(id: u32) -> Tally {
    Tally {
        records: 1,
        flows: u64::from(!id.is_multiple_of(3)),
        packets: u64::from(id % 3 * id),
        octets: u64::from(id % 3) * u64::from(id) * 1500,
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
        assert!(want == Want::Packet || out.len() >= magpie_protocol::MAX_ITEM);
        match want {
            Want::Packet => None,
            Want::Final => {
                self.finals_left = self.finals_left.checked_sub(1)?;
                let id = self.finals_made;
                self.finals_made += 1;
                let tally = tally_of(id);
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

    fn note_uplink(&mut self, counts: &UplinkCounts, _: u8) {
        self.noted = *counts;
    }

    /// It is told of the record that was dropped, not of another.
    fn note_dropped(&mut self, item: &[u8], tally: &Tally, sent: bool) {
        let [id] = ids(magpie_protocol::Items::new(item))[..] else {
            panic!("one record is dropped at a time");
        };
        assert_eq!(*tally, tally_of(id));
        self.dropped[usize::from(sent)].add(tally);
    }
}

pub(crate) fn ids(items: magpie_protocol::Items<'_>) -> Vec<u32> {
    items
        .map(|item| match decode_record(item.unwrap()).unwrap() {
            Record::CommandReply(reply) => reply.id,
            other => panic!("unexpected {other:?}"),
        })
        .collect()
}
