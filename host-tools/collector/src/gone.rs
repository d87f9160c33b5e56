//! Which keys were forgotten: a bounded set that may name one too many, never
//! one too few.

/// Bits: with two a key, of 400,000 keys forgotten one in a hundred others is
/// named too.
const BITS: usize = 1 << 23;
const WORDS: usize = BITS / 64;

/// Hashes of forgotten keys, as a Bloom filter; 1 MiB from the first one on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gone {
    words: Vec<u64>,
}

/// The places of a hash: word and bit, from either half of it.
#[allow(clippy::cast_possible_truncation)] // the low bits are what is wanted
fn places(hash: u64) -> [(usize, u64); 2] {
    [hash, hash >> 32].map(|half| {
        let bit = half as usize % BITS;
        (bit / 64, 1 << (bit % 64))
    })
}

impl Gone {
    /// Adds the hash of a key.
    pub(crate) fn add(&mut self, hash: u64) {
        if self.words.is_empty() {
            self.words = vec![0; WORDS];
        }
        for (word, bit) in places(hash) {
            self.words[word] |= bit;
        }
    }

    /// False: no key of this hash was added.
    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        let held = |(word, bit): (usize, u64)| self.words.get(word).is_some_and(|w| w & bit != 0);
        places(hash).into_iter().all(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_added_is_named_and_hardly_any_other() {
        let mut gone = Gone::default();
        let hash = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ n;
        assert!(!gone.may_hold(hash(1)));
        for n in 0..100_000 {
            gone.add(hash(n));
        }
        assert!((0..100_000).all(|n| gone.may_hold(hash(n))));
        let others = (100_000..200_000).filter(|n| gone.may_hold(hash(*n)));
        assert!(others.count() < 1_000);
    }
}
