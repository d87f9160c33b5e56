//! A trace as traceroute does it: some probes for each hop, many under way at
//! once, until one of them gets there.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::flight::Flight;
use super::{
    Answer, Arrival, Cause, Counts, Event, Kind, Machine, Note, Place, Plan, PlanError, Probe,
    State, Taken, Transmit,
};

/// Added to what a factor of [`super::Wait`] gives: clocks are not that exact.
const OVERHEAD: Duration = Duration::from_millis(1);
/// Without a path MTU in the message: the next smaller one of these is tried
/// (RFC 1191, section 7.1).
const PLATEAUS: [u32; 10] = [
    32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_280, 1_006, 508, 296,
];

/// One place of the table.
#[derive(Debug, Clone, Default)]
struct Slot {
    probe: Option<Probe>,
    /// Answered, or given up for good.
    is_done: bool,
    answer: Option<Answer>,
    mtu: Option<u32>,
    /// It was sent once more from a port of its own.
    is_repeated: bool,
    /// To be sent (again) before anything else.
    is_due: bool,
}

/// The trace.
#[derive(Debug, Clone)]
pub struct Once {
    flight: Flight,
    slots: Vec<Slot>,
    /// The next slot that was never sent.
    next: usize,
    /// The next slot to be told.
    told: usize,
    /// The first hop known to be the last one.
    end: u8,
    /// Octets of the next probe.
    octets: u32,
    /// Flow of the next repetition.
    next_flow: u16,
    /// A router quotes too little, and open probes are repeated.
    repeats: bool,
    next_send: Duration,
    events: VecDeque<Event>,
    counts: Counts,
    is_over: bool,
}

impl Once {
    /// A trace that follows `plan`; `key` must be new and not guessable.
    pub fn new(plan: Plan, key: [u8; 16]) -> Result<Self, PlanError> {
        plan.check()?;
        let hops = usize::from(plan.max_hops - plan.first_hop) + 1;
        Ok(Self {
            slots: vec![Slot::default(); hops * usize::from(plan.queries)],
            next: 0,
            told: 0,
            end: plan.max_hops,
            octets: plan.packet_octets,
            next_flow: 1,
            repeats: false,
            next_send: Duration::ZERO,
            events: VecDeque::new(),
            counts: Counts::default(),
            is_over: false,
            flight: Flight::new(plan, key),
        })
    }

    /// The path MTU as far as it was found: octets of the longest probe that
    /// was not refused.
    pub fn mtu(&self) -> u32 {
        self.octets
    }

    /// True where the destination itself answered.
    pub fn is_reached(&self) -> bool {
        let mut answers = self.slots.iter().filter_map(|slot| slot.answer.as_ref());
        answers.any(Answer::is_reached)
    }

    fn queries(&self) -> usize {
        usize::from(self.flight.plan().queries)
    }

    fn hop_of(&self, slot: usize) -> u8 {
        let hops = u8::try_from(slot / self.queries()).unwrap_or(u8::MAX);
        self.flight.plan().first_hop.saturating_add(hops)
    }

    /// Slots of hops up to the last one.
    fn needed(&self) -> usize {
        let hops = usize::from(self.end - self.flight.plan().first_hop) + 1;
        (hops * self.queries()).min(self.slots.len())
    }

    fn slot_of(&self, probe: &Probe) -> Option<usize> {
        let hop = usize::from(probe.hop.checked_sub(self.flight.plan().first_hop)?);
        let slot = hop * self.queries() + usize::try_from(probe.attempt).ok()?;
        let last = self.slots.get(slot)?.probe?;
        // An answer to what was sent before it was repeated counts too.
        (last.hop == probe.hop).then_some(slot)
    }

    /// The slot that is to be sent next.
    fn next_slot(&self) -> Option<usize> {
        let needed = self.needed();
        let due = |slot: &Slot| slot.is_due && !slot.is_done;
        let again = self.slots.iter().take(needed).position(due);
        again.or_else(|| (self.next < needed).then_some(self.next))
    }

    fn parallel(&self) -> usize {
        if self.flight.plan().find_mtu {
            1
        } else {
            usize::from(self.flight.plan().parallel)
        }
    }

    /// Probes under way for hops that matter.
    fn under_way(&self) -> usize {
        self.flight
            .waiting()
            .filter(|probe| probe.hop <= self.end)
            .count()
    }

    fn can_send(&self) -> bool {
        self.flight.has_room() && self.under_way() < self.parallel()
    }

    /// How long this probe is waited for: `-w MAX,HERE,NEAR`.
    fn wait_for(&self, probe: &Probe) -> Duration {
        let wait = self.flight.plan().wait;
        let mut answers = self
            .slots
            .iter()
            .filter_map(|slot| Some((slot.probe?.hop, slot.answer.as_ref()?.rtt)));
        let of_factor = |factor: f64, rtt: Option<(u8, Duration)>| {
            let rtt = rtt.filter(|_| factor > 0.0)?.1;
            let limit = Duration::try_from_secs_f64(rtt.as_secs_f64() * factor).ok()?;
            Some(limit.saturating_add(OVERHEAD).min(wait.max))
        };
        // Slots are in the order of hops.
        let here = answers.clone().find(|(hop, _)| *hop == probe.hop);
        if let Some(limit) = of_factor(wait.here, here) {
            return limit;
        }
        let near = answers.find(|(hop, _)| *hop > probe.hop);
        of_factor(wait.near, near).unwrap_or(wait.max)
    }

    fn deadline(&self, probe: &Probe) -> Duration {
        probe.sent_at.saturating_add(self.wait_for(probe))
    }

    /// Tells every slot that is done and comes next.
    fn advance(&mut self) {
        while self.told < self.needed() {
            let attempt = self.told % self.queries();
            let hop = self.hop_of(self.told);
            let Some(slot) = self.slots.get_mut(self.told).filter(|slot| slot.is_done) else {
                return;
            };
            let Some(probe) = slot.probe else { return };
            let place = Place {
                hop,
                attempt: u8::try_from(attempt).unwrap_or(u8::MAX),
                probe,
                answer: slot.answer.clone(),
                mtu: slot.mtu,
            };
            self.events.push_back(Event::Place(place));
            self.told += 1;
        }
        if !self.is_over {
            self.is_over = true;
            self.events.push_back(Event::Finished);
        }
    }

    /// The packet is too long for a link. True where a shorter one is tried.
    fn shorten(&mut self, slot: usize, mtu: u32) -> bool {
        let least = self.flight.plan().least_mtu();
        if !self.flight.plan().find_mtu {
            return false;
        }
        let octets = self.octets;
        let shorter = match mtu {
            0 => PLATEAUS.into_iter().find(|plateau| *plateau < octets),
            mtu => Some(mtu),
        };
        // What does not get shorter would go on for ever; what is below the
        // least was made up.
        let Some(shorter) = shorter.filter(|mtu| (least..octets).contains(mtu)) else {
            return false;
        };
        self.octets = shorter;
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.mtu = Some(shorter);
            slot.is_due = true;
        }
        true
    }

    fn answered(&mut self, probe: &Probe, answer: &Answer) {
        let Some(at) = self.slot_of(probe) else {
            return;
        };
        // What comes late still counts where silence was not told yet.
        let is_settled = |slot: &Slot| slot.is_done && (slot.answer.is_some() || at < self.told);
        if self.slots.get(at).is_none_or(is_settled) {
            return;
        }
        if let Kind::Unreachable(Cause::TooBig { mtu }) = answer.kind
            && self.shorten(at, mtu)
        {
            return;
        }
        if let Some(slot) = self.slots.get_mut(at) {
            slot.is_done = true;
            slot.answer = Some(answer.clone());
            slot.probe = Some(*probe);
        }
        if answer.kind.is_final() {
            self.end = self.end.min(probe.hop);
        }
    }

    fn unnamed(&mut self, from: IpAddr) {
        if !self.repeats {
            self.repeats = true;
            self.events.push_back(Event::Note(Note::ShortQuotes(from)));
        }
    }

    fn expired(&mut self, probe: Probe) {
        self.events.push_back(Event::Expired(Probe {
            state: State::Expired,
            ..probe
        }));
        self.counts.lost += 1;
        let repeats = self.repeats && probe.hop <= self.end;
        let Some(slot) = self.slot_of(&probe).and_then(|at| self.slots.get_mut(at)) else {
            return;
        };
        if slot.probe.is_none_or(|last| last.serial != probe.serial) {
            return;
        }
        if repeats && !slot.is_repeated {
            slot.is_repeated = true;
            slot.is_due = true;
        } else {
            slot.is_done = true;
        }
    }
}

impl Machine for Once {
    fn poll_transmit(&mut self, now: Duration) -> Option<Transmit> {
        if self.is_over || now < self.next_send || !self.can_send() {
            return None;
        }
        let at = self.next_slot()?;
        let hop = self.hop_of(at);
        let attempt = u32::try_from(at % self.queries()).ok()?;
        let slot = self.slots.get_mut(at)?;
        let flow = if slot.is_repeated && slot.is_due {
            let flow = self.next_flow;
            self.next_flow = self.next_flow.wrapping_add(1);
            flow
        } else {
            0
        };
        let transmit = self.flight.launch(now, hop, attempt, flow, self.octets);
        slot.is_due = false;
        slot.probe = Some(transmit.probe);
        if at == self.next {
            self.next += 1;
        }
        self.next_send = now.saturating_add(self.flight.plan().send_wait);
        self.counts.sent += 1;
        self.events.push_back(Event::Sent(transmit.probe));
        Some(transmit)
    }

    fn handle_sent(&mut self, serial: u32, at: Duration) {
        self.flight.sent(serial, at);
    }

    fn handle_too_long(&mut self, serial: u32, mtu: Option<u32>) -> bool {
        let Some(probe) = self
            .flight
            .waiting()
            .find(|probe| probe.serial == serial)
            .copied()
        else {
            return true;
        };
        let Some(slot) = self.slot_of(&probe) else {
            return true;
        };
        // It is neither sent nor lost.
        self.flight.take_back(serial);
        self.counts.sent = self.counts.sent.saturating_sub(1);
        self.shorten(slot, mtu.unwrap_or(0))
    }

    fn handle_arrival(&mut self, arrival: &Arrival<'_>) {
        if self.is_over {
            return;
        }
        let outcome = self.flight.take(arrival);
        match self.counts.take(outcome) {
            Taken::Event(event) => {
                if let Event::Answered(probe, answer) | Event::Late(probe, answer) = &event {
                    self.answered(probe, answer);
                }
                self.events.push_back(event);
            }
            Taken::Unnamed(from) => self.unnamed(from),
            Taken::Nothing => {}
        }
        self.advance();
    }

    fn poll_timeout(&self) -> Option<Duration> {
        if self.is_over {
            return None;
        }
        let deadlines = self.flight.waiting().map(|probe| self.deadline(probe));
        let can_send = self.next_slot().is_some() && self.can_send();
        deadlines.chain(can_send.then_some(self.next_send)).min()
    }

    fn handle_timeout(&mut self, now: Duration) {
        if self.is_over {
            return;
        }
        let expired: Vec<Probe> = self
            .flight
            .waiting()
            .filter(|probe| self.deadline(probe) <= now)
            .copied()
            .collect();
        for probe in expired {
            if self.flight.expire(probe.serial) {
                self.expired(probe);
            }
        }
        self.advance();
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn counts(&self) -> &Counts {
        &self.counts
    }
}
