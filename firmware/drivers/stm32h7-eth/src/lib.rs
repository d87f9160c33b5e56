//! The Ethernet controller of the STM32H7 (a Synopsys core with its own DMA),
//! used as a promiscuous port, receive-only unless started otherwise.
//!
//! After [`Ethernet::start`] it never transmits: the MAC's transmitter and its
//! transmit DMA stay off, and nothing here turns them on; only
//! [`Ethernet::start_speaking`] does, and [`Ethernet::transmit`] works after
//! that. PAUSE frames stay off always.
//! It never looks into a frame. It books every descriptor that the DMA gives
//! back: a frame comes out whole or as the reason why it is lost, once; one to
//! be sent was sent or failed, once.
//!
//! Order of use: the board turns on the clocks, chooses RMII and routes the
//! pins; then [`Ethernet::start`], [`Ethernet::poll_receive`] until it says
//! `None`, [`Ethernet::service`] every 5 ms at least (the counters of missed
//! frames are narrow), [`Ethernet::follow_link`] now and then. Before
//! sleeping: [`Ethernet::acknowledge`], then poll once more.
//!
//! Facts about the hardware are from ST's reference manual RM0433, chapter
//! "Ethernet (ETH): media access control (MAC) with DMA controller"; places in
//! it are named by register, or by descriptor word (sections "Receive
//! descriptor", "Ethernet DMA registers", "Ethernet MTL registers", "Ethernet
//! MAC and MMC registers"), since section and table numbers move between its
//! revisions. Addresses and bit positions are held against the vendor's own
//! register description by a test.
//!
//! None of this ever ran on the chip: see the board's README.
#![cfg_attr(not(test), no_std)]
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

mod counters;
mod descriptor;
mod dma_transmit;
mod mac;
mod memory;
mod phy;
mod port;
mod registers;
mod ring;
mod shared;
#[cfg(test)]
mod tests;
mod transmit;

pub use counters::{Count, Missed};
pub use dma_transmit::{DmaTransmit, SENT_OCTETS, TransmitBuffers};
pub use mac::{Setup, StartError};
pub use memory::{BUFFER_OCTETS, DmaMemory, DmaRing};
pub use phy::Link;
pub use port::{Ethernet, Fault};
pub use registers::EthRegisters;
pub use ring::{Booked, Frame, Loss, Memory, Ring, Stamp, Word};
pub use shared::{DmaAccess, DmaShared};
pub use transmit::{Refused, TransmitMemory, TransmitRing, Transmitted};

/// Longest frame that is received whole, in octets without FCS. (The MAC cuts
/// off beyond 10,240 octets: `MACCR.WD` = 0 with `JE` = 1.)
pub const MAX_FRAME: usize = 9_216;
