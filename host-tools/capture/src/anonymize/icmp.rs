//! ICMP, which quotes packets, and what finds neighbours and groups.

use super::Anonymizer;
use super::frame::{from, ip, replace};

/// Octets of every ICMP header.
const HEADER: usize = 8;

pub(super) fn v4(message: &mut [u8], to: &mut Anonymizer, depth: u8) -> usize {
    match message.first() {
        // Unreachable, source quench, redirect, time exceeded, bad parameter.
        Some(kind @ (3 | 4 | 5 | 11 | 12)) => {
            if *kind == 5 {
                let _ = replace(message, 4, |octets| to.addresses.v4(octets));
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
            return HEADER
                + replace(message, HEADER, |octets| to.addresses.v6(octets)).map_or(0, |()| 16);
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
        if replace(message, at, |octets| to.addresses.v6(octets)).is_none() {
            return at;
        }
    }
    neighbour_options(message, options, to, depth)
}

/// Options of neighbour discovery (RFC 4861), up to the first that is not known
/// at its length.
fn neighbour_options(message: &mut [u8], mut at: usize, to: &mut Anonymizer, depth: u8) -> usize {
    while let Some([kind, units]) = message.get(at..).and_then(<[u8]>::first_chunk::<2>) {
        let (kind, length) = (*kind, usize::from(*units) * 8);
        let Some(option) = message.get_mut(at..at + length).filter(|_| length > 0) else {
            return at;
        };
        let known = match kind {
            // Link-layer address of source and target.
            1 | 2 if length == 8 => replace(option, 2, |octets| to.addresses.mac(octets)),
            3 if length == 32 => prefix(option, to),
            4 => {
                let known = quoted(from(option, 8), to, depth);
                return at + 8 + known;
            }
            // The MTU.
            5 if length == 8 => Some(()),
            _ => None,
        };
        if known.is_none() {
            return at;
        }
        at += length;
    }
    at
}

/// A prefix stays one: zeroes behind its bits.
fn prefix(option: &mut [u8], to: &mut Anonymizer) -> Option<()> {
    let bits = u32::from(*option.get(2)?).min(128);
    replace(option, 16, |octets| {
        let new = u128::from_be_bytes(to.addresses.v6(octets));
        (new & u128::MAX.checked_shl(128 - bits).unwrap_or(0)).to_be_bytes()
    })
}

pub(super) fn igmp(message: &mut [u8], to: &mut Anonymizer) -> usize {
    // The third version's report has its groups elsewhere.
    let is_report = message.first() == Some(&0x22);
    if is_report || replace(message, 4, |octets| to.addresses.v4(octets)).is_some() {
        HEADER
    } else {
        4
    }
}
