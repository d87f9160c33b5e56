//! TCP, UDP, SCTP and ICMP: ports, and what is counted beyond them.

use magpie_protocol::Malformed;

use super::{Content, Echo, Fragment, Icmp, Parsed, Rare, Segment};

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

/// Reads what stands behind the IP headers of this version: the ports, that of
/// the source in the upper half; 0 where there are none.
///
/// `body`: the captured octets, without padding; `octets`: how many the packet
/// had there on the wire; `place`: which part of a packet it is.
#[expect(
    clippy::inline_always,
    reason = "saves a sixth of a TCP frame's instructions"
)]
#[inline(always)]
pub(super) fn read<const VERSION: u8>(
    body: &[u8],
    octets: u32,
    protocol: u8,
    place: Fragment,
    parsed: &mut Parsed,
) -> u32 {
    let whole = match place {
        Fragment::Whole => true,
        Fragment::First => false,
        Fragment::Later => return 0,
    };
    match (protocol, VERSION) {
        (TCP, _) => tcp(body, octets, whole, parsed),
        (UDP, _) => udp(body, octets, whole, VERSION == 6, &mut parsed.rare),
        (SCTP, _) => sctp(body, &mut parsed.rare),
        (ICMP, 4) => icmp(body, [8, 0], parsed),
        (ICMP6, 6) => icmp(body, [128, 129], parsed),
        _ => 0,
    }
}

/// TCP, UDP and SCTP begin with the two ports: they are taken even where
/// the rest of the fixed header is missing.
#[inline(never)]
fn short(body: &[u8], rare: &mut Rare) -> u32 {
    rare.raise(Malformed::L4Short);
    body.first_chunk().copied().map_or(0, u32::from_be_bytes)
}

/// RFC 9293.
#[expect(clippy::inline_always, reason = "the commonest by far")]
#[inline(always)]
fn tcp(body: &[u8], octets: u32, whole: bool, parsed: &mut Parsed) -> u32 {
    let Some(header) = body.first_chunk::<20>() else {
        return short(body, &mut parsed.rare);
    };
    let [
        p0,
        p1,
        p2,
        p3,
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
    let header_octets = u32::from(offset >> 4).wrapping_mul(4);
    if header_octets < 20 || header_octets > octets {
        parsed.rare.raise(Malformed::TcpOff);
    } else {
        let segment = Segment {
            sequence: u32::from_be_bytes([q0, q1, q2, q3]),
            acknowledgement: u32::from_be_bytes([a0, a1, a2, a3]),
            payload: octets.wrapping_sub(header_octets),
            flags,
        };
        parsed.content = if whole {
            Content::Tcp(segment)
        } else {
            Content::TcpFirst(segment)
        };
    }
    u32::from_be_bytes([p0, p1, p2, p3])
}

/// RFC 768; length 0 is a jumbogram's in IPv6 (RFC 2675).
#[inline]
fn udp(body: &[u8], octets: u32, whole: bool, may_be_jumbo: bool, rare: &mut Rare) -> u32 {
    let Some([p0, p1, p2, p3, high, low, _, _]) = body.first_chunk::<8>() else {
        return short(body, rare);
    };
    let length = u32::from(u16::from_be_bytes([*high, *low]));
    let too_small = length < UDP_HEADER && !(length == 0 && may_be_jumbo);
    let too_large = length > octets && whole;
    if too_small || too_large {
        rare.raise(Malformed::UdpLen);
    }
    u32::from_be_bytes([*p0, *p1, *p2, *p3])
}

/// RFC 9260: twelve octets of common header.
#[inline]
fn sctp(body: &[u8], rare: &mut Rare) -> u32 {
    match body.first_chunk::<12>() {
        Some([p0, p1, p2, p3, ..]) => u32::from_be_bytes([*p0, *p1, *p2, *p3]),
        None => short(body, rare),
    }
}

/// RFC 792 and RFC 4443: no ports. Type and code are counted even where the
/// other six octets of the header are missing.
#[inline]
fn icmp(body: &[u8], [request, reply]: [u8; 2], parsed: &mut Parsed) -> u32 {
    let Some([kind, code]) = body.first_chunk::<2>() else {
        parsed.rare.raise(Malformed::L4Short);
        return 0;
    };
    let echo = match body.first_chunk::<8>() {
        None => {
            parsed.rare.raise(Malformed::L4Short);
            None
        }
        Some([_, _, _, _, id_high, id_low, seq_high, seq_low]) => {
            let is_echo = *kind == request || *kind == reply;
            is_echo.then(|| Echo {
                request: *kind == request,
                id: u16::from_be_bytes([*id_high, *id_low]),
                sequence: u16::from_be_bytes([*seq_high, *seq_low]),
            })
        }
    };
    let mut mtu = None;
    if *code == 0 && (*kind == request || *kind == reply) {
        parsed.link.set_echo(*kind == request);
    } else {
        parsed.rare.set(Rare::ICMP);
        mtu = too_big(body, request == 128);
    }
    parsed.content = Content::Icmp(Icmp {
        kind: *kind,
        code: *code,
        echo,
        mtu,
    });
    0
}

/// The MTU in a message that a packet was too big.
#[inline(never)] // rare
fn too_big(body: &[u8], is_6: bool) -> Option<u32> {
    let [kind, code, _, _, m0, m1, m2, m3] = *body.first_chunk::<8>()?;
    match (is_6, kind, code) {
        (true, 2, _) => Some(u32::from_be_bytes([m0, m1, m2, m3])),
        // The upper half is unused, or of extensions (RFC 4884).
        (false, 3, 4) => Some(u32::from_be_bytes([0, 0, m2, m3])),
        _ => None,
    }
}
