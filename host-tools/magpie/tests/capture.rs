//! `magpie capture` over files, as a user runs it. What other programs make of
//! its files, and interfaces: `tests/capture` of the workspace.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use magpie_capture::Reader;

mod blessed;
use blessed::golden;

fn captures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures")
}

/// Runs it among our own captures.
fn capture(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_magpie"))
        .current_dir(captures())
        .arg("capture")
        .args(words)
        .env("TZ", "UTC")
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn packets(file: &Path) -> Vec<(u64, u32, Vec<u8>)> {
    let opened = fs::File::open(file).unwrap();
    let mut reader = Reader::new("written", opened).unwrap();
    let mut all = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        all.push((frame.at_us, frame.wire_len, frame.data.to_vec()));
    }
    all
}

#[test]
fn objects_a_line() {
    let words = [
        "-r",
        "vlan.pcap",
        "-c",
        "3",
        "--format",
        "json",
        "-x",
        "-s",
        "40",
    ];
    let output = capture(&words);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    golden("capture.json", &text);
    let output = capture(&["-r", "vlan.pcap", "-c", "13", "--format", "json"]);
    golden("capture_whole.json", &out(&output));
    for row in rows(&text) {
        assert!(row["type"].is_string(), "{row}");
    }
}

fn rows(text: &str) -> Vec<serde_json::Value> {
    let rows = text.lines().map(serde_json::from_str);
    rows.collect::<Result<_, _>>().unwrap()
}

/// Of an object that a packet is.
fn packet_rows(words: &[&str]) -> Vec<serde_json::Value> {
    let output = capture(&[words, &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let mut rows = rows(&out(&output));
    rows.retain(|row| row["type"] == "packet");
    rows
}

#[test]
fn an_object_has_the_line_of_its_packet() {
    for name in ["vlan.pcap", "malformed.pcap"] {
        for how in [&[][..], &["-v"], &["-e", "-t"], &["-q", "--number"]] {
            let words = [&["-r", name][..], how].concat();
            let text = capture(&[&words[..], &["-n"]].concat());
            let mut lines = String::new();
            for row in packet_rows(&words) {
                lines.push_str(row["line"].as_str().unwrap());
                lines.push('\n');
            }
            assert_eq!(lines, out(&text), "{words:?}");
        }
    }
}

/// Who talks to whom is said of what is shown, not of what was captured.
#[test]
fn objects_of_anonymized_packets_name_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "5b".repeat(32)).unwrap();
    let plain = packet_rows(&["-r", "vlan.pcap", "-t"]);
    let options = ["--anonymize", "--anonymize-key", key.to_str().unwrap()];
    let words = [&["-r", "vlan.pcap", "-t"][..], &options].concat();
    let hidden = packet_rows(&words);
    assert_eq!(plain.len(), hidden.len());
    for (plain, hidden) in plain.iter().zip(&hidden) {
        for field in [
            "vlan",
            "ip_version",
            "protocol",
            "protocol_name",
            "from_port",
        ] {
            assert_eq!(plain[field], hidden[field], "{field}");
        }
        for field in ["from", "to", "from_mac", "to_mac"] {
            let Some(old) = plain[field].as_str() else {
                assert!(hidden[field].is_null(), "{field}");
                continue;
            };
            // Groups that everybody uses stay.
            if old.starts_with("ff") || old.starts_with("33:33") || old == "::" {
                continue;
            }
            assert_ne!(old, hidden[field], "{field}");
            assert!(
                !hidden.to_string().contains(&format!("\"{old}")),
                "{hidden}"
            );
            let line = hidden["line"].as_str().unwrap();
            let is_there = line.split([' ', ',']).any(|word| word == old);
            assert!(!is_there, "{line}");
        }
    }
}

#[test]
fn lines_and_the_books() {
    let output = capture(&["-r", "lab.pcap", "-n", "-c", "20"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output).lines().count(), 20);
    let said = err(&output);
    let last = said.lines().last().unwrap();
    assert_eq!(
        last,
        "books CLOSED received=20 kept=20 filtered=0 beyond=0 dropped=0 unaccounted=0"
    );
    let both = capture(&["lab.pcap", "--count"]);
    assert_eq!(out(&both), "3517 packets\n", "{}", err(&both));
}

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

#[test]
fn what_is_written_is_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["lab.pcap", "fragments.pcapng"] {
        let file = folder.path().join(name);
        let path = file.to_str().unwrap();
        let output = capture(&["-r", name, "-w", path]);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert!(out(&output).is_empty());
        let want = packets(&captures().join(name));
        assert_eq!(packets(&file), want);
        // Not twice.
        let again = capture(&["-r", name, "-w", path]);
        assert_eq!(again.status.code(), Some(2));
        assert!(err(&again).contains("--force"), "{}", err(&again));
        assert_eq!(packets(&file), want);
        // And with lines, too.
        let both = capture(&["-r", name, "-w", path, "--force", "--print"]);
        assert_eq!(out(&both).lines().count(), want.len());
        assert_eq!(packets(&file), want);
    }
}

#[test]
fn a_damaged_file_is_read_to_there_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(captures().join("lab.pcap")).unwrap();
    let cut = folder.path().join("cut");
    fs::write(&cut, &whole[..5_000]).unwrap();
    let output = capture(&["-r", cut.to_str().unwrap(), "--count"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(err(&output).contains("truncated"), "{}", err(&output));
    let mut broken = whole[..5_000].to_vec();
    broken.extend([0x7f; 100]);
    fs::write(&cut, &broken).unwrap();
    let output = capture(&["-r", cut.to_str().unwrap(), "--count"]);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).contains("damaged"), "{}", err(&output));
    assert!(out(&output).ends_with(" packets\n"), "{}", out(&output));
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    for (words, reason) in [
        (&[][..], "nothing to listen to"),
        (&["-r", "/no/such/file"], "/no/such/file"),
        (&["-i", "any", "-r", "lab.pcap"], "all interfaces"),
        (&["-r", "lab.pcap", "-w", "-", "-C", "1"], "stdout"),
        (&["-r", "lab.pcap", "-w", "-", "--print"], "stdout"),
        (
            &["-r", "lab.pcap", "-w", "lab.pcap", "--force"],
            "read from",
        ),
        (&["-r", "lab.pcap", "-w", "/no/such/x"], "/no/such/x"),
        (&["-i", "no-such-iface0"], "no-such-iface0"),
        (&["-r", "lab.pcap", "-y", "IEEE802_11"], "EN10MB"),
        (&["-r", "lab.pcap", "-c", "0"], "0"),
        (
            &["-r", "lab.pcap", "--decode", "--format", "json"],
            "--format json",
        ),
        (
            &[
                "-r",
                "lab.pcap",
                "--anonymize",
                "--anonymize-key",
                "README.md",
            ],
            "hexadecimal",
        ),
    ] {
        let output = capture(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", err(&output));
        assert!(err(&output).contains(reason), "{words:?}: {}", err(&output));
        assert!(out(&output).is_empty(), "{words:?}");
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

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_magpie"))
        .current_dir(captures())
        .args(["capture", "-r", "many-flows.pcap", "-w", "-"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
}

/// An FCS is a checksum of all that was there, addresses as they were included.
#[test]
fn an_anonymized_file_has_no_fcs() {
    let folder = tempfile::tempdir().unwrap();
    let (given, shared) = (folder.path().join("given"), folder.path().join("shared"));
    let fcs = [0xde, 0xad, 0xbe, 0xef];
    let frame = [&[2; 12][..], &[0x88, 0xb5], &[7; 46]].concat();
    // Ethernet, with an FCS of two times 16 bits.
    let link: u32 = 1 | 1 << 26 | 2 << 28;
    let words = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, link, 1, 0, 64, 64];
    let mut file: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    file.extend([&frame[..], &fcs].concat());
    fs::write(&given, file).unwrap();
    for (words, is_there) in [
        (&[][..], true),
        (&["--anonymize"], false),
        (&["--anonymize", "--anonymize-payload"], false),
    ] {
        for format in ["pcap", "pcapng"] {
            let names = [
                "-r",
                given.to_str().unwrap(),
                "-w",
                shared.to_str().unwrap(),
            ];
            let how = ["--force", "--file-format", format];
            let output = capture(&[&names[..], &how, words].concat());
            assert_eq!(output.status.code(), Some(0), "{}", err(&output));
            let written = fs::read(&shared).unwrap();
            let found = written.windows(4).any(|window| window == fcs);
            assert_eq!(found, is_there, "{words:?} {format}");
            // Declared or gone: none is read as payload.
            let packets = packets(&shared);
            assert_eq!(packets[0].1, 60, "{words:?} {format}");
            assert!(packets[0].2.len() <= 60);
        }
    }
}

/// Whatever its name is.
#[test]
fn what_is_read_is_never_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(captures().join("lab.pcap")).unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (input, linked) = (at("w0"), at("linked"));
    fs::write(&input, &whole).unwrap();
    fs::hard_link(&input, &linked).unwrap();
    let ring = at("w");
    for words in [
        &["-r", &input, "-w", &linked, "--force"][..],
        &["-r", &input, "-w", &ring, "-C", "1", "-W", "3", "--force"],
    ] {
        let output = capture(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", err(&output));
        assert!(err(&output).contains("read from"), "{}", err(&output));
        assert!(fs::read(&input).unwrap() == whole, "{words:?}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_magpie"))
        .args(["capture", "-r", "-", "-w", &input, "--force"])
        .stdin(fs::File::open(&input).unwrap())
        .output()
        .unwrap();
    assert!(err(&output).contains("read from"), "{}", err(&output));
    assert!(fs::read(&input).unwrap() == whole);
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

/// `path` with a tshark of ours in front.
fn tshark(folder: &Path, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join("tshark");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

/// The number in the books behind a word.
fn booked(output: &Output, word: &str) -> usize {
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

/// Whether it ends with an interface's statistics (block type 5).
fn has_statistics(file: &Path) -> bool {
    let octets = fs::read(file).unwrap();
    let Some(last) = octets.last_chunk::<4>() else {
        return false;
    };
    let len = u32::from_le_bytes(*last) as usize;
    octets[octets.len() - len..].starts_with(&[5, 0, 0, 0])
}

#[test]
fn the_file_is_ended_though_nobody_reads_the_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x");
    let mut child = Command::new(env!("CARGO_BIN_EXE_magpie"))
        .current_dir(captures())
        .args(["capture", "-r", "many-flows.pcap", "--print", "-l", "-w"])
        .arg(&file)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(booked(&output, "kept"), packets(&file).len());
    assert!(booked(&output, "kept") > 0);
    assert!(has_statistics(&file));
}

#[test]
fn a_tshark_that_dies_is_told_and_the_file_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x");
    // Far more than a pipe holds.
    for (script, said) in [
        ("head -c 9 >/dev/null; exit 7", "exit status: 7"),
        ("head -c 9 >/dev/null", "tshark ended"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_magpie"))
            .current_dir(captures())
            .args(["capture", "-r", "lab.pcap", "--decode", "--force", "-w"])
            .arg(&file)
            .env("PATH", tshark(folder.path(), script))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        assert!(err(&output).contains(said), "{}", err(&output));
        assert_eq!(booked(&output, "kept"), packets(&file).len());
        assert!(has_statistics(&file));
    }
    let run = |script: &str| {
        Command::new(env!("CARGO_BIN_EXE_magpie"))
            .current_dir(captures())
            .args(["capture", "-r", "many-flows.pcap", "--decode"])
            .env("PATH", tshark(folder.path(), script))
            .output()
            .unwrap()
    };
    // Before it is given anything, most often.
    let output = run("exec <&-; exit 7");
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    // Who reads what it prints may go.
    let output = run("kill -PIPE $$");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
}

#[test]
fn tshark_gets_no_rights_over_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let script = "grep -e NoNewPrivs -e CapEff /proc/self/status; cat >/dev/null";
    let output = Command::new(env!("CARGO_BIN_EXE_magpie"))
        .current_dir(captures())
        .args(["capture", "-r", "lab.pcap", "-c", "1", "--decode"])
        .env("PATH", tshark(folder.path(), script))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let said = out(&output);
    let value = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    };
    assert_eq!(value("NoNewPrivs:"), "1");
    let effective = u64::from_str_radix(&value("CapEff:"), 16).unwrap();
    // CAP_NET_ADMIN and CAP_NET_RAW, capabilities(7).
    assert_eq!(effective & (1 << 12 | 1 << 13), 0, "{effective:x}");
}
