//! Magpie on ST's NUCLEO-H743ZI2 (Cortex-M7, 100 Mbit/s): see README.md.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod bank;
#[cfg(target_os = "none")]
mod board;
#[cfg(target_os = "none")]
mod boot_stub;
#[cfg(target_os = "none")]
mod clocks;
#[cfg(target_os = "none")]
mod kept;
#[cfg(target_os = "none")]
mod lamps;
#[cfg(target_os = "none")]
mod last_word;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod port;
#[cfg(target_os = "none")]
mod storage;
#[cfg(target_os = "none")]
mod uplink;
#[cfg(target_os = "none")]
mod usb;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is firmware: build it with `cargo xtask build nucleo-h743zi2`");
}
