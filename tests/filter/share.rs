//! Expressions, and frames to try them on.

use std::fs::File;
use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use magpie_capture::Reader;
use magpie_capture::filter::{Compile, Filter};
use magpie_tests::corpus::{self, Capture};

/// The expressions of the list.
pub(crate) fn expressions() -> Vec<&'static str> {
    let lines = include_str!("expressions.txt").lines();
    let all: Vec<_> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    assert!(all.len() >= 300, "the list is short: {}", all.len());
    all
}

/// Compiles one as `magpie capture` does.
pub(crate) fn compile(expression: &str) -> Filter {
    Filter::compile(expression, Compile::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// A frame of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) data: Vec<u8>,
    pub(crate) wire_len: u32,
}

/// Octets that libpcap takes of a packet of this file at most, whatever stands
/// there: a pcap file says so in its header.
fn snap_len(capture: &Capture) -> usize {
    let mut header = [0; 20];
    let file = File::open(&capture.path).and_then(|mut file| file.read_exact(&mut header));
    file.unwrap_or_else(|e| panic!("{}: {e}", capture.name));
    let last = header.last_chunk().copied().unwrap_or_default();
    let snap_len = match header {
        [0xd4, 0xc3, 0xb2, 0xa1, ..] | [0x4d, 0x3c, 0xb2, 0xa1, ..] => u32::from_le_bytes(last),
        [0xa1, 0xb2, 0xc3, 0xd4, ..] | [0xa1, 0xb2, 0x3c, 0x4d, ..] => u32::from_be_bytes(last),
        _ => u32::MAX,
    };
    usize::try_from(snap_len).expect("as wide as that")
}

/// The frames of a capture as libpcap has them, up to where it is damaged.
pub(crate) fn frames(capture: &Capture) -> Vec<Frame> {
    let file = File::open(&capture.path).unwrap_or_else(|e| panic!("{}: {e}", capture.name));
    let mut reader = Reader::new(&capture.name, file).unwrap_or_else(|e| panic!("{e}"));
    let (mut frames, snap_len) = (Vec::new(), snap_len(capture));
    while let Ok(Some(frame)) = reader.next_frame() {
        frames.push(Frame {
            data: frame.data[..frame.data.len().min(snap_len)].to_vec(),
            wire_len: frame.wire_len,
        });
    }
    frames
}

/// The frames of all captures.
pub(crate) fn all_frames() -> Vec<Frame> {
    corpus::all().iter().flat_map(frames).collect()
}

/// The frame with its tags cut out of a copy, one after the other.
pub(crate) fn without_tags(frame: &Frame) -> Frame {
    let Frame { data, wire_len } = frame;
    let (mut data, mut wire_len) = (data.clone(), *wire_len);
    while data.len() >= 16 && matches!(data[12..14], [0x81 | 0x91, 0x00] | [0x88, 0xa8]) {
        data.drain(12..16);
        wire_len -= 4;
    }
    Frame { data, wire_len }
}

/// Does the work for each, by a thread a processor; panics where one does.
pub(crate) fn for_each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}
