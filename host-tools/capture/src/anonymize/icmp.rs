//! ICMP, which quotes packets, and what finds neighbours and groups.

use super::frame::{from, ip};
use super::{Anonymizer, replace};

/// Octets of every ICMP header.
const HEADER: usize = 8;

pub(super) fn v4(message: &mut [u8], to: &mut Anonymizer, depth: u8) -> usize {
    match message.first() {
        // Unreachable, source quench, redirect, time exceeded, bad parameter.
        Some(kind @ (3 | 4 | 5 | 11 | 12)) => {
            if *kind == 5 && to.v4(message, 4).is_none() {
                return 4;
            }
            HEADER + quoted(from(message, HEADER), to, depth)
        }
        _ => HEADER,
    }
}

/// A packet that is quoted in an error.
fn quoted(packet: &mut [u8], to: &mut Anonymizer, depth: u8) -> usize {
    match depth.checked_sub(1) {
        Some(depth) => ip(packet, to, depth),
        None => 0,
    }
}

pub(super) fn v6(message: &mut [u8], to: &mut Anonymizer, depth: u8) -> usize {
    let options = match message.first() {
        Some(1..=4) => return HEADER + quoted(from(message, HEADER), to, depth),
        // MLD: query, report, done.
        Some(130..=132) => {
            return HEADER + to.v6(message, HEADER).map_or(0, |()| 16);
        }
        Some(133) => HEADER,
        Some(134) => 16,
        Some(135 | 136) => 24,
        Some(137) => 40,
        _ => return HEADER,
    };
    let addresses = match options {
        24 => 1,
        40 => 2,
        _ => 0,
    };
    for number in 0..addresses {
        let at = HEADER + number * 16;
        if to.v6(message, at).is_none() {
            return at;
        }
    }
    neighbour_options(message, options, to, depth)
}

/// Options of neighbour discovery (RFC 4861). What is in one that is not known at
/// its length is overwritten: it may hold an address (name servers, routes).
fn neighbour_options(message: &mut [u8], mut at: usize, to: &mut Anonymizer, depth: u8) -> usize {
    while let Some([kind, units]) = message.get(at..).and_then(<[u8]>::first_chunk::<2>) {
        let (kind, length) = (*kind, usize::from(*units) * 8);
        if length == 0 {
            return at;
        }
        let end = message.len().min(at + length);
        let option = message.get_mut(at..end).unwrap_or_default();
        // Where in it its address is.
        let inside = match kind {
            // Link-layer address of source and target.
            1 | 2 if length == 8 => {
                let _ = to.mac(option, 2);
                2
            }
            3 if length == 32 => {
                let _ = prefix(option, to);
                16
            }
            4 if length > 8 => return at + 8 + quoted(from(option, 8), to, depth),
            // The MTU.
            5 if length == 8 => 0,
            _ => {
                option.get_mut(2..).unwrap_or_default().fill(0);
                0
            }
        };
        if to.is_cut {
            return at + inside;
        }
        at = end;
    }
    at
}

/// A prefix stays one: zeroes behind its bits.
fn prefix(option: &mut [u8], to: &mut Anonymizer) -> Option<()> {
    let bits = u32::from(*option.get(2)?).min(128);
    to.v6(option, 16)?;
    replace(option, 16, |new| {
        let new = u128::from_be_bytes(new);
        (new & u128::MAX.checked_shl(128 - bits).unwrap_or(0)).to_be_bytes()
    })
}

pub(super) fn igmp(message: &mut [u8], to: &mut Anonymizer) -> usize {
    // The third version's report has its groups elsewhere.
    let is_report = message.first() == Some(&0x22);
    if is_report || to.v4(message, 4).is_some() {
        HEADER
    } else {
        4
    }
}
