//! The source revision, for Hello: a board says what it was built from. And the
//! network settings that go into an image whose port speaks.

use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

/// As `cargo xtask build --speak --address …` gives them: 16 octets in hexadecimal
/// (`src/speak/settings.rs`).
const NETWORK: &str = "MAGPIE_NETWORK";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    // Moves with every commit and checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
    let revision = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".into());
    println!("cargo:rustc-env=MAGPIE_GIT={revision}");
    network()
}

/// What git says, when it says anything.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}

/// Writes the settings as an array, of zeros where there are none.
fn network() -> io::Result<()> {
    println!("cargo:rerun-if-env-changed={NETWORK}");
    let octets = match env::var(NETWORK) {
        Err(_) => [0; 16],
        Ok(hex) => octets(&hex).ok_or_else(|| {
            io::Error::other(format!(
                "{NETWORK}={hex}: not 16 octets in hexadecimal; `cargo xtask build BOARD --speak` \
                 writes it"
            ))
        })?,
    };
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("network.rs"), format!("{octets:?}"))
}

fn octets(hex: &str) -> Option<[u8; 16]> {
    if hex.len() != 32 || !hex.is_ascii() {
        return None;
    }
    let mut octets = [0; 16];
    for (i, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(octets)
}
