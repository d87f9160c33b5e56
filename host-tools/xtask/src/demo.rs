//! `cargo demo`: a board in QEMU counts the bundled capture, live; or, with
//! `--live`, what passes a switch in a network of the demo's own.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::Purpose;
use crate::workspace::{Board, Workspace, cargo};
use crate::{build, run, setup};

const BOARD: &str = "qemu-mps2-an386";

/// Options of `cargo demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build a network of hosts, a switch and its mirror port, and watch that
    /// (Linux, as root); without --board the sensor runs in magpie itself
    #[arg(long, conflicts_with = "capture")]
    live: bool,
    /// Emulated board [default: qemu-mps2-an386]
    #[arg(long, value_name = "NAME")]
    board: Option<String>,
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
    let boards = match &args.board {
        None if args.live => Vec::new(),
        name => {
            let name = name.as_deref().unwrap_or(BOARD);
            workspace.boards_named(&[name.to_owned()])?
        }
    };
    let board = match boards.as_slice() {
        [] => None,
        [board] => Some(board),
        [board, ..] => bail!("two boards are called {}", board.name),
    };
    // Before minutes of building, and from the folder the user stands in.
    let source = match (args.live, board) {
        (true, _) if !run::is_root() => bail!(
            "--live makes network namespaces, which needs root; run \
             `sudo env PATH=\"$PATH\" cargo demo --live`, or `cargo demo` without it"
        ),
        (true, None) if args.log.is_some() => bail!("--log is of a board: add --board {BOARD}"),
        (true, None) => "if:mirror".to_owned(),
        (true, Some(board)) => format!("qemu:{},if=mirror", board.name),
        (false, board) => feed(&workspace, args, board.map_or(BOARD, |board| board.name))?,
    };
    let purpose = match (args.live, board) {
        (false, _) => Purpose::Demo,
        (true, None) => Purpose::Live,
        (true, Some(_)) => Purpose::LiveBoard,
    };
    setup::ensure(&workspace, purpose, args.yes)?;
    let image = board.map(|board| image(&workspace, board, args));
    let image = image.transpose()?;
    run::say("building magpie");
    run::run(cargo().current_dir(&workspace.root).args([
        "build",
        "--release",
        "--package",
        "magpie",
        "--features",
        "libpcap",
    ]))?;
    let magpie = workspace.target_dir.join("release/magpie");
    let mut command = if args.live {
        in_the_lab(&workspace, args, &magpie)
    } else {
        Command::new(magpie)
    };
    // magpie finds the image under the same target folder.
    command
        .env("CARGO_TARGET_DIR", &workspace.target_dir)
        .args(["watch", &source]);
    if !args.live {
        // As it was on the wire, so that there is something to watch.
        command.args(["--multiplier", "1"]);
    }
    if let (Some(log), Some(image)) = (&args.log, &image) {
        command.arg("--image").arg(image);
        command.arg("--board-log").arg(log);
        run::say(&format!(
            "read the log with `defmt-print -e {} < {}` (cargo install defmt-print)",
            image.display(),
            log.display()
        ));
    }
    if !args.forever {
        command.args(["--seconds", &args.seconds.to_string()]);
    } else if !args.live {
        command.arg("--loop");
    }
    run::say(&run::shown(&command));
    // In our place: Ctrl-C and the exit code are magpie's, or the lab's, which
    // passes them on and takes everything down.
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start `{}`", run::shown(&command)))
}

/// The board with the capture at its mirror port.
fn feed(workspace: &Workspace, args: &Args, board: &str) -> Result<String> {
    let capture = match &args.capture {
        Some(file) => file.clone(),
        None => workspace.root.join("tests/captures/lab.pcap"),
    };
    let capture = capture
        .canonicalize()
        .with_context(|| format!("cannot open the capture {}", capture.display()))?;
    Ok(format!("qemu:{board},feed={}", capture.display()))
}

fn image(workspace: &Workspace, board: &Board, args: &Args) -> Result<PathBuf> {
    match &args.log {
        Some(_) => build::image_that_logs(workspace, board),
        None => build::image(workspace, board, &[], None),
    }
}

/// The lab, which runs what follows at its mirror port.
fn in_the_lab(workspace: &Workspace, args: &Args, magpie: &std::path::Path) -> Command {
    let seconds = if args.forever {
        "inf".to_owned()
    } else {
        args.seconds.to_string()
    };
    let mut command = Command::new("python3");
    command
        .arg(workspace.root.join("tests/lab/network.py"))
        .args(["demo", &seconds, "--"])
        .arg(magpie);
    command
}
