//! Probes of a network: ping and traceroute as state machines.
//!
//! What it is: packets built and read, rounds, time-outs, statistics, and
//! [`manners`]: what may be sent at whom. What it never does: open a socket,
//! read a clock, start a thread. Time is an argument ([`Time`]), packets are
//! octets that somebody else carries; whatever comes back is taken for what a
//! stranger wrote.
//!
//! Order of use: [`manners::judge`] the plan; then, for each destination, a
//! [`ping::Ping`] is asked what to send (`poll_transmit`) and when it wants to
//! be asked again (`poll_timeout`), told what came of it (`handle_...`), and
//! gives events (`poll_event`) until it is over; the machines of [`trace`] are
//! used alike. [`ProbeEvent`] is what all
//! kinds of probes have in common, for who wants to find them on a wire.
#![forbid(unsafe_code)]

pub mod event;
pub mod icmp;
pub mod ip_options;
pub mod manners;
pub mod ping;
pub mod trace;

pub use event::{Outcome, ProbeEvent, ProbeKey};

/// A time, as what has passed since an origin of the caller's choice, by a
/// clock that never goes back (one that does breaks no sums).
pub type Time = std::time::Duration;
