//! Magpie on QEMU's Arm MPS2 AN386 (Cortex-M4F, LAN9118): see README.md.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod board;
#[cfg(target_os = "none")]
mod kept;
#[cfg(target_os = "none")]
mod storage;
#[cfg(target_os = "none")]
mod uart;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is firmware: build it with `cargo xtask build qemu-mps2-an386`");
}
