//! IPv4, and what a protocol number announces.

use std::net::IpAddr;

use super::octets::{Cut, Octets};
use super::page::{Ink, Page, Told, bits, hex, put};
use super::{checksum, icmp, icmp6, ip6, tcp, tunnel, udp, words};

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const DCCP: u8 = 33;
pub(super) const SCTP: u8 = 132;

const HEADER: usize = 20;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;

/// What a transport needs to know of the header before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network {
    /// Source and destination.
    pub(super) ends: [IpAddr; 2],
    /// The destination of the pseudo-header: the last hop of a source route.
    pub(super) last: IpAddr,
    /// Whether more fragments follow; then no checksum can be checked.
    pub(super) fragmented: bool,
    /// Whether the ends are told already, so that only ports remain.
    pub(super) told: bool,
    /// Whether what follows belongs to the outer header.
    pub(super) outer: bool,
}

impl Network {
    /// The ends of the pseudo-header.
    pub(super) fn pseudo(&self) -> [IpAddr; 2] {
        let [from, _] = self.ends;
        [from, self.last]
    }
}

/// Prints an IP header of the version that it says.
pub(super) fn print_any(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    match octets.of("ip").u8(0)? >> 4 {
        6 => ip6::print(page, octets),
        _ => print(page, octets),
    }
}

/// Prints an IPv4 header and what follows.
pub(super) fn print(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    let octets = octets.of("ip");
    let first = octets.u8(0)?;
    match first >> 4 {
        4 => {}
        version => {
            if version == 6 {
                put!(page, "IP6, wrong link-layer encapsulation");
            } else {
                put!(page, "IP{version}");
            }
            page.invalid();
            return Ok(());
        }
    }
    if !page.style.link {
        put!(page, "IP ");
    }
    octets.look(HEADER)?;
    let length = octets.length();
    let header = usize::from(first & 0x0f) * 4;
    if length < HEADER {
        page.paint(Ink::Alarm, format_args!("truncated-ip {length}"));
        return Ok(());
    }
    if header < HEADER {
        page.paint(Ink::Alarm, format_args!("bad-hlen {header}"));
        return Ok(());
    }
    let mut said = usize::from(octets.u16(2)?);
    if length < said {
        let missing = said - length;
        let words = format_args!("truncated-ip - {missing} bytes missing! ");
        page.paint(Ink::Alarm, words);
    }
    if said < header {
        if said > 0 {
            page.paint(Ink::Alarm, format_args!("bad-len {said}"));
            return Ok(());
        }
        // A sender that leaves segmentation to its interface writes 0.
        said = length;
    }
    let octets = octets.of_length(said);
    let fragment = octets.u16(6)?;
    let offset = fragment & 0x1fff;
    let protocol = octets.u8(9)?;
    let ends = [octets.v4(12)?.into(), octets.v4(16)?.into()];
    let outer = page.talk.hear(ends, protocol);
    if page.style.verbose > 0 && !tell_header(page, octets, header)? {
        page.ends(ends, None);
        put!(page, ": ");
        return Err(octets.cut());
    }
    if offset > 0 {
        page.ends(ends, None);
        let protocol = page.protocol(protocol);
        put!(page, ": {protocol}");
        return Ok(());
    }
    let network = Network {
        ends,
        last: final_destination(octets, header).unwrap_or(ends[1]),
        fragmented: fragment & MORE_FRAGMENTS != 0,
        told: false,
        outer,
    };
    if !matches!(protocol, TCP | UDP | DCCP | SCTP) {
        page.ends(ends, None);
        put!(page, ": ");
    }
    if !octets.has(header) {
        let seen = octets.seen().len();
        put!(
            page,
            " [remaining caplen({seen}) < header length({header})]"
        );
    }
    octets.slice(0, header)?;
    carried(page, protocol, octets.after(header), network)
}

/// The header in brackets, as `-v` has it; false where options are cut.
fn tell_header(page: &mut Page<'_>, octets: Octets<'_>, header: usize) -> Result<bool, Cut> {
    const FLAGS: &[(u32, &str)] = &[
        (0x2000, "+"),
        (DONT_FRAGMENT as u32, "DF"),
        (0x8000, "rsvd"),
    ];
    let tos = octets.u8(1)?;
    put!(page, "(tos 0x{tos:x}");
    match tos & 3 {
        1 => put!(page, ",ECT(1)"),
        2 => put!(page, ",ECT(0)"),
        3 => put!(page, ",CE"),
        _ => {}
    }
    let ttl = octets.u8(8)?;
    if ttl > 0 {
        put!(page, ", ttl {ttl}");
    }
    let (fragment, protocol) = (octets.u16(6)?, octets.u8(9)?);
    put!(
        page,
        ", id {}, offset {}, flags [{}], proto {} ({protocol}), length {}",
        octets.u16(4)?,
        u32::from(fragment & 0x1fff) * 8,
        bits(fragment.into(), FLAGS, ", ", "none"),
        words::protocol(protocol),
        octets.u16(2)?,
    );
    let mut whole = true;
    if header > HEADER {
        put!(page, ", options (");
        whole = options(page, octets.after(HEADER).of_length(header - HEADER)).is_ok();
        if !whole {
            put!(page, " [truncated-option]");
        }
        put!(page, ")");
    }
    if octets.has(header) {
        let verdict = checksum::check(&[], octets.slice(0, header)?, octets.u16(10)?);
        if !verdict.is_right {
            let (found, expected) = (verdict.found, verdict.expected);
            let words = format_args!(", bad cksum {found:x} (->{expected:x})!");
            page.paint(Ink::Alarm, words);
        }
    }
    put!(page, ")\n    ");
    Ok(whole)
}

const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const LOOSE_ROUTE: u8 = 131;
const STRICT_ROUTE: u8 = 137;
const ROUTER_ALERT: u8 = 148;

fn options(page: &mut Page<'_>, options: Octets<'_>) -> Told {
    let mut rest = options;
    let mut between = "";
    while rest.length() > 0 {
        put!(page, "{between}");
        between = ",";
        let code = rest.u8(0)?;
        match code {
            END_OF_OPTIONS => put!(page, "EOL"),
            NO_OPERATION => put!(page, "NOP"),
            TIMESTAMP => put!(page, "timestamp"),
            130 => put!(page, "security"),
            RECORD_ROUTE => put!(page, "RR"),
            STRICT_ROUTE => put!(page, "SSRR"),
            LOOSE_ROUTE => put!(page, "LSRR"),
            ROUTER_ALERT => put!(page, "RA"),
            82 => put!(page, "traceroute"),
            other => put!(page, "unknown {other}"),
        }
        let length = match code {
            END_OF_OPTIONS => return Ok(()),
            NO_OPERATION => 1,
            _ => usize::from(rest.u8(1)?),
        };
        if length > rest.length() || (code != NO_OPERATION && length < 2) {
            put!(page, " [bad length {length}]");
            return Ok(());
        }
        rest.slice(0, length)?;
        let option = rest.of_length(length);
        match code {
            RECORD_ROUTE | STRICT_ROUTE | LOOSE_ROUTE => route(page, option)?,
            ROUTER_ALERT if length < 4 => put!(page, " [bad length {length}]"),
            ROUTER_ALERT if option.u16(2)? != 0 => put!(page, " value {}", option.u16(2)?),
            _ => {}
        }
        rest = rest.after(length);
    }
    Ok(())
}

/// A recorded route; the comma stands behind hops that are filled in.
fn route(page: &mut Page<'_>, option: Octets<'_>) -> Told {
    let length = option.length();
    if length < 3 {
        put!(page, " [bad length {length}]");
        return Ok(());
    }
    if (length + 1) & 3 != 0 {
        put!(page, " [bad length {length}]");
    }
    let said = option.u8(2)?;
    let pointer = usize::from(said).wrapping_sub(1);
    if pointer < 3 || (pointer.wrapping_add(1)) & 3 != 0 || pointer > length + 1 {
        put!(page, " [bad ptr {said}]");
    }
    let mut at = 3;
    // What is left over of a wrong length is no address.
    while at + 4 <= length {
        let comma = if pointer > at { "," } else { "" };
        put!(page, " {}{comma}", option.v4(at)?);
        at += 4;
    }
    Ok(())
}

/// Where a source route ends (RFC 791): the address of the pseudo-header.
fn final_destination(octets: Octets<'_>, header: usize) -> Option<IpAddr> {
    let mut rest = octets.of_length(header).after(HEADER);
    while rest.length() > 0 {
        let length = match rest.u8(0).ok()? {
            END_OF_OPTIONS => return None,
            NO_OPERATION => 1,
            code => {
                let length = usize::from(rest.u8(1).ok()?);
                if length < 2 || length > rest.length() {
                    return None;
                }
                if matches!(code, LOOSE_ROUTE | STRICT_ROUTE) && length >= 7 {
                    return rest.v4(length - 4).ok().map(IpAddr::from);
                }
                length
            }
        };
        rest = rest.after(length);
    }
    None
}

/// Prints what a protocol number announces.
pub(super) fn carried(
    page: &mut Page<'_>,
    protocol: u8,
    octets: Octets<'_>,
    network: Network,
) -> Told {
    let length = octets.length();
    let is_v4 = network.ends[0].is_ipv4();
    if network.outer {
        page.talk.protocol = Some(protocol);
    }
    match protocol {
        TCP => tcp::print(page, octets, network),
        UDP => udp::print(page, octets, network),
        1 if is_v4 => icmp::print(page, octets, network),
        58 if !is_v4 => icmp6::print(page, octets, network),
        1 | 58 => {
            let needs = if is_v4 { "IPv6" } else { "IPv4" };
            put!(page, "[{} requires {needs}]", words::protocol(protocol));
            page.invalid();
            Ok(())
        }
        2 if is_v4 => icmp::igmp(page, octets),
        4 => page.nested(|page| print(page, octets)),
        41 => page.nested(|page| ip6::print(page, octets)),
        47 => page.nested(|page| tunnel::gre(page, octets)),
        50 => {
            let octets = octets.of("esp").checked();
            let (spi, sequence) = (octets.u32(0)?, octets.u32(4)?);
            put!(
                page,
                "ESP(spi=0x{spi:08x},seq=0x{sequence:x}), length {length}"
            );
            Ok(())
        }
        51 => {
            let octets = octets.of("ah");
            octets.look(2)?;
            let (next, words) = (octets.u8(0)?, octets.u8(1)?);
            let header = (usize::from(words) + 2) * 4;
            put!(page, "AH(");
            if page.style.verbose > 0 {
                put!(page, "length={words}({header}-bytes),");
            }
            let (spi, sequence) = (octets.u32(4)?, octets.u32(8)?);
            let value = hex(octets.slice(12, header.saturating_sub(12))?);
            put!(page, "spi=0x{spi:08x},seq=0x{sequence:x},icv=0x{value}): ");
            let told = Network {
                told: true,
                ..network
            };
            page.nested(|page| carried(page, next, octets.after(header), told))
        }
        59 => {
            put!(page, "no next header");
            Ok(())
        }
        SCTP | DCCP => udp::ports_only(page, protocol, octets, network),
        8 | 9 | 46 | 55 | 62 | 88 | 89 | 103 | 108 | 112 | 113 | 135 => {
            put!(page, "{}, length {length}", words::protocol(protocol));
            Ok(())
        }
        // Sun's; by this name even where numbers are asked for.
        77 => {
            put!(page, " nd {length}");
            Ok(())
        }
        _ => {
            let protocol = page.protocol(protocol);
            put!(page, " {protocol} {length}");
            Ok(())
        }
    }
}
