//! A board that speaks, on one cable with a mirrored wire and with a host:
//! what the switch mirrors, and what the two say to each other, share it.
//!
//! The host is a small IP stack in this process ([`host::Host`]); records come
//! to the program's own loop as datagrams.

pub mod board;
pub mod host;
pub mod own;
mod passed;
mod weather;

pub use board::{SpeakingBoard, Wiring, image};
pub use passed::{Frames, Passed};
pub use weather::Weather;
