//! Time stamps, exact and never wrapped.

/// A time stamp: microseconds since 1970 and what is beyond them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) us: u64,
    pub(crate) nanos: u16,
    pub(crate) clamped: bool,
}

const LAST: Stamp = Stamp {
    us: u64::MAX,
    nanos: 999,
    clamped: true,
};

/// How an interface of a pcapng section counts time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resolution {
    /// Ticks a second.
    per_second: u128,
    /// Seconds to add.
    offset: i64,
}

impl Resolution {
    pub(crate) const MICROSECONDS: Self = Self {
        per_second: 1_000_000,
        offset: 0,
    };

    /// Takes `if_tsresol`: a negative power of two (bit 7 set) or of ten.
    pub(crate) fn set_resolution(&mut self, code: u8) {
        let power = u32::from(code & 0x7f);
        // What 128 bits cannot hold makes every time zero, and so does the maximum.
        self.per_second = if code & 0x80 == 0 {
            10_u128.checked_pow(power).unwrap_or(u128::MAX)
        } else {
            1 << power
        };
    }

    /// Takes `if_tsoffset`.
    pub(crate) fn set_offset(&mut self, seconds: i64) {
        self.offset = seconds;
    }

    #[inline]
    pub(crate) fn stamp(&self, ticks: u64) -> Stamp {
        match (self.per_second, self.offset) {
            (1_000_000, 0) => Stamp {
                us: ticks,
                nanos: 0,
                clamped: false,
            },
            (1_000_000_000, 0) => Stamp {
                us: ticks / 1_000,
                nanos: (ticks % 1_000) as u16,
                clamped: false,
            },
            _ => self.wide(ticks),
        }
    }

    #[cold]
    fn wide(&self, ticks: u64) -> Stamp {
        // 64 bits of ticks times 10^9 are under 2^94, and so is any offset.
        let ns = i128::from(self.offset) * 1_000_000_000
            + (u128::from(ticks) * 1_000_000_000 / self.per_second).cast_signed();
        let Ok(ns) = u128::try_from(ns) else {
            return Stamp {
                us: 0,
                nanos: 0,
                clamped: true,
            };
        };
        match u64::try_from(ns / 1_000) {
            Ok(us) => Stamp {
                us,
                nanos: (ns % 1_000) as u16,
                clamped: false,
            },
            Err(_) => LAST,
        }
    }
}

/// A pcap record's stamp; `fraction` may exceed a second and is added whole.
#[inline]
pub(crate) fn pcap(seconds: u32, fraction: u32, nanoseconds: bool) -> Stamp {
    let base = u64::from(seconds) * 1_000_000;
    let (us, nanos) = if nanoseconds {
        (fraction / 1_000, (fraction % 1_000) as u16)
    } else {
        (fraction, 0)
    };
    Stamp {
        us: base + u64::from(us),
        nanos,
        clamped: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resolution() {
        // (if_tsresol, if_tsoffset, ticks) -> (microseconds, nanoseconds, clamped)
        let cases = [
            (6, 0, 1_500_000, (1_500_000, 0, false)),
            (6, 0, u64::MAX, (u64::MAX, 0, false)),
            (9, 0, 1_234_567, (1_234, 567, false)),
            (9, 1, 7, (1_000_000, 7, false)),
            (3, 0, 7, (7_000, 0, false)),
            (0, 0, 7, (7_000_000, 0, false)),
            (0, 0, u64::MAX, (u64::MAX, 999, true)),
            (12, 0, 1_234_567_890, (1_234, 567, false)),
            (0x80 + 20, 0, 1 << 20, (1_000_000, 0, false)),
            (0x80 + 30, 0, 1, (0, 0, false)),
            (0x80 + 10, 0, 1, (976, 562, false)),
            (0xff, 5, u64::MAX, (5_000_000, 0, false)),
            (0x7f, 5, u64::MAX, (5_000_000, 0, false)),
            (6, -2, 1_999_999, (0, 0, true)),
            (6, -2, 2_000_001, (1, 0, false)),
            (6, i64::MIN, u64::MAX, (0, 0, true)),
            (6, i64::MAX, 0, (u64::MAX, 999, true)),
        ];
        for (code, offset, ticks, (us, nanos, clamped)) in cases {
            let mut resolution = Resolution::MICROSECONDS;
            resolution.set_resolution(code);
            resolution.set_offset(offset);
            let stamp = Stamp { us, nanos, clamped };
            assert_eq!(resolution.stamp(ticks), stamp, "{code} {offset} {ticks}");
        }
    }
}
