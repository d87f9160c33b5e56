//! Packets out of their parts.

use magpie_protocol::{PacketHead, PacketPart, PartPlace, Sum};

/// Octets of the longest packet that is believed: the longest that programs
/// which read capture files do.
const MAX_PACKET: u32 = 262_144;

/// A packet that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) number: u64,
    pub(super) head: PacketHead,
    pub(super) octets: Vec<u8>,
    /// Since the one before.
    pub(super) dropped_before: Sum,
    pub(super) lost_before: u64,
}

/// Puts packets of one run together.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The packet whose parts come.
    open: Option<(u64, PacketHead, Vec<u8>)>,
    /// Number of the packet behind the last one that was whole.
    next: u64,
    /// What the head of that one said.
    dropped: Sum,
}

impl Parts {
    /// Takes a part; the packet that is whole with it. What does not fit to
    /// what came before belongs to a packet of which something is missing.
    pub(super) fn take(&mut self, part: &PacketPart, octets: &[u8]) -> Option<Whole> {
        match part.place {
            PartPlace::First(head) => {
                self.open = None;
                if part.number < self.next || head.captured_len > head.wire_len.min(MAX_PACKET) {
                    return None;
                }
                self.open = Some((part.number, head, octets.to_vec()));
            }
            PartPlace::Later(offset) => {
                let (number, _, all) = self.open.as_mut()?;
                if *number != part.number || all.len() != offset.get() as usize {
                    self.open = None;
                    return None;
                }
                all.extend_from_slice(octets);
            }
        }
        let (_, head, all) = self.open.as_ref()?;
        if all.len() < head.captured_len as usize {
            return None;
        }
        let (number, head, octets) = self.open.take()?;
        if octets.len() > head.captured_len as usize {
            return None;
        }
        let lost_before = number.saturating_sub(self.next);
        let Sum { frames, octets: n } = head.dropped;
        let dropped_before = Sum {
            frames: frames.saturating_sub(self.dropped.frames),
            octets: n.saturating_sub(self.dropped.octets),
        };
        self.next = number.saturating_add(1);
        self.dropped = head.dropped;
        Some(Whole {
            number,
            head,
            octets,
            dropped_before,
            lost_before,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn head(len: u32, dropped: u64) -> PacketHead {
        PacketHead {
            at_us: 1,
            wire_len: 2000,
            captured_len: len,
            dropped: Sum {
                frames: dropped,
                octets: dropped * 100,
            },
        }
    }

    fn first(number: u64, len: u32, dropped: u64) -> PacketPart {
        PacketPart {
            slot: 0,
            run: 7,
            number,
            place: PartPlace::First(head(len, dropped)),
        }
    }

    fn later(number: u64, offset: u32) -> PacketPart {
        let offset = NonZeroU32::new(offset).unwrap();
        PacketPart {
            place: PartPlace::Later(offset),
            ..first(number, 0, 0)
        }
    }

    #[test]
    fn what_is_missing_is_counted_with_the_next_that_is_whole() {
        let mut parts = Parts::default();
        assert_eq!(parts.take(&first(0, 5, 0), b"abc"), None);
        let whole = parts.take(&later(0, 3), b"de").unwrap();
        assert_eq!((whole.number, &whole.octets[..]), (0, &b"abcde"[..]));
        assert_eq!(
            (whole.lost_before, whole.dropped_before),
            (0, Sum::default())
        );
        // Its end is missing, then a beginning, then a middle.
        assert_eq!(parts.take(&first(1, 5, 1), b"abc"), None);
        assert_eq!(parts.take(&later(2, 3), b"de"), None);
        assert_eq!(parts.take(&first(3, 5, 1), b"ab"), None);
        assert_eq!(parts.take(&later(3, 4), b"e"), None);
        assert_eq!(parts.take(&later(3, 2), b"cde"), None, "given up");
        let whole = parts.take(&first(5, 0, 3), b"").unwrap();
        let dropped = Sum {
            frames: 3,
            octets: 300,
        };
        assert_eq!((whole.lost_before, whole.dropped_before), (4, dropped));
        let whole = parts.take(&first(6, 1, 4), b"x").unwrap();
        assert_eq!((whole.lost_before, whole.dropped_before.frames), (0, 1));
    }

    #[test]
    fn nonsense_is_passed_over() {
        let mut parts = Parts::default();
        assert_eq!(parts.take(&later(0, 3), b"de"), None);
        assert_eq!(
            parts.take(&first(4, 2, 0), b"abc"),
            None,
            "longer than said"
        );
        assert_eq!(parts.take(&first(5, u32::MAX, 0), b"abc"), None);
        let more = vec![7; 2001];
        assert_eq!(
            parts.take(&first(5, 2001, 0), &more),
            None,
            "longer than on the wire"
        );
        let huge = PacketHead {
            wire_len: u32::MAX,
            ..head(262_145, 0)
        };
        let huge = PacketPart {
            place: PartPlace::First(huge),
            ..first(5, 0, 0)
        };
        assert_eq!(
            parts.take(&huge, &vec![7; 262_145]),
            None,
            "longer than any"
        );
        assert!(parts.take(&first(6, 1, 0), b"a").is_some());
        assert_eq!(parts.take(&first(6, 1, 0), b"a"), None, "again");
        assert!(parts.take(&first(u64::MAX, 1, 0), b"a").is_some());
    }
}
