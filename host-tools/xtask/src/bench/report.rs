//! What was measured, as a table or as one JSON object.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::baseline::Baseline;
use super::measured;
use super::sensor::{Counts, LINES};

/// The board that goals are set for, and the most instructions a frame may
/// cost there.
pub(crate) const GOALS_FOR: &str = "qemu-mps2-an386";
const GOALS: &[(&str, u32)] = &[
    ("tcp64", 350),
    ("udp64", 330),
    // 150 more than tcp64.
    ("tcp64_filter", 500),
    ("echo", 500),
    ("new_flow", 600),
    ("evict", 900),
    ("filter", 150),
    ("filter_port", 150),
    (LINES, 6),
];
/// Most that any frame should cost the sensor.
const WORST: u64 = 2500;
/// Most that any frame may cost it: what the dearest ones that were found do
/// now. To be lowered with them.
pub(crate) const BOUND: u64 = 6800;
/// Cases that are not about one frame and the sensor, or with doubles looked for.
const OTHERS: &[&str] = &[
    "filter",
    "filter_qinq",
    "filter_port",
    "uplink",
    "uplink_framing",
    "nic",
    "nic1514",
    "worst_dedup",
];

/// Whether the case is about what one frame costs the sensor as it is by default.
pub(crate) fn is_of_a_frame(case: &str) -> bool {
    !OTHERS.contains(&case)
}

/// What was measured; what was not asked for is left out.
#[derive(Default)]
pub(crate) struct Report {
    /// Instructions a frame.
    pub(crate) sensor: Option<Counts>,
    /// Octets a flow.
    pub(crate) bytes: Option<Value>,
    /// The program beside others.
    pub(crate) host: Option<Value>,
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
fn per(count: u64, frames: u64) -> f64 {
    count as f64 / frames.max(1) as f64
}

impl Report {
    /// One object.
    pub(crate) fn json(&self) -> Value {
        let mut all = serde_json::Map::new();
        if let Some(counts) = &self.sensor {
            let sensor: BTreeMap<_, BTreeMap<_, _>> = counts
                .boards
                .iter()
                .map(|(board, cases)| (board, cases.iter().map(|c| (&c.name, c.mean())).collect()))
                .collect();
            all.insert("sensor".to_owned(), serde_json::json!(sensor));
        }
        for (name, part) in [("host", &self.host), ("bytes", &self.bytes)] {
            if let Some(part) = part {
                all.insert(name.to_owned(), part.clone());
            }
        }
        Value::Object(all)
    }

    /// Frames of a case.
    fn frames(&self, board: &str, name: &str) -> u64 {
        let cases = self.sensor.iter().flat_map(|counts| &counts.boards[board]);
        let mut cases = cases.filter(|case| case.name == name);
        cases.next().map_or(1, |case| case.frames)
    }

    /// For people, with the goals and the baseline beside it.
    pub(crate) fn table(&self, old: &Baseline) -> String {
        let mut text = String::new();
        let boards = self.sensor.iter().flat_map(|counts| &counts.boards);
        for (board, cases) in boards {
            let _ = writeln!(
                text,
                "{board}: instructions a frame\n{:<18}{:>10}{:>8}{:>8}{:>8}{:>8}{:>10}",
                "case", "mean", "min", "max", "frames", "goal", "baseline"
            );
            for case in cases {
                let goal = GOALS
                    .iter()
                    .find(|(name, _)| *name == case.name && board == GOALS_FOR)
                    .map_or(String::new(), |(_, goal)| format!("<={goal}"));
                let old = old
                    .get(board, &case.name)
                    .map_or(String::new(), |old| format!("{old:.2}"));
                let dear = if is_of_a_frame(&case.name) && case.max > WORST {
                    format!("  max > {WORST}")
                } else {
                    String::new()
                };
                let _ = writeln!(
                    text,
                    "{:<18}{:>10.2}{:>8}{:>8}{:>8}{:>8}{:>10}{dear}",
                    case.name,
                    case.mean(),
                    case.min,
                    case.max,
                    case.frames,
                    goal,
                    old
                );
            }
        }
        for (board, lines) in self.sensor.iter().flat_map(|counts| &counts.lines) {
            let frames = self.frames(board, LINES);
            let _ = write!(text, "{LINES}, of 32 octets, a frame:");
            for (place, touched) in lines {
                let _ = write!(text, " {place} {:.2}", per(*touched, frames));
            }
            text += "\n";
        }
        if let Some(bytes) = &self.bytes {
            text += &measured::bytes_table(bytes);
        }
        if let Some(host) = &self.host {
            text += &measured::host_table(host);
        }
        text
    }
}
