//! W6100 of `WIZnet`: a 10/100 Ethernet MAC, PHY and TCP/IP stack behind SPI, used as a
//! promiscuous port that only receives. The stack is left unused, and told to be
//! silent.
//!
//! It never gives the chip anything to send: no command here sends, and all
//! transmit buffers have size 0. It never looks into a frame. Clocks and pins are
//! the board's: SPI, reset line and delays come as `embedded-hal` 1.0 traits.
//!
//! # Order of use
//!
//! [`W6100::new`], [`W6100::start`]; then [`W6100::receive`] again and again, which
//! starts the chip again whenever it has failed; [`frame_at`] takes the frames out
//! of what it read. When it read nothing: [`W6100::acknowledge`], `receive` once more, and
//! then sleep until `INTn` is low. [`W6100::look`] now and then, at least once a
//! second: an SPI bus without a chip reads like a quiet one.
//!
//! # What is known of frames that were missed
//!
//! SPI moves about a third of what 100 Mbit/s bring, the chip holds 16 KB, and
//! what finds no room there is dropped by the chip without a trace: it has **no
//! counter and no flag** for it. What can be said nevertheless:
//!
//! - Between two of our RECV commands the buffer only fills. So what waits after
//!   a RECV, plus what that RECV freed, bounds how full it ever was since the
//!   RECV before. While the longest frame would still have fitted, **nothing
//!   was missed**: 0, exactly. No timing is assumed in this.
//! - When it was fuller, frames may have been missed, and nobody knows how many:
//!   [`Missed::occasions`].
//! - Of what had to be thrown away (a length word that cannot be, a chip that
//!   failed in the middle of a frame) at least one frame is certain:
//!   [`Missed::certain`].
//!
//! Not known at all: frames with a wrong FCS, runts, and frames that are longer
//! than the chip takes. It drops them silently, and they are counted nowhere.
//!
//! SPI has no checksum. An octet spoilt on its way from the chip is seen when it
//! is (part of) a length word, and else only by checksums within the frame.
//!
//! Facts about the hardware are from `WIZnet`'s W6100 datasheet and from the
//! comments in the vendor's own driver. None of this ever ran with the chip: see
//! the board's README.
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

mod bus;
mod chip;
mod level;
mod registers;
mod segment;
#[cfg(test)]
mod tests;

pub use chip::{Fault, Link, W6100};
pub use level::Missed;
pub use segment::frame_at;

/// Longest frame that the chip is documented to take (data sheet, "MACRAW": MTU
/// 1,500), with room for two VLAN tags, in octets without FCS. Whether the chip
/// passes on tagged frames of full length is not documented.
pub const MAX_FRAME: usize = 1_522;
/// Octets of the chip's receive buffer, all of it given to the one socket.
pub const BUFFER: usize = 16 * 1024;
