//! Round trips of one echo pair: all of them, or an even random sample.

use std::collections::BTreeMap;

/// Which sample it is: boot, finished or live, number. Grows with time.
pub(crate) type SampleId = (u64, bool, u64);

/// Round-trip times in microseconds.
///
/// With a limit the samples with the smallest hashes of their numbers stay:
/// an even choice that neither order nor repetition can change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Samples {
    kept: BTreeMap<(u64, SampleId), i64>,
    least: Option<i64>,
    greatest: Option<i64>,
    newest: Option<(SampleId, i64)>,
}

/// splitmix64's finalizer, from Steele, Lea, Flood: "Fast splittable
/// pseudorandom number generators" (2014).
fn scatter(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Samples {
    /// No round trip.
    pub(crate) const NONE: Self = Self {
        kept: BTreeMap::new(),
        least: None,
        greatest: None,
        newest: None,
    };

    pub(crate) fn add(&mut self, id: SampleId, rtt_us: i64, limit: Option<usize>) {
        let (boot, is_final, number) = id;
        let hash = match limit {
            None => 0,
            Some(_) => scatter(scatter(boot.wrapping_mul(2) + u64::from(is_final)) ^ number),
        };
        self.kept.insert((hash, id), rtt_us);
        if limit.is_some_and(|limit| self.kept.len() > limit) {
            self.kept.pop_last();
        }
        self.least = Some(self.least.map_or(rtt_us, |least| least.min(rtt_us)));
        self.greatest = Some(
            self.greatest
                .map_or(rtt_us, |greatest| greatest.max(rtt_us)),
        );
        if self.newest.is_none_or(|(newest, _)| newest < id) {
            self.newest = Some((id, rtt_us));
        }
    }

    /// Those kept, in the order in which the sensor saw the replies.
    pub fn in_order(&self) -> Vec<i64> {
        let mut samples: Vec<(SampleId, i64)> =
            self.kept.iter().map(|((_, id), rtt)| (*id, *rtt)).collect();
        samples.sort_unstable_by_key(|(id, _)| *id);
        samples.into_iter().map(|(_, rtt)| rtt).collect()
    }

    /// The value below or at which this share (per cent) of the kept samples
    /// lies (nearest rank); `None` without samples.
    pub fn percentile(&self, percent: u8) -> Option<i64> {
        let mut values: Vec<i64> = self.kept.values().copied().collect();
        values.sort_unstable();
        let rank = (values.len() * usize::from(percent.min(100))).div_ceil(100);
        values.get(rank.saturating_sub(1)).copied()
    }

    /// Shortest round trip of all, kept or not.
    pub fn least(&self) -> Option<i64> {
        self.least
    }

    /// Longest round trip of all, kept or not.
    pub fn greatest(&self) -> Option<i64> {
        self.greatest
    }

    /// Most recent one.
    pub fn newest(&self) -> Option<i64> {
        self.newest.map(|(_, rtt)| rtt)
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_kept_in_order_without_a_limit() {
        let mut samples = Samples::default();
        for number in [3, 1, 2, 1] {
            samples.add((0, true, number), i64::try_from(number).unwrap() * 10, None);
        }
        assert_eq!(samples.in_order(), [10, 20, 30]);
        assert_eq!(samples.percentile(50), Some(20));
        assert_eq!(samples.percentile(95), Some(30));
        assert_eq!(samples.newest(), Some(30));
    }

    #[test]
    fn a_limited_sample_is_even_and_independent_of_order() {
        let (mut up, mut down) = (Samples::default(), Samples::default());
        for n in 0..10_000_u64 {
            up.add((0, true, n), i64::try_from(n).unwrap(), Some(512));
            let m = 9_999 - n;
            down.add((0, true, m), i64::try_from(m).unwrap(), Some(512));
        }
        assert_eq!(up, down);
        assert_eq!(up.len(), 512);
        let median = up.percentile(50).unwrap();
        assert!((4_000..6_000).contains(&median), "median {median}");
        assert_eq!((up.least(), up.greatest()), (Some(0), Some(9_999)));
    }

    #[test]
    fn without_samples_there_is_no_percentile() {
        assert_eq!(Samples::default().percentile(50), None);
    }
}
