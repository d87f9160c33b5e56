//! Sockets for probes: what can be asked of one, and what comes out of it.
//! Plain values, the same on every system.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// A version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The one of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// What a probe socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// ICMP echo: a datagram socket where this user may have one, else a raw
    /// one. It hears replies to its own identifier only, and over IPv4
    /// redirects of its requests: raw as packets, else among the errors.
    Echo,
    /// ICMP echo by a raw socket, whatever else there is.
    RawEcho,
    /// Every ICMP message that comes to this machine. Raw.
    Icmp,
    /// UDP datagrams.
    Udp,
    /// TCP segments, and every one that comes to this machine. Raw.
    Tcp,
}

/// What a probe socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketKind {
    /// ICMP echo by the kernel's datagram socket: it writes identifier and
    /// checksum, and what is read begins with the ICMP header.
    IcmpDatagram,
    /// ICMP as it is on the wire: what is read begins with the IPv4 header,
    /// or with the `ICMPv6` header (whose checksum the kernel writes).
    IcmpRaw,
    /// UDP: what is read is the payload.
    Udp,
    /// TCP as it is on the wire: what is read begins with the IPv4 header, or
    /// with the TCP header over IPv6.
    TcpRaw,
}

impl SocketKind {
    /// True where what is read begins with an IPv4 header.
    pub fn has_ip_header(self, family: Family) -> bool {
        family == Family::V4 && matches!(self, Self::IcmpRaw | Self::TcpRaw)
    }
}

/// Path MTU discovery (`IP_MTU_DISCOVER` in ip(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathMtu {
    /// Don't fragment is set; what is longer than the known path MTU is
    /// refused here.
    Do,
    /// Fragmented here where it is longer than the known path MTU.
    Want,
    /// Don't fragment is never set.
    Dont,
    /// Don't fragment is set, and the known path MTU is ignored.
    Probe,
}

/// How a probe socket is opened. The default changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is an option of the socket
pub struct ProbeOptions {
    /// Where probes come from; port 0: any.
    pub source: Option<SocketAddr>,
    /// Only by this interface.
    pub interface: Option<String>,
    /// TTL or hop limit, of unicast and multicast.
    pub ttl: Option<u8>,
    /// TOS or traffic class.
    pub traffic_class: Option<u8>,
    /// Path MTU discovery.
    pub path_mtu: Option<PathMtu>,
    /// Mark of the packets, for routing and filters. Needs a right.
    pub mark: Option<u32>,
    /// IPv4 options of each packet sent, up to 40 octets.
    pub ip_options: Vec<u8>,
    /// Room for what waits to be read, in octets. Less where the system's limit
    /// (`net.core.rmem_max`) binds this user.
    pub receive_buffer: Option<usize>,
    /// Room for what waits to be sent, in octets.
    pub send_buffer: Option<usize>,
    /// Broadcast addresses may be sent to.
    pub broadcast: bool,
    /// Multicast that is sent does not come back to this machine.
    pub no_loop: bool,
    /// Past the routing table: hosts on the interface's own network only.
    pub dont_route: bool,
    /// Identifier of ICMP echo; without it the system chooses one.
    pub identifier: Option<u16>,
    /// Of packets only the time and, where their header is not among the
    /// octets, the TTL is told, and their options where such are sent: for who
    /// counts cycles.
    pub terse: bool,
    /// The kernel tells when each packet was handed to the network card
    /// ([`Queued::Sent`]); it costs another system call a packet.
    pub transmit_stamps: bool,
    /// A raw socket for echo begins without the filter that keeps replies to
    /// others away, which takes the kernel longer to make than a short ping takes
    /// otherwise: who hears one calls [`crate::ProbeSocket::refuse_others`].
    pub hears_others: bool,
}

/// A receive buffer for who sends faster than answers may be read, or hears
/// what is for others too. A kernel takes 768 octets and more of it for a small
/// packet, and none before one comes.
pub const LARGE_BUFFER: usize = 4 << 20;

/// What one packet has of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// TTL or hop limit.
    pub ttl: Option<u8>,
    /// TOS or traffic class.
    pub traffic_class: Option<u8>,
}

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// By the clock that never goes back.
    pub at: Instant,
    /// True where the kernel stamped it; else it is when this program saw it.
    pub by_kernel: bool,
}

impl Stamp {
    /// Now.
    pub fn now() -> Self {
        Self {
            at: Instant::now(),
            by_kernel: false,
        }
    }
}

/// Who made an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This machine.
    Local,
    /// An ICMP message.
    Icmp,
    /// An `ICMPv6` message.
    Icmp6,
}

/// Where the ICMP extensions (RFC 4884) of an error begin, as the kernel found
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// Offset in the octets that were read.
    pub at: usize,
    /// True where its checksum or lengths are wrong.
    pub is_invalid: bool,
}

/// An error of the socket's queue (`sock_extended_err` in ip(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeError {
    /// Who made it.
    pub origin: Origin,
    /// As the system calls it (`EHOSTUNREACH` ...).
    pub errno: i32,
    /// Type of the ICMP message.
    pub icmp_type: u8,
    /// Code of the ICMP message.
    pub icmp_code: u8,
    /// The MTU where it tells of one; else as the ICMP message has it.
    pub info: u32,
    /// Who sent it; `None` where this machine made it.
    pub offender: Option<IpAddr>,
    /// Extensions behind what it quotes; only from kernels that look (5.9 on).
    pub extension: Option<Extension>,
}

/// What came out of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    /// A packet.
    Data,
    /// An error. The octets are what it quotes, from the probe's own ICMP
    /// header or UDP payload on; `peer` is where the probe went.
    Error(ProbeError),
    /// The packet of this number, counted from 0 over all that were sent by
    /// this socket (those that failed are none), went to the network card at
    /// this time.
    Sent(u32),
}

/// Something that came out of a socket; its octets are in the buffer that was
/// given. All of it but `at` is what somebody else wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// What it is.
    pub what: Queued,
    /// So many octets are in the buffer.
    pub octets: usize,
    /// There were more octets than the buffer holds.
    pub truncated: bool,
    /// When.
    pub at: Stamp,
    /// Who sent it; of an error: where the probe went.
    pub peer: Option<SocketAddr>,
    /// The address of ours that it came to.
    pub local: Option<IpAddr>,
    /// The interface that it came in by.
    pub interface: Option<u32>,
    /// TTL or hop limit that it came with; of an error, of the ICMP message.
    pub ttl: Option<u8>,
    /// TOS or traffic class that it came with.
    pub traffic_class: Option<u8>,
    /// IPv4 options that it came with, where they are not among the octets.
    pub ip_options: IpOptions,
}

/// IPv4 options as they came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IpOptions {
    octets: [[u8; 20]; 2],
    len: usize,
}

impl IpOptions {
    /// Longest possible, in octets.
    pub const MAX: usize = 40;

    /// These; what is beyond [`IpOptions::MAX`] is left out.
    pub fn new(octets: &[u8]) -> Self {
        let mut options = Self::default();
        let room = options.octets.as_flattened_mut();
        for (to, from) in room.iter_mut().zip(octets) {
            *to = *from;
        }
        options.len = octets.len().min(Self::MAX);
        options
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The octets.
    pub fn as_slice(&self) -> &[u8] {
        self.octets
            .as_flattened()
            .get(..self.len)
            .unwrap_or_default()
    }
}

/// What a socket has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    /// There is something to read.
    pub data: bool,
    /// There is something in the queue of errors.
    pub errors: bool,
}

impl Ready {
    /// True where there is either.
    pub fn is_any(self) -> bool {
        self.data || self.errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_kept_to_their_limit() {
        let octets: Vec<u8> = (0..50).collect();
        assert_eq!(IpOptions::new(&octets).as_slice(), &octets[..40]);
        assert_eq!(IpOptions::new(&[7, 3]).as_slice(), [7, 3]);
        assert!(IpOptions::new(&[]).as_slice().is_empty());
    }
}
