//! What a trace is asked for.

use std::net::IpAddr;
use std::time::Duration;

use super::identity::IDENTITY_OCTETS;

/// What probes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// UDP datagrams to a port that nobody should listen on.
    Udp,
    /// ICMP echo requests.
    Icmp,
    /// TCP SYN segments.
    Tcp,
}

impl Method {
    /// Octets of the header behind IP, options included.
    pub fn header_octets(self) -> u32 {
        match self {
            Self::Udp | Self::Icmp => 8,
            Self::Tcp => 40,
        }
    }

    /// `udp`, `icmp` or `tcp`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Tcp => "tcp",
        }
    }
}

/// How long an answer is waited for, as traceroute's `-w MAX,HERE,NEAR`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wait {
    /// At most so long.
    pub max: Duration,
    /// So many round trips of the first answer from the same hop; 0: not looked at.
    pub here: f64,
    /// Else so many of the first answer from a hop behind it; 0: not looked at.
    pub near: f64,
}

impl Default for Wait {
    fn default() -> Self {
        Self {
            max: Duration::from_secs(5),
            here: 3.0,
            near: 10.0,
        }
    }
}

/// A trace as it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Where to.
    pub destination: IpAddr,
    /// Our address on the way there.
    pub source: IpAddr,
    /// By what.
    pub method: Method,
    /// Destination port; with ICMP the first sequence number.
    pub port: u16,
    /// Source port or ICMP identifier of flow 0, where we write it ourselves
    /// (raw sockets): flow n has n more, and quotes must have it too. `None`:
    /// the kernel chose one for each flow, and matched it already.
    pub local: Option<u16>,
    /// First TTL or hop limit.
    pub first_hop: u8,
    /// Last one.
    pub max_hops: u8,
    /// Probes a hop.
    pub queries: u8,
    /// Probes under way at once.
    pub parallel: u16,
    /// How long each is waited for.
    pub wait: Wait,
    /// At least so long from one probe to the next.
    pub send_wait: Duration,
    /// Octets of a probe with its IP header.
    pub packet_octets: u32,
    /// Look for the path MTU: begin with the longest packet there is, one at a
    /// time.
    pub find_mtu: bool,
}

impl Plan {
    /// Probes under way at once where nothing else is asked for.
    pub const PARALLEL: u16 = 32;
    /// The port that traceroute begins with; also the one of `-T` is here,
    /// since both are a habit and no more.
    pub const UDP_PORT: u16 = 33_434;
    /// Where `-T` goes.
    pub const TCP_PORT: u16 = 80;
    /// Flows of one trace at most: local ports or identifiers in a row.
    pub const FLOWS: u16 = 512;
    /// Longest packet of [`Plan::find_mtu`], as traceroute has it.
    pub const LONGEST: u32 = 65_000;

    /// As traceroute does it without options.
    pub fn new(destination: IpAddr, source: IpAddr, method: Method) -> Self {
        Self {
            destination,
            source,
            method,
            port: match method {
                Method::Udp => Self::UDP_PORT,
                Method::Icmp => 1,
                Method::Tcp => Self::TCP_PORT,
            },
            local: None,
            first_hop: 1,
            max_hops: 30,
            queries: 3,
            parallel: Self::PARALLEL,
            wait: Wait::default(),
            send_wait: Duration::ZERO,
            packet_octets: Self::ip_octets(destination) + 40,
            find_mtu: false,
        }
    }

    /// Octets of an IP header without options.
    fn ip_octets(address: IpAddr) -> u32 {
        if address.is_ipv4() { 20 } else { 40 }
    }

    /// Octets of IP and transport headers.
    pub fn header_octets(&self) -> u32 {
        Self::ip_octets(self.destination) + self.method.header_octets()
    }

    /// Octets behind the transport header of a packet of so many.
    pub(crate) fn payload_octets(&self, packet_octets: u32) -> usize {
        packet_octets.saturating_sub(self.header_octets()) as usize
    }

    /// The smallest MTU that IP allows (RFC 791, RFC 8200).
    pub fn least_mtu(&self) -> u32 {
        if self.destination.is_ipv4() {
            68
        } else {
            1_280
        }
    }

    /// The shortest probe that can be known again: a SYN carries nothing else.
    pub fn least_octets(&self) -> u32 {
        let identity = match self.method {
            Method::Tcp => 0,
            Method::Udp | Method::Icmp => IDENTITY_OCTETS,
        };
        self.header_octets() + identity
    }

    /// Checks what cannot be; the text says what is wrong.
    pub fn check(&self) -> Result<(), PlanError> {
        let least = self.least_octets();
        if self.destination.is_ipv4() != self.source.is_ipv4() {
            return Err(PlanError::Families);
        }
        if self.first_hop == 0 || self.first_hop > self.max_hops {
            return Err(PlanError::Hops);
        }
        if self.queries == 0 || self.queries > 10 {
            return Err(PlanError::Queries);
        }
        if self.parallel == 0 {
            return Err(PlanError::Parallel);
        }
        if !(least..=65_535).contains(&self.packet_octets) {
            return Err(PlanError::Octets { least });
        }
        let factors = [self.wait.here, self.wait.near];
        if self.wait.max.is_zero() || factors.iter().any(|f| !f.is_finite() || *f < 0.0) {
            return Err(PlanError::Wait);
        }
        Ok(())
    }
}

/// Why a plan cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// One address is IPv4, the other IPv6.
    #[error("source and destination are not of the same version of IP")]
    Families,
    /// First hop beyond the last one.
    #[error("the first hop must be 1 or more, and not beyond the last one")]
    Hops,
    /// Too few or many queries.
    #[error("probes a hop must be 1 to 10")]
    Queries,
    /// None at once.
    #[error("at least one probe must be under way at once")]
    Parallel,
    /// Packets too short to know them again, or longer than IP allows.
    #[error("packets must have {least} to 65535 octets")]
    Octets {
        /// The shortest.
        least: u32,
    },
    /// No time at all, or factors that are none.
    #[error("the wait must be longer than nothing, and its factors not below 0")]
    Wait,
}
