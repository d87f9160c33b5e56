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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The check value of CRC-32/ISO-HDLC, as every catalogue lists it.
    #[test]
    fn the_check_sum_is_the_one_named() {
        assert_eq!(CHECK.checksum(b"123456789"), 0xcbf4_3926);
    }

    /// What is deployed must stay readable: never change the known octets.
    #[test]
    fn a_frame_has_its_known_octets() {
        let batch = [
            1, 0, 2, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        let mut out = [0; 40];
        let len = frame(&batch, &mut out).unwrap();
        let known = [
            0, 2, 1, 2, 2, 6, 1, 2, 3, 4, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5, 139, 124,
            176, 254, 0,
        ];
        assert_eq!(out[..len], known);
    }

    fn push_all<const N: usize>(
        deframer: &mut Deframer<N>,
        octets: &[u8],
    ) -> Vec<Result<Vec<u8>, FrameError>> {
        let mut results = Vec::new();
        for octet in octets {
            results.extend(
                deframer
                    .push(*octet)
                    .map(|result| result.map(<[u8]>::to_vec)),
            );
        }
        results
    }

    #[test]
    fn the_longest_batch_fits_the_longest_frame() {
        let batch = [0xff; MAX_BATCH];
        let mut out = [0; MAX_FRAME];
        assert_eq!(frame(&batch, &mut out), Ok(MAX_FRAME));
        let mut deframer = Deframer::<{ MAX_BATCH + CRC_OCTETS }>::new();
        assert_eq!(push_all(&mut deframer, &out), [Ok(batch.to_vec())]);
        assert_eq!(
            deframer.counts(),
            FrameCounts {
                frames: 1,
                ..FrameCounts::default()
            }
        );
        for room in 0..MAX_FRAME {
            assert_eq!(frame(&batch, &mut out[..room]), Err(FrameError::NoRoom));
        }
    }

    #[test]
    fn every_fault_has_its_counter() {
        let batch = [7; 30];
        let mut framed = [0; 64];
        let len = frame(&batch, &mut framed).unwrap();
        let good = &framed[..len];
        let mut deframer = Deframer::<{ 30 + CRC_OCTETS }>::new();

        let mut damaged = good.to_vec();
        damaged[5] ^= 0x40;
        assert_eq!(push_all(&mut deframer, &damaged), [Err(FrameError::BadCrc)]);
        // The rest of a frame whose beginning was lost, and the other way.
        assert_eq!(
            push_all(&mut deframer, &good[9..]),
            [Err(FrameError::BadCobs)]
        );
        assert_eq!(push_all(&mut deframer, &good[..9]), []);
        assert_eq!(
            push_all(&mut deframer, good),
            [Err(FrameError::BadCobs), Ok(batch.to_vec())]
        );
        // Sound, but too short for a header.
        let mut short = [0; 64];
        let short_len = frame(&[1; 23], &mut short).unwrap();
        assert_eq!(
            push_all(&mut deframer, &short[..short_len]),
            [Err(FrameError::TooShort)]
        );
        assert_eq!(
            push_all(&mut deframer, &[0, 2, 1, 0]),
            [Err(FrameError::TooShort)]
        );
        // Too long, by one octet and by far.
        let mut long = [0; 64];
        let long_len = frame(&[1; 31], &mut long).unwrap();
        assert_eq!(
            push_all(&mut deframer, &long[..long_len]),
            [Err(FrameError::TooLong)]
        );
        assert_eq!(push_all(&mut deframer, &vec![1; 100_000]), []);
        assert_eq!(
            push_all(&mut deframer, good),
            [Err(FrameError::TooLong), Ok(batch.to_vec())]
        );
        let counts = deframer.counts();
        let garbage = (len - 1) + (len - 9) + 9 + (short_len - 1) + 3 + (long_len - 1) + 100_001;
        assert_eq!(
            counts,
            FrameCounts {
                frames: 2,
                bad_crc: 1,
                cut: 4,
                too_long: 2,
                garbage_octets: garbage as u64,
            }
        );
    }

    proptest! {
        #[test]
        fn batches_come_back_as_they_were(
            batches in proptest::collection::vec(
                proptest::collection::vec(prop_oneof![Just(0), any::<u8>()], 24..=MAX_BATCH),
                1..4,
            ),
        ) {
            let mut deframer = Deframer::<{ MAX_BATCH + CRC_OCTETS }>::new();
            let mut got = Vec::new();
            for batch in &batches {
                let mut out = [0; MAX_FRAME];
                let len = frame(batch, &mut out).unwrap();
                prop_assert!(out[1..len - 1].iter().all(|octet| *octet != 0));
                got.extend(push_all(&mut deframer, &out[..len]));
            }
            prop_assert_eq!(got, batches.into_iter().map(Ok).collect::<Vec<_>>());
        }
    }
}
