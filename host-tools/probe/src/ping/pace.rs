//! When the next request goes out.

use std::time::Duration;

use crate::Time;
use crate::manners::FLOOD_INTERVAL;

/// Adaptive pace without any answer yet, and at its slowest.
const PATIENT: Duration = Duration::from_secs(1);

/// How often requests go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// One each time so much has passed; 0 is a flood.
    Steady(Duration),
    /// As soon as one comes back, and every 10 ms if none does.
    Flood,
    /// As soon as one comes back, and after twice the usual round trip (10 ms
    /// to 1 s) if none does.
    Adaptive,
}

/// Says when.
#[derive(Debug, Clone)]
pub(super) struct Pacer {
    pace: Pace,
    preload: u32,
    /// Time that has been saved up for requests, as of then.
    credit: Duration,
    as_of: Time,
    last: Option<Time>,
}

impl Pacer {
    /// The first `preload` at once.
    pub(super) fn new(pace: Pace, preload: u32, now: Time) -> Self {
        let pace = match pace {
            Pace::Steady(Duration::ZERO) => Pace::Flood,
            other => other,
        };
        let mut pacer = Self {
            pace,
            preload,
            credit: Duration::ZERO,
            as_of: now,
            last: None,
        };
        pacer.credit = pacer.most();
        pacer
    }

    /// Most that is saved up: a break is made up for by so many at once.
    fn most(&self) -> Duration {
        self.interval().saturating_mul(self.preload)
    }

    /// Time between requests if nothing comes back.
    pub(super) fn interval(&self) -> Duration {
        match self.pace {
            Pace::Steady(interval) => interval,
            Pace::Flood => FLOOD_INTERVAL,
            Pace::Adaptive => PATIENT,
        }
    }

    /// When the next one may go; a time that has passed: at once.
    pub(super) fn next_at(&self, in_flight: u64, ewma: Duration) -> Time {
        let wait = match self.pace {
            Pace::Steady(interval) => {
                return self
                    .as_of
                    .saturating_add(interval.saturating_sub(self.credit));
            }
            Pace::Flood => FLOOD_INTERVAL,
            Pace::Adaptive if ewma.is_zero() => PATIENT,
            Pace::Adaptive => ewma.saturating_mul(2).clamp(FLOOD_INTERVAL, PATIENT),
        };
        match self.last {
            Some(last) if in_flight >= u64::from(self.preload) => last.saturating_add(wait),
            _ => Time::ZERO,
        }
    }

    /// Whether one goes now; if so, it counts as gone.
    pub(super) fn take(&mut self, now: Time, in_flight: u64, ewma: Duration) -> bool {
        if let Pace::Steady(interval) = self.pace {
            let passed = now.saturating_sub(self.as_of);
            self.as_of = now;
            self.credit = self.credit.saturating_add(passed).min(self.most());
            let Some(left) = self.credit.checked_sub(interval) else {
                return false;
            };
            self.credit = left;
        } else if self.next_at(in_flight, ewma) > now {
            return false;
        }
        self.last = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_steady_pace_keeps_its_average() {
        let mut pacer = Pacer::new(Pace::Steady(100 * MS), 1, Time::ZERO);
        let mut sent = 0;
        // Asked 3 ms late each time.
        for turn in 0..10 {
            sent += u32::from(pacer.take(turn * 103 * MS, 0, Duration::ZERO));
        }
        assert_eq!(sent, 10);
        assert!(!pacer.take(930 * MS, 0, Duration::ZERO));
    }

    #[test]
    fn a_break_is_made_up_for_by_the_preload_at_most() {
        let mut pacer = Pacer::new(Pace::Steady(100 * MS), 3, Time::ZERO);
        let mut burst = |at| {
            let mut n = 0;
            while pacer.take(at, 0, Duration::ZERO) {
                n += 1;
            }
            n
        };
        assert_eq!(burst(Time::ZERO), 3);
        assert_eq!(burst(10_000_000 * MS), 3);
        // A clock that goes back gives nothing.
        assert_eq!(burst(5 * MS), 0);
    }

    #[test]
    fn a_flood_waits_for_answers_and_not_for_ever() {
        let mut pacer = Pacer::new(Pace::Steady(Duration::ZERO), 2, Time::ZERO);
        assert!(pacer.take(MS, 0, Duration::ZERO));
        assert!(pacer.take(MS, 1, Duration::ZERO));
        assert!(!pacer.take(MS, 2, Duration::ZERO));
        assert_eq!(pacer.next_at(2, Duration::ZERO), 11 * MS);
        assert!(pacer.take(11 * MS, 2, Duration::ZERO));
    }

    #[test]
    fn an_adaptive_pace_follows_the_round_trip() {
        let mut pacer = Pacer::new(Pace::Adaptive, 1, Time::ZERO);
        assert!(pacer.take(MS, 0, Duration::ZERO));
        assert_eq!(pacer.next_at(1, Duration::ZERO), 1001 * MS);
        assert_eq!(pacer.next_at(1, 30 * MS), 61 * MS);
        assert!(pacer.next_at(0, 30 * MS) <= MS);
    }
}
