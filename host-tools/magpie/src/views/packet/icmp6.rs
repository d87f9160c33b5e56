//! `ICMPv6` (RFC 4443) and neighbour discovery (RFC 4861) in words.

use magpie_os::SocketKind;

use super::checksum;
use super::ip::{self, Network};
use super::octets::{Cut, Octets};
use super::page::{Ink, Page, Told, address_v6, bits, colons, put};

/// Octets before the packet that an error quotes.
const QUOTED: usize = 8;

const PROTOCOL: u8 = 58;

/// Prints a message.
pub(super) fn print(page: &mut Page<'_>, octets: Octets<'_>, network: Network) -> Told {
    let octets = octets.of("icmp6");
    let length = octets.length();
    let verbose = page.style.verbose > 0;
    if length == 0 {
        put!(page, "ICMP6, length 0");
        page.invalid();
        return Ok(());
    }
    if verbose && !network.fragmented && octets.has(length) && length >= 4 {
        let before = checksum::pseudo_header(network.pseudo(), PROTOCOL, length);
        let verdict = checksum::check(&before, octets.seen(), octets.u16(2)?);
        if verdict.is_right {
            put!(page, "[icmp6 sum ok] ");
        } else {
            let (found, expected) = (verdict.found, verdict.expected);
            let words = format_args!("[bad icmp6 cksum 0x{found:04x} -> 0x{expected:04x}!] ");
            page.paint(Ink::Alarm, words);
        }
    }
    let kind = octets.u8(0)?;
    match name(kind) {
        Some(name) => put!(page, "ICMP6, {name}"),
        None => put!(page, "ICMP6, unknown icmp6 type ({kind})"),
    }
    let discovery = matches!(kind, 133..=137);
    if verbose && discovery {
        put!(page, ", length {length}");
    }
    let code = octets.u8(1)?;
    match kind {
        1..=4 => error(page, octets, kind, code)?,
        128 | 129 => put!(page, ", id {}, seq {}", octets.u16(4)?, octets.u16(6)?),
        130 if length >= 28 => {
            let delay = octets.u16(4)?;
            put!(page, " v2");
            if verbose {
                put!(page, " [max resp delay={}]", response_delay(delay));
            }
            put!(page, " [gaddr {}", address_v6(octets.v6(8)?));
            if verbose {
                query_details(page, octets)?;
            }
            let sources = octets.u16(26)?;
            if sources > 0 {
                put!(page, ", {sources} source(s)");
            }
            put!(page, "]");
        }
        130 if length != 24 => put!(page, " unknown-version (len {length}) "),
        // tcpdump does not say that it is cut.
        130..=132 if !octets.has(24) => {}
        130..=132 => put!(
            page,
            "max resp delay: {} addr: {}",
            octets.u16(4)?,
            address_v6(octets.v6(8)?)
        ),
        143 => listeners(page, octets)?,
        134 if verbose => {
            advertisement(page, octets)?;
            options(page, octets.after(16))?;
        }
        133 if verbose => options(page, octets.after(8))?,
        135 => {
            put!(page, ", who has {}", address_v6(octets.v6(8)?));
            if verbose {
                options(page, octets.after(24))?;
            }
        }
        136 => {
            const FLAGS: &[(u32, &str)] = &[
                (0x8000_0000, "router"),
                (0x4000_0000, "solicited"),
                (0x2000_0000, "override"),
            ];
            put!(page, ", tgt is {}", address_v6(octets.v6(8)?));
            if verbose {
                let flags = bits(octets.u32(4)?, FLAGS, ", ", "none");
                put!(page, ", Flags [{flags}]");
                options(page, octets.after(24))?;
            }
        }
        137 => {
            let (to, by) = (octets.v6(24)?, octets.v6(8)?);
            put!(page, ", {} to {}", address_v6(to), address_v6(by));
            if verbose {
                options(page, octets.after(40))?;
            }
        }
        _ => {}
    }
    if !verbose {
        put!(page, ", length {length}");
    }
    Ok(())
}

fn name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "destination unreachable",
        2 => "packet too big",
        3 => "time exceeded in-transit",
        4 => "parameter problem",
        128 => "echo request",
        129 => "echo reply",
        130 => "multicast listener query",
        131 => "multicast listener report",
        132 => "multicast listener done",
        133 => "router solicitation",
        134 => "router advertisement",
        135 => "neighbor solicitation",
        136 => "neighbor advertisement",
        137 => "redirect",
        138 => "router renumbering",
        139 => "node information query",
        140 => "node information reply",
        141 => "inverse neighbor solicitation",
        142 => "inverse neighbor advertisement",
        143 => "multicast listener report v2",
        144 => "ha discovery request",
        145 => "ha discovery reply",
        146 => "mobile router solicitation",
        147 => "mobile router advertisement",
        155 => "RPL",
        200 => "mtrace message",
        201 => "mtrace response",
        _ => return None,
    })
}

/// Where the quoted packet was going.
fn quoted_destination(octets: Octets<'_>) -> Result<String, Cut> {
    octets.v6(QUOTED + 24).map(address_v6)
}

/// What an error says of the packet that it quotes.
fn error(page: &mut Page<'_>, octets: Octets<'_>, kind: u8, code: u8) -> Told {
    match kind {
        1 => return unreachable(page, octets, code),
        2 => put!(page, ", mtu {}", octets.u32(4)?),
        3 => match code {
            0 => put!(page, " for {}", quoted_destination(octets)?),
            1 => put!(page, " (reassembly)"),
            other => put!(page, ", unknown code ({other})"),
        },
        _ => {
            let octets = octets.checked();
            quoted_destination(octets)?;
            let octet = octets.u32(4)?;
            match code {
                0 => put!(page, ", erroneous - octet {octet}"),
                1 => put!(page, ", next header - octet {octet}"),
                2 => put!(page, ", option - octet {octet}"),
                3 => put!(page, ", incomplete header chain - octet {octet}"),
                other => put!(page, ", code-#{other}"),
            }
        }
    }
    Ok(())
}

fn unreachable(page: &mut Page<'_>, octets: Octets<'_>, code: u8) -> Told {
    put!(page, ", ");
    match code {
        0 => {
            put!(page, "unreachable route");
            put!(page, " {}", quoted_destination(octets)?);
        }
        1 => {
            // The blank is tcpdump's.
            put!(page, " unreachable prohibited");
            put!(page, " {}", quoted_destination(octets)?);
        }
        2 => {
            let from = octets.v6(QUOTED + 8).map(address_v6)?;
            let to = quoted_destination(octets)?;
            put!(page, "beyond scope {to}, source address {from}");
        }
        3 => {
            put!(page, "unreachable address");
            put!(page, " {}", quoted_destination(octets)?);
        }
        4 => {
            put!(page, "unreachable port");
            let to = quoted_destination(octets.checked())?;
            let (protocol, transport) = upper_layer(octets.after(QUOTED))?;
            let port = transport.u16(2)?;
            match protocol {
                ip::TCP => put!(page, ", {to} tcp port {}", page.port(SocketKind::Tcp, port)),
                ip::UDP => put!(page, ", {to} udp port {}", page.port(SocketKind::Udp, port)),
                other => put!(page, ", {to} protocol {other} port {port} unreachable"),
            }
        }
        other => put!(page, "unknown unreach code ({other})"),
    }
    Ok(())
}

/// The transport header of a quoted packet, behind its extension headers.
fn upper_layer(packet: Octets<'_>) -> Result<(u8, Octets<'_>), Cut> {
    let mut next = packet.u8(6)?;
    let mut rest = packet.after(40);
    loop {
        let length = match next {
            0 | 43 | 60 => (usize::from(rest.u8(1)?) + 1) * 8,
            44 => 8,
            51 => (usize::from(rest.u8(1)?) + 2) * 4,
            _ => return Ok((next, rest)),
        };
        next = rest.u8(0)?;
        rest = rest.after(length);
    }
}

/// A maximum response code (RFC 3810, section 5.1.3), in milliseconds.
fn response_delay(code: u16) -> u32 {
    let code = u32::from(code);
    if code < 0x8000 {
        code
    } else {
        (code & 0x0fff | 0x1000) << ((code >> 12 & 7) + 3)
    }
}

/// What a query says of its repetition (RFC 3810, section 5.1).
fn query_details(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    let (flags, interval) = (octets.u8(24)?, u32::from(octets.u8(25)?));
    if flags & 0x08 != 0 {
        put!(page, " sflag");
    }
    if flags & 0x07 != 0 {
        put!(page, " robustness={}", flags & 0x07);
    }
    let interval = match interval {
        0..0x80 => interval,
        _ => (interval & 0x0f | 0x10) << ((interval >> 4 & 7) + 3),
    };
    put!(page, " qqi={interval}");
    Ok(())
}

/// A report of listeners (RFC 3810, section 5.2).
fn listeners(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    let count = octets.u16(6)?;
    put!(page, ", {count} group record(s)");
    if page.style.verbose == 0 {
        return Ok(());
    }
    let mut rest = octets.after(8);
    for _ in 0..count {
        let kind = match rest.u8(0)? {
            1 => "is_in".to_owned(),
            2 => "is_ex".to_owned(),
            3 => "to_in".to_owned(),
            4 => "to_ex".to_owned(),
            5 => "allow".to_owned(),
            6 => "block".to_owned(),
            other => format!("[v2-report-#{other}]"),
        };
        let (words, sources) = (usize::from(rest.u8(1)?), usize::from(rest.u16(2)?));
        put!(page, " [gaddr {} {kind}", address_v6(rest.v6(4)?));
        if page.style.verbose > 1 {
            put!(page, " {{");
            for n in 0..sources {
                put!(page, " {}", address_v6(rest.v6(20 + 16 * n)?));
            }
            put!(page, " }}");
        } else {
            put!(page, ", {sources} source(s)");
        }
        put!(page, "]");
        rest = rest.after(20 + 16 * sources + 4 * words);
    }
    Ok(())
}

fn advertisement(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    const FLAGS: &[(u32, &str)] = &[
        (0x80, "managed"),
        (0x40, "other stateful"),
        (0x20, "home agent"),
        (0x02, "ipv6 only"),
    ];
    let flags = octets.u8(5)?;
    let preference = preference(flags);
    put!(
        page,
        "\n\thop limit {}, Flags [{}], pref {preference}, router lifetime {}s, reachable time {}ms, retrans timer {}ms",
        octets.u8(4)?,
        bits(flags.into(), FLAGS, ", ", "none"),
        octets.u16(6)?,
        octets.u32(8)?,
        octets.u32(12)?,
    );
    Ok(())
}

/// A router's preference (RFC 4191).
fn preference(flags: u8) -> &'static str {
    match flags >> 3 & 3 {
        0 => "medium",
        1 => "high",
        2 => "rsv",
        _ => "low",
    }
}

/// Options of neighbour discovery, a line each.
fn options(page: &mut Page<'_>, options: Octets<'_>) -> Told {
    let mut rest = options;
    while rest.length() > 0 {
        let (kind, units) = (rest.u8(0)?, rest.u8(1)?);
        let length = usize::from(units) * 8;
        if length == 0 {
            return Err(options.cut());
        }
        rest.slice(0, length)?;
        option(page, kind, rest.of_length(length))?;
        rest = rest.after(length);
    }
    Ok(())
}

fn option(page: &mut Page<'_>, kind: u8, option: Octets<'_>) -> Told {
    let length = option.length();
    let lifetime = |at| {
        option.u32(at).map(|seconds| match seconds {
            u32::MAX => "infinity".to_owned(),
            seconds => format!("{seconds}s"),
        })
    };
    let name = match kind {
        1 => "source link-address",
        2 => "destination link-address",
        3 => "prefix info",
        4 => "redirected header",
        5 => "mtu",
        7 => "advertisement interval",
        8 => "homeagent information",
        24 => "route info",
        25 => "rdnss",
        31 => "dnssl",
        _ => "unknown",
    };
    put!(
        page,
        "\n\t  {name} option ({kind}), length {length} ({}): ",
        length / 8
    );
    match kind {
        1 | 2 => put!(page, "{}", colons(option.slice(2, length - 2)?)),
        3 => {
            const FLAGS: &[(u32, &str)] = &[(0x80, "onlink"), (0x40, "auto"), (0x20, "router")];
            let flags = bits(option.u8(3)?.into(), FLAGS, ", ", "none");
            put!(
                page,
                "{}/{}, Flags [{flags}], valid time {}, pref. time {}",
                address_v6(option.v6(16)?),
                option.u8(2)?,
                lifetime(4)?,
                lifetime(8)?
            );
        }
        5 => put!(page, " {}", option.u32(4)?),
        25 => {
            put!(page, " lifetime {}s,", option.u32(4)?);
            for n in 0..length.saturating_sub(8) / 16 {
                put!(page, " addr: {}", address_v6(option.v6(8 + 16 * n)?));
            }
        }
        24 => {
            // A prefix may be shorter than an address (RFC 4191).
            let mut prefix = [0; 16];
            for (to, from) in prefix.iter_mut().zip(option.slice(8, length - 8)?) {
                *to = *from;
            }
            put!(
                page,
                " {}/{}, pref={}, lifetime={}",
                address_v6(prefix.into()),
                option.u8(2)?,
                preference(option.u8(3)?),
                lifetime(4)?
            );
        }
        _ if page.style.verbose < 2 => page.hex("\n\t  ", option.after(2)),
        _ => {}
    }
    if page.style.verbose > 1 {
        page.hex("\n\t    ", option.after(2));
    }
    Ok(())
}
