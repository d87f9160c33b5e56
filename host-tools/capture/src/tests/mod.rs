//! Every form of a capture, written here octet by octet.

mod damaged;
mod forms;
mod sound;

use std::io::{Cursor, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{CaptureError, Notes, Reader};

/// A frame as it should come out: time in nanoseconds, length, octets.
type Expected = (u128, u32, Vec<u8>);

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(octets).unwrap();
    packer.finish().unwrap()
}

/// All frames, the notes, and the error that ended it.
fn read(from: impl Read + Send + 'static) -> (Vec<Expected>, Notes, Option<CaptureError>) {
    let mut frames = Vec::new();
    let mut reader = match Reader::new("a.pcap", from) {
        Ok(reader) => reader,
        Err(error) => return (frames, Notes::default(), Some(error)),
    };
    let error = loop {
        match reader.next_frame() {
            Ok(Some(frame)) => frames.push((frame.at_ns(), frame.wire_len, frame.data.to_vec())),
            Ok(None) => break None,
            Err(error) if error.reason.is_not_yet() => {}
            Err(error) => break Some(error),
        }
    };
    assert!(
        reader.next_frame().unwrap().is_none(),
        "something came after the end"
    );
    (frames, reader.notes(), error)
}

fn read_octets(octets: &[u8]) -> (Vec<Expected>, Notes, Option<CaptureError>) {
    read(Cursor::new(octets.to_vec()))
}
