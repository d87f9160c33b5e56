//! Round trips of one hop, in numbers.

use std::time::Duration;

/// Round trips, as mtr's columns sum them up. Sums are exact to the
/// nanosecond; the deviation is Welford's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoundTrips {
    count: u64,
    last: Duration,
    best: Duration,
    worst: Duration,
    /// Of all, in nanoseconds.
    sum: u128,
    /// Mean and summed squares about it, in milliseconds.
    mean: f64,
    squares: f64,
    /// In milliseconds.
    jitter: f64,
}

impl RoundTrips {
    /// One more.
    pub fn add(&mut self, rtt: Duration) {
        let ms = rtt.as_secs_f64() * 1e3;
        if self.count > 0 {
            let difference = (ms - self.last.as_secs_f64() * 1e3).abs();
            self.jitter += (difference - self.jitter) / 16.0;
        }
        self.best = if self.count == 0 {
            rtt
        } else {
            self.best.min(rtt)
        };
        self.worst = self.worst.max(rtt);
        self.last = rtt;
        self.count += 1;
        self.sum += rtt.as_nanos();
        let from_mean = ms - self.mean;
        #[allow(clippy::cast_precision_loss)] // after 2^53 round trips
        let count = self.count as f64;
        self.mean += from_mean / count;
        self.squares += from_mean * (ms - self.mean);
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The latest; `None` where there is none at all, here and below.
    pub fn last(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.last)
    }

    /// The shortest.
    pub fn best(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.best)
    }

    /// The longest.
    pub fn worst(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.worst)
    }

    /// Their mean, to the nanosecond below.
    pub fn mean(&self) -> Option<Duration> {
        let mean = self.sum.checked_div(u128::from(self.count))?;
        Some(Duration::from_nanos(
            u64::try_from(mean).unwrap_or(u64::MAX),
        ))
    }

    /// Standard deviation of the sample (over n - 1, as mtr); 0 with less than
    /// two.
    pub fn deviation(&self) -> Option<Duration> {
        #[allow(clippy::cast_precision_loss)]
        let degrees = self.count.checked_sub(1)?.max(1) as f64;
        millis((self.squares / degrees).sqrt())
    }

    /// RFC 3550's estimator (section 6.4.1) over the differences from one
    /// round trip to the next, as mtr's Jint.
    pub fn jitter(&self) -> Option<Duration> {
        (self.count > 0).then(|| millis(self.jitter)).flatten()
    }
}

fn millis(ms: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(ms / 1e3).ok()
}

/// Chance that of `lost` lost probes among `a + b` so few or fewer fall to the
/// second set as did (`lost_b`), if both sets are alike: Fisher's exact test,
/// one side.
pub(crate) fn chance_of_less(lost_a: u64, a: u64, lost_b: u64, b: u64) -> f64 {
    let lost = lost_a + lost_b;
    // Of hypergeometric weights only ratios are needed: from `k` of the lost
    // in the second set to `k + 1`.
    let smallest = lost.saturating_sub(a);
    let (mut weight, mut below, mut all) = (1.0_f64, 0.0_f64, 0.0_f64);
    #[allow(clippy::cast_precision_loss)]
    for k in smallest..=lost.min(b) {
        if k <= lost_b {
            below += weight;
        }
        all += weight;
        let up = (lost - k) as f64 * (b - k) as f64;
        let down = (k + 1) as f64 * ((a + k + 1).saturating_sub(lost)).max(1) as f64;
        weight *= up / down;
        if all > 1e280 {
            (weight, below, all) = (weight / 1e280, below / 1e280, all / 1e280);
        }
    }
    below / all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn chances_are_those_of_the_tables() {
        // Fisher's tea: all four of eight told right is one chance in 70.
        assert!((chance_of_less(4, 4, 0, 4) - 1.0 / 70.0).abs() < 1e-12);
        // 3 of 10 against 0 of 10: C(10,3) / C(20,3).
        assert!((chance_of_less(3, 10, 0, 10) - 120.0 / 1140.0).abs() < 1e-12);
        assert!((chance_of_less(0, 10, 0, 10) - 1.0).abs() < 1e-12);
        let many = chance_of_less(30_000, 100_000, 100, 100_000);
        assert!((0.0..1e-9).contains(&many), "{many}");
    }

    proptest! {
        #[test]
        #[allow(clippy::cast_precision_loss)]
        fn numbers_are_those_of_a_naive_sum(ns in prop::collection::vec(0_u64..10_000_000_000, 0..200)) {
            let mut trips = RoundTrips::default();
            for ns in &ns {
                trips.add(Duration::from_nanos(*ns));
            }
            let n = ns.len() as u64;
            prop_assert_eq!(trips.count(), n);
            prop_assert_eq!(trips.last(), ns.last().map(|ns| Duration::from_nanos(*ns)));
            prop_assert_eq!(trips.best(), ns.iter().min().map(|ns| Duration::from_nanos(*ns)));
            prop_assert_eq!(trips.worst(), ns.iter().max().map(|ns| Duration::from_nanos(*ns)));
            if n == 0 {
                prop_assert_eq!((trips.mean(), trips.deviation(), trips.jitter()), (None, None, None));
                return Ok(());
            }
            prop_assert_eq!(trips.mean(), Some(Duration::from_nanos(ns.iter().sum::<u64>() / n)));
            let ms: Vec<f64> = ns.iter().map(|ns| *ns as f64 / 1e6).collect();
            let mean = ms.iter().sum::<f64>() / n as f64;
            let squares: f64 = ms.iter().map(|ms| (ms - mean).powi(2)).sum();
            let deviation = (squares / (n.max(2) - 1) as f64).sqrt();
            let close = |a: Option<Duration>, b: f64| (a.unwrap().as_secs_f64() * 1e3 - b).abs() < 1e-3;
            prop_assert!(close(trips.deviation(), deviation));
            let mut jitter = 0.0;
            for pair in ms.windows(2) {
                jitter += ((pair[1] - pair[0]).abs() - jitter) / 16.0;
            }
            prop_assert!(close(trips.jitter(), jitter));
        }

        #[test]
        fn a_chance_is_one(a in 0_u64..200, b in 0_u64..200, la in 0_u64..200, lb in 0_u64..200) {
            let chance = chance_of_less(la.min(a), a, lb.min(b), b);
            prop_assert!((0.0..=1.0 + 1e-12).contains(&chance), "{}", chance);
        }
    }
}
