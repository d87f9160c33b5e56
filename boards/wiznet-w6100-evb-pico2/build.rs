//! Where the image lies in memory, and how it is linked.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=memory.x");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        let out = env::var("OUT_DIR").map_err(io::Error::other)?;
        fs::copy("memory.x", Path::new(&out).join("memory.x"))?;
        println!("cargo:rustc-link-search={out}");
        println!("cargo:rustc-link-arg-bins=--nmagic");
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
    }
    Ok(())
}
