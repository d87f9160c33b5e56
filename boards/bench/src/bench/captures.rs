//! Captures of the repository, read from the host by semihosting (from the
//! folder QEMU was started in), frame by frame.

use cortex_m_semihosting::{nr, syscall};

/// A pcap file of Ethernet frames with times in microseconds, little-endian:
/// what `tests/captures` holds.
pub(crate) struct Capture {
    file: usize,
}

const HEADER: usize = 24;
const FRAME_HEADER: usize = 16;
const MAGIC: [u8; 4] = [0xd4, 0xc3, 0xb2, 0xa1];
/// Longest frame of the question: 1,518 octets with its FCS.
const LONGEST: usize = 1514;

impl Capture {
    /// Opens it; `None` where there is no such file. The name ends with a zero.
    pub(crate) fn open(name: &str) -> Option<Self> {
        assert!(name.ends_with('\0'));
        // SAFETY: the name lives through the call and ends with a zero.
        #[allow(unsafe_code)]
        let file = unsafe { syscall!(OPEN, name.as_ptr(), nr::open::R_BINARY, name.len() - 1) };
        if file == usize::MAX {
            return None;
        }
        let mut capture = Self { file };
        let mut header = [0; HEADER];
        assert!(capture.read(&mut header), "{name}: no header");
        assert_eq!(header[..4], MAGIC, "{name}: not the pcap we write");
        Some(capture)
    }

    /// The next frame that is not too long: its time in microseconds and its
    /// octets, none where a sequence begins.
    pub(crate) fn next<'b>(&mut self, buffer: &'b mut [u8]) -> Option<(u64, &'b [u8])> {
        loop {
            let mut header = [0; FRAME_HEADER];
            if !self.read(&mut header) {
                return None;
            }
            let (words, _) = header.as_chunks::<4>();
            let word = |at: usize| u32::from_le_bytes(words[at]);
            let at_us = u64::from(word(0)) * 1_000_000 + u64::from(word(1));
            let len = word(2) as usize;
            if len <= LONGEST {
                assert!(self.read(&mut buffer[..len]), "a capture that was cut");
                return Some((at_us, &buffer[..len]));
            }
            for at in (0..len).step_by(buffer.len()) {
                let part = buffer.len().min(len - at);
                assert!(self.read(&mut buffer[..part]), "a capture that was cut");
            }
        }
    }

    /// Fills the buffer; false at the end of the file.
    fn read(&mut self, buffer: &mut [u8]) -> bool {
        // SAFETY: the host writes at most so many octets, into this buffer.
        #[allow(unsafe_code)]
        let missing = unsafe { syscall!(READ, self.file, buffer.as_mut_ptr(), buffer.len()) };
        missing == 0
    }
}
