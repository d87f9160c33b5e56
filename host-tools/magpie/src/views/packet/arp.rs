//! ARP (RFC 826) and its kin.

use super::octets::{Cut, Octets};
use super::page::{Page, Told, mac, put};
use super::words::ethertype;

const IPV4: u16 = 0x0800;
const TRAILERS: u16 = 0x1000;

/// Prints a message, the ethertype behind it.
pub(super) fn print(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    let octets = octets.of("arp");
    let (hardware, protocol) = (octets.u16(0)?, octets.u16(2)?);
    let (hardware_len, protocol_len) = (usize::from(octets.u8(4)?), usize::from(octets.u8(5)?));
    let operation = octets.u16(6)?;
    let sender = 8;
    let sender_protocol = sender + hardware_len;
    let target = sender_protocol + protocol_len;
    let target_protocol = target + hardware_len;
    octets.slice(target_protocol, protocol_len)?;
    if !page.style.link {
        put!(page, "ARP, ");
    }
    let is_ip = matches!(protocol, IPV4 | TRAILERS);
    let verbose = page.style.verbose > 0;
    if !is_ip || protocol_len != 4 || hardware_len == 0 || verbose {
        let name = ethertype(protocol).map_or_else(
            || format!("Unknown Protocol (0x{protocol:04x})"),
            str::to_owned,
        );
        put!(
            page,
            "{} (len {hardware_len}), {name} (len {protocol_len})",
            hardware_name(hardware)
        );
        if !verbose {
            put!(page, ", length {}", octets.length());
            return Ok(());
        }
        put!(page, ", ");
    }
    let ip = |at| -> Result<String, Cut> {
        Ok(if !is_ip {
            "<wrong proto type>".to_owned()
        } else if protocol_len != 4 {
            "<wrong len>".to_owned()
        } else {
            octets.v4(at)?.to_string()
        })
    };
    if is_ip && protocol_len == 4 && page.talk.ends.is_none() {
        let ends = [octets.v4(sender_protocol)?, octets.v4(target_protocol)?];
        page.talk.ends = Some(ends.map(Into::into));
    }
    let style = page.style;
    let link = |at| -> Result<String, Cut> {
        Ok(match octets.slice(at, hardware_len)? {
            [] => "<empty>".to_owned(),
            address => mac(style, address),
        })
    };
    match operation {
        1 => {
            put!(page, "Request who-has {}", ip(target_protocol)?);
            let asked = octets.slice(target, hardware_len)?;
            if asked.iter().any(|octet| *octet != 0) {
                put!(page, " ({})", mac(style, asked));
            }
            put!(page, " tell {}", ip(sender_protocol)?);
        }
        2 => put!(
            page,
            "Reply {} is-at {}",
            ip(sender_protocol)?,
            link(sender)?
        ),
        3 => put!(
            page,
            "Reverse Request who-is {} tell {}",
            link(target)?,
            link(sender)?
        ),
        4 => put!(
            page,
            "Reverse Reply {} at {}",
            link(target)?,
            ip(target_protocol)?
        ),
        8 => put!(
            page,
            "Inverse Request who-is {} tell {}",
            link(target)?,
            link(sender)?
        ),
        9 => put!(
            page,
            "Inverse Reply {} at {}",
            link(sender)?,
            ip(sender_protocol)?
        ),
        10 => put!(page, "NACK Reply "),
        other => {
            put!(page, "Unknown ({other}) ");
            page.unknown(octets);
            return Ok(());
        }
    }
    put!(page, ", length {}", octets.length());
    Ok(())
}

/// Of IANA's "Hardware Types", those that tcpdump names.
fn hardware_name(number: u16) -> String {
    match number {
        1 => "Ethernet".to_owned(),
        6 => "TokenRing".to_owned(),
        7 => "ArcNet".to_owned(),
        15 => "FrameRelay".to_owned(),
        17 => "Strip".to_owned(),
        24 => "IEEE 1394".to_owned(),
        32 => "Infiniband".to_owned(),
        other => format!("Unknown Hardware ({other})"),
    }
}
