//! Checksums over addresses. One is written only where all that it covers is
//! there and it was right: then it is right again, which the octets beside it say
//! as well. Any other would be an equation: the sum of octets that are not shown,
//! or, brought up to date by the difference, one of the addresses before with
//! those after, which checksum offload (a sum of the pseudo header alone, or
//! zero) and plain mistakes let anybody solve. It becomes zero.

use super::frame::half;

/// Sum of the 16-bit words, of any length (RFC 1071).
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

/// Zeroes in place of a checksum of `N` octets.
pub(super) fn clear<const N: usize>(packet: &mut [u8], at: usize) {
    let place = packet.get_mut(at..).unwrap_or_default();
    let there = N.min(place.len());
    place.get_mut(..there).unwrap_or_default().fill(0);
}

/// A checksum over addresses, looked at before they change.
pub(super) struct Checksum {
    /// Where it stands.
    at: usize,
    /// How many octets it covers, from the packet's beginning.
    octets: usize,
    /// Protocol and length, where it covers a pseudo header.
    pseudo: Option<u32>,
    was_right: bool,
    /// Whether zero means that there is none.
    is_optional: bool,
}

impl Checksum {
    /// Of an IPv4 header.
    pub(super) fn of_header(packet: &[u8], octets: usize) -> Self {
        Self {
            at: 10,
            octets,
            pseudo: None,
            was_right: false,
            is_optional: false,
        }
        .verified(packet, 0)
    }

    /// Of a segment that has `on_wire` octets, if it covers addresses, of which
    /// those of the pseudo header sum up to `addresses`.
    pub(super) fn of_segment(
        segment: &[u8],
        on_wire: usize,
        protocol: u8,
        addresses: u32,
    ) -> Option<Self> {
        let (at, has_pseudo) = match (protocol, segment.first()?) {
            // Errors quote packets, a redirect has a gateway.
            (1, 3 | 4 | 5 | 11 | 12) => (2, false),
            // The third version's report has its groups in what is payload here.
            (2, kind) if *kind != 0x22 => (2, false),
            (6, _) => (16, true),
            (17 | 136, _) => (6, true),
            (58, _) => (2, true),
            (47, flags) if flags & 0x80 != 0 => (4, false),
            _ => return None,
        };
        // UDP has a length of its own, UDP-Lite says how many it covers.
        let octets = match (protocol, half(segment, 4).unwrap_or_default()) {
            (136, 0) => on_wire,
            (17 | 136, own) => usize::from(own),
            _ => on_wire,
        };
        let length = if protocol == 17 { octets } else { on_wire };
        let length = u16::try_from(length);
        let new = Self {
            at,
            octets,
            pseudo: has_pseudo.then(|| u32::from(protocol) + length.map_or(0, u32::from)),
            was_right: false,
            is_optional: matches!(protocol, 17 | 136),
        };
        Some(match length {
            Ok(_) => new.verified(segment, addresses),
            Err(_) => new,
        })
    }

    fn verified(mut self, packet: &[u8], addresses: u32) -> Self {
        let is_there =
            self.at + 2 <= self.octets && !(self.is_optional && half(packet, self.at) == Some(0));
        self.was_right = is_there && self.total(packet, addresses) == Some(0xffff);
        self
    }

    /// Sum of all that it covers, if that is there.
    fn total(&self, packet: &[u8], addresses: u32) -> Option<u16> {
        let pseudo = self.pseudo.map_or(0, |fixed| fixed + addresses);
        let sum = sum(packet.get(..self.octets)?) + pseudo;
        // Three numbers of 16 bits: once more is enough.
        let sum = (sum >> 16) + (sum & 0xffff);
        u16::try_from((sum >> 16) + (sum & 0xffff)).ok()
    }

    /// Writes it over what is there now, of which so many octets are known: what
    /// is behind them is payload and as it was.
    pub(super) fn write(&self, packet: &mut [u8], known: usize, addresses: u32) {
        if self.at >= known {
            return;
        }
        clear::<2>(packet, self.at);
        if !self.was_right {
            return;
        }
        let new = match self.total(packet, addresses).map(|sum| !sum) {
            Some(0) if self.is_optional => 0xffff,
            Some(new) => new,
            None => return,
        };
        let place = packet.get_mut(self.at..).unwrap_or_default();
        if let Some(place) = place.first_chunk_mut::<2>() {
            *place = new.to_be_bytes();
        }
    }
}

/// Clears the checksum over a segment of which not all is shown.
pub(super) fn untold(segment: &mut [u8], protocol: u8) {
    match protocol {
        1 | 2 | 58 => clear::<2>(segment, 2),
        6 => clear::<2>(segment, 16),
        17 | 136 => clear::<2>(segment, 6),
        // SCTP's is a CRC.
        132 => clear::<4>(segment, 8),
        47 if half(segment, 0).is_some_and(|flags| flags & 0x8000 != 0) => {
            clear::<2>(segment, 4);
        }
        _ => {}
    }
}
