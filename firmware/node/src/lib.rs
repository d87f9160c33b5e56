//! What every board shares: frames from its network port go to the sensor,
//! the sensor's records go up its serial line, the host's commands come down.
//!
//! The node owns the order of work and its bounds, the choice of clock, and
//! the books of what is lost between port and sensor. It never touches a
//! register (boards hand it a [`FrameReceiver`] and a [`Uart`]), never knows a
//! chip, and never interprets a frame or a record.
//!
//! # Order of use
//!
//! 1. Make a `Sensor` and a `Sender`, and a [`Node`] of them; a board has their
//!    memory by [`storage!`].
//! 2. `run(&mut node, &mut receiver, &mut uart).await`, or, where there is no
//!    embassy, [`Node::turn`] whenever something may have happened.
//! 3. Interrupts call [`wake`].
//!
//! A port is silent unless the board says otherwise: [`run`] never sends a
//! frame. [`run_speaking`] shares the port with an IP stack ([`speak`]).
//!
//! A turn is bounded: so many octets from the host, so many frames, so many
//! octets to the host; nothing starves. When the sensor has no room for
//! another frame's records and the frames can wait ([`Pace::Hold`]), they do:
//! then nothing is lost, however slow the line is.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

mod capture;
mod clock;
mod control;
mod health;
pub mod lamps;
mod node;
mod ports;
mod run;
pub mod speak;
mod status;
#[doc(hidden)]
pub mod storage;
#[cfg(test)]
mod tests;
mod uplink;

pub use capture::{MIN_SCRATCH, Pace};
pub use clock::{Clock, STAMP_OCTETS};
pub use control::MAX_COMMAND_BATCH;
pub use health::Health;
pub use node::{Buffers, Node, Turn};
pub use ports::{FrameReceiver, Lost, Uart};
pub use run::{run, run_speaking, wake};
pub use uplink::UPLINK_BUFFER;

/// Version of the firmware, for Hello.
pub const FIRMWARE: &str = env!("CARGO_PKG_VERSION");
/// Source revision it was built from, for Hello; "unknown" outside git.
pub const GIT: &str = env!("MAGPIE_GIT");
