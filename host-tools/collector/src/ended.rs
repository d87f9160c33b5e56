//! Which numbers were met: table entries that have ended, records that were
//! booked. Both come nearly in order, so a bit each is enough.

use std::collections::BTreeMap;

/// Numbers in one chunk.
const CHUNK: u64 = 1024;
/// Chunks kept; above it the lowest is forgotten, whose numbers are the least
/// likely to come again. A hostile sensor may number as it likes.
const MAX_CHUNKS: usize = 8_192;

/// A set of 64-bit numbers, small where they lie close together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    chunks: BTreeMap<u64, [u64; 16]>,
}

fn place(number: u64) -> (u64, usize, u64) {
    let within = number % CHUNK;
    #[allow(clippy::cast_possible_truncation)] // below 16
    let word = (within / 64) as usize;
    (number / CHUNK, word, 1 << (within % 64))
}

impl Numbers {
    /// Adds a number; false when it is there already. `bounded` forgets the
    /// lowest numbers where too many are far apart.
    pub(crate) fn insert(&mut self, number: u64, bounded: bool) -> bool {
        let (chunk, word, bit) = place(number);
        let words = self.chunks.entry(chunk).or_insert([0; 16]);
        let fresh = words[word] & bit == 0;
        words[word] |= bit;
        if bounded && self.chunks.len() > MAX_CHUNKS {
            self.chunks.pop_first();
        }
        fresh
    }

    /// Whether a number is there.
    pub(crate) fn contains(&self, number: u64) -> bool {
        let (chunk, word, bit) = place(number);
        let words = self.chunks.get(&chunk);
        words.is_some_and(|words| words[word] & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(numbers in prop::collection::vec(
            prop_oneof![0..3_000_u64, any::<u64>(), u64::MAX - 3_000..=u64::MAX], 0..300,
        )) {
            let (mut set, mut model) = (Numbers::default(), BTreeSet::new());
            for n in numbers {
                prop_assert_eq!(set.contains(n), model.contains(&n));
                prop_assert_eq!(set.insert(n, true), model.insert(n));
                prop_assert!(set.contains(n));
            }
        }
    }

    #[test]
    fn numbers_far_apart_do_not_take_all_memory() {
        let mut set = Numbers::default();
        for n in 0..100_000_u64 {
            assert!(set.insert(n << 40, true));
        }
        assert_eq!(set.chunks.len(), MAX_CHUNKS);
        assert!(set.contains(99_999 << 40) && !set.contains(0));
        let mut close = Numbers::default();
        assert!((0..100_000).all(|n| close.insert(n, true)));
        assert!((0..100_000).all(|n| close.contains(n)));
    }
}
