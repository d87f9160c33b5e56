//! pcap (draft-ietf-opsawg-pcap), in little-endian octets.

use super::{InterfaceInfo, LONGEST, Packet};

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const ETHERNET: u32 = 1;

pub(super) fn header(out: &mut Vec<u8>, nanos: bool, interfaces: &[InterfaceInfo]) {
    // The greatest of all: 0 is the whole packet.
    let snap_len = interfaces
        .iter()
        .map(|info| match info.snap_len {
            0 => LONGEST,
            octets => octets,
        })
        .max()
        .unwrap_or(LONGEST);
    // Bits 28-31 count the FCS in units of 16 bits where bit 26 is set.
    let mut fcs = interfaces.iter().map(|info| info.fcs_octets);
    let first = fcs.next().flatten();
    let link = match first {
        Some(octets) if octets < 32 && fcs.all(|other| other == first) => {
            ETHERNET | 0x0400_0000 | u32::from(octets / 2) << 28
        }
        _ => ETHERNET,
    };
    let magic = if nanos { NANOSECONDS } else { MICROSECONDS };
    for word in [magic, 0x0004_0002, 0, 0, snap_len, link] {
        out.extend(word.to_le_bytes());
    }
}

pub(super) fn packet(out: &mut Vec<u8>, nanos: bool, packet: &Packet<'_>) {
    let (seconds, rest) = (packet.at_ns / 1_000_000_000, packet.at_ns % 1_000_000_000);
    // Later than 2106 is no year of this format.
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    let rest = if nanos { rest } else { rest / 1_000 };
    let captured = u32::try_from(packet.octets.len()).unwrap_or(u32::MAX);
    for word in [
        seconds,
        u32::try_from(rest).unwrap_or_default(),
        captured,
        packet.wire_len,
    ] {
        out.extend(word.to_le_bytes());
    }
    out.extend(packet.octets);
}
