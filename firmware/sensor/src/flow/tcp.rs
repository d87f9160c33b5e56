//! What a mirror can say of a TCP connection beside its start (EXACT.md 8):
//! what came below the highest sequence number, and what the peer acknowledged
//! that was never seen here.

use magpie_protocol::{Side, TcpFacts};

use super::{
    annex::Annex,
    progress::{Progress, bit},
    slot::{FlowSlot, Way},
};
use crate::dissect::Segment;

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const ACK: u8 = 16;

/// An acknowledgement further ahead than this is not believed (EXACT.md 8).
const MOST_UNSEEN: u32 = 1 << 24;
/// A record is split once a sum of unseen octets passes this, so that the next
/// segment (at most [`MOST_UNSEEN`]) cannot overflow it.
const SPLIT_UNSEEN: u32 = 1 << 31;

/// RFC 9293 section 3.4: `a` stands before `b` in sequence space.
fn before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) >= 1 << 31
}

/// Sequence space of one side: 12 octets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track {
    pub(super) highest: u32,
    /// Segments that began below it in the upper 8 bits, their octets below it
    /// in the other 24.
    back: u32,
    unseen: u32,
}

impl Track {
    pub(super) const NEW: Self = Self {
        highest: 0,
        back: 0,
        unseen: 0,
    };

    const SEGMENT: u32 = 1 << 24;
    const OCTETS: u32 = Self::SEGMENT - 1;
    /// No more octets than this are believed of one segment, and at this sum
    /// a record is split: so the next cannot overflow.
    const SPLIT_BACK: u32 = 1 << 23;

    /// Counts start anew; sequence tracking goes on.
    pub(super) fn counts_anew(self) -> Self {
        Self {
            highest: self.highest,
            ..Self::NEW
        }
    }

    fn count_back(&mut self, octets: u32) {
        let octets = octets.min(Self::SPLIT_BACK);
        self.back = self.back.wrapping_add(Self::SEGMENT).wrapping_add(octets);
    }

    /// Octets below this number were acknowledged by the peer: those beyond
    /// what came by were never seen. True when the record has to be split.
    #[inline]
    fn acknowledge(&mut self, acknowledgement: u32) -> bool {
        let gap = acknowledgement.wrapping_sub(self.highest);
        if gap == 0 || gap > MOST_UNSEEN {
            return false;
        }
        self.highest = acknowledgement;
        self.unseen = self.unseen.saturating_add(gap);
        self.is_full()
    }

    /// One more segment might overflow a counter.
    fn is_full(&self) -> bool {
        self.back >> 24 == 0xff
            || self.back & Self::OCTETS >= Self::SPLIT_BACK
            || self.unseen >= SPLIT_UNSEEN
    }
}

impl FlowSlot {
    fn way(&mut self, side: Side) -> &mut Way {
        let [a, b] = &mut self.ways;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    /// Flags of a segment. Of one that is not whole only these count: its
    /// payload goes on elsewhere.
    #[inline]
    pub(super) fn flags(&mut self, from: Side, segment: &Segment) {
        self.way(from).flags |= segment.flags;
    }

    /// One whole segment with a readable header. True when the record has to
    /// be split behind it.
    #[inline]
    pub(super) fn segment(
        &mut self,
        since: u32,
        from: Side,
        segment: &Segment,
        annex: &mut Annex,
    ) -> bool {
        self.flags(from, segment);
        let plain = segment.flags & (SYN | RST | FIN | ACK) == ACK;
        if !plain || !self.progress.is_established() {
            return self.any_segment(since, from, segment, annex);
        }
        // All that is left of the below: most segments are such.
        let mut full = false;
        if segment.payload > 0 {
            let track = &mut self.way(from).track;
            if before(segment.sequence, track.highest) {
                full = goes_back(track, segment, segment.payload);
            } else {
                track.highest = segment.sequence.wrapping_add(segment.payload);
            }
        }
        let track = &mut self.way(from.other()).track;
        full | track.acknowledge(segment.acknowledgement)
    }

    /// The same for any segment.
    #[inline(never)]
    fn any_segment(
        &mut self,
        since: u32,
        from: Side,
        segment: &Segment,
        annex: &mut Annex,
    ) -> bool {
        let Segment {
            sequence,
            acknowledgement,
            payload,
            flags,
        } = *segment;
        let is = |flag| flags & flag != 0;
        let opened = Progress::ANSWERED | Progress::COMPLETED;
        match (is(SYN), is(ACK)) {
            (true, false) => self.syn(since, from, sequence, payload, annex),
            (true, true) => self.syn_ack(since, from, sequence, acknowledgement, annex),
            (false, true) if !is(RST) && self.progress.0 & opened == Progress::ANSWERED => {
                self.third_ack(since, from, acknowledgement, annex);
            }
            (false, _) => {}
        }
        if is(RST) {
            self.progress.set(Progress::CLOSED, true);
            return false;
        }
        if is(FIN) {
            self.progress.0 |= bit(Progress::FIN_A, from);
        }
        let controls = u32::from(is(SYN)).wrapping_add(u32::from(is(FIN)));
        let used = payload.saturating_add(controls);
        let mut full = used > 0 && self.advance(from, segment, used);
        if is(ACK) {
            const TRACKED: u16 = Progress::HIGHEST_A | Progress::HIGHEST_B | Progress::ANSWERED;
            if !is(SYN) && self.progress.has_all(TRACKED) {
                let track = &mut self.way(from.other()).track;
                full |= track.acknowledge(acknowledgement);
            }
            self.end(from.other(), acknowledgement);
        }
        full
    }

    /// Sequence space that `from` used: payload, and SYN and FIN with it.
    fn advance(&mut self, from: Side, segment: &Segment, used: u32) -> bool {
        let bit = bit(Progress::HIGHEST_A, from);
        let known = self.progress.has(bit);
        let track = &mut self.way(from).track;
        if known && before(segment.sequence, track.highest) {
            return goes_back(track, segment, used);
        }
        // Modulo 2^32 on purpose: this is sequence space.
        track.highest = segment.sequence.wrapping_add(used);
        self.progress.0 |= bit;
        false
    }

    /// `side`'s sequence space was acknowledged up to here: its FIN too?
    fn end(&mut self, side: Side, acknowledgement: u32) {
        const BOTH: u16 = Progress::FIN_ACKED_A | Progress::FIN_ACKED_B;
        let highest = self.way(side).track.highest;
        if self.progress.has(bit(Progress::FIN_A, side)) && !before(acknowledgement, highest) {
            self.progress.0 |= bit(Progress::FIN_ACKED_A, side);
            if self.progress.has_all(BOTH) {
                self.progress.0 |= Progress::CLOSED;
            }
        }
    }

    /// What the record of a copy that leaves says.
    pub(super) fn facts(&self) -> TcpFacts {
        TcpFacts {
            flags: self.ways.map(|way| way.flags),
            seq_back: self.ways.map(|way| u64::from(way.track.back >> 24)),
            seq_back_octets: self
                .ways
                .map(|way| u64::from(way.track.back & Track::OCTETS)),
            unseen_octets: self.ways.map(|way| u64::from(way.track.unseen)),
            handshake: self.told(),
        }
    }
}

/// A segment that begins below the highest sequence number.
#[inline(never)]
fn goes_back(track: &mut Track, segment: &Segment, used: u32) -> bool {
    let below = track.highest.wrapping_sub(segment.sequence);
    let keep_alive = segment.payload <= 1 && segment.flags & (SYN | FIN) == 0 && below == 1;
    let end = segment.sequence.wrapping_add(used);
    if before(track.highest, end) {
        track.highest = end;
    }
    if !keep_alive {
        track.count_back(used.min(below));
    }
    track.is_full()
}
