//! `cargo xtask fuzz`: every fuzz target for a fixed number of inputs.

use anyhow::{Context, Result, bail};

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
    let mut failed = Vec::new();
    for target in targets {
        run::say(&format!("fuzz {target}, {} inputs", args.runs));
        // Started in its folder, so that cargo reads its .cargo/config.toml.
        let mut cargo = workspace::cargo();
        cargo
            .current_dir(&folder)
            .args(["run", "--release", "--manifest-path"])
            .arg(&manifest)
            .args(["--bin", target, "--"])
            .arg(format!("-runs={}", args.runs))
            .arg(format!("-artifact_prefix=artifacts/{target}-"))
            // A hang is a finding.
            .arg("-timeout=10")
            // The same inputs each time, so that a failure can be repeated.
            .arg("-seed=1")
            // These would take the place of the flags in .cargo/config.toml.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        if let Err(error) = run::run(&mut cargo) {
            run::say(&format!("{error:#}"));
            failed.push(target);
        }
    }
    if !failed.is_empty() {
        bail!(
            "fuzz targets failed: {}; the inputs are in tests/fuzz/artifacts",
            failed.join(", ")
        );
    }
    Ok(())
}
