//! `cargo verify`: every check there is, in stages.
//!
//! A failed stage does not hide the later ones. What a stage prints is passed
//! on untouched; a table of stages follows at the end. Under `CI=true`
//! nothing may be left out.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::setup::Purpose;
use crate::workspace::{Workspace, cargo};
use crate::{bench, build, clippy, fuzz, lint, proof, run, setup, size};

/// Options of `cargo verify`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
    /// Inputs a fuzz target
    #[arg(long, default_value_t = fuzz::DEFAULT_RUNS)]
    fuzz_runs: u64,
    /// Run only these stages
    #[arg(long, value_delimiter = ',', value_name = "STAGE")]
    only: Vec<String>,
    /// Leave out these stages
    #[arg(long, value_delimiter = ',', value_name = "STAGE")]
    skip: Vec<String>,
}

/// How a stage ended.
#[derive(Debug)]
enum Outcome {
    Passed,
    Failed(String),
    LeftOut(String),
    /// Never part of the whole, and why.
    Apart(&'static str),
}

/// Holds our probes against those of others in the same seconds, so what a busy
/// machine, a kernel's limit on its errors or chance (a multipath trace misses a
/// way in 1 of 20 by definition) do to either shows. To be run by name until
/// its tests allow for that.
const BESIDE_OTHERS: &str = "hand";

struct Line {
    stage: &'static str,
    outcome: Outcome,
    took: Duration,
    /// Passed, but with something of it left out.
    note: Option<String>,
}

type Stage<'a> = (&'static str, Box<dyn Fn() -> Result<()> + 'a>);

/// Runs the stages and prints the table.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::load()?;
    let stages = stages(&workspace, args);
    let names: Vec<_> = stages.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = args
        .only
        .iter()
        .chain(&args.skip)
        .find(|s| !names.contains(&s.as_str()))
    {
        bail!(
            "no stage is called `{unknown}`; there are: {}",
            names.join(", ")
        );
    }
    let began = Instant::now();
    let mut lines = Vec::new();
    for (at, (stage, work)) in stages.iter().enumerate() {
        let named = args.only.iter().any(|s| s == stage);
        if *stage == BESIDE_OTHERS && !named && !args.skip.iter().any(|s| s == stage) {
            lines.push(Line {
                stage,
                outcome: Outcome::Apart("in real time, not steady yet: `--only hand`"),
                took: Duration::ZERO,
                note: None,
            });
            continue;
        }
        let wanted = args.only.is_empty() || named;
        if !wanted || args.skip.iter().any(|s| s == stage) {
            let outcome = Outcome::LeftOut("not asked for".into());
            lines.push(Line {
                stage,
                outcome,
                took: Duration::ZERO,
                note: None,
            });
            continue;
        }
        if let Some(why) = cannot(stage) {
            lines.push(Line {
                stage,
                outcome: Outcome::LeftOut(why),
                took: Duration::ZERO,
                note: None,
            });
            continue;
        }
        run::say(&format!("── {stage} ({} of {}) ──", at + 1, stages.len()));
        let start = Instant::now();
        let outcome = match work() {
            Ok(()) => Outcome::Passed,
            Err(error) => {
                run::say(&format!("{stage} FAILED: {error:#}"));
                Outcome::Failed(first_line(&format!("{error:#}")))
            }
        };
        let note = matches!(*stage, "replay" | "filter")
            .then(without_corpus)
            .flatten();
        lines.push(Line {
            stage,
            outcome,
            took: start.elapsed(),
            note,
        });
    }
    print!("{}", table(&lines, began.elapsed()));
    verdict(&lines, is_ci())
}

#[allow(clippy::too_many_lines)] // a table
fn stages<'a>(workspace: &'a Workspace, args: &'a Args) -> Vec<Stage<'a>> {
    // A line is a call of cargo.
    let host = |lines: &'static str| -> Box<dyn Fn() -> Result<()> + 'a> {
        Box::new(move || {
            for line in lines.lines() {
                let mut cargo = cargo();
                cargo
                    .current_dir(&workspace.root)
                    .args(line.split_whitespace());
                run::run(cargo.stdin(Stdio::null()))?;
            }
            Ok(())
        })
    };
    vec![
        (
            "setup",
            Box::new(|| setup::ensure(workspace, Purpose::Verify, args.yes)),
        ),
        // The fuzz targets and the search are workspaces of their own.
        (
            "fmt",
            host(
                "fmt --all -- --check\nfmt --manifest-path tests/fuzz/Cargo.toml -- --check\n\
                 fmt --manifest-path tests/worst/Cargo.toml -- --check",
            ),
        ),
        (
            "clippy",
            host("clippy --workspace --all-targets --features libpcap -- -D warnings"),
        ),
        ("lint", Box::new(lint::run)),
        ("images", Box::new(|| images(workspace))),
        ("proof", Box::new(proof::run)),
        ("clippy-firmware", Box::new(clippy::run)),
        ("size", Box::new(|| size::run(&size::Args::default()))),
        // Exact to the instruction, so neither load nor machine matters.
        ("bench", Box::new(bench::check)),
        ("worst", Box::new(bench::check_worst)),
        (
            "fuzz",
            Box::new(|| fuzz::run(&fuzz::Args::all(args.fuzz_runs))),
        ),
        // Last, so that their summaries are what one sees.
        (
            "tests",
            host("test --workspace --exclude magpie-tests --features libpcap --no-fail-fast"),
        ),
        // Optimised: these go over hundreds of megabytes of captures.
        (
            "magpie",
            host("build --release -p magpie --features libpcap"),
        ),
        (
            "replay",
            host(
                "test --release -p magpie-tests --features libpcap --lib --test replay --test attack \
                 --test doubled --no-fail-fast",
            ),
        ),
        // Lines of packets beside tcpdump.
        (
            "lines",
            host(
                "test --release -p magpie-tests --features libpcap --test lines --no-fail-fast \
                 -- --include-ignored",
            ),
        ),
        // Filters beside tcpdump's.
        (
            "filter",
            host("test --release -p magpie-tests --features libpcap --test filter --no-fail-fast"),
        ),
        // The live screen, behind a pty and, what a plain `cargo test` ignores, in
        // tmux.
        (
            "terminal",
            host(
                "test --release -p magpie-tests --features libpcap --test terminal --no-fail-fast \
                 -- --include-ignored",
            ),
        ),
        // Those that a plain `cargo test` ignores, since they need QEMU.
        (
            "qemu",
            host(
                "test --release -p magpie-emulator -p magpie-tests --features libpcap --lib \
                 --test qemu --no-fail-fast -- --include-ignored",
            ),
        ),
        // Those that make networks of their own, since they need root.
        (
            "network",
            host(
                "test -p magpie-os -p magpie-sources --lib --test network --no-fail-fast \
                 -- --ignored",
            ),
        ),
        // Captures that are written, beside tcpdump, tshark and capinfos.
        (
            "capture",
            host(
                "test --release -p magpie-tests --features libpcap --test capture --no-fail-fast \
                 -- --include-ignored",
            ),
        ),
        // Wireshark's way to sensors, by the real tshark.
        (
            "extcap",
            host(
                "test --release -p magpie-tests --features libpcap --test extcap --no-fail-fast \
                 -- --include-ignored",
            ),
        ),
        // A live network, with the program and with boards at its mirror port.
        (
            "lab",
            host(
                "test --release -p magpie-tests --features libpcap --test lab --no-fail-fast \
                 -- --include-ignored",
            ),
        ),
        // Paths through routers, beside ping, traceroute, mtr and fping; round
        // trips and CPU times of both are shown.
        (
            "hand",
            host(
                "test --release -p magpie-tests --features libpcap --test hand --no-fail-fast \
                 -- --include-ignored --show-output",
            ),
        ),
    ]
}

/// Why a stage cannot run for this user, if so.
fn cannot(stage: &str) -> Option<String> {
    (matches!(stage, "network" | "capture" | "lab" | "hand") && !run::is_root())
        .then(|| format!("network namespaces need root: sudo cargo verify --only {stage}"))
}

/// The board whose last words are heard in QEMU.
const ENDS: &str = "qemu-mps2-an386";

/// One board for each way in which logs leave: semihosting, a debug probe.
const LOGS: [&str; 2] = ["qemu-mps2-an386", "nucleo-h743zi2"];

/// One board whose address and host are built in.
const STATIC: &str = "qemu-mps2-an386";

/// Every image; the ones that forget to count one drop, whose books must come
/// out open; one that ends on purpose; the ones whose ports speak, one of them
/// with settings; and some with logs.
fn images(workspace: &Workspace) -> Result<()> {
    for board in workspace.boards() {
        build::image(workspace, &board, &[], None)?;
        build::image(
            workspace,
            &board,
            &["magpie_forget_one".into()],
            Some("forget"),
        )?;
        if board.name == ENDS {
            build::image(workspace, &board, &["magpie_ends".into()], Some("ends"))?;
            let without = ["magpie_no_payload".into()];
            build::image(workspace, &board, &without, Some("no-payload"))?;
        }
        if board.speak.is_some() {
            build::speaking(workspace, &board)?;
        }
        if board.name == STATIC {
            build::speaking_with_settings(workspace, &board)?;
        }
        if LOGS.contains(&board.name) {
            build::image_that_logs(workspace, &board)?;
        }
    }
    Ok(())
}

/// Whether nothing may be left out.
pub(crate) fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|v| !v.is_empty() && v != "false")
}

fn without_corpus() -> Option<String> {
    std::env::var_os("MAGPIE_CORPUS").is_none().then(|| {
        "only the captures in the repository; MAGPIE_CORPUS=DIR (captures/, truth/) adds others"
            .into()
    })
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn table(lines: &[Line], total: Duration) -> String {
    let mut text = String::from("\nstage              time  result\n");
    for line in lines {
        let result = match &line.outcome {
            Outcome::Passed => "passed".into(),
            Outcome::Failed(why) => format!("FAILED: {why}"),
            Outcome::LeftOut(why) => format!("left out: {why}"),
            Outcome::Apart(why) => format!("not part of it: {why}"),
        };
        let note = line
            .note
            .as_ref()
            .map(|n| format!(" ({n})"))
            .unwrap_or_default();
        let seconds = line.took.as_secs();
        let _ = writeln!(text, "{:<16} {seconds:>5}s  {result}{note}", line.stage);
    }
    text + &format!("{:<16} {:>5}s\n", "all", total.as_secs())
}

fn verdict(lines: &[Line], ci: bool) -> Result<()> {
    let bad: Vec<_> = lines
        .iter()
        .filter(|l| match l.outcome {
            Outcome::Passed | Outcome::Apart(_) => false,
            Outcome::Failed(_) => true,
            Outcome::LeftOut(_) => ci,
        })
        .map(|l| l.stage)
        .collect();
    if bad.is_empty() {
        return Ok(());
    }
    bail!(
        "not verified: {}; `cargo verify --only STAGE` runs one again",
        bad.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::{Line, Outcome, table, verdict};
    use std::time::Duration;

    fn line(stage: &'static str, outcome: Outcome) -> Line {
        Line {
            stage,
            outcome,
            took: Duration::from_secs(3),
            note: None,
        }
    }

    #[test]
    fn what_counts_as_verified() {
        let passed = || line("fmt", Outcome::Passed);
        let left_out = || line("qemu", Outcome::LeftOut("not asked for".into()));
        assert!(verdict(&[passed()], true).is_ok());
        assert!(verdict(&[passed(), left_out()], false).is_ok());
        let apart = line("hand", Outcome::Apart("in real time"));
        assert!(verdict(&[passed(), apart], true).is_ok());
        assert!(
            verdict(&[passed(), left_out()], true).is_err(),
            "in CI nothing is left out"
        );
        assert!(verdict(&[line("fmt", Outcome::Failed("x".into())), passed()], false).is_err());
    }

    #[test]
    fn the_table_names_what_was_left_out() {
        let lines = [
            line("fmt", Outcome::Failed("why".into())),
            line("qemu", Outcome::LeftOut("no".into())),
        ];
        let text = table(&lines, Duration::from_secs(6));
        assert_eq!(
            text,
            "\nstage              time  result\n\
             fmt                  3s  FAILED: why\n\
             qemu                 3s  left out: no\n\
             all                  6s\n"
        );
    }
}
