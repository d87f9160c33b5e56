//! Words and columns for people.

use std::fmt::Write as _;

use magpie_protocol::Known;

/// 1234567 as `1,234,567`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A counter as far as it is known. "At least 0" says as much as nothing, and
/// looks like a loss: it is `?` too, whether nobody counts or a counter shows
/// none and may have missed some.
pub fn known(known: Known) -> String {
    match known {
        Known::Unknown | Known::AtLeast(0) => "?".to_owned(),
        Known::Exact(n) => thousands(n),
        Known::AtLeast(n) => format!(">={}", thousands(n)),
    }
}

/// Microseconds as milliseconds: three digits after the point below 1, one
/// from there on.
pub fn millis(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "" };
    let us = us.unsigned_abs();
    if us < 1_000 {
        return format!("{sign}0.{us:03}");
    }
    format!("{sign}{}.{}", us / 1_000, us / 100 % 10)
}

/// Microseconds as `02:14:03`, days before it where there are some.
pub fn clock(us: u64) -> String {
    let seconds = us / 1_000_000;
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let time = format!(
        "{:02}:{:02}:{:02}",
        of_day / 3_600,
        of_day / 60 % 60,
        of_day % 60
    );
    if days > 0 {
        format!("{days}d {time}")
    } else {
        time
    }
}

/// A part of a whole in per cent with one digit after the point.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let tenths = u128::from(part) * 1_000 / u128::from(whole);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Octets a second as megabits a second: two digits after the point below 1,
/// one from there on.
pub fn megabits(octets_a_second: f64) -> String {
    let megabits = octets_a_second * 8.0 / 1e6;
    if megabits < 0.995 {
        format!("{megabits:.2}")
    } else {
        format!("{megabits:.1}")
    }
}

/// What is to be known of loss where this machine threw answers away.
pub fn queue_drops(packets: u64) -> String {
    let (packets, noun) = match packets {
        1 => ("1".to_owned(), "packet"),
        many => (thousands(many), "packets"),
    };
    format!(
        "{packets} {noun} found no room in this machine's receive queue: what is lost may have \
         arrived"
    )
}

/// Printable text only: names of sensors and files are a stranger's words, and
/// must not move the cursor.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// Lines of columns. `>` in `align` sets a column to the right, anything else
/// to the left; the last left one is not padded.
#[derive(Debug, Clone)]
pub struct Columns {
    align: &'static str,
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// Columns with a heading.
    pub fn new(align: &'static str, heading: &[&str]) -> Self {
        let heading = heading.iter().map(ToString::to_string).collect();
        Self {
            align,
            rows: vec![heading],
        }
    }

    /// Adds a line.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// Likewise, where how many cells there are is not known before.
    pub fn cells(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// How many lines there are, the heading not counted.
    pub fn len(&self) -> usize {
        self.rows.len() - 1
    }

    /// True when there is only the heading.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lines, each after `indent`.
    pub fn lines(&self, indent: &str) -> Vec<String> {
        let columns = self.align.chars().count();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let mut line = indent.to_owned();
            for ((cell, width), align) in row.iter().zip(&widths).zip(self.align.chars()) {
                if line.len() > indent.len() {
                    line.push_str("  ");
                }
                // Writing to a String cannot fail.
                let _ = if align == '>' {
                    write!(line, "{cell:>width$}")
                } else {
                    write!(line, "{cell:<width$}")
                };
            }
            line.truncate(line.trim_end().len());
            line
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(thousands(n), text);
        }
        for (counter, text) in [
            (Known::Unknown, "?"),
            (Known::AtLeast(0), "?"),
            (Known::AtLeast(1_000), ">=1,000"),
            (Known::Exact(0), "0"),
            (Known::Exact(1_000), "1,000"),
        ] {
            assert_eq!(known(counter), text);
        }
        assert_eq!(millis(11_249), "11.2");
        assert_eq!(millis(-50_000), "-50.0");
        assert_eq!(millis(41), "0.041");
        assert_eq!(clock(8_043_000_000), "02:14:03");
        assert_eq!(clock(90_061_000_000), "1d 01:01:01");
        assert_eq!(percent(1, 3), "33.3");
        assert_eq!(percent(0, 0), "-");
        assert_eq!(megabits(50_000.0), "0.40");
        assert_eq!(megabits(5e6), "40.0");
        assert_eq!(plain("a\x1b[2Jb"), "a?[2Jb");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut columns = Columns::new("<>", &["NAME", "N"]);
        columns.row(["a".to_owned(), "10,000".to_owned()]);
        assert_eq!(columns.lines("  "), ["  NAME       N", "  a     10,000"]);
    }

    #[test]
    fn drops_are_told_in_packets() {
        assert_eq!(
            queue_drops(1),
            "1 packet found no room in this machine's receive queue: what is lost may have arrived"
        );
        assert!(queue_drops(12_345).starts_with("12,345 packets found "));
    }
}
