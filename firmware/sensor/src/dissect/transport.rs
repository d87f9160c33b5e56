//! TCP, UDP, SCTP and ICMP: ports, and what is counted beyond them.

use magpie_protocol::Malformed;

use super::{Classes, Echo, Fragment, Icmp, Tcp, Transport};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP6: u8 = 58;
const SCTP: u8 = 132;

const UDP_HEADER: u32 = 8;

/// Which IP carries it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

/// What the transport layer says.
pub(super) struct Upper {
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) transport: Transport,
}

impl Upper {
    /// No ports and nothing else.
    pub(super) const NONE: Self = Self::ports(0, 0);

    const fn ports(source_port: u16, destination_port: u16) -> Self {
        Self {
            source_port,
            destination_port,
            transport: Transport::Other,
        }
    }
}

/// The captured octets without what stands behind `octets`, the padding.
#[inline]
pub(super) fn clip(captured: &[u8], octets: u32) -> &[u8] {
    let octets = usize::try_from(octets).unwrap_or(usize::MAX);
    captured.get(..octets).unwrap_or(captured)
}

/// `body`: the captured octets behind the IP headers, without padding;
/// `octets`: how many the packet had there on the wire.
#[inline]
pub(super) fn read(
    version: Version,
    protocol: u8,
    fragment: Fragment,
    body: &[u8],
    octets: u32,
    malformed: &mut Classes,
) -> Upper {
    if fragment == Fragment::Later {
        return Upper::NONE;
    }
    match (protocol, version) {
        (TCP, _) => tcp(fragment, body, octets, malformed),
        (UDP, _) => udp(version, fragment, body, octets, malformed),
        (SCTP, _) => sctp(body, malformed),
        (ICMP, Version::V4) | (ICMP6, Version::V6) => icmp(version, body, malformed),
        _ => Upper::NONE,
    }
}

/// The two ports that TCP, UDP and SCTP begin with, of a body that is
/// shorter than the fixed header.
#[inline(never)]
fn short(body: &[u8], malformed: &mut Classes) -> Upper {
    malformed.insert(Malformed::L4Short);
    match body.first_chunk::<4>() {
        Some([a, b, c, d]) => {
            Upper::ports(u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
        }
        None => Upper::NONE,
    }
}

/// RFC 9293.
#[inline]
fn tcp(fragment: Fragment, body: &[u8], octets: u32, malformed: &mut Classes) -> Upper {
    const HEADER: usize = 20;
    let Some(header) = body.first_chunk::<HEADER>() else {
        return short(body, malformed);
    };
    let [
        s0,
        s1,
        d0,
        d1,
        q0,
        q1,
        q2,
        q3,
        a0,
        a1,
        a2,
        a3,
        offset,
        flags,
        ..,
    ] = *header;
    let mut upper = Upper::ports(u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
    let header_octets = u32::from(offset >> 4).wrapping_mul(4);
    match octets.checked_sub(header_octets) {
        Some(payload) if header_octets >= 20 => {
            upper.transport = Transport::Tcp(Tcp {
                flags,
                sequence: u32::from_be_bytes([q0, q1, q2, q3]),
                acknowledgement: u32::from_be_bytes([a0, a1, a2, a3]),
                payload: (fragment == Fragment::Whole).then_some(payload),
            });
        }
        _ => malformed.insert(Malformed::TcpOff),
    }
    upper
}

/// RFC 768; length 0 is a jumbogram's in IPv6 (RFC 2675).
#[inline]
fn udp(
    version: Version,
    fragment: Fragment,
    body: &[u8],
    octets: u32,
    malformed: &mut Classes,
) -> Upper {
    let Some([s0, s1, d0, d1, high, low, _, _]) = body.first_chunk::<8>() else {
        return short(body, malformed);
    };
    let length = u32::from(u16::from_be_bytes([*high, *low]));
    let too_small = length < UDP_HEADER && !(length == 0 && version == Version::V6);
    let too_large = length > octets && fragment == Fragment::Whole;
    if too_small || too_large {
        malformed.insert(Malformed::UdpLen);
    }
    Upper::ports(
        u16::from_be_bytes([*s0, *s1]),
        u16::from_be_bytes([*d0, *d1]),
    )
}

/// RFC 9260: twelve octets of common header.
#[inline(never)]
fn sctp(body: &[u8], malformed: &mut Classes) -> Upper {
    match body.first_chunk::<12>() {
        Some([s0, s1, d0, d1, ..]) => Upper::ports(
            u16::from_be_bytes([*s0, *s1]),
            u16::from_be_bytes([*d0, *d1]),
        ),
        None => short(body, malformed),
    }
}

/// RFC 792 and RFC 4443. Type and code are counted even where the other six
/// octets of the header are missing.
#[inline]
fn icmp(version: Version, body: &[u8], malformed: &mut Classes) -> Upper {
    let Some([kind, code]) = body.first_chunk::<2>() else {
        malformed.insert(Malformed::L4Short);
        return Upper::NONE;
    };
    let echo = match body.first_chunk::<8>() {
        None => {
            malformed.insert(Malformed::L4Short);
            None
        }
        Some([_, _, _, _, id_high, id_low, seq_high, seq_low]) => {
            let request = match (version, *kind) {
                (Version::V4, 8) | (Version::V6, 128) => Some(true),
                (Version::V4, 0) | (Version::V6, 129) => Some(false),
                _ => None,
            };
            request.map(|request| Echo {
                request,
                id: u16::from_be_bytes([*id_high, *id_low]),
                sequence: u16::from_be_bytes([*seq_high, *seq_low]),
            })
        }
    };
    Upper {
        source_port: 0,
        destination_port: 0,
        transport: Transport::Icmp(Icmp {
            kind: *kind,
            code: *code,
            echo,
        }),
    }
}
