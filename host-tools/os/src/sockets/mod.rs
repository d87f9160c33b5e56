//! What a socket is, on every system.

mod filter;
mod services;
mod state;
mod tcp_info;

use std::collections::HashMap;
use std::net::IpAddr;

pub use filter::{Filter, FilterError, Names};
pub use services::Services;
pub use state::{State, States};
pub use tcp_info::TcpInfo;

/// Which table of the kernel a socket stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SocketKind {
    /// `AF_UNIX`, `SOCK_STREAM`.
    UnixStream,
    /// `AF_UNIX`, `SOCK_DGRAM`.
    UnixDatagram,
    /// `AF_UNIX`, `SOCK_SEQPACKET`.
    UnixSeqpacket,
    /// Raw IP; its port is the IP protocol.
    Raw,
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

impl SocketKind {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 6] = [
        Self::UnixStream,
        Self::UnixDatagram,
        Self::UnixSeqpacket,
        Self::Raw,
        Self::Udp,
        Self::Tcp,
    ];

    /// As `ss` calls it in its column Netid.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnixStream => "u_str",
            Self::UnixDatagram => "u_dgr",
            Self::UnixSeqpacket => "u_seq",
            Self::Raw => "raw",
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }

    /// Whether it has a name in place of an IP address.
    pub fn is_unix(self) -> bool {
        matches!(
            self,
            Self::UnixStream | Self::UnixDatagram | Self::UnixSeqpacket
        )
    }
}

/// One end of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// An IP address and a port; 0 where there is none. A raw socket's port is
    /// its IP protocol.
    Inet {
        /// All zeroes where there is none.
        address: IpAddr,
        /// 0 where there is none.
        port: u16,
    },
    /// A unix socket.
    Unix {
        /// A path, or, after a zero, a name without a file; any octets.
        name: Option<Vec<u8>>,
        /// The socket's; 0 where there is none.
        inode: u32,
    },
}

/// Which timer of a TCP socket runs (`linux/inet_diag.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// The kernel's number.
    pub number: u8,
    /// Until it goes off, in milliseconds.
    pub expires_ms: u32,
    /// How often it went off in vain.
    pub retransmits: u8,
}

impl Timer {
    /// As `ss` calls it.
    pub fn name(self) -> &'static str {
        match self.number {
            1 => "on",
            2 => "keepalive",
            3 => "timewait",
            4 => "persist",
            5 => "delack",
            _ => "unknown",
        }
    }
}

/// Memory of a socket in octets (`SK_MEMINFO_...` of `linux/sock_diag.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Received and not read, with the kernel's own overhead.
    pub receive_octets: u32,
    /// Room for that.
    pub receive_buffer_octets: u32,
    /// Handed to the network and not sent.
    pub transmit_octets: u32,
    /// Room for what is to be sent.
    pub send_buffer_octets: u32,
    /// Set aside for later.
    pub forward_octets: u32,
    /// Waiting to be sent.
    pub write_queue_octets: u32,
    /// Options.
    pub option_octets: u32,
    /// Received while the socket was busy; `None`: this kernel has no such number.
    pub backlog_octets: Option<u32>,
    /// Packets dropped since they found no room, likewise.
    pub drops: Option<u32>,
}

/// Where a unix socket's name stands in the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketFile {
    /// Number of the file.
    pub inode: u32,
    /// Of its device.
    pub major: u32,
    /// Likewise.
    pub minor: u32,
}

/// What a congestion control tells of itself (`linux/inet_diag.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CongestionInfo {
    /// BBR.
    Bbr {
        /// What the bottleneck passes, as estimated.
        bandwidth_octets_per_s: u64,
        /// Least round trip of late.
        min_rtt_us: u32,
        /// Pace, as so many 256ths of that bandwidth.
        pacing_gain_256ths: u32,
        /// Congestion window, as so many 256ths of what fits in flight.
        cwnd_gain_256ths: u32,
    },
    /// DCTCP (RFC 8257).
    Dctcp {
        /// The peer agreed to ECN.
        enabled: bool,
        /// The latest packet had congestion experienced.
        ce_state: u16,
        /// Share of octets with congestion, in 1,024ths.
        alpha: u32,
        /// Octets acknowledged with congestion in this window.
        acked_ecn_octets: u32,
        /// Octets acknowledged in this window.
        acked_octets: u32,
    },
}

/// A socket as the kernel describes it. `None`: it does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketInfo {
    /// Its table.
    pub kind: SocketKind,
    /// Its state.
    pub state: State,
    /// Octets not read yet; of a listening one, connections not accepted.
    pub recv_queue: u32,
    /// Octets not acknowledged yet; of a listening one, room for connections.
    pub send_queue: u32,
    /// This end.
    pub local: End,
    /// The other end.
    pub peer: End,
    /// Index of the interface it is bound to; 0 is none.
    pub interface_index: u32,
    /// Likewise, its name where it has one.
    pub interface: Option<String>,
    /// Whose it is.
    pub uid: Option<u32>,
    /// Number of its inode; 0 where no process has it any more.
    pub inode: u32,
    /// The kernel's own number for it.
    pub cookie: Option<u64>,
    /// `SO_MARK`; told to who has `CAP_NET_ADMIN`.
    pub mark: Option<u32>,
    /// Takes no IPv4.
    pub v6_only: Option<bool>,
    /// Bit 0: receives no more; bit 1: sends no more.
    pub shutdown: Option<u8>,
    /// The file of a unix socket.
    pub file: Option<SocketFile>,
    /// Connections to a listening unix socket that it has not accepted, by their
    /// inodes.
    pub waiting: Option<Vec<u32>>,
    /// The timer that runs.
    pub timer: Option<Timer>,
    /// Its memory.
    pub memory: Option<Memory>,
    /// Its congestion control.
    pub congestion: Option<String>,
    /// What that tells of itself.
    pub congestion_info: Option<CongestionInfo>,
    /// What TCP knows of its connection.
    pub tcp: Option<TcpInfo>,
}

impl SocketInfo {
    /// One of which only this is known.
    pub fn new(kind: SocketKind, state: State, local: End, peer: End) -> Self {
        Self {
            kind,
            state,
            recv_queue: 0,
            send_queue: 0,
            local,
            peer,
            interface_index: 0,
            interface: None,
            uid: None,
            inode: 0,
            cookie: None,
            mark: None,
            v6_only: None,
            shutdown: None,
            file: None,
            waiting: None,
            timer: None,
            memory: None,
            congestion: None,
            congestion_info: None,
            tcp: None,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is a question of its own
pub struct SocketQuery {
    /// Which tables.
    pub kinds: Vec<SocketKind>,
    /// Which states.
    pub states: States,
    /// IPv4, where a table has it.
    pub ipv4: bool,
    /// IPv6, likewise.
    pub ipv6: bool,
    /// Memory, too.
    pub memory: bool,
    /// What TCP knows, too.
    pub tcp_info: bool,
}

/// Sockets and what could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sockets {
    /// All that were asked for.
    pub sockets: Vec<SocketInfo>,
    /// What the listing lacks, for people: each names a table, the reason and
    /// what is missing.
    pub notes: Vec<String>,
}

/// Who has a socket open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Name of the process; whatever it chose.
    pub name: String,
    /// Its number.
    pub pid: u32,
    /// The socket's number in it.
    pub fd: u32,
}

/// Who has which socket open, as far as it may be known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holders {
    /// By the socket's inode.
    pub by_inode: HashMap<u32, Vec<Holder>>,
    /// So many processes do not let this one see what they have open, or not
    /// all of it.
    pub hidden: usize,
    /// There may be processes that are not even listed (`hidepid` of `/proc`).
    pub are_unlisted: bool,
}

/// Numbers of `ss -s`, from `/proc/net/sockstat`, `sockstat6` and `snmp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)] // named as there
pub struct SocketSummary {
    pub sockets: u64,
    pub tcp_established: u64,
    pub tcp_allocated: u64,
    pub tcp_orphaned: u64,
    pub tcp_time_wait: u64,
    pub tcp4: u64,
    pub tcp6: u64,
    pub udp4: u64,
    pub udp6: u64,
    pub raw4: u64,
    pub raw6: u64,
    pub frag4: u64,
    pub frag6: u64,
}

impl SocketSummary {
    /// TCP sockets that are closed and not yet gone.
    pub fn tcp_closed(&self) -> u64 {
        let hashed = (self.tcp4 + self.tcp6).saturating_sub(self.tcp_time_wait);
        self.tcp_allocated.saturating_sub(hashed)
    }
}
