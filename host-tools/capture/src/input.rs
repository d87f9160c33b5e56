//! Octets of a file, with memory bounded by what was really read.

use std::io::{self, Read};

/// What is read at once: with less, a file that is in memory takes longer, with
/// more no shorter (four fifths of the time with 256 KiB).
const CHUNK: usize = 1024 * 1024;
/// Octets come to lie in a page here as they lie in a page of the file: the
/// system copies up to twice as long between addresses that differ a little in
/// their low twelve bits.
const PAGE: usize = 4096;
/// The smallest buffer: before what is read, there is room for the rest of what
/// was read before, and for a page to begin where pages do.
const SMALLEST: usize = CHUNK + 2 * PAGE;

/// A file of which a stretch can be seen before it is consumed.
pub(crate) struct Input {
    from: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// What is there but not consumed: `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Octets read so far.
    read: u64,
    /// The end was met, or a packed file that stops within.
    ended: bool,
    /// While true, a reader that has nothing yet is asked again.
    pub(crate) patient: bool,
}

impl Input {
    pub(crate) fn new(from: Box<dyn Read + Send>) -> Self {
        Self {
            from,
            buffer: vec![0; SMALLEST],
            start: 0,
            end: 0,
            read: 0,
            ended: false,
            patient: true,
        }
    }

    /// Octets consumed so far.
    pub(crate) fn offset(&self) -> u64 {
        self.read.saturating_sub((self.end - self.start) as u64)
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
        self.make_room();
        while self.end - self.start < want {
            if self.ended {
                return Ok(false);
            }
            if self.end == self.buffer.len() {
                // Doubled only when full, so a length that lies costs nothing.
                self.buffer.resize(self.buffer.len().saturating_mul(2), 0);
                self.make_room();
            }
            match self.from.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(n) => {
                    self.end += n;
                    self.read = self.read.saturating_add(n as u64);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && self.patient => {}
                // A gzip file that stops within: its last octets are missing.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => self.ended = true,
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Moves what was not consumed to the beginning, see [`PAGE`].
    fn make_room(&mut self) {
        let left = self.end - self.start;
        let first_page = self.buffer.as_ptr().align_offset(PAGE) % PAGE;
        #[allow(clippy::cast_possible_truncation)] // below a page
        let within = (self.read % PAGE as u64) as usize;
        let end = first_page + within;
        let end = end + left.saturating_sub(end).next_multiple_of(PAGE);
        // All but full: as it is.
        if end < self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, end - left);
            (self.start, self.end) = (end - left, end);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets that count up; each read is short, and must lie as in the file.
    struct Counting {
        at: usize,
        left: usize,
    }

    impl Read for Counting {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            assert_eq!(into.as_ptr().addr() % PAGE, self.at % PAGE);
            let count = into.len().min(self.left).min(300_000);
            for octet in &mut into[..count] {
                *octet = self.at.to_le_bytes()[self.at % 3];
                self.at += 1;
            }
            self.left -= count;
            Ok(count)
        }
    }

    #[test]
    fn what_is_read_lies_in_pages_as_the_files_does() {
        let length = 6_000_001;
        let mut input = Input::new(Box::new(Counting {
            at: 0,
            left: length,
        }));
        let (mut at, mut want) = (0_usize, 1);
        while input.need(want).unwrap() {
            assert_eq!(input.offset(), at as u64);
            for octet in input.take(want) {
                assert_eq!(*octet, at.to_le_bytes()[at % 3]);
                at += 1;
            }
            // Also such as make the buffer larger.
            want = (want * 5 + 1) % 2_500_000;
        }
        assert_eq!(at + input.seen().len(), length);
    }
}
