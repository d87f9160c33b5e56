//! The form of a batch: header and items.

use magpie_protocol::{DecodeError, Items, VERSION_MAJOR, VERSION_MINOR};

/// Most octets of a batch: fits a datagram without fragments.
pub const MAX_BATCH: usize = 1400;
/// Octets of it that stay free for a seal.
pub const SEAL_OCTETS: usize = 24;
/// Most octets of items in a batch.
pub const MAX_ITEMS_OCTETS: usize = MAX_BATCH - SEAL_OCTETS - Header::OCTETS;

/// Which numbering a batch belongs to (table in the crate's documentation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    /// Finished records, kept until acknowledged.
    Final = 0,
    /// Live records, sent once.
    Live = 1,
    /// Commands of the host.
    Command = 2,
}

impl Stream {
    fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Final),
            1 => Some(Self::Live),
            2 => Some(Self::Command),
            _ => None,
        }
    }
}

/// Why a batch was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkError {
    /// Shorter than a header.
    Truncated,
    /// Longer than [`MAX_BATCH`].
    TooLong,
    /// The peer speaks another major version.
    BadVersion {
        /// The peer's major version.
        major: u8,
        /// The peer's minor version.
        minor: u8,
    },
    /// Sealed in a way this version does not know.
    UnknownSeal(u8),
    /// A stream of a newer version.
    UnknownStream(u8),
    /// A stream that does not travel in this direction.
    WrongStream(Stream),
    /// Sequence numbers that no sender of ours writes.
    BadSequence,
    /// An item that cannot be delimited; nothing of the batch was used.
    BadItems(DecodeError),
    /// Of a sensor run that has ended, or for another run than this one.
    OtherBoot {
        /// The run the batch names.
        boot_id: u32,
    },
}

impl core::fmt::Display for LinkError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Truncated => f.write_str("batch shorter than its header"),
            Self::TooLong => write!(f, "batch longer than {MAX_BATCH} octets"),
            Self::BadVersion { major, minor } => write!(
                f,
                "peer speaks protocol {major}.{minor}, this side {VERSION_MAJOR}.{VERSION_MINOR}"
            ),
            Self::UnknownSeal(kind) => write!(f, "batch sealed in an unknown way ({kind})"),
            Self::UnknownStream(code) => write!(f, "batch of an unknown stream ({code})"),
            Self::WrongStream(stream) => write!(f, "{stream:?} batch in the wrong direction"),
            Self::BadSequence => f.write_str("batch with impossible sequence numbers"),
            Self::BadItems(why) => write!(f, "batch with a broken item ({why:?})"),
            Self::OtherBoot { boot_id } => write!(f, "batch of another sensor run ({boot_id:08x})"),
        }
    }
}

impl core::error::Error for LinkError {}

/// The header of a batch (table in the crate's documentation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The writer's major version.
    pub major: u8,
    /// The writer's minor version.
    pub minor: u8,
    /// Which numbering.
    pub stream: Stream,
    /// Which run of the sensor.
    pub boot_id: u32,
    /// Number of the first item.
    pub first_seq: u64,
    /// Oldest finished record the sensor still keeps.
    pub oldest: u64,
}

impl Header {
    /// Octets of a header.
    pub const OCTETS: usize = 24;

    /// A header of this version.
    pub(crate) fn new(stream: Stream, boot_id: u32, first_seq: u64, oldest: u64) -> Self {
        Self {
            major: VERSION_MAJOR,
            minor: VERSION_MINOR,
            stream,
            boot_id,
            first_seq,
            oldest,
        }
    }

    pub(crate) fn to_octets(self) -> [u8; Self::OCTETS] {
        let [b0, b1, b2, b3] = self.boot_id.to_le_bytes();
        let [f0, f1, f2, f3, f4, f5, f6, f7] = self.first_seq.to_le_bytes();
        let [o0, o1, o2, o3, o4, o5, o6, o7] = self.oldest.to_le_bytes();
        [
            self.major,
            self.minor,
            self.stream as u8,
            0, // no seal
            b0,
            b1,
            b2,
            b3,
            f0,
            f1,
            f2,
            f3,
            f4,
            f5,
            f6,
            f7,
            o0,
            o1,
            o2,
            o3,
            o4,
            o5,
            o6,
            o7,
        ]
    }

    /// Reads and checks a header; what follows are the octets of the items.
    pub fn parse(batch: &[u8]) -> Result<(Self, &[u8]), LinkError> {
        // The version comes first: a newer major may mean anything else.
        let [major, minor, ..] = *batch else {
            return Err(LinkError::Truncated);
        };
        if major != VERSION_MAJOR {
            return Err(LinkError::BadVersion { major, minor });
        }
        if batch.len() > MAX_BATCH {
            return Err(LinkError::TooLong);
        }
        let (head, items) = batch.split_first_chunk::<8>().ok_or(LinkError::Truncated)?;
        let (first_seq, items) = items.split_first_chunk::<8>().ok_or(LinkError::Truncated)?;
        let (oldest, items) = items.split_first_chunk::<8>().ok_or(LinkError::Truncated)?;
        let [_, _, stream, seal, b0, b1, b2, b3] = *head;
        if seal != 0 {
            return Err(LinkError::UnknownSeal(seal));
        }
        let header = Self {
            major,
            minor,
            stream: Stream::from_code(stream).ok_or(LinkError::UnknownStream(stream))?,
            boot_id: u32::from_le_bytes([b0, b1, b2, b3]),
            first_seq: u64::from_le_bytes(*first_seq),
            oldest: u64::from_le_bytes(*oldest),
        };
        Ok((header, items))
    }
}

/// Counts the items; an error where one cannot be delimited.
pub(crate) fn count_items(octets: &[u8]) -> Result<u64, LinkError> {
    let mut count = 0_u64;
    for item in Items::new(octets) {
        item.map_err(LinkError::BadItems)?;
        count = count.saturating_add(1);
    }
    Ok(count)
}

/// Copies as much as both hold; returns how much.
pub(crate) fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let len = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..len), to.get_mut(..len)) {
        to.copy_from_slice(from);
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is deployed must stay readable: never change this line.
    const KNOWN: [u8; 26] = [
        1, 0, 1, 0, // version 1.0, Live, no seal
        0xef, 0xbe, 0xad, 0xde, // boot id
        0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, // first
        0x07, 0, 0, 0, 0, 0, 0, 0x80, // oldest
        200, 0, // an item
    ];

    fn known() -> Header {
        let header = Header::new(
            Stream::Live,
            0xdead_beef,
            0x0102_0304_0506_0708,
            7 | 1 << 63,
        );
        Header { minor: 0, ..header }
    }

    #[test]
    fn a_header_has_its_known_octets() {
        assert_eq!(known().to_octets(), KNOWN[..Header::OCTETS]);
        assert_eq!(
            Header::parse(&KNOWN),
            Ok((known(), &KNOWN[Header::OCTETS..]))
        );
    }

    #[test]
    fn a_newer_minor_version_is_accepted() {
        let mut batch = KNOWN;
        batch[1] = 99;
        let (header, _) = Header::parse(&batch).unwrap();
        assert_eq!(
            header,
            Header {
                minor: 99,
                ..known()
            }
        );
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        let with = |place: usize, octet| {
            let mut batch = KNOWN;
            batch[place] = octet;
            Header::parse(&batch).unwrap_err()
        };
        assert_eq!(with(0, 2), LinkError::BadVersion { major: 2, minor: 0 });
        assert_eq!(
            with(0, 2).to_string(),
            "peer speaks protocol 2.0, this side 1.4"
        );
        assert_eq!(with(0, 0), LinkError::BadVersion { major: 0, minor: 0 });
        assert_eq!(with(2, 3), LinkError::UnknownStream(3));
        assert_eq!(with(3, 1), LinkError::UnknownSeal(1));
        for len in 0..Header::OCTETS {
            assert_eq!(Header::parse(&KNOWN[..len]), Err(LinkError::Truncated));
        }
        let mut long = vec![0; MAX_BATCH + 1];
        long[..KNOWN.len()].copy_from_slice(&KNOWN);
        assert_eq!(Header::parse(&long), Err(LinkError::TooLong));
        // A newer major may look like anything behind its version.
        assert_eq!(
            Header::parse(&[9, 1]),
            Err(LinkError::BadVersion { major: 9, minor: 1 })
        );
        long[0] = 9;
        assert_eq!(
            Header::parse(&long),
            Err(LinkError::BadVersion { major: 9, minor: 0 })
        );
    }

    #[test]
    fn items_are_counted_or_the_batch_refused() {
        assert_eq!(count_items(&[]), Ok(0));
        assert_eq!(count_items(&[200, 0, 3, 1, 7]), Ok(2));
        assert_eq!(
            count_items(&[200, 0, 3, 2, 7]),
            Err(LinkError::BadItems(DecodeError::Truncated))
        );
    }
}
