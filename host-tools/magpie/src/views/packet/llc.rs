//! IEEE 802.2 LLC, SNAP, and the spanning tree.

use super::ether::{self, Macs};
use super::octets::{Cut, Octets};
use super::page::{Page, Told, bits, colons, put};
use super::{ip, words};

const SNAP: u8 = 0xaa;
const STP: u8 = 0x42;
const IP: u8 = 0x06;
const UNNUMBERED_INFORMATION: u16 = 3;

/// Prints what follows a length field. LLC and SNAP are of the link header, of
/// which there are so many octets `before` them.
pub(super) fn print(
    page: &mut Page<'_>,
    octets: Octets<'_>,
    before: usize,
    macs: Option<Macs>,
) -> Told {
    let octets = octets.of("llc");
    if !octets.has(3) {
        page.cut(octets.cut());
        page.hex_and_ascii(octets);
        page.link_header(before + octets.seen().len());
        return Ok(());
    }
    let (destination, source) = (octets.u8(0)?, octets.u8(1)?);
    // Unnumbered frames have a control field of one octet, others of two, the
    // lower first (IEEE 802.2, section 5.2).
    let first = octets.u8(2)?;
    let unnumbered = first & 3 == 3;
    let (control, header) = if unnumbered {
        (u16::from(first), 3)
    } else {
        if !octets.has(4) {
            page.cut(octets.cut());
            page.hex_and_ascii(octets);
            page.link_header(before + octets.seen().len());
            return Ok(());
        }
        (octets.u16(2)?.swap_bytes(), 4)
    };
    // Novell's frames have a length field, but no LLC.
    if (destination, source) == (0xff, 0xff) {
        return ipx(page, octets, Novell::Raw);
    }
    page.link_header(before + header);
    let (dsap, ssap) = (destination & !1, source & !1);
    if page.style.link {
        put!(
            page,
            "LLC, dsap {} (0x{dsap:02x}) {}, ssap {} (0x{ssap:02x}) {}, ctrl 0x{control:0width$x}: ",
            sap(dsap).unwrap_or("Unknown"),
            if destination & 1 == 0 {
                "Individual"
            } else {
                "Group"
            },
            sap(ssap).unwrap_or("Unknown"),
            if source & 1 == 0 {
                "Command"
            } else {
                "Response"
            },
            width = if unnumbered { 2 } else { 4 },
        );
    }
    let rest = octets.after(header);
    match (dsap, ssap, control) {
        (SNAP, SNAP, UNNUMBERED_INFORMATION) => {
            page.link_header(before + header + 5);
            let rest = rest.of("snap");
            if !rest.has(5) {
                page.cut(rest.cut());
            } else if !snap(page, rest, macs)? {
                page.unknown(octets);
            }
            return Ok(());
        }
        (STP, STP, UNNUMBERED_INFORMATION) => {
            spanning_tree(page, rest.of("stp"))?;
            return Ok(());
        }
        (IP, IP, UNNUMBERED_INFORMATION) => {
            page.nested(|page| ip::print(page, rest))?;
            return Ok(());
        }
        (0xe0, 0xe0, UNNUMBERED_INFORMATION) => {
            return ipx(page, rest, Novell::Llc);
        }
        _ => {}
    }
    if !page.style.link {
        let name = |kind: &str, number| {
            sap(number).map_or_else(|| format!("Unknown {kind} 0x{number:02x}"), str::to_owned)
        };
        let (dsap_name, ssap_name) = (name("DSAP", dsap), name("SSAP", ssap));
        match macs {
            Some(macs) if dsap == ssap => {
                let words = macs.words(page);
                put!(page, "{words} {dsap_name} ");
            }
            Some(macs) => {
                let (from, to) = (page.mac(&macs.from), page.mac(&macs.to));
                put!(page, "{from} {ssap_name} > {to} {dsap_name} ");
            }
            None if dsap == ssap => put!(page, "{dsap_name} "),
            None => put!(page, "{ssap_name} > {dsap_name} "),
        }
    }
    tell_control(page, control, source & 1 != 0, octets.length());
    let is_exchange = unnumbered && control & !0x10 == 0xaf;
    let rest = rest.checked();
    if is_exchange && rest.length() > 0 && rest.u8(0)? == 0x81 {
        put!(page, ": {:02x} {:02x}", rest.u8(1)?, rest.u8(2)?);
    } else if !(is_exchange && rest.length() == 0) && (unnumbered || control & 3 != 1) {
        page.unknown(octets);
    }
    Ok(())
}

/// What IPX follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Novell {
    /// An ethertype.
    Ethernet,
    /// A length field.
    Raw,
    /// LLC.
    Llc,
}

/// Names it; what is cut is told in tcpdump's words.
pub(super) fn ipx(page: &mut Page<'_>, octets: Octets<'_>, follows: Novell) -> Told {
    const HEADER: usize = 30;
    if octets.has(HEADER) {
        put!(page, "IPX, length {}", octets.length());
        return Ok(());
    }
    match follows {
        Novell::Ethernet => put!(page, "(NOV-ETHII) "),
        Novell::Raw if page.style.link => put!(page, "IPX 802.3: "),
        Novell::Llc if page.style.link => put!(page, "IPX 802.2: "),
        Novell::Raw | Novell::Llc => {}
    }
    if !page.style.link {
        put!(page, "IPX ");
    }
    octets.of("ipx").slice(0, HEADER).map(|_| ())
}

/// Names Cisco's trunking protocol, with its version.
fn dtp(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    let length = octets.length();
    if length == 0 {
        put!(page, "[zero packet length]");
        page.invalid();
        return Ok(());
    }
    put!(page, "DTPv{}, length {length}", octets.u8(0)?);
    Ok(())
}

/// The control field in words.
fn tell_control(page: &mut Page<'_>, control: u16, response: bool, length: usize) {
    let flag = |poll: bool| match (response, poll) {
        (false, false) => "Command",
        (true, false) => "Response",
        (false, true) => "Poll",
        (true, true) => "Final",
    };
    if control & 3 == 3 {
        let command = match control & 0xef {
            0x03 => "ui".to_owned(),
            0xe3 => "test".to_owned(),
            0xaf => "xid".to_owned(),
            0x63 => "ua".to_owned(),
            0x43 => "disc".to_owned(),
            0x0f => "dm".to_owned(),
            0x6f => "sabme".to_owned(),
            0x87 => "frmr".to_owned(),
            other => format!("{other:02x}"),
        };
        let flag = flag(control & 0x10 != 0);
        put!(
            page,
            "Unnumbered, {command}, Flags [{flag}], length {length}"
        );
        return;
    }
    let (received, flag) = (control >> 9, flag(control & 0x100 != 0));
    if control & 3 == 1 {
        let command = match control >> 2 & 3 {
            0 => "Receiver Ready",
            1 => "Receiver not Ready",
            2 => "Reject",
            _ => "?",
        };
        put!(
            page,
            "Supervisory, {command}, rcv seq {received}, Flags [{flag}], length {length}"
        );
    } else {
        let sent = control >> 1 & 0x7f;
        put!(
            page,
            "Information, send seq {sent}, rcv seq {received}, Flags [{flag}], length {length}"
        );
    }
}

/// Names of service access points.
fn sap(number: u8) -> Option<&'static str> {
    Some(match number {
        0x00 => "Null",
        0x02 => "802.1B I",
        0x04 => "SNA",
        0x06 => "IP",
        0x0e => "ProWay NM",
        0x42 => "STP",
        0x4e => "RS511",
        0x7e => "ISO8208",
        0x8e => "ProWay",
        0xaa => "SNAP",
        0xe0 => "IPX",
        0xf0 => "NetBeui",
        0xfe => "OSI",
        _ => return None,
    })
}

/// A SNAP header; false where nobody knows what follows it.
fn snap(page: &mut Page<'_>, octets: Octets<'_>, macs: Option<Macs>) -> Result<bool, Cut> {
    const ETHERNET: u32 = 0x00_0000;
    const CISCO: u32 = 0x00_000c;
    const CISCO_BRIDGE: u32 = 0x00_00f8;
    let (organization, protocol) = (octets.u24(0)?, octets.u16(3)?);
    let rest = octets.after(5);
    let cisco = match protocol {
        0x2000 => Some("CDP"),
        0x2003 => Some("VTP"),
        0x2004 => Some("DTP"),
        0x0111 => Some("UDLD"),
        0x010b => Some("PVST"),
        0x010c => Some("VLAN Bridge"),
        _ => None,
    };
    let (organization_name, name) = match organization {
        ETHERNET => ("Ethernet", words::ethertype(protocol)),
        CISCO => ("Cisco", cisco),
        CISCO_BRIDGE => ("Cisco bridged", words::ethertype(protocol)),
        0x08_0007 => ("Appletalk", words::ethertype(protocol)),
        _ => ("Unknown", None),
    };
    if page.style.link {
        let kind = if organization == ETHERNET {
            "ethertype"
        } else {
            "pid"
        };
        put!(
            page,
            "oui {organization_name} (0x{organization:06x}), {kind} {} (0x{protocol:04x}), length {}: ",
            name.unwrap_or("Unknown"),
            rest.length(),
        );
    }
    match (organization, cisco) {
        (ETHERNET | CISCO_BRIDGE, _) if ether::carried(page, protocol, rest)? => Ok(true),
        (CISCO, _) if protocol == 0x010b => {
            spanning_tree(page, rest.of("stp"))?;
            Ok(true)
        }
        (CISCO, Some("DTP")) => {
            dtp(page, rest.of("dtp"))?;
            Ok(true)
        }
        (CISCO, Some(name)) => {
            put!(page, "{name}, length {}", rest.length());
            Ok(true)
        }
        _ => {
            if !page.style.link {
                if let Some(macs) = macs {
                    let words = macs.words(page);
                    put!(page, "{words} ");
                }
                let kind = if organization == ETHERNET {
                    "ethertype"
                } else {
                    "pid"
                };
                put!(
                    page,
                    "SNAP, oui {organization_name} (0x{organization:06x}), {kind} {} (0x{protocol:04x}), length {}: ",
                    name.unwrap_or("Unknown"),
                    rest.length(),
                );
            }
            Ok(false)
        }
    }
}

/// A BPDU of the spanning tree (IEEE 802.1D, section 9.3); of the multiple
/// spanning tree only what it shares with the others.
fn spanning_tree(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    const FLAGS: &[(u32, &str)] = &[
        (0x01, "Topology change"),
        (0x02, "Proposal"),
        (0x10, "Learn"),
        (0x20, "Forward"),
        (0x40, "Agreement"),
        (0x80, "Topology change ACK"),
    ];
    let length = octets.length();
    if length < 4 {
        page.invalid();
        return Ok(());
    }
    if octets.u16(0)? != 0 {
        put!(page, "unknown STP version, length {length}");
        return Ok(());
    }
    let version = octets.u8(2)?;
    put!(page, "STP ");
    match version {
        0 => put!(page, "802.1d"),
        2 => put!(page, "802.1w"),
        3 => put!(page, "802.1s"),
        4 => put!(page, "802.1aq"),
        other => {
            put!(page, "Unknown STP protocol (0x{other:02x})");
            return Ok(());
        }
    }
    let kind = octets.u8(3)?;
    match kind {
        0x00 => put!(page, ", Config"),
        0x02 => put!(page, ", Rapid STP"),
        0x80 => put!(page, ", Topology Change"),
        other => put!(page, ", Unknown BPDU Type (0x{other:02x})"),
    }
    if !matches!(kind, 0x00 | 0x02) {
        return Ok(());
    }
    if length < 35 {
        page.invalid();
        return Ok(());
    }
    let flags = bits(octets.u8(4)?.into(), FLAGS, ", ", "none");
    if kind == 0x02 && version > 2 {
        put!(page, ", CIST Flags [{flags}], length {length}");
        return Ok(());
    }
    put!(page, ", Flags [{flags}]");
    put!(
        page,
        ", bridge-id {}.{:04x}, length {length}",
        bridge(octets, 17)?,
        octets.u16(25)?
    );
    if page.style.verbose > 0 {
        let seconds = |at| octets.u16(at).map(|units| f64::from(units) / 256.0);
        put!(
            page,
            "\n\tmessage-age {:.2}s, max-age {:.2}s, hello-time {:.2}s, forwarding-delay {:.2}s",
            seconds(27)?,
            seconds(29)?,
            seconds(31)?,
            seconds(33)?
        );
        put!(
            page,
            "\n\troot-id {}, root-pathcost {}",
            bridge(octets, 5)?,
            octets.u32(13)?
        );
        if kind == 0x02 {
            let role = match octets.u8(4)? >> 2 & 3 {
                0 => "Unknown",
                1 => "Alternate",
                2 => "Root",
                _ => "Designated",
            };
            put!(page, ", port-role {role}");
        }
    }
    Ok(())
}

/// Priority and address of a bridge.
fn bridge(octets: Octets<'_>, at: usize) -> Result<String, Cut> {
    let address: [u8; 6] = octets.array(at + 2)?;
    Ok(format!("{:04x}.{}", octets.u16(at)?, colons(&address)))
}
