//! Times before a line.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Style, Time};

const SECOND: u64 = 1_000_000_000;

/// What times of earlier packets are needed for.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    /// That of the first packet, or with `-ttt` of the one before.
    reference: Option<u64>,
}

impl Stamps {
    /// The time of a packet (nanoseconds since 1970) and what separates it
    /// from what follows; nothing with `-t`.
    pub(super) fn show(&mut self, at_ns: u64, style: &Style) -> String {
        let (time, nanoseconds) = (style.time, style.nanoseconds);
        let fraction = |ns: u64| {
            let ns = ns % SECOND;
            if nanoseconds {
                format!("{ns:09}")
            } else {
                format!("{:06}", ns / 1_000)
            }
        };
        match time {
            Time::None => String::new(),
            Time::Seconds => format!("{}.{} ", at_ns / SECOND, fraction(at_ns)),
            Time::OfDay | Time::Date => {
                let mut out = String::new();
                // Beyond the year 9999 jiff has no dates, and neither has the packet.
                let stamp = Timestamp::from_nanosecond(at_ns.into()).unwrap_or_default();
                let local = style.zone.to_datetime(stamp);
                let format = if time == Time::Date {
                    "%Y-%m-%d %H:%M:%S"
                } else {
                    "%H:%M:%S"
                };
                let _ = write!(out, "{}.{} ", local.strftime(format), fraction(at_ns));
                out
            }
            Time::SincePrevious | Time::SinceFirst => {
                let reference = *self.reference.get_or_insert(at_ns);
                if time == Time::SincePrevious {
                    self.reference = Some(at_ns);
                }
                // Seconds and fractions apart: what is not shown of the
                // fractions is not part of the difference.
                let unit = if nanoseconds { 1 } else { 1_000 };
                let (now, then) = (at_ns / unit * unit, reference / unit * unit);
                let sign = if now < then { '-' } else { ' ' };
                let apart = now.abs_diff(then);
                let seconds = apart / SECOND;
                format!(
                    "{sign}{:02}:{:02}:{:02}.{} ",
                    seconds / 3_600,
                    seconds / 60 % 60,
                    seconds % 60,
                    fraction(apart)
                )
            }
        }
    }
}
