//! Flows: bidirectional, by VLAN stack, version, protocol and end points
//! (EXACT.md 5, 6, 8, 12).

mod key;
mod slot;
mod tcp;

use magpie_protocol::{Census, EndReason, Record, Side, Tally, VlanStack};
use managed::ManagedSlice;

use crate::{
    dissect::{Ip, Transport},
    outbox::Outbox,
    sensor::Desk,
    table::{Found, Slot, Table},
};
pub(crate) use key::PackedKey;
pub use slot::FlowSlot;

/// One set of the flow table.
pub type FlowSet = [FlowSlot; 8];

/// The flow table and its census.
pub(crate) struct Flows<'a> {
    table: Table<'a, FlowSlot, 8>,
    next_id: u64,
    census: Census,
}

/// The element of this side; `a`'s comes first.
#[inline]
fn of<T>(pair: &mut [T; 2], side: Side) -> &mut T {
    let [a, b] = pair;
    match side {
        Side::A => a,
        Side::B => b,
    }
}

/// What a finished record amounts to.
pub(crate) fn tally(record: &magpie_protocol::FlowRecord) -> Tally {
    let (ab, ba) = (&record.ab, &record.ba);
    Tally {
        records: 1,
        flows: 1,
        packets: ab.packets.saturating_add(ba.packets),
        octets: ab.frame_octets.saturating_add(ba.frame_octets),
    }
}

impl<'a> Flows<'a> {
    /// An empty table over this storage.
    pub(crate) fn new(sets: ManagedSlice<'a, FlowSet>) -> Self {
        Self {
            table: Table::new(sets),
            next_id: 1,
            census: Census::default(),
        }
    }

    /// The census as of now.
    pub(crate) fn census(&self) -> Census {
        self.census
    }

    /// Entries the table can hold.
    pub(crate) fn capacity(&self) -> u32 {
        self.table.capacity()
    }

    /// Counts one frame with a valid IP header in its flow.
    #[inline]
    pub(crate) fn observe(
        &mut self,
        at_us: u64,
        wire_len: u32,
        vlan: VlanStack,
        ip: &Ip,
        desk: &mut Desk<'_, '_>,
    ) {
        let Desk {
            secret,
            config,
            outbox,
        } = desk;
        let (key, from) = PackedKey::of(vlan, ip);
        let Some((found, _, slot)) = self.table.find(secret.hash(key.hash_words()), &key) else {
            // A sensor without a flow table: the packet is a flow that was
            // never recorded.
            self.census.made = self.census.made.saturating_add(1);
            let octets = u64::from(wire_len);
            outbox.never_sent.add(&Tally {
                records: 1,
                flows: 1,
                packets: 1,
                octets,
            });
            return;
        };
        let census = &mut self.census;
        match found {
            Found::Held => {
                if config.end_us > 0 && slot.reopens(from, ip) {
                    export(slot, EndReason::Reuse, census, outbox);
                    *slot = FlowSlot::new(&key);
                } else if config.active_us > 0 && slot.age_us(at_us) >= config.active_us {
                    export(slot, EndReason::Active, census, outbox);
                } else if slot.is_nearly_full(from, ip.ip_octets, wire_len) {
                    export(slot, EndReason::Split, census, outbox);
                }
            }
            Found::Full => {
                let reason = slot.expired(at_us, config).unwrap_or(EndReason::Evicted);
                if reason == EndReason::Evicted && slot.is_recording() {
                    census.evicted = census.evicted.saturating_add(1);
                }
                export(slot, reason, census, outbox);
                *slot = FlowSlot::new(&key);
            }
            Found::Free => *slot = FlowSlot::new(&key),
        }
        if !slot.is_recording() {
            slot.begin(self.next_id, at_us, from);
            self.next_id = self.next_id.wrapping_add(1);
            census.made = census.made.saturating_add(1);
            census.live = census.live.saturating_add(1);
        }
        slot.count(at_us, from, ip.ip_octets, wire_len);
        census.live_packets = census.live_packets.saturating_add(1);
        census.live_octets = census.live_octets.saturating_add(u64::from(wire_len));
        if let Transport::Tcp(segment) = &ip.transport {
            slot.tcp(at_us, from, segment);
        }
    }

    /// Looks at the slots from `cursor` on, at most `limit`, for one that has
    /// something to finish; returns its record and moves the cursor behind it.
    /// `None` with the cursor at the end: all were looked at.
    pub(crate) fn finish_next(
        &mut self,
        cursor: &mut usize,
        limit: usize,
        why: impl Fn(&FlowSlot) -> Option<EndReason>,
    ) -> Option<(Record, Tally)> {
        let slots = self.table.slots();
        let end = cursor.saturating_add(limit).min(slots.len());
        for slot in slots.get_mut(*cursor..end)? {
            *cursor = cursor.saturating_add(1);
            if slot.is_free() {
                continue;
            }
            let Some(reason) = why(slot) else { continue };
            let finished = finish(slot, reason, &mut self.census);
            if matches!(reason, EndReason::Idle | EndReason::End) {
                *slot = FlowSlot::EMPTY;
            }
            if finished.is_some() {
                return finished;
            }
        }
        None
    }

    /// The next changed flow from `cursor` on, as a live record.
    pub(crate) fn show_next(&mut self, cursor: &mut usize, limit: usize) -> Option<Record> {
        let slots = self.table.slots();
        let end = cursor.saturating_add(limit).min(slots.len());
        for slot in slots.get_mut(*cursor..end)? {
            *cursor = cursor.saturating_add(1);
            if slot.is_recording() && slot.take_changed() {
                return Some(Record::Flow(slot.record(EndReason::Live)));
            }
        }
        None
    }

    /// Slots there are: where a cursor ends.
    pub(crate) fn slots(&mut self) -> usize {
        self.table.slots().len()
    }

    /// Doubles the table where the next key might evict.
    #[cfg(feature = "std")]
    pub(crate) fn grow_if_crowded(&mut self, secret: &crate::hash::Secret) {
        if self.table.is_crowded() {
            self.table.grow(|slot| secret.hash(slot.key().hash_words()));
        }
    }
}

/// Ends the slot's record; `None` where it has none since the last export.
fn finish(slot: &mut FlowSlot, reason: EndReason, census: &mut Census) -> Option<(Record, Tally)> {
    if !slot.is_recording() {
        return None;
    }
    let record = slot.record(reason);
    slot.rest();
    let tally = tally(&record);
    census.live = census.live.saturating_sub(1);
    census.live_packets = census.live_packets.saturating_sub(tally.packets);
    census.live_octets = census.live_octets.saturating_sub(tally.octets);
    Some((Record::Flow(record), tally))
}

fn export(slot: &mut FlowSlot, reason: EndReason, census: &mut Census, outbox: &mut Outbox<'_>) {
    if let Some((record, tally)) = finish(slot, reason, census) {
        outbox.push(&record, &tally);
    }
}
