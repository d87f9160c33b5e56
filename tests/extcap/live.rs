//! Captures from an emulated board, through tshark and through a bare pipe.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use magpie_tests::program::{self, stderr};
use magpie_tests::{boards, corpus};
use tempfile::TempDir;

use super::{Installed, all_gone, descendants, path, rest, said, within};

const BOARD: &str = "mps2-an386";
const INTERFACE: &str = "magpie-qemu-mps2-an386";

/// Long enough for a machine that does much else.
const PATIENCE: Duration = Duration::from_mins(1);

/// A capture of ours, as tshark hands it to the board.
fn feed() -> (String, String) {
    let file = corpus::own_folder().join("vlan.pcap");
    let file = path(&file).to_owned();
    let option = format!("extcap.magpie_qemu_mps2_an386.feed:{file}");
    (file, option)
}

#[test]
#[ignore = "needs tshark, QEMU, libpcap: cargo verify runs it"]
fn tshark_prints_what_the_board_selects() {
    boards::ready(BOARD);
    let installed = Installed::new();
    let (file, option) = feed();
    for filter in ["", "icmp", "host 10.0.30.12 and not icmp"] {
        // To the end of the feed, where the capture ends by itself.
        let mut words = vec!["-n", "-i", INTERFACE, "-o", &option];
        words.extend(["-T", "fields", "-e", "frame.len", "-e", "frame.protocols"]);
        if !filter.is_empty() {
            words.extend(["-f", filter]);
        }
        let mut command = installed.tshark(&words);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut tshark = command.spawn().expect("tshark");
        let status = within(&mut tshark, PATIENCE, filter);
        let (out, err) = (rest(tshark.stdout.take()), rest(tshark.stderr.take()));
        assert!(status.success(), "{filter}: {err}");
        // Wireshark shows an error where we say anything on stderr.
        assert!(!err.contains("Error by extcap pipe"), "{filter}: {err}");
        let count = ["capture", "-r", &file, "--count", filter];
        let output = program::run(&count);
        let expected = said(&output);
        let expected = expected.split(' ').next().unwrap_or_default();
        assert_eq!(out.lines().count().to_string(), expected, "{filter}: {err}");
        assert_ne!(expected, "0", "{filter}: {}", stderr(&output));
    }
}

#[test]
#[ignore = "needs tshark, QEMU, libpcap: cargo verify runs it"]
fn options_reach_the_board() {
    boards::ready(BOARD);
    let installed = Installed::new();
    let (file, _) = feed();
    let feed = format!("feed:{file}");
    let set = [
        "board:mps2-an386",
        &feed,
        "snaplen:30",
        "novlan:true",
        "filter:vlan",
    ];
    let set = set.map(|value| format!("extcap.magpie_qemu.{value}"));
    let mut words = vec!["-n", "-i", "magpie-qemu", "-T", "fields"];
    words.extend(["-e", "frame.cap_len", "-e", "eth.type"]);
    for value in &set {
        words.extend(["-o", value]);
    }
    let mut command = installed.tshark(&words);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tshark = command.spawn().expect("tshark");
    let status = within(&mut tshark, PATIENCE, "options");
    let (out, err) = (rest(tshark.stdout.take()), rest(tshark.stderr.take()));
    assert!(status.success(), "{err}");
    assert!(!out.is_empty(), "{err}");
    for line in out.lines() {
        let (captured, kind) = line.split_once('\t').expect("two fields");
        let tags = ["0x8100", "0x88a8", "0x9100"];
        // Both, where a frame in a frame has one, too.
        let tagged = kind
            .split(',')
            .next()
            .is_some_and(|kind| tags.contains(&kind));
        assert!(captured == "30" && tagged, "{line}");
    }
}

#[test]
#[ignore = "needs tshark, QEMU: cargo verify runs it"]
fn a_capture_that_is_silent_stops_when_it_is_told_to() {
    boards::ready(BOARD);
    let installed = Installed::new();
    let mut command = installed.tshark(&["-n", "-i", INTERFACE]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tshark = command.spawn().expect("tshark");
    // tshark, dumpcap, magpie, QEMU.
    let mut below = Vec::new();
    for _ in 0..600 {
        below = descendants(tshark.id());
        if below.len() >= 3 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(below.len() >= 3, "{below:?}");
    interrupt(tshark.id());
    // Its own status is not ours to answer for: it may take the signal for a
    // failed select(2).
    within(&mut tshark, PATIENCE, "SIGINT");
    let err = rest(tshark.stderr.take());
    assert!(!err.contains("Error by extcap pipe"), "{err}");
    all_gone(&below, Duration::from_secs(10));
}

fn interrupt(pid: u32) {
    let status = Command::new("kill")
        .args(["-INT", &pid.to_string()])
        .status();
    assert!(status.expect("kill").success());
}

#[test]
#[ignore = "needs QEMU: cargo verify runs it"]
fn a_capture_that_nobody_reads_ends() {
    boards::ready(BOARD);
    let folder = TempDir::new().expect("a folder");
    let fifo = folder.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo").success());
    let words = [
        "extcap",
        "--capture",
        "--extcap-interface",
        INTERFACE,
        "--fifo",
    ];
    let mut magpie = Command::new(program::path())
        .args(words)
        .arg(&fifo)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut reader = File::open(&fifo).expect("a pipe");
    // The section header comes at once, though nothing else does.
    let mut first = [0; 4];
    reader.read_exact(&mut first).expect("a file's begin");
    assert_eq!(first, [0x0a, 0x0d, 0x0d, 0x0a]);
    let below = descendants(magpie.id());
    assert!(!below.is_empty(), "no QEMU");
    assert_eq!(magpie.try_wait().expect("a child of ours"), None);
    drop(reader);
    let status = within(&mut magpie, PATIENCE, "no reader");
    let err = rest(magpie.stderr.take());
    assert!(status.success() && err.is_empty(), "{status} {err}");
    all_gone(&below, Duration::from_secs(10));
}

#[test]
#[ignore = "needs QEMU: cargo verify runs it"]
fn what_cannot_be_captured_is_told() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("out");
    std::fs::write(&file, "").expect("a file");
    for (words, expected) in [
        (&["magpie-qemu"][..], "no board is named"),
        (&["magpie-serial"][..], "no serial port is named"),
        (
            &["magpie-serial", "--port", "/dev/not-there"][..],
            "not-there",
        ),
        (
            &[
                "magpie-qemu-mps2-an386",
                "--feed",
                "a",
                "--feed-interface",
                "b",
            ][..],
            "not both",
        ),
    ] {
        let mut command = Command::new(program::path());
        command.args(["extcap", "--capture", "--fifo"]).arg(&file);
        let output = command.arg("--extcap-interface").args(words).output();
        let output = output.expect("the program");
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}
