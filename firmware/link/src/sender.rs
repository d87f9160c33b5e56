//! The sensor's end: numbering, batches, acknowledgement, repetition.

use magpie_protocol::{
    Command, DecodeError, Items, MAX_ITEM, RecordSource, UplinkCounts, Want, decode_command,
};

use crate::MAX_BATCH;
use crate::batch::{Header, LinkError, MAX_ITEMS_OCTETS, SEAL_OCTETS, Stream, count_items};
use crate::commands::Commands;
use crate::retain::MAX_ENTRY;
use crate::window::Window;

/// Least octets of storage with which finished records flow at all.
pub const MIN_STORAGE: usize = MAX_ENTRY;

/// A small batch of finished records waits so long for company.
const GATHER_US: u64 = 20_000;
/// First repetition after so long without acknowledgement; then twice as long
/// each time.
const RESEND_US: u64 = 250_000;
/// Longest wait between repetitions.
const RESEND_MAX_US: u64 = 4_000_000;
/// A host that acknowledged nothing for so long counts as absent.
const ABSENT_US: u64 = 4_000_000;
/// After so many batches of finished records a live one has its turn.
const FINALS_A_TURN: u8 = 8;
/// Most records dropped for newer ones in one call, so that its work is bounded.
const DROPS_A_CALL: usize = 64;

/// What happens when the storage for unacknowledged records is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// No more finished records are taken; they wait in the source.
    Hold,
    /// While the host acknowledges, as [`Self::Hold`]. When it has not for
    /// four seconds, the oldest are dropped for new ones and counted:
    /// `never_sent`, or `unconfirmed` if they had been sent.
    DropOldest,
}

/// Sensor's end of one wire.
///
/// Finished records are numbered when they are taken from the source, and
/// stay in the storage until the host acknowledged them. They are sent in
/// order without waiting for each acknowledgement; when one is missing, all
/// from the lowest unacknowledged are sent again (go-back-N: the receiver
/// needs no buffer, and wires lose little). After a time-out only one batch
/// goes out at a time until the host answers, so an absent host costs little.
///
/// At any time, in records: taken from the source = acknowledged + stored +
/// never sent + unconfirmed.
#[derive(Debug)]
pub struct Sender<'b> {
    boot_id: u32,
    overflow: Overflow,
    window: Window<'b>,
    next_live: u64,
    counts: UplinkCounts,
    /// When the first record not yet sent was taken.
    waiting_since: Option<u64>,
    /// Sends what there is without waiting for company.
    hurry: bool,
    /// When finished records were last sent.
    sent_at: u64,
    resend_us: u64,
    probe: Probe,
    /// A repeated acknowledgement means loss only beyond this number: below
    /// it may answer our own repetitions.
    recovered: Option<u64>,
    /// Last sign that the host takes finished records; reset when the first
    /// one is kept.
    heard_at: u64,
    finals_in_turn: u8,
}

/// After a time-out one batch is sent, then the host's answer awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// The host answers: send on.
    Off,
    /// One batch may be sent.
    Ready,
    /// It has been.
    Sent,
}

impl<'b> Sender<'b> {
    /// A sender for this run of the sensor. `storage` keeps records until they
    /// are acknowledged; with fewer than [`MIN_STORAGE`] octets none are taken.
    pub fn new(boot_id: u32, storage: &'b mut [u8], overflow: Overflow) -> Self {
        Self {
            boot_id,
            overflow,
            window: Window::new(storage),
            next_live: 0,
            counts: UplinkCounts::default(),
            waiting_since: None,
            hurry: false,
            sent_at: 0,
            resend_us: RESEND_US,
            probe: Probe::Off,
            recovered: None,
            heard_at: 0,
            finals_in_turn: 0,
        }
    }

    /// The run of the sensor.
    pub fn boot_id(&self) -> u32 {
        self.boot_id
    }

    /// Counters, as they go into the ledger.
    pub fn counts(&self) -> UplinkCounts {
        self.counts
    }

    /// True when nothing waits for acknowledgement (records may still be in
    /// the source).
    pub fn all_acked(&self) -> bool {
        self.window.held() == 0
    }

    /// Octets free for finished records.
    pub fn room(&self) -> usize {
        self.window.kept().room()
    }

    /// Records that wait to be sent or acknowledged.
    pub fn held(&self) -> u64 {
        self.window.held()
    }

    /// Writes the next batch, unframed, to `out` (at least [`MAX_BATCH`]
    /// octets) and returns its length; `None` when there is nothing to send
    /// now. `now_us` is any clock that runs; it is handed on to the source.
    /// Call until `None`.
    pub fn poll_transmit<S: RecordSource>(
        &mut self,
        now_us: u64,
        source: &mut S,
        out: &mut [u8],
    ) -> Option<usize> {
        let out = out.get_mut(..MAX_BATCH)?;
        source.note_uplink(&self.counts);
        let exhausted = self.take_finals(now_us, source, out);
        self.check_time_out(now_us);
        let ready = self.finals_ready(now_us);
        let len = if ready && self.finals_in_turn < FINALS_A_TURN {
            self.final_batch(now_us, out)
        } else {
            self.finals_in_turn = 0;
            match self.live_batch(now_us, source, out) {
                None if ready => self.final_batch(now_us, out),
                live => live,
            }
        };
        if exhausted && self.window.all_sent() {
            self.hurry = false;
        }
        self.counts.batches = self.counts.batches.saturating_add(u64::from(len.is_some()));
        len
    }

    /// When [`Self::poll_transmit`] has something to do though nothing new
    /// came in; `None` when never.
    pub fn poll_at(&self) -> Option<u64> {
        let answer_due = self
            .awaits_answer()
            .then(|| self.sent_at.saturating_add(self.resend_us));
        let send = (!self.window.all_sent() && self.probe != Probe::Sent).then(|| {
            let since = self.waiting_since.unwrap_or(0);
            if self.must_wait() {
                since.saturating_add(GATHER_US)
            } else {
                since
            }
        });
        [answer_due, send].into_iter().flatten().min()
    }

    /// Takes a batch of the host. Acknowledgements are dealt with; the other
    /// commands are handed back, in order.
    pub fn handle_batch<'c>(
        &mut self,
        now_us: u64,
        batch: &'c [u8],
    ) -> Result<Commands<'c>, LinkError> {
        let commands = self.accept(now_us, batch);
        if commands.is_err() {
            self.count_bad_frame();
        }
        commands
    }

    /// Counts a frame from the host that could not even be unframed.
    pub fn count_bad_frame(&mut self) {
        self.counts.bad_frames = self.counts.bad_frames.saturating_add(1);
    }

    fn accept<'c>(&mut self, now_us: u64, batch: &'c [u8]) -> Result<Commands<'c>, LinkError> {
        let (header, octets) = Header::parse(batch)?;
        if header.stream != Stream::Command {
            return Err(LinkError::WrongStream(header.stream));
        }
        if header.boot_id != 0 && header.boot_id != self.boot_id {
            return Err(LinkError::OtherBoot {
                boot_id: header.boot_id,
            });
        }
        count_items(octets)?;
        // A host that speaks may have just come: try again without delay.
        if self.probe != Probe::Off {
            self.resend_us = RESEND_US;
        }
        for item in Items::new(octets).flatten() {
            match decode_command(item) {
                Ok(Command::Ack { boot_id, next }) => self.acknowledge(now_us, boot_id, next),
                Ok(Command::Flush { .. }) => self.hurry = true,
                // A command of a newer version is no fault.
                Ok(_) | Err(DecodeError::UnknownType(_)) => {}
                Err(_) => self.count_bad_frame(),
            }
        }
        Ok(Commands::new(octets))
    }

    fn acknowledge(&mut self, now_us: u64, boot_id: u32, next: u64) {
        if boot_id != self.boot_id {
            return;
        }
        if next > self.window.sent_end() {
            // Nobody can have what was never sent.
            self.count_bad_frame();
            return;
        }
        self.heard_at = now_us;
        let oldest = self.window.oldest();
        if next > oldest {
            while self.window.oldest() < next {
                let Some((tally, _)) = self.window.forget_oldest() else {
                    break;
                };
                self.counts.acked = self.counts.acked.saturating_add(tally.records);
            }
            self.probe = Probe::Off;
            self.resend_us = RESEND_US;
        } else if next == oldest
            && self.window.cursor() > oldest
            && self.probe == Probe::Off
            && self.recovered.is_none_or(|end| oldest > end)
        {
            // The host repeats itself: a batch in between was lost.
            self.go_back();
        }
    }

    /// Sends again from the oldest record kept.
    fn go_back(&mut self) {
        self.window.go_back();
        self.recovered = Some(self.window.sent_end());
    }

    /// Takes finished records while there is room; true when the source has
    /// no more.
    fn take_finals<S: RecordSource>(
        &mut self,
        now_us: u64,
        source: &mut S,
        scratch: &mut [u8],
    ) -> bool {
        let Some(scratch) = scratch.get_mut(..MAX_ITEM) else {
            return false;
        };
        let mut drops = 0_usize;
        if self.heard_at > now_us {
            self.heard_at = now_us; // the clock stepped back
        }
        loop {
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
                self.counts.never_sent.add(&emitted.tally);
                return false;
            };
            if self.window.held() == 0 {
                self.heard_at = now_us;
            }
            if self.window.all_sent() && self.waiting_since.is_none() {
                self.waiting_since = Some(now_us);
            }
            while !self.window.push(&emitted.tally, item) {
                drops = drops.saturating_add(1);
                if !self.drop_oldest() {
                    self.counts.never_sent.add(&emitted.tally);
                    return false;
                }
            }
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((tally, sent)) = self.window.forget_oldest() else {
            return false;
        };
        let counter = if sent {
            &mut self.counts.unconfirmed
        } else {
            &mut self.counts.never_sent
        };
        counter.add(&tally);
        true
    }

    fn check_time_out(&mut self, now_us: u64) {
        if self.sent_at > now_us {
            self.sent_at = now_us; // the clock stepped back
        }
        if self.waiting_since.is_some_and(|since| since > now_us) {
            self.waiting_since = Some(now_us);
        }
        if self.awaits_answer() && now_us.saturating_sub(self.sent_at) >= self.resend_us {
            self.go_back();
            self.probe = Probe::Ready;
            self.sent_at = now_us;
            self.resend_us = self.resend_us.saturating_mul(2).min(RESEND_MAX_US);
        }
    }

    /// A probe may wait though all that was sent has been dropped since.
    fn awaits_answer(&self) -> bool {
        self.window.unanswered() || self.probe == Probe::Sent
    }

    /// Whether what is unsent is too little to be sent at once.
    fn must_wait(&self) -> bool {
        !self.hurry
            && !self.window.sends_again()
            && self.window.octets_to_send() < MAX_ITEMS_OCTETS
            && self.window.kept().room() >= MAX_ENTRY
    }

    fn finals_ready(&self, now_us: u64) -> bool {
        if self.window.all_sent() || self.probe == Probe::Sent {
            return false;
        }
        let since = self.waiting_since.unwrap_or(0);
        !self.must_wait() || now_us.saturating_sub(since) >= GATHER_US
    }

    fn final_batch(&mut self, now_us: u64, out: &mut [u8]) -> Option<usize> {
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

    fn live_batch<S: RecordSource>(
        &mut self,
        now_us: u64,
        source: &mut S,
        out: &mut [u8],
    ) -> Option<usize> {
        let first = self.next_live;
        let (head, mut rest) = split_batch(out)?;
        *head = Header::new(Stream::Live, self.boot_id, first, self.window.oldest()).to_octets();
        let mut len = Header::OCTETS;
        // A source may write MAX_ITEM octets, so a batch ends with less room.
        while rest.len() >= MAX_ITEM {
            let Some(emitted) = source.poll_record(now_us, Want::Live, rest) else {
                break;
            };
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
fn split_batch(out: &mut [u8]) -> Option<(&mut [u8; Header::OCTETS], &mut [u8])> {
    out.get_mut(..MAX_BATCH.saturating_sub(SEAL_OCTETS))?
        .split_first_chunk_mut()
}

fn is_one_item(octets: &[u8]) -> bool {
    count_items(octets) == Ok(1)
}
