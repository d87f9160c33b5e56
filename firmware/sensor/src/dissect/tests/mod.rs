//! Frames made octet by octet, what they must give, and laws for all frames.

extern crate std;

mod edges;
mod frames;
mod laws;
mod layers;
