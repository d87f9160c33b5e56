//! Finished records, encoded, waiting for the link: first in, first out, in a
//! fixed buffer. What finds no room is counted, never silently gone.

use magpie_protocol::{Emitted, Record, Tally, encode_record};
use managed::ManagedSlice;

/// Before each record: its octets (2), flows (1), packets (5), octets (6).
const HEAD: usize = 14;

/// The outbox and its tallies.
pub(crate) struct Outbox<'a> {
    storage: ManagedSlice<'a, u8>,
    head: usize,
    tail: usize,
    /// Finished records that got in (or went out past it).
    pub(crate) exported: Tally,
    /// Finished records that did not.
    pub(crate) never_sent: Tally,
}

fn pack(len: usize, tally: &Tally) -> Option<[u8; HEAD]> {
    let [.., l1, l0] = len.to_be_bytes();
    let [.., flows] = tally.flows.to_be_bytes();
    let [_, _, _, p4, p3, p2, p1, p0] = tally.packets.to_be_bytes();
    let [_, _, o5, o4, o3, o2, o1, o0] = tally.octets.to_be_bytes();
    let fits = tally.packets >> 40 == 0 && tally.octets >> 48 == 0 && tally.flows < 256;
    fits.then_some([l1, l0, flows, p4, p3, p2, p1, p0, o5, o4, o3, o2, o1, o0])
}

fn unpack(head: [u8; HEAD]) -> (usize, Tally) {
    let [l1, l0, flows, p4, p3, p2, p1, p0, o5, o4, o3, o2, o1, o0] = head;
    let tally = Tally {
        records: 1,
        flows: u64::from(flows),
        packets: u64::from_be_bytes([0, 0, 0, p4, p3, p2, p1, p0]),
        octets: u64::from_be_bytes([0, 0, o5, o4, o3, o2, o1, o0]),
    };
    (usize::from(u16::from_be_bytes([l1, l0])), tally)
}

impl<'a> Outbox<'a> {
    /// An empty outbox over this storage.
    pub(crate) fn new(storage: ManagedSlice<'a, u8>) -> Self {
        Self {
            storage,
            head: 0,
            tail: 0,
            exported: Tally::default(),
            never_sent: Tally::default(),
        }
    }

    /// Octets of storage.
    pub(crate) fn capacity(&self) -> u32 {
        u32::try_from(self.storage.len()).unwrap_or(u32::MAX)
    }

    /// Octets free.
    pub(crate) fn room(&self) -> usize {
        self.storage
            .len()
            .saturating_sub(self.tail.saturating_sub(self.head))
    }

    /// Nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// Puts a finished record in, or books it as never sent.
    pub(crate) fn push(&mut self, record: &Record, tally: &Tally) {
        if self.put(record, tally).is_some() {
            self.exported.add(tally);
        } else {
            self.never_sent.add(tally);
        }
    }

    fn put(&mut self, record: &Record, tally: &Tally) -> Option<()> {
        if let Some(len) = self.write(record, tally) {
            self.tail = self.tail.saturating_add(len);
            return Some(());
        }
        // Not enough room behind the last record: move all to the front.
        if self.head == 0 {
            return None;
        }
        let used = self.head..self.tail;
        let len = used.len();
        // Always there; without the question copy_within keeps a panic path.
        self.storage.get(used.clone())?;
        self.storage.copy_within(used, 0);
        self.head = 0;
        self.tail = len;
        let len = self.write(record, tally)?;
        self.tail = self.tail.saturating_add(len);
        Some(())
    }

    fn write(&mut self, record: &Record, tally: &Tally) -> Option<usize> {
        let (head, body) = self
            .storage
            .get_mut(self.tail..)?
            .split_at_mut_checked(HEAD)?;
        let len = encode_record(record, body).ok()?;
        head.copy_from_slice(&pack(len, tally)?);
        len.checked_add(HEAD)
    }

    /// Takes the oldest record out.
    pub(crate) fn pop(&mut self, out: &mut [u8]) -> Option<Emitted> {
        let waiting = self.storage.get(self.head..self.tail)?;
        let (head, rest) = waiting.split_first_chunk::<HEAD>()?;
        let (len, tally) = unpack(*head);
        let record = rest.get(..len)?;
        out.get_mut(..len)?.copy_from_slice(record);
        self.head = self.head.saturating_add(HEAD).saturating_add(len);
        if self.is_empty() {
            self.head = 0;
            self.tail = 0;
        }
        Some(Emitted { len, tally })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use magpie_protocol::{CommandReply, Items, MAX_ITEM, Outcome, decode_record};

    fn record(id: u32) -> Record {
        Record::CommandReply(CommandReply {
            id,
            command: 1,
            outcome: Outcome::Done,
        })
    }

    #[test]
    fn first_in_first_out_across_the_end() {
        let mut outbox = Outbox::new(ManagedSlice::Owned(vec![0; 100]));
        let mut out = [0; MAX_ITEM];
        let (mut next_in, mut next_out) = (0_u32, 0);
        for round in 0..200 {
            let before = outbox.exported.records;
            outbox.push(
                &record(next_in),
                &Tally {
                    records: 1,
                    flows: 1,
                    packets: 7,
                    octets: 99,
                },
            );
            if outbox.exported.records > before {
                next_in += 1;
            }
            if round % 3 > 0
                && let Some(emitted) = outbox.pop(&mut out)
            {
                assert_eq!(
                    emitted.tally,
                    Tally {
                        records: 1,
                        flows: 1,
                        packets: 7,
                        octets: 99
                    }
                );
                let item = Items::new(&out[..emitted.len]).next().unwrap().unwrap();
                assert_eq!(decode_record(item), Ok(record(next_out)));
                next_out += 1;
            }
        }
        while outbox.pop(&mut out).is_some() {
            next_out += 1;
        }
        assert_eq!(next_in, next_out);
        assert_eq!(outbox.exported.records, u64::from(next_in));
        assert_eq!(outbox.exported.records + outbox.never_sent.records, 200);
        assert!(outbox.never_sent.records > 0);
    }

    #[test]
    fn no_storage_loses_and_says_so() {
        let mut outbox = Outbox::new(ManagedSlice::Owned(vec![]));
        outbox.push(
            &record(1),
            &Tally {
                records: 1,
                ..Tally::default()
            },
        );
        assert_eq!(outbox.never_sent.records, 1);
        assert_eq!(outbox.pop(&mut [0; MAX_ITEM]), None);
    }
}
