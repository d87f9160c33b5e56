//! Round trips over time, in characters.

use std::collections::VecDeque;
use std::time::Duration;

use super::text::millis;

/// Columns of the scale on the left.
const SCALE: usize = 9;
/// Eighths of a character.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last requests and what became of them.
#[derive(Debug, Clone, Default)]
pub struct Plot {
    first: u64,
    columns: VecDeque<Column>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Waiting,
    Lost,
    Answered(Duration),
}

impl Plot {
    /// Requests that are kept: more columns than a terminal has.
    const KEPT: usize = 1_000;

    /// A request went out.
    pub fn sent(&mut self, number: u64) {
        if self.columns.is_empty() {
            self.first = number;
        }
        self.columns.push_back(Column::Waiting);
        if self.columns.len() > Self::KEPT {
            self.columns.pop_front();
            self.first += 1;
        }
    }

    /// It was answered.
    pub fn answered(&mut self, number: u64, rtt: Duration) {
        self.set(number, Column::Answered(rtt));
    }

    /// It was not, or will not be.
    pub fn lost(&mut self, number: u64) {
        self.set(number, Column::Lost);
    }

    fn set(&mut self, number: u64, column: Column) {
        let index = number
            .checked_sub(self.first)
            .and_then(|n| usize::try_from(n).ok());
        if let Some(old) = index.and_then(|index| self.columns.get_mut(index)) {
            // The first reply is the one that counts.
            if !matches!(old, Column::Answered(_)) {
                *old = column;
            }
        }
    }

    /// Draws the latest of them: `rows` lines and one below; the scale goes from
    /// zero to the longest that is shown, `x` is lost, `.` is waited for.
    pub fn draw(&self, width: usize, rows: usize) -> Vec<String> {
        let room = width.saturating_sub(SCALE + 1).max(1);
        let rows = rows.max(1);
        let from = self.columns.len().saturating_sub(room);
        let shown: Vec<Column> = self.columns.iter().skip(from).copied().collect();
        let longest = shown
            .iter()
            .filter_map(|column| match column {
                Column::Answered(rtt) => Some(*rtt),
                Column::Waiting | Column::Lost => None,
            })
            .max()
            .unwrap_or_default();
        let levels = rows * BARS.len();
        let mut lines = Vec::new();
        for row in (0..rows).rev() {
            let scale = if row + 1 == rows {
                format!("{} ms", millis(longest))
            } else {
                String::new()
            };
            let mut line = format!("{scale:>SCALE$}|");
            for column in &shown {
                line.push(match column {
                    Column::Answered(rtt) => bar(*rtt, longest, levels, row),
                    Column::Lost if row == 0 => 'x',
                    Column::Waiting if row == 0 => '.',
                    Column::Lost | Column::Waiting => ' ',
                });
            }
            lines.push(line.trim_end().to_owned());
        }
        let first = self.first + u64::try_from(from).unwrap_or(0);
        let below = format!(
            "{:>SCALE$}+{} {first} to {}",
            "0",
            "-".repeat(shown.len().min(room.saturating_sub(24))),
            first + u64::try_from(shown.len()).unwrap_or(0).saturating_sub(1)
        );
        lines.push(below);
        lines
    }
}

/// What a round trip fills of one character, `row` characters above the line.
fn bar(rtt: Duration, longest: Duration, levels: usize, row: usize) -> char {
    let all = u128::try_from(levels).unwrap_or(1);
    // At least an eighth, so that it is not taken for nothing.
    let level = (rtt.as_nanos() * all)
        .div_ceil(longest.as_nanos().max(1))
        .clamp(1, all);
    let level = usize::try_from(level).unwrap_or(levels);
    match level.saturating_sub(row * BARS.len()) {
        0 => ' ',
        part => BARS.get(part - 1).copied().unwrap_or('█'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_follow_the_round_trips() {
        let mut plot = Plot::default();
        for n in 1..=6 {
            plot.sent(n);
        }
        for (n, ms) in [(1, 16), (2, 8), (3, 1)] {
            plot.answered(n, Duration::from_millis(ms));
        }
        plot.answered(1, Duration::from_millis(99));
        plot.lost(5);
        plot.answered(77, Duration::ZERO);
        assert_eq!(
            plot.draw(60, 2),
            ["  16.0 ms|█", "         |██▁.x.", "        0+------ 1 to 6"]
        );
    }

    #[test]
    fn it_shows_the_latest_that_fit() {
        let mut plot = Plot::default();
        for n in 1..=2_000 {
            plot.sent(n);
            plot.answered(n, Duration::from_micros(n));
        }
        for width in [0, 1, 10, 40, 200] {
            let lines = plot.draw(width, 4);
            assert_eq!(lines.len(), 5);
            let longest = lines[..4]
                .iter()
                .map(|line| line.chars().count())
                .max()
                .unwrap();
            assert!(longest <= width.max(SCALE + 2), "{width}: {longest}");
            assert!(lines[4].ends_with(" to 2000"));
        }
        assert!(plot.columns.len() <= Plot::KEPT);
        assert!(Plot::default().draw(80, 3).len() == 4);
    }
}
