//! Small words of the screen.

use magpie_protocol::Known;

use super::line::Tone;
use super::pace::Pace;
use crate::views::text::{self, thousands};

/// A rate as a whole number.
pub(super) fn whole(rate: f64) -> String {
    // Rates are finite and not negative.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let n = rate.round() as u64;
    thousands(n)
}

/// Megabits and frames a second; `-` while no two ledgers tell.
pub(super) fn link_rates(pace: &Pace) -> [String; 2] {
    pace.a_second.map_or_else(
        || ["-".to_owned(), "-".to_owned()],
        |rates| [text::megabits(rates.octets), whole(rates.frames)],
    )
}

/// How long something takes or took, short: `412ms`, `59s`, `12m`, `3h`, `9d`.
pub(super) fn span(us: u64) -> String {
    let seconds = us / 1_000_000;
    match seconds {
        0 => format!("{}ms", us / 1_000),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A counter of losses.
pub(super) fn known(known: Known) -> (Tone, String) {
    let tone = if known.value() > 0 {
        Tone::Loss
    } else {
        Tone::Plain
    };
    (tone, text::known(known))
}

/// Octets a second as bits a second, as lines are sold: `840 b/s`, `3.1 kb/s`,
/// `37 kb/s`, `1.2 Mb/s`.
pub(super) fn bits(octets_a_second: f64) -> String {
    let bits = octets_a_second * 8.0;
    match bits {
        ..999.5 => format!("{bits:.0} b/s"),
        ..9_950.0 => format!("{:.1} kb/s", bits / 1e3),
        ..999_500.0 => format!("{:.0} kb/s", bits / 1e3),
        _ => format!("{:.1} Mb/s", bits / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_are_short() {
        for (us, text) in [
            (412_000, "412ms"),
            (59_999_999, "59s"),
            (60_000_000, "1m"),
            (7_200_000_000, "2h"),
            (864_000_000_000, "10d"),
        ] {
            assert_eq!(span(us), text);
        }
        assert_eq!(whole(18_401.6), "18,402");
        for (octets, text) in [
            (0.0, "0 b/s"),
            (105.0, "840 b/s"),
            (124.95, "1.0 kb/s"),
            (390.0, "3.1 kb/s"),
            (4_625.0, "37 kb/s"),
            (124_990.0, "1.0 Mb/s"),
            (1.5e6, "12.0 Mb/s"),
        ] {
            assert_eq!(bits(octets), text);
        }
    }
}
