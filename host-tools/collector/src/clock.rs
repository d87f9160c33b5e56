//! Sensor time and the host's.

use magpie_protocol::TimeReply;

/// Two clocks drift apart by at most so much, in parts per million: ten times
/// what a cheap crystal is sold with.
const DRIFT_PPM: u64 = 200;

/// How sensor time maps to wall time, and how far that may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Wall time since 1970 minus sensor time, in microseconds.
    pub offset_us: i64,
    /// The offset is at most so far from the true one, as of `measured_us`.
    pub bound_us: u64,
    /// Host time of the measurement.
    pub measured_us: u64,
}

impl Clock {
    /// Out of one exchange: the request left and the reply came at host time,
    /// in between the sensor stamped both. `None` where the stamps cannot be
    /// from one exchange.
    pub(crate) fn measure(reply: &TimeReply, arrived_us: u64) -> Option<Self> {
        let trip = arrived_us.checked_sub(reply.host_us)?;
        let held = reply.sent_us.checked_sub(reply.received_us)?;
        // The sensor's clock may tick a little faster than the host's.
        let way = trip.saturating_sub(held);
        if held > trip.saturating_add(trip / 1_000).saturating_add(1_000) {
            return None;
        }
        let middle = |a: u64, b: u64| i128::from(a) + i128::from(b);
        let doubled = middle(reply.host_us, arrived_us) - middle(reply.received_us, reply.sent_us);
        Some(Self {
            offset_us: i64::try_from(doubled / 2).ok()?,
            // Half the way, and one microsecond for the rounding of each stamp.
            bound_us: way.div_ceil(2).saturating_add(2),
            measured_us: arrived_us,
        })
    }

    /// The error bound at host time `now_us`: it grows with age.
    pub fn bound_at(&self, now_us: u64) -> u64 {
        let age = now_us.saturating_sub(self.measured_us);
        self.bound_us
            .saturating_add((age / 1_000_000).saturating_mul(DRIFT_PPM))
    }

    /// Wall time since 1970 of a sensor time, in microseconds.
    pub fn wall_us(&self, sensor_us: u64) -> i128 {
        i128::from(sensor_us) + i128::from(self.offset_us)
    }

    /// The better of two measurements at host time `now_us`.
    pub(crate) fn better(self, other: Self, now_us: u64) -> Self {
        if other.bound_at(now_us) <= self.bound_at(now_us) {
            other
        } else {
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let clock = Clock::measure(&reply(2_000_000, 1_000_300, 1_000_340), 2_000_440).unwrap();
        assert!(clock.offset_us.abs_diff(1_000_000) <= clock.bound_us);
        assert_eq!((clock.offset_us, clock.bound_us), (999_900, 202));
        assert_eq!(clock.wall_us(5), 999_905);
        assert_eq!(clock.bound_at(12_000_440), 2_202);
    }

    #[test]
    fn impossible_stamps_are_no_measurement() {
        assert_eq!(Clock::measure(&reply(10, 0, 0), 9), None);
        assert_eq!(Clock::measure(&reply(10, 5, 4), 20), None);
        assert_eq!(Clock::measure(&reply(10, 0, 1_000_000), 20), None);
        assert_eq!(Clock::measure(&reply(u64::MAX, 0, 0), u64::MAX), None);
    }

    #[test]
    fn an_old_tight_bound_gives_way_to_a_fresh_wider_one() {
        let old = Clock {
            offset_us: 1,
            bound_us: 10,
            measured_us: 0,
        };
        let fresh = Clock {
            offset_us: 2,
            bound_us: 500,
            measured_us: 10_000_000,
        };
        assert_eq!(old.better(fresh, 10_000_000), fresh);
        assert_eq!(
            old.better(
                Clock {
                    bound_us: 5_000,
                    ..fresh
                },
                10_000_000
            ),
            old
        );
    }
}
