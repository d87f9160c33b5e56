//! Ethernet, VLAN tags, and what an ethertype announces.

use super::octets::{Cut, Octets};
use super::page::{Page, Told, printable, put};
use super::words::ethertype;
use super::{arp, ip, ip6, llc, loopback, ppp, tunnel};

/// Greatest value of the type field that is a length (IEEE 802.3).
const MAX_LENGTH_FIELD: u16 = 1_500;

const HEADER: usize = 14;

/// Where a frame comes from and goes to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Macs {
    pub(super) to: [u8; 6],
    pub(super) from: [u8; 6],
}

impl Macs {
    /// `from > to`, in words.
    pub(super) fn words(self, page: &Page<'_>) -> String {
        format!("{} > {}", page.mac(&self.from), page.mac(&self.to))
    }
}

/// Prints a frame.
pub(super) fn print(page: &mut Page<'_>, frame: Octets<'_>) -> Told {
    let frame = frame.of("ether");
    let mut header = HEADER;
    page.link_header(header);
    if !frame.has(HEADER) {
        page.cut(frame.cut());
        return Ok(());
    }
    let macs = Macs {
        to: frame.array(0)?,
        from: frame.array(6)?,
    };
    if let Some(talk) = page.frame() {
        talk.macs = Some([macs.from, macs.to]);
    }
    if page.style.link {
        let words = macs.words(page);
        put!(page, "{words}, ");
    }
    let mut kind = frame.u16(12)?;
    let mut rest = frame.after(HEADER);
    let mut length_told = false;
    while matches!(kind, 0x8100 | 0x88a8 | 0x9100 | 0x9200) {
        header += 4;
        page.link_header(header);
        if !rest.has(4) {
            return Err(rest.of("vlan").cut());
        }
        let tci = rest.u16(0)?;
        if let Some(talk) = page.frame() {
            talk.vlan.push(tci & 0x0fff);
        }
        if page.style.link {
            tell_type(page, kind);
            tell_length(page, &mut length_told, frame.length());
            put!(page, "{}, ", tag(tci));
        }
        kind = rest.u16(2)?;
        rest = rest.after(4);
    }
    if let Some(talk) = page.frame() {
        talk.ethertype = Some(kind);
    }
    if kind <= MAX_LENGTH_FIELD {
        let said = usize::from(kind);
        if said < rest.length() {
            rest = rest.of_length(said);
        }
        if page.style.link {
            put!(page, "802.3");
            tell_length(page, &mut length_told, rest.length());
        }
        return llc::print(page, rest, header, Some(macs));
    }
    if page.style.link {
        tell_type(page, kind);
        tell_length(page, &mut length_told, frame.length());
    }
    if !carried(page, kind, rest)? {
        if !page.style.link {
            let words = macs.words(page);
            put!(page, "{words}, ");
            tell_type(page, kind);
            put!(page, ", length {}: ", frame.length());
        }
        page.unknown(rest);
    }
    Ok(())
}

/// `, length n: ` once, then `, `.
fn tell_length(page: &mut Page<'_>, told: &mut bool, length: usize) {
    if *told {
        put!(page, ", ");
    } else {
        put!(page, ", length {length}: ");
    }
    *told = true;
}

fn tell_type(page: &mut Page<'_>, kind: u16) {
    let name = ethertype(kind);
    if !page.style.quiet {
        put!(
            page,
            "ethertype {} (0x{kind:04x})",
            name.unwrap_or("Unknown")
        );
    } else if let Some(name) = name {
        put!(page, "{name}");
    } else {
        put!(page, "Unknown Ethertype (0x{kind:04x})");
    }
}

/// `vlan 10, p 0`, and `DEI` where it is set.
fn tag(tci: u16) -> String {
    let dei = if tci & 0x1000 == 0 { "" } else { ", DEI" };
    format!("vlan {}, p {}{dei}", tci & 0x0fff, tci >> 13)
}

/// Prints what an ethertype announces; false where nobody knows it.
pub(super) fn carried(page: &mut Page<'_>, kind: u16, octets: Octets<'_>) -> Result<bool, Cut> {
    match kind {
        0x0800 => page.nested(|page| ip::print(page, octets))?,
        0x86dd => page.nested(|page| ip6::print(page, octets))?,
        0x0806 | 0x8035 => arp::print(page, octets)?,
        0x8847 | 0x8848 => page.nested(|page| tunnel::mpls(page, octets))?,
        0x8863 | 0x8864 | 0x3c12 | 0x3c13 => page.nested(|page| ppp::pppoe(page, octets))?,
        0x88cc => lldp(page, octets.of("lldp").checked())?,
        0x9000 => loopback::print(page, octets)?,
        0x8137 => llc::ipx(page, octets, llc::Novell::Ethernet)?,
        // tcpdump has no words for these either.
        0x6001 | 0x6002 | 0x6004 | 0x6007 | 0x893a => return Ok(false),
        _ => match ethertype(kind) {
            Some(name) if kind != 0x8892 => put!(page, "{name}, length {}", octets.length()),
            _ => return Ok(false),
        },
    }
    Ok(true)
}

/// LLDP (IEEE 802.1AB), and the name of the system that sends it.
fn lldp(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    const END: u16 = 0;
    const SYSTEM_NAME: u16 = 5;
    put!(page, "LLDP, length {}", octets.length());
    let mut rest = octets;
    while rest.length() >= 2 {
        let head = rest.u16(0)?;
        let (kind, length) = (head >> 9, usize::from(head & 0x1ff));
        match kind {
            END => return Ok(()),
            SYSTEM_NAME => {
                put!(page, ": {}", printable(rest.slice(2, length)?));
                return Ok(());
            }
            _ => rest = rest.after(2 + length),
        }
    }
    Ok(())
}
