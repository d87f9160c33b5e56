//! ICMP (RFC 792) and IGMP (RFC 3376) in words.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use magpie_os::SocketKind;

use super::checksum;
use super::ip::{self, Network};
use super::octets::{Cut, Octets};
use super::page::{Ink, Page, Told, put};

/// Octets before the packet that an error quotes.
const QUOTED: usize = 8;

/// Prints a message, the packet that it quotes behind it with `-v`.
pub(super) fn print(page: &mut Page<'_>, octets: Octets<'_>, network: Network) -> Told {
    let octets = octets.of("icmp");
    let length = octets.length();
    let kind = octets.u8(0)?;
    octets.u8(1)?;
    let words = match kind {
        0 | 8 => {
            let what = if kind == 8 { "request" } else { "reply" };
            format!("echo {what}, id {}, seq {}", octets.u16(4)?, octets.u16(6)?)
        }
        3 => unreachable(page, octets)?,
        5 => redirect(octets)?,
        9 => advertisement(octets.checked())?,
        11 => {
            // Even where it is not told whose packet it was.
            quoted_destination(octets.checked())?;
            match octets.u8(1)? {
                0 => "time exceeded in-transit".to_owned(),
                1 => "ip reassembly time exceeded".to_owned(),
                code => format!("time exceeded-#{code}"),
            }
        }
        12 => match octets.u8(1)? {
            0 => format!("parameter problem - octet {}", octets.u8(4)?),
            code => format!("parameter problem - code {code}"),
        },
        13 => format!(
            "time stamp query id {} seq {}",
            octets.u16(4)?,
            octets.u16(6)?
        ),
        14 => {
            octets.look(20)?;
            let time = |at| octets.u32(at).map(time_of_day);
            format!(
                "time stamp reply id {} seq {}: org {}, recv {}, xmit {}",
                octets.u16(4)?,
                octets.u16(6)?,
                time(8)?,
                time(12)?,
                time(16)?
            )
        }
        18 => format!("address mask is 0x{:08x}", octets.u32(8)?),
        4 => "source quench".to_owned(),
        10 => "router solicitation".to_owned(),
        15 => "information request".to_owned(),
        16 => "information reply".to_owned(),
        17 => "address mask request".to_owned(),
        other => format!("type-#{other}"),
    };
    put!(page, "ICMP {words}, length {length}");
    if page.style.verbose == 0 {
        return Ok(());
    }
    if !network.fragmented && octets.has(length) && length >= 4 {
        let verdict = checksum::check(&[], octets.seen(), octets.u16(2)?);
        if !verdict.is_right {
            let (found, expected) = (verdict.found, verdict.expected);
            let words = format_args!(" (wrong icmp cksum {found:x} (->{expected:x})!)");
            page.paint(Ink::Alarm, words);
        }
    }
    if matches!(kind, 3 | 4 | 5 | 11 | 12) {
        put!(page, "\n\t");
        let quoted = octets.after(QUOTED).of("ip");
        let said = usize::from(quoted.u16(2)?);
        return page.nested(|page| ip::print(page, quoted.of_length(said)));
    }
    Ok(())
}

/// Where the quoted packet was going.
fn quoted_destination(octets: Octets<'_>) -> Result<Ipv4Addr, Cut> {
    octets.v4(QUOTED + 16)
}

fn unreachable(page: &Page<'_>, octets: Octets<'_>) -> Result<String, Cut> {
    let code = octets.u8(1)?;
    if code == 3 {
        octets.look(QUOTED + 10)?;
    }
    let to = quoted_destination(octets)?;
    Ok(match code {
        0 => format!("net {to} unreachable"),
        1 => format!("host {to} unreachable"),
        2 => format!("{to} protocol {} unreachable", octets.u8(QUOTED + 9)?),
        3 => {
            let header = usize::from(octets.u8(QUOTED)? & 0x0f) * 4;
            let port = octets.u16(QUOTED + header + 2)?;
            match octets.u8(QUOTED + 9)? {
                ip::TCP => format!(
                    "{to} tcp port {} unreachable",
                    page.port(SocketKind::Tcp, port)
                ),
                ip::UDP => format!(
                    "{to} udp port {} unreachable",
                    page.port(SocketKind::Udp, port)
                ),
                protocol => format!("{to} protocol {protocol} port {port} unreachable"),
            }
        }
        4 => match octets.u16(6)? {
            0 => format!("{to} unreachable - need to frag"),
            mtu => format!("{to} unreachable - need to frag (mtu {mtu})"),
        },
        5 => format!("{to} unreachable - source route failed"),
        6 => format!("net {to} unreachable - unknown"),
        7 => format!("host {to} unreachable - unknown"),
        8 => format!("{to} unreachable - source host isolated"),
        9 => format!("net {to} unreachable - admin prohibited"),
        10 => format!("host {to} unreachable - admin prohibited"),
        11 => format!("net {to} unreachable - tos prohibited"),
        12 => format!("host {to} unreachable - tos prohibited"),
        13 => format!("host {to} unreachable - admin prohibited filter"),
        14 => format!("host {to} unreachable - host precedence violation"),
        15 => format!("host {to} unreachable - precedence cutoff"),
        other => format!("{to} unreachable - #{other}"),
    })
}

fn redirect(octets: Octets<'_>) -> Result<String, Cut> {
    let (to, gateway) = (quoted_destination(octets)?, octets.v4(4)?);
    Ok(match octets.u8(1)? {
        0 => format!("redirect {to} to net {gateway}"),
        1 => format!("redirect {to} to host {gateway}"),
        2 => format!("redirect-tos {to} to net {gateway}"),
        3 => format!("redirect-tos {to} to host {gateway}"),
        code => format!("redirect-#{code} {to} to {gateway}"),
    })
}

/// Router discovery (RFC 1256).
fn advertisement(octets: Octets<'_>) -> Result<String, Cut> {
    let (count, size, lifetime) = (octets.u8(4)?, octets.u8(5)?, octets.u16(6)?);
    let (hours, minutes, seconds) = (lifetime / 3_600, lifetime / 60 % 60, lifetime % 60);
    let lifetime = match (hours, minutes) {
        (0, 0) => format!("{seconds}"),
        (0, _) => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    };
    let mut words = format!("router advertisement lifetime {lifetime} {count}:");
    if size != 2 {
        let _ = write!(words, " [size {size}]");
        return Ok(words);
    }
    for n in 0..usize::from(count) {
        let at = 8 + 8 * n;
        let (router, preference) = (octets.v4(at)?, octets.u32(at + 4)?);
        let _ = write!(words, " {{{router} {preference}}}");
    }
    Ok(words)
}

/// Milliseconds since midnight.
fn time_of_day(milliseconds: u32) -> String {
    let seconds = milliseconds / 1_000;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        milliseconds % 1_000
    )
}

/// Prints an IGMP message.
pub(super) fn igmp(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    let octets = octets.of("igmp");
    let length = octets.length();
    if page.style.quiet {
        put!(page, "igmp");
        return Ok(());
    }
    let kind = octets.u8(0)?;
    match kind {
        0x11 if length >= 12 => {
            put!(page, "igmp query v3");
            let group = octets.v4(4)?;
            let sources = octets.u16(10)?;
            if sources > 0 && page.style.verbose == 0 {
                put!(page, ", {sources} source(s)");
            }
            if !group.is_unspecified() {
                put!(page, " [gaddr {group}]");
            }
        }
        0x11 => {
            let tenths = octets.u8(1)?;
            put!(page, "igmp query v{}", if tenths == 0 { 1 } else { 2 });
            if tenths != 0 && tenths != 100 {
                put!(page, " [max resp time {tenths}]");
            }
            let group = octets.v4(4)?;
            if !group.is_unspecified() {
                put!(page, " [gaddr {group}]");
            }
        }
        0x12 | 0x16 => {
            let group = octets.v4(4)?;
            put!(
                page,
                "igmp v{} report {group}",
                if kind == 0x12 { 1 } else { 2 }
            );
        }
        0x17 => put!(page, "igmp leave {}", octets.v4(4)?),
        0x22 => put!(page, "igmp v3 report, {} group record(s)", octets.u16(6)?),
        other => put!(page, "igmp-{other}"),
    }
    Ok(())
}
