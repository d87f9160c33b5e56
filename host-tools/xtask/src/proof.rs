//! `cargo xtask proof`: protocol, link and sensor cannot panic.
//!
//! `boards/no-panic` links only if the optimiser removed every panic path.
//! First it is built with a deliberate panic path, which must not link, or
//! the proof would prove nothing.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build::Build;
use crate::workspace::Workspace;
use crate::{callers, run};

const PACKAGE: &str = "no-panic";
/// The function that exists nowhere and that the panic handler calls.
const UNDEFINED: &str = "magpie_a_panic_path_remains";

/// Proves it for every target of the proof package.
pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    let mut failed = Vec::new();
    for target in workspace.proof_targets(PACKAGE)? {
        must_fail(&workspace, target)?;
        match link(&workspace, target, None)? {
            Outcome::Links(_) => {
                println!("{target}: no panic path in protocol, link and sensor");
            }
            Outcome::PanicPath => {
                explain(&workspace, target)?;
                failed.push(target);
            }
        }
    }
    if !failed.is_empty() {
        bail!(
            "a panic path remains for {}; the functions above contain it: use get(), checked_* or \
             saturating arithmetic, or give the optimiser the bound",
            failed.join(", ")
        );
    }
    Ok(())
}

enum Outcome {
    Links(std::path::PathBuf),
    PanicPath,
}

/// Links the proof, with a cfg for its own crate only; other errors than the
/// undefined symbol are errors.
fn link(workspace: &Workspace, target: &str, cfg: Option<&str>) -> Result<Outcome> {
    let mut build = Build::new(workspace, "rustc", PACKAGE, target, &[])?;
    if let Some(cfg) = cfg {
        build.cargo.args(["--", "--cfg", cfg]);
    }
    run::say(&format!(
        "linking {PACKAGE} for {target} {}",
        cfg.unwrap_or_default()
    ));
    let out = build
        .cargo
        .stdin(std::process::Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", run::shown(&build.cargo)))?;
    if out.status.success() {
        return Ok(Outcome::Links(build.binary));
    }
    let said = String::from_utf8_lossy(&out.stderr);
    if said.contains(UNDEFINED) {
        return Ok(Outcome::PanicPath);
    }
    eprintln!("{said}");
    bail!("`{}` failed: {}", run::shown(&build.cargo), out.status)
}

fn must_fail(workspace: &Workspace, target: &str) -> Result<()> {
    match link(workspace, target, Some("magpie_proof_must_fail"))? {
        Outcome::PanicPath => Ok(()),
        Outcome::Links(_) => bail!(
            "the proof for {target} is worth nothing: a deliberate panic path (boards/no-panic, must_fail) \
             linked; look at the panic handler and the flags in boards/no-panic/build.rs"
        ),
    }
}

/// Says which functions still call a panic function.
fn explain(workspace: &Workspace, target: &str) -> Result<()> {
    let Outcome::Links(image) = link(workspace, target, Some("magpie_proof_explain"))? else {
        bail!("the panic handler still calls {UNDEFINED} with magpie_proof_explain");
    };
    let octets =
        std::fs::read(&image).with_context(|| format!("cannot read {}", image.display()))?;
    let calls = callers::of_panics(&octets)
        .with_context(|| format!("cannot read the calls in {}", image.display()))?;
    println!("{target}: {} calls of panic functions remain:", calls.len());
    let symbolizer = ["llvm-symbolizer", "addr2line"]
        .iter()
        .find_map(|n| run::find_program(n));
    for call in calls {
        println!("  {} calls {} at {:#x}", call.caller, call.callee, call.at);
        let Some(symbolizer) = &symbolizer else {
            continue;
        };
        // Both programs take these; the call ends 4 octets behind its start.
        let mut ask = Command::new(symbolizer);
        ask.arg("-e")
            .arg(&image)
            .args(["-f", "-i", "-C"])
            .arg(format!("{:#x}", call.at));
        if let Ok(lines) = run::output(&mut ask) {
            for pair in lines.lines().collect::<Vec<_>>().chunks(2) {
                println!("      {}", pair.join("  "));
            }
        }
    }
    if symbolizer.is_none() {
        println!("  (install binutils or llvm to see files and lines)");
    }
    Ok(())
}
