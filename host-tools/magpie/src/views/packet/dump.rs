//! Octets in hex and in ASCII, line for line as tcpdump has them.

use std::fmt::Write as _;

/// Octets of a line.
const LINE: usize = 16;

/// Width of a line's hex digits: eight groups of a blank and four digits.
const WIDTH: usize = 40;

/// What stands before the lines of a packet's octets.
pub(super) const INDENT: &str = "\n\t";

/// `-x`, each line behind `indent`.
pub(super) fn hex(out: &mut String, indent: &str, octets: &[u8]) {
    for (line, chunk) in octets.chunks(LINE).enumerate() {
        let _ = write!(out, "{indent}0x{:04x}: {}", line * LINE, groups(chunk));
    }
}

/// `-X`.
pub(super) fn hex_and_ascii(out: &mut String, octets: &[u8]) {
    for (line, chunk) in octets.chunks(LINE).enumerate() {
        let ascii: String = chunk.iter().map(|octet| graphic(*octet)).collect();
        let hex = groups(chunk);
        let _ = write!(out, "{INDENT}0x{:04x}: {hex:<WIDTH$}  {ascii}", line * LINE);
    }
}

/// `-A`: text as it is, but for what a terminal would take as an order.
pub(super) fn ascii(out: &mut String, octets: &[u8]) {
    out.push('\n');
    for (at, &octet) in octets.iter().enumerate() {
        match octet {
            // The first half of a line's end, and the last octet, are no dot.
            b'\r' => {
                let rest = octets.get(at + 1..).unwrap_or_default();
                if rest.len() > 1 && rest.first() != Some(&b'\n') {
                    out.push('.');
                }
            }
            b'\n' | b'\t' | b' ' => out.push(octet.into()),
            _ => out.push(graphic(octet)),
        }
    }
}

fn groups(octets: &[u8]) -> String {
    let mut groups = String::with_capacity(WIDTH);
    for pair in octets.chunks(2) {
        groups.push(' ');
        for octet in pair {
            let _ = write!(groups, "{octet:02x}");
        }
    }
    groups
}

fn graphic(octet: u8) -> char {
    if octet.is_ascii_graphic() {
        octet.into()
    } else {
        '.'
    }
}
