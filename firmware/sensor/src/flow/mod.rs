//! Flows: bidirectional, by VLAN stack, version, protocol and end points
//! (EXACT.md 5, 6, 8, 12).

mod annex;
mod progress;
mod setup;
mod slot;
mod tcp;

use magpie_protocol::{Census, EndReason, FlowRecord, Sum, Tally};
use managed::ManagedSlice;

use crate::{
    Config,
    dissect::{Content, Parsed},
    outbox::Outbox,
    sensor::Desk,
    table::{Slot, Table},
    unsent::Responder,
};
pub(crate) use annex::Annex;
pub use slot::FlowSlot;
pub(crate) use slot::Leaving;

/// One set of the flow table.
pub type FlowSet = [FlowSlot; 8];

/// The flow table and its census. First what every frame needs.
#[repr(C)]
pub(crate) struct Flows<'a> {
    table: Table<'a, FlowSlot, 8>,
    /// A record spans less than this.
    longest_us: u32,
    books: FlowBooks,
}

/// What is left to do for a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FollowUp {
    Nothing,
    /// The table does not hold its flow.
    Admit,
    /// Its record could not take it without a closer look.
    Renew,
    /// Its record took it, and can take no more.
    Split,
    /// Its record took it; it may have an echo pair besides.
    Echo,
}

/// What became of the flows.
struct FlowBooks {
    /// Records begun: the number of the latest.
    made: u64,
    evicted: u64,
    /// Records that ended, their packets and octets.
    ended: u64,
    ended_packets: u64,
    ended_octets: u64,
    annex: Annex,
}

impl<'a> Flows<'a> {
    /// An empty table over this storage.
    pub(crate) fn new(sets: ManagedSlice<'a, FlowSet>, config: &Config) -> Self {
        let mut flows = Self {
            table: Table::new(sets),
            books: FlowBooks {
                made: 0,
                evicted: 0,
                ended: 0,
                ended_packets: 0,
                ended_octets: 0,
                annex: Annex::new(),
            },
            longest_us: 0,
        };
        flows.configure(config);
        flows
    }

    /// The time-outs changed.
    pub(crate) fn configure(&mut self, config: &Config) {
        self.longest_us = match u32::try_from(config.active_us) {
            Ok(active_us) if active_us > 0 => active_us.min(slot::LONGEST_US),
            _ => slot::LONGEST_US,
        };
    }

    /// The census as of now, `all` being what was ever counted in flows: what
    /// has not left is here. (So a packet that came and is in no slot shows as
    /// one of no flow, and a flush does not end it.)
    pub(crate) fn census(&self, all: Sum) -> Census {
        let books = &self.books;
        Census {
            made: books.made,
            live: books.made.saturating_sub(books.ended),
            evicted: books.evicted,
            live_packets: all.frames.saturating_sub(books.ended_packets),
            live_octets: all.octets.saturating_sub(books.ended_octets),
        }
    }

    /// Entries the table can hold.
    pub(crate) fn capacity(&self) -> u32 {
        self.table.capacity()
    }

    /// Counts one packet, if its flow has a record that can take it. What is
    /// left to do is for [`Self::follow_up`].
    #[inline]
    pub(crate) fn take(
        &mut self,
        hash: u32,
        at_us: u64,
        wire_len: u32,
        packet: &Parsed,
    ) -> FollowUp {
        let Some((_, slot)) = self.table.find(hash, &packet.key) else {
            return FollowUp::Admit;
        };
        let Some(since) = slot.since(at_us, self.longest_us) else {
            return FollowUp::Renew;
        };
        self.books.take(slot, since, wire_len, packet)
    }

    /// Does what few packets need.
    #[inline]
    pub(crate) fn follow_up(
        &mut self,
        what: FollowUp,
        hash: u32,
        at_us: u64,
        wire_len: u32,
        packet: &Parsed,
        desk: &mut Desk<'_, '_>,
    ) {
        if what == FollowUp::Admit {
            return self.admit(at_us, wire_len, packet, hash, desk);
        }
        if let Some((_, slot)) = self.table.find(hash, &packet.key) {
            match what {
                FollowUp::Nothing | FollowUp::Admit | FollowUp::Echo => {}
                FollowUp::Renew => self.books.renew(slot, at_us, wire_len, packet, desk),
                FollowUp::Split => self.books.export(slot, EndReason::Split, desk.outbox),
            }
        }
    }

    /// The first packet of a flow that the table does not hold.
    fn admit(
        &mut self,
        at_us: u64,
        wire_len: u32,
        packet: &Parsed,
        hash: u32,
        desk: &mut Desk<'_, '_>,
    ) {
        let Some((_, slot)) = self.table.admit(hash, at_us) else {
            // A sensor without a flow table: the packet is a flow that was
            // never recorded.
            self.books.made = self.books.made.wrapping_add(1);
            let tally = Tally {
                records: 1,
                flows: 1,
                packets: 1,
                octets: u64::from(wire_len),
            };
            self.books.count_ended(&tally);
            let responder = Responder::of(&packet.key, packet.from);
            desk.outbox.lose(Some(responder), &tally);
            return;
        };
        if slot.is_recording() {
            let reason = slot.expired(at_us, desk.config).unwrap_or_else(|| {
                self.books.evicted = self.books.evicted.wrapping_add(1);
                EndReason::Evicted
            });
            self.books.hand_over(slot, reason, desk.outbox);
        }
        self.books.annex.release(slot.setup.annexed());
        slot.let_to(&packet.key);
        self.books.first(slot, at_us, wire_len, packet, desk.outbox);
    }

    /// Looks at the slots from `cursor` on, at most `limit`, for one that has
    /// something to finish; returns its record and moves the cursor behind it.
    /// `None` with the cursor at the end: all were looked at.
    pub(crate) fn finish_next(
        &mut self,
        cursor: &mut usize,
        limit: usize,
        why: impl Fn(&FlowSlot) -> Option<EndReason>,
    ) -> Option<(FlowRecord, Tally)> {
        let slots = self.table.slots();
        let end = cursor.saturating_add(limit).min(slots.len());
        for slot in slots.get_mut(*cursor..end)? {
            *cursor = cursor.saturating_add(1);
            if slot.is_free() {
                continue;
            }
            let reason = match why(slot) {
                Some(reason) => reason,
                None if self.books.is_ancient(slot) => EndReason::Split,
                None => continue,
            };
            let finished = slot.is_recording().then(|| {
                let number = self.books.number(slot);
                let record = slot.leaving(&self.books.annex).record(number, reason);
                (record, self.books.end(slot))
            });
            if matches!(reason, EndReason::Idle | EndReason::End) {
                self.books.annex.release(slot.setup.annexed());
                *slot = FlowSlot::EMPTY;
            }
            if finished.is_some() {
                return finished;
            }
        }
        None
    }

    /// The next changed flow from `cursor` on, as a live record.
    pub(crate) fn show_next(&mut self, cursor: &mut usize, limit: usize) -> Option<FlowRecord> {
        let slots = self.table.slots();
        let end = cursor.saturating_add(limit).min(slots.len());
        for slot in slots.get_mut(*cursor..end)? {
            *cursor = cursor.saturating_add(1);
            if slot.is_recording() && slot.take_change() {
                let number = self.books.number(slot);
                let shown = slot.leaving(&self.books.annex);
                return Some(shown.record(number, EndReason::Live));
            }
        }
        None
    }

    /// Handshakes that cannot be told.
    #[cfg(feature = "std")]
    pub(crate) fn untold(&self) -> u64 {
        self.books.annex.untold()
    }

    /// Slots there are: where a cursor ends.
    pub(crate) fn slots(&mut self) -> usize {
        self.table.slots().len()
    }

    /// Doubles the table where the next key might evict.
    #[cfg(feature = "std")]
    pub(crate) fn grow_if_crowded(&mut self, secret: &crate::hash::Secret) {
        self.books.annex.grow();
        if self.table.is_crowded() {
            self.table.grow(|slot| secret.of_key(slot.key()));
        }
    }
}

impl FlowBooks {
    /// Counts one packet in the record.
    #[inline]
    fn take(
        &mut self,
        slot: &mut FlowSlot,
        since: u32,
        wire_len: u32,
        packet: &Parsed,
    ) -> FollowUp {
        if !slot.count(since, packet.from, packet.ip_octets, wire_len) {
            return FollowUp::Renew;
        }
        match &packet.content {
            Content::Tcp(segment) if slot.segment(since, packet.from, segment, &mut self.annex) => {
                return FollowUp::Split;
            }
            Content::TcpFirst(segment) => slot.flags(packet.from, segment),
            Content::Icmp(_) => return FollowUp::Echo,
            Content::Tcp(_) | Content::Nothing | Content::Arp(_) => {}
        }
        FollowUp::Nothing
    }

    /// The same, and ends the record where it can take no more; false, and
    /// nothing done, where it could not take this one.
    fn take_and_split(
        &mut self,
        slot: &mut FlowSlot,
        since: u32,
        wire_len: u32,
        packet: &Parsed,
        outbox: &mut Outbox<'_>,
    ) -> bool {
        let taken = self.take(slot, since, wire_len, packet);
        if taken == FollowUp::Split {
            self.export(slot, EndReason::Split, outbox);
        }
        taken != FollowUp::Renew
    }

    /// A packet of a known flow that may have to end its record, or has none.
    #[inline(never)]
    fn renew(
        &mut self,
        slot: &mut FlowSlot,
        at_us: u64,
        wire_len: u32,
        packet: &Parsed,
        desk: &mut Desk<'_, '_>,
    ) {
        let (config, outbox) = (desk.config, &mut *desk.outbox);
        if config.end_us > 0
            && let Content::Tcp(segment) | Content::TcpFirst(segment) = &packet.content
            && slot.reopens(packet.from, segment)
        {
            self.export(slot, EndReason::Reuse, outbox);
            self.annex.release(slot.setup.annexed());
            slot.let_to(&packet.key);
        } else if config.active_us > 0 && slot.age_us(at_us) >= config.active_us {
            self.export(slot, EndReason::Active, outbox);
        } else if let Some(since) = slot.offset(at_us, &mut self.annex)
            && self.take_and_split(slot, since, wire_len, packet, outbox)
        {
            return; // closed, or the clock stepped back
        } else {
            self.export(slot, EndReason::Split, outbox);
        }
        self.first(slot, at_us, wire_len, packet, outbox);
    }

    /// The first packet of a record.
    fn first(
        &mut self,
        slot: &mut FlowSlot,
        at_us: u64,
        wire_len: u32,
        packet: &Parsed,
        outbox: &mut Outbox<'_>,
    ) {
        self.made = self.made.wrapping_add(1);
        slot.begin(low(self.made), at_us, packet.from, &mut self.annex);
        self.take_and_split(slot, 0, wire_len, packet, outbox);
    }

    /// The number of the slot's record. The slot has its lower half; the upper
    /// one follows as long as fewer than 2^32 records began since, see
    /// [`Self::is_ancient`].
    fn number(&self, slot: &FlowSlot) -> u64 {
        let newer = low(self.made).wrapping_sub(slot.number());
        self.made.wrapping_sub(u64::from(newer))
    }

    /// So many records began since the slot's that its number will soon be
    /// doubtful: it is split. A sweep, which looks at every slot, comes long
    /// before another 2^31 have begun.
    fn is_ancient(&self, slot: &FlowSlot) -> bool {
        low(self.made).wrapping_sub(slot.number()) >> 31 != 0 && slot.is_recording()
    }

    /// Ends the slot's record: what it amounts to.
    fn end(&mut self, slot: &mut FlowSlot) -> Tally {
        let tally = slot.tally();
        slot.rest();
        self.count_ended(&tally);
        tally
    }

    /// What a record that ended amounts to.
    fn count_ended(&mut self, tally: &Tally) {
        self.ended = self.ended.wrapping_add(tally.flows);
        self.ended_packets = self.ended_packets.wrapping_add(tally.packets);
        self.ended_octets = self.ended_octets.wrapping_add(tally.octets);
    }

    /// Ends the slot's record, if it has one, by the outbox.
    fn export(&mut self, slot: &mut FlowSlot, reason: EndReason, outbox: &mut Outbox<'_>) {
        if slot.is_recording() {
            self.hand_over(slot, reason, outbox);
            slot.rest();
        }
    }

    /// The slot's record leaves by the outbox. The slot is not at rest yet.
    fn hand_over(&mut self, slot: &FlowSlot, reason: EndReason, outbox: &mut Outbox<'_>) {
        let (number, tally) = (self.number(slot), slot.tally());
        outbox.push(
            &tally,
            |entry| entry.set_flow(slot, &self.annex, number, reason),
            || Some(Responder::of(slot.key(), slot.progress.initiator())),
        );
        self.count_ended(&tally);
    }
}

/// The lower half.
fn low(number: u64) -> u32 {
    (number & 0xffff_ffff) as u32
}
