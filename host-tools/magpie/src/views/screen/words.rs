//! Small words of the screen.

use crate::views::text::thousands;

/// A rate as a whole number.
pub(super) fn whole(rate: f64) -> String {
    // Rates are finite and not negative.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let n = rate.round() as u64;
    thousands(n)
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
    }
}
