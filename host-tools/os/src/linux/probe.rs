//! Sockets for probes.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher as _;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use libc::{c_int, c_short};
use socket2::{Domain, MsgHdr, Protocol, SockAddr, Socket, Type};

use super::probe_options as options;
use super::probe_sys::{self, Control};
use super::{Signals, control};
use crate::OsError;
use crate::probe::{
    Family, ProbeOptions, Purpose, Queued, Ready, Received, SendOptions, SocketKind, Stamp,
};

/// A call that fails with an error of an earlier packet is tried again: each
/// call takes one such error away.
const PATIENCE: usize = 8;

/// A socket that sends probes and hears what comes of them.
///
/// Order of use: [`ProbeSocket::open`] all that are needed,
/// [`crate::drop_privileges`], then in a circle [`ProbeSocket::send`],
/// [`wait`], [`ProbeSocket::receive_error`] until it has none and
/// [`ProbeSocket::receive`] until it has none. Errors come first: a
/// transmit stamp is among them, and belongs before the answer.
#[derive(Debug)]
pub struct ProbeSocket {
    socket: Socket,
    kind: SocketKind,
    family: Family,
    identifier: Option<u16>,
    why: Why,
}

/// Why a socket is what it is.
#[derive(Debug, Clone, Copy)]
enum Why {
    Free,
    Group,
    Capable,
    /// In place of a datagram socket, which the sysctl denied or the kernel has
    /// not.
    Instead {
        is_denied: bool,
    },
}

impl ProbeSocket {
    /// Opens one. What it has no right to is an error that says which right
    /// that is and how to get it.
    pub fn open(purpose: Purpose, family: Family, options: &ProbeOptions) -> Result<Self, OsError> {
        let domain = match family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let icmp = match family {
            Family::V4 => Protocol::ICMPV4,
            Family::V6 => Protocol::ICMPV6,
        };
        let name = name(purpose, family);
        let raw = |protocol| Socket::new(domain, Type::RAW, Some(protocol));
        let (socket, kind, why) = match purpose {
            Purpose::Udp => {
                let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))
                    .map_err(|e| refused(name, e, None))?;
                (socket, SocketKind::Udp, Why::Free)
            }
            Purpose::Tcp => {
                let socket = raw(Protocol::TCP).map_err(|e| refused(name, e, None))?;
                (socket, SocketKind::TcpRaw, Why::Capable)
            }
            Purpose::Icmp | Purpose::RawEcho => {
                let socket = raw(icmp).map_err(|e| refused(name, e, None))?;
                (socket, SocketKind::IcmpRaw, Why::Capable)
            }
            Purpose::Echo => match Socket::new(domain, Type::DGRAM, Some(icmp)) {
                Ok(socket) => (socket, SocketKind::IcmpDatagram, Why::Group),
                Err(error) => {
                    let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
                    let groups = || PingGroups::read(is_denied);
                    let socket = raw(icmp).map_err(|e| refused(name, e, Some(&groups())))?;
                    (socket, SocketKind::IcmpRaw, Why::Instead { is_denied })
                }
            },
        };
        let mut probe = Self {
            socket,
            kind,
            family,
            identifier: None,
            why,
        };
        probe.prepare(purpose, options, name)?;
        Ok(probe)
    }

    fn prepare(
        &mut self,
        purpose: Purpose,
        asked: &ProbeOptions,
        name: &'static str,
    ) -> Result<(), OsError> {
        let socket = &self.socket;
        let wrong = |what| move |reason| failed(name, what, reason);
        socket
            .set_nonblocking(true)
            .map_err(wrong("it does not stop waiting"))?;
        options::report(socket, self.family, self.kind, asked)
            .map_err(wrong("the kernel lacks an option of probe sockets"))?;
        options::apply(socket, self.family, asked, name)?;
        let mut source = asked.source;
        match (purpose, self.kind) {
            (Purpose::Echo, SocketKind::IcmpDatagram) => {
                // Bound at once, so that its identifier (as a port) is known.
                let any = match self.family {
                    Family::V4 => SocketAddr::from(([0; 4], 0)),
                    Family::V6 => SocketAddr::from(([0; 16], 0)),
                };
                let mut bound = source.unwrap_or(any);
                bound.set_port(asked.identifier.unwrap_or(0));
                source = Some(bound);
            }
            (Purpose::Echo | Purpose::RawEcho, _) => {
                let identifier = asked.identifier.unwrap_or_else(fresh_identifier);
                options::only_echo_replies(socket, self.family, identifier)
                    .map_err(wrong("the kernel takes no filter"))?;
                // Others' replies that came before it would leave no room for
                // ours. Where they cannot be read there are none.
                while let Ok(Some(_)) = self.receive(&mut [0; 1]) {}
                self.identifier = Some(identifier);
            }
            _ => {}
        }
        if let Some(mut source) = source {
            if self.kind == SocketKind::TcpRaw {
                source.set_port(0); // a raw socket has none
            }
            self.socket
                .bind(&source.into())
                .map_err(|reason| options::no_source(source, reason))?;
        }
        if self.kind == SocketKind::IcmpDatagram {
            let local = self
                .local_address()
                .map_err(wrong("it does not know its identifier"))?;
            self.identifier = local.map(|local| local.port());
        }
        Ok(())
    }

    /// What it is.
    pub fn kind(&self) -> SocketKind {
        self.kind
    }

    /// Its version of IP.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Why it is what it is, in words for a user.
    pub fn why(&self) -> String {
        match self.why {
            Why::Free => "needs no right".to_owned(),
            Why::Group => "net.ipv4.ping_group_range admits this group".to_owned(),
            Why::Capable => CAPABLE.to_owned(),
            Why::Instead { is_denied } => format!("{}; {CAPABLE}", PingGroups::read(is_denied)),
        }
    }

    /// The identifier that its ICMP echo requests have to carry (a datagram
    /// socket writes it itself), and the only one whose replies it hears.
    pub fn identifier(&self) -> Option<u16> {
        self.identifier
    }

    /// The address and port that it sends from, as far as that is fixed.
    pub fn local_address(&self) -> io::Result<Option<SocketAddr>> {
        Ok(self.socket.local_addr()?.as_socket())
    }

    /// Fixes where it sends to, and with that where it sends from. A socket
    /// for UDP hears this peer alone from then on.
    pub fn connect(&self, to: SocketAddr) -> io::Result<()> {
        self.socket.connect(&self.to(to))
    }

    fn to(&self, mut to: SocketAddr) -> SockAddr {
        if matches!(self.kind, SocketKind::IcmpRaw | SocketKind::TcpRaw) {
            to.set_port(0); // else IPv6 takes it for a protocol
        }
        to.into()
    }

    /// Sends a packet; gives the time just before. A connected socket needs no
    /// address. The error is one of this packet, but for `EMSGSIZE`: that may
    /// be one of an earlier one, as long as the queue of errors is not empty.
    pub fn send(
        &self,
        octets: &[u8],
        to: Option<SocketAddr>,
        how: SendOptions,
    ) -> io::Result<Stamp> {
        let to = to.map(|to| self.to(to));
        let told = control::write(self.family, how);
        let parts = [IoSlice::new(octets)];
        let mut message = MsgHdr::new().with_buffers(&parts);
        if let Some(to) = &to {
            message = message.with_addr(to);
        }
        if !told.is_empty() {
            message = message.with_control(&told);
        }
        let mut tries = 0;
        loop {
            let at = Stamp::now();
            let sent = match &to {
                // With less to copy.
                Some(to) if told.is_empty() => self.socket.send_to(octets, to),
                _ => self.socket.sendmsg(&message, 0),
            };
            match sent {
                Ok(_) => return Ok(at),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if is_late(&e) && tries < PATIENCE => tries += 1,
                Err(e) => return Err(e),
            }
        }
    }

    /// The next packet that waits; `None` when none does.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        let mut tries = 0;
        loop {
            match self.take(0, buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // It stands in the queue of errors too.
                Err(_) if tries < PATIENCE => tries += 1,
                other => return other,
            }
        }
    }

    /// The next error or transmit stamp that waits; `None` when none does.
    pub fn receive_error(&self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        loop {
            match self.take(libc::MSG_ERRQUEUE, buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Of a kind that nobody asked for.
                Ok(Some(Received {
                    what: Queued::Data, ..
                })) => {}
                other => return other,
            }
        }
    }

    fn take(&self, flags: c_int, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        let mut room = Control::new();
        let message = probe_sys::receive(&self.socket, flags, buffer, &mut room)?;
        let told = control::read(room.octets(message.control));
        Ok(Some(Received {
            what: told.queued.unwrap_or(Queued::Data),
            octets: message.octets,
            truncated: message.truncated,
            at: told.stamp.map_or_else(Stamp::now, Stamp::by_kernel),
            peer: message.peer,
            local: told.local,
            interface: told.interface,
            ttl: told.ttl,
            traffic_class: told.traffic_class,
            ip_options: told.ip_options,
        }))
    }
}

/// Waits until one of the sockets has something, a signal came, or time is
/// over; what each of them has. A signal that came is in `signals`.
pub fn wait(
    sockets: &[&ProbeSocket],
    signals: Option<&Signals>,
    timeout: Duration,
) -> io::Result<Vec<Ready>> {
    let mut waiting: Vec<_> = sockets.iter().map(|one| one.socket.as_fd()).collect();
    waiting.extend(signals.map(Signals::as_fd));
    let mut events: Vec<c_short> = Vec::with_capacity(waiting.len());
    probe_sys::poll(&waiting, timeout, &mut events)?;
    if let (Some(signals), Some(1..)) = (signals, events.get(sockets.len())) {
        signals.heard();
    }
    let ready = |events: &c_short| Ready {
        data: events & libc::POLLIN != 0,
        errors: events & libc::POLLERR != 0,
    };
    Ok(events.iter().take(sockets.len()).map(ready).collect())
}

/// The address that packets to this one come from, by the routing table.
pub fn source_address(to: IpAddr, options: &ProbeOptions) -> Result<IpAddr, OsError> {
    let family = Family::of(to);
    let socket = ProbeSocket::open(Purpose::Udp, family, options)?;
    // Nothing is sent. The port is that of discard.
    let local = socket
        .connect((to, 9).into())
        .and_then(|()| socket.local_address())
        .map_err(|reason| OsError::Io {
            thing: to.to_string(),
            what: "there is no way to it",
            reason,
            advice: "see `ip route get` for it",
        })?;
    local.map(|local| local.ip()).ok_or_else(|| OsError::Io {
        thing: to.to_string(),
        what: "there is no way to it",
        reason: io::ErrorKind::AddrNotAvailable.into(),
        advice: "see `ip address`",
    })
}

const CAPABLE: &str = "raw, by CAP_NET_RAW";

/// An error that an earlier packet may have left on the socket.
fn is_late(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EHOSTUNREACH
                | libc::ECONNREFUSED
                | libc::ENETUNREACH
                | libc::EPROTO
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::ENOPROTOOPT
                | libc::EOPNOTSUPP
                | libc::EACCES
        )
    )
}

fn name(purpose: Purpose, family: Family) -> &'static str {
    match (purpose, family) {
        (Purpose::Echo | Purpose::RawEcho, Family::V4) => "ICMP echo over IPv4",
        (Purpose::Echo | Purpose::RawEcho, Family::V6) => "ICMP echo over IPv6",
        (Purpose::Icmp, Family::V4) => "raw ICMP over IPv4",
        (Purpose::Icmp, Family::V6) => "raw ICMP over IPv6",
        (Purpose::Udp, Family::V4) => "UDP over IPv4",
        (Purpose::Udp, Family::V6) => "UDP over IPv6",
        (Purpose::Tcp, Family::V4) => "raw TCP over IPv4",
        (Purpose::Tcp, Family::V6) => "raw TCP over IPv6",
    }
}

/// Distinct within this process, and probably from those of others.
fn fresh_identifier() -> u16 {
    static FIRST: OnceLock<u16> = OnceLock::new();
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = FIRST.get_or_init(|| {
        let random = RandomState::new().hash_one(std::process::id());
        u16::try_from(random & 0xffff).unwrap_or(0)
    });
    first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Why there is no datagram socket for ICMP echo.
#[derive(Debug)]
enum PingGroups {
    /// The sysctl leaves this group out.
    LeaveOut { range: String, group: u32 },
    /// The kernel has none.
    Missing,
}

impl PingGroups {
    fn read(is_denied: bool) -> Self {
        if !is_denied {
            return Self::Missing;
        }
        let range = fs::read_to_string("/proc/sys/net/ipv4/ping_group_range");
        Self::LeaveOut {
            range: range.map_or_else(
                |_| "unknown".to_owned(),
                |range| range.split_whitespace().collect::<Vec<_>>().join(" "),
            ),
            group: probe_sys::group(),
        }
    }
}

impl std::fmt::Display for PingGroups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LeaveOut { range, group } => write!(
                f,
                "net.ipv4.ping_group_range is \"{range}\", which leaves out group {group}"
            ),
            Self::Missing => write!(f, "this kernel has no datagram sockets for ICMP"),
        }
    }
}

/// Why there is no socket.
fn refused(name: &'static str, reason: io::Error, groups: Option<&PingGroups>) -> OsError {
    match reason.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {}
        Some(libc::EAFNOSUPPORT) => return failed(name, "this machine has no IPv6", reason),
        _ => return failed(name, "no socket", reason),
    }
    let program = options::program();
    let capable = format!("give this program the right (sudo setcap cap_net_raw+ep {program})");
    let (why, remedy) = match groups {
        Some(groups @ PingGroups::LeaveOut { group, .. }) => (
            format!("{groups}, and this program has no CAP_NET_RAW"),
            format!(
                "admit the group (sudo sysctl -w net.ipv4.ping_group_range=\"{group} {group}\", or \
                 \"0 2147483647\" for everybody), or {capable}, or run it as root"
            ),
        ),
        Some(groups @ PingGroups::Missing) => (
            format!("{groups}, and this program has no CAP_NET_RAW"),
            format!("{capable}, or run it as root"),
        ),
        None => (
            "only who has CAP_NET_RAW may send and hear it".to_owned(),
            format!("{capable}, or run it as root"),
        ),
    };
    OsError::ProbePermission { name, why, remedy }
}

fn failed(name: &'static str, what: &'static str, reason: io::Error) -> OsError {
    let advice = match reason.raw_os_error() {
        Some(libc::EAFNOSUPPORT) => "use -4",
        Some(libc::EMFILE | libc::ENFILE) => "raise `ulimit -n`, or name fewer hosts",
        _ => "see what this kernel has in /proc/net",
    };
    OsError::Io {
        thing: name.to_owned(),
        what,
        reason,
        advice,
    }
}
