//! Time: when the next frame is due, and how long nothing has moved.

use std::time::{Duration, Instant};

use crate::feeder::Pace;

/// How long after its last heartbeat the serial line counts as being read.
const ALIVE: Duration = Duration::from_secs(2);

/// When the next frame is due.
pub(crate) struct Clock {
    pace: Pace,
    // When the first frame went, its capture time, frames since.
    start: Option<(Instant, u64)>,
    frames: u64,
}

impl Clock {
    pub(crate) fn new(pace: Pace) -> Self {
        Self {
            pace,
            start: None,
            frames: 0,
        }
    }

    pub(crate) fn paced(&self) -> bool {
        self.pace != Pace::Full
    }

    /// After a pause: what was missed is not made up for.
    pub(crate) fn restart(&mut self) {
        self.start = None;
    }

    pub(crate) fn due(&mut self, at_us: u64, now: Instant) -> Option<Instant> {
        if self.pace == Pace::Full {
            return None;
        }
        let Some((start, first_us)) = self.start else {
            self.start = Some((now, at_us));
            self.frames = 1;
            return None;
        };
        let after = match self.pace {
            Pace::Full => return None,
            Pace::PerSecond(rate) => {
                let rate = u64::from(rate.max(1));
                let seconds = Duration::from_secs(self.frames / rate);
                let nanos = (self.frames % rate).saturating_mul(1_000_000_000) / rate;
                seconds.saturating_add(Duration::from_nanos(nanos))
            }
            // A clock that steps back makes no wait.
            Pace::Capture(factor) => {
                let wait = Duration::from_micros(at_us.saturating_sub(first_us));
                Duration::try_from_secs_f64(wait.as_secs_f64() / factor).unwrap_or(Duration::ZERO)
            }
        };
        self.frames = self.frames.saturating_add(1);
        start.checked_add(after)
    }
}

/// How long nothing has moved although somebody reads the serial line.
pub(crate) struct Stall {
    total: Duration,
    last: Instant,
    polls: u32,
}

impl Stall {
    pub(crate) fn new() -> Self {
        Self {
            total: Duration::ZERO,
            last: Instant::now(),
            polls: 0,
        }
    }

    pub(crate) fn moved(&mut self) {
        self.total = Duration::ZERO;
        self.last = Instant::now();
        self.polls = 0;
    }

    pub(crate) fn still(&mut self, now: Instant, heartbeat: Instant) -> Duration {
        let since = now.saturating_duration_since(self.last);
        self.last = now;
        if now.saturating_duration_since(heartbeat) < ALIVE {
            // One long gap is our own sleep, not the board's.
            self.total = self.total.saturating_add(since.min(ALIVE));
        }
        self.total
    }

    /// How long to wait before the next question: not at all at first, for
    /// a card full of long frames is empty in a tenth of a millisecond.
    pub(crate) fn pause(&mut self) -> Duration {
        self.polls = self.polls.saturating_add(1);
        let late = u64::from(self.polls.saturating_sub(20));
        Duration::from_micros(late.saturating_mul(50)).min(Duration::from_millis(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(pace: Pace, times: &[u64]) -> Vec<Option<u128>> {
        let start = Instant::now();
        let mut clock = Clock::new(pace);
        times
            .iter()
            .map(|at| clock.due(*at, start).map(|due| (due - start).as_micros()))
            .collect()
    }

    #[test]
    fn frames_are_due_as_the_pace_says() {
        assert_eq!(waits(Pace::Full, &[5, 9]), [None, None]);
        assert_eq!(
            waits(Pace::PerSecond(3), &[5, 9, 9, 9]),
            [None, Some(333_333), Some(666_666), Some(1_000_000)]
        );
        // A step back, as 12 captures of the corpus have, makes no wait.
        assert_eq!(
            waits(Pace::Capture(2.0), &[1000, 3000, 500, 4000]),
            [None, Some(1000), Some(0), Some(1500)]
        );
    }

    #[test]
    fn odd_paces_never_wait_for_ever() {
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(waits(Pace::Capture(factor), &[0, u64::MAX])[1], Some(0));
        }
        assert_eq!(waits(Pace::PerSecond(0), &[0, 0])[1], Some(1_000_000));
    }

    #[test]
    fn only_time_with_a_reader_counts_as_a_stall() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut stall = Stall::new();
        stall.last = start;
        assert_eq!(stall.still(at(1000), at(900)).as_millis(), 1000);
        // Nobody has read for a minute.
        assert_eq!(stall.still(at(61_000), at(1000)).as_millis(), 1000);
        // Somebody does again: the minute does not count in one go.
        assert_eq!(stall.still(at(62_000), at(62_000)).as_millis(), 2000);
        stall.moved();
        assert_eq!(stall.total, Duration::ZERO);
    }
}
