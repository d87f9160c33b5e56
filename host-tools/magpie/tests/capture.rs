//! `magpie capture` over files, as a user runs it. What other programs make of
//! its files, and interfaces: `tests/capture` of the workspace.

use std::fs;
use std::path::Path;
use std::process::Command;

mod blessed;
mod ran;

use blessed::golden;
use ran::{booked, capture, captures, err, out, packets};

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

/// `path` with a tshark of ours in front.
fn tshark(folder: &Path, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join("tshark");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
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
