//! From the wall clock to the clock that never goes back.

use std::time::{Duration, Instant, SystemTime};

use crate::probe::Stamp;

/// Readings of two clocks further apart are not of the same moment.
const SAME_MOMENT: Duration = Duration::from_micros(1);
/// So often at most both are read; then the machine has no moment to spare.
const READINGS: usize = 8;
/// Both clocks run at one rate, so what they differ by changes only where the
/// wall clock was set. Less than this is how well they can be read.
const NOISE: Duration = Duration::from_micros(10);
/// A stamp is read sooner than that, or not believed.
const OLDEST: Duration = Duration::from_mins(1);

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Reading {
    now: Instant,
    wall: SystemTime,
    /// The wall clock was read at most so long after the other.
    spread: Duration,
}

impl Reading {
    fn take() -> Self {
        Self::of(Instant::now, SystemTime::now)
    }

    /// Without a look at how far apart the two were read.
    fn quick(mut now: impl FnMut() -> Instant, mut wall: impl FnMut() -> SystemTime) -> Self {
        Self {
            now: now(),
            wall: wall(),
            spread: Duration::ZERO,
        }
    }

    /// Between two readings another program may have run, and by as much a
    /// round trip would come out too short: then again.
    fn of(mut now: impl FnMut() -> Instant, mut wall: impl FnMut() -> SystemTime) -> Self {
        let mut reading = Self {
            now: now(),
            wall: wall(),
            spread: Duration::ZERO,
        };
        for _ in 1..READINGS {
            let after = now();
            reading.spread = after.saturating_duration_since(reading.now);
            if reading.spread <= SAME_MOMENT {
                break;
            }
            reading.now = after;
            reading.wall = wall();
        }
        reading
    }
}

/// What is known of the two clocks. In nanoseconds, since all of it is done for
/// each packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    origin: Instant,
    /// The wall clock since 1970 minus the other since `origin`, at the latest
    /// reading.
    apart: i128,
    /// How well that is known.
    noise: i128,
    /// What seems to be stamped before this, since `origin`, may be so by a wall
    /// clock that was set since.
    trusted_from: i128,
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

impl Clocks {
    /// From now on.
    pub(super) fn new() -> Self {
        Self::from(&Reading::take())
    }

    fn from(first: &Reading) -> Self {
        let mut clocks = Self {
            origin: first.now,
            apart: 0,
            noise: 0,
            trusted_from: 0,
        };
        (_, clocks.apart) = clocks.since(first);
        clocks.noise = nanos(first.spread);
        clocks
    }

    /// Time since the origin, and what the clocks differ by.
    fn since(&self, reading: &Reading) -> (i128, i128) {
        let now = nanos(reading.now.saturating_duration_since(self.origin));
        let wall = reading.wall.duration_since(SystemTime::UNIX_EPOCH);
        let wall = nanos(wall.unwrap_or_default());
        (now, wall - now)
    }

    /// What the kernel stamped on its wall clock, `since_1970` long ago, seen
    /// now. A stamp of the future, of more than a minute ago, or of a time when
    /// the wall clock may have been another counts as seen now.
    pub(super) fn stamp(&mut self, since_1970: Duration) -> Stamp {
        self.stamp_by(since_1970, Instant::now, SystemTime::now)
    }

    /// The clocks are read as seldom as can be: this is done for each packet.
    fn stamp_by(
        &mut self,
        since_1970: Duration,
        mut now: impl FnMut() -> Instant,
        mut wall: impl FnMut() -> SystemTime,
    ) -> Stamp {
        let quick = Reading::quick(&mut now, &mut wall);
        let (at, apart) = self.since(&quick);
        if (apart - self.apart).abs() <= nanos(SAME_MOMENT) {
            // As before: nobody set a clock, and no program ran in between.
            return self.place(since_1970, at, self.apart, quick.now);
        }
        self.stamp_at(&Reading::of(now, wall), since_1970)
    }

    fn stamp_at(&mut self, reading: &Reading, since_1970: Duration) -> Stamp {
        let (now, apart) = self.since(reading);
        let noise = nanos(reading.spread);
        let step = apart - self.apart;
        if step.abs() > nanos(NOISE) + noise + self.noise {
            // Where it was set back, stamps of before seem to be later by as
            // much.
            let from = now + (-step).clamp(0, nanos(OLDEST));
            self.trusted_from = self.trusted_from.max(from);
        }
        (self.apart, self.noise) = (apart, noise);
        self.place(since_1970, now, apart, reading.now)
    }

    /// Where a stamp lies on the clock that never goes back, which says `now`
    /// since the origin.
    fn place(&self, since_1970: Duration, now: i128, apart: i128, read: Instant) -> Stamp {
        let at = nanos(since_1970).saturating_sub(apart);
        let is_believed = at >= self.trusted_from && at <= now && now - at < nanos(OLDEST);
        let known = u64::try_from(at).ok().filter(|_| is_believed);
        let known = known.and_then(|at| self.origin.checked_add(Duration::from_nanos(at)));
        Stamp {
            at: known.unwrap_or(read),
            by_kernel: known.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn since_1970() -> Duration {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
    }

    #[test]
    fn a_stamp_of_the_kernel_is_in_the_past() {
        let mut clocks = Clocks::new();
        std::thread::sleep(ms(60));
        let stamp = clocks.stamp(since_1970().checked_sub(ms(50)).unwrap());
        assert!(stamp.by_kernel);
        let age = stamp.at.elapsed();
        assert!(age >= ms(50) && age < Duration::from_secs(5));
    }

    /// Clocks that are read at these microseconds, in turn.
    fn read_at(times: &[u64]) -> (Duration, usize) {
        let began = Instant::now();
        let times = RefCell::new(times.iter());
        let next = || Duration::from_micros(*times.borrow_mut().next().unwrap());
        let reading = Reading::of(|| began + next(), || SystemTime::UNIX_EPOCH + next());
        let wall = reading.wall.duration_since(SystemTime::UNIX_EPOCH);
        let left = times.borrow().len();
        let apart = wall.unwrap().checked_sub(reading.now.duration_since(began));
        (apart.unwrap(), left)
    }

    #[test]
    fn two_clocks_are_read_at_the_same_moment() {
        assert_eq!(read_at(&[10, 11, 11]), (Duration::from_micros(1), 0));
        // Another program ran for a millisecond, before the wall clock was read.
        let again = read_at(&[10, 1_010, 1_011, 1_012, 1_012]);
        assert_eq!(again, (Duration::from_micros(1), 0));
        // A machine without a moment to spare: eight times, and no more.
        let busy: Vec<u64> = (0..20).map(|at| at * 10).collect();
        assert_eq!(read_at(&busy), (Duration::from_micros(10), 4));
    }

    /// Readings at these microseconds, in turn, by clocks that began together;
    /// the stamp is of the 5th. Where it lies, by whom, and readings left.
    fn stamped_by(times: &[u64], set_us: u64) -> (Duration, bool, usize) {
        let began = Instant::now();
        let mut clocks = Clocks::from(&Reading {
            now: began,
            wall: SystemTime::UNIX_EPOCH,
            spread: Duration::ZERO,
        });
        let times = RefCell::new(times.iter());
        let next = || Duration::from_micros(*times.borrow_mut().next().unwrap());
        let set = Duration::from_micros(set_us);
        let told = clocks.stamp_by(
            Duration::from_micros(5),
            || began + next(),
            || SystemTime::UNIX_EPOCH + set + next(),
        );
        let left = times.borrow().len();
        (told.at - began, told.by_kernel, left)
    }

    #[test]
    fn two_readings_are_enough_while_the_clocks_agree() {
        let fifth = Duration::from_micros(5);
        assert_eq!(stamped_by(&[10, 10, 11, 11], 0), (fifth, true, 2));
        // What is read late does not move the stamp.
        assert_eq!(stamped_by(&[10, 11, 12, 12], 0), (fifth, true, 2));
        // Another program ran between the two: once more, with care.
        let again = stamped_by(&[10, 1_010, 1_011, 1_011, 1_011], 0);
        assert_eq!(again, (fifth, true, 0));
        // The clock was set: what was stamped before is not believed.
        let set = stamped_by(&[10, 10, 11, 11, 11], 1_000);
        assert_eq!(set, (Duration::from_micros(11), false, 0));
    }

    #[test]
    fn what_cannot_be_is_not_believed() {
        let now = since_1970();
        for wrong in [
            now + Duration::from_hours(1),
            now.saturating_sub(Duration::from_hours(1)),
            Duration::MAX,
            Duration::ZERO,
        ] {
            let stamp = Clocks::new().stamp(wrong);
            assert!(!stamp.by_kernel);
            assert!(stamp.at.elapsed() < Duration::from_secs(5));
        }
    }

    /// A machine whose wall clock can be set.
    struct Machine {
        began: Instant,
        at: Duration,
        wall: Duration,
    }

    impl Machine {
        fn new() -> Self {
            Self {
                began: Instant::now(),
                at: Duration::ZERO,
                wall: Duration::from_hours(500_000),
            }
        }

        fn pass(&mut self, time: Duration) {
            self.at += time;
            self.wall += time;
        }

        fn reading(&self) -> Reading {
            Reading {
                now: self.began + self.at,
                wall: SystemTime::UNIX_EPOCH + self.wall,
                spread: Duration::ZERO,
            }
        }
    }

    #[test]
    fn a_clock_that_was_set_between_stamp_and_reading_is_noticed() {
        for (set_ms, ahead) in [(20, true), (20, false), (30_000, true), (30_000, false)] {
            let mut machine = Machine::new();
            let mut clocks = Clocks::from(&machine.reading());
            machine.pass(ms(100));
            let plain = clocks.stamp_at(&machine.reading(), machine.wall.saturating_sub(ms(5)));
            assert_eq!((plain.at - machine.began, plain.by_kernel), (ms(95), true));
            machine.pass(ms(10));
            // Three packets come; then the clock is set, and they are read.
            let stamps = [machine.wall, machine.wall + ms(1), machine.wall + ms(2)];
            machine.pass(ms(3));
            let arrived = machine.at.saturating_sub(ms(3));
            if ahead {
                machine.wall += ms(set_ms);
            } else {
                machine.wall -= ms(set_ms);
            }
            machine.pass(ms(1));
            for stamp in stamps {
                let told = clocks.stamp_at(&machine.reading(), stamp);
                let at = told.at - machine.began;
                assert!(!told.by_kernel && at >= arrived && at <= machine.at);
                machine.pass(ms(1));
            }
            // Later ones are of the clock as it is now.
            machine.pass(ms(set_ms));
            let stamp = machine.wall;
            machine.pass(ms(7));
            let told = clocks.stamp_at(&machine.reading(), stamp);
            assert_eq!(told.at - machine.began, machine.at.saturating_sub(ms(7)));
            assert!(told.by_kernel);
        }
    }

    #[test]
    fn a_reading_that_took_long_is_no_step() {
        let mut machine = Machine::new();
        let mut clocks = Clocks::from(&machine.reading());
        machine.pass(ms(100));
        let mut slow = machine.reading();
        slow.wall += ms(2);
        slow.spread = ms(2);
        assert!(
            clocks
                .stamp_at(&slow, machine.wall.saturating_sub(ms(1)))
                .by_kernel
        );
    }
}
