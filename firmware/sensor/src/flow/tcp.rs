//! What a mirror can say of a TCP connection beside its start (EXACT.md 8):
//! what came below the highest sequence number, and what the peer acknowledged
//! that was never seen here.

use magpie_protocol::{Side, TcpFacts};

use super::{
    annex::Annex,
    progress::{Progress, bit},
    slot::{FlowSlot, Way},
};
use crate::dissect::Tcp;

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

    /// One segment with a readable header. A first fragment's payload length
    /// is not known: only its flags count. True when the record has to be
    /// split behind it.
    #[inline]
    pub(super) fn segment(
        &mut self,
        since: u32,
        from: Side,
        segment: &Tcp,
        annex: &mut Annex,
    ) -> bool {
        let flags = segment.flags;
        self.way(from).flags |= flags;
        let Some(payload) = segment.payload else {
            return false;
        };
        let (sequence, acknowledgement) = (segment.sequence, segment.acknowledgement);
        let opened = Progress::ANSWERED | Progress::COMPLETED;
        if flags & (SYN | RST | FIN) != 0 {
            return self.control(since, from, segment, payload, annex);
        }
        let mut full = false;
        if flags & ACK != 0 && self.progress.0 & opened == Progress::ANSWERED {
            self.third_ack(since, from, acknowledgement, annex);
        }
        if payload > 0 {
            full = self.advance(from, flags, sequence, payload, payload);
        }
        if flags & ACK != 0 {
            full |= self.acknowledge(from.other(), flags, acknowledgement);
        }
        full
    }

    /// A segment that opens or closes.
    #[inline(never)]
    fn control(
        &mut self,
        since: u32,
        from: Side,
        segment: &Tcp,
        payload: u32,
        annex: &mut Annex,
    ) -> bool {
        let (flags, sequence, acknowledgement) =
            (segment.flags, segment.sequence, segment.acknowledgement);
        match (flags & SYN != 0, flags & ACK != 0) {
            (true, false) => self.syn(since, from, sequence, payload, annex),
            (true, true) => self.syn_ack(since, from, sequence, acknowledgement, annex),
            (false, true) if flags & RST == 0 => {
                let opened = Progress::ANSWERED | Progress::COMPLETED;
                if self.progress.0 & opened == Progress::ANSWERED {
                    self.third_ack(since, from, acknowledgement, annex);
                }
            }
            _ => {}
        }
        if flags & RST != 0 {
            self.progress.set(Progress::CLOSED, true);
            return false;
        }
        if flags & FIN != 0 {
            self.progress.0 |= bit(Progress::FIN_A, from);
        }
        let controls = u32::from(flags & SYN != 0).wrapping_add(u32::from(flags & FIN != 0));
        let used = payload.saturating_add(controls);
        let mut full = false;
        if used > 0 {
            full = self.advance(from, flags, sequence, payload, used);
        }
        if flags & ACK != 0 {
            full |= self.acknowledge(from.other(), flags, acknowledgement);
        }
        full
    }

    /// Sequence space that `from` used: `payload`, and SYN and FIN with it.
    #[inline]
    fn advance(&mut self, from: Side, flags: u8, sequence: u32, payload: u32, used: u32) -> bool {
        // Modulo 2^32 on purpose: this is sequence space.
        let end = sequence.wrapping_add(used);
        let bit = bit(Progress::HIGHEST_A, from);
        let known = self.progress.has(bit);
        let track = &mut self.way(from).track;
        if known && before(sequence, track.highest) {
            return goes_back(track, flags, sequence, payload, used);
        }
        track.highest = end;
        self.progress.0 |= bit;
        false
    }

    /// `side`'s sequence space was acknowledged up to here.
    #[inline]
    fn acknowledge(&mut self, side: Side, flags: u8, acknowledgement: u32) -> bool {
        const TRACKED: u16 = Progress::HIGHEST_A | Progress::HIGHEST_B | Progress::ANSWERED;
        let progress = self.progress;
        let track = &mut self.way(side).track;
        let mut full = false;
        if progress.has_all(TRACKED) && flags & SYN == 0 {
            let gap = acknowledgement.wrapping_sub(track.highest);
            if gap > 0 && gap <= MOST_UNSEEN {
                track.highest = acknowledgement;
                track.unseen = track.unseen.saturating_add(gap);
                full = track.is_full();
            }
        }
        if progress.has(bit(Progress::FIN_A, side)) && !before(acknowledgement, track.highest) {
            const BOTH: u16 = Progress::FIN_ACKED_A | Progress::FIN_ACKED_B;
            self.progress.0 |= bit(Progress::FIN_ACKED_A, side);
            if self.progress.has_all(BOTH) {
                self.progress.0 |= Progress::CLOSED;
            }
        }
        full
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
fn goes_back(track: &mut Track, flags: u8, sequence: u32, payload: u32, used: u32) -> bool {
    let below = track.highest.wrapping_sub(sequence);
    let keep_alive = payload <= 1 && flags & (SYN | FIN) == 0 && below == 1;
    let end = sequence.wrapping_add(used);
    if before(track.highest, end) {
        track.highest = end;
    }
    if !keep_alive {
        track.count_back(used.min(below));
    }
    track.is_full()
}
