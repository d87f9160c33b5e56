//! What the tests of the whole way share: captures with their truth, the
//! comparison, the built programs.
//!
//! This package holds tests only. `replay` needs nothing but the repository;
//! `qemu` needs QEMU and firmware images, `lab` needs root: both are left out,
//! visibly, unless `cargo verify` asks for them (README.md).
#![forbid(unsafe_code)]

pub mod answer;
pub mod bench;
pub mod boards;
pub mod corpus;
pub mod flood;
pub mod lab;
pub mod line;
pub mod paths;
pub mod program;
mod script;
pub mod terminal;
pub mod tools;
pub mod truth;
pub mod udp;
pub mod wire;
