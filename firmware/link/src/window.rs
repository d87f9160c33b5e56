//! The numbers of finished records: which are kept, sent, acknowledged.

use magpie_protocol::Tally;

use crate::retain::Retain;

/// Kept is `oldest..next`; `oldest <= cursor <= next`. What is below
/// `sent_end` was sent at least once; `oldest` and `cursor` may stand above
/// it, when records were dropped before their turn.
#[derive(Debug)]
pub(crate) struct Window<'b> {
    kept: Retain<'b>,
    oldest: u64,
    /// Number and place of the record to send next.
    cursor: u64,
    cursor_at: usize,
    /// One more than the highest number ever sent.
    sent_end: u64,
    /// Number the next record taken will have.
    next: u64,
}

impl<'b> Window<'b> {
    pub(crate) fn new(storage: &'b mut [u8]) -> Self {
        Self {
            kept: Retain::new(storage),
            oldest: 0,
            cursor: 0,
            cursor_at: 0,
            sent_end: 0,
            next: 0,
        }
    }

    pub(crate) fn kept(&self) -> &Retain<'b> {
        &self.kept
    }

    pub(crate) fn oldest(&self) -> u64 {
        self.oldest
    }

    pub(crate) fn cursor(&self) -> u64 {
        self.cursor
    }

    pub(crate) fn sent_end(&self) -> u64 {
        self.sent_end
    }

    /// How many records are kept.
    pub(crate) fn held(&self) -> u64 {
        self.next.saturating_sub(self.oldest)
    }

    /// Something was sent and is not acknowledged.
    pub(crate) fn unanswered(&self) -> bool {
        self.oldest < self.sent_end
    }

    /// Nothing is left to send, or to send again.
    pub(crate) fn all_sent(&self) -> bool {
        self.cursor == self.next
    }

    /// What comes next had been sent before.
    pub(crate) fn sends_again(&self) -> bool {
        self.cursor < self.sent_end
    }

    /// Octets kept from the cursor on.
    pub(crate) fn octets_to_send(&self) -> usize {
        self.kept.used().saturating_sub(self.cursor_at)
    }

    /// Gives a record its number and keeps it; false when there is no room.
    pub(crate) fn push(&mut self, tally: &Tally, item: &[u8]) -> bool {
        let kept = self.kept.push(tally, item);
        self.next = self.next.saturating_add(u64::from(kept));
        kept
    }

    /// Copies the oldest record to `out`; returns its octets, 0 when there is
    /// none or no room.
    pub(crate) fn read_oldest(&self, out: &mut [u8]) -> usize {
        let Some(entry) = self.kept.entry(0) else {
            return 0;
        };
        let Some(place) = out.get_mut(..entry.item_len) else {
            return 0;
        };
        self.kept.read(entry.item_at, place);
        entry.item_len
    }

    /// Forgets the oldest record; returns what it amounts to and whether it
    /// had been sent.
    pub(crate) fn forget_oldest(&mut self) -> Option<(Tally, bool)> {
        let sent = self.unanswered();
        let entry = self.kept.pop()?;
        self.oldest = self.oldest.saturating_add(1);
        if self.cursor < self.oldest {
            self.cursor = self.oldest;
            self.cursor_at = 0;
        } else {
            self.cursor_at = self.cursor_at.saturating_sub(entry.end);
        }
        Some((entry.tally, sent))
    }

    /// Sends from the oldest record on once more.
    pub(crate) fn go_back(&mut self) {
        self.cursor = self.oldest;
        self.cursor_at = 0;
    }

    /// Writes the next records, as many as fit; returns their octets, 0 when
    /// there is none.
    pub(crate) fn fill(&mut self, mut out: &mut [u8]) -> usize {
        let mut len = 0_usize;
        while let Some(entry) = self.kept.entry(self.cursor_at) {
            let Some((place, free)) =
                core::mem::take(&mut out).split_at_mut_checked(entry.item_len)
            else {
                break;
            };
            self.kept.read(entry.item_at, place);
            out = free;
            len = len.saturating_add(entry.item_len);
            self.cursor = self.cursor.saturating_add(1);
            self.cursor_at = entry.end;
        }
        self.sent_end = self.sent_end.max(self.cursor);
        len
    }
}
