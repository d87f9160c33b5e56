//! How fast a flow is now, out of its updates.

use crate::flow::FlowSums;

/// A rate is measured over at least this long.
const STEP_US: u64 = 1_000_000;
/// Without an update for so long a flow stands still.
const STALE_US: u64 = 10_000_000;

/// Octets a second of both directions (`a` to `b`, `b` to `a`).
///
/// Measured in host time of the updates; for display only, so it is no part
/// of what order and repetition must not change.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    since_us: u64,
    base: Option<[u64; 2]>,
    per_second: [f64; 2],
}

#[allow(clippy::cast_precision_loss)] // a rate for the eye
fn per_second(octets: u64, us: u64) -> f64 {
    octets as f64 * 1e6 / us as f64
}

impl Rate {
    pub(crate) fn note(&mut self, now_us: u64, sums: &FlowSums) {
        let totals = [sums.ab.frame_octets, sums.ba.frame_octets];
        let Some(base) = self.base else {
            let age = sums.last_us.saturating_sub(sums.first_us).max(STEP_US);
            self.per_second = totals.map(|octets| per_second(octets, age));
            self.base = Some(totals);
            self.since_us = now_us;
            return;
        };
        let passed = now_us.saturating_sub(self.since_us);
        if passed >= STEP_US {
            for (rate, (new, old)) in self.per_second.iter_mut().zip(totals.into_iter().zip(base)) {
                *rate = per_second(new.saturating_sub(old), passed);
            }
            self.base = Some(totals);
            self.since_us = now_us;
        }
    }

    /// Octets a second at host time `now_us`.
    pub fn at(&self, now_us: u64) -> [f64; 2] {
        if now_us.saturating_sub(self.since_us) > STALE_US {
            [0.0; 2]
        } else {
            self.per_second
        }
    }
}
