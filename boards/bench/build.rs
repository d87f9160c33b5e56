//! Which board is played: its memory map, and how the image is linked.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(lm3s6965evb)");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        let target = env::var("TARGET").map_err(io::Error::other)?;
        let board = if target == "thumbv7m-none-eabi" {
            println!("cargo:rustc-cfg=lm3s6965evb");
            "qemu-lm3s6965evb"
        } else {
            "qemu-mps2-an386"
        };
        let memory = format!("../{board}/memory.x");
        println!("cargo:rerun-if-changed={memory}");
        let out = env::var("OUT_DIR").map_err(io::Error::other)?;
        fs::copy(memory, Path::new(&out).join("memory.x"))?;
        println!("cargo:rustc-link-search={out}");
        println!("cargo:rustc-link-arg-bins=--nmagic");
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
    }
    Ok(())
}
