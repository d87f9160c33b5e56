//! TCP (RFC 9293).

use magpie_os::SocketKind;

use super::ip::{self, Network};
use super::octets::{Cut, Octets};
use super::page::{Ink, Page, Told, hex, put};
use super::sequences::Origin;
use super::{checksum, dns};

const HEADER: usize = 20;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;
const FLAGS: &[(u8, char)] = &[
    (FIN, 'F'),
    (SYN, 'S'),
    (RST, 'R'),
    (0x08, 'P'),
    (ACK, '.'),
    (URG, 'U'),
    (0x40, 'E'),
    (0x80, 'W'),
];

/// Port of DNS.
const DOMAIN: u16 = 53;

/// Prints a segment.
pub(super) fn print(page: &mut Page<'_>, segment: Octets<'_>, network: Network) -> Told {
    let segment = segment.of("tcp");
    if !segment.has(4) {
        if !network.told {
            page.ends(network.ends, None);
            put!(page, ":");
        }
        return Err(segment.cut());
    }
    let ports = [segment.u16(0)?, segment.u16(2)?];
    tell_ends(page, SocketKind::Tcp, ports, network);
    segment.look(HEADER)?;
    let header = usize::from(segment.u8(12)? >> 4) * 4;
    let length = segment.length();
    let payload = length.saturating_sub(header);
    if header < HEADER {
        let words =
            format_args!(" tcp {payload} [bad hdr length {header} - too short, < {HEADER}]");
        page.paint(Ink::Alarm, words);
        return Ok(());
    }
    let too_long = |page: &mut Page<'_>| {
        let words = format_args!(" [bad hdr length {header} - too long, > {length}]");
        page.paint(Ink::Alarm, words);
    };
    if page.style.quiet {
        put!(page, "tcp {payload}");
        if header > length {
            too_long(page);
        }
        return Ok(());
    }
    let flags = segment.u8(13)?;
    let letters: String = FLAGS
        .iter()
        .filter(|(bit, _)| flags & bit != 0)
        .map(|(_, letter)| *letter)
        .collect();
    let letters = if flags == 0 { "none" } else { &letters };
    if flags & RST == 0 {
        put!(page, "Flags [{letters}]");
    } else {
        page.paint(Ink::Alarm, format_args!("Flags [{letters}]"));
    }
    let origin = origin(page, segment, ports, network)?;
    if header > length {
        too_long(page);
        return Ok(());
    }
    if page.style.verbose > 0 && !network.fragmented && segment.has(length) {
        tell_checksum(page, segment, network)?;
    }
    tell_numbers(page, segment, payload, origin)?;
    if header > HEADER {
        put!(page, ", options [");
        let all = segment.of_length(header).after(HEADER);
        match options(page, all, origin)? {
            Options::Whole => put!(page, "]"),
            Options::Bad => {
                page.paint(Ink::Alarm, format_args!("[bad opt]"));
                put!(page, "]");
                return Ok(());
            }
            Options::Cut => return Ok(()),
        }
    }
    put!(page, ", length {payload}");
    if payload == 0 {
        return Ok(());
    }
    if !segment.has(header) {
        let seen = segment.seen().len();
        put!(
            page,
            " [remaining caplen({seen}) < header length({header})]"
        );
    }
    segment.slice(0, header)?;
    let data = segment.after(header);
    if flags & RST != 0 && page.style.verbose > 0 {
        reset_reason(page, data);
    } else if ports.contains(&DOMAIN) {
        return dns::over_tcp(page, data);
    }
    Ok(())
}

/// From what the segment's numbers are counted.
fn origin(
    page: &mut Page<'_>,
    segment: Octets<'_>,
    [source, destination]: [u16; 2],
    network: Network,
) -> Result<Origin, Cut> {
    let flags = segment.u8(13)?;
    if page.style.absolute || flags & ACK == 0 {
        return Ok(Origin::default());
    }
    let [from, to] = network.ends;
    Ok(page.sequences.origin(
        [(source, from), (destination, to)],
        flags & SYN != 0,
        segment.u32(4)?,
        segment.u32(8)?,
    ))
}

/// `, seq 1:29, ack 1, win 65535`.
fn tell_numbers(page: &mut Page<'_>, segment: Octets<'_>, payload: usize, origin: Origin) -> Told {
    let flags = segment.u8(13)?;
    let (seq, ack) = (segment.u32(4)?, segment.u32(8)?);
    if page.style.verbose > 1 || payload > 0 || flags & (SYN | FIN | RST) != 0 {
        let seq = seq.wrapping_sub(origin.seq);
        put!(page, ", seq {seq}");
        if payload > 0 {
            let end = seq.wrapping_add(u32::try_from(payload).unwrap_or_default());
            put!(page, ":{end}");
        }
    }
    if flags & ACK != 0 {
        put!(page, ", ack {}", ack.wrapping_sub(origin.ack));
    }
    put!(page, ", win {}", segment.u16(14)?);
    if flags & URG != 0 {
        put!(page, ", urg {}", segment.u16(18)?);
    }
    Ok(())
}

/// `a.port > b.port: `, or only the ports where the ends are told already.
pub(super) fn tell_ends(page: &mut Page<'_>, kind: SocketKind, ports: [u16; 2], network: Network) {
    if network.outer {
        page.talk.ports = Some(ports);
    }
    if network.told {
        let [source, destination] = ports.map(|port| page.port(kind, port));
        page.paint(Ink::Ends, format_args!("{source} > {destination}"));
    } else {
        page.ends(network.ends, Some((kind, ports)));
    }
    put!(page, ": ");
}

fn tell_checksum(page: &mut Page<'_>, segment: Octets<'_>, network: Network) -> Told {
    let before = checksum::pseudo_header(network.pseudo(), ip::TCP, segment.length());
    let verdict = checksum::check(&before, segment.seen(), segment.u16(16)?);
    put!(page, ", cksum 0x{:04x}", verdict.found);
    if verdict.is_right {
        put!(page, " (correct)");
    } else {
        let words = format_args!(" (incorrect -> 0x{:04x})", verdict.expected);
        page.paint(Ink::Alarm, words);
    }
    Ok(())
}

/// The text that a reset may carry (RFC 9293, section 3.5.3).
fn reset_reason(page: &mut Page<'_>, data: Octets<'_>) {
    const SHOWN: usize = 30;
    let whole = if data.has(data.length()) { "" } else { "!" };
    let more = if data.length() > SHOWN { "+" } else { "" };
    let shown = data.seen().get(..SHOWN).unwrap_or(data.seen());
    let text = super::page::printable(shown);
    put!(page, " [{whole}RST{more} {text}]");
}

const END: u8 = 0;
const NO_OPERATION: u8 = 1;

/// Prints the options.
fn options(page: &mut Page<'_>, options: Octets<'_>, origin: Origin) -> Result<Options, Cut> {
    let mut rest = options;
    let mut between = "";
    while rest.length() > 0 {
        put!(page, "{between}");
        between = ",";
        let kind = rest.u8(0)?;
        match kind {
            END => {
                put!(page, "eol");
                return Ok(Options::Whole);
            }
            NO_OPERATION => {
                put!(page, "nop");
                rest = rest.after(1);
                continue;
            }
            _ => {}
        }
        let length = usize::from(rest.u8(1)?);
        if length < 2 || length > rest.length() {
            return Ok(Options::Bad);
        }
        let value = rest.of_length(length).after(2).checked();
        let used = match option(page, kind, value, origin) {
            Ok(Some(used)) => used,
            Ok(None) => return Ok(Options::Bad),
            // tcpdump closes what it has not opened, behind one that is whole.
            Err(cut) if options.length() > rest.length() => {
                page.cut(cut);
                put!(page, ">");
                return Ok(Options::Cut);
            }
            Err(cut) => return Err(cut),
        };
        if used != value.length() {
            put!(page, "[len {length}]");
        }
        rest = rest.after(length);
    }
    Ok(Options::Whole)
}

/// How it went with the options of a segment.
enum Options {
    Whole,
    /// One says what cannot be.
    Bad,
    /// The capture ends in one, and that is told.
    Cut,
}

/// Prints one option; gives the octets that its kind calls for, `None` where
/// it has fewer.
fn option(
    page: &mut Page<'_>,
    kind: u8,
    value: Octets<'_>,
    origin: Origin,
) -> Result<Option<usize>, Cut> {
    let length = value.length();
    let (name, needs) = match kind {
        2 => ("mss", 2),
        3 => ("wscale", 1),
        4 => ("sackOK", 0),
        5 => ("sack", 0),
        6 => ("echo", 4),
        7 => ("echoreply", 4),
        8 => ("TS", 8),
        11 => ("cc", 4),
        12 => ("ccnew", 4),
        13 => ("", 4),
        19 => ("md5", 16),
        20 => ("scps", 2),
        28 => ("uto", 2),
        29 => ("tcp-ao", 0),
        30 => ("mptcp", 0),
        34 => ("tfo", 0),
        254 => ("exp", 0),
        other => {
            put!(page, "unknown-{other}");
            if length > 0 {
                put!(page, " 0x{}", hex(value.slice(0, length)?));
            }
            return Ok(Some(length));
        }
    };
    put!(page, "{name}");
    if length < needs {
        return Ok(None);
    }
    match kind {
        2 => put!(page, " {}", value.u16(0)?),
        3 => put!(page, " {}", value.u8(0)?),
        6 | 7 | 11..=13 => put!(page, " {}", value.u32(0)?),
        8 => put!(page, " val {} ecr {}", value.u32(0)?, value.u32(4)?),
        19 => put!(page, " {}", hex(value.slice(0, 16)?)),
        20 => put!(page, " cap {:02x} id {}", value.u8(0)?, value.u8(1)?),
        28 => {
            // The granularity bit is minutes (RFC 5482).
            let said = value.u16(0)?;
            let unit = if said & 1 == 0 { 1 } else { 60 };
            put!(page, " 0x{said:x} {}", u32::from(said >> 1) * unit);
        }
        5 => {
            sack(page, value, origin)?;
            return Ok(Some(length));
        }
        34 => {
            fast_open(page, value)?;
            return Ok(Some(length));
        }
        29 | 30 | 254 => {
            put!(page, " {length} 0x{}", hex(value.slice(0, length)?));
            return Ok(Some(length));
        }
        _ => {}
    }
    Ok(Some(needs))
}

fn sack(page: &mut Page<'_>, value: Octets<'_>, origin: Origin) -> Told {
    if !value.length().is_multiple_of(8) {
        put!(page, " invalid sack");
        return Ok(());
    }
    let blocks = value.length() / 8;
    put!(page, " {blocks} ");
    for block in 0..blocks {
        let edge = |at| value.u32(at).map(|edge| edge.wrapping_sub(origin.sack));
        put!(page, "{{{}:{}}}", edge(8 * block)?, edge(8 * block + 4)?);
    }
    Ok(())
}

/// TCP Fast Open (RFC 7413).
fn fast_open(page: &mut Page<'_>, value: Octets<'_>) -> Told {
    let length = value.length();
    put!(page, " ");
    if length == 0 {
        put!(page, " cookiereq");
    } else if length.is_multiple_of(2) && (4..=16).contains(&length) {
        put!(page, " cookie {}", hex(value.slice(0, length)?));
    } else {
        page.invalid();
    }
    Ok(())
}
