//! Sockets for probes.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use libc::{c_int, c_short};
use socket2::{Domain, MsgHdr, Protocol, SockAddr, Socket, Type};

use super::clocks::Clocks;
use super::numbers::Numbers;
use super::probe_options as options;
use super::probe_rights::{PingGroups, Why, failed, name, refused};
use super::probe_sys::{self, Control};
use super::{Signals, control, sys};
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
    /// Nothing keeps replies to others away.
    hears_others: Cell<bool>,
    clocks: Cell<Clocks>,
    /// Of transmit stamps, where they are wanted.
    numbers: Option<Cell<Numbers>>,
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
            hears_others: Cell::new(false),
            clocks: Cell::new(Clocks::new()),
            numbers: options.transmit_stamps.then(Cell::default),
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
                options::only_echo_replies(socket, self.family)
                    .map_err(wrong("the kernel takes no filter"))?;
                if !asked.hears_others {
                    options::only_identifier(socket, self.family, identifier)
                        .map_err(wrong("the kernel takes no filter"))?;
                }
                self.hears_others.set(asked.hears_others);
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
        self.why.to_string()
    }

    /// The identifier that its ICMP echo requests have to carry (a datagram
    /// socket writes it itself), and the only one whose replies it hears.
    pub fn identifier(&self) -> Option<u16> {
        self.identifier
    }

    /// From now on the kernel keeps replies to others away, where it does not
    /// yet ([`ProbeOptions::hears_others`]); what came before is still read.
    pub fn refuse_others(&self) {
        if let Some(identifier) = self.identifier
            && self.hears_others.take()
        {
            // Else more is read, and told apart as before.
            let _ = options::only_identifier(&self.socket, self.family, identifier);
        }
    }

    /// The address and port that it sends from, as far as that is fixed.
    pub fn local_address(&self) -> io::Result<Option<SocketAddr>> {
        Ok(self.socket.local_addr()?.as_socket())
    }

    /// Where it sends to, once that is fixed. Who asked for an address of all
    /// zeroes finds the one that it stands for.
    pub fn peer_address(&self) -> io::Result<Option<SocketAddr>> {
        Ok(self.socket.peer_addr()?.as_socket())
    }

    /// Packets that came for it and were thrown away by this machine so far,
    /// mostly since nobody read fast enough (`SK_MEMINFO_DROPS`); `None` where
    /// the kernel does not say (before 4.12). Errors that find no room in their
    /// queue are not counted by any kernel.
    pub fn drops(&self) -> Option<u32> {
        // Unlike SO_RXQ_OVFL, which tells it with the next packet that is
        // read, and so never of the last ones.
        let words: [u32; 9] = sys::option(&self.socket, libc::SOL_SOCKET, SO_MEMINFO).ok()?;
        words.last().copied()
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
        let with_message = || {
            let parts = [IoSlice::new(octets)];
            let mut message = MsgHdr::new().with_buffers(&parts);
            if let Some(to) = &to {
                message = message.with_addr(to);
            }
            if !told.is_empty() {
                message = message.with_control(&told);
            }
            self.socket.sendmsg(&message, 0)
        };
        let mut tries = 0;
        loop {
            let at = Stamp::now();
            let sent = match &to {
                // With less to copy.
                Some(to) if told.is_empty() => self.socket.send_to(octets, to),
                _ => with_message(),
            };
            self.count(sent.is_ok());
            match sent {
                Ok(_) => return Ok(at),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if is_late(&e) && tries < PATIENCE => tries += 1,
                Err(e) => return Err(e),
            }
        }
    }

    /// Keeps numbers of transmit stamps right.
    fn count(&self, is_sent: bool) {
        let Some(cell) = &self.numbers else { return };
        let mut numbers = cell.get();
        if is_sent {
            numbers.went();
        } else {
            numbers.failed(options::number_from_zero(&self.socket).is_ok());
        }
        cell.set(numbers);
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
                Ok(Some(received)) => {
                    if let Some(received) = self.numbered(received) {
                        return Ok(Some(received));
                    }
                }
                other => return other,
            }
        }
    }

    /// The same, with the number of a transmit stamp as we count; `None` where
    /// that is not known.
    fn numbered(&self, received: Received) -> Option<Received> {
        let (Queued::Sent(number), Some(cell)) = (received.what, &self.numbers) else {
            return Some(received);
        };
        let mut numbers = cell.get();
        let packet = numbers.packet(number);
        cell.set(numbers);
        Some(Received {
            what: Queued::Sent(packet?),
            ..received
        })
    }

    /// A time of the kernel's, of its wall clock since 1970.
    fn stamp(&self, since_1970: Duration) -> Stamp {
        let mut clocks = self.clocks.get();
        let stamp = clocks.stamp(since_1970);
        self.clocks.set(clocks);
        stamp
    }

    fn take(&self, flags: c_int, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        let mut room = Control::new();
        let message = probe_sys::receive(&self.socket, flags, buffer, &mut room)?;
        let told = control::read(room.octets(message.control));
        Ok(Some(Received {
            what: told.queued.unwrap_or(Queued::Data),
            octets: message.octets,
            truncated: message.truncated,
            at: told
                .stamp
                .map_or_else(Stamp::now, |stamp| self.stamp(stamp)),
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

/// The name of an interface, as an IPv6 address of one link has it behind `%`.
pub fn zone_name(index: u32) -> Option<String> {
    sys::name(index)
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

// asm-generic/socket.h, of Linux 4.12.
const SO_MEMINFO: c_int = 55;

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
