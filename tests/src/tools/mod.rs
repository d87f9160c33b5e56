//! What ping, traceroute, mtr and fping say, read from what they print, so
//! that ours can be held against them field by field.
//!
//! A line that is not understood fails the test: what is left out unread would
//! not be compared.

pub mod fping;
pub mod mtr;
pub mod ours;
pub mod ping;
pub mod table;
pub mod traceroute;

use std::process::Output;

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it said on stderr.
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |octets| String::from_utf8_lossy(octets).into_owned();
        Self {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

/// The middle one; of an even number, the lower of two. None of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = sorted.len().checked_sub(1)? / 2;
    sorted.get(at).copied()
}

/// Reads a word, or says where it is not what it should be.
fn read<T: std::str::FromStr>(word: &str, line: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("`{word}` in `{line}`"))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_middle_one() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 3.0, 1.0, 2.0]), Some(2.0));
    }
}
