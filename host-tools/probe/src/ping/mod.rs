//! Ping: echo requests to one destination, and what became of each.
//!
//! Order of use: [`Ping::new`]; then in a circle [`Ping::poll_transmit`] until
//! it gives none ([`Ping::handle_sent`] or [`Ping::handle_unsent`] for each it
//! gave), wait until [`Ping::poll_timeout`] at the latest, [`Ping::handle_reply`]
//! and [`Ping::handle_error`] for what came, [`Ping::handle_timeout`], and
//! [`Ping::poll_event`] until it gives none. Over once [`Ping::is_done`];
//! [`Ping::summary`] says at any time how it stands.
//!
//! A request is known by its 16-bit sequence number, so that the last 65,536
//! are: a reply is always taken for one to the latest request of its number.

mod config;
mod event;
mod message;
mod pace;
mod payload;
mod statistics;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::Time;
use crate::icmp::IcmpError;
pub use config::{Answers, Config, LONGEST};
pub use event::{Cause, Event, Length, Reply, Summary, What};
pub use message::{Advice, EchoReply, Framing, HEADER, parse_advice, parse_quote, parse_reply};
pub use pace::Pace;
use pace::Pacer;
pub use payload::{Pattern, Wrong};
use statistics::Outages;
pub use statistics::{Outage, RoundTrips, Summary as RoundTripSummary};

/// Requests that can still be told apart.
const WINDOW: usize = 1 << 16;

/// Room is made for so many at once, if so many are to be sent: what grows is
/// copied, again and again.
const ROOM: usize = 1 << 11;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    TimedOut,
    Answered,
    /// An error came, and no reply.
    Failed,
}

/// A request that was sent.
#[derive(Debug, Clone, Copy)]
struct Probe {
    /// Nanoseconds; small, since many are kept.
    sent_ns: u64,
    /// What its payload says, since 1970.
    wall_us: u64,
    state: State,
    has_error: bool,
    has_advice: bool,
    is_told: bool,
}

impl Probe {
    fn sent(&self) -> Time {
        Duration::from_nanos(self.sent_ns)
    }

    fn wall(&self) -> Duration {
        Duration::from_micros(self.wall_us)
    }
}

/// 584 years are enough.
fn nanoseconds(at: Time) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}

/// Echo requests to one destination.
#[derive(Debug, Clone)]
pub struct Ping {
    config: Config,
    /// It ends then, whatever came.
    deadline: Option<Time>,
    pacer: Pacer,
    /// The last [`WINDOW`] requests; the first of them has this number.
    probes: VecDeque<Probe>,
    first: u64,
    /// All before this one are not waited for any more.
    waiting_from: u64,
    /// Greatest number of which something came back, and of which a reply did.
    settled: u64,
    answered: u64,
    /// So many requests have an end: a reply or an error.
    ended: u64,
    round_trips: RoundTrips,
    outages: Outages,
    summary: Summary,
    last_activity: Option<Time>,
    first_sent: Option<Time>,
    events: VecDeque<Event>,
    is_done: bool,
}

/// Sequence number of a request.
fn sequence_of(number: u64) -> u16 {
    let [.., high, low] = number.to_be_bytes();
    u16::from_be_bytes([high, low])
}

impl Ping {
    /// Begins now.
    pub fn new(config: Config, now: Time) -> Self {
        let count = config.count.map_or(0, NonZeroU64::get);
        let room = usize::try_from(count).map_or(ROOM, |count| count.min(ROOM));
        Self {
            pacer: Pacer::new(config.pace, config.preload.max(1), now),
            deadline: config.deadline.map(|after| now.saturating_add(after)),
            config,
            probes: VecDeque::with_capacity(room),
            first: 1,
            waiting_from: 1,
            settled: 0,
            answered: 0,
            ended: 0,
            round_trips: RoundTrips::with_room(room),
            outages: Outages::default(),
            summary: Summary::default(),
            last_activity: None,
            first_sent: None,
            events: VecDeque::new(),
            is_done: false,
        }
    }

    /// What it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// True once nothing is sent or waited for any more.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Ends now. What is waited for stays so in the summary.
    pub fn stop(&mut self) {
        self.is_done = true;
    }

    /// Number of the latest request.
    fn last(&self) -> u64 {
        self.summary.transmitted
    }

    fn is_sent_out(&self) -> bool {
        let count = self.config.count.map(NonZeroU64::get);
        self.deadline.is_none() && count.is_some_and(|count| self.last() >= count)
    }

    /// True while something came back of the latest request.
    pub fn is_idle(&self) -> bool {
        self.in_flight() == 0
    }

    /// Requests since the latest of which something came back.
    fn in_flight(&self) -> u64 {
        self.last().saturating_sub(self.settled)
    }

    /// Writes the next request, if it is time for one, and gives its number;
    /// `wall` is the time since 1970, which it carries.
    pub fn poll_transmit(&mut self, now: Time, wall: Duration, into: &mut Vec<u8>) -> Option<u64> {
        if self.is_done || self.is_sent_out() {
            return None;
        }
        // Nobody would wait for its answer.
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return None;
        }
        if !self
            .pacer
            .take(now, self.in_flight(), self.round_trips.ewma())
        {
            return None;
        }
        let last = self.last();
        if self.config.tells_outstanding
            && let Some(probe) = self.probe(last)
            && matches!(probe.state, State::Waiting | State::TimedOut)
        {
            self.tell(now, last, What::NoAnswerYet);
        }
        let number = last.saturating_add(1);
        let wall_us = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
        let fill = message::Fill {
            size: self.config.size,
            pattern: &self.config.pattern,
            wall: Duration::from_micros(wall_us),
        };
        let is_v6 = self.config.destination.is_ipv6();
        let sequence = sequence_of(number);
        message::request(into, is_v6, self.config.identifier, sequence, &fill);
        if self.probes.len() == WINDOW
            && let Some(oldest) = self.probes.pop_front()
        {
            self.outages
                .add(oldest.sent(), oldest.state == State::Answered);
            self.first = self.first.saturating_add(1);
            self.waiting_from = self.waiting_from.max(self.first);
        }
        self.probes.push_back(Probe {
            sent_ns: nanoseconds(now),
            wall_us,
            state: State::Waiting,
            has_error: false,
            has_advice: false,
            is_told: false,
        });
        self.summary.transmitted = number;
        self.first_sent.get_or_insert(now);
        self.last_activity = Some(now);
        Some(number)
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    fn probe(&self, number: u64) -> Option<Probe> {
        self.probes.get(self.index(number)?).copied()
    }

    fn probe_mut(&mut self, number: u64) -> Option<&mut Probe> {
        let index = self.index(number)?;
        self.probes.get_mut(index)
    }

    /// The latest request of a sequence number.
    fn find(&self, sequence: u16) -> Option<u64> {
        let last = self.last();
        let back = sequence_of(last).wrapping_sub(sequence);
        let number = last.checked_sub(back.into())?;
        (number >= self.first && number > 0).then_some(number)
    }

    fn tell(&mut self, at: Time, number: u64, what: What) {
        if self.config.is_silent {
            return;
        }
        self.events.push_back(Event {
            at,
            number,
            sequence: sequence_of(number),
            what,
        });
    }

    /// A request went out at this time. May be told again when it is known
    /// better; after its reply that has no effect any more.
    pub fn handle_sent(&mut self, number: u64, at: Time) {
        let octets = HEADER + self.config.size;
        let Some(probe) = self.probe_mut(number) else {
            return;
        };
        if probe.state == State::Waiting {
            probe.sent_ns = nanoseconds(at);
        }
        if !std::mem::replace(&mut probe.is_told, true) {
            self.tell(at, number, What::Sent { octets });
        }
    }

    /// A request did not go out, or this machine says afterwards that it will
    /// not.
    pub fn handle_unsent(&mut self, number: u64, at: Time, cause: Cause) {
        self.fail(number, at, None, cause);
    }

    fn fail(&mut self, number: u64, at: Time, from: Option<IpAddr>, cause: Cause) {
        let Some(probe) = self.probe_mut(number) else {
            self.summary.foreign += 1;
            return;
        };
        if std::mem::replace(&mut probe.has_error, true) {
            // Said before.
            self.summary.foreign += 1;
            return;
        }
        if matches!(probe.state, State::Waiting | State::TimedOut) {
            probe.state = State::Failed;
            self.ended += 1;
        }
        self.summary.errors += 1;
        self.settled = self.settled.max(number);
        self.last_activity = Some(at);
        self.tell(at, number, What::Error { from, cause });
    }

    /// It changes nothing: the request is on its way.
    fn advise(&mut self, number: u64, at: Time, from: Option<IpAddr>, error: IcmpError) {
        let Some(probe) = self.probe_mut(number) else {
            self.summary.foreign += 1;
            return;
        };
        if std::mem::replace(&mut probe.has_advice, true) {
            // Said before.
            self.summary.foreign += 1;
            return;
        }
        self.summary.advice += 1;
        self.tell(at, number, What::Advice { from, error });
    }

    /// An ICMP error came that quotes a request with these two, sent to `to`.
    pub fn handle_error(
        &mut self,
        at: Time,
        from: Option<IpAddr>,
        to: Option<IpAddr>,
        (identifier, sequence): (u16, u16),
        cause: Cause,
    ) {
        if identifier != self.config.identifier {
            self.summary.others += 1;
            return;
        }
        let is_ours =
            to.is_none_or(|to| to.to_canonical() == self.config.destination.to_canonical());
        let Some(number) = self.find(sequence).filter(|_| is_ours) else {
            self.summary.foreign += 1;
            return;
        };
        match cause {
            Cause::Icmp(error) if error.is_advice() => self.advise(number, at, from, error),
            _ => self.fail(number, at, from, cause),
        }
    }

    /// A reply came.
    pub fn handle_reply(&mut self, at: Time, from: IpAddr, ttl: Option<u8>, reply: &EchoReply<'_>) {
        if reply.identifier != self.config.identifier {
            self.summary.others += 1;
            return;
        }
        let number = self.find(reply.sequence);
        let Some((number, probe)) = number.and_then(|n| Some((n, self.probe(n)?))) else {
            self.summary.foreign += 1;
            return;
        };
        let (size, pattern) = (self.config.size, &self.config.pattern);
        let wrong = payload::first_wrong(reply.payload, size, pattern, probe.wall());
        let length = match reply.payload.len().cmp(&size) {
            std::cmp::Ordering::Less => Length::Shorter,
            std::cmp::Ordering::Equal => Length::AsSent,
            std::cmp::Ordering::Greater => Length::Longer,
        };
        let is_elsewhere = from.to_canonical() != self.config.destination.to_canonical()
            && self.config.answers == Answers::Destination;
        // Nothing but its payload speaks for it.
        if is_elsewhere && (wrong.is_some() || length != Length::AsSent) {
            self.summary.foreign += 1;
            return;
        }
        let is_duplicate = reply.is_sum_right && probe.state == State::Answered;
        let counts = reply.is_sum_right && !is_duplicate;
        let told = Reply {
            from,
            octets: HEADER + reply.payload.len(),
            ttl: ttl.or(reply.ttl),
            rtt: at.saturating_sub(probe.sent()),
            is_duplicate,
            is_late: counts && probe.state == State::TimedOut,
            is_reordered: counts && number < self.answered,
            is_elsewhere,
            is_sum_right: reply.is_sum_right,
            wrong,
            length,
        };
        self.last_activity = Some(at);
        if !reply.is_sum_right {
            self.summary.bad_sums += 1;
        } else if is_duplicate {
            self.summary.duplicates += 1;
        } else {
            self.count(number, &told);
        }
        self.tell(at, number, What::Reply(told));
    }

    fn count(&mut self, number: u64, reply: &Reply) {
        let mut ends = false;
        if let Some(probe) = self.probe_mut(number) {
            ends = probe.state != State::Failed;
            probe.state = State::Answered;
        }
        self.ended += u64::from(ends);
        self.round_trips.add(reply.rtt);
        let on_their_way = self.last().saturating_sub(number).saturating_add(1);
        let summary = &mut self.summary;
        summary.received += 1;
        summary.late += u64::from(reply.is_late);
        summary.reordered += u64::from(reply.is_reordered);
        summary.wrong_data += u64::from(reply.wrong.is_some() || reply.length != Length::AsSent);
        summary.pipe = summary.pipe.max(on_their_way);
        self.answered = self.answered.max(number);
        self.settled = self.settled.max(number);
    }

    /// When it wants to be asked again at the latest; `None` once it is done.
    pub fn poll_timeout(&self) -> Option<Time> {
        if self.is_done {
            return None;
        }
        let transmit = (!self.is_sent_out()).then(|| {
            self.pacer
                .next_at(self.in_flight(), self.round_trips.ewma())
        });
        let lost = self.waiting().map(|(_, probe)| self.lost_at(&probe));
        [transmit, lost, self.ends_at()].into_iter().flatten().min()
    }

    /// The oldest request that is waited for.
    fn waiting(&self) -> Option<(u64, Probe)> {
        let mut number = self.waiting_from;
        while let Some(probe) = self.probe(number) {
            if probe.state == State::Waiting {
                return Some((number, probe));
            }
            number = number.saturating_add(1);
        }
        None
    }

    fn lost_at(&self, probe: &Probe) -> Time {
        probe.sent().saturating_add(self.config.timeout)
    }

    /// When it ends if nothing comes any more.
    fn ends_at(&self) -> Option<Time> {
        if self.deadline.is_some() {
            return self.deadline;
        }
        let last = self.probe(self.last()).filter(|_| self.is_sent_out())?;
        let patience = if self.summary.received > 0 {
            let twice = self.round_trips.max().saturating_mul(2);
            twice.max(self.pacer.interval())
        } else {
            self.config.timeout
        };
        Some(last.sent().saturating_add(patience))
    }

    /// Time has passed: says what is lost, and whether this was all.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.is_done {
            return;
        }
        loop {
            let Some((number, probe)) = self.waiting() else {
                self.waiting_from = self.last().saturating_add(1);
                break;
            };
            self.waiting_from = number;
            if self.lost_at(&probe) > now {
                break;
            }
            self.give_up(number, now);
        }
        if self.has_all() {
            self.is_done = true;
        } else if self.ends_at().is_some_and(|end| end <= now) {
            if self.deadline.is_none() {
                while let Some((number, _)) = self.waiting() {
                    self.give_up(number, now);
                }
            }
            self.is_done = true;
        }
    }

    fn give_up(&mut self, number: u64, now: Time) {
        self.waiting_from = number.saturating_add(1);
        if let Some(probe) = self.probe_mut(number) {
            probe.state = State::TimedOut;
        }
        self.tell(now, number, What::TimedOut);
    }

    /// Nothing more can come that would be waited for. As iputils has it, a
    /// deadline ends with the first error too.
    fn has_all(&self) -> bool {
        let count = self.config.count.map(NonZeroU64::get);
        let has_count = count.is_some_and(|count| self.ended >= count);
        has_count || (self.deadline.is_some() && self.summary.errors > 0)
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Exponential average of the round trips so far, in which each counts an
    /// eighth.
    pub fn ewma(&self) -> Duration {
        self.round_trips.ewma()
    }

    /// How it stands. It looks at up to 65,536 requests.
    pub fn summary(&self) -> Summary {
        let mut outages = self.outages.clone();
        let mut waiting = 0;
        for probe in &self.probes {
            match probe.state {
                State::Waiting => waiting += 1,
                state => outages.add(probe.sent(), state == State::Answered),
            }
        }
        let since = self.first_sent.unwrap_or_default();
        let until = self.last_activity.unwrap_or_default();
        Summary {
            waiting,
            elapsed: until.saturating_sub(since),
            round_trips: self.round_trips.summary(),
            outage: outages.longest(),
            ..self.summary
        }
    }
}
