//! What carries packets of others: MPLS, GRE, VXLAN.

use super::octets::Octets;
use super::page::{Page, Told, bits, put};
use super::{ether, ip, ip6, ppp, words};

/// A stack of MPLS labels (RFC 3032) and what is below.
pub(super) fn mpls(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    let mut rest = octets.of("mpls");
    let verbose = page.style.verbose > 0;
    put!(page, "MPLS");
    let mut first = true;
    let label = loop {
        if rest.length() < 4 {
            page.invalid();
            rest.slice(0, rest.length())?;
            return Ok(());
        }
        let entry = rest.u32(0)?;
        let (label, class) = (entry >> 12, entry >> 9 & 7);
        let (bottom, ttl) = (entry & 0x100 != 0, entry & 0xff);
        let before = if verbose && !first { "\n\t" } else { " " };
        put!(page, "{before}(label {label}");
        if verbose && label < 16 {
            let name = match label {
                0 => "IPv4 explicit NULL",
                1 => "router alert",
                2 => "IPv6 explicit NULL",
                3 => "implicit NULL",
                _ => "rsvd",
            };
            put!(page, " ({name})");
        }
        put!(page, ", tc {class}");
        if bottom {
            put!(page, ", [S]");
        }
        put!(page, ", ttl {ttl})");
        first = false;
        rest = rest.after(4);
        if bottom {
            break label;
        }
    };
    // No field says what follows: a reserved label does, or the version of
    // what would be an IP header.
    let version = match label {
        0 | 3 => 4,
        2 => 6,
        _ if rest.length() == 0 => return Ok(()),
        _ => match rest.u8(0)? {
            0x45..=0x4f => 4,
            0x60..=0x6f => 6,
            _ => 0,
        },
    };
    if version == 0 {
        // The dump goes on to where the frame ended, and so is cut as well.
        if page.unknown(rest) {
            rest.slice(0, rest.length())?;
        }
        return Ok(());
    }
    put!(page, "{}", if verbose { "\n\t" } else { " " });
    if version == 4 {
        ip::print(page, rest)
    } else {
        ip6::print(page, rest)
    }
}

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ACKNOWLEDGMENT: u16 = 0x0080;

/// GRE (RFC 2784, RFC 2890), and PPTP's variant (RFC 2637).
pub(super) fn gre(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    const FLAGS: &[(u32, &str)] = &[
        (CHECKSUM as u32, "checksum present"),
        (ROUTING as u32, "routing present"),
        (KEY as u32, "key present"),
        (SEQUENCE as u32, "sequence# present"),
        (0x0800, "source routing present"),
        (ACKNOWLEDGMENT as u32, "ack present"),
    ];
    let octets = octets.of("gre").checked();
    let flags = octets.u16(0)?;
    let version = flags & 7;
    put!(page, "GREv{version}");
    if version > 1 {
        put!(page, " ERROR: unknown-version");
        return Ok(());
    }
    let verbose = page.style.verbose > 0;
    if verbose {
        put!(
            page,
            ", Flags [{}]",
            bits(flags.into(), FLAGS, ", ", "none")
        );
    }
    let protocol = octets.u16(2)?;
    let mut at = 4;
    if version == 0 && flags & (CHECKSUM | ROUTING) != 0 {
        if verbose {
            put!(page, ", sum 0x{:x}", octets.u16(at)?);
        }
        put!(page, ", off 0x{:x}", octets.u16(at + 2)?);
        at += 4;
    }
    if flags & KEY != 0 {
        let key = octets.u32(at)?;
        if version == 0 {
            put!(page, ", key=0x{key:x}");
        } else {
            put!(page, ", call {}", key & 0xffff);
        }
        at += 4;
    }
    if flags & SEQUENCE != 0 {
        put!(page, ", seq {}", octets.u32(at)?);
        at += 4;
    }
    if version == 1 && flags & ACKNOWLEDGMENT != 0 {
        put!(page, ", ack {}", octets.u32(at)?);
        at += 4;
    }
    let empty = version == 1 && flags & SEQUENCE == 0;
    if empty {
        put!(page, ", no-payload");
    }
    if page.style.link {
        let name = words::ethertype(protocol).unwrap_or("unknown");
        put!(page, ", proto {name} (0x{protocol:04x})");
    }
    put!(page, ", length {}", octets.length());
    // Source routes (RFC 1701) are long gone; what follows them is not found.
    if empty || (version == 0 && flags & ROUTING != 0) {
        return Ok(());
    }
    put!(page, "{}", if verbose { "\n\t" } else { ": " });
    let rest = octets.after(at);
    match protocol {
        0x0800 if version == 0 => ip::print(page, rest),
        0x86dd if version == 0 => ip6::print(page, rest),
        0x8847 if version == 0 => mpls(page, rest),
        0x6558 if version == 0 => ether::print(page, rest),
        0x880b if version == 1 => ppp::print(page, rest),
        other => {
            put!(page, "gre-proto-0x{other:x}");
            Ok(())
        }
    }
}

/// VXLAN (RFC 7348) and the frame in it, on a line of its own.
pub(super) fn vxlan(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    const HEADER: usize = 8;
    let octets = octets.of("vxlan");
    put!(page, "VXLAN");
    if octets.length() < HEADER {
        page.invalid();
        return Ok(());
    }
    let flags = octets.u8(0)?;
    let names = if flags & 0x08 != 0 { "I" } else { "invalid" };
    put!(page, ", flags [{names}] (0x{flags:02x}), ");
    put!(page, "vni {}\n", octets.u24(4)?);
    octets.u8(7)?;
    ether::print(page, octets.after(HEADER))
}

/// Geneve (RFC 8926) and what it carries.
pub(super) fn geneve(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    const HEADER: usize = 8;
    const ETHERNET: u16 = 0x6558;
    const FLAGS: &[(u32, &str)] = &[(0x80, "O"), (0x40, "C")];
    let octets = octets.of("geneve").checked();
    put!(page, "Geneve");
    let length = octets.length();
    if length < HEADER {
        put!(page, " [length {length} < {HEADER}]");
        page.invalid();
        return Ok(());
    }
    octets.slice(0, HEADER)?;
    let first = octets.u8(0)?;
    let (version, options) = (first >> 6, usize::from(first & 0x3f) * 4);
    if version != 0 {
        put!(page, " ERROR: unknown-version {version}");
        return Ok(());
    }
    let flags = bits(octets.u8(1)?.into(), FLAGS, "", "none");
    put!(page, ", Flags [{flags}], vni 0x{:x}", octets.u24(4)?);
    let (protocol, reserved) = (octets.u16(2)?, octets.u8(7)?);
    if reserved > 0 {
        put!(page, ", rsvd 0x{reserved:x}");
    }
    if page.style.link {
        let name = words::ethertype(protocol).unwrap_or("unknown");
        put!(page, ", proto {name} (0x{protocol:04x})");
    }
    let room = length - HEADER;
    if room < options {
        put!(page, " truncated-geneve - {} bytes missing", options - room);
        return Ok(());
    }
    octets.slice(HEADER, options)?;
    if options > 0 {
        put!(page, ", options [{options} bytes]");
    }
    let verbose = page.style.verbose > 0;
    put!(page, "{}", if verbose { "\n\t" } else { ": " });
    let rest = octets.after(HEADER + options);
    if protocol == ETHERNET {
        return ether::print(page, rest);
    }
    if !ether::carried(page, protocol, rest)? {
        put!(page, "geneve-proto-0x{protocol:x}");
    }
    Ok(())
}
