//! Why a capture cannot be read, and what was odd about one that could.

use std::io;

/// Why reading a capture ended before its end. Names the file, the octet (of
/// the unpacked file) and the reason.
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
    /// A length no capture has.
    #[error("damaged: a {what} of {length} octets")]
    Length {
        /// What has it.
        what: &'static str,
        /// In octets.
        length: u64,
    },
    /// The octets that tell a section's byte order.
    #[error("damaged: no byte order in the section header")]
    ByteOrder,
    /// More interfaces than memory is given to.
    #[error("damaged: more than {0} interfaces in a section")]
    Interfaces(usize),
}

impl Reason {
    /// True where nothing is wrong: the file gave nothing yet, ask again.
    pub fn is_not_yet(&self) -> bool {
        matches!(self, Self::Io(e) if e.kind() == io::ErrorKind::WouldBlock)
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::Io(_) => "check that the file exists, may be read and is whole",
            Self::Empty | Self::ShortHeader => "record the capture again",
            Self::NotACapture(_) => "give a file that tcpdump, Wireshark or Magpie wrote",
            Self::Version { .. } => "convert it: editcap -F pcap IN OUT",
            Self::LinkType(_) => "capture on an Ethernet interface (not `-i any`)",
            Self::Length { .. } | Self::ByteOrder | Self::Interfaces(_) => {
                "what was read up to there stands; fetch the file anew for the rest"
            }
        }
    }
}

/// What the user should know about a capture although it could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notes {
    /// The file ends within a record or block, which starts at this octet (of
    /// the unpacked file).
    pub cut_at: Option<u64>,
    /// Frames whose time stamp lies before 1970 or beyond what 64 bits of
    /// microseconds hold; it was moved to the nearest one that does not.
    pub clamped: u64,
    /// Packet blocks too short to be read or of an interface that no block
    /// describes; not given.
    pub skipped: u64,
}

impl Notes {
    /// One sentence for each thing to know.
    pub fn sentences(&self, file: &str) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(offset) = self.cut_at {
            all.push(format!(
                "{file}: truncated: the last record (at octet {offset}) is cut and was left out"
            ));
        }
        if self.clamped > 0 {
            all.push(format!(
                "{file}: {} absurd time stamps were clamped",
                self.clamped
            ));
        }
        if self.skipped > 0 {
            all.push(format!(
                "{file}: {} packet blocks were skipped (too short, or of an unknown interface)",
                self.skipped
            ));
        }
        all
    }
}
