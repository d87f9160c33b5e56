//! Sensor time and the host's.
//!
//! # The bound
//!
//! One question and its answer, stamped by both, give the offset of the two
//! clocks to within half the time that the two were under way. From then on
//! the clocks drift apart: by [`DRIFT_PPM`] at most, it is assumed, until two
//! answers contradict that. Then, and as long as answers do not show less, by
//! as much as those two allow. So
//!
//! ```text
//! bound = way / 2 + drift * (exchange + age)
//! ```
//!
//! holds from the first answer on for a clock as good as is assumed, and for
//! any other one from the answer on that shows it to be worse.

use magpie_protocol::TimeReply;

/// Two clocks drift apart by at most so much, in parts per million: ten times
/// what a cheap crystal is sold with.
const DRIFT_PPM: u64 = 200;
/// The drift of a clock that stands still, as one does while an emulator is
/// paused. A clock moved by hand has moved once: no rate comes of it.
const STANDSTILL_PPM: u64 = 1_000_000;

/// How sensor time maps to wall time, and how far that may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Wall time since 1970 minus sensor time, in microseconds.
    pub offset_us: i64,
    /// Host time of the measurement.
    pub measured_us: u64,
    /// How fast the bound grows, in parts per million: what two clocks may
    /// drift apart, or what these two are known to, where that is more.
    pub drift_ppm: u64,
    /// So far the offset was wrong at most, had no clock drifted.
    way_us: u64,
    /// How long the measurement took.
    exchange_us: u64,
}

/// What two clocks drift apart in so many microseconds, rounded up.
fn drifted(age_us: u64, ppm: u64) -> u64 {
    let apart = u128::from(age_us) * u128::from(ppm);
    u64::try_from(apart.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl Clock {
    /// Out of one exchange: the request left and the reply came at host time,
    /// in between the sensor stamped both. `None` where the stamps cannot be
    /// from one exchange.
    pub(crate) fn measure(reply: &TimeReply, arrived_us: u64) -> Option<Self> {
        let trip = arrived_us.checked_sub(reply.host_us)?;
        let held = reply.sent_us.checked_sub(reply.received_us)?;
        // The sensor's clock may tick faster than the host's, but not so much.
        if held > trip.saturating_add(trip / 16).saturating_add(1_000) {
            return None;
        }
        let middle = |a: u64, b: u64| i128::from(a) + i128::from(b);
        let doubled = middle(reply.host_us, arrived_us) - middle(reply.received_us, reply.sent_us);
        Some(Self {
            offset_us: i64::try_from(doubled / 2).ok()?,
            measured_us: arrived_us,
            drift_ppm: DRIFT_PPM,
            // And a microsecond for the rounding of the stamps of each side.
            way_us: trip.saturating_sub(held).div_ceil(2).saturating_add(2),
            exchange_us: trip,
        })
    }

    /// The error bound at host time `now_us`: it grows with age.
    pub fn bound_at(&self, now_us: u64) -> u64 {
        let age = now_us.saturating_sub(self.measured_us);
        let since = self.exchange_us.saturating_add(age);
        self.way_us.saturating_add(drifted(since, self.drift_ppm))
    }

    /// The error bound of a sensor time: as old as it is away from the
    /// measurement, before or after.
    pub(crate) fn bound_of(&self, sensor_us: u64) -> u64 {
        let away = self
            .wall_us(sensor_us)
            .abs_diff(i128::from(self.measured_us));
        let away = u64::try_from(away).unwrap_or(u64::MAX);
        self.bound_at(self.measured_us.saturating_add(away))
    }

    /// Wall time since 1970 of a sensor time, in microseconds.
    pub fn wall_us(&self, sensor_us: u64) -> i128 {
        i128::from(sensor_us) + i128::from(self.offset_us)
    }

    /// Whether a later measurement can be of the same clock, running as
    /// clocks do. It cannot when either clock was set or stood still, or
    /// drifts more than is believed.
    pub(crate) fn agrees(&self, fresh: &Self) -> bool {
        let age = fresh.measured_us.saturating_sub(self.measured_us);
        let all = age.saturating_add(self.exchange_us.saturating_add(fresh.exchange_us));
        let room = self.unsure(fresh).saturating_add(drifted(all, DRIFT_PPM));
        self.offset_us.abs_diff(fresh.offset_us) <= room
    }

    fn unsure(&self, fresh: &Self) -> u64 {
        self.way_us.saturating_add(fresh.way_us)
    }

    /// The most that two clocks can have drifted from here to there, in parts
    /// per million, both measurements being right.
    fn allowed_ppm(&self, fresh: &Self) -> u64 {
        let age = fresh.measured_us.saturating_sub(self.measured_us);
        // They drifted during the measurements as well.
        let age = age.saturating_sub(self.exchange_us.saturating_add(fresh.exchange_us));
        let moved = u128::from(self.offset_us.abs_diff(fresh.offset_us));
        let apart = moved.saturating_add(u128::from(self.unsure(fresh)));
        u64::try_from(apart * 1_000_000 / u128::from(age.max(1))).unwrap_or(u64::MAX)
    }

    /// What holds after a later measurement: the tighter of the two; the
    /// later one where they contradict each other, however tight the earlier
    /// was, and with it the drift that they allow.
    pub(crate) fn then(self, fresh: Self) -> Self {
        let allowed = self.allowed_ppm(&fresh);
        if !self.agrees(&fresh) {
            return Self {
                drift_ppm: allowed.clamp(DRIFT_PPM, STANDSTILL_PPM),
                ..fresh
            };
        }
        // A clock that has drifted more than is assumed is believed to do so
        // until a measurement shows less, and then to do what that allows.
        let drift_ppm = allowed.clamp(DRIFT_PPM, self.drift_ppm.max(DRIFT_PPM));
        let fresh = Self { drift_ppm, ..fresh };
        if fresh.bound_at(fresh.measured_us) <= self.bound_at(fresh.measured_us) {
            fresh
        } else {
            Self { drift_ppm, ..self }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reply(host: u64, received: u64, sent: u64) -> TimeReply {
        TimeReply {
            id: 1,
            host_us: host,
            received_us: received,
            sent_us: sent,
        }
    }

    #[test]
    fn the_true_offset_lies_within_the_bound() {
        // True offset 1,000,000; 300 us there, 40 us held, 100 us back.
        let stamps = reply(2_000_000, 1_000_300, 1_000_340);
        let clock = Clock::measure(&stamps, 2_000_440).unwrap();
        let bound = clock.bound_at(2_000_440);
        assert!(clock.offset_us.abs_diff(1_000_000) <= bound);
        assert_eq!((clock.offset_us, bound), (999_900, 203));
        assert_eq!(clock.wall_us(5), 999_905);
        assert_eq!(clock.bound_at(12_000_440), 2_203);
    }

    #[test]
    fn impossible_stamps_are_no_measurement() {
        assert_eq!(Clock::measure(&reply(10, 0, 0), 9), None);
        assert_eq!(Clock::measure(&reply(10, 5, 4), 20), None);
        assert_eq!(Clock::measure(&reply(10, 0, 1_000_000), 20), None);
        let last = reply(u64::MAX, 0, 0);
        assert_eq!(Clock::measure(&last, u64::MAX), None);
    }

    fn known(offset_us: i64, way_us: u64, measured_us: u64) -> Clock {
        Clock {
            offset_us,
            way_us,
            measured_us,
            exchange_us: 0,
            drift_ppm: DRIFT_PPM,
        }
    }

    #[test]
    fn an_old_tight_bound_gives_way_to_a_fresh_wider_one() {
        let old = known(1, 10, 0);
        let fresh = known(2, 500, 10_000_000);
        assert_eq!(old.then(fresh), fresh);
        assert_eq!(old.then(known(2, 5_000, 10_000_000)), old);
    }

    #[test]
    fn a_tight_bound_that_was_refuted_is_given_up() {
        let old = known(0, 10, 0);
        // A second stood still within ten.
        let fresh = known(1_000_000, 5_000, 10_000_000);
        let held = old.then(fresh);
        assert_eq!((held.offset_us, held.way_us), (1_000_000, 5_000));
        assert_eq!(held.drift_ppm, 100_501, "the drift that was seen at most");
        // It runs as before: nothing more is held against it.
        let later = known(1_000_000, 5_000, 11_000_000);
        assert!(held.agrees(&later));
        let then = held.then(later);
        assert_eq!((then.offset_us, then.way_us), (1_000_000, 5_000));
        assert_eq!(then.drift_ppm, 10_000, "what one second allows");
        // Ten seconds with tight bounds allow no more than is assumed.
        let last = known(1_000_000, 10, 21_000_000);
        let tight = known(1_000_000, 10, 11_000_000);
        assert_eq!(held.then(tight).then(last), last);
        // Set by an hour, in either direction; a host's clock set back.
        for (offset, at) in [(3_600_000_000, 1_000), (-3_600_000_000, 1_000), (-9_000, 0)] {
            let held = known(0, 10, 500).then(known(offset, 10, at));
            assert_eq!(held.offset_us, offset);
            assert!((DRIFT_PPM..=STANDSTILL_PPM).contains(&held.drift_ppm));
        }
    }

    #[test]
    fn the_bound_of_a_steady_drift_holds_between_two_measurements() {
        // 1 % slow: the offset grows by 10 ms a second.
        let true_offset = |at_us: u64| i64::try_from(at_us / 100).unwrap();
        let mut clock = known(0, 300, 0);
        for n in 1..20_u64 {
            let at = n * 1_000_000;
            // Measured at the edge of what the bound allows, either way.
            let wrong = if n % 2 == 0 { 300 } else { -300 };
            clock = clock.then(known(true_offset(at) + wrong, 300, at));
            for later in [at, at + 400_000, at + 1_000_000] {
                let error = clock.offset_us.abs_diff(true_offset(later));
                assert!(error <= clock.bound_at(later), "{n}: {error} {clock:?}");
            }
        }
    }

    proptest! {
        /// Questions at any times, whose ways there and back take any times and
        /// which the sensor holds for any time; its clock drifts steadily.
        #[test]
        fn the_bound_holds_at_every_age(
            ppm in prop_oneof![-200..=200_i64, -60_000..=60_000_i64],
            exchanges in prop::collection::vec(
                (0..12_000_000_u64, 0..9_000_u64, 0..90_000_u64, 0..9_000_u64), 2..40),
        ) {
            let sensor = |host_us: u64| {
                let host = i64::try_from(host_us).unwrap();
                u64::try_from(host + host * ppm / 1_000_000).unwrap()
            };
            let mut clock: Option<Clock> = None;
            // Within what is assumed; or shown to be worse.
            let mut known = ppm.abs() <= 200;
            let mut now = 1_000_000_000;
            for (pause, there, held, back) in exchanges {
                let asked = now + pause;
                for at in [now, now + pause / 2, asked] {
                    if let Some(clock) = clock.filter(|_| known) {
                        let error = (clock.wall_us(sensor(at)) - i128::from(at)).unsigned_abs();
                        prop_assert!(error <= u128::from(clock.bound_at(at)), "{error} {clock:?}");
                    }
                }
                let stamps = reply(asked, sensor(asked + there), sensor(asked + there + held));
                now = asked + there + held + back;
                let Some(fresh) = Clock::measure(&stamps, now) else {
                    prop_assert!(!known, "a good answer is refused: {stamps:?}");
                    continue;
                };
                clock = Some(match clock {
                    Some(old) => {
                        known |= !old.agrees(&fresh);
                        old.then(fresh)
                    }
                    None => fresh,
                });
            }
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        let old = known(i64::MIN, u64::MAX, 0);
        let held = old.then(known(i64::MAX, u64::MAX, u64::MAX));
        assert_eq!(held.bound_at(u64::MAX), u64::MAX);
        let held = known(i64::MIN, 0, 0).then(known(i64::MAX, 0, 1));
        assert_eq!(held.drift_ppm, STANDSTILL_PPM);
    }
}
