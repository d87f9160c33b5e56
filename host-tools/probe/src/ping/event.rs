//! What a ping tells.

use std::net::IpAddr;
use std::time::Duration;

use super::Config;
use super::payload::Wrong;
use super::statistics::{Outage, Summary as RoundTrips};
use crate::Time;
use crate::event::{Outcome, ProbeEvent, ProbeKey};
use crate::icmp::IcmpError;

/// Something that happened to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Time,
    /// Which request, counted from 1.
    pub number: u64,
    /// Its sequence number: the lower 16 bits of that.
    pub sequence: u16,
    /// What happened.
    pub what: What,
}

/// What happened to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It went out.
    Sent {
        /// Octets from the ICMP header on.
        octets: usize,
    },
    /// A reply came.
    Reply(Reply),
    /// It will not be answered, somebody says.
    Error {
        /// Who says so; `None`: this machine.
        from: Option<IpAddr>,
        /// Why.
        cause: Cause,
    },
    /// A router passed it on, and advises another way or less haste.
    Advice {
        /// Which one.
        from: Option<IpAddr>,
        /// What it says.
        error: IcmpError,
    },
    /// The next one goes out, and this one is still waited for.
    NoAnswerYet,
    /// No reply came in time. It may still come, late.
    TimedOut,
}

/// Why a request will not be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// By ICMP.
    Icmp(IcmpError),
    /// This machine did not send it: it is longer than the path's MTU.
    TooLong {
        /// That MTU, if it is known.
        mtu: Option<u32>,
    },
    /// This machine did not send it.
    Local {
        /// As the system calls the reason.
        errno: i32,
    },
}

/// A payload's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// As it was sent.
    AsSent,
    /// It was cut.
    Shorter,
    /// There is something behind it.
    Longer,
}

/// A reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is a remark of its own
pub struct Reply {
    /// Who sent it.
    pub from: IpAddr,
    /// Octets from the ICMP header on.
    pub octets: usize,
    /// TTL or hop limit that it came with.
    pub ttl: Option<u8>,
    /// Since the request was sent.
    pub rtt: Duration,
    /// There was one before; this one is in no other count.
    pub is_duplicate: bool,
    /// The request had been given up.
    pub is_late: bool,
    /// One to a later request came before.
    pub is_reordered: bool,
    /// It comes from another address than the request went to.
    pub is_elsewhere: bool,
    /// False: its checksum is wrong, and it is in no other count.
    pub is_sum_right: bool,
    /// The first octet of its payload that is not what was sent.
    pub wrong: Option<Wrong>,
    /// Its payload's length.
    pub length: Length,
}

/// How it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Requests, also those that this machine refused to send.
    pub transmitted: u64,
    /// Requests that were answered.
    pub received: u64,
    /// Replies to requests that had been answered.
    pub duplicates: u64,
    /// Replies with a wrong checksum.
    pub bad_sums: u64,
    /// Requests of which somebody said that they will not be answered.
    pub errors: u64,
    /// Requests that a router passed on with advice: a redirect, mostly.
    pub advice: u64,
    /// Of the received, those whose payload is not what was sent.
    pub wrong_data: u64,
    /// Of the received, those that came after their time.
    pub late: u64,
    /// Of the received, those that came after one to a later request.
    pub reordered: u64,
    /// What came with this identifier and belongs to no request, or was said
    /// before.
    pub foreign: u64,
    /// What came for other identifiers: somebody else pings from this machine.
    pub others: u64,
    /// Not answered, but their time is not over.
    pub waiting: u64,
    /// Most requests that were on their way when a reply came.
    pub pipe: u64,
    /// From the first request to the last that was sent or came.
    pub elapsed: Duration,
    /// Round trips of the received; `None` if none was.
    pub round_trips: Option<RoundTrips>,
    /// The longest stretch without an answer, if there was one.
    pub outage: Option<Outage>,
}

impl Summary {
    /// Requests that were not answered.
    pub fn lost(&self) -> u64 {
        self.transmitted.saturating_sub(self.received)
    }
}

impl Event {
    /// The same as all kinds of probes tell it; `None` where it is about
    /// something else than the first end of a request.
    pub fn probe(&self, config: &Config) -> Option<ProbeEvent> {
        let outcome = match self.what {
            What::Sent { octets } => Outcome::Sent { octets },
            What::Reply(reply) if reply.is_sum_right && !reply.is_duplicate => Outcome::Answered {
                from: reply.from,
                rtt: reply.rtt,
            },
            What::Error { from, cause } => Outcome::Error {
                from,
                error: match cause {
                    Cause::Icmp(error) => Some(error),
                    Cause::TooLong { .. } | Cause::Local { .. } => None,
                },
            },
            What::TimedOut => Outcome::TimedOut,
            What::Reply(_) | What::Advice { .. } | What::NoAnswerYet => return None,
        };
        Some(ProbeEvent {
            at: self.at,
            destination: config.destination,
            number: self.number,
            key: ProbeKey::Echo {
                identifier: config.identifier,
                sequence: self.sequence,
            },
            outcome,
        })
    }
}
