//! Capture files: pcap and pcapng, packed by gzip or not, read and written.
//!
//! Gives the frames of a file one after the other and says what was wrong with
//! the file. Never interprets a frame (but for [`anonymize`], which replaces
//! addresses), and never believes a length that the file does not back with
//! octets.
//!
//! Order of use: [`Reader::new`], [`Reader::next_frame`] until `None` or an
//! error, then [`Reader::notes`]. To write: see [`mod@write`].
//!
//! ```
//! # use std::io::Cursor;
//! // A pcap header (microseconds, Ethernet), then one frame of three octets.
//! let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
//! file.extend([0; 12]);
//! file.extend([1, 0, 0, 0]);
//! file.extend([9, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 60, 0, 0, 0, 1, 2, 3]);
//! let mut capture = magpie_capture::Reader::new("a.pcap", Cursor::new(file))?;
//! while let Some(frame) = capture.next_frame()? {
//!     assert_eq!((frame.at_us, frame.wire_len, frame.data.len()), (9_000_007, 60, 3));
//! }
//! assert_eq!(capture.notes().cut_at, None);
//! # Ok::<(), magpie_capture::CaptureError>(())
//! ```
#![forbid(unsafe_code)]

pub mod anonymize;
mod error;
pub mod extcap;
pub mod filter;
mod input;
mod pcap;
mod pcapng;
mod reader;
mod stamp;
#[cfg(test)]
mod tests;
pub mod write;

pub use error::{CaptureError, Notes, Reason};
pub use reader::{Frame, MAX_CAPTURED, Reader, Said};
