//! `magpie capture`, as a user runs it, and what it left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use magpie_capture::Reader;

pub(crate) fn captures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures")
}

/// Runs it among our own captures.
pub(crate) fn capture(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_magpie"))
        .current_dir(captures())
        .arg("capture")
        .args(words)
        .env("TZ", "UTC")
        .output()
        .unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn packets(file: &Path) -> Vec<(u64, u32, Vec<u8>)> {
    let opened = fs::File::open(file).unwrap();
    let mut reader = Reader::new("written", opened).unwrap();
    let mut all = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        all.push((frame.at_us, frame.wire_len, frame.data.to_vec()));
    }
    all
}

/// The number in the books behind a word.
pub(crate) fn booked(output: &Output, word: &str) -> usize {
    let said = err(output);
    let books = said
        .lines()
        .find(|line| line.starts_with("books "))
        .unwrap();
    let word = format!("{word}=");
    let number = books.split(' ').find_map(|part| part.strip_prefix(&word));
    // Behind it may stand where.
    let number = number.unwrap().split('(').next();
    number.unwrap().parse().unwrap()
}
