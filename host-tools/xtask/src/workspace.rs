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
    /// Its folder.
    pub(crate) dir: PathBuf,
    /// `[package.metadata]`, or null.
    pub(crate) metadata: Value,
    /// Names of the packages it needs to be built (no dev-dependencies).
    pub(crate) needs: Vec<String>,
    /// Its targets.
    pub(crate) targets: Vec<Target>,
}

/// One library, program or test.
pub(crate) struct Target {
    /// Its name.
    pub(crate) name: String,
    /// `lib`, `bin`, `test`, `custom-build`, …
    pub(crate) kind: String,
    /// Its root file.
    pub(crate) root: PathBuf,
}

/// A board: a member with `[package.metadata.board]`.
pub(crate) struct Board<'w> {
    /// Its package name, and the name of its image.
    pub(crate) name: &'w str,
    /// Target triple.
    pub(crate) target: &'w str,
    /// Its `[package.metadata.board]`.
    pub(crate) about: &'w Value,
    /// The numbers of `[package.metadata.board]`: what its tables hold.
    pub(crate) capacities: Vec<String>,
    /// The same of its variant that speaks, where it has one
    /// (`speak = { … }`): numbers there go before those of the board.
    pub(crate) speak: Option<Vec<String>>,
}

/// The numbers of a table, with others in place of some.
fn numbers(table: &Value, instead: &Value) -> Vec<String> {
    let table = table.as_object().into_iter().flatten();
    table
        .filter(|(_, n)| n.is_u64())
        .map(|(name, n)| {
            let n = instead.get(name).unwrap_or(n);
            format!("{name} {n}")
        })
        .collect()
}

/// The cargo that started us, or the one on PATH.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

impl Package {
    fn parse(package: &Value) -> Result<Self> {
        let text = |value: &Value| -> Result<String> {
            Ok(value
                .as_str()
                .context("a name or path is missing")?
                .to_owned())
        };
        let empty = Vec::new();
        let list = |key: &str| package[key].as_array().unwrap_or(&empty).iter();
        let mut dir = PathBuf::from(text(&package["manifest_path"])?);
        dir.pop();
        Ok(Self {
            name: text(&package["name"])?,
            dir,
            metadata: package["metadata"].clone(),
            needs: list("dependencies")
                .filter(|d| d["kind"] != "dev")
                .map(|d| text(&d["name"]))
                .collect::<Result<_>>()?,
            targets: list("targets")
                .map(|t| {
                    Ok(Target {
                        name: text(&t["name"])?,
                        kind: text(&t["kind"][0])?,
                        root: text(&t["src_path"])?.into(),
                    })
                })
                .collect::<Result<_>>()?,
        })
    }
}

impl Workspace {
    /// Reads it.
    pub(crate) fn load() -> Result<Self> {
        Self::at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml"))
    }

    /// Reads another one.
    pub(crate) fn at(manifest: &Path) -> Result<Self> {
        let text = run::output(
            cargo()
                .args([
                    "metadata",
                    "--format-version=1",
                    "--no-deps",
                    "--manifest-path",
                ])
                .arg(manifest),
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
        let packages = doc["packages"].as_array().context("no packages")?;
        let packages = packages.iter().map(Package::parse).collect::<Result<_>>()?;
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
                    target: board["target"].as_str()?,
                    about: board,
                    capacities: numbers(board, &Value::Null),
                    speak: board.get("speak").map(|instead| numbers(board, instead)),
                })
            })
            .collect();
        boards.sort_by_key(|b| b.name);
        boards
    }

    /// The boards that the bench image plays, and their targets.
    pub(crate) fn bench_boards(&self, package: &str) -> Result<Vec<(&str, &str)>> {
        let package = self.packages.iter().find(|p| p.name == package);
        let boards = package.and_then(|p| p.metadata["bench"].as_object());
        let boards = boards.context("no [package.metadata.bench] in the bench image's package")?;
        Ok(boards
            .iter()
            .filter_map(|(board, target)| Some((board.as_str(), target.as_str()?)))
            .collect())
    }

    /// Targets that the package's proof is made for.
    pub(crate) fn proof_targets(&self, package: &str) -> Result<Vec<&str>> {
        let package = self.packages.iter().find(|p| p.name == package);
        let targets = package.and_then(|p| p.metadata["proof"]["targets"].as_array());
        let targets =
            targets.context("no [package.metadata.proof] targets in the proof package")?;
        Ok(targets.iter().filter_map(Value::as_str).collect())
    }

    /// Every target that a board or the proof is built for.
    pub(crate) fn thumb_targets(&self) -> Vec<&str> {
        let mut targets: Vec<_> = self.boards().iter().map(|b| b.target).collect();
        targets.extend(self.proof_targets("no-panic").unwrap_or_default());
        targets.sort_unstable();
        targets.dedup();
        targets
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
