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
}

impl Clock {
    /// A stamped clock before its first frame.
    pub const STAMPED: Self = Self::Stamped { latest_us: 0 };

    /// What Hello says of it.
    pub fn kind(self) -> ClockKind {
        match self {
            Self::SinceBoot => ClockKind::SinceBoot,
            Self::Stamped { .. } => ClockKind::Unix,
        }
    }

    /// The sensor's time now.
    pub fn now(self, boot_us: u64) -> u64 {
        match self {
            Self::SinceBoot => boot_us,
            Self::Stamped { latest_us } => latest_us,
        }
    }

    /// Longest frame of the mirrored wire when the port takes `on_port` octets.
    pub fn longest(self, on_port: usize) -> usize {
        match self {
            Self::SinceBoot => on_port,
            Self::Stamped { .. } => on_port.saturating_sub(STAMP_OCTETS),
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
                let (frame, stamp) = octets.split_last_chunk::<STAMP_OCTETS>()?;
                let at = u64::from_be_bytes(*stamp);
                i64::try_from(at).ok()?;
                *latest_us = at;
                Some((at, frame))
            }
        }
    }
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
