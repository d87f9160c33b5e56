//! `cargo xtask clippy-firmware`: clippy for what runs on boards. The host's
//! `cargo clippy --workspace` sees only the stubs of their `main.rs`.

use anyhow::{Result, bail};

use crate::speak::SPEAK_CFG;
use crate::toolchain::{self, Toolchain};
use crate::workspace::Workspace;
use crate::{build, run};

/// Checks every board, the proof image for its first target, and the bench
/// image for all of its.
pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    let speaking = ["--cfg".to_owned(), SPEAK_CFG.to_owned()];
    let mut images = Vec::new();
    for board in workspace.boards() {
        images.push((board.name, board.target, &[][..]));
        if board.speak.is_some() {
            images.push((board.name, board.target, &speaking));
        }
    }
    images.extend(
        workspace
            .proof_targets("no-panic")?
            .first()
            .map(|t| ("no-panic", *t, &[][..])),
    );
    let bench = workspace.bench_boards("bench")?;
    images.extend(bench.iter().map(|(_, t)| ("bench", *t, &[][..])));
    let mut failed = Vec::new();
    for (package, target, flags) in images {
        let toolchain = toolchain::find(&workspace, target)?;
        if matches!(toolchain, Toolchain::Debian { .. }) && !toolchain::debian_clippy() {
            bail!(
                "clippy beside Debian's compiler is missing; run `cargo xtask setup`, or \
                 `apt-get install -y --no-install-recommends {}`",
                toolchain::debian_clippy_package()
            );
        }
        run::say(&format!(
            "clippy {package} for {target} {}",
            flags.join(" ")
        ));
        let mut clippy = toolchain.cargo("clippy", target, flags)?;
        clippy
            .current_dir(&workspace.root)
            .args([
                "--package",
                package,
                "--profile",
                "firmware",
                "--target-dir",
            ])
            .arg(build::target_dir(&workspace))
            .args(["--", "-D", "warnings"]);
        if let Err(error) = run::run(&mut clippy) {
            run::say(&format!("{error:#}"));
            failed.push(package);
        }
    }
    if !failed.is_empty() {
        bail!("clippy is not content with {}", failed.join(", "));
    }
    Ok(())
}
