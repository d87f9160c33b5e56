//! `cargo xtask fuzz`: every fuzz target for a fixed number of inputs.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run;
use crate::workspace::{self, Workspace};

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Targets (default: all)
    targets: Vec<String>,
    /// Inputs a target
    #[arg(long, default_value_t = DEFAULT_RUNS)]
    runs: u64,
}

impl Args {
    /// All targets.
    pub(crate) fn all(runs: u64) -> Self {
        Self {
            targets: Vec::new(),
            runs,
        }
    }
}

/// Enough to reach every branch from the seeds, and under a minute a target.
pub(crate) const DEFAULT_RUNS: u64 = 100_000;

/// Runs the targets; one that finds something does not hide the others.
pub(crate) fn run(args: &Args) -> Result<()> {
    let folder = Workspace::load()?.root.join("tests/fuzz");
    let manifest = folder.join("Cargo.toml");
    // A workspace of its own: its flags are not for the host tools.
    let fuzz = Workspace::at(&manifest).context("cannot find the fuzz targets")?;
    let mut targets: Vec<&str> = fuzz
        .packages
        .iter()
        .flat_map(|p| &p.targets)
        .filter(|t| t.kind == "bin")
        .map(|t| t.name.as_str())
        .collect();
    targets.sort_unstable();
    if let Some(unknown) = args.targets.iter().find(|t| !targets.contains(&t.as_str())) {
        bail!(
            "no fuzz target is called `{unknown}`; there are: {}",
            targets.join(", ")
        );
    }
    targets.retain(|t| args.targets.is_empty() || args.targets.iter().any(|a| a == t));
    if targets.is_empty() {
        bail!("no fuzz target in {}", manifest.display());
    }
    std::fs::create_dir_all(folder.join("artifacts"))
        .with_context(|| format!("cannot create a folder in {}", folder.display()))?;
    let programs = build(&folder, &targets)?;
    let failed = Mutex::new(Vec::new());
    let waiting = Mutex::new(programs.iter());
    let next = || lock(&waiting).next();
    let at_once = std::thread::available_parallelism().map_or(1, NonZero::get);
    // Each takes one processor.
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some((target, program)) = next() {
                    if let Err(error) = fuzz_one(&folder, target, program, args.runs) {
                        run::say(&format!("{error:#}"));
                        lock(&failed).push(target.as_str());
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_unstable();
    if !failed.is_empty() {
        bail!(
            "fuzz targets failed: {}; the inputs are in tests/fuzz/artifacts",
            failed.join(", ")
        );
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Builds the targets; where each program is.
fn build(folder: &Path, targets: &[&str]) -> Result<Vec<(String, PathBuf)>> {
    // Started in its folder, so that cargo reads its .cargo/config.toml.
    let mut cargo = workspace::cargo();
    cargo
        .current_dir(folder)
        .args(["build", "--release"])
        .arg("--message-format=json-render-diagnostics")
        // These would take the place of the flags in .cargo/config.toml.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stderr(Stdio::inherit());
    for target in targets {
        cargo.args(["--bin", target]);
    }
    let messages = run::output(&mut cargo)?;
    let program = |line: &str| -> Option<(String, PathBuf)> {
        let message: Value = serde_json::from_str(line).ok()?;
        let name = message.get("target")?.get("name")?.as_str()?;
        let program = message.get("executable")?.as_str()?;
        Some((name.to_owned(), program.into()))
    };
    let mut programs: Vec<_> = messages.lines().filter_map(program).collect();
    programs.retain(|(name, _)| targets.contains(&name.as_str()));
    programs.sort_unstable();
    if programs.len() != targets.len() {
        bail!("cargo does not say where all fuzz targets are");
    }
    Ok(programs)
}

/// Runs one, and says what it said when it is over.
fn fuzz_one(folder: &Path, target: &str, program: &Path, runs: u64) -> Result<()> {
    let mut fuzz = Command::new(program);
    fuzz.current_dir(folder)
        .arg(format!("-runs={runs}"))
        .arg(format!("-artifact_prefix=artifacts/{target}-"))
        // A hang is a finding.
        .arg("-timeout=10")
        // The same inputs each time, so that a failure can be repeated.
        .arg("-seed=1");
    run::say(&format!("fuzz {target}, {runs} inputs"));
    // One after the other, in spite of several at once.
    let out = fuzz
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", run::shown(&fuzz)))?;
    let said = [out.stdout, out.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if !out.status.success() {
        bail!("{said}`{}` failed: {}", run::shown(&fuzz), out.status);
    }
    let last = said.lines().last().unwrap_or_default();
    run::say(&format!("fuzz {target}: {last}"));
    Ok(())
}
