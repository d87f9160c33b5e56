//! The program beside others over one large capture: CPU time of one core and
//! memory, in turns, and whether its counts are exact.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;

use magpie_tests::corpus::Capture;
use magpie_tests::program;
use serde_json::{Value, json};

use crate::capture;
use crate::process::{self, Cost};
use crate::truth::{Totals, differences};

/// A program in the contest.
struct Rival {
    name: &'static str,
    command: Vec<String>,
    costs: Vec<Cost>,
}

/// Makes the capture, runs everybody in turns, checks our counts.
pub(crate) fn run(captures: &[Capture], frames: u64, rounds: usize) -> Result<Value, String> {
    let folder = tempfile::Builder::new()
        .prefix("magpie-bench-")
        .tempdir_in(target_folder())
        .map_err(|e| format!("{}: {e}", target_folder().display()))?;
    let file = folder.path().join("large.pcap");
    eprintln!("measure: writing {}", file.display());
    let written = capture::write(&file, captures, frames)?;

    eprintln!("measure: checking the counts of magpie");
    let checked = check(&file, &Totals::of(captures, written.times))?;

    // A collector that listens and does not answer.
    let sink = UdpSocket::bind(("127.0.0.1", 0)).map_err(|e| format!("a UDP port: {e}"))?;
    let to = sink.local_addr().map_err(|e| format!("a UDP port: {e}"))?;
    let (mut rivals, absent) = rivals(&file, folder.path(), &to.to_string());
    for round in 0..rounds {
        for rival in &mut rivals {
            // The first round fills caches and does not count.
            eprintln!("measure: round {round} of {rounds}: {}", rival.name);
            if round == 0 {
                process::run(&rival.command)?;
            }
            rival.costs.push(process::run(&rival.command)?);
        }
    }
    Ok(report(&rivals, &absent, written, &checked))
}

/// Where large files may be.
fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    )
}

/// Runs it once for its numbers; the flows it showed.
fn check(file: &Path, expected: &Totals) -> Result<Value, String> {
    let out = Command::new(program::path())
        .args(["replay", "--format", "json"])
        .arg(file)
        .output()
        .map_err(|e| format!("{}: {e}", program::path().display()))?;
    let said = String::from_utf8_lossy(&out.stdout);
    let lines: Result<Vec<Value>, _> = said.lines().map(serde_json::from_str).collect();
    let lines = lines.map_err(|e| format!("magpie's JSON: {e}"))?;
    // A check that cannot fail would check nothing.
    let mut wrong = expected.clone();
    wrong.octets += 1;
    if differences(&wrong, &lines).is_empty() {
        return Err("an octet too much was not seen".to_owned());
    }
    let differences = differences(expected, &lines);
    if !differences.is_empty() || !out.status.success() {
        return Err(format!(
            "the counts of magpie are not exact ({}):\n  {}",
            out.status,
            differences.join("\n  ")
        ));
    }
    let forgotten = lines.iter().find(|line| line["type"] == "forgotten");
    Ok(json!({
        "flows": lines.iter().filter(|line| line["type"] == "flow").count(),
        "forgotten_flows": forgotten.map_or(0, |line| line["flows"].as_u64().unwrap_or(0)),
        "books": lines.iter().find(|line| line["type"] == "books").map(|line| &line["line"]),
    }))
}

/// Everybody that is installed, and who is not.
fn rivals(file: &Path, folder: &Path, to: &str) -> (Vec<Rival>, Vec<&'static str>) {
    let text = |path: &Path| path.display().to_string();
    let magpie = vec![text(program::path()), "replay".to_owned(), text(file)];
    let mut rivals = vec![Rival {
        name: "magpie",
        command: magpie,
        costs: Vec::new(),
    }];
    let pid = text(&folder.join("softflowd.pid"));
    let file = text(file);
    let softflowd = [
        "-d", "-r", &file, "-n", to, "-v", "10", "-b", "-6", "-p", &pid, "-c", "none",
    ];
    let flows = text(folder);
    let nfpcapd = ["-r", &file, "-w", &flows];
    let mut absent = Vec::new();
    for (name, arguments) in [("softflowd", &softflowd[..]), ("nfpcapd", &nfpcapd)] {
        let Some(path) = find(name) else {
            absent.push(name);
            continue;
        };
        let mut command = vec![text(&path)];
        command.extend(arguments.iter().map(|a| (*a).to_owned()));
        rivals.push(Rival {
            name,
            command,
            costs: Vec::new(),
        });
    }
    (rivals, absent)
}

/// Where a program is, on PATH or where root's are.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Least, middle and greatest.
pub(crate) fn spread(values: impl Iterator<Item = f64>) -> Value {
    let mut values: Vec<_> = values.map(|v| (v * 100.0).round() / 100.0).collect();
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied();
    json!({
        "min": at(0),
        "median": at(values.len() / 2),
        "max": at(values.len().saturating_sub(1)),
    })
}

fn report(rivals: &[Rival], absent: &[&str], written: capture::Written, checked: &Value) -> Value {
    let mut all = serde_json::Map::new();
    let ours = &rivals[0].costs;
    for rival in rivals {
        let frames = f64::from(u32::try_from(written.frames).unwrap_or(u32::MAX));
        let of_round = rival.costs.iter().zip(ours);
        all.insert(
            rival.name.to_owned(),
            json!({
                "cpu_ms": spread(rival.costs.iter().map(|c| c.cpu_ms)),
                "frames_a_second": spread(rival.costs.iter().map(|c| (frames / c.cpu_ms * 1000.0).round())),
                "rss": rival.costs.iter().map(|c| c.rss).max(),
                // How many times our CPU time it took, round by round.
                "times_magpie": spread(of_round.map(|(theirs, ours)| theirs.cpu_ms / ours.cpu_ms)),
            }),
        );
    }
    json!({
        "frames": written.frames,
        "octets": written.octets,
        "times": written.times,
        "exact": checked,
        "programs": all,
        "absent": absent,
    })
}
