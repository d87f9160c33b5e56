//! What a process costs. Each is run by a process of its own, which waits for
//! nothing else: so what the kernel says of its children is said of this one.

use std::io;
use std::process::{Command, Stdio};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use nix::unistd::Pid;
use serde_json::{Value, json};

/// What one run cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// User and system time in milliseconds.
    pub(crate) cpu_ms: f64,
    /// Most memory at once, in octets.
    pub(crate) rss: u64,
}

/// Runs a command on one core and says what it cost: `measure run COMMAND…`.
pub(crate) fn watched(command: &[&str]) -> Result<Value, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", command.join(" "));
    let mut one = CpuSet::new();
    one.set(0).map_err(|e| failed(&e))?;
    sched_setaffinity(Pid::from_raw(0), &one).map_err(|e| failed(&e))?;
    let status = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|e| failed(&e))?;
    if !status.success() {
        return Err(failed(&status));
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|e| failed(&e))?;
    let cpu_us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(json!({ "cpu_us": cpu_us, "rss_kib": usage.max_rss() }))
}

/// Runs a command through [`watched`].
pub(crate) fn run(command: &[String]) -> Result<Cost, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", command.join(" "));
    let myself = std::env::current_exe().map_err(|e| failed(&e))?;
    let out = Command::new(myself)
        .arg("run")
        .args(command)
        .output()
        .map_err(|e| failed(&e))?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).trim_end().to_owned());
    }
    let said: Value = serde_json::from_slice(&out.stdout).map_err(|e| failed(&e))?;
    let number = |field: &str| {
        said[field]
            .as_u64()
            .ok_or_else(|| failed(&io::Error::other("no usage")))
    };
    Ok(Cost {
        cpu_ms: u32::try_from(number("cpu_us")?).map_or(f64::INFINITY, f64::from) / 1000.0,
        rss: number("rss_kib")? * 1024,
    })
}
