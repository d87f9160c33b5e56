//! `magpie ping` beside iputils': CPU time of one core for requests to this
//! machine, each sent when the one before is answered. Nothing else is sent, and
//! nothing leaves the machine.

use std::process::{Command, Stdio};

use magpie_tests::program;
use serde_json::{Value, json};

use crate::contest::{find, spread};
use crate::process;

/// Of one run.
const REQUESTS: &str = "2000";
const TARGETS: [&str; 2] = ["127.0.0.1", "::1"];

/// What both cost, by target; or why nothing was measured.
pub(crate) fn run(rounds: usize) -> Value {
    let measured = TARGETS
        .iter()
        .map(|target| Ok(((*target).to_owned(), contest(target, rounds)?)));
    match measured.collect::<Result<serde_json::Map<_, _>, String>>() {
        Ok(targets) => json!({ "requests": REQUESTS.parse::<u32>().ok(), "targets": targets }),
        Err(why) => json!({ "left_out": why }),
    }
}

fn contest(target: &str, rounds: usize) -> Result<Value, String> {
    let iputils = find("ping").ok_or("ping is not installed (apt: iputils-ping)")?;
    let magpie = program::path().display().to_string();
    let options = ["-n", "-q", "-c", REQUESTS, "-i", "0", target];
    let ours = [&[&*magpie, "ping"], &options[..]].concat();
    none_is_lost(&ours)?;
    let iputils = iputils.display().to_string();
    let theirs = [&[&*iputils], &options[..]].concat();
    let words = |command: &[&str]| -> Vec<String> {
        command.iter().map(|word| (*word).to_owned()).collect()
    };
    let (ours, theirs) = (words(&ours), words(&theirs));
    let (mut our, mut their) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        // In turns, so that the machine is the same for both.
        their.push(process::run(&theirs)?.cpu_ms);
        our.push(process::run(&ours)?.cpu_ms);
    }
    let times = their.iter().zip(&our).map(|(their, our)| their / our);
    Ok(json!({
        "magpie": { "cpu_ms": spread(our.iter().copied()) },
        "iputils": {
            "cpu_ms": spread(their.iter().copied()),
            "times_magpie": spread(times),
        },
    }))
}

/// One run for its numbers.
fn none_is_lost(command: &[&str]) -> Result<(), String> {
    let out = Command::new(command[0])
        .args(&command[1..])
        .args(["--format", "json"])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{}: {e}", command.join(" ")))?;
    let said = String::from_utf8_lossy(&out.stdout);
    let summary = said.lines().last().unwrap_or_default();
    let summary: Value = serde_json::from_str(summary).map_err(|_| {
        let why = String::from_utf8_lossy(&out.stderr);
        format!("{}: {}", command.join(" "), why.trim_end())
    })?;
    let received = summary["received"].as_u64().map(|n| n.to_string());
    if summary["lost"] == 0 && received.as_deref() == Some(REQUESTS) {
        return Ok(());
    }
    Err(format!("{}: some were lost: {summary}", command.join(" ")))
}
