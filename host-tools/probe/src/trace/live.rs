//! A trace that goes on, round after round, as mtr does.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::flight::Flight;
use super::hop_report::{HopReport, Verdict};
use super::stats::chance_of_less;
use super::{
    Answer, Arrival, Counts, Event, Machine, Note, Plan, PlanError, Probe, State, Taken, Transmit,
};

/// After the first round no hop is asked that is so far behind the last one
/// that ever answered, as in mtr.
const GAP: u8 = 5;
/// So many probes that are given up at the hop where the destination should be,
/// by the TTL of its answer, and it is not there.
const DOUBT: u64 = 2;
/// A verdict must be so unlikely to be chance.
const CHANCE: f64 = 0.05;

/// The trace.
#[derive(Debug, Clone)]
pub struct Live {
    flight: Flight,
    hops: Vec<HopReport>,
    interval: Duration,
    /// Rounds to be done; `None`: for ever.
    rounds: Option<u32>,
    round: u32,
    /// The next hop of this round.
    next_hop: u8,
    next_send: Duration,
    round_began: Option<Duration>,
    /// Probes under way of each round.
    open: BTreeMap<u32, u32>,
    told: u32,
    /// The hop where the path ended, last time it was seen to.
    end: Option<u8>,
    /// Hops are asked from ports of their own where nobody was named yet.
    spreads: bool,
    events: VecDeque<Event>,
    counts: Counts,
    is_over: bool,
}

impl Live {
    /// A trace that asks each hop once every `interval`, `rounds` times.
    pub fn new(
        plan: Plan,
        key: [u8; 16],
        interval: Duration,
        rounds: Option<u32>,
    ) -> Result<Self, PlanError> {
        plan.check()?;
        Ok(Self {
            hops: (plan.first_hop..=plan.max_hops)
                .map(HopReport::new)
                .collect(),
            interval,
            rounds,
            round: 0,
            next_hop: plan.first_hop,
            next_send: Duration::ZERO,
            round_began: None,
            open: BTreeMap::new(),
            told: 0,
            end: None,
            spreads: false,
            events: VecDeque::new(),
            counts: Counts::default(),
            is_over: false,
            flight: Flight::new(plan, key),
        })
    }

    /// The hops so far, to the end of the path or the last one that answered.
    pub fn report(&self) -> Vec<HopReport> {
        let last = self.end.or_else(|| self.last_heard()).unwrap_or(0);
        let mut hops: Vec<HopReport> = self
            .hops
            .iter()
            .filter(|hop| hop.hop <= last)
            .cloned()
            .collect();
        let nearer = self.nearer();
        if let Some(end) = hops.last_mut() {
            end.nearer = nearer;
        }
        let Some(end) = hops.last().cloned() else {
            return hops;
        };
        for hop in hops.iter_mut().rev().skip(1) {
            // It may be the destination itself that was silent.
            if nearer.is_some_and(|nearer| nearer <= hop.hop) {
                continue;
            }
            let heard = hop.answered + hop.late;
            if heard == 0 && hop.lost > 0 {
                hop.verdict = Verdict::Silent;
            } else if hop.lost > 0
                && end.settled() > 0
                && chance_of_less(hop.lost, hop.settled(), end.lost, end.settled()) < CHANCE
            {
                hop.verdict = Verdict::RateLimited;
            }
        }
        hops
    }

    /// Rounds of which every probe is answered or given up.
    pub fn rounds_done(&self) -> u32 {
        self.told
    }

    /// True where the destination itself answered.
    pub fn is_reached(&self) -> bool {
        self.hops.iter().any(|hop| hop.is_reached)
    }

    fn last_heard(&self) -> Option<u8> {
        let heard = |hop: &&HopReport| !hop.routers.is_empty();
        self.hops.iter().rev().find(heard).map(|hop| hop.hop)
    }

    /// The last hop of a round.
    fn last_hop(&self) -> u8 {
        let max = self.flight.plan().max_hops;
        match (self.end, self.last_heard()) {
            (Some(end), _) => end,
            (None, Some(heard)) if self.round > 0 => heard.saturating_add(GAP).min(max),
            _ => max,
        }
    }

    /// Where the destination may be, which answered only a probe that could go
    /// further: one that limits its answers has one left for whichever probe is
    /// first by then. A guess, by the TTL of that answer, until a router
    /// answers from there on, or nobody does.
    fn nearer(&self) -> Option<u8> {
        let end = self.hop(self.end?)?;
        let back = end.last.as_ref().filter(|last| last.is_reached())?;
        let nearer = back.hops_back()?.max(self.flight.plan().first_hop);
        let mut between = self
            .hops
            .iter()
            .filter(|hop| (nearer..end.hop).contains(&hop.hop));
        let is_there = self.hop(nearer)?.lost < DOUBT;
        let is_silent = between.all(|hop| hop.routers.is_empty());
        (nearer < end.hop && is_there && is_silent).then_some(nearer)
    }

    /// The hop to ask behind this one; `None`: the round is over.
    fn hop_behind(&self, hop: u8, last: u8) -> Option<u8> {
        match self.nearer() {
            // What limits its answers is not asked in between, and every other
            // round it is asked where it may be only.
            Some(nearer) if (nearer..last).contains(&hop) => (self.round % 2 == 1).then_some(last),
            _ => (hop < last).then(|| hop.saturating_add(1)),
        }
    }

    fn is_last_round(&self) -> bool {
        self.rounds.is_some_and(|rounds| self.round >= rounds)
    }

    fn hop(&self, hop: u8) -> Option<&HopReport> {
        let first = self.flight.plan().first_hop;
        self.hops.get(usize::from(hop.checked_sub(first)?))
    }

    fn hop_mut(&mut self, hop: u8) -> Option<&mut HopReport> {
        let first = self.flight.plan().first_hop;
        self.hops.get_mut(usize::from(hop.checked_sub(first)?))
    }

    /// A probe of this round is no longer under way.
    fn settle(&mut self, probe: &Probe) {
        if let Some(open) = self.open.get_mut(&probe.attempt) {
            *open = open.saturating_sub(1);
        }
        self.advance();
    }

    /// Tells rounds that are over, in order.
    fn advance(&mut self) {
        while self.told < self.round && self.open.get(&self.told).is_none_or(|open| *open == 0) {
            self.open.remove(&self.told);
            self.told += 1;
            self.events.push_back(Event::Round(self.told));
        }
        if !self.is_over && self.is_last_round() && self.told == self.round {
            self.is_over = true;
            self.events.push_back(Event::Finished);
        }
    }

    /// The round's probes are all out.
    fn end_round(&mut self) {
        self.round += 1;
        self.next_hop = self.flight.plan().first_hop;
        self.next_send = self
            .round_began
            .take()
            .unwrap_or_default()
            .saturating_add(self.interval);
        self.advance();
    }

    fn heard(&mut self, probe: &Probe, answer: &Answer) {
        if answer.kind.is_final() {
            self.end = Some(self.end.map_or(probe.hop, |end| end.min(probe.hop)));
        } else if self.end.is_some_and(|end| end <= probe.hop) {
            // The path got longer.
            self.end = None;
        }
    }
}

impl Machine for Live {
    fn poll_transmit(&mut self, now: Duration) -> Option<Transmit> {
        if self.is_over || self.is_last_round() || now < self.next_send {
            return None;
        }
        if !self.flight.has_room() {
            return None;
        }
        let (hop, last) = (self.next_hop, self.last_hop());
        if hop > last {
            // The end came nearer while this round was under way.
            self.end_round();
            return None;
        }
        let never_named = self.hop_mut(hop).is_none_or(|hop| hop.routers.is_empty());
        let spread = self.spreads && (never_named || self.flight.has_own_flow(hop));
        let flow = if spread { u16::from(hop) } else { 0 };
        let octets = self.flight.plan().packet_octets;
        let transmit = self.flight.launch(now, hop, self.round, flow, octets);
        let first = self.flight.plan().first_hop;
        let began = *self.round_began.get_or_insert(now);
        *self.open.entry(self.round).or_default() += 1;
        if let Some(hop) = self.hop_mut(hop) {
            hop.sent += 1;
            hop.waiting += 1;
        }
        self.counts.sent += 1;
        self.events.push_back(Event::Sent(transmit.probe));
        let Some(next) = self.hop_behind(hop, last) else {
            self.end_round();
            return Some(transmit);
        };
        self.next_hop = next;
        let hops = u32::from(last - first) + 1;
        let step = (self.interval / hops).max(self.flight.plan().send_wait);
        self.next_send = began.max(now).saturating_add(step);
        Some(transmit)
    }

    fn handle_sent(&mut self, serial: u32, at: Duration) {
        self.flight.sent(serial, at);
    }

    fn handle_arrival(&mut self, arrival: &Arrival<'_>) {
        if self.is_over {
            return;
        }
        let outcome = self.flight.take(arrival);
        match self.counts.take(outcome) {
            Taken::Event(event) => {
                match &event {
                    Event::Answered(probe, answer) => {
                        self.heard(probe, answer);
                        if let Some(hop) = self.hop_mut(probe.hop) {
                            hop.waiting = hop.waiting.saturating_sub(1);
                            hop.answered += 1;
                            hop.heard(answer);
                            if probe.flow != 0 {
                                hop.named();
                            }
                        }
                        let probe = *probe;
                        self.events.push_back(event);
                        self.settle(&probe);
                        return;
                    }
                    Event::Late(probe, answer) => {
                        self.heard(probe, answer);
                        if let Some(hop) = self.hop_mut(probe.hop) {
                            if probe.flow == 0 && hop.unnamed > 0 {
                                hop.unnamed -= 1;
                            } else {
                                hop.lost = hop.lost.saturating_sub(1);
                            }
                            hop.late += 1;
                            hop.heard(answer);
                        }
                    }
                    Event::Duplicate(probe, _) => {
                        if let Some(hop) = self.hop_mut(probe.hop) {
                            hop.duplicates += 1;
                        }
                    }
                    _ => {}
                }
                self.events.push_back(event);
            }
            Taken::Unnamed(from) => {
                if !self.spreads {
                    self.spreads = true;
                    self.events.push_back(Event::Note(Note::ShortQuotes(from)));
                }
            }
            Taken::Nothing => {}
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        if self.is_over {
            return None;
        }
        let wait = self.flight.plan().wait.max;
        let deadlines = self
            .flight
            .waiting()
            .map(|probe| probe.sent_at.saturating_add(wait));
        let can_send = !self.is_last_round() && self.flight.has_room();
        let next_send = can_send.then_some(self.next_send);
        deadlines.chain(next_send).min()
    }

    fn handle_timeout(&mut self, now: Duration) {
        let wait = self.flight.plan().wait.max;
        let expired: Vec<Probe> = self
            .flight
            .waiting()
            .filter(|probe| probe.sent_at.saturating_add(wait) <= now)
            .copied()
            .collect();
        for probe in expired {
            if !self.flight.expire(probe.serial) {
                continue;
            }
            self.counts.lost += 1;
            if let Some(hop) = self.hop_mut(probe.hop) {
                hop.waiting = hop.waiting.saturating_sub(1);
                if probe.flow == 0 && hop.is_named {
                    hop.unnamed += 1;
                } else {
                    hop.lost += 1;
                    hop.nameless += u64::from(probe.flow == 0 && hop.routers.is_empty());
                }
            }
            self.events.push_back(Event::Expired(Probe {
                state: State::Expired,
                ..probe
            }));
            self.settle(&probe);
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn counts(&self) -> &Counts {
        &self.counts
    }
}
