//! Captures of many flows that do not end.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::thread::JoinHandle;

use tempfile::TempDir;

/// One frame of UDP over IPv4, of the n-th of many flows.
fn frame(n: u32) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let [_, x, y, z] = n.to_be_bytes();
    let mut ip = vec![
        0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, x, y, z, 192, 0, 2, 80,
    ];
    let sum: u32 = ip
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let checksum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    ip[10..12].copy_from_slice(&(!checksum).to_be_bytes());
    frame.extend(ip);
    frame.extend([0x10, 0x92, 1, 0xbb, 0, 26, 0, 0]);
    frame.resize(60, 0);
    frame
}

/// A capture of so many flows.
fn capture(flows: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1] {
        out.extend_from_slice(&u32::to_le_bytes(word));
    }
    for n in 1..=flows {
        let frame = frame(n);
        let octets = u32::try_from(frame.len()).unwrap();
        for word in [
            1_700_000_000 + n / 100_000,
            n % 100_000 * 10,
            octets,
            octets,
        ] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&frame);
    }
    out
}

/// A capture that does not end: a named pipe.
pub(crate) struct Feed {
    folder: TempDir,
    /// Held open; nothing more comes.
    writer: JoinHandle<Option<File>>,
}

impl Feed {
    pub(crate) fn new(flows: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("feed.pcap");
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let writer = std::thread::spawn(move || {
            let mut pipe = OpenOptions::new().write(true).open(path).unwrap();
            // It may end before it read all.
            pipe.write_all(&capture(flows)).ok()?;
            Some(pipe)
        });
        Self { folder, writer }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("feed.pcap")
    }

    /// Lets go of it, its reader having ended.
    pub(crate) fn end(self) {
        drop(self.writer.join());
    }
}

/// A number as the screen writes it.
pub(crate) fn thousands(n: u32) -> String {
    let digits = n.to_string();
    match digits.split_at(digits.len().saturating_sub(3)) {
        ("", rest) => rest.to_owned(),
        (front, rest) => format!("{front},{rest}"),
    }
}
