//! What a ping is to do.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::time::Duration;

use super::{HEADER, Pace, Pattern};

/// Longest payload that an IPv4 packet without options carries, in octets.
pub const LONGEST: usize = 65_535 - 20 - HEADER;

/// From whom a reply may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// From the destination; from another address only with the payload that
    /// was sent.
    Destination,
    /// From anybody: the destination is that of several.
    Anybody,
}

/// What to send, and how long to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// To whom.
    pub destination: IpAddr,
    /// By whom it may be answered.
    pub answers: Answers,
    /// Identifier of all requests.
    pub identifier: u16,
    /// Octets of the payload.
    pub size: usize,
    /// What fills it.
    pub pattern: Pattern,
    /// So many requests; with a deadline: so many replies.
    pub count: Option<NonZeroU64>,
    /// How often.
    pub pace: Pace,
    /// So many requests may be on their way at once, or go out at once in the
    /// beginning; at least 1.
    pub preload: u32,
    /// A request counts as lost after so long, though its reply may still come,
    /// late. Without a single reply it ends so long after the last request;
    /// else after twice the longest round trip.
    pub timeout: Duration,
    /// It ends after so long, whatever came; nothing is sent from then on.
    pub deadline: Option<Duration>,
    /// Each request says whether the one before is still waited for.
    pub tells_outstanding: bool,
    /// It tells nothing: only the summary is wanted.
    pub is_silent: bool,
}
