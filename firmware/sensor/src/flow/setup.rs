//! How a connection is set up: SYN, SYN/ACK, first ACK (EXACT.md 8).

use magpie_protocol::{Handshake, Side};

use super::{
    annex::Annex,
    progress::Progress,
    slot::FlowSlot,
    tcp::{ACK, SYN},
};
use crate::dissect::Segment;

/// What a slot keeps of its connection's start: 16 octets. The repetitions
/// stand with the side that sent them, the octets of the SYN with the slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    /// As [`Numbers::times`]; or [`Self::ELSEWHERE`] and a place in the annex.
    times: [i32; 2],
    /// Initial sequence number of the latest SYN.
    isn: u32,
    /// The server's initial sequence number until the first handshake is
    /// complete, its client's from then on.
    peer: u32,
}

impl Setup {
    pub(super) const NEW: Self = Self {
        times: [0; 2],
        isn: 0,
        peer: 0,
    };
    /// Stands for the first time where the numbers are too large for a slot.
    const ELSEWHERE: i32 = i32::MIN;
    /// And for the second where the annex had no room: they are not told.
    const NOWHERE: i32 = -1;

    /// The place in the annex, where there is one.
    #[inline]
    pub(super) fn annexed(&self) -> Option<usize> {
        match self.times {
            [Self::ELSEWHERE, place] => usize::try_from(place).ok(),
            _ => None,
        }
    }

    fn is_of(&self, progress: Progress, from: Side, sequence: u32) -> bool {
        progress.side(Progress::OPENER_B) == from && self.isn == sequence
    }

    /// A SYN with another initial sequence number than the latest.
    pub(super) fn is_new(&self, progress: Progress, from: Side, segment: &Segment) -> bool {
        segment.flags & (SYN | ACK) == SYN && !self.is_of(progress, from, segment.sequence)
    }
}

/// The numbers of a handshake at full width. Few need it (36 minutes between
/// two steps, 256 repetitions, a SYN of 64 KB), so slots keep them narrow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    /// When SYN and SYN/ACK were seen, after the record's first frame, until
    /// the first handshake is complete; its two durations from then on. In
    /// microseconds, negative where the clock stepped back.
    times: [i64; 2],
    /// Repetitions of SYN or SYN/ACK, by the side that sent them.
    repeated: [u32; 2],
    /// Octets that the latest SYN carried (Fast Open).
    syn_data: u32,
}

impl Numbers {
    fn repeats(&mut self, side: Side) {
        let repeated = self.repeated_mut(side);
        *repeated = repeated.saturating_add(1);
    }

    fn repeated_mut(&mut self, side: Side) -> &mut u32 {
        let [a, b] = &mut self.repeated;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    /// In the widths of a slot, if they fit.
    fn narrow(&self) -> Option<([i32; 2], [u8; 2], u16)> {
        let ([first, second], [a, b]) = (self.times, self.repeated);
        let first = i32::try_from(first).ok();
        let times = [
            first.filter(|first| *first != Setup::ELSEWHERE)?,
            i32::try_from(second).ok()?,
        ];
        let repeated = [u8::try_from(a).ok()?, u8::try_from(b).ok()?];
        Some((times, repeated, u16::try_from(self.syn_data).ok()?))
    }
}

impl FlowSlot {
    /// `None` where the annex had no room for them.
    fn numbers(&self, annex: &Annex) -> Option<Numbers> {
        if let [Setup::ELSEWHERE, _] = self.setup.times {
            return annex.get(self.setup.annexed()?);
        }
        Some(Numbers {
            times: self.setup.times.map(i64::from),
            repeated: self.ways.map(|way| u32::from(way.repeated)),
            syn_data: u32::from(self.syn_data),
        })
    }

    fn set_numbers(&mut self, numbers: &Numbers, annex: &mut Annex) {
        if let Some((times, repeated, syn_data)) = numbers.narrow() {
            return self.set_narrow(times, repeated, syn_data, annex);
        }
        let place = annex.keep(self.setup.annexed(), numbers);
        let place = place.and_then(|place| i32::try_from(place).ok());
        self.setup.times = [Setup::ELSEWHERE, place.unwrap_or(Setup::NOWHERE)];
        self.syn_data = u16::try_from(numbers.syn_data).unwrap_or(u16::MAX);
    }

    #[inline]
    fn set_narrow(&mut self, times: [i32; 2], [a, b]: [u8; 2], syn_data: u16, annex: &mut Annex) {
        annex.release(self.setup.annexed());
        self.setup.times = times;
        let [way_a, way_b] = &mut self.ways;
        (way_a.repeated, way_b.repeated) = (a, b);
        self.syn_data = syn_data;
    }

    /// The record that times refer to begins anew, `by_us` earlier.
    #[inline]
    pub(super) fn setup_moves(&mut self, by_us: i64, annex: &mut Annex) {
        if self.progress.has(Progress::OPENING) && !self.progress.has(Progress::COMPLETED) {
            self.times_move(by_us, annex);
        }
    }

    #[inline(never)] // few records end in mid-handshake
    fn times_move(&mut self, by_us: i64, annex: &mut Annex) {
        let Some(mut numbers) = self.numbers(annex) else {
            return;
        };
        let [syn, synack] = &mut numbers.times;
        *syn = syn.saturating_add(by_us);
        if self.progress.has(Progress::ANSWERED) {
            *synack = synack.saturating_add(by_us);
        }
        self.set_numbers(&numbers, annex);
    }

    #[inline(never)]
    pub(super) fn syn(
        &mut self,
        since: u32,
        from: Side,
        sequence: u32,
        payload: u32,
        annex: &mut Annex,
    ) {
        let Self {
            setup, progress, ..
        } = self;
        let completed = progress.has(Progress::COMPLETED);
        if completed && progress.side(Progress::CLIENT_B) == from && setup.peer == sequence {
            return; // the completed connection's own SYN again
        }
        let again = progress.has(Progress::OPENING) && setup.is_of(*progress, from, sequence);
        if !again {
            progress.set(Progress::CONNECTION, false);
            progress.set(Progress::OPENER_B, from == Side::B);
            setup.isn = sequence;
        }
        progress.set(Progress::OPENING, true);
        progress.set(Progress::ANSWERED, false);
        let numbers = match (completed, again) {
            (false, false)
                if let (Ok(time), Ok(octets)) = (since.try_into(), payload.try_into()) =>
            {
                return self.set_narrow([time, 0], [0; 2], octets, annex);
            }
            (false, false) => Some(Numbers {
                times: [i64::from(since), 0],
                repeated: [0; 2],
                syn_data: payload,
            }),
            (false, true) => self.numbers(annex).map(|mut numbers| {
                numbers.times = [i64::from(since), 0];
                numbers.repeats(from);
                numbers
            }),
            (true, false) => self.numbers(annex).map(|numbers| Numbers {
                syn_data: payload,
                ..numbers
            }),
            (true, true) => None,
        };
        if let Some(numbers) = numbers {
            self.set_numbers(&numbers, annex);
        }
    }

    #[inline(never)]
    pub(super) fn syn_ack(
        &mut self,
        since: u32,
        from: Side,
        sequence: u32,
        acknowledgement: u32,
        annex: &mut Annex,
    ) {
        let numbers = self.numbers(annex);
        let syn_data = numbers.map_or(u32::from(self.syn_data), |numbers| numbers.syn_data);
        let Self {
            setup, progress, ..
        } = self;
        let beyond = acknowledgement.wrapping_sub(setup.isn).wrapping_sub(1);
        let asked = progress.has(Progress::OPENING) && progress.side(Progress::OPENER_B) != from;
        if !asked || beyond > syn_data {
            return;
        }
        let first = !progress.has(Progress::ANSWERED);
        progress.set(Progress::ANSWERED, true);
        if progress.has(Progress::COMPLETED) {
            return;
        }
        if first {
            setup.peer = sequence;
        }
        if let Some(mut numbers) = numbers {
            if first {
                let [_, synack] = &mut numbers.times;
                *synack = i64::from(since);
                *numbers.repeated_mut(from) = 0;
            } else {
                numbers.repeats(from);
            }
            self.set_numbers(&numbers, annex);
        }
    }

    #[inline(never)]
    pub(super) fn third_ack(
        &mut self,
        since: u32,
        from: Side,
        acknowledgement: u32,
        annex: &mut Annex,
    ) {
        let Self {
            setup, progress, ..
        } = self;
        if progress.side(Progress::OPENER_B) != from
            || acknowledgement != setup.peer.wrapping_add(1)
        {
            return;
        }
        setup.peer = setup.isn;
        progress.set(Progress::COMPLETED, true);
        progress.set(Progress::CLIENT_B, from == Side::B);
        if let Some(mut numbers) = self.numbers(annex) {
            let [syn, synack] = numbers.times;
            numbers.times = [
                synack.saturating_sub(syn),
                i64::from(since).saturating_sub(synack),
            ];
            self.set_numbers(&numbers, annex);
        }
    }

    /// The first handshake, where it is complete and can be told.
    pub(crate) fn handshake(&self, annex: &Annex) -> Option<Handshake> {
        if !self.progress.has(Progress::COMPLETED) {
            return None;
        }
        let numbers = self.numbers(annex)?;
        let ([there, back], [a, b]) = (numbers.times, numbers.repeated);
        let client = self.progress.side(Progress::CLIENT_B);
        let (syn_retx, synack_retx) = match client {
            Side::A => (a, b),
            Side::B => (b, a),
        };
        Some(Handshake {
            client,
            syn_retx,
            synack_retx,
            syn_to_synack_us: there,
            synack_to_ack_us: back,
        })
    }

    /// In a copy that leaves: the handshake at full width, in place of what
    /// only tracking needs.
    pub(super) fn tell(&mut self, handshake: Option<&Handshake>) {
        self.progress.set(Progress::COMPLETED, handshake.is_some());
        let Some(handshake) = handshake else {
            return;
        };
        let (there, back) = (handshake.syn_to_synack_us, handshake.synack_to_ack_us);
        self.setup = Setup {
            times: [low(there), low(back)],
            isn: high(there),
            peer: high(back),
        };
        let [a, b] = &mut self.ways;
        (a.track.highest, b.track.highest) = (handshake.syn_retx, handshake.synack_retx);
    }

    /// Out of a copy that leaves.
    pub(super) fn told(&self) -> Option<Handshake> {
        let [a, b] = &self.ways;
        let [there, back] = self.setup.times;
        self.progress.has(Progress::COMPLETED).then(|| Handshake {
            client: self.progress.side(Progress::CLIENT_B),
            syn_retx: a.track.highest,
            synack_retx: b.track.highest,
            syn_to_synack_us: whole(self.setup.isn, there),
            synack_to_ack_us: whole(self.setup.peer, back),
        })
    }
}

fn low(time: i64) -> i32 {
    (time & 0xffff_ffff) as i32
}

fn high(time: i64) -> u32 {
    (time.cast_unsigned() >> 32) as u32
}

fn whole(high: u32, low: i32) -> i64 {
    (u64::from(high) << 32 | u64::from(low.cast_unsigned())).cast_signed()
}
