//! Emulated boards: QEMU started, watched and ended, and its network card
//! fed without losing a frame.
//!
//! Order of use: pick a [`Board`] ([`board`]), start it ([`Emulator::start`]),
//! take its serial line ([`Emulator::uart`]) and read it all the time, hand
//! the frames to [`Emulator::feed`], say [`Feeder::ready`] once the board's
//! first batch came, then watch [`Feeder::progress`] until it is done.
//! Dropping the [`Emulator`] ends QEMU.
//!
//! What it never does: understand a record, decide what a count means, or
//! build an image (`cargo xtask build` does).
//!
//! # Why nothing is lost
//!
//! The frames go down a Unix stream socket into QEMU. Some emulated network
//! cards push back when they are full; the LAN9118 drops in silence instead,
//! and cannot even count it. For such a card the [`Feeder`] keeps
//! [`Credit`]: it reads how many frames the firmware has taken out of the
//! card (ELF symbol `MAGPIE_RECEIVED`, over QMP) and never has more frames
//! under way than the card holds. Frames that no such card takes (too short,
//! too long, cut by the capture) are refused before they are sent, and the
//! refusals are counted by reason.
//!
//! # Why every boot is another one
//!
//! The 56 octets of a [`BootBlock`] are put into the board's memory by a loader
//! device of QEMU's, at the start and at every reset, the board's own ones among
//! them. They are the same each time; the firmware mixes the seed with the
//! number of its boot, which it keeps beside them.
#![forbid(unsafe_code)]

mod board;
mod boot;
mod credit;
mod error;
mod feeder;
mod image;
mod pace;
mod process;
mod qmp;
mod sockets;
mod stream;
#[cfg(test)]
mod testelf;
mod watchdog;
mod wire;
mod worker;

pub use board::{BOARDS, Board, FeedRule, board};
pub use boot::{
    BOOT_OCTETS, BoardClock, BootBlock, FLAG_RUNNING, FLAG_STAMPED, Network, STAMP_OCTETS,
};
pub use credit::{Admission, Credit, Overrun};
pub use error::EmulatorError;
pub use feeder::{FeedError, FeedFrame, FeedOptions, Feeder, Pace, Progress, Refusal, Refused};
pub use image::{BOOT_SYMBOL, Image, RECEIVED_SYMBOL, find_image};
pub use process::{Emulator, Options};
pub use wire::Wire;
