//! IPv6 and its extension headers (RFC 8200).

use std::net::IpAddr;

use super::ip::{self, DCCP, Network, SCTP, TCP, UDP};
use super::octets::{Cut, Octets};
use super::page::{Ink, Page, Told, address_v6, put};
use super::words;

const HEADER: usize = 40;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// Prints an IPv6 header and what follows.
pub(super) fn print(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    let octets = octets.of("ip6");
    octets.look(HEADER)?;
    let length = octets.length();
    if length < HEADER {
        page.paint(Ink::Alarm, format_args!("truncated-ip6 {length}"));
        return Ok(());
    }
    if !page.style.link {
        put!(page, "IP6 ");
    }
    let first = octets.u32(0)?;
    let version = first >> 28;
    if version != 6 {
        put!(page, "version error: {version} != 6");
        return Ok(());
    }
    let payload = usize::from(octets.u16(4)?);
    let whole = if payload == 0 {
        length
    } else {
        HEADER + payload
    };
    if length < whole {
        let missing = whole - length;
        let words = format_args!("truncated-ip6 - {missing} bytes missing!");
        page.paint(Ink::Alarm, words);
    }
    let next = octets.u8(6)?;
    if page.style.verbose > 0 {
        put!(page, "(");
        let (class, label) = (first >> 20 & 0xff, first & 0xf_ffff);
        if class > 0 {
            put!(page, "class 0x{class:02x}, ");
        }
        if label > 0 {
            put!(page, "flowlabel 0x{label:05x}, ");
        }
        put!(
            page,
            "hlim {}, next-header {} ({next}) payload length: {payload}) ",
            octets.u8(7)?,
            words::protocol(next),
        );
    }
    let ends = [octets.v6(8)?.into(), octets.v6(24)?.into()];
    let network = Network {
        ends,
        last: ends[1],
        fragmented: false,
        told: !matches!(next, TCP | UDP | DCCP | SCTP),
        outer: page.talk.hear(ends, next),
    };
    if network.told {
        page.ends(ends, None);
        put!(page, ": ");
    }
    headers(page, octets.of_length(whole), next, network, payload)
}

/// Extension headers up to the one that is none.
fn headers(
    page: &mut Page<'_>,
    packet: Octets<'_>,
    first: u8,
    mut network: Network,
    payload: usize,
) -> Told {
    let mut next = first;
    let mut rest = packet.after(HEADER);
    let mut at = HEADER;
    // Each takes eight octets at least, so this ends.
    loop {
        let length = match next {
            HOP_BY_HOP | DESTINATION => {
                let header = rest.of(if next == HOP_BY_HOP {
                    "hbhopt"
                } else {
                    "dstopt"
                });
                let length = (usize::from(header.u8(1)?) + 1) * 8;
                header.look(length)?;
                put!(
                    page,
                    "{} ",
                    if next == HOP_BY_HOP { "HBH" } else { "DSTOPT" }
                );
                if page.style.verbose > 0 {
                    options(page, header.of_length(length).after(2))?;
                }
                length
            }
            ROUTING => {
                let header = rest.of("rt6");
                let length = (usize::from(header.u8(1)?) + 1) * 8;
                let Some(route) = routing(page, header)? else {
                    return Ok(());
                };
                network.last = route.last.unwrap_or(network.last);
                length
            }
            FRAGMENT => {
                let header = rest.of("frag6");
                let offset = header.u16(2)? & 0xfff8;
                put!(page, "frag (");
                if page.style.verbose > 0 {
                    put!(page, "0x{:08x}:", header.u32(4)?);
                }
                let carried = (HEADER + payload).saturating_sub(at + 8);
                put!(page, "{offset}|{carried})");
                if offset > 0 || rest.length() <= 8 {
                    if network.outer {
                        page.talk.protocol = Some(header.u8(0)?);
                    }
                    return Ok(());
                }
                put!(page, " ");
                // tcpdump does not say that it is cut behind this one.
                if !header.has(9) {
                    return Ok(());
                }
                network.fragmented = true;
                8
            }
            _ => {
                let octets = if payload == 0 {
                    rest.of_length(0)
                } else {
                    rest
                };
                return ip::carried(page, next, octets, network);
            }
        };
        next = rest.u8(0)?;
        rest = rest.after(length);
        at += length;
    }
}

/// Options of a hop-by-hop or destination header, as `-v` has them.
fn options(page: &mut Page<'_>, options: Octets<'_>) -> Told {
    const PAD1: u8 = 0;
    const PADN: u8 = 1;
    const ROUTER_ALERT: u8 = 5;
    let mut rest = options;
    while rest.length() > 0 {
        let kind = rest.u8(0)?;
        if kind == PAD1 {
            put!(page, "(pad1)");
            rest = rest.after(1);
            continue;
        }
        if rest.length() < 2 {
            put!(page, "(type {kind}: trunc)");
            return Err(options.cut());
        }
        let length = rest.u8(1)?;
        match kind {
            PADN => put!(page, "(padn)"),
            ROUTER_ALERT if length == 2 && rest.length() >= 4 => {
                put!(page, "(rtalert: 0x{:04x}) ", rest.u16(2)?);
            }
            _ => put!(page, "(opt_type 0x{kind:02x}: len={length})"),
        }
        rest = rest.after(2 + usize::from(length));
    }
    put!(page, " ");
    Ok(())
}

/// A routing header; gives where it leads in the end, which is the destination
/// of the pseudo-header, and `None` where nothing is known of what follows.
fn routing(page: &mut Page<'_>, header: Octets<'_>) -> Result<Option<Route>, Cut> {
    const SOURCE_ROUTE: u8 = 0;
    const HOME_ADDRESS: u8 = 2;
    const SEGMENTS: u8 = 4;
    let (units, kind, left) = (header.u8(1)?, header.u8(2)?, header.u8(3)?);
    put!(page, "RT6 (len={units}, type={kind}");
    if kind == SOURCE_ROUTE {
        put!(page, " [Deprecated]");
    }
    put!(page, ", segleft={left}");
    match kind {
        SOURCE_ROUTE | HOME_ADDRESS => {
            let reserved = header.u32(4)?;
            if reserved > 0 || page.style.verbose > 0 {
                put!(page, ", rsv=0x{reserved:x}");
            }
        }
        SEGMENTS => {
            let (last, flags) = (header.u8(4)?, header.u8(5)?);
            put!(page, ", last-entry={last}");
            if flags > 0 || page.style.verbose > 0 {
                put!(page, ", flags=0x{flags:x}");
            }
            put!(page, ", tag={:x}", header.u16(6)?);
        }
        _ => {
            put!(page, " (unknown type)");
            page.invalid();
            return Ok(None);
        }
    }
    if units % 2 == 1 {
        put!(page, " (invalid length {units})");
        page.invalid();
        return Ok(None);
    }
    let mut hops = Vec::new();
    for hop in 0..usize::from(units / 2) {
        let address = header.v6(8 + 16 * hop)?;
        put!(page, ", [{hop}]{}", address_v6(address));
        hops.push(address);
    }
    put!(page, ") ");
    // Segments are listed from the last one on (RFC 8754).
    let last = match kind {
        _ if left == 0 => None,
        SEGMENTS => hops.first(),
        _ => hops.last(),
    };
    Ok(Some(Route {
        last: last.map(|last| IpAddr::from(*last)),
    }))
}

/// What a routing header says.
struct Route {
    /// Where it leads; `None` where the packet is there.
    last: Option<IpAddr>,
}
