//! Finished records on their way to the link: first in, first out, in a ring.
//! What finds no room is counted, never silently gone.
//!
//! A frame only copies the slot that has to leave; it becomes a record when
//! the link takes it. So the worst frame pays for a copy, not for an encoding,
//! and nothing is ever moved to make room.

use magpie_protocol::{EchoSample, Emitted, EndReason, Record, Tally, encode_record_for};
use managed::ManagedSlice;

use crate::{
    echo::EchoSlot,
    flow::{Annex, FlowSlot, Leaving},
    key::Key,
    table::Slot as _,
    unsent::{Responder, UnsentFlows, Why},
};

/// Room for one finished record: 136 octets, all zero when free.
#[derive(Debug, Clone, Copy)]
pub struct OutboxEntry(Entry);

impl OutboxEntry {
    /// The free entry.
    pub const EMPTY: Self = Self(Entry::Nothing);
}

/// Why a record ended, in the low eight bits, and of a flow's what is above 32
/// bits of its number (64 bits in all last longer than 56, and those 1,500
/// years at 1,488,095 flows a second).
// One word, so that what stands behind the tag is copied in words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End(u32);

impl End {
    const NONE: Self = Self(0);

    #[inline]
    fn new(reason: EndReason, id: u64) -> Self {
        Self(u32::from(u8::from(reason)) | ((id >> 32) as u32) << 8)
    }

    fn reason(self) -> EndReason {
        EndReason::from((self.0 & 0xff) as u8)
    }

    fn id(self, low: u32) -> u64 {
        u64::from(self.0 >> 8) << 32 | u64::from(low)
    }
}

/// What waits. The representation makes the free one all zero, so that an
/// outbox costs no flash.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Entry {
    Nothing,
    Flow { end: End, slot: Leaving },
    Echo { end: End, slot: EchoSlot },
    Sample(Sample),
}

/// A round trip.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) echo_id: u64,
    /// The pair's.
    pub(crate) key: Key,
    pub(crate) sequence: u16,
    pub(crate) reply_us: u64,
    pub(crate) rtt_us: i64,
}

impl Entry {
    /// Becomes a copy of a slot, before it leaves.
    #[inline]
    pub(crate) fn set_flow(&mut self, slot: &FlowSlot, annex: &Annex, id: u64, reason: EndReason) {
        // Made whole it would be copied octet by octet.
        if !matches!(self, Self::Flow { .. }) {
            *self = Self::Flow {
                end: End::NONE,
                slot: Leaving::NONE,
            };
        }
        if let Self::Flow { end, slot: copy } = self {
            *end = End::new(reason, id);
            copy.replace(slot);
            copy.tell(slot.handshake(annex).as_ref());
        }
    }

    /// Becomes a copy of an echo pair, before it leaves.
    pub(crate) fn set_echo(&mut self, pair: &EchoSlot, reason: EndReason) {
        if !matches!(self, Self::Echo { .. }) {
            *self = Self::Echo {
                end: End::NONE,
                slot: EchoSlot::EMPTY,
            };
        }
        if let Self::Echo { end, slot } = self {
            *end = End::new(reason, 0);
            slot.replace(pair);
        }
    }

    /// The record, and what it amounts to.
    fn record(&self) -> Option<(Record, Tally)> {
        let alone = Tally {
            records: 1,
            ..Tally::default()
        };
        Some(match self {
            Self::Nothing => return None,
            Self::Flow { end, slot } => {
                let record = slot.record(end.id(slot.number()), end.reason());
                (Record::Flow(record), slot.tally())
            }
            Self::Echo { end, slot } => (Record::Echo(slot.record(end.reason())), alone),
            Self::Sample(sample) => {
                let record = EchoSample {
                    echo_id: sample.echo_id,
                    key: sample.key.echo(),
                    sequence: sample.sequence,
                    reply_us: sample.reply_us,
                    rtt_us: sample.rtt_us,
                };
                (Record::EchoSample(record), alone)
            }
        })
    }
}

/// The outbox and its tallies.
pub(crate) struct Outbox<'a> {
    ring: ManagedSlice<'a, OutboxEntry>,
    /// Where the oldest stands, and how many there are.
    oldest: usize,
    waiting: usize,
    /// Finished records that got in (or went out past it).
    pub(crate) exported: Tally,
    /// Finished records that did not.
    pub(crate) never_sent: Tally,
    /// The flows of those, and of what the link dropped.
    pub(crate) unsent: UnsentFlows<'a>,
}

impl<'a> Outbox<'a> {
    /// An empty outbox over this storage.
    pub(crate) fn new(ring: ManagedSlice<'a, OutboxEntry>, unsent: UnsentFlows<'a>) -> Self {
        Self {
            ring,
            oldest: 0,
            waiting: 0,
            exported: Tally::default(),
            never_sent: Tally::default(),
            unsent,
        }
    }

    /// Octets of storage.
    pub(crate) fn capacity(&self) -> u32 {
        let octets = self.ring.len().saturating_mul(size_of::<OutboxEntry>());
        u32::try_from(octets).unwrap_or(u32::MAX)
    }

    /// Records that find room.
    pub(crate) fn room(&self) -> usize {
        self.ring.len().saturating_sub(self.waiting)
    }

    /// Has a finished record put in, or books it as never sent. It is made
    /// where it stays: a copy costs a third of what evicting a flow does. To
    /// whom a flow went that finds no room, `responder` says: nobody else pays
    /// for it.
    #[inline]
    pub(crate) fn push(
        &mut self,
        tally: &Tally,
        put: impl FnOnce(&mut Entry),
        responder: impl FnOnce() -> Option<Responder>,
    ) {
        let len = self.ring.len();
        let behind = self.oldest.wrapping_add(self.waiting);
        let at = if behind < len {
            behind
        } else {
            behind.wrapping_sub(len)
        };
        match self.ring.get_mut(at) {
            Some(OutboxEntry(free)) if self.waiting < len => {
                put(free);
                self.waiting = self.waiting.wrapping_add(1);
                count(&mut self.exported, tally);
            }
            // A copy, so that others need not have theirs in memory.
            _ => self.lose(responder(), &Tally { ..*tally }),
        }
    }

    /// Books a finished record as never sent.
    #[inline(never)]
    pub(crate) fn lose(&mut self, responder: Option<Responder>, tally: &Tally) {
        self.never_sent.add(tally);
        self.unsent.add(responder, Why::NeverSent, tally);
    }

    /// Takes the oldest record out, for a host of this minor version.
    pub(crate) fn pop(&mut self, host_minor: u8, out: &mut [u8]) -> Option<Emitted> {
        if self.waiting == 0 {
            return None;
        }
        let OutboxEntry(entry) = self.ring.get(self.oldest)?;
        let (record, tally) = entry.record()?;
        let len = encode_record_for(host_minor, &record, out).ok()?;
        self.waiting = self.waiting.saturating_sub(1);
        self.oldest = self.oldest.saturating_add(1);
        if self.oldest >= self.ring.len() {
            self.oldest = 0;
        }
        Some(Emitted { len, tally })
    }
}

/// Adds a record. 64 bits hold what a link carries in thousands of years.
#[inline]
fn count(all: &mut Tally, one: &Tally) {
    all.records = all.records.wrapping_add(one.records);
    all.flows = all.flows.wrapping_add(one.flows);
    all.packets = all.packets.wrapping_add(one.packets);
    all.octets = all.octets.wrapping_add(one.octets);
}

#[cfg(test)]
mod tests {
    use super::*;
    use magpie_protocol::{Items, MAX_ITEM, VERSION_MINOR, decode_record};

    const TALLY: Tally = Tally {
        records: 1,
        flows: 0,
        packets: 0,
        octets: 0,
    };

    fn outbox(entries: usize) -> Outbox<'static> {
        let unsent = UnsentFlows::new(ManagedSlice::Owned(vec![]), &[1; 32]);
        Outbox::new(
            ManagedSlice::Owned(vec![OutboxEntry::EMPTY; entries]),
            unsent,
        )
    }

    fn sample(sequence: u16) -> Entry {
        Entry::Sample(Sample {
            echo_id: 1,
            key: Key::NONE,
            sequence,
            reply_us: 9,
            rtt_us: -4,
        })
    }

    #[test]
    fn an_entry_is_as_small_as_promised() {
        assert_eq!(size_of::<OutboxEntry>(), 136);
    }

    #[test]
    fn first_in_first_out_across_the_end() {
        let mut outbox = outbox(5);
        let mut out = [0; MAX_ITEM];
        let (mut next_in, mut next_out) = (0_u16, 0);
        for round in 0..200 {
            let before = outbox.exported.records;
            outbox.push(&TALLY, |entry| *entry = sample(next_in), || None);
            if outbox.exported.records > before {
                next_in += 1;
            }
            assert!(outbox.room() <= 5);
            if round % 3 > 0
                && let Some(emitted) = outbox.pop(VERSION_MINOR, &mut out)
            {
                assert_eq!(emitted.tally, TALLY);
                let item = Items::new(&out[..emitted.len]).next().unwrap().unwrap();
                let Record::EchoSample(record) = decode_record(item).unwrap() else {
                    panic!("not what went in")
                };
                assert_eq!((record.sequence, record.rtt_us), (next_out, -4));
                next_out += 1;
            }
        }
        while outbox.pop(VERSION_MINOR, &mut out).is_some() {
            next_out += 1;
        }
        assert_eq!(next_in, next_out);
        assert_eq!(outbox.exported.records, u64::from(next_in));
        assert_eq!(outbox.exported.records + outbox.never_sent.records, 200);
        assert!(outbox.never_sent.records > 0);
        assert_eq!(outbox.room(), 5);
    }

    #[test]
    fn no_storage_loses_and_says_so() {
        let mut outbox = outbox(0);
        outbox.push(&TALLY, |entry| *entry = sample(1), || None);
        assert_eq!(outbox.never_sent.records, 1);
        assert_eq!(outbox.pop(VERSION_MINOR, &mut [0; MAX_ITEM]), None);
    }
}
