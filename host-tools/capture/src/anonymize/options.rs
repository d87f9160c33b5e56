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

/// Overwrites options of an IPv6 header that may hold an address: they become
/// padding. Kept are a router alert and a jumbo payload's length (RFC 2711,
/// 2675); what pads is zeroes afterwards.
pub(super) fn only_ipv6(options: &mut [u8]) {
    const PAD: u8 = 1;
    let mut at = 0;
    while let Some([kind, rest @ ..]) = options.get_mut(at..) {
        let length = rest.first().map_or(0, |length| usize::from(*length));
        let is_kept = matches!((*kind, length), (5, 2) | (0xc2, 4));
        at += match *kind {
            0 => 1,
            _ => 2 + length,
        };
        if *kind > 0 && !is_kept {
            *kind = PAD;
            let end = rest.len().min(1 + length);
            rest.get_mut(1..end).unwrap_or_default().fill(0);
        }
    }
}
