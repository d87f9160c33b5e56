//! `cargo xtask build`: firmware images.
//!
//! A board is a workspace member with
//!
//! ```toml
//! [package.metadata.board]
//! target = "thumbv7em-none-eabihf"
//! ```
//!
//! and a binary of the package's name. It is built with `[profile.firmware]`;
//! link flags and `memory.x` are the business of its `build.rs`. The image is
//! copied to `TARGET_DIR/images/BOARD.elf` (`BOARD-SUFFIX.elf`), where the
//! emulator and the tests look for it; its path is printed on stdout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::{Board, Workspace};
use crate::{run, toolchain};

/// `--cfg` of the variant whose port speaks.
pub(crate) const SPEAK_CFG: &str = "magpie_speak";

/// Options of `cargo xtask build`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Boards to build (default: all)
    boards: Vec<String>,
    /// Build all boards
    #[arg(long, conflicts_with = "boards")]
    all: bool,
    /// A `--cfg` for every crate on the board, such as `magpie_forget_one`
    #[arg(long = "cfg", value_name = "SPEC", requires = "suffix")]
    cfgs: Vec<String>,
    /// The variant whose port speaks: the IP stack, and records over UDP
    #[arg(long, conflicts_with_all = ["cfgs", "suffix", "features"])]
    speak: bool,
    /// Cargo features of the board; `defmt` = logs on QEMU's stdout
    #[arg(long, value_name = "FEATURES")]
    features: Option<String>,
    /// Name the image BOARD-SUFFIX.elf
    #[arg(long)]
    suffix: Option<String>,
}

/// Builds the boards and prints where the images are.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::load()?;
    let boards = workspace.boards_named(&args.boards)?;
    if boards.is_empty() {
        anyhow::bail!(
            "there is no board yet: no member has [package.metadata.board] target = \"…\""
        );
    }
    for board in &boards {
        if args.speak {
            println!("{}", speaking(&workspace, board)?.display());
            continue;
        }
        let image = image_with(
            &workspace,
            board,
            &args.cfgs,
            args.suffix.as_deref(),
            args.features.as_deref(),
        )?;
        println!("{}", image.display());
    }
    Ok(())
}

/// Builds one image; returns where it was put.
pub(crate) fn image(
    workspace: &Workspace,
    board: &Board<'_>,
    cfgs: &[String],
    suffix: Option<&str>,
) -> Result<PathBuf> {
    image_with(workspace, board, cfgs, suffix, None)
}

/// The same, with the firmware's log compiled in.
pub(crate) fn image_that_logs(workspace: &Workspace, board: &Board<'_>) -> Result<PathBuf> {
    image_with(workspace, board, &[], Some("log"), Some("defmt"))
}

/// Builds the variant whose port speaks; returns where it was put.
pub(crate) fn speaking(workspace: &Workspace, board: &Board<'_>) -> Result<PathBuf> {
    if board.speak.is_none() {
        anyhow::bail!(
            "{} has no variant that speaks: no `speak = {{ … }}` in its [package.metadata.board]",
            board.name
        );
    }
    let cfgs = [SPEAK_CFG.to_owned()];
    image(workspace, board, &cfgs, Some("speak"))
}

/// The same with cargo features of the board.
pub(crate) fn image_with(
    workspace: &Workspace,
    board: &Board<'_>,
    cfgs: &[String],
    suffix: Option<&str>,
    features: Option<&str>,
) -> Result<PathBuf> {
    let flags: Vec<String> = cfgs
        .iter()
        .flat_map(|c| ["--cfg".into(), c.clone()])
        .collect();
    let mut build = Build::new(workspace, "build", board.name, board.target, &flags)?;
    if let Some(features) = features {
        build.cargo.args(["--features", features]);
        // Without it, only errors are compiled in.
        if std::env::var_os("DEFMT_LOG").is_none() {
            build.cargo.env("DEFMT_LOG", "info");
        }
    }
    run::say(&format!("building {} for {}", board.name, board.target));
    run::run(&mut build.cargo).with_context(|| format!("cannot build {}", board.name))?;
    let name = match suffix {
        Some(suffix) => format!("{}-{suffix}.elf", board.name),
        None => format!("{}.elf", board.name),
    };
    let image = workspace.images().join(&name);
    install(&build.binary, &image)?;
    Ok(image)
}

/// A cargo call that builds a package's binary for a board.
pub(crate) struct Build {
    /// Ready to run; arguments may be added.
    pub(crate) cargo: Command,
    /// What it makes.
    pub(crate) binary: PathBuf,
}

impl Build {
    /// `command` is `build` or `rustc`; the flags go to every crate on the board.
    pub(crate) fn new(
        workspace: &Workspace,
        command: &str,
        package: &str,
        target: &str,
        flags: &[String],
    ) -> Result<Self> {
        let mut cargo = toolchain::find(workspace, target)?.cargo(command, target, flags)?;
        let dir = target_dir(workspace);
        cargo
            .current_dir(&workspace.root)
            .args([
                "--profile",
                "firmware",
                "--package",
                package,
                "--bin",
                package,
                "--target-dir",
            ])
            .arg(&dir);
        Ok(Self {
            cargo,
            binary: dir.join(target).join("firmware").join(package),
        })
    }
}

/// Cargo's target folder for images: apart from the host's, since the
/// compiler may be another one.
pub(crate) fn target_dir(workspace: &Workspace) -> PathBuf {
    workspace.target_dir.join("thumb")
}

/// Copies in one step, so that nobody ever loads half an image.
fn install(from: &Path, to: &Path) -> Result<()> {
    let dir = to.parent().context("an image has a folder")?;
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let part = to.with_extension(format!("part{}", std::process::id()));
    fs::copy(from, &part)
        .with_context(|| format!("cannot copy {} to {}", from.display(), part.display()))?;
    fs::rename(&part, to).with_context(|| format!("cannot rename to {}", to.display()))
}
