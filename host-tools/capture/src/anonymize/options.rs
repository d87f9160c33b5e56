//! Options of IP and TCP headers. One is kept at the length that it is defined
//! to have, and no other: what is longer may hold anything.

/// Octets that options of IPv4 which hold no address may have: stream, router
/// alert (RFC 791, 2113).
pub(super) fn ipv4(kind: u8, length: usize) -> bool {
    matches!((kind, length), (136 | 148, 4))
}

/// Likewise of TCP: segment size, window scale, selective acknowledgements
/// (up to four blocks), times (RFC 9293, 7323, 2018).
pub(super) fn tcp(kind: u8, length: usize) -> bool {
    matches!(
        (kind, length),
        (2, 4) | (3, 3) | (4, 2) | (5, 10 | 18 | 26 | 34) | (8, 10)
    )
}

/// Overwrites options of an IPv4 or TCP header that are not kept.
pub(super) fn only(options: &mut [u8], is_kept: fn(u8, usize) -> bool) {
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        let left = options.len() - at;
        let length = match (kind, options.get(at + 1)) {
            (0, _) => left,
            (1, _) => 1,
            (_, Some(&length)) if length >= 2 => usize::from(length),
            _ => left,
        };
        let is_kept = is_kept(kind, length) && length <= left;
        let end = at + length.min(left);
        if kind == 0 {
            options.get_mut(at..end).unwrap_or_default().fill(0);
        } else if kind > 1 && !is_kept {
            options.get_mut(at..end).unwrap_or_default().fill(1);
        }
        at = end;
    }
}

/// Whether an IPv6 header has only options without an address: padding, router
/// alert, jumbo payload (RFC 8200, 2711, 2675). Then its padding is zeroes
/// afterwards, else nothing changes.
pub(super) fn only_ipv6(options: &mut [u8]) -> bool {
    let mut at = 0;
    while let Some(kind) = options.get(at) {
        at += match (kind, options.get(at + 1)) {
            (0, _) => 1,
            (1, Some(length)) => usize::from(*length) + 2,
            (5, Some(2)) => 4,
            (0xc2, Some(4)) => 6,
            _ => return false,
        };
    }
    if at > options.len() {
        return false;
    }
    at = 0;
    while let Some(kind) = options.get(at).copied() {
        let length = options.get(at + 1).map_or(0, |length| usize::from(*length));
        let end = if kind == 0 { at + 1 } else { at + 2 + length };
        if kind == 1 {
            options.get_mut(at + 2..end).unwrap_or_default().fill(0);
        }
        at = end;
    }
    true
}
