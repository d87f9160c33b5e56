//! Filters that the host set, and the packets that they selected.
//!
//! A frame is shown to all of them before anything else; where none is set,
//! nothing here runs ([`crate::Sensor::observe`]). The books of one run:
//! `matched = kept + dropped`, in frames and octets, and of those kept,
//! `forwarded` have left for the link; the rest stands in the ring.

use magpie_protocol::{
    Command, CommandType, FilterAction, FilterReason, FilterReply, FilterRoom, FilterStatus,
    MAX_BODY, Outcome, PacketHead, PacketPart, PartPlace, encode_packet_part,
};
use managed::ManagedSlice;

mod ring;
mod slot;

use ring::{Entry, Ring};
pub use slot::FilterSlot;
use slot::{Kind, Slot, State, count};

/// False in an image that hands out no packets.
const PAYLOAD: bool = !cfg!(magpie_no_payload);

/// Packets that nobody wants any more, passed over in one call.
const PASSED_A_CALL: usize = 256;
/// A part is not begun for fewer octets, unless they are the last.
const LEAST_OCTETS: usize = 64;
const SECOND_US: u64 = 1_000_000;
/// Octets of an item before its body, at most.
const ITEM_HEAD: usize = 3;

pub(crate) struct Filters<'a> {
    slots: ManagedSlice<'a, FilterSlot>,
    ring: Ring<'a>,
    /// All that run are among so many of the first; 0: none does.
    running: usize,
    /// A filter runs that wants frames to wait for room.
    waits: bool,
    /// As of when their ages are; `None`: the next that is told.
    aged_us: Option<u64>,
    /// A filter has started, and the books as of then are to be told.
    has_started: bool,
    /// Longest frame there is.
    max_frame: usize,
    /// Octets of the oldest packet that have left.
    sent: usize,
}

/// What became of a frame that was shown to filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// No filter selects it, and none of them is for the tables.
    Rejected,
    /// One does; it is for the tables, too.
    Selected,
    /// It is not for the tables.
    Filtered,
}

fn answer(command: &Command, result: Result<(), (Outcome, FilterReason, u16)>) -> FilterReply {
    let (id, command, slot) = match *command {
        Command::LoadFilter { id, slot, .. } => (id, CommandType::LoadFilter, slot),
        Command::StartFilter { id, slot, .. } => (id, CommandType::StartFilter, slot),
        Command::StopFilter { id, slot, .. } => (id, CommandType::StopFilter, slot),
        // No command about filters: nobody asks for an answer to it here.
        _ => (0, CommandType::StopFilter, 0),
    };
    let (outcome, reason, instruction) =
        result
            .err()
            .unwrap_or((Outcome::Done, FilterReason::None, 0));
    FilterReply {
        id,
        command: command as u8,
        slot,
        outcome,
        reason,
        instruction,
    }
}

/// The answer to a command about filters from whoever may be anybody.
pub(crate) fn refuse(command: &Command) -> FilterReply {
    let why = (Outcome::Refused, FilterReason::NotAuthenticated, 0);
    answer(command, Err(why))
}

impl<'a> Filters<'a> {
    pub(crate) fn new(
        slots: ManagedSlice<'a, FilterSlot>,
        octets: ManagedSlice<'a, u8>,
        max_frame: u32,
    ) -> Self {
        let octets = if PAYLOAD {
            octets
        } else {
            ManagedSlice::Borrowed(&mut [])
        };
        Self {
            slots,
            ring: Ring::new(octets),
            running: 0,
            waits: false,
            aged_us: None,
            has_started: false,
            max_frame: max_frame as usize,
            sent: 0,
        }
    }

    /// What it can hold, for Hello.
    pub(crate) fn room(&self) -> FilterRoom {
        FilterRoom {
            slots: u8::try_from(self.slots.len()).unwrap_or(u8::MAX),
            ring_octets: u32::try_from(self.ring.capacity()).unwrap_or(u32::MAX),
            payload: PAYLOAD,
        }
    }

    /// Whether any filter looks at frames.
    pub(crate) fn is_running(&self) -> bool {
        self.running > 0
    }

    #[inline(never)] // hardly ever while frames are seen
    fn look_who_runs(&mut self) {
        let mut running = 0;
        let mut waits = false;
        for (number, FilterSlot(slot)) in (1..).zip(self.slots.iter()) {
            if slot.is_running() {
                running = number;
                waits |= slot.wait;
            }
        }
        (self.running, self.waits) = (running, waits);
    }

    /// Whether the next frame may find no room, and was to wait for it.
    pub(crate) fn must_wait(&self) -> bool {
        let largest = self.max_frame.saturating_add(Entry::HEAD);
        // A ring that cannot hold the largest waits until it is empty.
        self.waits && self.ring.room() < largest.min(self.ring.capacity())
    }

    /// Shows a frame to all that run.
    #[inline]
    pub(crate) fn see(&mut self, at_us: u64, frame: &[u8], wire_len: u32) -> Seen {
        let mut has_only = false;
        let slots = self.slots.iter().take(self.running);
        for (number, FilterSlot(slot)) in slots.enumerate() {
            if slot.is_running() {
                if !slot.rejects(frame, wire_len) {
                    let seen = (at_us, frame, wire_len);
                    return self.see_on(number, has_only, seen);
                }
                has_only |= slot.is_only;
            }
        }
        if !has_only {
            return Seen::Rejected;
        }
        Seen::Filtered
    }

    /// The same from the first filter on that may select the frame.
    #[inline(never)] // most frames are rejected: out of their way
    fn see_on(
        &mut self,
        first: usize,
        mut has_only: bool,
        (at_us, frame, wire_len): (u64, &[u8], u32),
    ) -> Seen {
        let (mut is_selected, mut passes, mut has_stopped) = (false, false, false);
        let slots = self.slots.iter_mut().take(self.running).enumerate();
        for (number, FilterSlot(slot)) in slots.skip(first) {
            if !slot.is_running() {
                continue;
            }
            let keep = slot.run(frame, wire_len);
            has_only |= slot.is_only;
            if keep != 0 {
                is_selected = true;
                passes |= slot.is_only;
                let seen = (at_us, frame, wire_len, keep);
                take(slot, number, seen, &mut self.ring);
                has_stopped |= !slot.is_running();
            }
        }
        if has_stopped {
            self.look_who_runs();
        }
        match (has_only, passes, is_selected) {
            (true, false, _) => Seen::Filtered,
            (false, _, false) => Seen::Rejected,
            _ => Seen::Selected,
        }
    }

    /// Does what the host asks, and answers.
    pub(crate) fn handle(&mut self, command: &Command) -> FilterReply {
        let result = match *command {
            Command::LoadFilter {
                slot,
                of,
                at,
                ref instructions,
                ..
            } => self.slot(slot).and_then(|slot| {
                let loaded = slot.load(of, at, instructions.as_slice());
                loaded.map_err(|why| match why {
                    FilterReason::Running => (Outcome::Refused, why, 0),
                    why => (Outcome::BadValue, why, at),
                })
            }),
            Command::StartFilter {
                id,
                slot,
                literal,
                action,
                of,
                check,
            } => self.start(id, slot, literal, action, (of, check)),
            Command::StopFilter { id, slot, discard } => {
                self.slot(slot).map(|slot| stop(slot, id, discard))
            }
            _ => Ok(()),
        };
        self.look_who_runs();
        answer(command, result)
    }

    fn slot(&mut self, number: u8) -> Result<&mut Slot, (Outcome, FilterReason, u16)> {
        let slot = self
            .slots
            .get_mut(usize::from(number))
            .map(|slot| &mut slot.0);
        slot.ok_or((Outcome::Unsupported, FilterReason::NoSlot, 0))
    }

    fn start(
        &mut self,
        id: u32,
        slot: u8,
        literal: bool,
        action: FilterAction,
        (of, check): (u16, u32),
    ) -> Result<(), (Outcome, FilterReason, u16)> {
        let has_ring = self.ring.capacity() > 0;
        let slot = self.slot(slot)?;
        let lacks = |why| Err((Outcome::Unsupported, why, 0));
        match action {
            FilterAction::Unknown(_) => return lacks(FilterReason::UnknownAction),
            FilterAction::Capture { .. } if !PAYLOAD => return lacks(FilterReason::NoPayload),
            FilterAction::Capture { .. } if !has_ring => return lacks(FilterReason::NoRing),
            _ => {}
        }
        if slot.run == id && slot.state != State::Free {
            slot.prolong();
            return Ok(()); // it came before
        }
        if slot.is_running() {
            return Err((Outcome::Refused, FilterReason::Running, 0));
        }
        if slot.waiting() > 0 {
            return Err((Outcome::Refused, FilterReason::Draining, 0));
        }
        let prepared = slot.prepare(of, check);
        prepared.map_err(|(why, at)| (Outcome::BadValue, why, at))?;
        slot.start(id, literal, action);
        self.has_started = true;
        // Else the seconds of the others go on, and its first is a shorter one.
        if self.running == 0 {
            self.aged_us = None;
        }
        Ok(())
    }

    /// Stops those whose host is gone.
    pub(crate) fn end_unheard(&mut self, now_us: u64) {
        let since_us = *self.aged_us.get_or_insert(now_us);
        let seconds = now_us.saturating_sub(since_us) / SECOND_US;
        if seconds == 0 {
            return;
        }
        let aged_us = since_us.saturating_add(seconds.saturating_mul(SECOND_US));
        self.aged_us = Some(aged_us);
        let seconds = u8::try_from(seconds).unwrap_or(u8::MAX);
        let mut ended = false;
        for FilterSlot(slot) in self.slots.iter_mut().take(self.running) {
            ended |= slot.grow_older(seconds);
        }
        if ended {
            self.look_who_runs();
        }
    }

    /// Every slot that was used is to be told of.
    pub(crate) fn show(&mut self) {
        for FilterSlot(slot) in self.slots.iter_mut() {
            slot.status_due = slot.state != State::Free;
        }
    }

    /// Whether there is something to tell of them: a status, or a start.
    pub(crate) fn has_news(&self) -> bool {
        self.has_started || self.slots.iter().any(|slot| slot.0.status_due)
    }

    /// Whether one has started; once each time.
    pub(crate) fn take_start(&mut self) -> bool {
        core::mem::take(&mut self.has_started)
    }

    /// What one of them did, once each time it is due.
    pub(crate) fn take_status(&mut self, now_us: u64) -> Option<FilterStatus> {
        let mut slots = (0_u8..).zip(self.slots.iter_mut());
        let (number, FilterSlot(slot)) = slots.find(|(_, slot)| slot.0.status_due)?;
        slot.status_due = false;
        Some(slot.status(number, now_us))
    }

    /// Writes the next part of a packet, as much of it as there is room for.
    pub(crate) fn poll_part(&mut self, out: &mut [u8]) -> Option<usize> {
        if !PAYLOAD {
            return None;
        }
        for _ in 0..PASSED_A_CALL {
            let entry = self.ring.first()?;
            let slot = self.slots.get_mut(usize::from(entry.slot));
            let wanted = slot.filter(|slot| slot.0.run == entry.run && !slot.0.discarded);
            let Some(FilterSlot(slot)) = wanted else {
                self.ring.pop();
                self.sent = 0;
                continue;
            };
            let (len, sent) = write_part(&self.ring, &entry, self.sent, out)?;
            self.sent = sent;
            if sent >= entry.len as usize {
                self.ring.pop();
                self.sent = 0;
                count(&mut slot.forwarded, entry.wire_len);
                slot.status_due |= !slot.is_running() && slot.waiting() == 0;
            }
            return Some(len);
        }
        None
    }
}

fn stop(slot: &mut Slot, id: u32, discard: bool) {
    if slot.stopped_by == id {
        slot.status_due = true;
        return; // it came before
    }
    slot.stopped_by = id;
    if slot.is_running() {
        slot.stop(State::Stopped);
    }
    if discard {
        slot.discard();
    }
    slot.status_due = true;
}

/// What is done with a frame that was selected.
#[inline(never)]
fn take(
    slot: &mut Slot,
    number: usize,
    (at_us, frame, wire_len, keep): (u64, &[u8], u32, u32),
    ring: &mut Ring<'_>,
) {
    if !PAYLOAD || slot.kind != Kind::Capture {
        count(&mut slot.matched, wire_len);
        return;
    }
    let snap_len = if slot.snap_len == 0 {
        keep
    } else {
        slot.snap_len.min(keep)
    };
    let len = u32::try_from(frame.len()).unwrap_or(u32::MAX).min(snap_len);
    let kept_octets = slot.kept_octets.saturating_add(u64::from(len));
    if slot.max_octets != 0 && kept_octets > slot.max_octets {
        slot.stop(State::OctetLimit);
        return;
    }
    count(&mut slot.matched, wire_len);
    let entry = Entry {
        slot: u8::try_from(number).unwrap_or(u8::MAX),
        run: slot.run,
        number: slot.kept.frames,
        at_us,
        wire_len,
        len,
        dropped: slot.dropped,
    };
    if !ring.push(&entry, frame) {
        count(&mut slot.dropped, wire_len);
        return;
    }
    count(&mut slot.kept, wire_len);
    slot.kept_octets = kept_octets;
    if slot.max_packets != 0 && slot.kept.frames >= slot.max_packets {
        slot.stop(State::PacketLimit);
    }
}

/// Writes the part of the oldest packet behind those that have left: octets
/// written, and octets of the packet that have left then.
fn write_part(
    ring: &Ring<'_>,
    entry: &Entry,
    sent: usize,
    out: &mut [u8],
) -> Option<(usize, usize)> {
    let offset = u32::try_from(sent).ok()?;
    let place = match core::num::NonZeroU32::new(offset) {
        Some(offset) => PartPlace::Later(offset),
        None => PartPlace::First(PacketHead {
            at_us: entry.at_us,
            wire_len: entry.wire_len,
            captured_len: entry.len,
            dropped: entry.dropped,
        }),
    };
    let part = PacketPart {
        slot: entry.slot,
        run: entry.run,
        number: entry.number,
        place,
    };
    let body = out.len().saturating_sub(ITEM_HEAD).min(MAX_BODY);
    let room = body.checked_sub(part.head_len())?;
    let left = (entry.len as usize).saturating_sub(sent);
    let len = left.min(room);
    if len < left && len < LEAST_OCTETS {
        return None;
    }
    let octets = ring.octets_of_first(sent, len);
    let written = encode_packet_part(&part, octets, out).ok()?;
    Some((written, sent.saturating_add(len)))
}
