//! Ways beside each other: the routers of each hop and the links between them.
//!
//! Routers that balance load choose by what stays the same in a flow, so each
//! flow shows one way. This is the Multipath Detection Algorithm (Veitch,
//! Augustin, Teixeira, Friedman: Failure Control in Multipath Route Tracing,
//! INFOCOM 2009): behind each router so many flows that pass it are tried that,
//! had it one next hop more than were seen and chose among them evenly, all of
//! them would have been seen with 95 % ([`stopping_point`]). That bound is one
//! of each router, not of the whole graph, and of routers that choose evenly.
//!
//! A hop where only one router was seen that way passes all flows; else a flow
//! is asked who it passes there before it counts behind it. What does not
//! answer, three times and with a second between, is not known; a hop of which
//! nothing is known is one vertex without a name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::flight::Flight;
use super::graph::{Graph, Level, Seen, Vertex, stopping_point};
use super::{
    Answer, Arrival, Counts, Event, Machine, Note, Plan, PlanError, Probe, State, Taken, Transmit,
};

/// Chance that one more next hop of a router stays unseen.
const FAILURE: f64 = 0.05;
/// Flows in all: each is a socket. With 96 a router of 16 next hops is seen
/// whole.
const MAX_FLOWS: u16 = 256;
/// Times that a flow is asked at a hop.
const TRIES: u8 = 3;
/// Between two of them: routers that limit their answers mostly allow one a
/// second.
const BETWEEN: Duration = Duration::from_secs(1);
/// Without an answer at all, hops in a row before the path counts as ended.
const SILENT_HOPS: u8 = 5;
/// An answer that takes so many times the longest round trip so far is not
/// waited for, but for at least [`LEAST_WAIT`].
const LEAST_WAIT: Duration = Duration::from_millis(200);

/// What is known of one flow at one hop.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    /// To be asked, not before.
    Due { not_before: Duration, tries: u8 },
    /// Asked by this probe.
    Asked { serial: u32, tries: u8 },
    /// Known.
    Known(IpAddr, bool),
    /// No answer.
    Silent,
}

/// The search.
#[derive(Debug, Clone)]
pub struct Multipath {
    flight: Flight,
    cells: BTreeMap<(u8, u16), Cell>,
    seen: BTreeMap<u8, BTreeMap<IpAddr, Seen>>,
    /// Hops that were found with too few flows.
    uncertain: BTreeSet<u8>,
    hop: u8,
    flows: u16,
    longest: Duration,
    next_send: Duration,
    events: VecDeque<Event>,
    counts: Counts,
    is_over: bool,
}

impl Multipath {
    /// A search that follows `plan`, whose `queries` and `find_mtu` have no
    /// meaning here.
    pub fn new(plan: Plan, key: [u8; 16]) -> Result<Self, PlanError> {
        plan.check()?;
        let mut new = Self {
            cells: BTreeMap::new(),
            seen: BTreeMap::new(),
            uncertain: BTreeSet::new(),
            hop: plan.first_hop,
            flows: 0,
            longest: Duration::ZERO,
            next_send: Duration::ZERO,
            events: VecDeque::new(),
            counts: Counts::default(),
            is_over: false,
            flight: Flight::new(plan, key),
        };
        new.advance();
        Ok(new)
    }

    /// What was found.
    pub fn graph(&self) -> Graph {
        let first = self.flight.plan().first_hop;
        let mut links = BTreeSet::new();
        let mut levels = Vec::new();
        for hop in first..=self.hop {
            let mut vertices: BTreeMap<Vertex, Seen> = self
                .seen
                .get(&hop)
                .into_iter()
                .flatten()
                .map(|(router, seen)| (Some(*router), seen.clone()))
                .collect();
            if vertices.is_empty() {
                vertices.insert(None, Seen::default());
            }
            for flow in 0..self.flows {
                if !self.cells.contains_key(&(hop, flow)) {
                    continue;
                }
                let (from, to) = (self.vertex(hop - 1, flow), self.vertex(hop, flow));
                if let (true, Some(from), Some(to)) = (hop > first, from, to) {
                    links.insert((hop, from, to));
                }
            }
            levels.push(Level {
                hop,
                vertices,
                is_certain: !self.uncertain.contains(&hop),
            });
        }
        Graph { levels, links }
    }

    /// True where the destination itself answered.
    pub fn is_reached(&self) -> bool {
        let answers = self.seen.values().flat_map(BTreeMap::values);
        answers
            .filter_map(|seen| seen.last.as_ref())
            .any(Answer::is_reached)
    }

    /// Whom a flow passes at a hop; the outer `None`: not known.
    fn vertex(&self, hop: u8, flow: u16) -> Option<Vertex> {
        if let Some(Cell::Known(router, _)) = self.cells.get(&(hop, flow)) {
            return Some(Some(*router));
        }
        // Where there is one way only, every flow takes it.
        match self.seen.get(&hop) {
            None => Some(None),
            Some(seen) if seen.len() == 1 && hop < self.hop => Some(seen.keys().next().copied()),
            Some(seen) if seen.is_empty() => Some(None),
            Some(_) => None,
        }
    }

    /// True where this flow ended at this hop or before.
    fn has_ended(&self, hop: u8, flow: u16) -> bool {
        let first = self.flight.plan().first_hop;
        (first..=hop).any(|hop| matches!(self.cells.get(&(hop, flow)), Some(Cell::Known(_, true))))
    }

    /// Puts a question to a flow, once; true where it is new.
    fn ask(&mut self, hop: u8, flow: u16) -> bool {
        if self.cells.contains_key(&(hop, flow)) {
            return false;
        }
        let due = Cell::Due {
            not_before: Duration::ZERO,
            tries: 0,
        };
        self.cells.insert((hop, flow), due);
        true
    }

    fn new_flow(&mut self) -> Option<u16> {
        let flow = self.flows;
        self.flows = (flow < MAX_FLOWS).then_some(flow + 1)?;
        Some(flow)
    }

    /// True while some question is open.
    fn is_busy(&self) -> bool {
        let open = |cell: &Cell| matches!(cell, Cell::Due { .. } | Cell::Asked { .. });
        self.cells.values().any(open)
    }

    /// Every question is answered: asks the next ones, goes on to the next
    /// hop, or ends.
    fn advance(&mut self) {
        while !self.is_over && !self.is_busy() {
            if self.ask_more() {
                return;
            }
            let hop = self.hop;
            self.events.push_back(Event::Hop(hop));
            if self.is_end() {
                self.is_over = true;
                self.events.push_back(Event::Finished);
            } else {
                self.hop += 1;
            }
        }
    }

    /// Questions that are still needed at this hop; true where there are any.
    fn ask_more(&mut self) -> bool {
        let (hop, first) = (self.hop, self.flight.plan().first_hop);
        let before: Vec<Vertex> = if hop == first {
            vec![None]
        } else {
            match self.seen.get(&(hop - 1)) {
                Some(seen) if !seen.is_empty() => seen.keys().copied().map(Some).collect(),
                _ => vec![None],
            }
        };
        let mut asked = false;
        for from in before.iter().copied() {
            let through: Vec<u16> = (0..self.flows)
                .filter(|flow| hop == first || self.vertex(hop - 1, *flow) == Some(from))
                .filter(|flow| hop == first || !self.has_ended(hop - 1, *flow))
                .collect();
            // Nothing is behind the destination.
            let is_final = hop > first && from.is_some_and(|from| self.is_final(hop - 1, from));
            if is_final {
                continue;
            }
            let (tried, fresh): (Vec<u16>, Vec<u16>) = through
                .into_iter()
                .partition(|flow| self.cells.contains_key(&(hop, *flow)));
            let next: BTreeSet<IpAddr> = tried
                .iter()
                .filter_map(|flow| match self.cells.get(&(hop, *flow)) {
                    Some(Cell::Known(router, _)) => Some(*router),
                    _ => None,
                })
                .collect();
            // Flows that stayed without an answer count as tried while some
            // were answered: else a silent hop would be asked for ever.
            let needed = stopping_point(u32::try_from(next.len()).unwrap_or(u32::MAX), FAILURE);
            let missing = usize::try_from(needed)
                .unwrap_or(usize::MAX)
                .saturating_sub(tried.len());
            for flow in fresh.iter().take(missing) {
                asked |= self.ask(hop, *flow);
            }
            let wide = before.len() > 1;
            for _ in fresh.len()..missing {
                let Some(flow) = self.new_flow() else {
                    self.uncertain.insert(hop);
                    break;
                };
                // Who is on its way is asked first where that is not clear.
                asked |= self.ask(if wide { hop - 1 } else { hop }, flow);
            }
        }
        asked | self.ask_back()
    }

    /// A router that was found by a new flow has no link to the hop before it
    /// yet: that flow is asked there too.
    fn ask_back(&mut self) -> bool {
        let first = self.flight.plan().first_hop;
        let known: Vec<(u8, u16, IpAddr)> = self
            .cells
            .iter()
            .filter_map(|((hop, flow), cell)| match cell {
                Cell::Known(router, _) if *hop > first => Some((*hop, *flow, *router)),
                _ => None,
            })
            .collect();
        let linked: BTreeSet<(u8, IpAddr)> = known
            .iter()
            .filter(|(hop, flow, _)| self.vertex(hop - 1, *flow).is_some())
            .map(|(hop, _, router)| (*hop, *router))
            .collect();
        let mut asked = false;
        for (hop, flow, router) in known {
            if !linked.contains(&(hop, router)) {
                asked |= self.ask(hop - 1, flow);
            }
        }
        asked
    }

    fn is_final(&self, hop: u8, router: IpAddr) -> bool {
        self.cells
            .range((hop, 0)..=(hop, u16::MAX))
            .any(|(_, cell)| *cell == Cell::Known(router, true))
    }

    fn is_end(&self) -> bool {
        let plan = self.flight.plan();
        if self.hop >= plan.max_hops {
            return true;
        }
        match self.seen.get(&self.hop) {
            Some(seen) if !seen.is_empty() => {
                seen.keys().all(|router| self.is_final(self.hop, *router))
            }
            _ => {
                let heard = self.seen.keys().next_back().copied();
                let since = heard.unwrap_or(plan.first_hop - 1);
                self.hop - since >= SILENT_HOPS
            }
        }
    }

    fn known(&mut self, probe: &Probe, answer: &Answer) {
        self.longest = self.longest.max(answer.rtt);
        let cell = Cell::Known(answer.from, answer.kind.is_final());
        self.cells.insert((probe.hop, probe.flow), cell);
        let routers = self.seen.entry(probe.hop).or_default();
        let seen = routers.entry(answer.from).or_default();
        seen.flows.insert(probe.flow);
        seen.trips.add(answer.rtt);
        seen.last = Some(answer.clone());
    }

    fn deadline(&self, probe: &Probe) -> Duration {
        let plan = self.flight.plan();
        let factor = plan.wait.near;
        let near = Duration::try_from_secs_f64(self.longest.as_secs_f64() * factor);
        let wait = match near {
            Ok(near) if factor > 0.0 && !self.longest.is_zero() => {
                near.max(LEAST_WAIT).min(plan.wait.max)
            }
            _ => plan.wait.max,
        };
        probe.sent_at.saturating_add(wait)
    }

    fn next_due(&self) -> Option<((u8, u16), Duration, u8)> {
        let due = self.cells.iter().filter_map(|(at, cell)| match cell {
            Cell::Due { not_before, tries } => Some((*at, *not_before, *tries)),
            _ => None,
        });
        due.min_by_key(|(_, not_before, _)| *not_before)
    }

    fn can_send(&self) -> bool {
        let most = usize::from(self.flight.plan().parallel);
        self.flight.has_room() && self.flight.waiting().count() < most
    }
}

impl Machine for Multipath {
    fn poll_transmit(&mut self, now: Duration) -> Option<Transmit> {
        if self.is_over || now < self.next_send || !self.can_send() {
            return None;
        }
        let ((hop, flow), not_before, tries) = self.next_due()?;
        if not_before > now {
            return None;
        }
        let octets = self.flight.plan().packet_octets;
        let transmit = self.flight.launch(now, hop, tries.into(), flow, octets);
        let asked = Cell::Asked {
            serial: transmit.probe.serial,
            tries: tries + 1,
        };
        self.cells.insert((hop, flow), asked);
        self.next_send = now.saturating_add(self.flight.plan().send_wait);
        self.counts.sent += 1;
        self.events.push_back(Event::Sent(transmit.probe));
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
                if let Event::Answered(probe, answer) | Event::Late(probe, answer) = &event {
                    // Late for a question that was answered since: no news.
                    let at = (probe.hop, probe.flow);
                    if !matches!(self.cells.get(&at), Some(Cell::Known(..)) | None) {
                        self.known(probe, answer);
                    }
                }
                self.events.push_back(event);
            }
            Taken::Unnamed(from) => {
                if self.flight.trusts_after.is_none() {
                    self.flight.trusts_after = Some(BETWEEN);
                    self.events.push_back(Event::Note(Note::ShortQuotes(from)));
                }
            }
            Taken::Nothing => {}
        }
        self.advance();
    }

    fn poll_timeout(&self) -> Option<Duration> {
        if self.is_over {
            return None;
        }
        let deadlines = self.flight.waiting().map(|probe| self.deadline(probe));
        let next = self.next_due().filter(|_| self.can_send());
        let next = next.map(|(_, not_before, _)| not_before.max(self.next_send));
        // Without anything due or under way there is only `advance` left.
        deadlines.chain(next).min().or(Some(Duration::ZERO))
    }

    fn handle_timeout(&mut self, now: Duration) {
        let expired: Vec<Probe> = self
            .flight
            .waiting()
            .filter(|probe| self.deadline(probe) <= now)
            .copied()
            .collect();
        for probe in expired {
            if !self.flight.expire(probe.serial) {
                continue;
            }
            self.counts.lost += 1;
            self.events.push_back(Event::Expired(Probe {
                state: State::Expired,
                ..probe
            }));
            let at = (probe.hop, probe.flow);
            if let Some(Cell::Asked { serial, tries }) = self.cells.get(&at)
                && *serial == probe.serial
            {
                let tries = *tries;
                let next = if tries < TRIES {
                    Cell::Due {
                        not_before: now.saturating_add(BETWEEN),
                        tries,
                    }
                } else {
                    Cell::Silent
                };
                self.cells.insert(at, next);
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
