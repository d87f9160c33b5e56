//! The sensor's worst day: hostile frames, floods, full tables, clocks that
//! jump, counters at their limits. On the host, at board sizes; what of it
//! runs on emulated boards is `qemu::flood`.

mod clock;
mod count;
mod counters;
mod differential;
mod elephants;
mod flood;
mod hostile;
mod known;
mod lengths;
mod packet;
mod second;
/// The fuzz targets' seeds: one frame of everything the dissector knows.
#[allow(unreachable_pub, reason = "a module of the fuzz targets")]
#[path = "../fuzz/src/frames.rs"]
mod seeds;
mod spread;
