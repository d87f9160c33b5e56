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

use crate::speak::{NETWORK, SPEAK_CFG, Voice};
use crate::workspace::{Board, Workspace};
use crate::{run, toolchain};

/// Options of `cargo xtask build`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Boards to build (default: all)
    boards: Vec<String>,
    /// Build all boards
    #[arg(long, conflicts_with = "boards")]
    all: bool,
    /// A `--cfg` for every crate on the board, such as `magpie_forget_one`
    #[arg(
        long = "cfg",
        value_name = "SPEC",
        requires = "suffix",
        conflicts_with = "speak"
    )]
    cfgs: Vec<String>,
    #[command(flatten)]
    speak: Voice,
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
    let mut variant = Variant::speaking(&args.speak)?;
    variant.cfgs.extend(args.cfgs.iter().cloned());
    variant.features.clone_from(&args.features);
    if args.suffix.is_some() || !args.speak.speak {
        variant.suffix.clone_from(&args.suffix);
    } else {
        variant.name_features();
    }
    for board in &boards {
        let image = variant.build(&workspace, board)?;
        println!("{}", image.display());
    }
    Ok(())
}

/// How an image differs from the plain one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Variant {
    /// For every crate on the board.
    pub(crate) cfgs: Vec<String>,
    /// Cargo features of the board.
    pub(crate) features: Option<String>,
    /// In its name.
    pub(crate) suffix: Option<String>,
    /// Settings of a port that speaks.
    network: Option<String>,
}

impl Variant {
    /// What was asked for of a port that speaks; else the plain image.
    pub(crate) fn speaking(args: &Voice) -> Result<Self> {
        Ok(Self {
            cfgs: args
                .speak
                .then(|| SPEAK_CFG.to_owned())
                .into_iter()
                .collect(),
            features: None,
            suffix: args.suffix(),
            network: args.settings()?,
        })
    }

    /// Its features stand in its name: nobody shall find an image with logs under
    /// the name of one without.
    pub(crate) fn name_features(&mut self) {
        let features = self.features.as_ref().map(|f| f.replace([',', ' '], "-"));
        let parts: Vec<String> = self.suffix.take().into_iter().chain(features).collect();
        self.suffix = (!parts.is_empty()).then(|| parts.join("-"));
    }

    /// Refuses a board that has no such variant.
    pub(crate) fn check(&self, board: &Board<'_>) -> Result<()> {
        if self.cfgs.iter().any(|cfg| cfg == SPEAK_CFG) && board.speak.is_none() {
            anyhow::bail!(
                "{} has no variant that speaks: no `speak = {{ … }}` in its [package.metadata.board]",
                board.name
            );
        }
        Ok(())
    }

    /// Where the image is put.
    pub(crate) fn path(&self, workspace: &Workspace, board: &Board<'_>) -> PathBuf {
        let name = match &self.suffix {
            Some(suffix) => format!("{}-{suffix}.elf", board.name),
            None => format!("{}.elf", board.name),
        };
        workspace.images().join(name)
    }

    /// Builds it; returns where it was put.
    pub(crate) fn build(&self, workspace: &Workspace, board: &Board<'_>) -> Result<PathBuf> {
        self.check(board)?;
        let flags: Vec<String> = self
            .cfgs
            .iter()
            .flat_map(|c| ["--cfg".into(), c.clone()])
            .collect();
        let mut build = Build::new(workspace, "build", board.name, board.target, &flags)?;
        if let Some(features) = &self.features {
            build.cargo.args(["--features", features]);
            // Without it, only errors are compiled in.
            if std::env::var_os("DEFMT_LOG").is_none() {
                build.cargo.env("DEFMT_LOG", "info");
            }
        }
        if let Some(network) = &self.network {
            build.cargo.env(NETWORK, network);
        }
        run::say(&format!("building {} for {}", board.name, board.target));
        run::run(&mut build.cargo).with_context(|| format!("cannot build {}", board.name))?;
        let image = self.path(workspace, board);
        install(&build.binary, &image)?;
        Ok(image)
    }
}

/// Builds one image; returns where it was put.
pub(crate) fn image(
    workspace: &Workspace,
    board: &Board<'_>,
    cfgs: &[String],
    suffix: Option<&str>,
) -> Result<PathBuf> {
    let variant = Variant {
        cfgs: cfgs.to_vec(),
        suffix: suffix.map(Into::into),
        ..Variant::default()
    };
    variant.build(workspace, board)
}

/// The same, with the firmware's log compiled in.
pub(crate) fn image_that_logs(workspace: &Workspace, board: &Board<'_>) -> Result<PathBuf> {
    let variant = Variant {
        features: Some("defmt".into()),
        suffix: Some("log".into()),
        ..Variant::default()
    };
    variant.build(workspace, board)
}

/// Builds the variant whose port speaks; returns where it was put.
pub(crate) fn speaking(workspace: &Workspace, board: &Board<'_>) -> Result<PathBuf> {
    Variant::speaking(&Voice::plain())?.build(workspace, board)
}

/// The same with an address and a host of its own, for the test that looks whether
/// they are in the image (`tests/qemu/udp.rs`).
pub(crate) fn speaking_with_settings(workspace: &Workspace, board: &Board<'_>) -> Result<PathBuf> {
    let mut variant = Variant::speaking(&Voice::for_tests())?;
    variant.suffix = Some("static".into());
    variant.build(workspace, board)
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
            // What the command line does not say is not in the image.
            .env_remove(NETWORK)
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
