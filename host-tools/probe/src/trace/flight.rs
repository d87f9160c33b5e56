//! Probes under way, and which of them an arrival answers.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::arrival::{self, Arrival, Claim, Foreign};
use super::cause::Kind;
use super::extension::Object;
use super::identity::Secret;
use super::packet;
use super::plan::Plan;

/// Probes that are remembered, so that what comes late or twice is known. No
/// more than that may wait for an answer: one that is forgotten has no end.
pub(super) const KEPT: usize = 4_096;

/// One probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Counts from 0 in a run.
    pub serial: u32,
    /// TTL or hop limit.
    pub hop: u8,
    /// Which one of this hop, from 0; of a live trace the round.
    pub attempt: u32,
    /// Ports, identifier and checksum that go together.
    pub flow: u16,
    /// Octets with the IP header.
    pub octets: u32,
    /// When it was sent.
    pub sent_at: Duration,
    /// How it stands.
    pub state: State,
}

/// How a probe stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It may still be answered.
    Waiting,
    /// It was.
    Answered,
    /// It was not, in its time.
    Expired,
    /// It was, after its time.
    Late,
    /// It never left this machine.
    Unsent,
}

/// An answer to a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Who sent it.
    pub from: IpAddr,
    /// What it says.
    pub kind: Kind,
    /// When it came.
    pub at: Duration,
    /// From sending to coming; 0 where the clock went back.
    pub rtt: Duration,
    /// TTL or hop limit that it came with.
    pub ttl: Option<u8>,
    /// ICMP extensions.
    pub extensions: Vec<Object>,
}

impl Answer {
    /// True where the destination itself sent it.
    pub fn is_reached(&self) -> bool {
        matches!(self.kind, Kind::Reached(_))
    }

    /// How many hops the answer took, guessed from the TTLs that systems begin
    /// with (64, 128, 255); `None` where that TTL is not known.
    pub fn hops_back(&self) -> Option<u8> {
        let ttl = self.ttl.filter(|ttl| *ttl > 0)?;
        let began = [64, 128, 255].into_iter().find(|began| ttl <= *began)?;
        began.checked_sub(ttl)?.checked_add(1)
    }

    /// The same where it is another number than the probe went. Who refuses a
    /// probe need not be at its hop, so that says nothing.
    pub fn odd_hops_back(&self, hop: u8) -> Option<u8> {
        let is_refusal = matches!(self.kind, Kind::Unreachable(_));
        self.hops_back().filter(|back| *back != hop && !is_refusal)
    }
}

/// What the caller is to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// The probe.
    pub probe: Probe,
    /// UDP payload, ICMP echo request (checksum made over IPv4), or TCP
    /// segment.
    pub octets: Vec<u8>,
}

/// What became of an arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The first answer to this probe.
    Answered(Probe, Answer),
    /// The first answer to this probe, which was given up.
    Late(Probe, Answer),
    /// This probe was answered before.
    Duplicate(Probe, Answer),
    /// It answers some probe of ours, and does not say which.
    Unnamed(IpAddr),
    /// It is no answer to a probe of ours.
    Foreign(Foreign),
}

/// Probes that were sent, the oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    plan: Plan,
    secret: Secret,
    probes: VecDeque<Probe>,
    next: u32,
    /// An answer that names no probe may be to one whose flow had others, if
    /// these are answered, or were given up and sent so long ago.
    pub(crate) trusts_after: Option<Duration>,
}

impl Flight {
    pub(crate) fn new(plan: Plan, key: [u8; 16]) -> Self {
        Self {
            plan,
            secret: Secret::new(key),
            probes: VecDeque::new(),
            next: 0,
            trusts_after: None,
        }
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The number on the wire.
    fn wire(&self, serial: u32) -> u16 {
        // Some traces begin with a sequence number that was asked for.
        let first = match self.plan.method {
            super::Method::Icmp => self.plan.port,
            _ => 1,
        };
        first.wrapping_add((serial & 0xffff) as u16)
    }

    /// True where one more probe can be sent and none that waits is forgotten.
    pub(crate) fn has_room(&self) -> bool {
        let oldest = self.probes.front().filter(|_| self.probes.len() >= KEPT);
        oldest.is_none_or(|oldest| oldest.state != State::Waiting)
    }

    /// Sends a probe, if [`Flight::has_room`].
    pub(crate) fn launch(
        &mut self,
        now: Duration,
        hop: u8,
        attempt: u32,
        flow: u16,
        octets: u32,
    ) -> Transmit {
        let serial = self.next;
        self.next = self.next.wrapping_add(1);
        let wire = self.wire(serial);
        let probe = Probe {
            serial,
            hop,
            attempt,
            flow,
            octets,
            sent_at: now,
            state: State::Waiting,
        };
        if self.probes.len() >= KEPT {
            self.probes.pop_front();
        }
        self.probes.push_back(probe);
        let payload_octets = self.plan.payload_octets(octets);
        let payload = self.secret.payload(serial, wire, flow, payload_octets);
        let local = self.plan.local.unwrap_or(0).wrapping_add(flow);
        let sequence = self.secret.sequence(serial, wire);
        Transmit {
            probe,
            octets: packet::build(&self.plan, local, wire, sequence, payload),
        }
    }

    /// The kernel says when it really went out.
    pub(crate) fn sent(&mut self, serial: u32, at: Duration) {
        if let Some(probe) = self.get_mut(serial)
            && probe.state == State::Waiting
        {
            probe.sent_at = at;
        }
    }

    fn index(&self, serial: u32) -> Option<usize> {
        let age = self.next.wrapping_sub(serial);
        self.probes.len().checked_sub(usize::try_from(age).ok()?)
    }

    fn get_mut(&mut self, serial: u32) -> Option<&mut Probe> {
        let index = self.index(serial)?;
        self.probes.get_mut(index)
    }

    /// The newest probe with this number on the wire.
    fn by_wire(&self, wire: u16) -> Option<Probe> {
        let newest = self.wire(self.next.wrapping_sub(1));
        let age = u32::from(newest.wrapping_sub(wire));
        let serial = self.next.wrapping_sub(1).wrapping_sub(age);
        self.probes.get(self.index(serial)?).copied()
    }

    /// The probe never left, so nothing can answer it.
    pub(crate) fn take_back(&mut self, serial: u32) {
        if let Some(probe) = self.get_mut(serial) {
            probe.state = State::Unsent;
        }
    }

    /// Gives up a probe; false where it was not waiting.
    pub(crate) fn expire(&mut self, serial: u32) -> bool {
        match self.get_mut(serial) {
            Some(probe) if probe.state == State::Waiting => {
                probe.state = State::Expired;
                true
            }
            _ => false,
        }
    }

    /// Probes that may still be answered.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Probe> {
        self.probes
            .iter()
            .filter(|probe| probe.state == State::Waiting)
    }

    /// True where a probe of this hop went out in a flow of its own.
    pub(crate) fn has_own_flow(&self, hop: u8) -> bool {
        self.probes
            .iter()
            .rev()
            .any(|probe| probe.hop == hop && probe.flow == u16::from(hop))
    }

    /// Which probe an arrival answers. Nothing else is changed by what comes
    /// than the state of that one probe, and that once.
    pub(crate) fn take(&mut self, arrival: &Arrival<'_>) -> Outcome {
        let read = match arrival::read(&self.plan, arrival) {
            Ok(read) => read,
            Err(why) => return Outcome::Foreign(why),
        };
        let wire_and_proof = match read.claim {
            Claim::Payload { wire, at } => Some((wire, read.octets.get(at..).unwrap_or_default())),
            Claim::Sequence(wire) => Some((wire, &[][..])),
            Claim::Tcp(sequence) => Some(((sequence >> 16) as u16, &[][..])),
            Claim::None => None,
        };
        let found = match wire_and_proof {
            None => match self.only_one_of(read.flow, arrival.at) {
                Some(probe) => probe,
                None => return Outcome::Unnamed(arrival.from),
            },
            Some((wire, payload)) => {
                let Some(probe) = self.by_wire(wire) else {
                    return Outcome::Foreign(Foreign::Identity);
                };
                let proven = match read.claim {
                    Claim::Payload { .. } => self.secret.is_payload_of(probe.serial, wire, payload),
                    Claim::Tcp(sequence) => self.secret.sequence(probe.serial, wire) == sequence,
                    Claim::Sequence(_) | Claim::None => true,
                };
                if !proven {
                    return Outcome::Foreign(Foreign::Identity);
                }
                probe
            }
        };
        if read.flow.is_some_and(|flow| flow != found.flow) {
            return Outcome::Foreign(Foreign::Address);
        }
        let answer = Answer {
            from: arrival.from,
            kind: read.kind,
            at: arrival.at,
            rtt: arrival.at.saturating_sub(found.sent_at),
            ttl: arrival.ttl,
            extensions: read.extensions,
        };
        let Some(probe) = self.get_mut(found.serial) else {
            return Outcome::Foreign(Foreign::Identity);
        };
        match probe.state {
            State::Waiting => {
                probe.state = State::Answered;
                Outcome::Answered(*probe, answer)
            }
            State::Expired => {
                probe.state = State::Late;
                Outcome::Late(*probe, answer)
            }
            State::Answered | State::Late => Outcome::Duplicate(*probe, answer),
            State::Unsent => Outcome::Foreign(Foreign::Identity),
        }
    }

    /// The one probe of a flow that may be meant where nothing is quoted: it
    /// is the only one that may still be answered, and no other of this flow
    /// and another hop was under way of late, whose second answer this could
    /// be (unless that is trusted not to happen).
    fn only_one_of(&self, flow: Option<u16>, now: Duration) -> Option<Probe> {
        let longest = self.trusts_after.unwrap_or(self.plan.wait.max);
        let of_late = |probe: &&Probe| match probe.state {
            State::Waiting => true,
            State::Unsent => false,
            State::Answered | State::Late if self.trusts_after.is_some() => false,
            _ => now.saturating_sub(probe.sent_at) < longest,
        };
        let mut open = self
            .probes
            .iter()
            .filter(|probe| flow.is_none_or(|flow| flow == probe.flow))
            .filter(of_late);
        let first = *open.next()?;
        let mut one = Some(first);
        for probe in open {
            if probe.hop != first.hop {
                return None;
            }
            let is_open = |state| matches!(state, State::Waiting | State::Expired);
            match one {
                Some(before) if is_open(before.state) && is_open(probe.state) => return None,
                Some(before) if is_open(before.state) => {}
                _ => one = Some(*probe),
            }
        }
        one
    }
}
