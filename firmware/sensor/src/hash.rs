//! The keyed hash of the tables.
//!
//! Multilinear hashing (Lemire and Kaser, "Strongly universal string hashing
//! is fast", 2013): with 64-bit multipliers drawn at random, the upper half of
//! `m[0] + m[1] w[1] + … + m[n] w[n]` modulo 2^64 is strongly universal over
//! the 32-bit words `w`: for any two different keys chosen without knowledge
//! of the multipliers, both hashes are uniform and independent. So the chance
//! of a common set is 1 in the number of sets, *however* the keys were chosen:
//! a flood of n keys meets a given flow's set as often as n random keys do.
//! That says nothing of more than two keys together: multilinear hashes of keys
//! in a row (ports counted up, addresses one after the other) are a row
//! themselves, and of one boot in twenty they would fill a few sets. So a fixed
//! bijection without that structure stands behind; it changes nothing of the
//! above.
//!
//! What keeps the multipliers unknown. They come from the boot seed through
//! SipHash-2-4 as a pseudo-random function, and no function of them leaves
//! the sensor: no hash, set or slot number is in any record, `flow_id`s are
//! numbered in order of arrival, and a flush goes through the table, whose
//! order would tell sets, only for the host at the other end of the uplink.
//! What an attacker on the mirrored side can see is at most *that* a record
//! left early (and, by timing, not even that: a frame costs the sensor time,
//! but sends nothing back). Who can also read the exports learns which of his
//! keys were evicted by which; each such event is a linear relation of the
//! upper bits only, blurred by seven other ways and by the traffic of
//! others, and all of it is void at the next boot. Who reads the exports *and*
//! floods for as long as he likes could in the end learn enough; what he gains
//! then is early, exact records. A board without entropy says so
//! (`Hello::zero_seed`): there the secret is known, and the tests below show
//! that a known secret is a broken table.

use core::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::key::Key;

/// Words a key may have: five, and six more in IPv6.
const WORDS: usize = 11;

/// The multipliers of one boot.
pub(crate) struct Secret {
    start: u64,
    common: [u64; 5],
    rest: [u64; WORDS - 5],
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

#[inline]
fn dot(sum: u64, words: &[u32], multipliers: &[u64]) -> u64 {
    words.iter().zip(multipliers).fold(sum, |sum, (word, m)| {
        sum.wrapping_add(m.wrapping_mul(u64::from(*word)))
    })
}

/// A bijection of 32 bits that leaves no row a row (two of three rounds of
/// Ellis' search for such, "hash prospector", 2018).
#[inline]
fn scatter(mut word: u32) -> u32 {
    word ^= word >> 16;
    word = word.wrapping_mul(0x7feb_352d);
    word ^ word >> 15
}

/// The hash out of a sum: its upper half, which is the universal one.
#[inline]
fn finish(sum: u64) -> u32 {
    scatter((sum >> 32) as u32)
}

impl Secret {
    /// Multipliers of this boot.
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let mut secret = Self {
            start: draw(seed, 0),
            common: [0; 5],
            rest: [0; WORDS - 5],
        };
        let all = secret.common.iter_mut().chain(secret.rest.iter_mut());
        for (index, multiplier) in (1_u8..).zip(all) {
            *multiplier = draw(seed, index);
        }
        secret
    }

    /// Hash of a key.
    #[inline]
    pub(crate) fn of_key(&self, key: &Key) -> u32 {
        let mut sum = dot(self.start, &key.words(), &self.common);
        if let Some(rest) = key.rest() {
            sum = dot(sum, rest, &self.rest);
        }
        finish(sum)
    }

    /// Hash of up to five words; every key of a table has the same number.
    #[inline]
    pub(crate) fn of_words<const N: usize>(&self, words: [u32; N]) -> u32 {
        finish(dot(self.start, &words, &self.common))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_changes_the_hash_and_order_matters() {
        let a = Secret::new(&[1; 32]);
        let b = Secret::new(&[2; 32]);
        assert_ne!(a.of_words([1, 2, 3]), b.of_words([1, 2, 3]));
        assert_ne!(a.of_words([1, 2, 3]), a.of_words([3, 2, 1]));
        assert_eq!(a.of_words([1, 2, 3]), a.of_words([1, 2, 3]));
    }

    /// As clients behind one another have them: ports and addresses counted up.
    /// Two to a set on average; random keys put more than eight into one of 32
    /// sets in one boot of two hundred.
    #[test]
    fn keys_in_a_row_spread_over_the_sets() {
        let full = |boot: u8| {
            let secret = Secret::new(&[boot; 32]);
            let mut sets = [0_u32; 32];
            for n in 0..64_u32 {
                let words = [(40_000 + n) << 16 | 443, 0x0a00_0a00 + n, 0xc000_0250];
                sets[(secret.of_words(words) & 31) as usize] += 1;
            }
            sets.iter().any(|n| *n > 8)
        };
        let boots = (0..=255).filter(|boot| full(*boot)).count();
        assert!(boots < 8, "{boots} of 256 boots");
    }
}
