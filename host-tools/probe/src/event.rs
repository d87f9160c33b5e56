//! What became of a probe, whatever its kind.

use std::net::IpAddr;
use std::time::Duration;

use crate::Time;
use crate::icmp::IcmpError;

/// By what a probe is found on a wire, beside its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProbeKey {
    /// An ICMP echo request.
    Echo {
        /// Its identifier.
        identifier: u16,
        /// Its sequence number.
        sequence: u16,
    },
    /// A UDP datagram.
    Udp {
        /// Where it comes from.
        source_port: u16,
        /// Where it goes.
        destination_port: u16,
    },
    /// A TCP SYN.
    Tcp {
        /// Where it comes from.
        source_port: u16,
        /// Where it goes.
        destination_port: u16,
        /// Its sequence number.
        sequence: u32,
    },
}

/// What happened to a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It went out.
    Sent {
        /// Length of the IP payload.
        octets: usize,
    },
    /// The destination answered.
    Answered {
        /// Who did.
        from: IpAddr,
        /// So long after it was sent.
        rtt: Duration,
    },
    /// Somebody on the way, or this machine, says that it did not arrive.
    Error {
        /// Who says so; `None`: this machine.
        from: Option<IpAddr>,
        /// Why, if it was by ICMP.
        error: Option<IcmpError>,
    },
    /// Nobody answered in time.
    TimedOut,
}

/// Something that happened to a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeEvent {
    /// When.
    pub at: Time,
    /// Where the probe goes.
    pub destination: IpAddr,
    /// Which of those to this destination it is, counted from 1.
    pub number: u64,
    /// What it looks like.
    pub key: ProbeKey,
    /// What happened.
    pub outcome: Outcome,
}
