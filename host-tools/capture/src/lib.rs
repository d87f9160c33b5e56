//! Capture files: pcap and pcapng, packed by gzip or not.
//!
//! Gives the frames of a file one after the other and says what was wrong with
//! the file. Never interprets a frame, and never believes a length that the
//! file does not back with octets.
//!
//! Order of use: [`Reader::new`], [`Reader::next_frame`] until `None` or an
//! error, then [`Reader::notes`].
#![forbid(unsafe_code)]

mod error;
mod input;
mod pcap;
mod pcapng;
mod reader;
mod stamp;
#[cfg(test)]
mod tests;

pub use error::{CaptureError, Notes, Reason};
pub use reader::{Frame, MAX_CAPTURED, Reader};
