//! tcpdump, from and to pcap files.

use std::io::{Cursor, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use magpie_capture::Reader;
use tempfile::NamedTempFile;

use crate::share::Frame;

/// Writes frames into a pcap file; the time of each is its number in
/// microseconds, from which [`numbers`] knows it again.
pub(crate) fn file<'f>(frames: impl IntoIterator<Item = &'f Frame>) -> NamedTempFile {
    let mut octets = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1_u32] {
        octets.extend(word.to_le_bytes());
    }
    for (number, frame) in (0_u32..).zip(frames) {
        let captured = u32::try_from(frame.data.len()).expect("a frame");
        assert!(captured <= 262_144, "tcpdump reads no frame so long");
        for word in [
            number / 1_000_000,
            number % 1_000_000,
            captured,
            frame.wire_len,
        ] {
            octets.extend(word.to_le_bytes());
        }
        octets.extend(&frame.data);
    }
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(&octets).expect("room for the captures");
    file
}

/// What tcpdump writes of a file for an expression: a pcap file.
fn selected(file: &Path, expression: &str) -> Vec<u8> {
    // By stdin: as root it gives up its rights before it opens a file.
    let from = std::fs::File::open(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let output = Command::new("tcpdump")
        .args(["-r", "-", "-w", "-", "--", expression])
        .stdin(from)
        .stderr(Stdio::piped())
        .output()
        .unwrap_or_else(|e| panic!("tcpdump: {e}; `cargo xtask setup` installs it"));
    let said = String::from_utf8_lossy(&output.stderr);
    // A damaged file is selected from up to there.
    assert!(
        !output.stdout.is_empty(),
        "tcpdump {expression}: {}: {said}",
        file.display()
    );
    output.stdout
}

fn read(octets: Vec<u8>, mut frame: impl FnMut(&magpie_capture::Frame<'_>)) {
    let mut reader = Reader::new("tcpdump's", Cursor::new(octets)).expect("a pcap file");
    while let Some(read) = reader.next_frame().expect("whole packets") {
        frame(&read);
    }
}

/// Numbers of the frames that tcpdump selects of a file made by [`file`].
pub(crate) fn numbers(file: &Path, expression: &str) -> Vec<usize> {
    let mut numbers = Vec::new();
    read(selected(file, expression), |frame| {
        numbers.push(usize::try_from(frame.at_us).expect("a number"));
    });
    numbers
}

/// The frames that tcpdump selects of a file.
pub(crate) fn frames(file: &Path, expression: &str) -> Vec<Frame> {
    let mut frames = Vec::new();
    read(selected(file, expression), |frame| {
        frames.push(Frame {
            data: frame.data.to_vec(),
            wire_len: frame.wire_len,
        });
    });
    frames
}

/// The listing of an expression's program.
pub(crate) fn listing(options: &[&str], expression: &str) -> String {
    let output = Command::new("tcpdump")
        .args(["-y", "EN10MB"])
        .args(options)
        .args(["--", expression])
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("tcpdump: {e}; `cargo xtask setup` installs it"));
    assert!(
        output.status.success(),
        "tcpdump {expression}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}
