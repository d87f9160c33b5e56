//! A capture file as the feed of an emulated board.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use magpie_capture::{CaptureError, Notes, Reader};
use magpie_emulator::FeedFrame;

/// How often a capture is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Repeat {
    /// Once.
    #[default]
    Once,
    /// Over and over, with times that go on, until the feed is ended.
    Forever,
}

/// Between two rounds of a capture the sensor's clock makes a step, in
/// microseconds.
const BETWEEN_US: u64 = 1_000_000;

/// What a feed leaves to say when it has ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Why reading ended before the file's end.
    pub(crate) error: Option<CaptureError>,
    /// What was odd about the file.
    pub(crate) notes: Notes,
}

/// The frames of a capture.
pub(crate) struct CaptureFeed {
    path: PathBuf,
    reader: Reader,
    repeat: Repeat,
    // Times of this round.
    first_us: Option<u64>,
    last_us: u64,
    // Added to the times of this round.
    shift_us: u64,
    outcome: Arc<Mutex<Outcome>>,
}

impl CaptureFeed {
    pub(crate) fn open(path: &Path, repeat: Repeat) -> Result<Self, CaptureError> {
        Ok(Self {
            reader: reader(path)?,
            path: path.to_owned(),
            repeat,
            first_us: None,
            last_us: 0,
            shift_us: 0,
            outcome: Arc::default(),
        })
    }

    /// Where the outcome will stand once the feed has ended.
    pub(crate) fn outcome(&self) -> Arc<Mutex<Outcome>> {
        Arc::clone(&self.outcome)
    }

    fn fail(&self, error: CaptureError) {
        self.lock().error = Some(error);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the next round; false if there is none.
    fn again(&mut self) -> bool {
        let Some(first_us) = self.first_us.take() else {
            return false; // no frame at all: for ever would be nothing
        };
        let length = self.last_us.saturating_sub(first_us);
        self.shift_us = self
            .shift_us
            .saturating_add(length)
            .saturating_add(BETWEEN_US);
        match reader(&self.path) {
            Ok(reader) => self.reader = reader,
            Err(error) => {
                self.fail(error);
                return false;
            }
        }
        true
    }
}

impl Iterator for CaptureFeed {
    type Item = Result<FeedFrame, String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.next_frame() {
                Ok(Some(frame)) => {
                    self.first_us.get_or_insert(frame.at_us);
                    self.last_us = self.last_us.max(frame.at_us);
                    let whole = usize::try_from(frame.wire_len).unwrap_or(usize::MAX);
                    let octets = frame.data.get(..whole).unwrap_or(frame.data);
                    return Some(Ok(FeedFrame {
                        at_us: frame.at_us.saturating_add(self.shift_us),
                        wire_octets: frame.wire_len,
                        octets: octets.to_vec(),
                    }));
                }
                Ok(None) => {
                    let notes = self.reader.notes();
                    self.lock().notes = notes;
                    if self.repeat == Repeat::Once || !self.again() {
                        return None;
                    }
                }
                Err(error) => {
                    // What came before the damage stands.
                    self.fail(error);
                    return None;
                }
            }
        }
    }
}

fn reader(path: &Path) -> Result<Reader, CaptureError> {
    let file = path.display().to_string();
    match File::open(path) {
        Ok(opened) => Reader::new(file, opened),
        Err(e) => Err(CaptureError {
            file,
            offset: 0,
            reason: magpie_capture::Reason::Io(e),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pcap file (microseconds, little-endian) of frames of 60 octets at
    /// these times; the second is cut by the snap length.
    fn capture(folder: &Path, times: &[(u32, u32)], tail: &[u8]) -> PathBuf {
        let mut out = Vec::new();
        let mut word = |w: u32| out.extend_from_slice(&w.to_le_bytes());
        for w in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1] {
            word(w);
        }
        for (at, (seconds, micros)) in times.iter().enumerate() {
            let wire = if at == 1 { 1000 } else { 60 };
            for w in [*seconds, *micros, 60, wire] {
                word(w);
            }
            for _ in 0..15 {
                word(u32::try_from(at).unwrap());
            }
        }
        out.extend_from_slice(tail);
        let path = folder.join("x.pcap");
        std::fs::write(&path, out).unwrap();
        path
    }

    #[test]
    fn frames_keep_time_and_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = capture(folder.path(), &[(100, 7), (101, 0), (100, 9)], &[]);
        let feed = CaptureFeed::open(&path, Repeat::Once).unwrap();
        let frames: Vec<_> = feed.map(Result::unwrap).collect();
        let seen: Vec<_> = frames
            .iter()
            .map(|f| (f.at_us, f.wire_octets, f.octets.len()))
            .collect();
        assert_eq!(
            seen,
            [
                (100_000_007, 60, 60),
                (101_000_000, 1000, 60),
                (100_000_009, 60, 60)
            ]
        );
    }

    #[test]
    fn rounds_go_on_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = capture(folder.path(), &[(100, 0), (102, 0)], &[]);
        let feed = CaptureFeed::open(&path, Repeat::Forever).unwrap();
        let times: Vec<_> = feed.take(6).map(|f| f.unwrap().at_us / 1_000_000).collect();
        assert_eq!(times, [100, 102, 103, 105, 106, 108]);
        // A capture without a frame is not read for ever.
        let path = capture(folder.path(), &[], &[]);
        let mut feed = CaptureFeed::open(&path, Repeat::Forever).unwrap();
        assert_eq!(feed.next(), None);
    }

    #[test]
    fn damage_ends_the_feed_and_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut tail = [0_u8; 16];
        tail[8..12].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
        tail[12..].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
        let path = capture(folder.path(), &[(100, 0)], &tail);
        let feed = CaptureFeed::open(&path, Repeat::Forever).unwrap();
        let outcome = feed.outcome();
        assert_eq!(feed.count(), 1);
        let error = outcome.lock().unwrap().error.take().unwrap().to_string();
        assert!(error.contains("x.pcap"), "{error}");
        let none = folder.path().join("none.pcap");
        let error = CaptureFeed::open(&none, Repeat::Once).err().unwrap();
        assert!(error.to_string().contains("none.pcap"));
    }
}
