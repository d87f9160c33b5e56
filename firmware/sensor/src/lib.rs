//! Placeholder until its first code lands.
pub mod dissect;
