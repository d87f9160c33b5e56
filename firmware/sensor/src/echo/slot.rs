//! The places of the echo tables.

use core::sync::atomic::{Ordering, compiler_fence};

use magpie_protocol::{EchoRecord, EndReason};

use crate::{key::Key, table::Slot};

/// One echo pair. All zero when free. As a flow slot it can rest: remembered,
/// without a record since the last export.
#[derive(Debug, Clone, Copy)]
#[repr(C)] // in halves of 64 octets, see [`Self::replace`]
pub struct EchoSlot {
    /// Number of this place's tenancy: what its requests refer to; 0 when free.
    serial: u64,
    /// 0 when resting.
    echo_id: u64,
    first_us: u64,
    last_us: u64,
    requests: u64,
    matched: u64,
    duplicates: u64,
    orphans: u64,
    /// See [`Key::become_echo`].
    key: Key,
    waiting: u32,
    changed: bool,
}

impl Slot for EchoSlot {
    type Key = Key;

    const EMPTY: Self = Self {
        key: Key::NONE,
        changed: false,
        serial: 0,
        echo_id: 0,
        first_us: 0,
        last_us: 0,
        requests: 0,
        matched: 0,
        duplicates: 0,
        orphans: 0,
        waiting: 0,
    };

    fn is_free(&self) -> bool {
        self.key.is_none()
    }

    #[inline]
    fn might_hold(&self, key: &Key) -> bool {
        self.key.resembles(key)
    }

    #[inline]
    fn holds(&self, key: &Key) -> bool {
        self.key.is(key)
    }

    /// The one that was quiet longest leaves.
    fn dispensable(&self, now_us: u64) -> i32 {
        let quiet = now_us.saturating_sub(self.last_us);
        if self.is_recording() {
            const LONGEST: i32 = i32::MAX - 1;
            i32::try_from(quiet).unwrap_or(LONGEST).min(LONGEST)
        } else {
            i32::MAX
        }
    }
}

/// One more: 2^64 take 390,000 years at 1,488,095 frames a second.
#[inline]
fn count(counter: &mut u64) {
    *counter = counter.wrapping_add(1);
}

impl EchoSlot {
    /// For this key from now on, without a record. In parts: made elsewhere it
    /// would be copied by a call.
    pub(super) fn let_to(&mut self, key: &Key, serial: u64) {
        self.key = *key;
        (self.waiting, self.changed) = (0, false);
        compiler_fence(Ordering::SeqCst);
        (self.serial, self.first_us, self.last_us) = (serial, 0, 0);
        compiler_fence(Ordering::SeqCst);
        self.rest();
    }

    /// Becomes a copy of another one, in two halves: one of 128 octets would be
    /// copied by a call.
    pub(crate) fn replace(&mut self, other: &Self) {
        (self.serial, self.echo_id) = (other.serial, other.echo_id);
        (self.first_us, self.last_us) = (other.first_us, other.last_us);
        (self.requests, self.matched) = (other.requests, other.matched);
        self.duplicates = other.duplicates;
        // Lest they be put together again.
        compiler_fence(Ordering::SeqCst);
        (self.orphans, self.key) = (other.orphans, other.key);
        (self.waiting, self.changed) = (other.waiting, other.changed);
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    pub(super) fn echo_id(&self) -> u64 {
        self.echo_id
    }

    pub(super) fn is_recording(&self) -> bool {
        self.echo_id != 0
    }

    pub(super) fn begin(&mut self, echo_id: u64, at_us: u64) {
        self.echo_id = echo_id;
        self.first_us = at_us;
        self.last_us = at_us;
    }

    /// Forgets the record, not the pair.
    pub(super) fn rest(&mut self) {
        self.echo_id = 0;
        self.requests = 0;
        self.matched = 0;
        self.duplicates = 0;
        self.orphans = 0;
    }

    /// A message was seen.
    pub(super) fn touch(&mut self, at_us: u64) {
        if at_us >= self.last_us {
            self.last_us = at_us;
        } else {
            self.first_us = self.first_us.min(at_us);
        }
        self.changed = true;
    }

    pub(super) fn count_request(&mut self) {
        count(&mut self.requests);
    }

    pub(super) fn waiting(&self) -> u64 {
        u64::from(self.waiting)
    }

    pub(super) fn start_waiting(&mut self) {
        self.waiting = self.waiting.saturating_add(1);
    }

    /// One request waits no longer; false if it was of an earlier tenancy.
    pub(super) fn stop_waiting(&mut self, serial: u64) -> bool {
        let ours = self.serial == serial;
        if ours {
            self.waiting = self.waiting.saturating_sub(1);
            self.changed = true;
        }
        ours
    }

    /// A request of this tenancy waits no longer.
    pub(super) fn end_waiting(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    pub(super) fn count_match(&mut self) {
        count(&mut self.matched);
    }

    pub(super) fn count_duplicate(&mut self) {
        count(&mut self.duplicates);
    }

    pub(super) fn count_orphan(&mut self) {
        count(&mut self.orphans);
    }

    pub(super) fn quiet_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.last_us)
    }

    pub(super) fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }

    pub(crate) fn record(&self, reason: EndReason) -> EchoRecord {
        // Each reply is one of the three.
        let replies = self.matched.wrapping_add(self.duplicates);
        let replies = replies.wrapping_add(self.orphans);
        EchoRecord {
            echo_id: self.echo_id,
            reason,
            key: self.key.echo(),
            first_us: self.first_us,
            last_us: self.last_us,
            requests: self.requests,
            replies,
            matched: self.matched,
            duplicates: self.duplicates,
            orphans: self.orphans,
            waiting: u64::from(self.waiting),
        }
    }
}

/// What a request is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestKey {
    pub(super) serial: u64,
    pub(super) sequence: u16,
}

impl RequestKey {
    /// Hash of a request of the pair with this hash. That one is keyed, so
    /// nobody can aim at another pair's sets; who sends in the pair's own name
    /// could answer for it as well. Requests in a row fall in a row of sets,
    /// also where the sender counts in its machine's order of octets.
    #[inline]
    pub(super) fn hash(&self, pair: u32) -> u32 {
        let sequence = u32::from(self.sequence);
        pair.wrapping_add(sequence ^ sequence >> 8)
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum RequestState {
    /// No request here.
    None,
    /// Sent, not answered, younger than the time-out.
    Waiting,
    /// Older than that.
    TimedOut,
    /// Matched by a reply.
    Answered,
}

/// One echo request. All zero when free.
#[derive(Debug, Clone, Copy)]
pub struct RequestSlot {
    serial: u64,
    at_us: u64,
    place: u32,
    sequence: u16,
    state: RequestState,
}

impl Slot for RequestSlot {
    type Key = RequestKey;

    const EMPTY: Self = Self {
        serial: 0,
        at_us: 0,
        place: 0,
        sequence: 0,
        state: RequestState::None,
    };

    fn is_free(&self) -> bool {
        self.state == RequestState::None
    }

    #[inline]
    fn might_hold(&self, key: &RequestKey) -> bool {
        self.sequence == key.sequence
    }

    /// No key has the serial 0 of a free slot.
    #[inline]
    fn holds(&self, key: &RequestKey) -> bool {
        self.serial == key.serial && self.sequence == key.sequence
    }

    /// Answered ones first (they only tell a duplicate: one that comes after
    /// its request left is an orphan), then the oldest.
    fn dispensable(&self, now_us: u64) -> i32 {
        let age = i32::try_from(now_us.saturating_sub(self.at_us)).unwrap_or(i32::MAX);
        match self.state {
            RequestState::Answered => age,
            // From the least number on.
            _ => age.wrapping_add(i32::MIN),
        }
    }
}

impl RequestSlot {
    pub(super) fn new(key: &RequestKey, at_us: u64, place: u32) -> Self {
        let RequestKey { serial, sequence } = *key;
        Self {
            serial,
            at_us,
            place,
            sequence,
            state: RequestState::Waiting,
        }
    }

    #[cfg(feature = "std")]
    pub(super) fn key(&self) -> RequestKey {
        RequestKey {
            serial: self.serial,
            sequence: self.sequence,
        }
    }

    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    pub(super) fn at_us(&self) -> u64 {
        self.at_us
    }

    pub(super) fn sequence(&self) -> u16 {
        self.sequence
    }

    pub(super) fn place(&self) -> u32 {
        self.place
    }

    #[cfg(feature = "std")]
    pub(super) fn move_to(&mut self, place: u32) {
        self.place = place;
    }

    pub(super) fn state(&self) -> RequestState {
        self.state
    }

    pub(super) fn answer(&mut self) {
        self.state = RequestState::Answered;
    }

    pub(super) fn time_out(&mut self) {
        self.state = RequestState::TimedOut;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some senders count in the order of their machine: the steps are 256.
    #[test]
    fn requests_in_a_row_fill_the_sets_evenly() {
        for order in [|n: u16| n, u16::swap_bytes] {
            let mut sets = [0; 16];
            for sequence in (0..1024).map(order) {
                let key = RequestKey {
                    serial: 1,
                    sequence,
                };
                sets[(key.hash(0xdead_beef) % 16) as usize] += 1;
            }
            assert_eq!(sets, [64; 16]);
        }
    }
}
