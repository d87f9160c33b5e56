//! What echo records add up to.

use magpie_protocol::{EchoKey, EchoRecord, EndReason};

use crate::EntryId;
use crate::table::TableRecord;

/// Echo records of one pair (or of many), added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EchoSums {
    /// The newest of the records.
    pub newest: EntryId,
    /// How the newest one ended.
    pub reason: EndReason,
    /// Earliest frame, sensor time.
    pub first_us: u64,
    /// Latest frame, sensor time.
    pub last_us: u64,
    /// Requests seen.
    pub requests: u64,
    /// Replies seen.
    pub replies: u64,
    /// Replies that found their request.
    pub matched: u64,
    /// Second replies to a matched request.
    pub duplicates: u64,
    /// Replies without a request.
    pub orphans: u64,
    /// Requests that may still be answered.
    pub waiting: u64,
    /// How many records these are.
    pub records: u64,
}

impl EchoSums {
    /// Requests that found no reply, those that still wait among them: what is
    /// lost once nothing more can come.
    pub fn unanswered(&self) -> u64 {
        self.requests.saturating_sub(self.matched)
    }

    /// Requests that waited in vain.
    pub fn lost(&self) -> u64 {
        self.unanswered().saturating_sub(self.waiting)
    }
}

impl TableRecord for EchoRecord {
    type Key = EchoKey;
    type Sums = EchoSums;

    fn key(&self) -> EchoKey {
        self.key
    }

    fn id(&self) -> u64 {
        self.echo_id
    }

    fn is_final(&self) -> bool {
        self.reason.is_final()
    }

    fn rank(&self) -> [u64; 4] {
        [
            self.requests.saturating_add(self.replies),
            // Requests stop waiting without a new frame.
            u64::MAX - self.waiting,
            self.last_us,
            self.matched,
        ]
    }

    fn sums(&self, entry: EntryId) -> EchoSums {
        EchoSums {
            newest: entry,
            reason: self.reason,
            first_us: self.first_us,
            last_us: self.last_us,
            requests: self.requests,
            replies: self.replies,
            matched: self.matched,
            duplicates: self.duplicates,
            orphans: self.orphans,
            waiting: self.waiting,
            records: 1,
        }
    }

    fn add(into: &mut EchoSums, other: &EchoSums) {
        if other.newest > into.newest {
            into.newest = other.newest;
            into.reason = other.reason;
        }
        into.first_us = into.first_us.min(other.first_us);
        into.last_us = into.last_us.max(other.last_us);
        for (sum, n) in [
            (&mut into.requests, other.requests),
            (&mut into.replies, other.replies),
            (&mut into.matched, other.matched),
            (&mut into.duplicates, other.duplicates),
            (&mut into.orphans, other.orphans),
            (&mut into.waiting, other.waiting),
            (&mut into.records, other.records),
        ] {
            *sum = sum.saturating_add(n);
        }
    }

    fn weight(sums: &EchoSums) -> u64 {
        sums.requests.saturating_add(sums.replies)
    }
}
