//! Framing on a byte stream: COBS around a batch and its CRC-32.

use cobs::{CobsEncoder, DecodeResult, DecoderState};
use crc::{CRC_32_ISO_HDLC, Crc};

use crate::{Header, MAX_BATCH};

static CHECK: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const CRC_OCTETS: usize = 4;
/// Begins and ends a frame; stands nowhere inside one.
const DELIMITER: u8 = 0;
/// A run of COBS holds so many octets.
const COBS_RUN: usize = 254;

/// Most octets of a frame with its delimiters.
pub const MAX_FRAME: usize =
    MAX_BATCH + CRC_OCTETS + (MAX_BATCH + CRC_OCTETS).div_ceil(COBS_RUN) + 2;

/// Why a frame could not be written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// Writing: the buffer cannot hold the frame.
    NoRoom,
    /// Reading: more octets than the [`Deframer`] holds without a delimiter.
    TooLong,
    /// Reading: a delimiter where COBS promised more.
    BadCobs,
    /// Reading: too few octets for a batch.
    TooShort,
    /// Reading: the check sum is wrong.
    BadCrc,
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NoRoom => "no room for the frame",
            Self::TooLong => "frame longer than any batch",
            Self::BadCobs => "frame cut short",
            Self::TooShort => "frame shorter than any batch",
            Self::BadCrc => "frame with a wrong check sum",
        })
    }
}

impl core::error::Error for FrameError {}

/// Frames a batch for a byte stream, delimiters included; returns the octets
/// written, at most [`MAX_FRAME`] for a batch of [`MAX_BATCH`].
pub fn frame(batch: &[u8], out: &mut [u8]) -> Result<usize, FrameError> {
    let (start, body) = out.split_first_mut().ok_or(FrameError::NoRoom)?;
    *start = DELIMITER;
    let mut encoder = CobsEncoder::new(body);
    encoder.push(batch).map_err(|_| FrameError::NoRoom)?;
    let crc = CHECK.checksum(batch).to_le_bytes();
    encoder.push(&crc).map_err(|_| FrameError::NoRoom)?;
    let len = encoder.finalize();
    *body.get_mut(len).ok_or(FrameError::NoRoom)? = DELIMITER;
    Ok(len.saturating_add(2))
}

/// What a [`Deframer`] met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FrameCounts {
    /// Whole frames.
    pub frames: u64,
    /// Frames with a wrong check sum.
    pub bad_crc: u64,
    /// Frames cut short: COBS or length cannot be right.
    pub cut: u64,
    /// Frames longer than the buffer.
    pub too_long: u64,
    /// Octets in all that was not a whole frame, delimiters included.
    pub garbage_octets: u64,
}

/// Finds frames in a byte stream. `N` is the longest batch it takes plus 4:
/// [`MAX_BATCH`]` + 4` on the host, [`crate::MAX_COMMAND_BATCH`]` + 4` on a board. Whatever the line carried, reading goes on at the next 0x00.
#[derive(Debug)]
pub struct Deframer<const N: usize> {
    buffer: [u8; N],
    /// Octets decoded into the buffer.
    len: usize,
    /// Octets taken since the last delimiter.
    taken: u64,
    state: DecoderState,
    overflow: bool,
    counts: FrameCounts,
}

impl<const N: usize> Deframer<N> {
    /// Waits for the first frame.
    pub const fn new() -> Self {
        Self {
            buffer: [0; N],
            len: 0,
            taken: 0,
            state: DecoderState::Idle,
            overflow: false,
            counts: FrameCounts {
                frames: 0,
                bad_crc: 0,
                cut: 0,
                too_long: 0,
                garbage_octets: 0,
            },
        }
    }

    /// What was met so far.
    pub fn counts(&self) -> FrameCounts {
        self.counts
    }

    /// Takes one octet; `Some` at the end of every frame: its batch, or why it
    /// is none.
    pub fn push(&mut self, octet: u8) -> Option<Result<&[u8], FrameError>> {
        if octet == DELIMITER && self.taken == 0 {
            return None; // an empty frame means nothing
        }
        self.taken = self.taken.saturating_add(1);
        if octet != DELIMITER {
            self.take(octet);
            return None;
        }
        let whole = matches!(self.state.feed(DELIMITER), Ok(DecodeResult::DataComplete));
        let (len, taken, overflow) = (self.len, self.taken, self.overflow);
        self.state = DecoderState::Idle;
        self.len = 0;
        self.taken = 0;
        self.overflow = false;
        let batch = if overflow {
            Err(FrameError::TooLong)
        } else if whole {
            check(self.buffer.get(..len).unwrap_or_default())
        } else {
            Err(FrameError::BadCobs)
        };
        let counter = match batch {
            Ok(_) => &mut self.counts.frames,
            Err(FrameError::BadCrc) => &mut self.counts.bad_crc,
            Err(FrameError::TooLong) => &mut self.counts.too_long,
            Err(_) => &mut self.counts.cut,
        };
        *counter = counter.saturating_add(1);
        if batch.is_err() {
            self.counts.garbage_octets = self.counts.garbage_octets.saturating_add(taken);
        }
        Some(batch)
    }

    fn take(&mut self, octet: u8) {
        if self.overflow {
            return;
        }
        if let Ok(DecodeResult::DataContinue(decoded)) = self.state.feed(octet) {
            match self.buffer.get_mut(self.len) {
                Some(place) => {
                    *place = decoded;
                    self.len = self.len.saturating_add(1);
                }
                None => self.overflow = true,
            }
        }
    }
}

impl<const N: usize> Default for Deframer<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Splits off the check sum and compares it.
fn check(octets: &[u8]) -> Result<&[u8], FrameError> {
    let (batch, crc) = octets
        .split_last_chunk::<CRC_OCTETS>()
        .ok_or(FrameError::TooShort)?;
    if CHECK.checksum(batch) != u32::from_le_bytes(*crc) {
        return Err(FrameError::BadCrc);
    }
    if batch.len() < Header::OCTETS {
        return Err(FrameError::TooShort);
    }
    Ok(batch)
}
