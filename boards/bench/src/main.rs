//! Instructions per frame, counted in QEMU: see README.md.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod bench;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is firmware: run it with `cargo xtask bench`");
}
