//! Traceroute: which routers a packet passes.
//!
//! A trace says which probe is to be sent and makes sense of what comes back;
//! it never sends, reads a clock or waits. There are three, alike in use
//! ([`Machine`]): [`Once`], as traceroute does it; [`Live`], round after round,
//! as mtr does; [`Multipath`], which finds the ways beside each other.
//!
//! Order of use: as long as [`Machine::poll_transmit`] gives a probe, send it
//! (by a socket of its flow, with its hop as TTL); hand in what comes by
//! [`Machine::handle_arrival`]; sleep until [`Machine::poll_timeout`] or until
//! something comes, then [`Machine::handle_timeout`]; and show what
//! [`Machine::poll_event`] has. Times are durations since any one moment; a
//! clock that goes back harms nothing but the round trips it spoils.
//!
//! # What is believed
//!
//! An answer is one if it quotes a probe of ours: its addresses, ports or
//! identifier, its number, and, as far as a router quotes that much, a tag
//! that only who saw the probe can know (`identity`). The first answer
//! counts; others are duplicates. What came for a probe that was given up is
//! late. Everything else is counted as foreign, by its reason.
//!
//! # Routers that quote 28 octets
//!
//! RFC 792 asks a router for the IP header and 64 bits of what it could not
//! forward. Of an unprivileged UDP probe the kernel then has nothing to show
//! but the ports. [`Once`] asks the hops that stayed open once more, each from
//! a source port of its own, and says so ([`Note::ShortQuotes`]): such a probe
//! may take another path than the rest. ICMP and TCP are known by their first
//! 64 bits.

mod arrival;
mod cause;
mod extension;
mod flight;
mod graph;
mod hop_report;
mod identity;
mod live;
pub mod manners;
mod multipath;
mod once;
mod packet;
mod plan;
mod quote;
mod stats;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

pub use arrival::{Arrival, Content, Foreign};
pub use cause::{Cause, Kind, Reach};
pub use extension::{ExtensionError, Label, MAX_LABELS, MAX_OBJECTS, Object, parse as extensions};
pub use flight::{Answer, Probe, State, Transmit};
pub use graph::{Diamond, Graph, Level, Seen, Vertex, stopping_point};
pub use hop_report::{HopReport, Verdict};
pub use live::Live;
pub use multipath::Multipath;
pub use once::Once;
pub use plan::{Method, Plan, PlanError, Wait};
pub use quote::behind_ipv4;
pub use stats::RoundTrips;

/// A trace, whichever it is.
pub trait Machine {
    /// The next probe to send now, if there is one.
    fn poll_transmit(&mut self, now: Duration) -> Option<Transmit>;
    /// The kernel says when this probe really went out.
    fn handle_sent(&mut self, serial: u32, at: Duration);
    /// This machine refused to send a probe that is longer than what its link
    /// carries (`EMSGSIZE`). False: the trace cannot go on like that.
    fn handle_too_long(&mut self, _serial: u32, _mtu: Option<u32>) -> bool {
        false
    }
    /// Something came.
    fn handle_arrival(&mut self, arrival: &Arrival<'_>);
    /// When the machine wants [`Machine::handle_timeout`] or
    /// [`Machine::poll_transmit`] at the latest; `None`: it is over.
    fn poll_timeout(&self) -> Option<Duration>;
    /// Time passed.
    fn handle_timeout(&mut self, now: Duration);
    /// The next thing to tell.
    fn poll_event(&mut self) -> Option<Event>;
    /// What was counted so far.
    fn counts(&self) -> &Counts;
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A probe goes out.
    Sent(Probe),
    /// The first answer to a probe.
    Answered(Probe, Answer),
    /// An answer after its time.
    Late(Probe, Answer),
    /// One more answer.
    Duplicate(Probe, Answer),
    /// A probe was given up.
    Expired(Probe),
    /// A place of [`Once`]'s table is filled: they come in order, each once.
    Place(Place),
    /// A round of [`Live`] is over; the number of rounds that are.
    Round(u32),
    /// All probes of a hop of [`Multipath`] are answered or given up.
    Hop(u8),
    /// Something that whoever reads the result has to know.
    Note(Note),
    /// The trace is over.
    Finished,
}

/// One probe's place in the table of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The hop.
    pub hop: u8,
    /// Which one of this hop, from 0.
    pub attempt: u8,
    /// The probe, as it was sent last.
    pub probe: Probe,
    /// Its answer; `None`: silence.
    pub answer: Option<Answer>,
    /// The path MTU that was found with this probe.
    pub mtu: Option<u32>,
}

/// Something that whoever reads the result has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// This router quotes 28 octets only: probes of hops that stayed open went
    /// out once more, from other source ports.
    ShortQuotes(IpAddr),
}

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Probes that went out.
    pub sent: u64,
    /// Of these, answered in time.
    pub answered: u64,
    /// Answered after their time.
    pub late: u64,
    /// Not answered, those under way not among them.
    pub lost: u64,
    /// Answers beyond the first of a probe.
    pub duplicates: u64,
    /// Answers to some probe of ours that do not say which.
    pub unnamed: u64,
    /// What came and is no answer, by its reason.
    pub foreign: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// Probes that may still be answered, or whose fate nobody waited for.
    pub fn waiting(&self) -> u64 {
        self.sent
            .saturating_sub(self.answered + self.late + self.lost)
    }

    fn foreign(&mut self, why: Foreign) {
        let name = match why {
            Foreign::Short => "short",
            Foreign::Kind => "kind",
            Foreign::Address => "address",
            Foreign::Sender => "sender",
            Foreign::Identity => "identity",
        };
        *self.foreign.entry(name).or_default() += 1;
    }

    /// Counts what became of an arrival, and tells it.
    fn take(&mut self, outcome: flight::Outcome) -> Taken {
        use flight::Outcome;
        match outcome {
            Outcome::Answered(probe, answer) => {
                self.answered += 1;
                Taken::Event(Event::Answered(probe, answer))
            }
            Outcome::Late(probe, answer) => {
                self.late += 1;
                self.lost = self.lost.saturating_sub(1);
                Taken::Event(Event::Late(probe, answer))
            }
            Outcome::Duplicate(probe, answer) => {
                self.duplicates += 1;
                Taken::Event(Event::Duplicate(probe, answer))
            }
            Outcome::Unnamed(from) => {
                self.unnamed += 1;
                Taken::Unnamed(from)
            }
            Outcome::Foreign(why) => {
                self.foreign(why);
                Taken::Nothing
            }
        }
    }
}

/// What [`Counts::take`] leaves to do.
enum Taken {
    Event(Event),
    Unnamed(IpAddr),
    Nothing,
}
