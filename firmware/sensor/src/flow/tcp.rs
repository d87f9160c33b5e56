//! What a mirror can say of a TCP connection (EXACT.md 8): how it was set
//! up, what came below the highest sequence number, and what the peer
//! acknowledged that was never seen here.

use magpie_protocol::{Handshake, Side, TcpFacts};

use super::of;
use crate::dissect::Tcp;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// An acknowledgement further ahead than this is not believed (EXACT.md 8).
const MOST_UNSEEN: u32 = 1 << 24;
/// A record is split before a sum of octets passes this, so that the next
/// segment (less than 2^31 octets back) cannot overflow it.
const SPLIT_AT: u32 = 1 << 31;

// Bits of `seen`; each B bit stands next to its A bit.
const HIGHEST_A: u16 = 1;
const FIN_A: u16 = 4;
const FIN_ACKED_A: u16 = 16;
const CLOSED: u16 = 64;
/// What belongs to one connection of the key and goes with it.
const CONNECTION: u16 = 127;
/// A SYN was seen.
const OPENING: u16 = 128;
/// And its SYN/ACK.
const ANSWERED: u16 = 256;
/// The latest SYN came from b.
const OPENER_B: u16 = 512;
/// The first handshake is complete.
const COMPLETED: u16 = 1024;
/// It was b's.
const CLIENT_B: u16 = 2048;

/// The A bit or the B bit.
fn bit(a: u16, side: Side) -> u16 {
    match side {
        Side::A => a,
        Side::B => a << 1,
    }
}

/// RFC 9293 section 3.4: `a` stands before `b` in sequence space.
fn before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) >= 1 << 31
}

/// What is kept of a connection: 64 octets, all zero at first.
///
/// `times` are when SYN and SYN/ACK were seen until the first handshake is
/// complete, and its two durations from then on; `peer` is the server's
/// initial sequence number until then and the completed client's afterwards.
#[derive(Debug, Clone, Copy)]
pub(super) struct TcpState {
    times: [u64; 2],
    highest: [u32; 2],
    seq_back_octets: [u32; 2],
    unseen: [u32; 2],
    /// Initial sequence number of the latest SYN.
    isn: u32,
    /// Octets that SYN carried (Fast Open).
    data: u32,
    peer: u32,
    /// Repetitions of SYN and SYN/ACK.
    retx: [u16; 2],
    seq_back: [u16; 2],
    seen: u16,
    flags: [u8; 2],
}

/// Connection set-up.
impl TcpState {
    fn has(&self, bits: u16) -> bool {
        self.seen & bits != 0
    }

    fn side(&self, b_bit: u16) -> Side {
        if self.has(b_bit) { Side::B } else { Side::A }
    }

    fn set(&mut self, bits: u16, on: bool) {
        self.seen = if on {
            self.seen | bits
        } else {
            self.seen & !bits
        };
    }

    fn syn(&mut self, at_us: u64, from: Side, sequence: u32, payload: u32) {
        if self.has(COMPLETED) && self.side(CLIENT_B) == from && self.peer == sequence {
            return; // the completed connection's own SYN again
        }
        let again = self.has(OPENING) && self.side(OPENER_B) == from && self.isn == sequence;
        if !self.has(COMPLETED) {
            let ([syn_us, _], [syn_retx, _]) = (&mut self.times, &mut self.retx);
            *syn_us = at_us;
            *syn_retx = if again { syn_retx.saturating_add(1) } else { 0 };
        }
        if !again {
            self.set(CONNECTION, false);
            self.set(OPENER_B, from == Side::B);
            self.isn = sequence;
            self.data = payload;
        }
        self.set(OPENING, true);
        self.set(ANSWERED, false);
    }

    fn syn_ack(&mut self, at_us: u64, from: Side, sequence: u32, acknowledgement: u32) {
        let beyond = acknowledgement.wrapping_sub(self.isn).wrapping_sub(1);
        if !self.has(OPENING) || self.side(OPENER_B) == from || beyond > self.data {
            return;
        }
        if !self.has(COMPLETED) {
            let ([_, synack_us], [_, synack_retx]) = (&mut self.times, &mut self.retx);
            if self.seen & ANSWERED == 0 {
                *synack_us = at_us;
                *synack_retx = 0;
                self.peer = sequence;
            } else {
                *synack_retx = synack_retx.saturating_add(1);
            }
        }
        self.set(ANSWERED, true);
    }

    fn third_ack(&mut self, at_us: u64, from: Side, acknowledgement: u32) {
        if self.has(ANSWERED)
            && !self.has(COMPLETED)
            && self.side(OPENER_B) == from
            && acknowledgement == self.peer.wrapping_add(1)
        {
            let [syn_us, synack_us] = self.times;
            self.times = [
                synack_us.wrapping_sub(syn_us),
                at_us.wrapping_sub(synack_us),
            ];
            self.peer = self.isn;
            self.set(COMPLETED, true);
            self.set(CLIENT_B, from == Side::B);
        }
    }

    fn handshake(&self) -> Option<Handshake> {
        let ([there, back], [syn_retx, synack_retx]) = (self.times, self.retx);
        self.has(COMPLETED).then(|| Handshake {
            client: self.side(CLIENT_B),
            syn_retx: u32::from(syn_retx),
            synack_retx: u32::from(synack_retx),
            syn_to_synack_us: there.cast_signed(),
            synack_to_ack_us: back.cast_signed(),
        })
    }
}

impl TcpState {
    /// Nothing seen yet.
    pub(super) const NEW: Self = Self {
        times: [0; 2],
        highest: [0; 2],
        seq_back_octets: [0; 2],
        unseen: [0; 2],
        isn: 0,
        data: 0,
        peer: 0,
        retx: [0; 2],
        seq_back: [0; 2],
        seen: 0,
        flags: [0; 2],
    };

    /// Counts start anew; sequence tracking goes on.
    pub(super) fn restart_counts(&mut self) {
        self.flags = [0; 2];
        self.seq_back = [0; 2];
        self.seq_back_octets = [0; 2];
        self.unseen = [0; 2];
    }

    /// One more segment might overflow a counter.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.seq_back.contains(&u16::MAX)
            || self
                .seq_back_octets
                .iter()
                .chain(self.unseen.iter())
                .any(|sum| *sum >= SPLIT_AT)
    }

    /// FIN of both sides acknowledged, or RST.
    pub(super) fn is_closed(&self) -> bool {
        self.has(CLOSED)
    }

    /// A SYN with another initial sequence number after the end.
    pub(super) fn reopens(&self, from: Side, segment: &Tcp) -> bool {
        self.is_closed()
            && segment.flags & (SYN | ACK) == SYN
            && !(self.side(OPENER_B) == from && self.isn == segment.sequence)
    }

    /// One segment with a readable header. A first fragment's payload length
    /// is not known: only its flags count.
    #[inline]
    pub(super) fn observe(&mut self, at_us: u64, from: Side, segment: &Tcp) {
        let flags = segment.flags;
        *of(&mut self.flags, from) |= flags;
        let Some(payload) = segment.payload else {
            return;
        };
        let (sequence, acknowledgement) = (segment.sequence, segment.acknowledgement);
        match (flags & SYN != 0, flags & ACK != 0) {
            (true, false) => self.syn(at_us, from, sequence, payload),
            (true, true) => self.syn_ack(at_us, from, sequence, acknowledgement),
            (false, true) if flags & RST == 0 => self.third_ack(at_us, from, acknowledgement),
            _ => {}
        }
        if flags & RST != 0 {
            self.seen |= CLOSED;
        } else {
            self.advance(from, flags, sequence, payload);
        }
        if flags & ACK != 0 && flags & RST == 0 {
            self.acknowledge(from.other(), flags, acknowledgement);
        }
    }

    /// Sequence space that `from` used.
    fn advance(&mut self, from: Side, flags: u8, sequence: u32, payload: u32) {
        let controls = u32::from(flags & SYN != 0).wrapping_add(u32::from(flags & FIN != 0));
        let used = u64::from(payload).saturating_add(u64::from(controls));
        if used == 0 {
            return;
        }
        // Modulo 2^32 on purpose: this is sequence space.
        let end = sequence.wrapping_add(payload).wrapping_add(controls);
        if flags & FIN != 0 {
            self.seen |= bit(FIN_A, from);
        }
        let known = self.seen & bit(HIGHEST_A, from) != 0;
        let highest = of(&mut self.highest, from);
        if known && before(sequence, *highest) {
            let keep_alive =
                payload <= 1 && flags & (SYN | FIN) == 0 && sequence == highest.wrapping_sub(1);
            let below = highest.wrapping_sub(sequence);
            if before(*highest, end) {
                *highest = end;
            }
            if !keep_alive {
                let overlap = u32::try_from(used).map_or(below, |used| used.min(below));
                let segments = of(&mut self.seq_back, from);
                *segments = segments.saturating_add(1);
                let octets = of(&mut self.seq_back_octets, from);
                *octets = octets.saturating_add(overlap);
            }
        } else {
            *highest = end;
            self.seen |= bit(HIGHEST_A, from);
        }
    }

    /// `side`'s sequence space was acknowledged up to here.
    fn acknowledge(&mut self, side: Side, flags: u8, acknowledgement: u32) {
        let both = bit(HIGHEST_A, Side::A) | bit(HIGHEST_A, Side::B);
        let tracked = self.seen & both == both && self.has(ANSWERED);
        let highest = of(&mut self.highest, side);
        if tracked && flags & SYN == 0 {
            let gap = acknowledgement.wrapping_sub(*highest);
            if gap > 0 && gap <= MOST_UNSEEN {
                *highest = acknowledgement;
                let unseen = of(&mut self.unseen, side);
                *unseen = unseen.saturating_add(gap);
            }
        }
        if self.seen & bit(FIN_A, side) != 0 && !before(acknowledgement, *highest) {
            self.seen |= bit(FIN_ACKED_A, side);
            let closed = bit(FIN_ACKED_A, Side::A) | bit(FIN_ACKED_A, Side::B);
            if self.seen & closed == closed {
                self.seen |= CLOSED;
            }
        }
    }

    /// What the record says.
    pub(super) fn facts(&self) -> TcpFacts {
        TcpFacts {
            flags: self.flags,
            seq_back: self.seq_back.map(u64::from),
            seq_back_octets: self.seq_back_octets.map(u64::from),
            unseen_octets: self.unseen.map(u64::from),
            handshake: self.handshake(),
        }
    }
}
