//! A compiler for thumb targets, found or made.
//!
//! 1. The toolchain that runs us has the target, or `rustup target add`
//!    brings it: plain cargo.
//! 2. Else Debian's compiler and its sources (`rustc-web cargo-web
//!    rust-web-src lld`): `core`, `alloc` and `compiler_builtins` are built
//!    once per compiler version into `TARGET_DIR/thumb-sysroot/VERSION`;
//!    after that, builds need no unstable flag.
//!
//! `MAGPIE_TOOLCHAIN=debian` goes to 2 at once.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use crate::run;
use crate::workspace::{Workspace, cargo};

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// Oldest release that compiles this workspace.
const OLDEST: (u32, u32) = (1, 88);
const DEBIAN_CLIPPY: &str = "/usr/bin/cargo-clippy";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
/// Where the Debian packages (of any release) put the library sources.
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/core";
/// How long `rustup target add` may take (a target is about 10 MB).
const RUSTUP_LIMIT: Duration = Duration::from_secs(60);
/// How long a failure of `rustup target add` is remembered.
const RUSTUP_RETRY: Duration = Duration::from_secs(24 * 3600);

/// A way to compile for one thumb target.
#[derive(Debug, Clone)]
pub(crate) enum Toolchain {
    /// The cargo that runs us has the target.
    Installed,
    /// Debian's, with a sysroot made by us.
    Debian {
        /// `--sysroot`.
        sysroot: PathBuf,
        /// `rust-lld`, which is Debian's `ld.lld` under the name rustc expects.
        linker: PathBuf,
    },
}

/// What there is for a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// The cargo that runs us has it.
    Installed,
    /// Debian's packages; the sysroot is made when it is needed.
    Debian,
    /// Debian's packages are missing and rustup cannot help.
    Missing,
}

/// Looks for a compiler for this target; may call `rustup target add`.
pub(crate) fn readiness(workspace: &Workspace, target: &str) -> Result<Readiness> {
    Ok(if installed(target)? || rustup_adds(workspace, target)? {
        Readiness::Installed
    } else if debian_installed() {
        Readiness::Debian
    } else {
        Readiness::Missing
    })
}

/// The compiler for this target, made ready.
pub(crate) fn find(workspace: &Workspace, target: &str) -> Result<Toolchain> {
    match readiness(workspace, target)? {
        Readiness::Installed => return Ok(Toolchain::Installed),
        Readiness::Debian => {}
        Readiness::Missing => bail!(
            "no compiler for {target}: rustup has not got it and cannot download it, and Debian's packages are \
             not installed; run `cargo xtask setup`, or `apt-get install -y --no-install-recommends {}`",
            debian_packages().join(" ")
        ),
    }
    let sysroot = sysroot_dir(workspace)?;
    if !library_dir(&sysroot, target).is_dir() {
        make_libraries(&sysroot, target)?;
    }
    let linker = make_linker(&sysroot)?;
    Ok(Toolchain::Debian { sysroot, linker })
}

impl Toolchain {
    /// `cargo` for this target, with these flags for what runs on the board.
    /// Goes by `command` (`build`, `clippy`); `--target` is set.
    pub(crate) fn cargo(&self, command: &str, target: &str, flags: &[String]) -> Result<Command> {
        let mut flags: Vec<OsString> = flags.iter().map(Into::into).collect();
        // Names with their generics: which task's `poll`, `cargo xtask size` asks.
        flags.push("-Csymbol-mangling-version=v0".into());
        let mut cargo = match self {
            Self::Installed => {
                let mut cargo = cargo();
                cargo.arg(command);
                cargo
            }
            Self::Debian { sysroot, linker } => {
                let mut option = OsString::from("--sysroot=");
                option.push(sysroot);
                flags.push(option);
                // `cargo clippy` would look for rustup's clippy first.
                let mut cargo = if command == "clippy" {
                    let mut clippy = Command::new(DEBIAN_CLIPPY);
                    clippy.arg("clippy");
                    clippy
                } else {
                    let mut cargo = Command::new(DEBIAN_CARGO);
                    cargo.arg(command);
                    cargo
                };
                debian_env(&mut cargo, linker.parent())?;
                let variable = format!(
                    "CARGO_TARGET_{}_LINKER",
                    target.to_uppercase().replace('-', "_")
                );
                cargo.env(variable, linker);
                cargo
            }
        };
        // The encoded form takes paths with spaces. With --target it does not
        // reach build scripts and macros, which run on the host.
        let encoded = flags.join(OsString::from("\x1f").as_os_str());
        cargo
            .env_remove("RUSTFLAGS")
            .env("CARGO_ENCODED_RUSTFLAGS", encoded);
        cargo.args(["--target", target]);
        Ok(cargo)
    }
}

fn installed(target: &str) -> Result<bool> {
    if debian_wanted() {
        return Ok(false);
    }
    let sysroot = run::output(Command::new(rustc()).args(["--print", "sysroot"]))?;
    let libraries = library_dir(Path::new(sysroot.trim()), target);
    Ok(has_core(&libraries))
}

/// Whether the user asked for Debian's toolchain.
fn debian_wanted() -> bool {
    std::env::var_os("MAGPIE_TOOLCHAIN").is_some_and(|v| v == "debian")
}

/// The compiler that the cargo which runs us would call.
fn rustc() -> OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

fn has_core(libraries: &Path) -> bool {
    fs::read_dir(libraries).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|e| e.file_name().to_string_lossy().starts_with("libcore-"))
    })
}

fn library_dir(sysroot: &Path, target: &str) -> PathBuf {
    sysroot.join("lib/rustlib").join(target).join("lib")
}

fn cache_dir(workspace: &Workspace) -> PathBuf {
    workspace.target_dir.join("thumb-sysroot")
}

/// Tries `rustup target add` once; a failure is remembered for a day.
fn rustup_adds(workspace: &Workspace, target: &str) -> Result<bool> {
    if debian_wanted() || run::find_program("rustup").is_none() {
        return Ok(false);
    }
    let note = cache_dir(workspace).join("rustup-cannot-download");
    let fresh = note.metadata().and_then(|m| m.modified()).is_ok_and(|t| {
        SystemTime::now()
            .duration_since(t)
            .is_ok_and(|age| age < RUSTUP_RETRY)
    });
    if fresh {
        return Ok(false);
    }
    run::say(&format!(
        "rustup target add {target} (at most {} s)",
        RUSTUP_LIMIT.as_secs()
    ));
    let mut add = Command::new("rustup");
    add.args(["target", "add", target])
        .stdout(std::process::Stdio::null());
    // One try: rustup's own retries triple the wait where nothing answers.
    add.env("RUSTUP_MAX_RETRIES", "0");
    if run::succeeds_within(&mut add, RUSTUP_LIMIT) && installed(target)? {
        return Ok(true);
    }
    fs::create_dir_all(cache_dir(workspace))?;
    fs::write(
        &note,
        "`rustup target add` failed; delete this file to have it tried again\n",
    )
    .with_context(|| format!("cannot write {}", note.display()))?;
    run::say("rustup cannot download it; going on with Debian's toolchain");
    Ok(false)
}

/// Whether Debian's compiler (new enough), cargo, sources and lld are here.
fn debian_installed() -> bool {
    [DEBIAN_RUSTC, DEBIAN_CARGO, DEBIAN_SOURCES]
        .iter()
        .all(|p| Path::new(p).exists())
        && lld().is_some()
        && debian_version().is_ok_and(|v| release(&v).is_some_and(|r| r >= OLDEST))
}

/// Whether clippy of Debian's compiler is here.
pub(crate) fn debian_clippy() -> bool {
    Path::new(DEBIAN_CLIPPY).exists()
}

/// The packages that way 2 needs. Stable releases of Debian carry a second,
/// newer compiler under names with `-web`.
pub(crate) fn debian_packages() -> [&'static str; 4] {
    if has_web_packages() {
        ["rustc-web", "cargo-web", "rust-web-src", "lld"]
    } else {
        ["rustc", "cargo", "rust-src", "lld"]
    }
}

/// The package with Debian's clippy.
pub(crate) fn debian_clippy_package() -> &'static str {
    if has_web_packages() {
        "rust-web-clippy"
    } else {
        "rust-clippy"
    }
}

fn has_web_packages() -> bool {
    run::output(Command::new("apt-cache").args(["policy", "rustc-web"]))
        .is_ok_and(|text| text.contains("Candidate:") && !text.contains("Candidate: (none)"))
}

/// Some lld that links ELF: Debian's, else the copy in rustup's toolchain.
fn lld() -> Option<PathBuf> {
    let debian = PathBuf::from("/usr/bin/ld.lld");
    if debian.exists() {
        return Some(debian);
    }
    let sysroot = run::output(Command::new(rustc()).args(["--print", "sysroot"])).ok()?;
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let copy = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(host)
        .join("bin/rust-lld");
    copy.exists().then_some(copy)
}

/// Makes the command run Debian's compiler and nothing of rustup's: without
/// RUSTC its cargo would pick rustup's rustc from PATH.
fn debian_env(command: &mut Command, linker_dir: Option<&Path>) -> Result<()> {
    let mut path = vec![PathBuf::from("/usr/bin"), PathBuf::from("/bin")];
    path.extend(linker_dir.map(Into::into));
    command.env("PATH", std::env::join_paths(path)?);
    command
        .env("RUSTC", DEBIAN_RUSTC)
        .env("CARGO", DEBIAN_CARGO);
    for variable in [
        "RUSTUP_TOOLCHAIN",
        "LD_LIBRARY_PATH",
        "RUSTDOC",
        "RUSTC_WRAPPER",
    ] {
        command.env_remove(variable);
    }
    Ok(())
}

/// What `rustc -vV` of Debian's compiler says.
fn debian_version() -> Result<String> {
    let mut rustc = Command::new(DEBIAN_RUSTC);
    debian_env(&mut rustc, None)?;
    run::output(rustc.arg("-vV"))
}

fn field<'v>(version: &'v str, name: &str) -> Option<&'v str> {
    version
        .lines()
        .find_map(|l| l.strip_prefix(name))
        .map(str::trim)
}

fn release(version: &str) -> Option<(u32, u32)> {
    let mut parts = field(version, "release:")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn sysroot_dir(workspace: &Workspace) -> Result<PathBuf> {
    let version = debian_version()?;
    let release = field(&version, "release:").unwrap_or("unknown");
    let commit: String = field(&version, "commit-hash:")
        .unwrap_or_default()
        .chars()
        .take(9)
        .collect();
    Ok(cache_dir(workspace).join(format!("{release}-{commit}")))
}

/// Builds the libraries of one target from Debian's sources. Only this step
/// needs unstable flags.
fn make_libraries(sysroot: &Path, target: &str) -> Result<()> {
    run::say(&format!(
        "building core and alloc for {target} (once per compiler, 20-60 s)"
    ));
    let scratch = sysroot.join(format!("build-{target}-{}", std::process::id()));
    let source = scratch.join("src");
    fs::create_dir_all(&source).with_context(|| format!("cannot create {}", source.display()))?;
    // [workspace] keeps cargo from taking it for a member of ours.
    let manifest = "[package]\nname = \"libraries\"\nedition = \"2024\"\n\n[workspace]\n\n\
                    [profile.release]\npanic = \"abort\"\n";
    fs::write(scratch.join("Cargo.toml"), manifest)?;
    fs::write(source.join("lib.rs"), "#![no_std]\n")?;
    let mut cargo = Command::new(DEBIAN_CARGO);
    debian_env(&mut cargo, None)?;
    cargo
        .current_dir(&scratch)
        .args([
            "build",
            "--release",
            "-Zbuild-std=core,alloc",
            "--target",
            target,
            "--target-dir",
        ])
        .arg(scratch.join("target"))
        .env("RUSTC_BOOTSTRAP", "1")
        // Bitcode, so that fat LTO sees through core as well.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET");
    run::run(&mut cargo)?;
    let built = scratch.join("target").join(target).join("release/deps");
    let part = scratch.join("lib");
    fs::create_dir_all(&part)?;
    for entry in fs::read_dir(&built).with_context(|| format!("cannot read {}", built.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let wanted = ["libcore-", "liballoc-", "libcompiler_builtins-"];
        if text.ends_with(".rlib") && wanted.iter().any(|w| text.starts_with(w)) {
            fs::copy(entry.path(), part.join(&name))?;
        }
    }
    // Renamed into place at the end: an interrupted build leaves nothing that
    // looks complete.
    let place = library_dir(sysroot, target);
    fs::create_dir_all(place.parent().context("a library folder has a parent")?)?;
    if let Err(error) = fs::rename(&part, &place)
        && !has_core(&place)
    {
        return Err(error).with_context(|| format!("cannot move libraries to {}", place.display()));
    }
    fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))
}

/// A link named `rust-lld`: lld chooses its manners by the name it is called
/// with, and rustc's targets ask for this one.
fn make_linker(sysroot: &Path) -> Result<PathBuf> {
    let lld = lld().context("no lld; install it with `apt-get install lld`")?;
    let dir = sysroot.join("bin");
    fs::create_dir_all(&dir)?;
    let link = dir.join("rust-lld");
    if fs::read_link(&link).ok().as_ref() != Some(&lld) {
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(&lld, &link)
            .with_context(|| format!("cannot create {}", link.display()))?;
    }
    Ok(link)
}

#[cfg(test)]
mod tests {
    use super::{OLDEST, release};

    #[test]
    fn releases_compare_as_numbers() {
        let parse = |r: &str| release(&format!("rustc\nhost: x\nrelease: {r}\nLLVM version: 1\n"));
        assert_eq!(parse("1.96.0"), Some((1, 96)));
        assert!(parse("1.9.0").is_some_and(|r| r < OLDEST));
        assert!(parse("1.100.0-nightly").is_some_and(|r| r > OLDEST));
        assert_eq!(parse("unknown"), None);
    }
}
