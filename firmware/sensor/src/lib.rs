//! The sensor core: counts frames, keeps flows and echo pairs in fixed
//! storage, and turns them into records. Sans-IO: it never reads a clock,
//! allocates (but with `std`, where the caller passes vectors), blocks or
//! panics.
//!
//! What is counted and how is EXACT.md's matter; where every frame went, the
//! [`magpie_protocol::Ledger`] says.
//!
//! # Order of use
//!
//! 1. [`Sensor::new`] with storage (all-zero in its empty state), a seed and
//!    a [`Config`].
//! 2. [`Sensor::observe`] for each frame, with its time in microseconds.
//! 3. [`magpie_protocol::RecordSource::poll_record`] whenever the link has
//!    room: finished records first, live ones in the gaps, and in the gaps of
//!    those the packets that filters selected. A caller who can make frames wait
//!    does so while [`Sensor::outbox_room`] is below [`ROOM_PER_FRAME`], then no
//!    record is ever lost; and while [`Sensor::must_wait`], then no packet is of a
//!    filter that asks for that.
//! 4. [`Sensor::handle_command`] for what the host says; or
//!    [`Sensor::handle_unauthenticated`] where nothing tells who says it. Where
//!    there are both, [`Sensor::set_way`] says which of them gets the records.
//!
//! ```
//! use magpie_protocol::{RecordSource, Want, MAX_ITEM};
//! use magpie_sensor::{Config, Identity, Sensor, Storage};
//! # #[cfg(feature = "std")] {
//! let mut sensor = Sensor::new(
//!     Config::default(),
//!     Identity { name: "tap1", board: "host", ..Identity::default() },
//!     &[7; 32],
//!     Storage::owned(256, 64),
//! );
//! sensor.observe(1_000, &[0; 60], 60);
//! let mut out = [0; MAX_ITEM];
//! // The first live record is the sensor's Hello.
//! assert!(sensor.poll_record(1_000, Want::Live, &mut out).is_some());
//! assert_eq!(sensor.ledger(1_000).counted.frames, 1);
//! # }
//! ```
#![cfg_attr(not(any(test, feature = "std")), no_std)]
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

mod books;
mod config;
mod counters;
pub mod dissect;
pub mod doubled;
mod echo;
mod export;
mod filter;
mod flow;
mod hash;
mod key;
mod outbox;
mod own;
mod sensor;
mod storage;
mod table;
mod unsent;

pub use config::{Config, Identity};
pub use doubled::{DoubledSet, DoubledTable, EMPTY_DOUBLED_SET};
pub use echo::{EchoSet, EchoSlot, RequestSet, RequestSlot};
pub use export::Way;
pub use filter::FilterSlot;
pub use flow::{FlowSet, FlowSlot};
pub use outbox::OutboxEntry;
pub use sensor::{ROOM_PER_FRAME, Sensor};
pub use storage::{EMPTY_ECHO_SET, EMPTY_FLOW_SET, EMPTY_REQUEST_SET, EMPTY_UNSENT_SET, Storage};
pub use unsent::{UnsentSet, UnsentSlot};
