//! The keyed hash of the tables.
//!
//! Multilinear hashing (Lemire and Kaser, "Strongly universal string hashing
//! is fast", 2013): with 64-bit multipliers drawn at random, the upper half of
//! `m[0] + m[1] w[1] + … + m[n] w[n]` modulo 2^64 is strongly universal over
//! the 32-bit words `w`: for any two different keys chosen without knowledge
//! of the multipliers, both hashes are uniform and independent. (An IPv4 key
//! is one of an IPv6 key's length that ends in zeros; the words all keys have
//! tell the versions apart.) The words of the path come first, then ports and
//! addresses. So the chance that two keys share a set is 1 in
//! the number of sets, *however* the keys were chosen, and a flood of n keys
//! meets a given flow's set in the mean as often as n random keys do.
//!
//! Two at a time is not all at once. The sum is linear: keys in equal steps,
//! as a scan makes them, walk round the sets in equal steps, and where a step
//! comes close to a simple fraction of the round they all fall in a few sets.
//! With the bare sum every hundredth boot had a half-full table of 4,096
//! evict more than a thousand of 2,048 sequential ports, attack or not. And
//! two keys seen to share a set would give away a step that stays in it. So
//! the 32 bits are scattered by a fixed bijection that is not linear, from the
//! family of the common finishers (xor-shift, multiply, xor-shift): pairs stay
//! uniform and independent, since a bijection cannot change that, and steps do
//! not stay steps. `tests/attack/spread.rs` measures both.
//!
//! What keeps the multipliers unknown. They come from the boot seed through
//! SipHash-2-4 as a pseudo-random function, and no function of them leaves
//! the sensor: no hash, set or slot number is in any record, `flow_id`s are
//! numbered in order of arrival, and a flush goes through the table, whose
//! order would tell sets, only for the host at the other end of the uplink.
//! What an attacker on the mirrored side can see is at most *that* a record
//! left early (and, by timing, not even that: a frame costs the sensor time,
//! but sends nothing back).
//!
//! Where it is weak. Nothing here is a cipher. Who reads the exports sees
//! which of his keys was evicted when which other came, or the order of a
//! flush: that is knowledge of sets. It tells him which keys of those *he has
//! tried* to send again: n keys tried give about n / sets that share one set,
//! and with these he can keep eight flows of others from staying whole, until
//! the next boot. From what he sees of more and more sets the multipliers
//! could in the end be solved for, and then keys be made without trying.
//! What he gains is early records, all of them exact. A board without entropy
//! says so (`Hello::zero_seed`): there the secret is known, and the same tests
//! show that a known secret is a broken table.

use core::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::key::{Key, Path};

/// Number from which the multiplier of echo pairs is drawn; the other
/// multipliers have those below.
const PAIR: u8 = 32;

/// Words a key may have: five, and six more in IPv6.
const WORDS: usize = 11;

/// A 64-bit number: lower half, upper half.
type Multiplier = [u32; 2];

/// Lower half, upper half.
fn halves(number: u64) -> Multiplier {
    [(number & 0xffff_ffff) as u32, (number >> 32) as u32]
}

/// The multipliers of one boot.
#[repr(C)] // what every frame needs comes first
pub(crate) struct Secret {
    ends: [Multiplier; 3],
    start: u64,
    path: [Multiplier; 2],
    rest: [Multiplier; WORDS - 5],
}

/// The sum over a path's words: the beginning of the hash of every key with
/// this path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathSum(u64);

impl PathSum {
    /// Of no path.
    pub(crate) const NONE: Self = Self(0);
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

/// The sum so far. Only its upper half is wanted, so what multipliers' upper
/// halves add to that needs 32 bits, and a word costs two multiplications.
#[derive(Clone, Copy)]
struct Sum {
    lower: u64,
    upper: u32,
}

impl Sum {
    #[inline]
    fn new(lower: u64) -> Self {
        Self { lower, upper: 0 }
    }

    #[inline]
    fn add(self, words: &[u32], multipliers: &[Multiplier]) -> Self {
        let terms = words.iter().zip(multipliers);
        terms.fold(self, |sum, (word, [lower, upper])| Self {
            lower: sum
                .lower
                .wrapping_add(u64::from(*lower).wrapping_mul(u64::from(*word))),
            upper: sum.upper.wrapping_add(upper.wrapping_mul(*word)),
        })
    }

    #[inline]
    fn whole(self) -> u64 {
        self.lower.wrapping_add(u64::from(self.upper) << 32)
    }

    #[inline]
    fn scattered(self) -> u32 {
        scatter(((self.lower >> 32) as u32).wrapping_add(self.upper))
    }
}

/// A fixed bijection that is not linear. The multiplier is 2^32 divided by the
/// golden ratio.
#[inline]
fn scatter(upper: u32) -> u32 {
    let product = (upper ^ upper >> 16).wrapping_mul(0x9e37_79b1);
    product ^ product >> 16
}

impl Secret {
    /// Multipliers of this boot.
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let mut numbers = (1_u8..).map(|index| halves(draw(seed, index)));
        let mut next = |_| numbers.next().unwrap_or_default();
        Self {
            start: draw(seed, 0),
            path: core::array::from_fn(&mut next),
            ends: core::array::from_fn(&mut next),
            rest: core::array::from_fn(&mut next),
        }
    }

    /// Frames of one path come in rows: it is summed once for all of them.
    pub(crate) fn of_path(&self, path: Path) -> PathSum {
        PathSum(Sum::new(self.start).add(&path.words(), &self.path).whole())
    }

    /// Hash of a key whose path has this sum.
    #[inline]
    pub(crate) fn of_key_on(&self, PathSum(sum): PathSum, key: &Key) -> u32 {
        let mut sum = Sum::new(sum).add(&key.ends(), &self.ends);
        if let Some(rest) = key.rest() {
            sum = sum.add(rest, &self.rest);
        }
        sum.scattered()
    }

    /// Hash of a key.
    #[cfg(any(test, feature = "std"))]
    pub(crate) fn of_key(&self, key: &Key) -> u32 {
        self.of_key_on(self.of_path(key.path()), key)
    }

    /// Hash of two words, by the multipliers that every key's ends have.
    #[cfg(test)]
    fn of_words(&self, words: [u32; 2]) -> u32 {
        Sum::new(self.start).add(&words, &self.ends).scattered()
    }

    /// Hash of a protocol and an address, likewise.
    pub(crate) fn of_address(&self, words: [u32; 5]) -> u32 {
        Sum::new(self.start).add(&words, &self.rest).scattered()
    }
}

/// The multiplier of one boot for echo pairs. It stands with their table: the
/// others' cache lines are every frame's.
pub(crate) struct PairSecret([Multiplier; 1]);

impl PairSecret {
    /// Multiplier of this boot.
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        Self([halves(draw(seed, PAIR))])
    }

    /// Hash of an echo pair's key, from its flow's, which stands for the sum
    /// over what they share: two flows that have one hash by chance have pairs
    /// that do.
    #[inline]
    pub(crate) fn of_pair(&self, flow: u32, key: &Key) -> u32 {
        let sum = Sum::new(u64::from(flow) << 32);
        sum.add(&[key.of_pair()], &self.0).scattered()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_changes_the_hash_and_order_matters() {
        let a = Secret::new(&[1; 32]);
        let b = Secret::new(&[2; 32]);
        assert_ne!(a.of_words([1, 2]), b.of_words([1, 2]));
        assert_ne!(a.of_words([1, 2]), a.of_words([2, 1]));
        assert_eq!(a.of_words([1, 2]), a.of_words([1, 2]));
    }

    /// Of many boots: the bare sum gave some set more than 32 of 4,096
    /// sequential ports in one boot of a hundred; expected are 8.
    #[test]
    fn sequential_keys_spread_over_the_sets() {
        for seed in 0..200 {
            let secret = Secret::new(&[seed; 32]);
            let mut sets = [0_u32; 512];
            for port in 0..4096_u32 {
                sets[(secret.of_words([(port << 16) + 80, 0x0a00_0001]) % 512) as usize] += 1;
            }
            assert!(sets.iter().all(|n| *n <= 32), "{seed}: {sets:?}");
        }
    }

    /// The two halves together are the sum of the crate's lead paragraph.
    #[test]
    fn halves_add_up_to_the_multilinear_sum() {
        let seed = [9; 32];
        let mut key = Key::new();
        key.push_tag(4095);
        key.set_ip6(250, &[0xfe; 16], &[0x81; 16], 0xdead_beef);
        let rest = key.rest().unwrap();
        let words = [&key.path().words()[..], &key.ends(), rest].concat();
        let sum = (1_u8..)
            .zip(words)
            .fold(draw(&seed, 0), |sum, (index, word)| {
                sum.wrapping_add(draw(&seed, index).wrapping_mul(u64::from(word)))
            });
        let secret = Secret::new(&seed);
        assert_eq!(secret.of_key(&key), scatter((sum >> 32) as u32));
    }

    #[test]
    fn what_scatters_is_a_bijection() {
        let back = |hash: u32| {
            let product = hash ^ hash >> 16;
            // Newton's iteration for the multiplier's inverse.
            let inverse = (0..5).fold(1_u32, |x, _| {
                x.wrapping_mul(2_u32.wrapping_sub(x.wrapping_mul(0x9e37_79b1)))
            });
            let upper = product.wrapping_mul(inverse);
            upper ^ upper >> 16
        };
        for upper in (0..u32::MAX).step_by(65_521) {
            assert_eq!(back(scatter(upper)), upper);
        }
    }
}
