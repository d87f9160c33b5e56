//! Why a capture cannot be read.

use std::io;

/// Why reading a capture ended. Names the file, the octet (of the unpacked
/// file) and the reason.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason} (at octet {offset}); {}", .reason.advice())]
pub struct CaptureError {
    /// The file, as the caller named it.
    pub file: String,
    /// Octet of the file, unpacked, where the trouble is.
    pub offset: u64,
    /// What it is.
    pub reason: Reason,
}

/// See [`CaptureError`].
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The operating system, or a damaged gzip file.
    #[error("{0}")]
    Io(io::Error),
    /// No octet at all.
    #[error("the file is empty")]
    Empty,
    /// Shorter than a file header.
    #[error("cut within the file header")]
    ShortHeader,
    /// Not a magic number of pcap or pcapng.
    #[error("neither pcap nor pcapng (first octets {0:02x?})")]
    NotACapture([u8; 4]),
    /// A version of the format that is not known.
    #[error("version {major}.{minor} of the format is not known")]
    Version {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// Not Ethernet.
    #[error("link type {0} is not supported, only Ethernet (1) is")]
    LinkType(u32),
}

impl Reason {
    fn advice(&self) -> &'static str {
        match self {
            Self::Io(_) => "check that the file exists, may be read and is whole",
            Self::Empty | Self::ShortHeader => "record the capture again",
            Self::NotACapture(_) => "give a file that tcpdump, Wireshark or Magpie wrote",
            Self::Version { .. } => "convert it: editcap -F pcap IN OUT",
            Self::LinkType(_) => "capture on an Ethernet interface (not `-i any`)",
        }
    }
}
