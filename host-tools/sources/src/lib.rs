//! Where records come from: capture files (with the sensor core in this
//! process), files of kept records, serial lines, emulated boards.
//!
//! This crate never counts and never draws conclusions: it moves batches.
//! Order of use: parse a [`Spec`], open it, hand the [`Source`] to the loop
//! that feeds a collector's session.
#![forbid(unsafe_code)]

mod source;
mod spec;

pub use source::{Incoming, Offered, Refusal, Source, SourceError};
pub use spec::{Feed, Spec, SpecError};
