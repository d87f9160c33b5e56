//! mtr: its report in JSON, and its raw events for the labels, which the
//! report leaves out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::read;
use super::traceroute::Label;

/// One line of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Hub {
    /// Its TTL.
    pub ttl: u8,
    /// Who answered last, if anybody.
    pub host: Option<IpAddr>,
    /// Probes.
    pub sent: u32,
    /// Share of them without an answer, percent.
    pub loss: f64,
    /// Best, average and worst round trip, milliseconds.
    pub rtt: [f64; 3],
}

#[derive(Deserialize)]
struct Document {
    report: Report,
}

#[derive(Deserialize)]
struct Report {
    hubs: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    count: u8,
    host: String,
    #[serde(rename = "Loss%")]
    loss: f64,
    #[serde(rename = "Snt")]
    sent: u32,
    #[serde(rename = "Best")]
    best: f64,
    #[serde(rename = "Avg")]
    average: f64,
    #[serde(rename = "Wrst")]
    worst: f64,
}

/// Reads what `mtr -n --json` printed.
pub fn report(text: &str) -> Result<Vec<Hub>, String> {
    let document: Document = serde_json::from_str(text).map_err(|e| format!("{e} in {text}"))?;
    let hub = |line: Line| {
        Ok(Hub {
            ttl: line.count,
            host: match line.host.as_str() {
                "???" => None,
                host => Some(read(host, "a hub of mtr")?),
            },
            sent: line.sent,
            loss: line.loss,
            rtt: [line.best, line.average, line.worst],
        })
    };
    document.report.hubs.into_iter().map(hub).collect()
}

/// Reads what `mtr -n -e --raw` printed: the labels at each TTL.
pub fn labels(text: &str) -> Result<BTreeMap<u8, Vec<Label>>, String> {
    let mut stacks = BTreeMap::<u8, Vec<Label>>::new();
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            // A host again: its labels follow anew.
            ["h", hop, _] => {
                stacks.remove(&at(hop, line)?);
            }
            ["m", hop, label, class, bottom, ttl] => {
                stacks.entry(at(hop, line)?).or_default().push(Label {
                    label: read(label, line)?,
                    class: read(class, line)?,
                    bottom: *bottom == "1",
                    ttl: read(ttl, line)?,
                });
            }
            ["x" | "p" | "d", ..] => {}
            _ => return Err(format!("not understood: `{line}`")),
        }
    }
    Ok(stacks)
}

/// mtr counts its hops from 0 here.
fn at(hop: &str, line: &str) -> Result<u8, String> {
    let hop: u8 = read(hop, line)?;
    hop.checked_add(1)
        .ok_or_else(|| format!("no TTL in `{line}`"))
}

#[cfg(test)]
mod tests {
    use super::{Hub, labels, report};

    #[test]
    fn a_report() {
        let text = r#"{"report": {"mtr": {"src": "vm", "dst": "10.4.5.2", "tests": 20}, "hubs": [
            {"count": 2, "host": "???", "Loss%": 100.0, "Snt": 20, "Last": 0.0, "Avg": 0.0, "Best": 0.0, "Wrst": 0.0, "StDev": 0.0},
            {"count": 3, "host": "10.4.3.2", "Loss%": 65.0, "Snt": 20, "Last": 0.093, "Avg": 0.077, "Best": 0.07, "Wrst": 0.093, "StDev": 0.01}]}}"#;
        let silent = Hub {
            ttl: 2,
            host: None,
            sent: 20,
            loss: 100.0,
            rtt: [0.0; 3],
        };
        let limited = Hub {
            ttl: 3,
            host: Some([10, 4, 3, 2].into()),
            sent: 20,
            loss: 65.0,
            rtt: [0.07, 0.077, 0.093],
        };
        assert_eq!(report(text), Ok(vec![silent, limited]));
        assert!(report("mtr: nothing").is_err());
    }

    #[test]
    fn labels_of_the_last_answer() {
        let text = "x 2 33002\nh 2 10.6.3.2\nm 2 16003 5 0 0\nm 2 24017 0 1 7\n\
                    h 2 10.6.3.2\nm 2 16003 5 0 0\nm 2 24017 0 1 7\np 2 474 33002\n";
        let stacks = labels(text).expect("all of it");
        let of_three: Vec<_> = stacks[&3].iter().map(|l| (l.label, l.class)).collect();
        assert_eq!(of_three, [(16003, 5), (24017, 0)]);
        assert!(labels("q 1 2\n").is_err());
    }
}
