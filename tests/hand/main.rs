//! The hand tools on paths through routers, beside ping, traceroute, mtr and
//! fping in the same run. Left out of a plain `cargo test`, which says so:
//! network namespaces need root. `cargo verify` runs them, or
//!
//! ```text
//! sudo cargo test --release -p magpie-tests --test hand -- --ignored --test-threads 8
//! ```
//!
//! The paths are drawn in `paths.py`. Nothing leaves the namespaces, and they
//! go when a test ends, however it ends. `reference` and `refused` hold the
//! paths themselves against what the tools of others see: where they fail, the lab is
//! wrong, not ours. `steady` says what counts on a busy machine.

mod lies;
mod live;
mod ping;
mod reference;
mod refused;
mod rights;
mod steady;
mod times;
mod trace;
