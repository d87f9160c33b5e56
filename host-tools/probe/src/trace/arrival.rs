//! What came back, and which probe it says it answers. All of it was written
//! by somebody else, and nothing is believed but what a probe of ours is
//! quoted by.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pnet_packet::icmp::IcmpPacket;
use pnet_packet::tcp::{TcpFlags, TcpPacket};

use super::cause::{self, Kind, Reach};
use super::extension::{self, Object};
use super::identity;
use super::packet::ECHO_HEADER;
use super::plan::{Method, Plan};
use super::quote::quoted_transport;

/// Something that came back.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// When, since whatever the caller counts from.
    pub at: Duration,
    /// Who sent it.
    pub from: IpAddr,
    /// TTL or hop limit that it came with.
    pub ttl: Option<u8>,
    /// The flow whose socket heard it; `None`: a socket that hears all.
    pub flow: Option<u16>,
    /// What it is.
    pub content: Content<'a>,
}

/// What it is that came.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// An ICMP error by a socket's queue of errors: the kernel matched
    /// addresses and ports (or the identifier).
    Queued {
        /// ICMP type.
        icmp_type: u8,
        /// ICMP code.
        code: u8,
        /// MTU, where it has one.
        mtu: u32,
        /// Where the quoted probe went.
        destination: Option<SocketAddr>,
        /// What is quoted: from the payload of UDP on, or from the ICMP
        /// header on.
        quoted: &'a [u8],
        /// Where in `quoted` the kernel found extensions.
        extension: Option<usize>,
    },
    /// An ICMP message, from its header on.
    Icmp(&'a [u8]),
    /// A TCP segment, from its header on.
    Tcp(&'a [u8]),
    /// A UDP payload.
    Datagram(&'a [u8]),
}

/// The number that a probe is quoted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// By its payload, which begins with number and tag.
    Payload {
        wire: u16,
        /// Where in the message.
        at: usize,
    },
    /// By its ICMP sequence number alone.
    Sequence(u16),
    /// By its TCP sequence number.
    Tcp(u32),
    /// Not at all: a router quoted the headers and no more. Some probe of
    /// this flow.
    None,
}

/// A message that quotes some probe of ours, as far as its headers tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read<'a> {
    pub(crate) kind: Kind,
    pub(crate) claim: Claim,
    /// What `Claim::Payload` is an offset in.
    pub(crate) octets: &'a [u8],
    /// The flow, where it is known.
    pub(crate) flow: Option<u16>,
    pub(crate) extensions: Vec<Object>,
}

/// Why something that came is no answer to a probe of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Foreign {
    /// Too short to be what it says.
    Short,
    /// A message that answers no probe, such as a redirect.
    Kind,
    /// It quotes other addresses, ports or identifiers than ours.
    Address,
    /// It comes from another address than the one that it answers for.
    Sender,
    /// Its number is none of a probe under way, or its tag is wrong: forged,
    /// damaged, or of another run.
    Identity,
}

/// Offset of ICMP extensions in a message of a router that does not say where
/// they are (RFC 4884, section 5.5).
const GUESSED: usize = 128;
/// Octets of an ICMP header.
const ICMP_HEADER: usize = 8;

/// Reads it.
pub(crate) fn read<'a>(plan: &Plan, arrival: &Arrival<'a>) -> Result<Read<'a>, Foreign> {
    match arrival.content {
        Content::Queued {
            icmp_type,
            code,
            mtu,
            destination,
            quoted,
            extension,
        } => {
            let kind = error_kind(plan, arrival.from, icmp_type, code, mtu)?;
            if let Some(to) = destination {
                let port = plan.method == Method::Udp && to.port() != plan.port;
                if to.ip() != plan.destination || port {
                    return Err(Foreign::Address);
                }
            }
            // IP header, and that of UDP, which the kernel takes off.
            let taken = if plan.method == Method::Udp { 8 } else { 0 }
                + if plan.destination.is_ipv4() { 20 } else { 40 };
            let at = extension.unwrap_or(GUESSED - taken);
            let extensions = extensions(quoted, at, extension.is_none());
            let quote = quoted.get(..at).unwrap_or(quoted);
            let claim = match plan.method {
                Method::Udp => payload_claim(quote, 0),
                // Identifiers are the kernel's business here.
                Method::Icmp => echo_claim(plan, quote, 0)?,
                Method::Tcp => return Err(Foreign::Kind),
            };
            Ok(Read {
                kind,
                claim,
                octets: quoted,
                flow: arrival.flow,
                extensions,
            })
        }
        Content::Icmp(message) => icmp(plan, arrival, message),
        Content::Tcp(segment) => tcp(plan, arrival, segment),
        Content::Datagram(payload) => {
            if plan.method != Method::Udp || arrival.from != plan.destination {
                return Err(Foreign::Sender);
            }
            match payload_claim(payload, 0) {
                // Whoever answers with words of its own cannot be told apart.
                Claim::None => Err(Foreign::Identity),
                claim => Ok(Read {
                    kind: Kind::Reached(Reach::Datagram),
                    claim,
                    octets: payload,
                    flow: arrival.flow,
                    extensions: Vec::new(),
                }),
            }
        }
    }
}

fn error_kind(plan: &Plan, from: IpAddr, ty: u8, code: u8, mtu: u32) -> Result<Kind, Foreign> {
    let reading = if plan.destination.is_ipv4() {
        cause::v4
    } else {
        cause::v6
    };
    reading(ty, code, mtu, from == plan.destination).ok_or(Foreign::Kind)
}

/// Extensions at this offset of what is quoted, if there are any.
fn extensions(quoted: &[u8], at: usize, is_guess: bool) -> Vec<Object> {
    quoted
        .get(at..)
        .and_then(|octets| extension::parse(octets, is_guess).ok())
        .unwrap_or_default()
}

/// A payload that begins at this offset.
fn payload_claim(octets: &[u8], at: usize) -> Claim {
    let payload = octets.get(at..).unwrap_or_default();
    match identity::wire_of(payload) {
        Some(wire) => Claim::Payload { wire, at },
        None => Claim::None,
    }
}

/// A quoted echo request; whose it is, is known by its identifier already.
fn echo_claim(plan: &Plan, octets: &[u8], at: usize) -> Result<Claim, Foreign> {
    let header = octets.get(at..).unwrap_or_default();
    let [icmp_type, code, _, _, _, _, high, low, payload @ ..] = header else {
        return Err(Foreign::Short);
    };
    let request = if plan.destination.is_ipv4() { 8 } else { 128 };
    if (*icmp_type, *code) != (request, 0) {
        return Err(Foreign::Address);
    }
    let wire = u16::from_be_bytes([*high, *low]);
    match payload_claim(payload, 0) {
        Claim::None => Ok(Claim::Sequence(wire)),
        Claim::Payload { wire: again, .. } if again != wire => Err(Foreign::Identity),
        _ => Ok(Claim::Payload {
            wire,
            at: at + ECHO_HEADER,
        }),
    }
}

/// The flow of a local port or identifier; `None`: the kernel matched it.
/// Raw sockets hear what belongs to others too, who have other ports.
fn flow_of(plan: &Plan, local: u16) -> Result<Option<u16>, Foreign> {
    let Some(first) = plan.local else {
        return Ok(None);
    };
    let flow = local.wrapping_sub(first);
    if flow < Plan::FLOWS {
        Ok(Some(flow))
    } else {
        Err(Foreign::Address)
    }
}

fn icmp<'a>(plan: &Plan, arrival: &Arrival<'_>, message: &'a [u8]) -> Result<Read<'a>, Foreign> {
    let packet = IcmpPacket::new(message).ok_or(Foreign::Short)?;
    let body = message.get(ICMP_HEADER..).ok_or(Foreign::Short)?;
    let (icmp_type, code) = (packet.get_icmp_type().0, packet.get_icmp_code().0);
    let is_v4 = plan.destination.is_ipv4();
    if icmp_type == if is_v4 { 0 } else { 129 } {
        return echo_reply(plan, arrival, message);
    }
    let word = |at: usize| message.get(at).copied().unwrap_or(0);
    let mtu = if is_v4 {
        u32::from(u16::from_be_bytes([word(6), word(7)]))
    } else {
        u32::from_be_bytes([word(4), word(5), word(6), word(7)])
    };
    let kind = error_kind(plan, arrival.from, icmp_type, code, mtu)?;
    // RFC 4884: how much is quoted, in words of 32 or, over IPv6, 64 bits;
    // only where the message is of a type that has this field.
    let has_length = if is_v4 {
        matches!(icmp_type, 3 | 11 | 12)
    } else {
        matches!(icmp_type, 1 | 3)
    };
    let said = match (has_length, is_v4) {
        (false, _) => 0,
        (true, true) => usize::from(word(5)) * 4,
        (true, false) => usize::from(word(4)) * 8,
    };
    let at = if said == 0 { GUESSED } else { said };
    let extensions = if said == 0 || said >= GUESSED {
        extensions(body, at, said == 0)
    } else {
        Vec::new()
    };
    let quote = body.get(..at).unwrap_or(body);
    let (transport, offset) = quoted_transport(plan, quote)?;
    let (claim, flow) = match plan.method {
        Method::Icmp => {
            let identifier = transport.get(4..6).ok_or(Foreign::Short)?;
            let flow = flow_of(plan, u16::from_be_bytes([identifier[0], identifier[1]]))?;
            (echo_claim(plan, quote, offset)?, flow)
        }
        Method::Udp | Method::Tcp => {
            let [a, b, c, d, rest @ ..] = transport else {
                return Err(Foreign::Short);
            };
            if u16::from_be_bytes([*c, *d]) != plan.port {
                return Err(Foreign::Address);
            }
            let flow = flow_of(plan, u16::from_be_bytes([*a, *b]))?;
            let claim = match (plan.method, rest) {
                (Method::Tcp, [a, b, c, d, ..]) => Claim::Tcp(u32::from_be_bytes([*a, *b, *c, *d])),
                (Method::Tcp, _) => return Err(Foreign::Short),
                _ => payload_claim(quote, offset + 8),
            };
            (claim, flow)
        }
    };
    Ok(Read {
        kind,
        claim,
        octets: body,
        flow: flow.or(arrival.flow),
        extensions,
    })
}

fn echo_reply<'a>(
    plan: &Plan,
    arrival: &Arrival<'_>,
    message: &'a [u8],
) -> Result<Read<'a>, Foreign> {
    if plan.method != Method::Icmp {
        return Err(Foreign::Kind);
    }
    if arrival.from != plan.destination {
        return Err(Foreign::Sender);
    }
    let [_, 0, _, _, id_high, id_low, high, low, payload @ ..] = message else {
        return Err(Foreign::Short);
    };
    let flow = flow_of(plan, u16::from_be_bytes([*id_high, *id_low]))?;
    // A reply has all that the request had.
    match payload_claim(payload, 0) {
        Claim::Payload { wire, .. } if wire == u16::from_be_bytes([*high, *low]) => Ok(Read {
            kind: Kind::Reached(Reach::EchoReply),
            claim: Claim::Payload {
                wire,
                at: ECHO_HEADER,
            },
            octets: message,
            flow: flow.or(arrival.flow),
            extensions: Vec::new(),
        }),
        _ => Err(Foreign::Identity),
    }
}

fn tcp<'a>(plan: &Plan, arrival: &Arrival<'_>, octets: &'a [u8]) -> Result<Read<'a>, Foreign> {
    let segment = TcpPacket::new(octets).ok_or(Foreign::Short)?;
    if plan.method != Method::Tcp {
        return Err(Foreign::Kind);
    }
    if arrival.from != plan.destination {
        return Err(Foreign::Sender);
    }
    if segment.get_source() != plan.port {
        return Err(Foreign::Address);
    }
    let flags = segment.get_flags() & (TcpFlags::SYN | TcpFlags::ACK | TcpFlags::RST);
    let reach = if flags == TcpFlags::SYN | TcpFlags::ACK {
        Reach::Open
    } else if flags == TcpFlags::RST | TcpFlags::ACK {
        Reach::Closed
    } else {
        return Err(Foreign::Kind);
    };
    Ok(Read {
        kind: Kind::Reached(reach),
        claim: Claim::Tcp(segment.get_acknowledgement().wrapping_sub(1)),
        octets,
        flow: flow_of(plan, segment.get_destination())?,
        extensions: Vec::new(),
    })
}
