//! `cargo demo`: a board in QEMU counts the bundled capture, live.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::setup::Purpose;
use crate::workspace::{Workspace, cargo};
use crate::{build, run, setup};

/// Options of `cargo demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Emulated board
    #[arg(long, default_value = "qemu-mps2-an386")]
    board: String,
    /// Stop after so many seconds; the bundled capture lasts 23
    #[arg(long, default_value_t = 30, value_name = "N")]
    seconds: u32,
    /// Feed the capture again and again, until Ctrl-C
    #[arg(long, conflicts_with = "seconds")]
    forever: bool,
    /// Another capture (pcap or pcapng)
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
    /// Keep the firmware's log in a file, to be read with defmt-print
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
}

/// Sets up, builds, and hands over to `magpie watch`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::load()?;
    let boards = workspace.boards_named(std::slice::from_ref(&args.board))?;
    let [board] = boards.as_slice() else {
        bail!("two boards are called {}", args.board)
    };
    let capture = match &args.capture {
        Some(file) => file.clone(),
        None => workspace.root.join("tests/captures/lab.pcap"),
    };
    // Before minutes of building, and from the folder the user stands in.
    let capture = capture
        .canonicalize()
        .with_context(|| format!("cannot open the capture {}", capture.display()))?;
    setup::ensure(&workspace, Purpose::Demo, args.yes)?;
    let image = match &args.log {
        Some(_) => build::image_that_logs(&workspace, board)?,
        None => build::image(&workspace, board, &[], None)?,
    };
    run::say("building magpie");
    run::run(cargo().current_dir(&workspace.root).args([
        "build",
        "--release",
        "--package",
        "magpie",
    ]))?;
    let source = format!("qemu:{},feed={}", board.name, capture.display());
    let mut magpie = std::process::Command::new(workspace.target_dir.join("release/magpie"));
    // magpie finds the image under the same target folder.
    magpie
        .env("CARGO_TARGET_DIR", &workspace.target_dir)
        // As it was on the wire, so that there is something to watch.
        .args(["watch", &source, "--multiplier", "1"]);
    if let Some(log) = &args.log {
        magpie.arg("--image").arg(&image);
        magpie.arg("--board-log").arg(log);
        run::say(&format!(
            "read the log with `defmt-print -e {} < {}` (cargo install defmt-print)",
            image.display(),
            log.display()
        ));
    }
    if args.forever {
        magpie.arg("--loop");
    } else {
        magpie.args(["--seconds", &args.seconds.to_string()]);
    }
    run::say(&run::shown(&magpie));
    // In our place: Ctrl-C and the exit code are magpie's.
    let error = magpie.exec();
    Err(error).with_context(|| format!("cannot start `{}`", run::shown(&magpie)))
}
