//! Captures through emulated boards: a real image, its network card, its
//! serial line. Left out of a plain `cargo test`, which says so: they need
//! QEMU and images. `cargo verify` runs them, or
//!
//! ```text
//! cargo xtask build --all
//! cargo xtask build --all --cfg magpie_forget_one --suffix forget
//! cargo test --release -p magpie-tests --test qemu -- --ignored
//! ```

mod captures;
mod faults;
mod line;
