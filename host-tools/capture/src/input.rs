//! Octets of a file, with memory bounded by what was really read.

use std::io::{self, Read};

/// What is read at once; also the smallest buffer.
const CHUNK: usize = 256 * 1024;

/// A file of which a stretch can be seen before it is consumed.
pub(crate) struct Input {
    from: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// What is there but not consumed: `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Octets consumed before `buffer[0]`.
    base: u64,
    /// The end was met, or a packed file that stops within.
    ended: bool,
    /// While true, a reader that has nothing yet is asked again.
    pub(crate) patient: bool,
}

impl Input {
    pub(crate) fn new(from: Box<dyn Read + Send>) -> Self {
        Self {
            from,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            base: 0,
            ended: false,
            patient: true,
        }
    }

    /// Octets consumed so far.
    pub(crate) fn offset(&self) -> u64 {
        self.base.saturating_add(self.start as u64)
    }

    /// What can be seen now.
    #[inline]
    pub(crate) fn seen(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Sees to it that `want` octets can be seen; false when the file has fewer.
    #[inline]
    pub(crate) fn need(&mut self, want: usize) -> io::Result<bool> {
        if self.end - self.start >= want {
            Ok(true)
        } else {
            self.fill(want)
        }
    }

    #[cold]
    fn fill(&mut self, want: usize) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.base = self.base.saturating_add(self.start as u64);
        self.start = 0;
        while self.end < want {
            if self.ended {
                return Ok(false);
            }
            if self.end == self.buffer.len() {
                // Doubled only when full, so a length that lies costs nothing.
                self.buffer.resize(self.buffer.len().saturating_mul(2), 0);
            }
            match self.from.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && self.patient => {}
                // A gzip file that stops within: its last octets are missing.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => self.ended = true,
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Consumes `count` octets that can be seen and gives them.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.start = (from + count).min(self.end);
        &self.buffer[from..self.start]
    }

    /// Consumes `left` octets without keeping them and counts them down, so
    /// that it can go on after a reader that has nothing yet; false when the
    /// file has fewer (all are consumed then).
    pub(crate) fn skip(&mut self, left: &mut u64) -> io::Result<bool> {
        while *left > 0 {
            if !self.need(1)? {
                return Ok(false);
            }
            let there = self.end - self.start;
            let step = usize::try_from(*left).map_or(there, |left| left.min(there));
            self.start += step;
            *left -= step as u64;
        }
        Ok(true)
    }

    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.buffer.capacity()
    }

    /// Nothing is left, not even a part of something.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }
}
