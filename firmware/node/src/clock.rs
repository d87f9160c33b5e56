//! Which time the sensor lives in.

use magpie_protocol::ClockKind;

/// Octets of the stamp behind a frame: microseconds since 1970, big endian.
pub const STAMP_OCTETS: usize = 8;

/// The sensor's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Microseconds since boot.
    SinceBoot,
    /// Every frame carries its time behind it ([`STAMP_OCTETS`]); between
    /// frames the clock stands still. So a capture that is fed to a board has
    /// its own times, and time-outs, however fast it is fed.
    Stamped {
        /// The last frame's time, microseconds since 1970.
        latest_us: u64,
    },
    /// Every frame carries its time behind it, and between frames the clock
    /// goes on: a live wire is fed, and where it is quiet time passes too.
    /// (What was read late makes it late; the next stamp sets it right, be it
    /// back.)
    Running {
        /// The last frame's time, microseconds since 1970; 0 before the first
        /// one: until then it stands still.
        latest_us: u64,
        /// When that frame was read, microseconds since boot.
        came_us: u64,
    },
}

impl Clock {
    /// A stamped clock before its first frame.
    pub const STAMPED: Self = Self::Stamped { latest_us: 0 };

    /// A stamped clock of a live wire before its first frame.
    pub const RUNNING: Self = Self::Running {
        latest_us: 0,
        came_us: 0,
    };

    /// What Hello says of it.
    pub fn kind(self) -> ClockKind {
        match self {
            Self::SinceBoot => ClockKind::SinceBoot,
            Self::Stamped { .. } | Self::Running { .. } => ClockKind::Unix,
        }
    }

    /// The sensor's time now.
    pub fn now(self, boot_us: u64) -> u64 {
        match self {
            Self::SinceBoot => boot_us,
            Self::Stamped { latest_us } => latest_us,
            Self::Running { latest_us: 0, .. } => 0,
            Self::Running { latest_us, came_us } => {
                latest_us.saturating_add(boot_us.saturating_sub(came_us))
            }
        }
    }

    /// When it will show this time of the sensor, in microseconds since boot.
    /// `None` while it stands still.
    pub(crate) fn boot_us_at(self, sensor_us: u64) -> Option<u64> {
        match self {
            Self::SinceBoot => Some(sensor_us),
            Self::Stamped { .. } | Self::Running { latest_us: 0, .. } => None,
            Self::Running { latest_us, came_us } => {
                Some(came_us.saturating_add(sensor_us.saturating_sub(latest_us)))
            }
        }
    }

    /// Longest frame of the mirrored wire when the port takes `on_port` octets.
    pub fn longest(self, on_port: usize) -> usize {
        match self {
            Self::SinceBoot => on_port,
            Self::Stamped { .. } | Self::Running { .. } => on_port.saturating_sub(STAMP_OCTETS),
        }
    }

    /// A frame as it was on the mirrored wire, and when. `None` when its stamp
    /// cannot be one: too short for it, or later than any clock says
    /// (beyond `i64`, the year 294,246).
    pub(crate) fn take<'f>(
        &mut self,
        boot_us: impl Fn() -> u64,
        octets: &'f [u8],
    ) -> Option<(u64, &'f [u8])> {
        match self {
            Self::SinceBoot => Some((boot_us(), octets)),
            Self::Stamped { latest_us } => {
                let (at, frame) = split(octets)?;
                *latest_us = at;
                Some((at, frame))
            }
            Self::Running { latest_us, came_us } => {
                let (at, frame) = split(octets)?;
                *latest_us = at;
                *came_us = boot_us();
                Some((at, frame))
            }
        }
    }
}

/// The stamp behind a frame, and the frame.
fn split(octets: &[u8]) -> Option<(u64, &[u8])> {
    let (frame, stamp) = octets.split_last_chunk::<STAMP_OCTETS>()?;
    let at = u64::from_be_bytes(*stamp);
    i64::try_from(at).ok()?;
    Some((at, frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_taken_off_and_sets_the_clock() {
        let mut clock = Clock::STAMPED;
        assert_eq!(clock.now(99), 0);
        let mut octets = vec![1, 2, 3];
        octets.extend(1_700_000_000_123_456_u64.to_be_bytes());
        let taken = clock.take(|| 99, &octets);
        assert_eq!(taken, Some((1_700_000_000_123_456, &[1, 2, 3][..])));
        assert_eq!(clock.now(99), 1_700_000_000_123_456);
        assert_eq!(clock.kind(), ClockKind::Unix);
        // A capture may step back.
        assert_eq!(clock.take(|| 99, &5_u64.to_be_bytes()), Some((5, &[][..])));
        assert_eq!(clock.now(99), 5);
    }

    #[test]
    fn a_running_clock_goes_on_from_its_last_stamp() {
        let mut clock = Clock::RUNNING;
        assert_eq!(clock.kind(), ClockKind::Unix);
        assert_eq!(clock.longest(100), 100 - STAMP_OCTETS);
        // Before the first one there is nothing to go on from.
        assert_eq!((clock.now(99), clock.boot_us_at(5)), (0, None));
        assert_eq!(clock.take(|| 99, &[0xff; 20]), None);
        assert_eq!((clock.now(99), clock.boot_us_at(5)), (0, None));
        let stamp = 1_700_000_000_000_000_u64;
        assert_eq!(
            clock.take(|| 99, &stamp.to_be_bytes()),
            Some((stamp, &[][..]))
        );
        assert_eq!((clock.now(99), clock.now(1_099)), (stamp, stamp + 1_000));
        assert_eq!(clock.boot_us_at(stamp + 1_000), Some(1_099));
        // What is long due is due since the stamp.
        assert_eq!(clock.boot_us_at(7), Some(99));
        // A frame that was read late, and one that was stamped earlier.
        for at in [stamp + 500, stamp - 500] {
            assert_eq!(clock.take(|| 2_099, &at.to_be_bytes()), Some((at, &[][..])));
            assert_eq!(clock.now(2_100), at + 1);
        }
        let last = u64::MAX / 2;
        assert!(clock.take(|| 3_000, &last.to_be_bytes()).is_some());
        assert_eq!(clock.now(u64::MAX), u64::MAX);
        assert_eq!(clock.boot_us_at(u64::MAX), Some(last + 1 + 3_000));
    }

    #[test]
    fn what_cannot_be_a_stamp_leaves_the_clock() {
        let mut clock = Clock::Stamped { latest_us: 7 };
        assert_eq!(clock.take(|| 99, &[0; 7]), None);
        assert_eq!(clock.take(|| 99, &[0xff; 20]), None);
        assert_eq!(clock.now(99), 7);
    }

    #[test]
    fn since_boot_takes_the_frame_as_it_is() {
        let mut clock = Clock::SinceBoot;
        assert_eq!(clock.take(|| 99, &[0xff; 20]), Some((99, &[0xff; 20][..])));
        assert_eq!(clock.kind(), ClockKind::SinceBoot);
    }
}
