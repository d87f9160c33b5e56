//! Echo requests and replies, matched (EXACT.md 7).

mod slot;

use magpie_protocol::{
    AddressPair, Census, EchoKey, EchoSample, EndReason, Record, Tally, VlanStack,
};
use managed::ManagedSlice;

use crate::{
    dissect::Echo,
    outbox::Outbox,
    sensor::Desk,
    table::{Found, Slot, Table},
};
pub use slot::{EchoSlot, RequestSlot};
use slot::{PairKey, RequestKey, RequestState};

/// One set of the echo table.
pub type EchoSet = [EchoSlot; 4];
/// One set of the request table.
pub type RequestSet = [RequestSlot; 8];

/// Pairs and their outstanding requests.
pub(crate) struct Echoes<'a> {
    pairs: Table<'a, EchoSlot, 4>,
    requests: Table<'a, RequestSlot, 8>,
    next_id: u64,
    census: Census,
    forgotten: u64,
}

impl<'a> Echoes<'a> {
    /// Empty tables over this storage.
    pub(crate) fn new(
        pairs: ManagedSlice<'a, EchoSet>,
        requests: ManagedSlice<'a, RequestSet>,
    ) -> Self {
        Self {
            pairs: Table::new(pairs),
            requests: Table::new(requests),
            next_id: 1,
            census: Census::default(),
            forgotten: 0,
        }
    }

    pub(crate) fn census(&self) -> Census {
        self.census
    }

    /// Requests forgotten before their reply or their time-out.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Pairs and requests that can be held.
    pub(crate) fn capacity(&self) -> (u32, u32) {
        (self.pairs.capacity(), self.requests.capacity())
    }

    /// Counts one echo message between these addresses (`a` sent it).
    pub(crate) fn observe(
        &mut self,
        at_us: u64,
        vlan: VlanStack,
        addresses: AddressPair,
        echo: Echo,
        desk: &mut Desk<'_, '_>,
    ) {
        let Desk { secret, outbox, .. } = desk;
        let key = EchoKey {
            vlan,
            addresses: toward_target(addresses, echo.request),
            id: echo.id,
        };
        let packed = PairKey::of(&key);
        let hash = secret.hash(packed.hash_words());
        let Some((found, place, pair)) = self.pairs.find(hash, &packed) else {
            self.forgotten = self.forgotten.saturating_add(u64::from(echo.request));
            return;
        };
        if found != Found::Held {
            if found == Found::Full {
                self.census.evicted = self
                    .census
                    .evicted
                    .saturating_add(u64::from(pair.is_recording()));
                self.forgotten = self.forgotten.saturating_add(pair.waiting());
                if let Some((record, tally)) = finish(pair, EndReason::Evicted, &mut self.census) {
                    outbox.push(&record, &tally);
                }
            }
            *pair = EchoSlot::new(&packed, self.next_id);
        }
        if !pair.is_recording() {
            pair.begin(self.next_id, at_us);
            self.next_id = self.next_id.wrapping_add(1);
            self.census.made = self.census.made.saturating_add(1);
            self.census.live = self.census.live.saturating_add(1);
        }
        pair.touch(at_us, echo.request);
        let wanted = RequestKey {
            serial: pair.serial(),
            sequence: echo.sequence,
        };
        let hash = secret.hash(wanted.hash_words());
        if echo.request {
            self.open(at_us, &wanted, hash, place);
        } else {
            self.close(at_us, &wanted, hash, place, &key, outbox);
        }
    }

    fn open(&mut self, at_us: u64, wanted: &RequestKey, hash: u32, place: u32) {
        let Some((found, _, request)) = self.requests.find(hash, wanted) else {
            self.forgotten = self.forgotten.saturating_add(1);
            return;
        };
        let old = *request;
        *request = RequestSlot::new(wanted, at_us, place);
        // Where its pair is gone it was booked with that.
        if found == Found::Full
            && old.state() == RequestState::Waiting
            && let Some(pair) = self.pairs.slot(old.place())
            && pair.serial() == old.serial()
        {
            self.forgotten = self.forgotten.saturating_add(1);
            pair.stop_waiting(old.serial());
        }
        if (found != Found::Held || old.state() != RequestState::Waiting)
            && let Some(pair) = self.pairs.slot(place)
        {
            pair.start_waiting();
        }
    }

    fn close(
        &mut self,
        at_us: u64,
        wanted: &RequestKey,
        hash: u32,
        place: u32,
        key: &EchoKey,
        outbox: &mut Outbox<'_>,
    ) {
        let request = self.requests.get(hash, wanted);
        let Some(pair) = self.pairs.slot(place) else {
            return;
        };
        let Some(request) = request else {
            pair.count_orphan();
            return;
        };
        if request.state() == RequestState::Answered {
            pair.count_duplicate();
            return;
        }
        if request.state() == RequestState::Waiting {
            pair.stop_waiting(wanted.serial);
        }
        pair.count_match();
        let sample = EchoSample {
            echo_id: pair.echo_id(),
            key: *key,
            sequence: wanted.sequence,
            reply_us: at_us,
            rtt_us: at_us.wrapping_sub(request.at_us()).cast_signed(),
        };
        request.answer();
        outbox.push(
            &Record::EchoSample(sample),
            &Tally {
                records: 1,
                ..Tally::default()
            },
        );
    }

    /// As [`crate::flow::Flows::finish_next`], for pairs; one that was quiet
    /// for `idle_us` (0: never) is forgotten, all are ended where `flush`.
    pub(crate) fn finish_next(
        &mut self,
        cursor: &mut usize,
        limit: usize,
        now_us: u64,
        idle_us: u64,
        flush: bool,
    ) -> Option<(Record, Tally)> {
        let slots = self.pairs.slots();
        let end = cursor.saturating_add(limit).min(slots.len());
        for pair in slots.get_mut(*cursor..end)? {
            *cursor = cursor.saturating_add(1);
            if pair.is_free() {
                continue;
            }
            let idle = idle_us > 0 && pair.quiet_us(now_us) >= idle_us;
            let reason = match (idle, flush) {
                (true, _) => EndReason::Idle,
                (false, true) => EndReason::Flush,
                (false, false) => continue,
            };
            let finished = finish(pair, reason, &mut self.census);
            if idle {
                self.forgotten = self.forgotten.saturating_add(pair.waiting());
                *pair = EchoSlot::EMPTY;
            }
            if finished.is_some() {
                return finished;
            }
        }
        None
    }

    /// Requests that waited long enough no longer count as waiting; a late
    /// reply still finds them.
    pub(crate) fn time_out(&mut self, cursor: &mut usize, limit: usize, now_us: u64, wait_us: u64) {
        let slots = self.requests.slots();
        let end = cursor.saturating_add(limit).min(slots.len());
        for request in slots.get_mut(*cursor..end).into_iter().flatten() {
            *cursor = cursor.saturating_add(1);
            if request.state() == RequestState::Waiting
                && now_us.saturating_sub(request.at_us()) >= wait_us
            {
                request.time_out();
                if let Some(pair) = self.pairs.slot(request.place()) {
                    pair.stop_waiting(request.serial());
                }
            }
        }
    }

    /// The next changed pair from `cursor` on, as a live record.
    pub(crate) fn show_next(&mut self, cursor: &mut usize, limit: usize) -> Option<Record> {
        let slots = self.pairs.slots();
        let end = cursor.saturating_add(limit).min(slots.len());
        for pair in slots.get_mut(*cursor..end)? {
            *cursor = cursor.saturating_add(1);
            if pair.is_recording() && pair.take_changed() {
                return Some(Record::Echo(pair.record(EndReason::Live)));
            }
        }
        None
    }

    /// Where the cursors end: pairs, requests.
    pub(crate) fn slots(&mut self) -> (usize, usize) {
        (self.pairs.slots().len(), self.requests.slots().len())
    }

    /// Doubles the tables where the next key might evict.
    #[cfg(feature = "std")]
    pub(crate) fn grow_if_crowded(&mut self, secret: &crate::hash::Secret) {
        if self.requests.is_crowded() {
            self.requests
                .grow(|request| secret.hash(request.key().hash_words()));
        }
        if self.pairs.is_crowded() {
            self.pairs.grow(|pair| secret.hash(pair.key().hash_words()));
            let places: std::collections::HashMap<u64, u32> = (0_u32..)
                .zip(self.pairs.slots().iter())
                .map(|(at, p)| (p.serial(), at))
                .collect();
            for request in self.requests.slots() {
                request.move_to(places.get(&request.serial()).copied().unwrap_or(u32::MAX));
            }
        }
    }
}

/// Requester first: a reply's addresses are turned round.
fn toward_target(addresses: AddressPair, request: bool) -> AddressPair {
    match (addresses, request) {
        (as_sent, true) => as_sent,
        (AddressPair::V4 { a, b }, false) => AddressPair::V4 { a: b, b: a },
        (AddressPair::V6 { a, b }, false) => AddressPair::V6 { a: b, b: a },
    }
}

/// Ends the pair's record; `None` where it has none since the last export.
fn finish(pair: &mut EchoSlot, reason: EndReason, census: &mut Census) -> Option<(Record, Tally)> {
    if !pair.is_recording() {
        return None;
    }
    let record = pair.record(reason);
    pair.rest();
    census.live = census.live.saturating_sub(1);
    Some((
        Record::Echo(record),
        Tally {
            records: 1,
            ..Tally::default()
        },
    ))
}
