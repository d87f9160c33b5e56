//! One place of the flow table: 128 octets.

use core::sync::atomic::{Ordering, compiler_fence};

use magpie_protocol::{Direction, EndReason, FlowRecord, Handshake, Side, Tally};

use super::{annex::Annex, low, progress::Progress, setup::Setup, tcp::Track};
use crate::{Config, dissect::Segment, key::Key, table::Slot};

/// IP protocol number of TCP.
const TCP: u8 = 6;

/// A record spans no more than this (36 minutes), so that 32 bits hold any
/// time within it, before or after another.
pub(super) const LONGEST_US: u32 = i32::MAX as u32;

/// So many packets make a flow an elephant, see [`FlowSlot::dispensable`].
const ELEPHANT: u32 = 64;

/// More packets than this do not count for more.
const HEAVIEST: u32 = 1024;

/// What one end point sent: 24 octets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    packets: u16,
    /// OR of the low eight TCP flag bits.
    pub(super) flags: u8,
    /// Repetitions of SYN or SYN/ACK, see [`Setup`].
    pub(super) repeated: u8,
    ip_octets: u32,
    frame_octets: u32,
    pub(super) track: Track,
}

impl Way {
    const NEW: Self = Self {
        packets: 0,
        flags: 0,
        repeated: 0,
        ip_octets: 0,
        frame_octets: 0,
        track: Track::NEW,
    };

    fn direction(&self) -> Direction {
        Direction {
            packets: u64::from(self.packets),
            ip_octets: u64::from(self.ip_octets),
            frame_octets: u64::from(self.frame_octets),
        }
    }
}

/// One flow. All zero when free.
///
/// Counters are small: before one would overflow the record is exported
/// ([`EndReason::Split`]) and counting starts anew, so the sums stay exact. A
/// slot whose record was exported and that saw no packet since *rests*: it
/// remembers the connection but has no record of its own.
///
/// In this order: what every frame over IPv4 needs is in the first three cache
/// lines of 32 octets.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct FlowSlot {
    pub(super) ways: [Way; 2],
    pub(super) progress: Progress,
    /// Octets that the latest SYN carried (Fast Open), see [`Setup`].
    pub(super) syn_data: u16,
    /// The latest frame, after the first.
    last_us: u32,
    first_us: u64,
    key: Key,
    /// Low half of the record's number, see [`super::Flows::number`].
    number: u32,
    pub(super) setup: Setup,
}

impl Slot for FlowSlot {
    type Key = Key;

    const EMPTY: Self = Self {
        first_us: 0,
        key: Key::NONE,
        last_us: 0,
        number: 0,
        ways: [Way::NEW; 2],
        setup: Setup::NEW,
        progress: Progress::NEW,
        syn_data: 0,
    };

    #[inline]
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

    /// Elephants survive mice: of the time a flow was quiet, only the part
    /// counts that is left after division by the square of its packets; a
    /// thousand packets are the most that counts.
    ///
    /// Plain LRU evicts a busy flow as soon as eight new ones fall into its set
    /// between two of its packets, which a flood does all the time. Here each
    /// packet an elephant has carried buys it patience, so that newcomers,
    /// quiet since their only packet, leave first. An attacker who wants his
    /// flows to weigh as much has to send as many packets, and has so much
    /// fewer flows; `tests/attack/README.md` has the figures, and those of
    /// other rules. A dead elephant leaves by its time-out.
    #[inline]
    fn dispensable(&self, now_us: u64) -> i32 {
        let mut packets = self.packets();
        if !self.progress.is_mouse() {
            if !self.progress.was_elephant() {
                return i32::MAX; // at rest
            }
            packets = packets.max(ELEPHANT);
        }
        // Modulo 71 minutes, which no record spans: one that nobody ended for
        // so long may pass for a younger one. Before its time, after a clock
        // that stepped back: long ago.
        let quiet = low(now_us)
            .wrapping_sub(low(self.first_us))
            .wrapping_sub(self.last_us);
        let weight = log2(quiet | 1);
        if packets <= 1 {
            return weight; // as below, without the work: in a flood most are such
        }
        let patience = log2(packets.min(HEAVIEST)).wrapping_sub(log2(1));
        weight.wrapping_sub(patience.wrapping_mul(2))
    }
}

/// Logarithm to base 2 of a number above 0, less 30: the point is before bit
/// 25; linear between powers of two.
#[inline]
const fn log2(number: u32) -> i32 {
    let zeros = number.leading_zeros();
    // The leading 1 counts as one before the point.
    let fraction = number.wrapping_shl(zeros) >> 6;
    fraction.wrapping_sub(zeros << 25).cast_signed()
}

impl FlowSlot {
    /// For this key from now on, resting.
    // Field by field: a slot made elsewhere would be copied by a call.
    #[inline]
    pub(super) fn let_to(&mut self, new: &Key) {
        let Self {
            ways,
            progress,
            syn_data,
            last_us,
            first_us,
            key,
            number,
            setup,
        } = self;
        let [way_a, way_b] = ways;
        *way_a = Way::NEW;
        // So much at once is written here; more, by a call that takes longer.
        compiler_fence(Ordering::SeqCst);
        *way_b = Way::NEW;
        compiler_fence(Ordering::SeqCst);
        (*progress, *syn_data) = (Progress::NEW, 0);
        (*last_us, *first_us) = (0, 0);
        *key = *new;
        (*number, *setup) = (0, Setup::NEW);
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Has a record of its own.
    #[inline]
    pub(super) fn is_recording(&self) -> bool {
        self.progress.is_recording()
    }

    /// Starts a record with a packet of `from`.
    pub(super) fn begin(&mut self, number: u32, at_us: u64, from: Side, annex: &mut Annex) {
        self.setup_moves(self.first_us.wrapping_sub(at_us).cast_signed(), annex);
        self.number = number;
        self.first_us = at_us;
        self.last_us = 0;
        self.progress.begin(from);
    }

    /// Forgets the record, not the connection.
    pub(super) fn rest(&mut self) {
        self.progress.rest(self.packets() >= ELEPHANT);
        for way in &mut self.ways {
            // A handshake's repetitions and the highest sequence numbers stay.
            *way = Way {
                repeated: way.repeated,
                track: way.track.counts_anew(),
                ..Way::NEW
            };
        }
    }

    /// When a packet of this time comes, in microseconds after the record's
    /// first; `None` where the record cannot take it without a closer look: it
    /// rests, its connection is closed, it would span `longest_us` or begin
    /// earlier.
    #[inline]
    pub(super) fn since(&self, at_us: u64, longest_us: u32) -> Option<u32> {
        let (since, early) = at_us.overflowing_sub(self.first_us);
        if early || since >= u64::from(longest_us) || !self.progress.is_open() {
            return None;
        }
        Some((since & 0xffff_ffff) as u32)
    }

    /// As [`Self::since`], after the closer look: also where the connection is
    /// closed, or the clock stepped back behind the record's first frame, which
    /// then begins earlier.
    pub(super) fn offset(&mut self, at_us: u64, annex: &mut Annex) -> Option<u32> {
        if !self.is_recording() {
            return None;
        }
        let earlier = self.first_us.saturating_sub(at_us);
        let since = at_us.saturating_sub(self.first_us);
        let last = u64::from(self.last_us).saturating_add(earlier).max(since);
        if last >= u64::from(LONGEST_US) {
            return None;
        }
        if earlier > 0 {
            self.setup_moves(earlier.cast_signed(), annex);
            self.first_us = at_us;
            self.last_us = (last & 0xffff_ffff) as u32;
        }
        Some((since & 0xffff_ffff) as u32)
    }

    /// Counts one packet; false, and nothing done, where a counter is full.
    ///
    /// A frame holds its IP octets, so these cannot overflow before those.
    #[inline]
    pub(super) fn count(&mut self, since: u32, from: Side, ip_octets: u32, wire_len: u32) -> bool {
        let [a, b] = &mut self.ways;
        let way = match from {
            Side::A => a,
            Side::B => b,
        };
        let (Some(packets), Some(frame_octets)) = (
            way.packets.checked_add(1),
            way.frame_octets.checked_add(wire_len),
        ) else {
            return false;
        };
        way.packets = packets;
        way.frame_octets = frame_octets;
        way.ip_octets = way.ip_octets.wrapping_add(ip_octets);
        self.last_us = self.last_us.max(since);
        self.progress.note_change();
        true
    }

    /// A SYN that opens a new connection on a closed one.
    pub(super) fn reopens(&self, from: Side, segment: &Segment) -> bool {
        self.progress.is_closed() && self.setup.is_new(self.progress, from, segment)
    }

    /// Age of the record; 0 for one that began later.
    pub(crate) fn age_us(&self, at_us: u64) -> u64 {
        if self.is_recording() {
            at_us.saturating_sub(self.first_us)
        } else {
            0
        }
    }

    /// True once for each change.
    pub(super) fn take_change(&mut self) -> bool {
        self.progress.take_change()
    }

    /// Low half of the record's number.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// What the record amounts to.
    pub(crate) fn tally(&self) -> Tally {
        let [a, b] = &self.ways;
        let octets = |way: &Way| u64::from(way.frame_octets);
        Tally {
            records: 1,
            flows: 1,
            packets: u64::from(self.packets()),
            octets: octets(a).saturating_add(octets(b)),
        }
    }

    fn packets(&self) -> u32 {
        let [a, b] = &self.ways;
        u32::from(a.packets).saturating_add(u32::from(b.packets))
    }

    /// Why it is to be forgotten now, if it is.
    pub(crate) fn expired(&self, now_us: u64, config: &Config) -> Option<EndReason> {
        let last = self.first_us.saturating_add(u64::from(self.last_us));
        let quiet = now_us.saturating_sub(last);
        if config.end_us > 0 && self.progress.is_closed() && quiet >= config.end_us {
            Some(EndReason::End)
        } else if config.idle_us > 0 && quiet >= config.idle_us {
            Some(EndReason::Idle)
        } else {
            None
        }
    }

    /// A copy to make a record of.
    pub(super) fn leaving(&self, annex: &Annex) -> Leaving {
        let mut copy = Leaving(*self);
        copy.tell(self.handshake(annex).as_ref());
        copy
    }
}

/// A copy of a slot that leaves: it can be made a record, whatever became of
/// the slot. See [`FlowSlot::tell`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaving(FlowSlot);

impl Leaving {
    /// Of none.
    pub(crate) const NONE: Self = Self(FlowSlot::EMPTY);

    /// Of this slot now, but for its handshake. Two copies of 64 octets are made
    /// on the spot, one of 128 by a call: for five times the instructions.
    #[inline]
    pub(crate) fn replace(&mut self, slot: &FlowSlot) {
        let Self(copy) = self;
        copy.ways = slot.ways;
        (copy.progress, copy.syn_data) = (slot.progress, slot.syn_data);
        (copy.last_us, copy.first_us) = (slot.last_us, slot.first_us);
        // Lest they be put together again.
        compiler_fence(Ordering::SeqCst);
        copy.key = slot.key;
        (copy.number, copy.setup) = (slot.number, slot.setup);
    }

    /// Its handshake.
    #[inline]
    pub(crate) fn tell(&mut self, handshake: Option<&Handshake>) {
        self.0.tell(handshake);
    }

    /// Low half of the record's number.
    pub(crate) fn number(&self) -> u32 {
        self.0.number
    }

    /// What the record amounts to.
    pub(crate) fn tally(&self) -> Tally {
        self.0.tally()
    }

    /// The record.
    pub(crate) fn record(&self, flow_id: u64, reason: EndReason) -> FlowRecord {
        let Self(slot) = self;
        let key = slot.key.flow();
        let [a, b] = &slot.ways;
        FlowRecord {
            flow_id,
            reason,
            key,
            initiator: slot.progress.initiator(),
            first_us: slot.first_us,
            last_us: slot.first_us.saturating_add(u64::from(slot.last_us)),
            ab: a.direction(),
            ba: b.direction(),
            tcp: (key.protocol == TCP).then(|| slot.facts()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(first_us: u64, packets: u16, last_us: u32) -> FlowSlot {
        let mut slot = FlowSlot {
            last_us,
            first_us,
            ..FlowSlot::EMPTY
        };
        slot.progress.begin(Side::A);
        slot.ways[1].packets = packets;
        slot
    }

    #[test]
    fn packets_buy_patience_by_their_square() {
        let weigh = |quiet_us, packets| slot(0, packets, 500).dispensable(500 + quiet_us);
        // As quiet as a newcomer, times the square, to a quarter.
        for packets in [1_u16, 2, 10, 100, 1000] {
            let square = u64::from(packets).pow(2);
            assert!(weigh(square * 125, packets) > weigh(100, 1), "{packets}");
            assert!(weigh(square * 75, packets) < weigh(100, 1), "{packets}");
        }
        // More than a thousand are not worth more; a longer silence always is.
        assert_eq!(weigh(1_000_000, 1_024), weigh(1_000_000, 60_000));
        for packets in [1, 8, 9, 1_000, u16::MAX] {
            let by_quiet: Vec<i32> = (1..32).map(|bit| weigh(1 << bit, packets)).collect();
            assert!(
                by_quiet.is_sorted_by(|less, more| less < more),
                "{by_quiet:?}"
            );
        }
    }

    #[test]
    fn who_rests_leaves_first_unless_an_elephant() {
        let mut mouse = slot(0, 60, 0);
        mouse.rest();
        assert_eq!(mouse.dispensable(1), i32::MAX);
        let mut elephant = slot(0, 64, 0);
        elephant.rest();
        assert!(elephant.dispensable(100_000) < slot(0, 1, 0).dispensable(100));
    }

    #[test]
    fn a_clock_that_stepped_back_leaves_the_order_of_weights() {
        let now = 1_000_000;
        let from_the_future = slot(now + 5, 1, 0);
        assert!(from_the_future.dispensable(now) > slot(now - 100, 1, 0).dispensable(now));
        assert!(from_the_future.dispensable(now) > slot(now + 5, 9, 0).dispensable(now));
    }

    #[test]
    fn a_slot_is_as_small_as_promised() {
        assert_eq!(core::mem::size_of::<FlowSlot>(), 128);
    }
}
