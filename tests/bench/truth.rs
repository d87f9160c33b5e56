//! What a capture made of whole captures must come to: the truths beside
//! them, which another program wrote, added up.

use std::collections::BTreeMap;

use magpie_tests::corpus::Capture;
use serde_json::Value;

/// Totals of EXACT.md that neither addresses nor times change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) frames: u64,
    pub(crate) octets: u64,
    /// Frames by table and key.
    pub(crate) tables: BTreeMap<(String, String), u64>,
}

/// The tables that are compared, as the program calls them.
const TABLES: [&str; 3] = ["ethertype", "ip_proto", "vlan"];

impl Totals {
    /// These captures, so many times.
    pub(crate) fn of(captures: &[Capture], times: u64) -> Self {
        let mut totals = Self::default();
        for capture in captures {
            let truth = capture.truth();
            totals.frames += truth.frames * times;
            totals.octets += truth.frame_bytes * times;
            for (key, (frames, _)) in &truth.ethertype {
                totals.add("ethertype", key, frames * times);
            }
            for (key, (packets, _)) in &truth.ip_proto {
                totals.add("ip_proto", key, packets * times);
            }
            for (key, frames) in &truth.vlan {
                totals.add("vlan", key, frames * times);
            }
        }
        totals
    }

    fn add(&mut self, table: &str, key: &str, frames: u64) {
        *self
            .tables
            .entry((table.to_owned(), key.to_owned()))
            .or_default() += frames;
    }
}

/// Holds the program's JSON lines against the totals, and its flows against
/// its own ledger; the differences.
pub(crate) fn differences(expected: &Totals, lines: &[Value]) -> Vec<String> {
    let mut found = Totals::default();
    let mut differences = Vec::new();
    let (mut packets, mut octets) = (0, 0);
    let (mut in_flows, mut in_flows_octets) = (0, 0);
    let number = |line: &Value, field: &str| line[field].as_u64().unwrap_or(0);
    for line in lines {
        match line["type"].as_str().unwrap_or_default() {
            "ledger" => {
                found.frames = number(line, "counted_frames");
                found.octets = number(line, "counted_octets");
                in_flows = number(line, "in_flows_frames");
                in_flows_octets = number(line, "in_flows_octets");
            }
            "counts" => {
                let table = line["table"].as_str().unwrap_or_default();
                if TABLES.contains(&table) {
                    let key = line["key"].as_str().unwrap_or_default();
                    found.add(table, key, number(line, "frames"));
                }
            }
            "flow" => {
                packets += number(line, "originator_packets") + number(line, "responder_packets");
                octets += number(line, "originator_frame_octets")
                    + number(line, "responder_frame_octets");
            }
            "forgotten" => {
                packets += number(line, "packets");
                octets += number(line, "frame_octets");
            }
            "books" if line["state"] != "CLOSED" => {
                differences.push(format!("{}", line["line"]));
            }
            _ => {}
        }
    }
    let mut compare = |what: &str, found: u64, expected: u64| {
        if found != expected {
            differences.push(format!("{what}: {found} instead of {expected}"));
        }
    };
    compare("frames", found.frames, expected.frames);
    compare("octets", found.octets, expected.octets);
    compare("packets of all flows", packets, in_flows);
    compare("octets of all flows", octets, in_flows_octets);
    for (place, frames) in &expected.tables {
        let what = format!("{} {}", place.0, place.1);
        compare(
            &what,
            found.tables.get(place).copied().unwrap_or(0),
            *frames,
        );
    }
    for place in found.tables.keys() {
        if !expected.tables.contains_key(place) {
            compare(&format!("{} {}", place.0, place.1), 1, 0);
        }
    }
    differences
}
