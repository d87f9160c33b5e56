//! What the fuzz targets share: cutting an input into pieces, inputs to begin
//! with, and a mutator that mixes those in.
//!
//! A target is one file in `targets/`; README.md says how to run it. Each
//! checks laws, not only that nothing panics.

pub mod batches;
pub mod captures;
pub mod frames;
pub mod input;
pub mod mutate;
pub mod replies;
