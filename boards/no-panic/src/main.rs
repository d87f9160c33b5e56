//! The proof that protocol, link, filter, sensor, the node's turn and drivers cannot panic.
//!
//! Every public entry point is called with inputs the optimiser knows nothing
//! about, and the panic handler calls a function that exists nowhere. If the
//! optimiser can show that no call panics, the handler is dropped and the
//! image links; if one panic path remains, the link fails. It is never run.
//! `cargo xtask proof` builds it for every target and explains a failure. What is
//! proved and what is not: README.md.
//!
//! - `--cfg magpie_proof_must_fail` adds a panic path: this must not link.
//! - `--cfg magpie_proof_explain` gives the handler a body, so that the image
//!   links and the callers of the panic functions can be read out of it.
//! - `--cfg magpie_proof_async` adds async functions, for that reading only.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod proof;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("no-panic is a link-time proof for boards; run `cargo xtask proof`");
}
