//! The host parts: octets a flow, and the program beside others. What knows
//! packets and records is `tests/bench`; here it is called.

use std::fmt::Write as _;
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run;
use crate::workspace::{Workspace, cargo};

/// Runs `tests/bench`; its JSON object.
pub(crate) fn measure(workspace: &Workspace, arguments: &[String]) -> Result<Value> {
    let mut bench = cargo();
    bench
        .current_dir(&workspace.root)
        .args(["bench", "--quiet", "--package", "magpie-tests"])
        .args(["--features", "libpcap"])
        .args(["--bench", "measure", "--"])
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let out = bench
        .output()
        .with_context(|| format!("cannot start `{}`", run::shown(&bench)))?;
    if !out.status.success() {
        anyhow::bail!("`{}` failed: {}", run::shown(&bench), out.status);
    }
    serde_json::from_slice(&out.stdout)
        .with_context(|| format!("`{}` did not answer in JSON", run::shown(&bench)))
}

/// A number as it stands in JSON; `?` where there is none.
fn number(value: &Value) -> String {
    if value.is_number() {
        value.to_string()
    } else {
        "?".to_owned()
    }
}

/// Octets a flow, for people.
pub(crate) fn bytes_table(bytes: &Value) -> String {
    let mut text = format!(
        "octets a flow ({} flows of {} captures)\n\
         {:<34}{:>8}  goal\n{:<34}{:>8}  <=128\n{:<34}{:>8}  <=40\n{:<34}{:>8}\n",
        number(&bytes["flows"]),
        number(&bytes["captures"]),
        "",
        "octets",
        "place in the table",
        number(&bytes["flow_slot"]),
        "uplink, finished flow, framed",
        number(&bytes["uplink_a_flow"]),
        "  once batches are sealed",
        number(&bytes["uplink_a_flow_sealed"]),
    );
    for which in ["min", "median", "mean", "p95", "max"] {
        let item = number(&bytes["item"][which]);
        let _ = writeln!(
            text,
            "{:<34}{item:>8}",
            format!("  its record alone, {which}")
        );
    }
    let _ = writeln!(text, "  of which, on average:");
    for (part, octets) in greatest(&bytes["parts"], Value::as_f64) {
        let _ = writeln!(text, "{:<34}{:>8}", format!("    {part}"), number(octets));
    }
    let _ = writeln!(
        text,
        "  records by IP version / protocol (the five with most):"
    );
    let kinds = greatest(&bytes["kinds"], |kind| kind["flows"].as_f64());
    for (kind, of) in kinds.into_iter().take(5) {
        let item = number(&of["item"]);
        let flows = number(&of["flows"]);
        let _ = writeln!(
            text,
            "{:<34}{item:>8}  {flows} flows",
            format!("    {kind}")
        );
    }
    text
}

/// The members of an object, greatest first.
fn greatest(object: &Value, of: impl Fn(&Value) -> Option<f64>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = object.as_object().into_iter().flatten().collect();
    let of = |value: &Value| of(value).unwrap_or(0.0);
    members.sort_by(|a, b| of(b.1).total_cmp(&of(a.1)));
    members
}

/// The contest, for people.
pub(crate) fn host_table(host: &Value) -> String {
    let mut text = format!(
        "one core, {} frames, {} octets on the wire: min / median / max\n\
         {:<12}{:>26}{:>24}{:>12}  goal\n",
        number(&host["frames"]),
        number(&host["octets"]),
        "program",
        "CPU ms",
        "times magpie's CPU",
        "RSS MiB",
    );
    let spread = |value: &Value| {
        let [min, median, max] = ["min", "median", "max"].map(|k| number(&value[k]));
        format!("{min} / {median} / {max}")
    };
    for (name, of) in host["programs"].as_object().into_iter().flatten() {
        let rss = of["rss"].as_u64().unwrap_or(0).div_ceil(1 << 20);
        let goal = match name.as_str() {
            "magpie" => "RSS <= 64",
            "softflowd" => "times >= 3",
            _ => "",
        };
        let _ = writeln!(
            text,
            "{name:<12}{:>26}{:>24}{rss:>12}  {goal}",
            spread(&of["cpu_ms"]),
            spread(&of["times_magpie"]),
        );
    }
    for name in host["absent"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap_or("?");
        let _ = writeln!(text, "{name} is not installed (apt: softflowd, nfdump)");
    }
    let exact = &host["exact"];
    let books = exact["books"].as_str().unwrap_or("no books");
    let _ = writeln!(
        text,
        "counts equal the captures' truths; {} flows shown, {} forgotten\n{books}",
        number(&exact["flows"]),
        number(&exact["forgotten_flows"])
    );
    text
}

#[cfg(test)]
mod tests {
    use super::{bytes_table, host_table};

    #[test]
    fn greatest_parts_come_first_and_what_is_absent_is_said() {
        let bytes = serde_json::json!({
            "flows": 2, "parts": { "first": 7.31, "key: addresses": 12.1 },
        });
        let text = bytes_table(&bytes);
        let place = |what: &str| text.find(what).expect("a line");
        assert!(place("key: addresses") < place("first"), "{text}");
        let host = serde_json::json!({ "absent": ["softflowd"], "exact": {} });
        let text = host_table(&host);
        assert!(text.contains("softflowd is not installed"), "{text}");
    }
}
