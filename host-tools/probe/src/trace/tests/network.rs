//! A network as data: what each hop does with a probe.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::trace::{Arrival, Content, Event, Machine, Method, Plan, Transmit};

pub(super) const KEY: [u8; 16] = *b"a secret of ours";

/// What a node does with a probe whose time is over at it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Does {
    /// Says so, and quotes this much of it behind the IP header.
    Answers { quotes: usize },
    /// Nothing.
    Nothing,
    /// Answers so many, then one a second.
    Limits(u32),
    /// Answers with a label stack behind what it quotes.
    Mpls(&'static [u32]),
    /// Says an ICMP error of this type and code, whatever the TTL is.
    Refuses(u8, u8),
    /// Refuses what is longer.
    Carries(u32),
    /// It is the destination.
    IsIt,
    /// It is the destination, and answers one probe a second, the first after
    /// so many milliseconds.
    IsItAndLimits(u64),
    /// It is the destination, and drops what is for it.
    IsItAndSilent,
}

pub(super) const ANSWERS: Does = Does::Answers { quotes: 128 };
pub(super) const QUOTES_LITTLE: Does = Does::Answers { quotes: 8 };

/// Nodes side by side at each hop; a flow takes one of them. A node has a
/// number, from which its address follows, and a behaviour.
pub(super) type Path = &'static [&'static [(u8, Does)]];

/// How answers reach the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ears {
    /// By the queue of errors, as without rights.
    Queue,
    /// As raw sockets hear them.
    Raw,
}

#[derive(Debug)]
pub(super) struct Network {
    pub(super) path: Path,
    pub(super) ears: Ears,
    pub(super) plan: Plan,
    /// Time from one hop to the next, one way.
    pub(super) step: Duration,
    /// The way back from the destination is so many hops shorter.
    pub(super) shorter_back: u8,
    answered: HashMap<u8, (u32, Duration)>,
}

/// What comes, in a form that owns its octets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Coming {
    pub(super) at: Duration,
    pub(super) from: IpAddr,
    pub(super) ttl: u8,
    pub(super) flow: Option<u16>,
    pub(super) error: Option<(u8, u8, u32)>,
    pub(super) extension: Option<usize>,
    pub(super) is_segment: bool,
    pub(super) octets: Vec<u8>,
}

pub(super) fn address(is_v4: bool, node: u8) -> IpAddr {
    if is_v4 {
        Ipv4Addr::new(10, 0, 0, node).into()
    } else {
        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, node.into()).into()
    }
}

/// This host, and the number of the destination.
pub(super) const HERE: u8 = 200;
pub(super) const THERE: u8 = 250;
pub(super) const LOCAL: u16 = 40_000;

pub(super) fn plan(is_v4: bool, method: Method, ears: Ears) -> Plan {
    let mut plan = Plan::new(address(is_v4, THERE), address(is_v4, HERE), method);
    if ears == Ears::Raw {
        plan.local = Some(LOCAL);
    }
    plan.max_hops = 12;
    plan
}

impl Network {
    pub(super) fn new(path: Path, plan: Plan, ears: Ears) -> Self {
        Self {
            path,
            ears,
            plan,
            step: Duration::from_millis(1),
            shorter_back: 0,
            answered: HashMap::new(),
        }
    }

    fn is_v4(&self) -> bool {
        self.plan.destination.is_ipv4()
    }

    /// What comes back of a probe.
    pub(super) fn carry(&mut self, now: Duration, transmit: &Transmit) -> Option<Coming> {
        let probe = transmit.probe;
        for (at, nodes) in self.path.iter().enumerate() {
            let hop = u8::try_from(at + 1).unwrap();
            let (node, does) = nodes[usize::from(probe.flow) % nodes.len()];
            let is_over = probe.hop == hop;
            let at = now + 2 * u32::from(hop) * self.step;
            let from = address(self.is_v4(), node);
            let error = |kind: (u8, u8, u32), quotes, labels| {
                Some(self.error(at, from, hop, kind, quotes, labels, transmit))
            };
            let exceeded = (if self.is_v4() { 11 } else { 3 }, 0, 0);
            match does {
                Does::Refuses(ty, code) => return error((ty, code, 0), 128, &[]),
                Does::Carries(mtu) if probe.octets > mtu => {
                    let kind = if self.is_v4() {
                        (3, 4, mtu)
                    } else {
                        (2, 0, mtu)
                    };
                    return error(kind, 128, &[]);
                }
                Does::Answers { quotes } if is_over => return error(exceeded, quotes, &[]),
                Does::Carries(_) if is_over => return error(exceeded, 128, &[]),
                Does::Mpls(labels) if is_over => return error(exceeded, 128, labels),
                Does::Nothing if is_over => return None,
                Does::Limits(burst) if is_over => {
                    let (count, last) = self.answered.entry(node).or_default();
                    if *count >= burst && now < *last + Duration::from_secs(1) {
                        return None;
                    }
                    (*count, *last) = (*count + 1, now);
                    return Some(self.error(at, from, hop, exceeded, 128, &[], transmit));
                }
                Does::IsItAndSilent => return None,
                Does::IsIt => return Some(self.reached(at, hop, transmit)),
                Does::IsItAndLimits(first) => {
                    let (_, next) = self
                        .answered
                        .entry(node)
                        .or_insert((0, Duration::from_millis(first)));
                    if now < *next {
                        return None;
                    }
                    *next = now + Duration::from_secs(1);
                    return Some(self.reached(at, hop, transmit));
                }
                _ => {}
            }
        }
        None
    }

    /// The transport header and what is behind it, as it was on the wire.
    fn transport(&self, transmit: &Transmit) -> Vec<u8> {
        if self.plan.method != Method::Udp {
            return transmit.octets.clone();
        }
        let length = u16::try_from(transmit.octets.len() + 8).unwrap();
        let mut octets = Vec::new();
        for word in [LOCAL + transmit.probe.flow, self.plan.port, length, 0x1234] {
            octets.extend(word.to_be_bytes());
        }
        octets.extend(&transmit.octets);
        octets
    }

    fn ip(&self, transport: &[u8]) -> Vec<u8> {
        let protocol = match self.plan.method {
            Method::Udp => 17,
            Method::Tcp => 6,
            Method::Icmp if self.is_v4() => 1,
            Method::Icmp => 58,
        };
        match (self.plan.source, self.plan.destination) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let length = u16::try_from(transport.len() + 20).unwrap().to_be_bytes();
                let mut ip = vec![0x45, 0, length[0], length[1], 1, 2, 0, 0, 1, protocol, 0, 0];
                ip.extend(from.octets());
                ip.extend(to.octets());
                ip
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let length = u16::try_from(transport.len()).unwrap().to_be_bytes();
                let mut ip = vec![0x60, 0, 0, 0, length[0], length[1], protocol, 1];
                ip.extend(from.octets());
                ip.extend(to.octets());
                ip
            }
            _ => panic!("mixed"),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn error(
        &self,
        at: Duration,
        from: IpAddr,
        hop: u8,
        kind: (u8, u8, u32),
        quotes: usize,
        labels: &[u32],
        transmit: &Transmit,
    ) -> Coming {
        let (icmp_type, code, mtu) = kind;
        let transport = self.transport(transmit);
        let ip = self.ip(&transport);
        let mut quote = [&ip[..], &transport[..quotes.min(transport.len())]].concat();
        let mut extension = None;
        if !labels.is_empty() {
            quote.truncate(128);
            quote.resize(128, 0);
            extension = Some(quote.len());
            let length = u16::try_from(4 + labels.len() * 4).unwrap().to_be_bytes();
            let mut object = vec![0x20, 0, 0, 0, length[0], length[1], 1, 1];
            for (n, label) in labels.iter().enumerate() {
                let bottom = u32::from(n + 1 == labels.len());
                object.extend((label << 12 | bottom << 8 | 1).to_be_bytes());
            }
            let sum = pnet_packet::util::checksum(&object, usize::MAX);
            object[2..4].copy_from_slice(&sum.to_be_bytes());
            quote.extend(object);
        }
        let common = Coming {
            at,
            from,
            ttl: 65 - hop,
            flow: None,
            error: None,
            extension: None,
            is_segment: false,
            octets: Vec::new(),
        };
        if self.ears == Ears::Queue {
            let taken = ip.len()
                + if self.plan.method == Method::Udp {
                    8
                } else {
                    0
                };
            return Coming {
                flow: Some(transmit.probe.flow),
                error: Some((icmp_type, code, mtu)),
                extension: extension.map(|at| at - taken),
                octets: quote.get(taken..).unwrap_or_default().to_vec(),
                ..common
            };
        }
        let mut octets = vec![icmp_type, code, 0, 0, 0, 0, 0, 0];
        if self.is_v4() {
            octets[6..8].copy_from_slice(&u16::try_from(mtu).unwrap().to_be_bytes());
            octets[5] = extension.map_or(0, |at| u8::try_from(at / 4).unwrap());
        } else {
            octets[4..8].copy_from_slice(&mtu.to_be_bytes());
            if let Some(at) = extension {
                octets[4] = u8::try_from(at / 8).unwrap();
            }
        }
        octets.extend(quote);
        Coming { octets, ..common }
    }

    fn reached(&self, at: Duration, hop: u8, transmit: &Transmit) -> Coming {
        let from = self.plan.destination;
        let ttl = 65 - hop + self.shorter_back;
        let common = Coming {
            at,
            from,
            ttl,
            flow: None,
            error: None,
            extension: None,
            is_segment: false,
            octets: transmit.octets.clone(),
        };
        match self.plan.method {
            Method::Udp => {
                let kind = if self.is_v4() { (3, 3, 0) } else { (1, 4, 0) };
                let error = self.error(at, from, hop, kind, 128, &[], transmit);
                Coming { ttl, ..error }
            }
            Method::Icmp => {
                let mut reply = common;
                reply.octets[0] = if self.is_v4() { 0 } else { 129 };
                reply.flow = (self.ears == Ears::Queue).then_some(transmit.probe.flow);
                reply
            }
            Method::Tcp => {
                let mut reply = common;
                let syn = transmit.octets.clone();
                reply.octets[0..2].copy_from_slice(&syn[2..4]);
                reply.octets[2..4].copy_from_slice(&syn[0..2]);
                let sequence = u32::from_be_bytes(syn[4..8].try_into().unwrap());
                reply.octets[8..12].copy_from_slice(&sequence.wrapping_add(1).to_be_bytes());
                reply.octets[13] = 0x14; // RST, ACK
                reply.is_segment = true;
                reply
            }
        }
    }
}

impl Coming {
    pub(super) fn arrival(&self, plan: &Plan) -> Arrival<'_> {
        let content = match (self.error, plan.method) {
            (Some((icmp_type, code, mtu)), _) => Content::Queued {
                icmp_type,
                code,
                mtu,
                destination: Some(SocketAddr::new(
                    plan.destination,
                    if plan.method == Method::Udp {
                        plan.port
                    } else {
                        0
                    },
                )),
                quoted: &self.octets,
                extension: self.extension,
            },
            (None, _) if self.is_segment => Content::Tcp(&self.octets),
            (None, _) => Content::Icmp(&self.octets),
        };
        Arrival {
            at: self.at,
            from: self.from,
            ttl: Some(self.ttl),
            flow: self.flow,
            content,
        }
    }
}

/// Walks a machine through a network until it is over or `until`; its events,
/// and the time that passed.
pub(super) fn walk(
    machine: &mut impl Machine,
    network: &mut Network,
    until: Duration,
) -> (Vec<Event>, Duration) {
    let mut now = Duration::ZERO;
    let mut coming = BinaryHeap::new();
    let mut events = Vec::new();
    let mut turns = 0;
    loop {
        turns += 1;
        assert!(turns < 100_000, "it turns on the spot at {now:?}");
        while let Some(transmit) = machine.poll_transmit(now) {
            coming.extend(network.carry(now, &transmit).map(Reverse));
        }
        events.extend(std::iter::from_fn(|| machine.poll_event()));
        let Some(timeout) = machine.poll_timeout() else {
            return (events, now);
        };
        let next = coming
            .peek()
            .map_or(timeout, |Reverse(first): &Reverse<Coming>| {
                first.at.min(timeout)
            });
        now = now.max(next);
        if now > until {
            return (events, now);
        }
        while coming.peek().is_some_and(|Reverse(first)| first.at <= now) {
            let Reverse(first) = coming.pop().unwrap();
            machine.handle_arrival(&first.arrival(&network.plan));
        }
        machine.handle_timeout(now);
    }
}
