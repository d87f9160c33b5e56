//! Others who read captures.

use std::path::Path;
use std::process::{Command, Output};

use magpie_capture::Reader;
use magpie_tests::program;

fn run(program: &str, words: &[&str]) -> Output {
    Command::new(program)
        .args(words)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}; cargo xtask setup installs it"))
}

fn path(file: &Path) -> &str {
    file.to_str().expect("a path of ours")
}

/// Runs the program to its end, which must be this one; what it said on stderr
/// and on stdout.
pub(crate) fn magpie(code: i32, words: &[&str]) -> (String, Vec<u8>) {
    let output = run(path(program::path()), &[&["capture"], words].concat());
    let said = program::stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    (said, output.stdout)
}

/// What tshark says of a file that it reads without a complaint.
pub(crate) fn tshark(file: &Path, words: &[&str]) -> Vec<String> {
    let output = run("tshark", &[&["-n", "-r", path(file)], words].concat());
    let said = program::stderr(&output);
    let complaints = said.lines().filter(|line| !line.starts_with("Running as"));
    let complaints: Vec<_> = complaints.filter(|line| !line.is_empty()).collect();
    assert!(
        output.status.success() && complaints.is_empty(),
        "{}: {} {said}",
        file.display(),
        output.status
    );
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::to_owned).collect()
}

/// Fields of each packet.
pub(crate) fn fields(file: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    let mut words = vec!["-T", "fields"];
    for field in fields {
        words.extend(["-e", field]);
    }
    let lines = tshark(file, &words).into_iter();
    lines
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

/// The blocks of a pcapng file, dissected themselves, none of them malformed.
pub(crate) fn blocks(file: &Path) -> Vec<String> {
    let lines = tshark(file, &["-X", "read_format:MIME Files Format", "-V"]);
    let bad = lines
        .iter()
        .find(|line| line.contains("Malformed") || line.contains("Expert Info (Error"));
    assert_eq!(bad, None, "{}", file.display());
    let trimmed = lines.into_iter().map(|line| line.trim().to_owned());
    trimmed.collect()
}

pub(crate) fn capinfos(file: &Path) -> String {
    let output = run("capinfos", &[path(file)]);
    let said = program::stderr(&output);
    assert!(output.status.success(), "{}: {said}", file.display());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Octets of a pcap file before its first packet.
const PCAP_HEADER: usize = 24;

/// What tcpdump writes of a file's packets, octet by octet. Not of its header:
/// the snap length and an FCS length in it have no place in every format.
pub(crate) fn rewritten(file: &Path, words: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("rewritten");
    let first = [
        "-r",
        path(file),
        "--time-stamp-precision=nano",
        "-w",
        path(&out),
    ];
    let output = run("tcpdump", &[&first[..], words].concat());
    let said = program::stderr(&output);
    assert!(output.status.success(), "{}: {said}", file.display());
    let mut written = std::fs::read(out).expect("what tcpdump wrote");
    written.split_off(PCAP_HEADER)
}

/// What tcpdump prints.
pub(crate) fn tcpdump_says(words: &[&str]) -> String {
    let output = run("tcpdump", words);
    let said = program::stderr(&output);
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A packet: nanoseconds, octets on the wire, octets captured.
pub(crate) type Packet = (u128, u32, Vec<u8>);

/// Packets of a file whose end is whole.
pub(crate) fn packets(file: &Path) -> Vec<Packet> {
    let opened = std::fs::File::open(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut reader = Reader::new(path(file), opened).expect("a capture");
    let mut all = Vec::new();
    while let Some(frame) = reader.next_frame().expect("a capture that is whole") {
        all.push((frame.at_ns(), frame.wire_len, frame.data.to_vec()));
    }
    assert_eq!(reader.notes().cut_at, None, "{}", file.display());
    all
}
