//! DNS resource records (RFC 1035, section 3.2).

use std::fmt::Write as _;

use super::dns::Message;
use super::octets::Cut;
use super::page::{Page, Told, address_v6, hex, printable, put};

const INTERNET: u16 = 1;
const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const PTR: u16 = 12;
const MX: u16 = 15;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const DNAME: u16 = 39;
const OPT: u16 = 41;

/// Prints `count` records from `at` on, commas between them and `title` before
/// the first; gives where the next section begins.
pub(super) fn section(
    page: &mut Page<'_>,
    message: Message<'_>,
    at: usize,
    title: &str,
    count: u16,
) -> Result<usize, Cut> {
    let mut at = at;
    for n in 0..count {
        // Nothing more was captured, or there is nothing more.
        message.octets.u8(at)?;
        put!(page, "{}", if n == 0 { title } else { "," });
        at = record(page, message, at)?;
    }
    Ok(at)
}

/// Prints a record; gives where the next one begins.
fn record(page: &mut Page<'_>, message: Message<'_>, at: usize) -> Result<usize, Cut> {
    let octets = message.octets;
    let head = if page.style.verbose > 0 {
        put!(page, " ");
        message.tell_name(page, at)?
    } else {
        message.skip_name(at)?
    };
    octets.slice(head, 10)?;
    let (kind, said) = (octets.u16(head)?, octets.u16(head + 2)?);
    // Of multicast, whether older answers are to be forgotten.
    let class = if message.multicast {
        said & 0x7fff
    } else {
        said
    };
    if kind != OPT {
        tell_class(page, class);
    }
    if message.multicast && said & 0x8000 != 0 {
        put!(page, " (Cache flush)");
    }
    if kind != OPT && page.style.verbose > 2 {
        put!(page, " [{}]", span(octets.u32(head + 4)?));
    }
    put!(page, " {}", kind_name(kind));
    let length = usize::from(octets.u16(head + 8)?);
    let data = head + 10;
    octets.slice(data, length)?;
    match kind {
        A => put!(page, " {}", octets.v4(data)?),
        AAAA => put!(page, " {}", address_v6(octets.v6(data)?)),
        NS | CNAME | PTR | DNAME => {
            put!(page, " ");
            message.tell_name(page, data)?;
        }
        SOA if page.style.verbose > 0 => authority(page, message, data)?,
        MX => {
            put!(page, " ");
            message.tell_name(page, data + 2)?;
            put!(page, " {}", octets.u16(data)?);
        }
        TXT => text(page, message, data, length)?,
        SRV => {
            put!(page, " ");
            message.tell_name(page, data + 6)?;
            put!(
                page,
                ":{} {} {}",
                octets.u16(data + 4)?,
                octets.u16(data)?,
                octets.u16(data + 2)?
            );
        }
        OPT => {
            put!(page, " UDPsize={class}");
            // Above the flags stand the code's upper bits and the version.
            if octets.u16(head + 6)? & 0x8000 != 0 {
                put!(page, " DO");
            }
            extensions(page, message, data, length)?;
        }
        _ => {}
    }
    Ok(data + length)
}

fn authority(page: &mut Page<'_>, message: Message<'_>, data: usize) -> Told {
    put!(page, " ");
    let mail = message.tell_name(page, data)?;
    put!(page, " ");
    let numbers = message.tell_name(page, mail)?;
    for n in 0..5 {
        put!(page, " {}", message.octets.u32(numbers + 4 * n)?);
    }
    Ok(())
}

/// Character strings of a TXT record.
fn text(page: &mut Page<'_>, message: Message<'_>, data: usize, length: usize) -> Told {
    let mut at = data;
    while at < data + length {
        let octets = usize::from(message.octets.u8(at)?);
        let text = message.octets.slice(at + 1, octets)?;
        put!(page, " \"{}\"", printable(text));
        at += 1 + octets;
    }
    Ok(())
}

/// EDNS options (RFC 6891).
fn extensions(page: &mut Page<'_>, message: Message<'_>, data: usize, length: usize) -> Told {
    const SUBNET: u16 = 8;
    const PADDING: u16 = 12;
    const COOKIE: u16 = 10;
    if length == 0 {
        return Ok(());
    }
    put!(page, " [");
    let mut at = data;
    while at < data + length {
        let (kind, octets) = (message.octets.u16(at)?, message.octets.u16(at + 2)?);
        let value = message.octets.slice(at + 4, octets.into())?;
        match extension_name(kind) {
            Some(name) => put!(page, "{name}"),
            None => put!(page, "Opt{kind}"),
        }
        match (kind, value) {
            (_, []) => {}
            (SUBNET, _) => subnet(page, value),
            (PADDING, _) => put!(page, " ({octets})"),
            (COOKIE, _) => {
                let (client, server) = value.split_at_checked(8).unwrap_or((value, &[]));
                put!(page, " {}", hex(client));
                if !server.is_empty() {
                    put!(page, " {}", hex(server));
                }
            }
            _ => put!(page, " {}", hex(value)),
        }
        at += 4 + value.len();
        if at < data + length {
            put!(page, ",");
        }
    }
    put!(page, "]");
    Ok(())
}

/// The network of who asked, ` address/source/scope` (RFC 7871).
fn subnet(page: &mut Page<'_>, value: &[u8]) {
    let [0, family, source, scope, prefix @ ..] = value else {
        page.invalid();
        return;
    };
    let bits = match family {
        1 => 32,
        2 => 128,
        _ => 0,
    };
    let octets = usize::from(source.div_ceil(8));
    if *source > bits || *scope > bits || octets != prefix.len() {
        page.invalid();
        return;
    }
    let mut address = [0; 16];
    for (to, from) in address.iter_mut().zip(prefix) {
        *to = *from;
    }
    let address = match (family, address) {
        (1, [a, b, c, d, ..]) => format!("{a}.{b}.{c}.{d}"),
        _ => address_v6(address.into()),
    };
    put!(page, " {address}/{source}/{scope}");
}

fn extension_name(number: u16) -> Option<&'static str> {
    Some(match number {
        1 => "LLQ",
        2 => "UL",
        3 => "NSID",
        5 => "DAU",
        6 => "DHU",
        7 => "N3U",
        8 => "ECS",
        9 => "EXPIRE",
        10 => "COOKIE",
        11 => "KEEPALIVE",
        12 => "PADDING",
        13 => "CHAIN",
        14 => "KEY-TAG",
        16 => "CLIENT-TAG",
        17 => "SERVER-TAG",
        _ => return None,
    })
}

/// The upper bits of the response code, of an OPT record among the additional
/// ones.
pub(super) fn extended_code(message: Message<'_>) -> Option<u16> {
    let octets = message.octets;
    let count = |at| octets.u16(at).ok().map(u32::from);
    let (questions, others) = (count(4)?, count(10)?);
    let before = count(6)? + count(8)?;
    let mut at = 12;
    for _ in 0..questions {
        at = message.skip_name(at).ok()? + 4;
    }
    for n in 0..before + others {
        let head = message.skip_name(at).ok()?;
        if n >= before && octets.u16(head).ok()? == OPT {
            return octets.u8(head + 4).ok().map(u16::from);
        }
        at = head + 10 + usize::from(octets.u16(head + 8).ok()?);
    }
    None
}

/// The class, unless it is the internet's.
pub(super) fn tell_class(page: &mut Page<'_>, class: u16) {
    match class {
        INTERNET => {}
        3 => put!(page, " CHAOS"),
        4 => put!(page, " HS"),
        255 => put!(page, " ANY"),
        other => put!(page, " (Class {other})"),
    }
}

/// Seconds as `1w2d3h4m5s`.
fn span(seconds: u32) -> String {
    let mut rest = seconds;
    let mut out = String::new();
    let units = [
        ("w", 604_800),
        ("d", 86_400),
        ("h", 3_600),
        ("m", 60),
        ("s", 1),
    ];
    for (unit, length) in units {
        // `0s`, too, has to say something.
        if rest >= length || (length == 1 && out.is_empty()) {
            let _ = write!(out, "{}{unit}", rest / length);
            rest %= length;
        }
    }
    out
}

/// IANA's "Resource Record (RR) TYPEs".
pub(super) fn kind_name(number: u16) -> String {
    let name = match number {
        A => "A",
        NS => "NS",
        3 => "MD",
        4 => "MF",
        CNAME => "CNAME",
        SOA => "SOA",
        7 => "MB",
        8 => "MG",
        9 => "MR",
        10 => "NULL",
        11 => "WKS",
        PTR => "PTR",
        13 => "HINFO",
        14 => "MINFO",
        MX => "MX",
        TXT => "TXT",
        17 => "RP",
        18 => "AFSDB",
        19 => "X25",
        20 => "ISDN",
        21 => "RT",
        22 => "NSAP",
        23 => "NSAP_PTR",
        24 => "SIG",
        25 => "KEY",
        26 => "PX",
        27 => "GPOS",
        AAAA => "AAAA",
        29 => "LOC",
        30 => "NXT",
        31 => "EID",
        32 => "NIMLOC",
        SRV => "SRV",
        34 => "ATMA",
        35 => "NAPTR",
        36 => "KX",
        37 => "CERT",
        38 => "A6",
        DNAME => "DNAME",
        40 => "SINK",
        OPT => "OPT",
        42 => "APL",
        43 => "DS",
        44 => "SSHFP",
        45 => "IPSECKEY",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        49 => "DHCID",
        50 => "NSEC3",
        51 => "NSEC3PARAM",
        52 => "TLSA",
        53 => "SMIMEA",
        55 => "HIP",
        59 => "CDS",
        60 => "CDNSKEY",
        61 => "OPENPGPKEY",
        62 => "CSYNC",
        63 => "ZONEMD",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        249 => "TKEY",
        250 => "TSIG",
        251 => "IXFR",
        252 => "AXFR",
        253 => "MAILB",
        254 => "MAILA",
        255 => "ANY",
        256 => "URI",
        257 => "CAA",
        other => return format!("Type{other}"),
    };
    name.to_owned()
}
