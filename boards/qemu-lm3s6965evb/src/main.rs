//! Magpie on QEMU's Stellaris LM3S6965 board (Cortex-M3, 64 KB of RAM): see README.md.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod board;
#[cfg(target_os = "none")]
mod clocks;
#[cfg(target_os = "none")]
mod last_word;
#[cfg(target_os = "none")]
mod storage;
#[cfg(target_os = "none")]
mod uart;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is firmware: build it with `cargo xtask build qemu-lm3s6965evb`");
}
