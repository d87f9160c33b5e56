//! The keyed hash of the tables.
//!
//! Multilinear hashing (Lemire and Kaser, "Strongly universal string hashing
//! is fast", 2013): with 64-bit multipliers drawn at random, the upper half of
//! `m[0] + m[1] w[1] + … + m[n] w[n]` modulo 2^64 is strongly universal over
//! the 32-bit words `w`. So for any two keys chosen without knowledge of the
//! multipliers the chance of a common set is 1 in the number of sets, however
//! the keys were chosen. The multipliers come from the boot seed, are drawn
//! through SipHash-2-4 as a pseudo-random function, and never leave the
//! sensor; which keys share a set shows only in which record is evicted when.
//! A board without entropy says so (`Hello::zero_seed`).

use core::hash::Hasher;

use siphasher::sip::SipHasher24;

/// Words a key may have.
pub(crate) const WORDS: usize = 12;

/// The multipliers of one boot.
pub(crate) struct Secret {
    start: u64,
    multipliers: [u64; WORDS],
}

/// One 64-bit number out of the seed, for purpose `index`.
pub(crate) fn draw(seed: &[u8; 32], index: u8) -> u64 {
    let (low, high) = seed.split_at(16);
    let mut key = [0; 16];
    key.copy_from_slice(low);
    let mut hasher = SipHasher24::new_with_key(&key);
    hasher.write(high);
    hasher.write_u8(index);
    hasher.finish()
}

impl Secret {
    /// Multipliers of this boot.
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let mut multipliers = [0; WORDS];
        for (index, multiplier) in (1_u8..).zip(multipliers.iter_mut()) {
            *multiplier = draw(seed, index);
        }
        Self {
            start: draw(seed, 0),
            multipliers,
        }
    }

    /// Hash of up to [`WORDS`] words; every key of a table has the same number.
    #[inline]
    pub(crate) fn hash(&self, words: impl IntoIterator<Item = u32>) -> u32 {
        let sum = words
            .into_iter()
            .zip(self.multipliers.iter())
            .fold(self.start, |sum, (word, m)| {
                sum.wrapping_add(m.wrapping_mul(u64::from(word)))
            });
        (sum >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_changes_the_hash_and_order_matters() {
        let a = Secret::new(&[1; 32]);
        let b = Secret::new(&[2; 32]);
        assert_ne!(a.hash([1, 2, 3]), b.hash([1, 2, 3]));
        assert_ne!(a.hash([1, 2, 3]), a.hash([3, 2, 1]));
        assert_eq!(a.hash([1, 2, 3]), a.hash([1, 2, 3]));
    }

    #[test]
    fn sequential_keys_spread_over_the_sets() {
        let secret = Secret::new(&[9; 32]);
        let mut sets = [0_u32; 256];
        for port in 0..8192_u32 {
            sets[(secret.hash([0x0a00_0001, port, 0]) & 255) as usize] += 1;
        }
        // 32 expected; a universal hash on an arithmetic progression may be
        // uneven, yet no set takes a tenth of all.
        assert!(sets.iter().all(|n| *n < 819), "{sets:?}");
        assert!(sets.iter().filter(|n| **n == 0).count() < 64, "{sets:?}");
    }
}
