//! pcap and pcapng files.
#![forbid(unsafe_code)]

mod error;

pub use error::{CaptureError, Reason};
