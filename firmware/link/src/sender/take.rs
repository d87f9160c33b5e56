//! Finished records: taken from the source, and dropped for newer ones.

use magpie_protocol::{MAX_ITEM, RecordSource, Tally, Want};

use super::{Overflow, Sender, is_one_item};
use crate::batch::MAX_ITEMS_OCTETS;
use crate::retain::MAX_ENTRY;

/// A host that acknowledged nothing for so long counts as absent.
pub(super) const ABSENT_US: u64 = 4_000_000;
/// So much is taken from the source in one call, two batches: a Flush must not
/// keep the caller from its frames until the storage is full.
const OCTETS_A_CALL: usize = 2 * MAX_ITEMS_OCTETS;
/// Most records dropped for newer ones in one call, so that its work is bounded.
const DROPS_A_CALL: usize = 64;

impl Sender<'_> {
    /// Takes finished records while there is room; true when the source has
    /// no more.
    pub(super) fn take_finals<S: RecordSource>(
        &mut self,
        now_us: u64,
        source: &mut S,
        scratch: &mut [u8],
    ) -> bool {
        // One item that comes, and one that goes for it.
        let Some((scratch, gone)) = scratch.split_at_mut_checked(MAX_ITEM) else {
            return false;
        };
        let mut drops = 0_usize;
        if self.heard_at > now_us {
            self.heard_at = now_us; // the clock stepped back
        }
        let mut taken = 0_usize;
        while taken < OCTETS_A_CALL {
            if self.window.kept().room() < MAX_ENTRY {
                let absent = now_us.saturating_sub(self.heard_at) >= ABSENT_US;
                if self.overflow == Overflow::Hold
                    || !absent
                    || drops >= DROPS_A_CALL
                    || self.window.kept().capacity() < MAX_ENTRY
                {
                    return false;
                }
            }
            let Some(emitted) = source.poll_record(now_us, Want::Final, scratch) else {
                return true;
            };
            let item = scratch.get(..emitted.len).filter(|item| is_one_item(item));
            let Some(item) = item else {
                // Not a record: a fault of the source, booked all the same.
                self.drop_item(source, &[], &emitted.tally, false);
                return false;
            };
            taken = taken.saturating_add(item.len());
            if self.window.held() == 0 {
                self.heard_at = now_us;
            }
            if self.window.all_sent() && self.waiting_since.is_none() {
                self.waiting_since = Some(now_us);
            }
            while !self.window.push(&emitted.tally, item) {
                drops = drops.saturating_add(1);
                if !self.drop_oldest(source, gone) {
                    self.drop_item(source, item, &emitted.tally, false);
                    return false;
                }
            }
        }
        false
    }

    fn drop_oldest<S: RecordSource>(&mut self, source: &mut S, gone: &mut [u8]) -> bool {
        let len = self.window.read_oldest(gone);
        let Some((tally, sent)) = self.window.forget_oldest() else {
            return false;
        };
        self.drop_item(source, gone.get(..len).unwrap_or_default(), &tally, sent);
        true
    }

    /// Books a record that is dropped, and tells the source whose it was.
    fn drop_item<S: RecordSource>(
        &mut self,
        source: &mut S,
        item: &[u8],
        tally: &Tally,
        sent: bool,
    ) {
        let counter = if sent {
            &mut self.counts.unconfirmed
        } else {
            &mut self.counts.never_sent
        };
        counter.add(tally);
        source.note_dropped(item, tally, sent);
        // A ledger may come next.
        source.note_uplink(&self.counts, self.host_minor);
    }
}
