//! The Internet checksum (RFC 1071), brought up to date (RFC 1624): it stays
//! right where it was, even for a packet of which only the beginning is here.
//! That makes it the sum of the rest, which must not be told where that is cut.

/// Sum of the 16-bit words, of any length.
pub(super) fn sum(octets: &[u8]) -> u32 {
    let (pairs, rest) = octets.as_chunks::<2>();
    let mut sum = rest.first().map_or(0, |last| u64::from(*last) << 8);
    for pair in pairs {
        sum += u64::from(u16::from_be_bytes(*pair));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u32::try_from(sum).unwrap_or_default()
}

/// The checksum over what summed up to `before` and does to `after` now.
pub(super) fn updated(checksum: u16, before: u32, after: u32) -> u16 {
    let mut sum = u32::from(!checksum) + (0xffff - before) + after;
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// Brings the checksum at `at` of a packet up to date. Nothing happens where it
/// was not captured.
pub(super) fn update(packet: &mut [u8], at: usize, before: u32, after: u32) {
    if let Some(place) = packet.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<2>)
        && before != after
    {
        *place = updated(u16::from_be_bytes(*place), before, after).to_be_bytes();
    }
}

/// Zeroes in place of a checksum of `N` octets.
pub(super) fn clear<const N: usize>(packet: &mut [u8], at: usize) {
    let place = packet.get_mut(at..).unwrap_or_default();
    let there = N.min(place.len());
    place.get_mut(..there).unwrap_or_default().fill(0);
}
