//! `PPPoE` (RFC 2516) and PPP (RFC 1661).

use super::octets::Octets;
use super::page::{Page, Told, hex, put};
use super::{ip, ip6, tunnel};

const HEADER: usize = 6;

/// Prints a `PPPoE` header and what follows.
pub(super) fn pppoe(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    let octets = octets.of("pppoe");
    let length = octets.length();
    if length < HEADER {
        put!(page, " (length {length} < {HEADER})");
        page.invalid();
        return Ok(());
    }
    octets.slice(0, HEADER)?;
    let first = octets.u8(0)?;
    let (version, kind) = (first >> 4, first & 0x0f);
    if version != 1 {
        put!(page, " [ver {version}]");
    }
    if kind != 1 {
        put!(page, " [type {kind}]");
    }
    let code = octets.u8(1)?;
    put!(page, "PPPoE ");
    match code {
        0x00 => {}
        0x07 => put!(page, "PADO"),
        0x09 => put!(page, "PADI"),
        0x19 => put!(page, "PADR"),
        0x65 => put!(page, "PADS"),
        0xa7 => put!(page, "PADT"),
        other => put!(page, "PAD-{other:x}"),
    }
    let mut said = usize::from(octets.u16(4)?);
    let room = length - HEADER;
    if said > room {
        put!(page, " [len {said} > {room}!]");
        said = room;
    }
    let session = octets.u16(2)?;
    if session > 0 {
        put!(page, " [ses 0x{session:x}]");
    }
    // Cuts nothing: where an IP header says more, there may be more.
    let rest = octets.after(HEADER).said(said);
    if code == 0 {
        put!(page, " ");
        return print(page, rest);
    }
    tags(page, rest)
}

/// Tags of the discovery stage.
fn tags(page: &mut Page<'_>, tags: Octets<'_>) -> Told {
    /// Characters of a tag that are shown.
    const SHOWN: usize = 79;
    let mut rest = tags;
    while rest.length() > 0 {
        let (kind, length) = (rest.u16(0)?, usize::from(rest.u16(2)?));
        let name = match kind {
            0x0000 => "EOL".to_owned(),
            0x0101 => "Service-Name".to_owned(),
            0x0102 => "AC-Name".to_owned(),
            0x0103 => "Host-Uniq".to_owned(),
            0x0104 => "AC-Cookie".to_owned(),
            0x0105 => "Vendor-Specific".to_owned(),
            0x0110 => "Relay-Session-ID".to_owned(),
            0x0120 => "PPP-Max-Payload".to_owned(),
            0x0201 => "Service-Name-Error".to_owned(),
            0x0202 => "AC-System-Error".to_owned(),
            0x0203 => "Generic-Error".to_owned(),
            other => format!("TAG-0x{other:x}"),
        };
        let value = rest.slice(4, length)?;
        let is_text = |octet: &&u8| **octet == b' ' || octet.is_ascii_graphic();
        let shown = value.get(..SHOWN).unwrap_or(value);
        if value.is_empty() {
            put!(page, " [{name}]");
        } else if shown.iter().filter(is_text).count() * 2 > shown.len() {
            let text: String = shown
                .iter()
                .map(|octet| {
                    if is_text(&octet) {
                        char::from(*octet)
                    } else {
                        '.'
                    }
                })
                .collect();
            put!(page, " [{name} \"{text}\"]");
        } else {
            put!(page, " [{name} 0x{}]", hex(value).to_uppercase());
        }
        rest = rest.after(4 + length);
        if kind == 0 {
            break;
        }
    }
    Ok(())
}

/// Prints a PPP frame.
pub(super) fn print(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    let octets = octets.of("ppp");
    let whole = octets.length();
    if whole < 2 {
        return Err(octets.cut());
    }
    // Address and control of HDLC, where nobody agreed to leave them out.
    let start = if octets.u16(0)? == 0xff03 { 2 } else { 0 };
    let first = octets.u8(start)?;
    let (protocol, header) = if first & 1 == 1 {
        (u16::from(first), start + 1)
    } else {
        (octets.u16(start)?, start + 2)
    };
    let name = match protocol {
        0x0021 => "IP",
        0x0057 => "IP6",
        0x0281 => "MPLS unicast",
        0x0283 => "MPLS multicast",
        0x00fd => "Comp",
        0x8021 => "IPCP",
        0x8057 => "IP6CP",
        0x80fd => "CCP",
        0xc021 => "LCP",
        0xc023 => "PAP",
        0xc025 => "LQM",
        0xc223 => "CHAP",
        _ => "unknown",
    };
    if page.style.link {
        put!(page, "{name} (0x{protocol:04x}), length {whole}: ");
    }
    let rest = octets.after(header);
    match protocol {
        0x0021 => ip::print(page, rest),
        0x0057 => ip6::print(page, rest),
        0x0281 | 0x0283 => tunnel::mpls(page, rest),
        0x8021 | 0x8057 | 0x80fd | 0xc021 => control(page, name, rest),
        _ => {
            if name == "unknown" {
                put!(page, "unknown PPP protocol (0x{protocol:04x})");
            } else if !page.style.link {
                put!(page, "{name}");
            }
            put!(page, ", length {}", rest.length());
            Ok(())
        }
    }
}

/// A control protocol's message.
fn control(page: &mut Page<'_>, name: &str, octets: Octets<'_>) -> Told {
    let code = octets.u8(0)?;
    let word = match code {
        0 => "Vendor-Extension",
        1 => "Conf-Request",
        2 => "Conf-Ack",
        3 => "Conf-Nack",
        4 => "Conf-Reject",
        5 => "Term-Request",
        6 => "Term-Ack",
        7 => "Code-Reject",
        8 => "Prot-Reject",
        9 => "Echo-Request",
        10 => "Echo-Reply",
        11 => "Discard-Request",
        _ => "Unknown Opcode",
    };
    put!(
        page,
        "{name}, {word} (0x{code:02x}), id {}, length {}",
        octets.u8(1)?,
        octets.length() + 2
    );
    Ok(())
}
