//! `SysTick`'s down-counter as a clock that only goes up: pure arithmetic.

/// Clock cycles between two wraps: `SysTick` counts 24 bits down.
pub const PERIOD: u64 = 1 << 24;

/// What was read of the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// The register `SYST_CVR`.
    pub current: u32,
    /// True when a wrap waits for its interrupt. To be read before `current`
    /// is read for the last time: then a wrap seen pending has happened.
    pub wrap_pending: bool,
}

impl Phase {
    /// Cycles since start, when `wraps` wraps were booked by the interrupt.
    ///
    /// The interrupt is raised when the counter reaches 0 (from 1); one cycle
    /// later it reloads. So 0 is the first cycle of the new period if the wrap
    /// is pending, and one past the last cycle of the old one if it is about
    /// to be: the same moment.
    #[must_use]
    pub const fn cycles(self, wraps: u64) -> u64 {
        let booked = wraps.wrapping_mul(PERIOD);
        let current = self.current as u64 % PERIOD;
        let into = match (self.wrap_pending, current) {
            (true, 0) => PERIOD,
            (true, left) => PERIOD.wrapping_mul(2).wrapping_sub(left),
            (false, left) => PERIOD.wrapping_sub(left),
        };
        booked.wrapping_add(into)
    }
}

/// Parts of [`drifted`]'s rate.
const MILLION: u64 = 1_000_000;

/// What a clock shows that runs fast by so many parts per million (slow where
/// negative; more than a million is a million: it stands still) when a good one
/// shows `ticks`. It never goes back while the good one does not.
#[must_use]
pub const fn drifted(ticks: u64, ppm: i32) -> u64 {
    let share = ppm.unsigned_abs() as u64;
    let share = if share > MILLION { MILLION } else { share };
    // `ticks * share / MILLION`, rounded down, without its width.
    let apart = (ticks / MILLION)
        .saturating_mul(share)
        .saturating_add((ticks % MILLION).wrapping_mul(share) / MILLION);
    if ppm < 0 {
        ticks.saturating_sub(apart)
    } else {
        ticks.saturating_add(apart)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn a_drifting_clock_is_exact_and_never_goes_back() {
        for (ticks, ppm, shown) in [
            (0, 150, 0),
            (1_000_000, 0, 1_000_000),
            (1_000_000, 150, 1_000_150),
            (1_000_000, -150, 999_850),
            (9_000_000, -10_000, 8_910_000),
            (1, -1, 1), // rounded towards the good clock
            (999_999, 1, 999_999),
            (u64::MAX, 1, u64::MAX),
            (7_654_321, -1_000_000, 0),
            (7_654_321, i32::MIN, 0),
        ] {
            assert_eq!(drifted(ticks, ppm), shown, "{ticks} {ppm}");
        }
        // A century in microseconds.
        let century = 3_155_760_000_000_000;
        assert_eq!(drifted(century, 10_000), century + century / 100);
        for ppm in [-999_999, -150, 150, 10_000] {
            let shown: std::vec::Vec<_> = (999_000..1_001_000).map(|t| drifted(t, ppm)).collect();
            assert!(shown.is_sorted(), "{ppm}");
        }
    }

    fn cycles(current: u32, wrap_pending: bool, wraps: u64) -> u64 {
        Phase {
            current,
            wrap_pending,
        }
        .cycles(wraps)
    }

    #[test]
    fn time_rises_over_a_wrap_whoever_books_it() {
        let top = u32::try_from(PERIOD - 1).unwrap();
        let steps = [
            cycles(top, false, 0),
            cycles(1000, false, 0),
            cycles(1, false, 0),
            cycles(0, false, 0),  // reached 0, not yet pending (QEMU)
            cycles(0, true, 0),   // pending
            cycles(top, true, 0), // reloaded, interrupt masked
            cycles(top, false, 1),
            cycles(top - 1, false, 1),
            cycles(top - 2, true, 1),
        ];
        assert!(steps.is_sorted(), "{steps:?}");
        assert_eq!(cycles(0, false, 0), cycles(0, true, 0));
        assert_eq!(cycles(top, true, 0), cycles(top, false, 1));
        assert_eq!(cycles(top, false, 0), 1);
        assert_eq!(
            cycles(top, false, 1 << 30),
            (1 << 54) + 1,
            "11 years at 50 MHz"
        );
    }
}
