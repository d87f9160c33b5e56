//! Batches as they go out: of finished records, and of live ones and packets.

use magpie_protocol::{MAX_ITEM, RecordSource, Want};

use super::{Probe, Sender, is_one_item};
use crate::MAX_BATCH;
use crate::batch::{Header, SEAL_OCTETS, Stream};

impl Sender<'_> {
    pub(super) fn final_batch(&mut self, now_us: u64, out: &mut [u8]) -> Option<usize> {
        let (head, items) = split_batch(out)?;
        let header = Header::new(
            Stream::Final,
            self.boot_id,
            self.window.cursor(),
            self.window.oldest(),
        );
        *head = header.to_octets();
        let again = u64::from(self.window.sends_again());
        let len = self.window.fill(items);
        if len == 0 {
            return None;
        }
        self.counts.resent = self.counts.resent.saturating_add(again);
        self.sent_at = now_us;
        self.waiting_since = (!self.window.all_sent()).then_some(now_us);
        if self.probe == Probe::Ready {
            self.probe = Probe::Sent;
        }
        self.finals_in_turn = self.finals_in_turn.saturating_add(1);
        Some(Header::OCTETS.saturating_add(len))
    }

    pub(super) fn live_batch<S: RecordSource>(
        &mut self,
        now_us: u64,
        finals_wait: bool,
        source: &mut S,
        out: &mut [u8],
    ) -> Option<usize> {
        let first = self.next_live;
        let (head, mut rest) = split_batch(out)?;
        *head = Header::new(Stream::Live, self.boot_id, first, self.window.oldest()).to_octets();
        let mut len = Header::OCTETS;
        // Packets fill the gaps that nothing else wants, and go to nobody who
        // does not answer: until he does they are better kept.
        let packets = !finals_wait && self.probe == Probe::Off;
        loop {
            // A source may write MAX_ITEM octets of any other live record.
            let live = if rest.len() >= MAX_ITEM {
                source.poll_record(now_us, Want::Live, rest)
            } else {
                None
            };
            let emitted = match live {
                None if packets => source.poll_record(now_us, Want::Packet, rest),
                live => live,
            };
            let Some(emitted) = emitted else { break };
            if !rest.get(..emitted.len).is_some_and(is_one_item) {
                break; // not a record: a fault of the source
            }
            rest = core::mem::take(&mut rest).get_mut(emitted.len..)?;
            len = len.saturating_add(emitted.len);
            self.next_live = self.next_live.saturating_add(1);
        }
        (self.next_live > first).then_some(len)
    }
}

/// Header and room for items of a batch, the seal's octets left out.
pub(super) fn split_batch(out: &mut [u8]) -> Option<(&mut [u8; Header::OCTETS], &mut [u8])> {
    out.get_mut(..MAX_BATCH.saturating_sub(SEAL_OCTETS))?
        .split_first_chunk_mut()
}
