//! Round trips in numbers.

use std::time::Duration;

/// So many round trips are kept for the median; of more, an even sample.
const SAMPLES: usize = 1 << 16;

/// Round trips, as they came.
#[derive(Debug, Clone, Default)]
pub struct RoundTrips {
    count: u64,
    min_ns: u64,
    max_ns: u64,
    sum_ns: u128,
    squares_ns: u128,
    last_ns: u64,
    /// 16 times the estimate, as RFC 3550 A.8 keeps it.
    jitter_16ths_ns: u64,
    /// 8 times the average.
    average_8ths_ns: u64,
    samples: Vec<u64>,
    /// Of so many one is kept.
    stride: u64,
}

/// What round trips come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Shortest.
    pub min: Duration,
    /// Mean.
    pub avg: Duration,
    /// Longest.
    pub max: Duration,
    /// Standard deviation: the root of the mean square less the square of the
    /// mean.
    pub mdev: Duration,
    /// Half are not longer (of an even number, the mean of the middle two).
    pub median: Duration,
    /// 95 in 100 are not longer (nearest rank).
    pub p95: Duration,
    /// RFC 3550 section 6.4.1, of the differences of successive round trips in
    /// the order in which they ended; zero of a single one.
    pub jitter: Duration,
    /// Exponential average: each counts an eighth.
    pub ewma: Duration,
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn duration(nanoseconds: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

impl RoundTrips {
    /// None yet, with room for so many.
    pub(super) fn with_room(room: usize) -> Self {
        Self {
            samples: Vec::with_capacity(room),
            ..Self::default()
        }
    }

    /// One more.
    pub fn add(&mut self, rtt: Duration) {
        let ns = nanoseconds(rtt);
        if self.count == 0 {
            self.min_ns = ns;
            self.average_8ths_ns = ns.saturating_mul(8);
            self.stride = 1;
        } else {
            let step = ns.abs_diff(self.last_ns);
            self.jitter_16ths_ns =
                (self.jitter_16ths_ns - self.jitter_16ths_ns.div_ceil(16)).saturating_add(step);
            self.average_8ths_ns =
                (self.average_8ths_ns - self.average_8ths_ns / 8).saturating_add(ns);
        }
        self.min_ns = self.min_ns.min(ns);
        self.max_ns = self.max_ns.max(ns);
        self.sum_ns = self.sum_ns.saturating_add(ns.into());
        let square = u128::from(ns) * u128::from(ns);
        self.squares_ns = self.squares_ns.saturating_add(square);
        self.last_ns = ns;
        if self.count.is_multiple_of(self.stride) {
            if self.samples.len() == SAMPLES {
                let mut at = 0;
                self.samples.retain(|_| {
                    at += 1;
                    at % 2 == 1
                });
                self.stride = self.stride.saturating_mul(2);
            }
            if self.count.is_multiple_of(self.stride) {
                self.samples.push(ns);
            }
        }
        self.count = self.count.saturating_add(1);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest so far.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }

    /// The exponential average so far.
    pub fn ewma(&self) -> Duration {
        Duration::from_nanos(self.average_8ths_ns / 8)
    }

    /// What they come to; `None` where there is none.
    pub fn summary(&self) -> Option<Summary> {
        let count = u128::from(self.count);
        let avg = self.sum_ns.checked_div(count)?;
        // The exact variance where it fits, which is up to some 10^9 of 10 s.
        let variance = match (
            count.checked_mul(self.squares_ns),
            self.sum_ns.checked_mul(self.sum_ns),
        ) {
            (Some(squares), Some(square)) => squares.saturating_sub(square) / count / count,
            _ => (self.squares_ns / count).saturating_sub(avg.saturating_mul(avg)),
        };
        let (median, p95) = self.ranks()?;
        Some(Summary {
            min: duration(self.min_ns.into()),
            avg: duration(avg),
            max: self.max(),
            mdev: duration(variance.isqrt()),
            median: duration(median),
            p95: duration(p95),
            jitter: duration((self.jitter_16ths_ns / 16).into()),
            ewma: self.ewma(),
        })
    }

    /// Median and 95th percentile. Nothing else needs an order, so there is no
    /// sorting.
    fn ranks(&self) -> Option<(u128, u128)> {
        let mut samples = self.samples.clone();
        let middle = samples.len() / 2;
        let is_even = samples.len().is_multiple_of(2);
        let p95 = (samples.len() * 95).div_ceil(100).checked_sub(1)?;
        let (below, upper, above) = samples.select_nth_unstable(middle);
        let upper = *upper;
        let median = if is_even {
            u128::midpoint((*below.iter().max()?).into(), upper.into())
        } else {
            upper.into()
        };
        let p95 = match p95.saturating_sub(middle) {
            0 => upper,
            n => *above.select_nth_unstable(n - 1).1,
        };
        Some((median, p95.into()))
    }
}

/// A stretch in which nothing was answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outage {
    /// So many requests in a row.
    pub probes: u64,
    /// From the first of them to the next that was answered, or to the last
    /// that was not if that is the end.
    pub lasted: Duration,
}

/// The longest outage of a row of requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Outages {
    longest: Outage,
    since: Option<Duration>,
    probes: u64,
}

impl Outages {
    /// The next request in the order of sending.
    pub(super) fn add(&mut self, sent: Duration, is_answered: bool) {
        if !is_answered {
            self.since.get_or_insert(sent);
            self.probes += 1;
        }
        if let Some(since) = self.since {
            let outage = Outage {
                probes: self.probes,
                lasted: sent.saturating_sub(since),
            };
            if (outage.lasted, outage.probes) > (self.longest.lasted, self.longest.probes) {
                self.longest = outage;
            }
        }
        if is_answered {
            self.since = None;
            self.probes = 0;
        }
    }

    pub(super) fn longest(&self) -> Option<Outage> {
        (self.longest.probes > 0).then_some(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(ns: &[u64]) -> RoundTrips {
        let mut trips = RoundTrips::default();
        for ns in ns {
            trips.add(Duration::from_nanos(*ns));
        }
        trips
    }

    #[test]
    fn none_have_no_summary() {
        assert_eq!(RoundTrips::default().summary(), None);
    }

    #[test]
    fn known_numbers() {
        let summary = of(&[2_000, 4_000, 4_000, 4_000, 5_000, 5_000, 7_000, 9_000])
            .summary()
            .unwrap();
        let ns = Duration::from_nanos;
        assert_eq!((summary.min, summary.max), (ns(2_000), ns(9_000)));
        assert_eq!((summary.avg, summary.mdev), (ns(5_000), ns(2_000)));
        assert_eq!((summary.median, summary.p95), (ns(4_500), ns(9_000)));
    }

    #[test]
    fn many_are_an_even_sample() {
        let all: Vec<u64> = (0..300_000).collect();
        let trips = of(&all);
        assert!(trips.samples.len() <= SAMPLES && trips.samples.len() > SAMPLES / 2);
        let summary = trips.summary().unwrap();
        let median = summary.median.as_nanos().abs_diff(150_000);
        let p95 = summary.p95.as_nanos().abs_diff(285_000);
        assert!(median < 10 && p95 < 10, "{summary:?}");
        assert_eq!(trips.count(), 300_000);
    }

    #[test]
    fn the_longest_outage_is_found() {
        let mut outages = Outages::default();
        let seconds = Duration::from_secs;
        for (at, is_answered) in "1001000111011".chars().enumerate() {
            outages.add(seconds(at.try_into().unwrap()), is_answered == '1');
        }
        let longest = Outage {
            probes: 3,
            lasted: seconds(3),
        };
        assert_eq!(outages.longest(), Some(longest));
        assert_eq!(Outages::default().longest(), None);
    }

    proptest! {
        #[test]
        fn as_in_the_textbook(ns in proptest::collection::vec(0..20_000_000_000_u64, 1..200)) {
            let summary = of(&ns).summary().unwrap();
            let n = ns.len();
            let mut sorted = ns.clone();
            sorted.sort_unstable();
            prop_assert_eq!(summary.min.as_nanos(), u128::from(sorted[0]));
            prop_assert_eq!(summary.max.as_nanos(), u128::from(sorted[n - 1]));
            let exact = |x: u64| f64::from(u32::try_from(x / 1_000).unwrap()) * 1_000.0
                + f64::from(u32::try_from(x % 1_000).unwrap());
            let count = f64::from(u32::try_from(n).unwrap());
            let mean = ns.iter().map(|x| exact(*x)).sum::<f64>() / count;
            let variance = ns.iter().map(|x| (exact(*x) - mean).powi(2)).sum::<f64>() / count;
            let close = |a: Duration, b: f64| (a.as_secs_f64() * 1e9 - b).abs() <= 2.0 + b * 1e-9;
            prop_assert!(close(summary.avg, mean));
            prop_assert!(close(summary.mdev, variance.sqrt()));
            let median = f64::midpoint(exact(sorted[(n - 1) / 2]), exact(sorted[n / 2]));
            prop_assert!(close(summary.median, median));
            // The smallest one that at least 95 in 100 do not exceed.
            let p95 = sorted.iter().find(|x| {
                sorted.iter().filter(|y| y <= x).count() * 100 >= n * 95
            }).unwrap();
            prop_assert_eq!(summary.p95.as_nanos(), u128::from(*p95));
            let mut jitter = 0.0_f64;
            for pair in ns.windows(2) {
                jitter += (exact(pair[0].abs_diff(pair[1])) - jitter) / 16.0;
            }
            // Whole sixteenths of a nanosecond against fractions.
            prop_assert!((summary.jitter.as_secs_f64() * 1e9 - jitter).abs() <= 2.0);
        }
    }
}
