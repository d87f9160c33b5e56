//! What records say, case by case.
#![allow(missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod echoes;
mod ends;
mod flush;
mod tcp;
mod told;
