//! Open frames, and which of them is a frame's original.

use magpie_protocol::Doubles;

use super::content::{Content, Kind, MOST};
use crate::{hash::draw, table::index_mask};

/// Open frames to a set.
const WAYS: usize = 4;
/// Words of a content.
const WORDS: usize = MOST / 4;
/// Number from which the secret is drawn; hash and boot id use those below.
const SECRET: u8 = 128;

/// An open frame; all zero: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoubledSlot {
    digest: u64,
    mark: Mark,
}

/// Four of them, in the order in which they were shown; free places last.
pub type DoubledSet = [DoubledSlot; WAYS];

/// A set with nothing in it (all zero).
pub const EMPTY_DOUBLED_SET: DoubledSet = [FREE; WAYS];

const FREE: DoubledSlot = DoubledSlot {
    digest: 0,
    mark: Mark(0),
};

/// What of an open frame is compared besides its content, in one word:
/// | bits | what |
/// |---|---|
/// | 0 | 1: there is one |
/// | 1-12 | VLAN, 0 for none |
/// | 13-20 | TTL |
/// | 21-63 | time in microseconds, modulo 2^43 (101 days) |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark(u64);

impl Mark {
    fn new(at_us: u64, content: &Content<'_>) -> Self {
        Self(at_us << 21 | u64::from(content.ttl) << 13 | u64::from(content.vlan & 0xfff) << 1 | 1)
    }

    fn is_free(self) -> bool {
        self.0 == 0
    }

    fn vlan(self) -> u64 {
        self.0 >> 1 & 0xfff
    }

    fn ttl(self) -> u64 {
        self.0 >> 13 & 0xff
    }

    /// Items 1, 3 and 4 of the rule.
    #[inline]
    fn is_original_of(self, later: Self, kind: Kind, window_us: u32) -> bool {
        if self.is_free() || !self.is_within(later, window_us) {
            return false;
        }
        if self.ttl() == later.ttl() {
            self.vlan() == later.vlan() || self.vlan() == 0 || later.vlan() == 0
        } else {
            kind != Kind::Other && self.ttl() == later.ttl().wrapping_add(1)
        }
    }

    /// Whether `later` is so little later.
    fn is_within(self, later: Self, window_us: u32) -> bool {
        (later.0 >> 21).wrapping_sub(self.0 >> 21) & (u64::MAX >> 21) <= u64::from(window_us)
    }
}

/// A frame that is a double.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Double {
    /// Its original was seen one hop before, else on the same one.
    pub(super) routed: bool,
}

/// The secret of one boot.
struct Secret {
    /// For NH, a word of content each.
    words: [u32; WORDS],
    /// For its length and kind.
    length: u64,
}

/// The detector's memory: `DoubledTable<[DoubledSet; N]>` for N sets, as which
/// it becomes a `DoubledTable` by reference. All zero at first. Of the sets the
/// largest power of two is used.
pub struct DoubledTable<S: ?Sized = [DoubledSet]> {
    secret: Secret,
    sets: S,
}

impl<const N: usize> DoubledTable<[DoubledSet; N]> {
    /// Nothing in it.
    pub const EMPTY: Self = Self {
        secret: Secret {
            words: [0; WORDS],
            length: 0,
        },
        sets: [EMPTY_DOUBLED_SET; N],
    };
}

impl DoubledTable {
    /// Open frames that it holds.
    pub(super) fn capacity(&self) -> u32 {
        let sets = if self.sets.is_empty() {
            0
        } else {
            index_mask(self.sets.len()).saturating_add(1)
        };
        u32::try_from(sets.saturating_mul(WAYS)).unwrap_or(u32::MAX)
    }

    /// Forgets all, and draws the secret of this boot.
    pub(super) fn begin(&mut self, seed: &[u8; 32]) {
        self.sets.fill(EMPTY_DOUBLED_SET);
        let mut drawn = (SECRET..).map(|index| draw(seed, index));
        let mut draw = || drawn.next().unwrap_or_default();
        let Secret { words, length } = &mut self.secret;
        for [first, second] in words.as_chunks_mut::<2>().0 {
            let both = draw();
            *first = (both >> 32) as u32;
            *second = (both & 0xffff_ffff) as u32;
        }
        *length = draw();
    }

    /// NH over the words, plus length and kind times a number of their own.
    #[inline]
    fn digest(&self, content: &Content<'_>) -> u64 {
        let kind = u64::from(content.octets) << 2 | content.kind as u64;
        let start = self.secret.length.wrapping_mul(kind);
        let (keys, _) = self.secret.words.as_chunks::<2>();
        content
            .pairs()
            .zip(keys)
            .fold(start, |sum, ([a, b], [k, l])| {
                let (a, b) = (a.wrapping_add(*k), b.wrapping_add(*l));
                sum.wrapping_add(u64::from(a).wrapping_mul(u64::from(b)))
            })
    }

    /// The digest of frames that differ in little is spread further (by the last
    /// steps of `MurmurHash3`): NH of a count is a count.
    #[inline]
    fn set_of(&mut self, digest: u64) -> Option<&mut DoubledSet> {
        let mut at = (digest >> 32) as u32 ^ (digest & 0xffff_ffff) as u32;
        at = (at ^ at >> 16).wrapping_mul(0x85eb_ca6b);
        at = (at ^ at >> 13).wrapping_mul(0xc2b2_ae35);
        let at = usize::try_from(at ^ at >> 16).unwrap_or(0) & index_mask(self.sets.len());
        self.sets.get_mut(at)
    }

    /// Closes the frame's original, or else opens the frame.
    #[inline]
    pub(super) fn find_or_open(
        &mut self,
        at_us: u64,
        window_us: u32,
        content: &Content<'_>,
        counts: &mut Doubles,
    ) -> Option<Double> {
        let digest = self.digest(content);
        let mark = Mark::new(at_us, content);
        let set = self.set_of(digest)?;
        let found = set.iter().position(|slot| {
            slot.digest == digest && slot.mark.is_original_of(mark, content.kind, window_us)
        });
        let [first, second, third, fourth] = *set;
        if let Some((at, original)) = found.and_then(|at| Some((at, *set.get(at)?))) {
            // Those behind it move up.
            *set = match at {
                0 => [second, third, fourth, FREE],
                1 => [first, third, fourth, FREE],
                2 => [first, second, fourth, FREE],
                _ => [first, second, third, FREE],
            };
            return Some(Double {
                routed: original.mark.ttl() != mark.ttl(),
            });
        }
        let slot = DoubledSlot { digest, mark };
        if let Some(free) = set.iter_mut().find(|slot| slot.mark.is_free()) {
            *free = slot;
            return None;
        }
        // Also one that a clock that stepped back has made the later one.
        if first.mark.is_within(mark, window_us) || mark.is_within(first.mark, window_us) {
            counts.forgotten = counts.forgotten.saturating_add(1);
        }
        *set = [second, third, fourth, slot];
        None
    }
}
