//! `cargo xtask proof`: protocol, link, filter, sensor, the node's turn and the drivers
//! cannot panic.
//!
//! `boards/no-panic` links only if the optimiser removed every panic path.
//! First it is built with a deliberate panic path, which must not link, or
//! the proof would prove nothing. What async functions call is read out of an
//! image that links in spite of panics: they keep one that never comes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build::Build;
use crate::callers::{self, Call};
use crate::run;
use crate::workspace::Workspace;

const PACKAGE: &str = "no-panic";
/// The function that exists nowhere and that the panic handler calls.
const UNDEFINED: &str = "magpie_a_panic_path_remains";
/// Gives the handler a body instead.
const EXPLAIN: &str = "magpie_proof_explain";
/// Adds what is async.
const ASYNC: &str = "magpie_proof_async";
/// What every async function calls when it is polled after its end.
const POLLED_AFTER_ITS_END: &str = "panic_const_async_fn_resumed";

/// Proves it for every target of the proof package.
pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    let mut failed = Vec::new();
    for target in workspace.proof_targets(PACKAGE)? {
        must_fail(&workspace, target)?;
        match link(&workspace, target, &[])? {
            Outcome::Links(_) => println!(
                "{target}: no panic path in protocol, link, filter, sensor, the node's turn and drivers"
            ),
            Outcome::PanicPath => {
                let (image, calls) = calls(&workspace, target, &[EXPLAIN])?;
                explain(target, &image, &calls);
                failed.push(target);
                continue;
            }
        }
        let (image, calls) = calls(&workspace, target, &[EXPLAIN, ASYNC])?;
        let (expected, others): (Vec<_>, Vec<_>) = calls
            .into_iter()
            .partition(|call| call.callee.ends_with(POLLED_AFTER_ITS_END));
        if others.is_empty() && !expected.is_empty() {
            println!(
                "{target}: none in async drivers, but {} for who polls after the end",
                expected.len()
            );
        } else if expected.is_empty() && others.is_empty() {
            bail!("{target}: no async function is left: prove them with the others ({ASYNC})");
        } else {
            explain(target, &image, &others);
            failed.push(target);
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
    Links(PathBuf),
    PanicPath,
}

/// Links the proof, with cfgs for its own crate only; other errors than the
/// undefined symbol are errors.
fn link(workspace: &Workspace, target: &str, cfgs: &[&str]) -> Result<Outcome> {
    let mut build = Build::new(workspace, "rustc", PACKAGE, target, &[])?;
    build.cargo.arg("--");
    for cfg in cfgs {
        build.cargo.args(["--cfg", cfg]);
    }
    run::say(&format!(
        "linking {PACKAGE} for {target} {}",
        cfgs.join(" ")
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
    match link(workspace, target, &["magpie_proof_must_fail"])? {
        Outcome::PanicPath => Ok(()),
        Outcome::Links(_) => bail!(
            "the proof for {target} is worth nothing: a deliberate panic path (boards/no-panic, must_fail) \
             linked; look at the panic handler and the flags in boards/no-panic/build.rs"
        ),
    }
}

/// Calls of panic functions in an image whose handler has a body.
fn calls(workspace: &Workspace, target: &str, cfgs: &[&str]) -> Result<(PathBuf, Vec<Call>)> {
    let Outcome::Links(image) = link(workspace, target, cfgs)? else {
        bail!("the panic handler still calls {UNDEFINED} with {EXPLAIN}");
    };
    let octets =
        std::fs::read(&image).with_context(|| format!("cannot read {}", image.display()))?;
    let calls = callers::of_panics(&octets)
        .with_context(|| format!("cannot read the calls in {}", image.display()))?;
    Ok((image, calls))
}

/// Says which functions still call a panic function.
fn explain(target: &str, image: &Path, calls: &[Call]) {
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
            .arg(image)
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
}
