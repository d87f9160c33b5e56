//! Echo requests and replies, matched (EXACT.md 7).

mod slot;

use magpie_protocol::{Census, EchoRecord, EndReason, Tally};
use managed::ManagedSlice;

use crate::{
    dissect::Echo,
    hash::PairSecret,
    key::Key,
    outbox::{Entry, Outbox, Sample},
    table::{Slot, Table},
};
pub use slot::{EchoSlot, RequestSlot};
use slot::{RequestKey, RequestState};

/// One set of the echo table.
pub type EchoSet = [EchoSlot; 8];
/// One set of the request table.
pub type RequestSet = [RequestSlot; 8];

/// Pairs and their outstanding requests.
pub(crate) struct Echoes<'a> {
    pairs: Table<'a, EchoSlot, 8>,
    requests: Table<'a, RequestSlot, 8>,
    secret: PairSecret,
    next_id: u64,
    census: Census,
    forgotten: u64,
}

impl<'a> Echoes<'a> {
    /// Empty tables over this storage.
    pub(crate) fn new(
        pairs: ManagedSlice<'a, EchoSet>,
        requests: ManagedSlice<'a, RequestSet>,
        seed: &[u8; 32],
    ) -> Self {
        Self {
            pairs: Table::new(pairs),
            requests: Table::new(requests),
            secret: PairSecret::new(seed),
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

    /// Counts one echo message of the pair with this key, whose flow has this
    /// hash.
    #[inline]
    pub(crate) fn observe(
        &mut self,
        at_us: u64,
        (flow, key): (u32, &Key),
        echo: Echo,
        outbox: &mut Outbox<'_>,
    ) {
        let hash = self.secret.of_pair(flow, key);
        let (place, pair) = match self.pairs.find(hash, key) {
            Some((place, pair)) if pair.is_recording() => (place, pair),
            found => {
                let rests = found.map(|(place, _)| place);
                let begun = self.begin(at_us, rests, (hash, key), echo.request, outbox);
                let Some(place) = begun else { return };
                let Some(pair) = self.pairs.slot(place) else {
                    return;
                };
                (place, pair)
            }
        };
        pair.touch(at_us);
        let wanted = RequestKey {
            serial: pair.serial(),
            sequence: echo.sequence,
        };
        let hash = wanted.hash(hash);
        if echo.request {
            pair.count_request();
            self.open(at_us, &wanted, hash, place);
        } else if let Some((_, request)) = self.requests.find(hash, &wanted) {
            close(at_us, pair, request, outbox);
        } else {
            pair.count_orphan();
        }
    }

    /// A pair that is not in the table, or rests there, begins a record; `None`
    /// only where there is no table.
    #[inline(never)] // out of the way of most messages
    fn begin(
        &mut self,
        at_us: u64,
        rests: Option<u32>,
        (hash, key): (u32, &Key),
        request: bool,
        outbox: &mut Outbox<'_>,
    ) -> Option<u32> {
        let place = if let Some(place) = rests {
            place
        } else {
            let Some((place, pair)) = self.pairs.admit(hash, at_us) else {
                self.forgotten = self.forgotten.wrapping_add(u64::from(request));
                return None;
            };
            if pair.is_recording() {
                let entry = |entry: &mut Entry| entry.set_echo(pair, EndReason::Evicted);
                outbox.push(&RECORD, entry, || None);
                self.census.live = self.census.live.saturating_sub(1);
                self.census.evicted = self.census.evicted.wrapping_add(1);
            }
            self.forgotten = self.forgotten.wrapping_add(pair.waiting());
            pair.let_to(key, self.next_id);
            place
        };
        let pair = self.pairs.slot(place)?;
        pair.begin(self.next_id, at_us);
        self.next_id = self.next_id.wrapping_add(1);
        self.census.made = self.census.made.wrapping_add(1);
        self.census.live = self.census.live.wrapping_add(1);
        Some(place)
    }

    #[inline(never)] // replies are not to pay for it
    fn open(&mut self, at_us: u64, wanted: &RequestKey, hash: u32, place: u32) {
        let request = if let Some((_, request)) = self.requests.find(hash, wanted) {
            request
        } else {
            let Some((_, request)) = self.requests.admit(hash, at_us) else {
                self.forgotten = self.forgotten.wrapping_add(1);
                return;
            };
            // Where its pair is gone it was booked with that.
            if request.state() == RequestState::Waiting
                && let Some(pair) = self.pairs.slot(request.place())
                && pair.stop_waiting(request.serial())
            {
                self.forgotten = self.forgotten.wrapping_add(1);
            }
            *request = RequestSlot::EMPTY;
            request
        };
        let waited = request.state() == RequestState::Waiting;
        *request = RequestSlot::new(wanted, at_us, place);
        if !waited && let Some(pair) = self.pairs.slot(place) {
            pair.start_waiting();
        }
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
    ) -> Option<(EchoRecord, Tally)> {
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
    pub(crate) fn show_next(&mut self, cursor: &mut usize, limit: usize) -> Option<EchoRecord> {
        let slots = self.pairs.slots();
        let end = cursor.saturating_add(limit).min(slots.len());
        for pair in slots.get_mut(*cursor..end)? {
            *cursor = cursor.saturating_add(1);
            if pair.is_recording() && pair.take_changed() {
                return Some(pair.record(EndReason::Live));
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
        let hash = |pair: &EchoSlot| {
            let flow = secret.of_key(&pair.key().flow_of_echo());
            self.secret.of_pair(flow, pair.key())
        };
        if self.requests.is_crowded() {
            let pairs = self.pairs.slots();
            let pair_of = |request: &RequestSlot| {
                let pair = pairs.get(request.place() as usize)?;
                (pair.serial() == request.serial()).then_some(pair)
            };
            // What belongs to no pair any more nobody finds, and it was booked
            // with its pair. All of it has one hash: it would find no room.
            self.requests.keep(|request| pair_of(request).is_some());
            if self.requests.is_crowded() {
                self.requests
                    .grow(|request| request.key().hash(pair_of(request).map_or(0, hash)));
            }
        }
        if self.pairs.is_crowded() {
            self.pairs.grow(hash);
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

/// What a record of echo tells beside itself: nothing of flows.
const RECORD: Tally = Tally {
    records: 1,
    flows: 0,
    packets: 0,
    octets: 0,
};

/// A reply to a request that is remembered.
fn close(at_us: u64, pair: &mut EchoSlot, request: &mut RequestSlot, outbox: &mut Outbox<'_>) {
    match request.state() {
        RequestState::Answered => return pair.count_duplicate(),
        RequestState::Waiting => pair.end_waiting(),
        RequestState::TimedOut | RequestState::None => {}
    }
    pair.count_match();
    request.answer();
    let sample = |entry: &mut Entry| {
        *entry = Entry::Sample(Sample {
            echo_id: pair.echo_id(),
            key: *pair.key(),
            sequence: request.sequence(),
            reply_us: at_us,
            rtt_us: at_us.wrapping_sub(request.at_us()).cast_signed(),
        });
    };
    outbox.push(&RECORD, sample, || None);
}

/// Ends the pair's record; `None` where it has none since the last export.
fn finish(
    pair: &mut EchoSlot,
    reason: EndReason,
    census: &mut Census,
) -> Option<(EchoRecord, Tally)> {
    if !pair.is_recording() {
        return None;
    }
    let record = pair.record(reason);
    pair.rest();
    census.live = census.live.saturating_sub(1);
    Some((record, RECORD))
}
