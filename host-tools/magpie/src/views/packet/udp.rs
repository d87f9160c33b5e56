//! UDP (RFC 768), and what else has ports.

use magpie_os::SocketKind;

use super::ip::{self, Network};
use super::octets::Octets;
use super::page::{Ink, Page, Told, put};
use super::tcp::tell_ends;
use super::{checksum, dns, tunnel};

const HEADER: usize = 8;
const DOMAIN: u16 = 53;
const MULTICAST_DNS: u16 = 5353;
const VXLAN: u16 = 4789;
const GENEVE: u16 = 6081;

/// Prints a datagram.
pub(super) fn print(page: &mut Page<'_>, datagram: Octets<'_>, network: Network) -> Told {
    let datagram = datagram.of("udp").checked();
    if !datagram.has(4) {
        if !network.told {
            page.ends(network.ends, None);
            put!(page, ": ");
        }
        return Err(datagram.cut());
    }
    let ports = [datagram.u16(0)?, datagram.u16(2)?];
    tell_ends(page, SocketKind::Udp, ports, network);
    let mut length = datagram.length();
    if length < HEADER {
        page.paint(Ink::Alarm, format_args!("truncated-udp {length}"));
        return Ok(());
    }
    let mut said = usize::from(datagram.u16(4)?);
    // Jumbograms (RFC 2675).
    if said == 0 && length > usize::from(u16::MAX) {
        said = length;
    }
    if said < HEADER {
        page.paint(Ink::Alarm, format_args!("truncated-udplength {said}"));
        return Ok(());
    }
    datagram.look(HEADER)?;
    said -= HEADER;
    length = (length - HEADER).min(said);
    tell_checksum(page, datagram.of_length(length + HEADER), network)?;
    let data = datagram.after(HEADER).of_length(length);
    if !page.style.quiet {
        if ports.contains(&DOMAIN) {
            return dns::print(page, data, false);
        }
        if ports.contains(&MULTICAST_DNS) {
            return dns::print(page, data, true);
        }
        if ports.contains(&VXLAN) {
            return page.nested(|page| tunnel::vxlan(page, data));
        }
        if ports.contains(&GENEVE) {
            return page.nested(|page| tunnel::geneve(page, data));
        }
    }
    if said > length && !network.fragmented {
        page.paint(
            Ink::Alarm,
            format_args!("UDP, bad length {said} > {length}"),
        );
    } else {
        put!(page, "UDP, length {said}");
    }
    Ok(())
}

/// The checksum's verdict: with IPv6 by `-v`, with IPv4 by `-vv`.
fn tell_checksum(page: &mut Page<'_>, datagram: Octets<'_>, network: Network) -> Told {
    let is_v4 = network.ends[0].is_ipv4();
    if network.fragmented || page.style.verbose <= u8::from(is_v4) {
        return Ok(());
    }
    let found = datagram.u16(6)?;
    if is_v4 && found == 0 {
        put!(page, "[no cksum] ");
    } else if datagram.has(datagram.length()) {
        let before = checksum::pseudo_header(network.pseudo(), ip::UDP, datagram.length());
        let verdict = checksum::check(&before, datagram.seen(), found);
        if verdict.is_right {
            put!(page, "[udp sum ok] ");
        } else {
            let expected = verdict.expected;
            let words = format_args!("[bad udp cksum 0x{found:04x} -> 0x{expected:04x}!] ");
            page.paint(Ink::Alarm, words);
        }
    }
    Ok(())
}

/// SCTP and DCCP: ports and length.
pub(super) fn ports_only(
    page: &mut Page<'_>,
    protocol: u8,
    octets: Octets<'_>,
    network: Network,
) -> Told {
    let name = if protocol == ip::SCTP { "sctp" } else { "dccp" };
    let octets = octets.of(name).checked();
    let ports = [octets.u16(0)?, octets.u16(2)?];
    if network.outer {
        page.talk.ports = Some(ports);
    }
    // `/etc/services` names ports of TCP and UDP; numbers are right for all.
    let [source, destination] = ports;
    if network.told {
        page.paint(Ink::Ends, format_args!("{source} > {destination}"));
    } else {
        let [from, to] = network.ends.map(super::page::address);
        let words = format_args!("{from}.{source} > {to}.{destination}");
        page.paint(Ink::Ends, words);
    }
    put!(page, ": {name}");
    if protocol == ip::SCTP {
        chunks(page, octets.after(12))?;
    }
    put!(page, ", length {}", octets.length());
    Ok(())
}

/// Types of an SCTP packet's chunks (RFC 9260, section 3.2).
fn chunks(page: &mut Page<'_>, chunks: Octets<'_>) -> Told {
    let mut rest = chunks;
    let mut number = 0;
    while rest.length() >= 4 {
        let kind = match rest.u8(0)? {
            0 => "DATA".to_owned(),
            1 => "INIT".to_owned(),
            2 => "INIT ACK".to_owned(),
            3 => "SACK".to_owned(),
            4 => "HB REQ".to_owned(),
            5 => "HB ACK".to_owned(),
            6 => "ABORT".to_owned(),
            7 => "SHUTDOWN".to_owned(),
            8 => "SHUTDOWN ACK".to_owned(),
            9 => "OP ERR".to_owned(),
            10 => "COOKIE ECHO".to_owned(),
            11 => "COOKIE ACK".to_owned(),
            14 => "SHUTDOWN COMPLETE".to_owned(),
            other => format!("chunk type {other}"),
        };
        number += 1;
        put!(page, " ({number}) [{kind}]");
        let length = usize::from(rest.u16(2)?);
        if length < 4 {
            page.invalid();
            return Ok(());
        }
        // Padded to four octets, which the length does not count.
        rest = rest.after(length.next_multiple_of(4));
    }
    Ok(())
}
