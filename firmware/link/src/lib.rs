//! Both ends of one wire between a sensor and its host, without any I/O: what
//! the board runs is what the host and the tests run.
//!
//! The crate numbers records, gathers them into batches, keeps finished ones
//! until they are acknowledged, sends them again when they are not, and frames
//! batches for a byte stream. It never reads a clock (time is an argument), a
//! port or a socket; it never looks into a record's meaning; it never
//! allocates; no octets from a peer make it panic or loop.
//!
//! # Order of calls
//!
//! Sensor: for every batch from the host [`Sender::handle_batch`], and carry
//! out the commands it hands back; then [`Sender::poll_transmit`] until it
//! says `None`, and again at [`Sender::poll_at`] or when there are new records.
//! Host: [`Receiver::handle_batch`] for every batch, take the records out of
//! the [`Delivery`], then [`Receiver::poll_ack`], whose answer goes back in a
//! [`command_batch`]. On a byte stream [`frame`] and [`Deframer`] stand between
//! the batches and the wire; a datagram carries one batch unframed.
//!
//! # Streams
//!
//! A batch carries records of one [`Stream`]; the number of a record is the
//! batch's `first_seq` plus its place.
//!
//! | stream | from | promise |
//! |---|---|---|
//! | Final | sensor | numbers from 0 in each boot, without gaps; kept and sent again until acknowledged; delivered once, in order; what had to be dropped is counted on both sides |
//! | Live | sensor | numbers of its own; sent once; a gap is counted, later records replace what was lost (but for packets, which come last of all and are numbered themselves) |
//! | Command | host | sent once; commands are idempotent, the host repeats what was not answered |
//!
//! # Boots and joining
//!
//! A boot id is another sensor run: numbers start anew, and what still arrives
//! from an earlier run is dropped and counted. A receiver that meets a boot
//! begins at that batch's `oldest` ([`Delivery::joined_at`]): what came before
//! was acknowledged to an earlier receiver or had left the sensor's storage;
//! which of the two, the ledger's uplink counters say, so it is not called lost
//! here. Boot ids must differ: a board that boots with the same seed has to mix
//! a count of its boots into it, or its second run looks like repetitions of
//! the first.
//!
//! # Batch
//!
//! Numbers of more than one octet are little endian.
//!
//! | octets | field | meaning |
//! |---|---|---|
//! | 1 | major | protocol version; another one is refused by name |
//! | 1 | minor | protocol version; a newer one is accepted; in a Command it says what records the host reads |
//! | 1 | stream | 0 Final, 1 Live, 2 Command |
//! | 1 | seal | 0 = none; others are refused until sealing exists |
//! | 4 | boot id | of the sensor; 0 in a Command: whichever runs |
//! | 8 | first sequence number | of the first item |
//! | 8 | oldest | number of the oldest finished record the sensor still keeps (the next one to be made when it keeps none); 0 in a Command |
//! | .. | items | type, length, body (`magpie_protocol`) |
//!
//! A batch has at most [`MAX_BATCH`] octets ([`MAX_COMMAND_BATCH`] from the
//! host), of which [`SEAL_OCTETS`] stay free for a seal behind the items.
//!
//! # Frame
//!
//! | octets | field |
//! |---|---|
//! | 1 | 0x00 |
//! | .. | COBS of: the batch, then its CRC-32/ISO-HDLC in 4 octets |
//! | 1 | 0x00 |
//!
//! A 0x00 never stands inside a frame, so a reader that lost its place finds
//! it again at the next one; nothing between two of them means nothing. The
//! leading one ends what came before, noise or the half frame of a sensor that
//! rebooted, so that it costs no whole frame.
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

mod batch;
mod commands;
mod frame;
mod receiver;
mod retain;
mod sender;
mod window;

pub use batch::{Header, LinkError, MAX_BATCH, MAX_ITEMS_OCTETS, SEAL_OCTETS, Stream};
pub use commands::{Commands, MAX_COMMAND_BATCH, command_batch};
pub use frame::{Deframer, FrameCounts, FrameError, MAX_FRAME, frame};
pub use receiver::{Delivery, Receiver, ReceiverCounts};
pub use sender::{MIN_STORAGE, Overflow, Sender};
