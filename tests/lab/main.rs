//! A live network, the program at its mirror port, and mirror ports that are
//! set wrongly on purpose; what it says of its own machine's sockets and
//! interfaces, beside others. Left out of a plain `cargo test`, which says so:
//! network namespaces need root. `cargo verify` runs them, or
//!
//! ```text
//! sudo cargo test --release -p magpie-tests --test lab -- --ignored
//! ```
//!
//! Nothing leaves the namespaces, and they go when a test ends, however it
//! ends.

mod beside;
mod demo;
mod hidden;
mod interfaces;
mod lan;
mod right;
mod sockets;
mod wrong;
mod zoo;
