//! What `magpie capture` says of what it was given and could not do: errors,
//! and books that add up.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Output};

mod ran;

use ran::{booked, capture, captures, err, out, packets};

/// All of it a comment: no filter, so libpcap is not needed.
#[test]
fn comments_in_a_filter_file_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("filter");
    fs::write(&file, "# tcp and\n  \t# port 7").unwrap();
    let words = ["-r", "lab.pcap", "--count", "-F", file.to_str().unwrap()];
    let output = capture(&words);
    assert_eq!(out(&output), "3517 packets\n", "{}", err(&output));
}

#[test]
fn of_dumps_the_one_that_says_more_wins() {
    for (both, one) in [
        ("-Ax", "-x"),
        ("-xxA", "-xx"),
        ("-AX", "-X"),
        ("-AAX", "-X"),
        ("-AxX", "-X"),
        ("-XXAx", "-XX"),
        ("-xX", "-X"),
    ] {
        let dump = |flags| out(&capture(&["-r", "lab.pcap", "-c", "9", "-n", flags]));
        assert!(dump(both) == dump(one), "{both}: {}", dump(both));
    }
}

/// Each packet would be there twice, and no word of it.
#[test]
fn one_source_is_not_read_twice() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(captures().join("lab.pcap"), &link).unwrap();
    let link = link.to_str().unwrap();
    for words in [
        &["-r", "lab.pcap", "-r", "lab.pcap"][..],
        &["-r", "lab.pcap", "-r", "vlan.pcap", "-r", "./lab.pcap"],
        &["-r", "lab.pcap", "-r", link],
        &["-r", "-", "-r", "-"],
        &["-i", "lo", "-i", "lo"],
        &["-i", "udp://127.0.0.1:9", "-i", "udp://127.0.0.1:9"],
    ] {
        let output = capture(&[words, &["--count"]].concat());
        let said = err(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains("twice"), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{words:?}: {said}");
    }
    let others = capture(&["-r", "lab.pcap", "-r", "vlan.pcap", "--count"]);
    assert_eq!(others.status.code(), Some(0), "{}", err(&others));
}

/// It has no interface, so is in no sum; but what it held is not known to be
/// nothing.
#[test]
fn a_sensor_that_never_spoke_leaves_the_books_partial() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_magpie"))
        .args(["capture", "udp://127.0.0.1:0"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains("listening on udp:"), "{line}");
    // The second one does not wait for it.
    for _ in 0..2 {
        let pid = child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.unwrap().success());
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    line.clear();
    said.read_to_string(&mut line).unwrap();
    assert!(child.wait().unwrap().code().is_some(), "{line}");
    let books = "books PARTIAL(sensor unheard) received=0 kept=0 ";
    assert!(line.contains(books), "{line}");
}

#[test]
fn errors_of_files_say_the_reason_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x");
    for (output, reason) in [
        (
            capture(&["-r", "lab.pcap", "-w", "/no/such/x"]),
            "No such file or directory",
        ),
        (
            capture(&["-r", "lab.pcap", "-w", "/dev/full"]),
            "No space left on device",
        ),
        (
            limited(9, &["-r", "lab.pcap", "-w", file.to_str().unwrap()]),
            "File too large",
        ),
        (capture(&["-r", "/no/such/x"]), "No such file or directory"),
        (capture(&["-r", "."]), "Is a directory"),
    ] {
        let said = err(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(said.matches(reason).count(), 1, "{said}");
    }
}

#[test]
fn a_name_that_is_no_pattern_is_refused_before_anything_is_opened() {
    for pattern in ["x%", "%!", "%F-%H-%"] {
        let output = capture(&["-r", "lab.pcap", "-G", "2", "-w", pattern]);
        let said = err(&output);
        assert_eq!(output.status.code(), Some(2), "{pattern}: {said}");
        assert!(said.contains("strftime (-G)"), "{pattern}: {said}");
        assert_eq!(said.lines().count(), 1, "{pattern}: {said}");
    }
}

/// Runs it where no file may be longer than so many times 512 octets.
fn limited(blocks: u32, words: &[&str]) -> Output {
    Command::new("sh")
        .current_dir(captures())
        .args(["-c", &format!("ulimit -f {blocks} && exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_magpie"))
        .arg("capture")
        .args(words)
        .output()
        .unwrap()
}

/// What waited when the disk was full is not kept, in no form of file.
#[test]
fn books_keep_what_stands_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let ring = folder.path().join("ring");
    let ring = ring.to_str().unwrap();
    for (n, (blocks, words)) in [
        (500, &["-r", "lab.pcap"][..]),
        (500, &["-r", "lab.pcap", "-U"]),
        (500, &["-r", "lab.pcap", "-r", "vlan.pcap"]),
        (1, &["-r", "lab.pcap"]),
        // Less than what waits before it is written, and all that is read.
        (8, &["-r", "fragments.pcapng"]),
    ]
    .into_iter()
    .enumerate()
    {
        for form in ["pcapng", "pcap", "nsecpcap"] {
            let file = folder.path().join(format!("{n}{form}"));
            let path = file.to_str().unwrap();
            let words = [words, &["--file-format", form, "-w", path]].concat();
            let output = limited(blocks, &words);
            let said = err(&output);
            assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
            assert_eq!(booked(&output, "kept"), packets(&file).len(), "{words:?}");
            let lost = booked(&output, "dropped");
            assert!(lost > 0, "{words:?}: {said}");
            assert!(said.contains(&format!("dropped={lost}(file {lost})")));
            assert!(said.contains("books PARTIAL(writing failed) "), "{said}");
            assert!(said.contains("unaccounted=0"), "{said}");
        }
    }
    // Not what cannot be made, either.
    fs::write(format!("{ring}1"), "").unwrap();
    let words = ["-r", "lab.pcap", "-w", ring, "-C", "1k"];
    let output = capture(&words);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert_eq!(booked(&output, "kept"), packets(Path::new(ring)).len());
    assert_eq!(booked(&output, "dropped"), 1, "{}", err(&output));
}
