//! Sockets of a trace: sends what a machine wants sent, hands it what comes.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use magpie_os::probe::{
    Family, LARGE_BUFFER, Origin, PathMtu, ProbeError, ProbeOptions, Purpose, Queued, Received,
    SendOptions, SocketKind,
};
use magpie_os::{ProbeSocket, Signals};
use magpie_probe::ProbeKey;
use magpie_probe::trace::{Arrival, Content, Machine, Method, Plan, Transmit, behind_ipv4};

/// Packets, or errors, that are read from a socket before times and signals are
/// looked at again: whoever sends faster than we read is not to stop either.
const AT_ONCE: usize = 1024;

/// Sockets of flows that are open at once: each is a file.
const MAX_SOCKETS: usize = 300;
/// Longest message: an IP packet.
const ROOM: usize = 65_536;
/// Probes whose keys are kept.
const KEYS: usize = 1_024;
/// A send that fails with the error of an earlier packet is tried again.
const PATIENCE: usize = 8;

/// A socket, and what it sent.
#[derive(Debug)]
struct Line {
    socket: ProbeSocket,
    /// Its flow; `None`: it is one for all.
    flow: Option<u16>,
    /// Serial numbers in the order of the kernel's transmit stamps.
    sent: Vec<u32>,
}

/// What became of a probe that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// It went.
    Gone,
    /// It is longer than what a link of this machine carries: so much.
    TooLong(u32),
}

/// All sockets of a trace.
#[derive(Debug)]
pub(super) struct Wire {
    plan: Plan,
    options: ProbeOptions,
    lines: Vec<Line>,
    /// Lines by flow, where each has its own.
    of_flow: BTreeMap<u16, usize>,
    /// Raw: the first line sends for all flows.
    is_raw: bool,
    /// By what the latest probes are found on a wire.
    keys: BTreeMap<u32, ProbeKey>,
    /// Times count from here.
    began: Instant,
    began_wall: SystemTime,
    buffer: Vec<u8>,
}

impl Wire {
    /// Opens what the plan's method needs, and fills in what the plan has to
    /// know of it. Nothing is sent.
    pub(super) fn open(plan: &mut Plan, options: ProbeOptions) -> anyhow::Result<Self> {
        let family = Family::of(plan.destination);
        let mut lines = Vec::new();
        let mut open = |purpose, options: &ProbeOptions, flow| -> anyhow::Result<SocketKind> {
            let socket = ProbeSocket::open(purpose, family, options)?;
            let kind = socket.kind();
            lines.push(Line {
                socket,
                flow,
                sent: Vec::new(),
            });
            Ok(kind)
        };
        let mut is_raw = false;
        match plan.method {
            Method::Udp => {
                open(Purpose::Udp, &options, Some(0))?;
            }
            Method::Icmp => {
                if open(Purpose::Echo, &options, Some(0))? == SocketKind::IcmpRaw {
                    // That one hears replies only; routers answer with errors.
                    lines.clear();
                    is_raw = true;
                    let socket = ProbeSocket::open(Purpose::Icmp, family, &options)?;
                    lines.push(Line {
                        socket,
                        flow: None,
                        sent: Vec::new(),
                    });
                }
            }
            Method::Tcp => {
                is_raw = true;
                open(Purpose::Tcp, &options, None)?;
                let icmp = ProbeOptions {
                    receive_buffer: options.receive_buffer,
                    ..ProbeOptions::default()
                };
                open(Purpose::Icmp, &icmp, None)?;
            }
        }
        if is_raw {
            plan.local = Some(raw_local());
        }
        let mut wire = Self {
            plan: plan.clone(),
            options,
            of_flow: BTreeMap::new(),
            keys: BTreeMap::new(),
            lines,
            is_raw,
            began: Instant::now(),
            began_wall: SystemTime::now(),
            buffer: vec![0; ROOM],
        };
        match plan.method {
            // Answers come from there alone, and nobody else's segments are to
            // fill the queue.
            Method::Tcp => wire.connect(0)?,
            _ if wire.is_raw => {}
            _ => {
                wire.connect(0)?;
                wire.of_flow.insert(0, 0);
            }
        }
        Ok(wire)
    }

    /// Time since the sockets were opened.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Such a time as microseconds since 1970.
    pub(super) fn unix_us(&self, at: Duration) -> u64 {
        let wall = self.began_wall.checked_add(at).unwrap_or(self.began_wall);
        let since = wall
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    /// Where the socket of a flow sends to.
    fn to(&self) -> SocketAddr {
        let port = match self.plan.method {
            Method::Udp => self.plan.port,
            _ => 0,
        };
        SocketAddr::new(self.plan.destination, port)
    }

    fn connect(&self, line: usize) -> anyhow::Result<()> {
        let to = self.plan.destination;
        let line = self.lines.get(line).context("no socket")?;
        line.socket
            .connect(self.to())
            .with_context(|| format!("{to}: there is no way to it (see `ip route get {to}`)"))
    }

    /// The line that sends a flow; opened where it is new.
    fn line_of(&mut self, flow: u16) -> anyhow::Result<usize> {
        if self.is_raw {
            return Ok(0);
        }
        if let Some(at) = self.of_flow.get(&flow) {
            return Ok(*at);
        }
        anyhow::ensure!(self.lines.len() < MAX_SOCKETS, "too many flows");
        let purpose = match self.plan.method {
            Method::Icmp => Purpose::Echo,
            _ => Purpose::Udp,
        };
        let family = Family::of(self.plan.destination);
        let socket = ProbeSocket::open(purpose, family, &self.options)?;
        let at = self.lines.len();
        self.lines.push(Line {
            socket,
            flow: Some(flow),
            sent: Vec::new(),
        });
        self.connect(at)?;
        self.of_flow.insert(flow, at);
        Ok(at)
    }

    /// Sends a probe. What waits in queues goes to the machine first where an
    /// earlier probe's error is in the way.
    pub(super) fn send(
        &mut self,
        transmit: &Transmit,
        machine: &mut dyn Machine,
    ) -> anyhow::Result<Sent> {
        let at = self.line_of(transmit.probe.flow)?;
        let how = SendOptions {
            ttl: Some(transmit.probe.hop),
            ..SendOptions::default()
        };
        let to = self.is_raw.then(|| self.to());
        let mut tries = 0;
        loop {
            let line = self.lines.get_mut(at).context("no socket")?;
            let error = match line.socket.send(&transmit.octets, to, how) {
                Ok(stamp) => {
                    let key = transmit.key(&self.plan, local(&line.socket, transmit, &self.plan));
                    self.keys.insert(transmit.probe.serial, key);
                    if self.keys.len() > KEYS {
                        self.keys.pop_first();
                    }
                    line.sent.push(transmit.probe.serial);
                    let at = stamp.at.saturating_duration_since(self.began);
                    machine.handle_sent(transmit.probe.serial, at);
                    return Ok(Sent::Gone);
                }
                Err(error) => error,
            };
            let (local, others) = self.errors(at, machine)?;
            let local = local.filter(|local| Some(local.errno) == error.raw_os_error());
            if let Some(mtu) = local.map(|local| local.info).filter(|mtu| *mtu > 0) {
                return Ok(Sent::TooLong(mtu));
            }
            tries += 1;
            if others == 0 || tries >= PATIENCE {
                let to = self.plan.destination;
                return Err(error).with_context(|| format!("{to}: a probe cannot be sent"));
            }
        }
    }

    /// By what a probe is found on a wire, if it is not too long ago.
    pub(super) fn key(&self, serial: u32) -> Option<ProbeKey> {
        self.keys.get(&serial).copied()
    }

    /// Packets that this machine threw away before they could be read; `None`:
    /// it does not say.
    pub(super) fn drops(&self) -> Option<u64> {
        let of = |line: &Line| line.socket.drops().map(u64::from);
        self.lines.iter().map(of).sum()
    }

    /// Waits for something to come, or until then, and hands it to the
    /// machine.
    pub(super) fn collect(
        &mut self,
        until: Duration,
        signals: &Signals,
        machine: &mut dyn Machine,
    ) -> anyhow::Result<()> {
        let sockets: Vec<&ProbeSocket> = self.lines.iter().map(|line| &line.socket).collect();
        let timeout = until.saturating_sub(self.now());
        let ready = magpie_os::wait(&sockets, Some(signals), timeout);
        for (at, ready) in ready
            .context("waiting for answers")?
            .into_iter()
            .enumerate()
        {
            if ready.is_any() {
                self.errors(at, machine)?;
                self.packets(at, machine)?;
            }
        }
        Ok(())
    }

    /// The queue of errors; the last one that this machine itself made, and how
    /// many others there were.
    fn errors(
        &mut self,
        at: usize,
        machine: &mut dyn Machine,
    ) -> anyhow::Result<(Option<ProbeError>, usize)> {
        let (mut local, mut others) = (None, 0);
        for _ in 0..AT_ONCE {
            let Some(line) = self.lines.get(at) else {
                break;
            };
            let received = line.socket.receive_error(&mut self.buffer);
            let Some(received) = received.context("a socket's queue of errors")? else {
                break;
            };
            let came = received.at.at.saturating_duration_since(self.began);
            match received.what {
                Queued::Sent(number) => {
                    let serial = usize::try_from(number).ok().and_then(|n| line.sent.get(n));
                    if let Some(serial) = serial {
                        machine.handle_sent(*serial, came);
                    }
                }
                Queued::Error(error) if error.origin == Origin::Local => local = Some(error),
                Queued::Error(error) => {
                    others += 1;
                    // Raw sockets have their own way to hear ICMP.
                    if self.is_raw {
                        continue;
                    }
                    let octets = self.buffer.get(..received.octets).unwrap_or_default();
                    if let Some(arrival) = queued(&received, &error, octets, line.flow, came) {
                        machine.handle_arrival(&arrival);
                    }
                }
                Queued::Data => {}
            }
        }
        Ok((local, others))
    }

    fn packets(&mut self, at: usize, machine: &mut dyn Machine) -> anyhow::Result<()> {
        let family = Family::of(self.plan.destination);
        for _ in 0..AT_ONCE {
            let Some(line) = self.lines.get(at) else {
                break;
            };
            let received = line.socket.receive(&mut self.buffer);
            let Some(received) = received.context("a socket")? else {
                break;
            };
            let octets = self.buffer.get(..received.octets).unwrap_or_default();
            let kind = line.socket.kind();
            let octets = if kind.has_ip_header(family) {
                behind_ipv4(octets).unwrap_or_default()
            } else {
                octets
            };
            let Some(from) = received.peer.map(|peer| peer.ip()) else {
                continue;
            };
            let content = match kind {
                SocketKind::Udp => Content::Datagram(octets),
                SocketKind::TcpRaw => Content::Tcp(octets),
                SocketKind::IcmpDatagram | SocketKind::IcmpRaw => Content::Icmp(octets),
            };
            machine.handle_arrival(&Arrival {
                at: received.at.at.saturating_duration_since(self.began),
                from,
                ttl: received.ttl,
                flow: line.flow,
                content,
            });
        }
        Ok(())
    }
}

/// The source port or identifier that a probe goes out with; 0: not known.
fn local(socket: &ProbeSocket, transmit: &Transmit, plan: &Plan) -> u16 {
    if let Some(first) = plan.local {
        return first.wrapping_add(transmit.probe.flow);
    }
    let port = || {
        socket
            .local_address()
            .ok()
            .flatten()
            .map(|local| local.port())
    };
    socket.identifier().or_else(port).unwrap_or(0)
}

/// An error as the machine takes it.
fn queued<'a>(
    received: &Received,
    error: &ProbeError,
    octets: &'a [u8],
    flow: Option<u16>,
    at: Duration,
) -> Option<Arrival<'a>> {
    let from: IpAddr = error.offender?;
    Some(Arrival {
        at,
        from,
        ttl: received.ttl,
        flow,
        content: Content::Queued {
            icmp_type: error.icmp_type,
            code: error.icmp_code,
            mtu: error.info,
            destination: received.peer,
            quoted: octets,
            extension: error
                .extension
                .filter(|extension| !extension.is_invalid)
                .map(|extension| extension.at),
        },
    })
}

/// A source port or identifier for raw probes, whose flows follow it: of those
/// that this system gives to nobody by itself (`ip_local_port_range` begins at
/// 32768).
fn raw_local() -> u16 {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(std::process::id());
    let offset = u16::try_from(random % 12_000).unwrap_or(0);
    20_000 + offset
}

/// How sockets are opened for a plan.
pub(super) fn socket_options(
    plan: &Plan,
    source: Option<IpAddr>,
    interface: Option<&str>,
    tos: Option<u8>,
    dont_fragment: bool,
) -> ProbeOptions {
    ProbeOptions {
        source: source.map(|source| SocketAddr::new(source, 0)),
        interface: interface.map(str::to_owned),
        traffic_class: tos,
        // The kernel's memory of a path MTU would answer instead of the path.
        path_mtu: Some(if dont_fragment || plan.find_mtu {
            PathMtu::Probe
        } else {
            PathMtu::Dont
        }),
        transmit_stamps: true,
        receive_buffer: Some(LARGE_BUFFER),
        ..ProbeOptions::default()
    }
}
