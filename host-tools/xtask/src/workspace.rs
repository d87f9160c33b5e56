//! What `cargo metadata` knows about this workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run;

/// The workspace this crate was compiled in.
pub(crate) struct Workspace {
    /// Folder of the root manifest.
    pub(crate) root: PathBuf,
    /// `CARGO_TARGET_DIR`, or `target`.
    pub(crate) target_dir: PathBuf,
    /// Its members.
    pub(crate) packages: Vec<Package>,
}

/// One member.
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// `[package.metadata]`, or null.
    pub(crate) metadata: Value,
}

/// A board: a member with `[package.metadata.board]`.
pub(crate) struct Board<'w> {
    /// Its package name, and the name of its image.
    pub(crate) name: &'w str,
    /// Target triple.
    pub(crate) target: &'w str,
}

/// The cargo that started us, or the one on PATH.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

impl Workspace {
    /// Reads it.
    pub(crate) fn load() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let manifest = here.join("../../Cargo.toml");
        let text = run::output(
            cargo()
                .args([
                    "metadata",
                    "--format-version=1",
                    "--no-deps",
                    "--manifest-path",
                ])
                .arg(&manifest),
        )?;
        Self::parse(&text).context("cannot read the answer of `cargo metadata`")
    }

    /// From the answer of `cargo metadata --no-deps`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let doc: Value = serde_json::from_str(text)?;
        let path = |key: &str| -> Result<PathBuf> {
            Ok(doc[key]
                .as_str()
                .with_context(|| format!("no {key}"))?
                .into())
        };
        let mut packages = Vec::new();
        for package in doc["packages"].as_array().context("no packages")? {
            packages.push(Package {
                name: package["name"]
                    .as_str()
                    .context("a package without a name")?
                    .into(),
                metadata: package["metadata"].clone(),
            });
        }
        Ok(Self {
            root: path("workspace_root")?,
            target_dir: path("target_directory")?,
            packages,
        })
    }

    /// All boards, in the order of their names.
    pub(crate) fn boards(&self) -> Vec<Board<'_>> {
        let mut boards: Vec<_> = self
            .packages
            .iter()
            .filter_map(|p| {
                let board = p.metadata.get("board")?;
                Some(Board {
                    name: &p.name,
                    target: board.get("target")?.as_str()?,
                })
            })
            .collect();
        boards.sort_by_key(|b| b.name);
        boards
    }

    /// Targets that the package's proof is made for.
    pub(crate) fn proof_targets(&self, package: &str) -> Result<Vec<&str>> {
        let package = self.packages.iter().find(|p| p.name == package);
        let targets = package.and_then(|p| p.metadata["proof"]["targets"].as_array());
        let targets =
            targets.context("no [package.metadata.proof] targets in the proof package")?;
        Ok(targets.iter().filter_map(Value::as_str).collect())
    }

    /// The boards of these names; all when there are none.
    pub(crate) fn boards_named(&self, names: &[String]) -> Result<Vec<Board<'_>>> {
        let all = self.boards();
        if let Some(unknown) = names.iter().find(|n| !all.iter().any(|b| b.name == *n)) {
            let known: Vec<_> = all.iter().map(|b| b.name).collect();
            bail!(
                "no board is called `{unknown}`; there are: {} (a board is a member with [package.metadata.board] target = \"…\")",
                known.join(", ")
            );
        }
        Ok(all
            .into_iter()
            .filter(|b| names.is_empty() || names.iter().any(|n| n == b.name))
            .collect())
    }

    /// Where images are put: `TARGET_DIR/images`.
    pub(crate) fn images(&self) -> PathBuf {
        self.target_dir.join("images")
    }
}
