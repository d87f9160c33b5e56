//! The internet checksum (RFC 1071).

use std::net::IpAddr;

/// What a checksum is and what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// As the packet has it.
    pub(super) found: u16,
    /// As it should be.
    pub(super) expected: u16,
    /// Whether the octets sum up.
    pub(super) is_right: bool,
}

/// Checks octets that hold their checksum `found` among them; `before` is the
/// pseudo-header, where there is one.
pub(super) fn check(before: &[u8], octets: &[u8], found: u16) -> Verdict {
    let total = fold(sum(before) + sum(octets));
    let expected = fold(u64::from(found) + u64::from(!total));
    Verdict {
        found,
        expected,
        is_right: total == u16::MAX,
    }
}

/// The pseudo-header of TCP and UDP (RFC 9293, RFC 8200).
pub(super) fn pseudo_header(ends: [IpAddr; 2], protocol: u8, length: usize) -> Vec<u8> {
    let mut octets = Vec::with_capacity(40);
    for end in ends {
        match end {
            IpAddr::V4(v4) => octets.extend(v4.octets()),
            IpAddr::V6(v6) => octets.extend(v6.octets()),
        }
    }
    // The sum is the same for both versions: their fields differ in width only.
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    octets.extend(length.to_be_bytes());
    octets.extend([0, 0, 0, protocol]);
    octets
}

fn sum(octets: &[u8]) -> u64 {
    let (pairs, last) = octets.as_chunks::<2>();
    let pairs = pairs
        .iter()
        .map(|pair| u64::from(u16::from_be_bytes(*pair)));
    let last = last.first().map_or(0, |octet| u64::from(*octet) << 8);
    pairs.sum::<u64>() + last
}

/// The carries added in.
fn fold(sum: u64) -> u16 {
    let mut sum = sum;
    while sum > u64::from(u16::MAX) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}
