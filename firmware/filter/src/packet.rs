//! A frame as a filter sees it.

/// Octets of the two addresses.
const ADDRESSES: usize = 12;
/// Octets of a tag.
const TAG: u32 = 4;

/// A captured frame, or what is left of it without its tags: two pieces of the
/// same octets, never copied.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// What stands before the tags that were taken away; empty where none was.
    head: &'a [u8],
    /// The rest.
    rest: &'a [u8],
    wire_len: u32,
}

impl<'a> Packet<'a> {
    /// The frame as it was captured, and its octets on the wire without FCS.
    #[inline]
    pub const fn literal(frame: &'a [u8], wire_len: u32) -> Self {
        Self {
            head: &[],
            rest: frame,
            wire_len,
        }
    }

    /// The frame without the IEEE 802.1Q and 802.1ad tags behind its addresses
    /// (TPID 0x8100, 0x88a8, 0x9100), however many; its length on the wire is
    /// less by theirs. A tag that is not there to its end stays.
    #[inline]
    pub fn untagged(frame: &'a [u8], wire_len: u32) -> Self {
        match frame.split_at_checked(ADDRESSES) {
            Some((addresses, rest)) if first_is_tag(rest) => {
                Self::without_tags(addresses, rest, wire_len)
            }
            _ => Self::literal(frame, wire_len),
        }
    }

    #[inline(never)] // most frames have none: out of their way
    fn without_tags(head: &'a [u8], mut rest: &'a [u8], mut wire_len: u32) -> Self {
        while first_is_tag(rest) {
            let [_, _, _, _, behind @ ..] = rest else {
                break;
            };
            rest = behind;
            wire_len = wire_len.saturating_sub(TAG);
        }
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

    /// `N` octets from `at` on, if all were captured.
    #[expect(clippy::inline_always, reason = "what a filter does most")]
    #[inline(always)]
    pub(crate) fn octets<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        // Before the seam this wraps, and no slice is that long.
        let at_rest = at.wrapping_sub(self.head.len());
        match self.rest.get(at_rest..).and_then(<[u8]>::first_chunk) {
            Some(octets) => Some(*octets),
            None => self.across(at),
        }
    }

    /// The same where it begins before the seam; `None` beyond the end.
    #[cold]
    #[inline(never)]
    fn across<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let before = self.head.get(at..)?;
        let mut octets = [0; N];
        let mut all = before.iter().chain(self.rest);
        for octet in &mut octets {
            *octet = *all.next()?;
        }
        Some(octets)
    }
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
    matches!(u16::from_ne_bytes([high, low]), C_TAG | S_TAG | OLD_S_TAG)
}

#[cfg(test)]
mod tests {
    use super::Packet;

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
                let octet = untagged.get(at).map(|octet| [*octet]);
                assert_eq!(packet.octets::<1>(at), octet, "{behind:x?} at {at}");
            }
        }
    }

    #[test]
    fn loads_across_the_seam() {
        let frame = frame(&[0x81, 0x00, 0, 7, 12, 13, 14, 15]);
        let packet = Packet::untagged(&frame, 20);
        for at in 0..=12_u8 {
            let octets = packet.octets::<4>(at.into());
            assert_eq!(octets, Some([at, at + 1, at + 2, at + 3]));
        }
        assert_eq!(packet.octets::<4>(13), None);
        assert_eq!(packet.octets::<2>(14), Some([14, 15]));
        assert_eq!(packet.octets::<2>(15), None);
        assert_eq!(packet.octets::<1>(16), None);
        assert_eq!(packet.octets::<1>(usize::MAX), None);
        let short = Packet::untagged(&frame[..16], 20);
        assert_eq!(short.octets::<2>(10), Some([10, 11]));
        assert_eq!(short.octets::<4>(10), None);
    }

    #[test]
    fn a_short_frame_is_shown_as_it_is() {
        for len in 0..12 {
            let octets = vec![0x81; len];
            let packet = Packet::untagged(&octets, 60);
            assert_eq!((packet.captured_len(), packet.wire_len()), (len, 60));
            assert_eq!(packet.octets::<1>(len), None);
        }
    }

    #[test]
    fn a_length_that_cannot_be_stays_one() {
        let frame = frame(&[0x81, 0x00, 0, 7, 0x81, 0x00, 0, 8]);
        assert_eq!(Packet::untagged(&frame, 5).wire_len(), 0);
    }
}
