//! Batches on a byte stream.

use std::time::{Duration, Instant};

use magpie_link::{Deframer, FrameCounts, MAX_BATCH, MAX_FRAME, frame};

/// At most so often the user is told about garbage.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Finds batches in what a line carries.
pub(crate) struct Framed {
    deframer: Deframer<{ MAX_BATCH + 4 }>,
    octets: Vec<u8>,
    // Where the next octet of `octets` is.
    at: usize,
    // Octets that the line carried.
    read: u64,
    told: FrameCounts,
    told_at: Option<Instant>,
}

impl Framed {
    pub(crate) fn new() -> Self {
        Self {
            deframer: Deframer::new(),
            octets: Vec::new(),
            at: 0,
            read: 0,
            told: FrameCounts::default(),
            told_at: None,
        }
    }

    /// Takes what was read from the line.
    pub(crate) fn fill(&mut self, octets: &[u8]) {
        self.read = self.read.saturating_add(octets.len() as u64);
        self.push(octets);
    }

    fn push(&mut self, octets: &[u8]) {
        self.octets.drain(..self.at.min(self.octets.len()));
        self.at = 0;
        self.octets.extend_from_slice(octets);
    }

    /// The line was cut: what comes next belongs to another frame.
    pub(crate) fn cut(&mut self) {
        self.push(&[0]);
    }

    /// The next whole batch of what was taken.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        while let Some(octet) = self.octets.get(self.at) {
            self.at += 1;
            if let Some(Ok(batch)) = self.deframer.push(*octet) {
                return Some(batch.to_vec());
            }
        }
        None
    }

    /// Octets that the line carried so far.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    /// What was met on the line so far.
    pub(crate) fn counts(&self) -> FrameCounts {
        self.deframer.counts()
    }

    /// A sentence on the garbage since the last one, now and then.
    pub(crate) fn complaint(&mut self, name: &str, advice: &str) -> Option<String> {
        let now = self.counts();
        let soon = self.told_at.is_some_and(|at| at.elapsed() < TELL_EVERY);
        if soon || now.garbage_octets == self.told.garbage_octets {
            return None;
        }
        let frames = |c: FrameCounts| c.bad_crc + c.cut + c.too_long;
        let text = format!(
            "{name}: {} damaged frames ({} octets) skipped; {advice}",
            frames(now) - frames(self.told),
            now.garbage_octets - self.told.garbage_octets,
        );
        self.told = now;
        self.told_at = Some(Instant::now());
        Some(text)
    }
}

/// A batch as it goes on the line: a delimiter first, which ends whatever the
/// line carried before. `None`: longer than any batch.
pub(crate) fn framed(batch: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; MAX_FRAME + 1];
    let len = frame(batch, out.get_mut(1..)?).ok()?;
    out.truncate(len + 1);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_come_out_between_garbage_and_cuts() {
        let batch = [7_u8; 30];
        let whole = framed(&batch).unwrap();
        let mut framed = Framed::new();
        framed.fill(b"boot noise");
        assert_eq!(framed.read(), 10);
        framed.fill(&whole);
        assert_eq!(framed.next().as_deref(), Some(&batch[..]));
        assert_eq!(framed.next(), None);
        framed.fill(&whole[..10]);
        assert_eq!(framed.next(), None);
        framed.cut();
        assert_eq!(
            framed.read(),
            20 + whole.len() as u64,
            "what was read alone"
        );
        framed.fill(&whole[1..]);
        framed.fill(&whole);
        assert_eq!(framed.next().as_deref(), Some(&batch[..]));
        assert_eq!(framed.next().as_deref(), Some(&batch[..]));
        assert_eq!(framed.counts().frames, 3);
        let said = framed.complaint("serial:/x", "look").unwrap();
        assert!(said.contains("serial:/x: 2 damaged frames"), "{said}");
        assert_eq!(framed.complaint("serial:/x", "look"), None);
    }
}
