//! Magpie on `WIZnet`'s W6100-EVB-Pico2 (RP2350, W6100 behind SPI): see README.md.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod board;
#[cfg(target_os = "none")]
mod chip;
#[cfg(target_os = "none")]
mod kept;
#[cfg(target_os = "none")]
mod lamp;
#[cfg(target_os = "none")]
mod last_word;
#[cfg(target_os = "none")]
mod port;
#[cfg(target_os = "none")]
mod storage;
#[cfg(target_os = "none")]
mod usb;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is firmware: build it with `cargo xtask build wiznet-w6100-evb-pico2`");
}
