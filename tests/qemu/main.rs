//! Emulated boards.
fn main() {}
