//! Blocks of pcapng (draft-ietf-opsawg-pcapng), in little-endian octets.

use super::{About, InterfaceInfo, Packet, Statistics};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;

const ETHERNET: u16 = 1;
/// `if_tsresol`: 10 to the power of -9 seconds.
const NANOSECONDS: u8 = 9;

/// Appends one block to `out`; `body` appends what is in it.
fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4]);
    body(out);
    let length = u32::try_from(out.len() - start + 4).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(start + 4..start + 8) {
        place.copy_from_slice(&length.to_le_bytes());
    }
    out.extend(length.to_le_bytes());
}

fn pad(out: &mut Vec<u8>, written: usize) {
    out.resize(out.len() + written.next_multiple_of(4) - written, 0);
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let value = value.get(..length.into()).unwrap_or(value);
    out.extend(code.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(value);
    pad(out, value.len());
}

fn text(out: &mut Vec<u8>, code: u16, value: Option<&str>) {
    if let Some(value) = value {
        // Cut between characters: the format wants UTF-8.
        let end = value.floor_char_boundary(u16::MAX.into());
        option(out, code, value.get(..end).unwrap_or_default().as_bytes());
    }
}

fn number(out: &mut Vec<u8>, code: u16, value: Option<u64>) {
    if let Some(value) = value {
        option(out, code, &value.to_le_bytes());
    }
}

/// Upper half first, whatever the order of octets.
fn halves(ns: u64) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h] = ns.to_le_bytes();
    [e, f, g, h, a, b, c, d]
}

fn time(out: &mut Vec<u8>, code: u16, ns: Option<u64>) {
    if let Some(ns) = ns {
        option(out, code, &halves(ns));
    }
}

fn end_of_options(out: &mut Vec<u8>) {
    out.extend([0; 4]);
}

pub(super) fn section(out: &mut Vec<u8>, about: &About) {
    block(out, SECTION, |out| {
        out.extend(0x1a2b_3c4d_u32.to_le_bytes());
        out.extend(1_u16.to_le_bytes());
        out.extend(0_u16.to_le_bytes());
        // Nobody knows how long it will be.
        out.extend(u64::MAX.to_le_bytes());
        text(out, 2, about.hardware.as_deref());
        text(out, 3, about.os.as_deref());
        text(out, 4, about.application.as_deref());
        end_of_options(out);
    });
}

pub(super) fn interface(out: &mut Vec<u8>, info: &InterfaceInfo) {
    block(out, INTERFACE, |out| {
        out.extend(ETHERNET.to_le_bytes());
        out.extend([0; 2]);
        out.extend(info.snap_len.to_le_bytes());
        text(out, 2, info.name.as_deref());
        text(out, 3, info.description.as_deref());
        option(out, 9, &[NANOSECONDS]);
        if let Some(filter) = &info.filter {
            // The first octet says that it is an expression of libpcap.
            let end = filter.floor_char_boundary(usize::from(u16::MAX) - 1);
            let mut value = vec![0];
            value.extend(filter.get(..end).unwrap_or_default().bytes());
            option(out, 11, &value);
        }
        if let Some(octets) = info.fcs_octets {
            option(out, 13, &[octets]);
        }
        text(out, 15, info.hardware.as_deref());
        end_of_options(out);
    });
}

pub(super) fn packet(out: &mut Vec<u8>, packet: &Packet<'_>) {
    block(out, PACKET, |out| {
        out.extend(packet.interface.to_le_bytes());
        out.extend(halves(packet.at_ns));
        let captured = u32::try_from(packet.octets.len()).unwrap_or(u32::MAX);
        out.extend(captured.to_le_bytes());
        out.extend(packet.wire_len.to_le_bytes());
        out.extend(packet.octets);
        pad(out, packet.octets.len());
        let start = out.len();
        text(out, 1, packet.comment);
        if packet.flags != 0 {
            option(out, 2, &packet.flags.to_le_bytes());
        }
        number(out, 4, Some(packet.dropped).filter(|n| *n > 0));
        if out.len() > start {
            end_of_options(out);
        }
    });
}

pub(super) fn statistics(out: &mut Vec<u8>, interface: u32, known: &Statistics) {
    block(out, STATISTICS, |out| {
        out.extend(interface.to_le_bytes());
        out.extend(halves(known.end_ns.or(known.start_ns).unwrap_or_default()));
        time(out, 2, known.start_ns);
        time(out, 3, known.end_ns);
        number(out, 4, known.received);
        number(out, 5, known.interface_dropped);
        number(out, 6, known.accepted);
        number(out, 7, known.system_dropped);
        number(out, 8, known.delivered);
        end_of_options(out);
    });
}
