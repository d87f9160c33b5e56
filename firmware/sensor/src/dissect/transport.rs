//! TCP, UDP, SCTP and ICMP: ports, and what is counted beyond them.

use magpie_protocol::Malformed;

use super::{Classes, Echo, Fragment, Icmp, Ip, Tcp, Transport};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP6: u8 = 58;
const SCTP: u8 = 132;

const UDP_HEADER: u32 = 8;

/// The captured octets without what stands behind `octets`, the padding.
#[inline]
pub(super) fn clip(captured: &[u8], octets: u32) -> &[u8] {
    let octets = usize::try_from(octets).unwrap_or(usize::MAX);
    captured.get(..octets).unwrap_or(captured)
}

/// Fills the ports and the transport of `ip`, whose other fields stand.
///
/// `body`: the captured octets behind the IP headers, without padding;
/// `octets`: how many the packet had there on the wire.
#[expect(
    clippy::inline_always,
    reason = "saves a sixth of a TCP frame's instructions"
)]
#[inline(always)]
pub(super) fn read(body: &[u8], octets: u32, ip: &mut Ip, malformed: &mut Classes) {
    if ip.fragment == Fragment::Later {
        return;
    }
    match (ip.protocol, ip.addresses.version()) {
        (TCP, _) => tcp(body, octets, ip, malformed),
        (UDP, _) => udp(body, octets, ip, malformed),
        (SCTP, _) => sctp(body, ip, malformed),
        (ICMP, 4) | (ICMP6, 6) => icmp(body, ip, malformed),
        _ => {}
    }
}

/// TCP, UDP and SCTP begin with the two ports: they are taken even where
/// the rest of the fixed header is missing.
#[inline(never)]
fn short(body: &[u8], ip: &mut Ip, malformed: &mut Classes) {
    malformed.insert(Malformed::L4Short);
    if let Some(ports) = body.first_chunk::<4>() {
        set_ports(*ports, ip);
    }
}

#[inline]
fn set_ports([s0, s1, d0, d1]: [u8; 4], ip: &mut Ip) {
    ip.source_port = u16::from_be_bytes([s0, s1]);
    ip.destination_port = u16::from_be_bytes([d0, d1]);
}

/// RFC 9293.
#[expect(clippy::inline_always, reason = "the commonest by far")]
#[inline(always)]
fn tcp(body: &[u8], octets: u32, ip: &mut Ip, malformed: &mut Classes) {
    let Some(header) = body.first_chunk::<20>() else {
        return short(body, ip, malformed);
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
    set_ports([s0, s1, d0, d1], ip);
    let header_octets = u32::from(offset >> 4).wrapping_mul(4);
    match octets.checked_sub(header_octets) {
        Some(payload) if header_octets >= 20 => {
            ip.transport = Transport::Tcp(Tcp {
                flags,
                sequence: u32::from_be_bytes([q0, q1, q2, q3]),
                acknowledgement: u32::from_be_bytes([a0, a1, a2, a3]),
                payload: (ip.fragment == Fragment::Whole).then_some(payload),
            });
        }
        _ => malformed.insert(Malformed::TcpOff),
    }
}

/// RFC 768; length 0 is a jumbogram's in IPv6 (RFC 2675).
#[inline]
fn udp(body: &[u8], octets: u32, ip: &mut Ip, malformed: &mut Classes) {
    let Some([s0, s1, d0, d1, high, low, _, _]) = body.first_chunk::<8>() else {
        return short(body, ip, malformed);
    };
    set_ports([*s0, *s1, *d0, *d1], ip);
    let length = u32::from(u16::from_be_bytes([*high, *low]));
    let too_small = length < UDP_HEADER && !(length == 0 && ip.addresses.version() == 6);
    let too_large = length > octets && ip.fragment == Fragment::Whole;
    if too_small || too_large {
        malformed.insert(Malformed::UdpLen);
    }
}

/// RFC 9260: twelve octets of common header.
#[inline]
fn sctp(body: &[u8], ip: &mut Ip, malformed: &mut Classes) {
    match body.first_chunk::<12>() {
        Some([s0, s1, d0, d1, ..]) => set_ports([*s0, *s1, *d0, *d1], ip),
        None => short(body, ip, malformed),
    }
}

/// RFC 792 and RFC 4443. Type and code are counted even where the other six
/// octets of the header are missing.
#[inline]
fn icmp(body: &[u8], ip: &mut Ip, malformed: &mut Classes) {
    let Some([kind, code]) = body.first_chunk::<2>() else {
        malformed.insert(Malformed::L4Short);
        return;
    };
    let echo = match body.first_chunk::<8>() {
        None => {
            malformed.insert(Malformed::L4Short);
            None
        }
        Some([_, _, _, _, id_high, id_low, seq_high, seq_low]) => {
            let request = match (ip.addresses.version(), *kind) {
                (4, 8) | (6, 128) => Some(true),
                (4, 0) | (6, 129) => Some(false),
                _ => None,
            };
            request.map(|request| Echo {
                request,
                id: u16::from_be_bytes([*id_high, *id_low]),
                sequence: u16::from_be_bytes([*seq_high, *seq_low]),
            })
        }
    };
    ip.transport = Transport::Icmp(Icmp {
        kind: *kind,
        code: *code,
        echo,
    });
}
