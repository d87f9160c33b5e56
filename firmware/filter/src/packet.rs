//! A frame as a filter sees it.

/// Octets of the two addresses.
pub(crate) const ADDRESSES: usize = 12;
/// Octets of a tag.
const TAG: usize = 4;
const TAG_OCTETS: u32 = 4;

/// A captured frame, or what is left of it without its tags: two pieces of the
/// same octets, never copied.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its addresses, or as much of them as there is.
    head: &'a [u8],
    /// What is behind them, without the tags that were taken away.
    rest: &'a [u8],
    wire_len: u32,
}

impl<'a> Packet<'a> {
    /// The frame as it was captured, and its octets on the wire without FCS.
    #[inline]
    pub fn literal(frame: &'a [u8], wire_len: u32) -> Self {
        let (head, rest) = frame.split_at_checked(ADDRESSES).unwrap_or((frame, &[]));
        Self {
            head,
            rest,
            wire_len,
        }
    }

    /// The frame without the IEEE 802.1Q and 802.1ad tags behind its addresses
    /// (TPID 0x8100, 0x88a8, 0x9100), however many; its length on the wire is
    /// less by theirs. A tag that is not there to its end stays.
    #[inline]
    pub fn untagged(frame: &'a [u8], wire_len: u32) -> Self {
        let Some((head, rest)) = frame.split_at_checked(ADDRESSES) else {
            return Self::literal(frame, wire_len);
        };
        let (rest, wire_len) = if first_is_tag(rest) {
            without_tags(rest, wire_len)
        } else {
            (rest, wire_len)
        };
        Self {
            head,
            rest,
            wire_len,
        }
    }

    /// Octets on the wire, without FCS and without tags that were taken away.
    #[inline]
    pub const fn wire_len(&self) -> u32 {
        self.wire_len
    }

    /// Octets that were captured, without tags that were taken away.
    #[inline]
    pub const fn captured_len(&self) -> usize {
        self.head.len().saturating_add(self.rest.len())
    }

    /// Its addresses, or as much of them as there is.
    #[inline]
    pub(crate) const fn head(&self) -> &'a [u8] {
        self.head
    }

    /// What is behind them.
    #[inline]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Four octets from `base + k` on; `None` where they are not all there.
    #[inline]
    pub(crate) fn word(&self, base: u32, k: u32) -> Option<u32> {
        self.load(base, k).map(u32::from_be_bytes)
    }

    /// Two octets.
    #[inline]
    pub(crate) fn half(&self, base: u32, k: u32) -> Option<u32> {
        self.load(base, k)
            .map(|octets| u16::from_be_bytes(octets).into())
    }

    /// One octet.
    #[inline]
    pub(crate) fn octet(&self, base: u32, k: u32) -> Option<u32> {
        self.load(base, k).map(|[octet]| octet.into())
    }

    #[inline]
    fn load<const N: usize>(&self, base: u32, k: u32) -> Option<[u8; N]> {
        let at = (base as usize).checked_add(k as usize)?;
        match at.checked_sub(ADDRESSES) {
            Some(behind) => self.rest.get(behind..)?.first_chunk().copied(),
            None => self.load_across(at),
        }
    }

    /// What begins within the addresses.
    #[inline(never)]
    fn load_across<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let before = self.head.get(at..).unwrap_or(&[]);
        let mut all = before.iter().chain(self.rest);
        let mut octets = [0; N];
        for octet in &mut octets {
            *octet = *all.next()?;
        }
        Some(octets)
    }
}

/// What is behind the tags, and what is left of the length.
#[inline(never)] // most frames have none: out of their way
fn without_tags(mut rest: &[u8], mut wire_len: u32) -> (&[u8], u32) {
    while first_is_tag(rest) {
        rest = rest.get(TAG..).unwrap_or(&[]);
        wire_len = wire_len.saturating_sub(TAG_OCTETS);
    }
    (rest, wire_len)
}

/// Whether a whole tag stands there; the type in the order of the memory,
/// whichever that is.
#[inline]
fn first_is_tag(rest: &[u8]) -> bool {
    const C_TAG: u16 = u16::from_be(0x8100);
    const S_TAG: u16 = u16::from_be(0x88a8);
    const OLD_S_TAG: u16 = u16::from_be(0x9100);
    let [high, low, _, _, ..] = *rest else {
        return false;
    };
    // What most types, IPv4's among them, are told from all three by.
    high >= 0x80 && matches!(u16::from_ne_bytes([high, low]), C_TAG | S_TAG | OLD_S_TAG)
}

#[cfg(test)]
mod tests {
    use super::Packet;

    fn load(packet: &Packet<'_>, octets: usize, at: u32) -> Option<u32> {
        match octets {
            4 => packet.word(0, at),
            2 => packet.half(0, at),
            _ => packet.octet(0, at),
        }
    }

    /// Addresses 0 to 11, then these octets.
    fn frame(behind: &[u8]) -> Vec<u8> {
        (0..12).chain(behind.iter().copied()).collect()
    }

    #[test]
    fn tags_are_taken_away_however_many() {
        let many = [[0x81, 0x00, 0, 7]; 40].concat();
        for (behind, left) in [
            (&[][..], &[][..]),
            (&[0x08, 0x00, 0x45], &[0x08, 0x00, 0x45]),
            (&[0x81, 0x00, 0, 7, 0x08, 0x00, 0x45], &[0x08, 0x00, 0x45]),
            (&[0x88, 0xa8, 0, 7, 0x81, 0x00, 0, 8, 0x08], &[0x08]),
            (&[0x91, 0x00, 0x81, 0x00, 0x81, 0x00, 0, 8], &[]),
            (&many, &[]),
            // Tags behind the first type are none, nor is 0x9200 or 0x8808.
            (
                &[0x08, 0x00, 0x81, 0x00, 0, 7],
                &[0x08, 0x00, 0x81, 0x00, 0, 7],
            ),
            (
                &[0x92, 0x00, 0, 7, 0x08, 0x00],
                &[0x92, 0x00, 0, 7, 0x08, 0x00],
            ),
            (
                &[0x88, 0x08, 0, 7, 0x08, 0x00],
                &[0x88, 0x08, 0, 7, 0x08, 0x00],
            ),
            // Cut within the tag.
            (&[0x81, 0x00, 0], &[0x81, 0x00, 0]),
            (&[0x81, 0x00, 0, 7, 0x81, 0x00], &[0x81, 0x00]),
        ] {
            let (tagged, untagged) = (frame(behind), frame(left));
            let cut = u32::try_from(tagged.len() - untagged.len()).unwrap();
            let packet = Packet::untagged(&tagged, 1_000);
            assert_eq!(packet.wire_len(), 1_000 - cut, "{behind:x?}");
            assert_eq!(packet.captured_len(), untagged.len(), "{behind:x?}");
            for at in 0..tagged.len() + 2 {
                let octet = untagged.get(at).map(|octet| u32::from(*octet));
                let at = u32::try_from(at).unwrap();
                assert_eq!(load(&packet, 1, at), octet, "{behind:x?} at {at}");
            }
        }
    }

    #[test]
    fn loads_across_the_seam() {
        let frame = frame(&[0x81, 0x00, 0, 7, 12, 13, 14, 15]);
        let packet = Packet::untagged(&frame, 20);
        for at in 0..=12_u8 {
            let octets = u32::from_be_bytes([at, at + 1, at + 2, at + 3]);
            assert_eq!(load(&packet, 4, at.into()), Some(octets));
        }
        assert_eq!(load(&packet, 4, 13), None);
        assert_eq!(load(&packet, 2, 14), Some(0x0e0f));
        assert_eq!(load(&packet, 2, 15), None);
        assert_eq!(load(&packet, 1, 16), None);
        assert_eq!(load(&packet, 1, u32::MAX), None);
        let short = Packet::untagged(&frame[..16], 20);
        assert_eq!(load(&short, 2, 10), Some(0x0a0b));
        assert_eq!(load(&short, 4, 10), None);
    }

    #[test]
    fn a_short_frame_is_shown_as_it_is() {
        for len in 0..12 {
            let octets = vec![0x81; len];
            let packet = Packet::untagged(&octets, 60);
            assert_eq!((packet.captured_len(), packet.wire_len()), (len, 60));
            assert_eq!(load(&packet, 1, u32::try_from(len).unwrap()), None);
        }
    }

    #[test]
    fn a_length_that_cannot_be_stays_one() {
        let frame = frame(&[0x81, 0x00, 0, 7, 0x81, 0x00, 0, 8]);
        assert_eq!(Packet::untagged(&frame, 5).wire_len(), 0);
    }
}
