//! Puts the source revision into the program's version.

use std::path::Path;
use std::process::Command;

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

/// The unwinder becomes part of the program where the compiler has it as an
/// archive, as on Linux with gcc. As a library (`libgcc_s`) it is a tenth of a
/// millisecond of each start: a file to map, and a look at what processor this
/// is, which takes a virtual machine long.
fn link_unwinder() {
    const ARCHIVE: &str = "libgcc_eh.a";
    let is = |name, value: &str| std::env::var(name).is_ok_and(|is| is == value);
    let host = std::env::var("HOST").unwrap_or_default();
    if !is("TARGET", &host)
        || !is("CARGO_CFG_TARGET_OS", "linux")
        || !is("CARGO_CFG_TARGET_ENV", "gnu")
    {
        return;
    }
    let asked = Command::new("cc")
        .arg(format!("-print-file-name={ARCHIVE}"))
        .output();
    // One that does not know it says the name again.
    let found = asked
        .ok()
        .and_then(|out| String::from_utf8(out.stdout).ok());
    if let Some(folder) = found
        .as_deref()
        .and_then(|file| Path::new(file.trim()).parent())
        && folder.join(ARCHIVE).is_file()
        && folder.is_absolute()
    {
        println!("cargo:rustc-link-search=native={}", folder.display());
        println!("cargo:rustc-link-lib=static=gcc_eh");
    }
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    link_unwinder();
    println!("cargo:rerun-if-env-changed=MAGPIE_GIT");
    // Packagers build from an archive: they may say which revision it is.
    let id = std::env::var("MAGPIE_GIT")
        .ok()
        .or_else(|| git(&["rev-parse", "--short=12", "HEAD"]))
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=MAGPIE_GIT_ID={id}");
    // Grows with every commit and checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"])
        && Path::new(&log).exists()
    {
        println!("cargo:rerun-if-changed={log}");
    }
}
