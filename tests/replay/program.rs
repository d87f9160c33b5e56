//! The program itself over captures: `magpie replay`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use magpie_tests::boards::frames;
use magpie_tests::corpus::{self, Capture, own, own_named};
use magpie_tests::program::{self, answer, run, run_with_stdin, stderr};
use magpie_tests::truth::{Level, compare};

use crate::exact::report;
use crate::files::{Form, pcap, pcapng};

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

fn octets(capture: &Capture) -> Vec<u8> {
    std::fs::read(&capture.path).unwrap_or_else(|e| panic!("{}: {e}", capture.name))
}

#[test]
fn every_capture_equals_its_truth() {
    let results: Vec<_> = corpus::all()
        .iter()
        .map(|capture| {
            let output = run(&["replay", text(&capture.path), "--format", "exact"]);
            let got = answer(&output).unwrap_or_else(|e| panic!("{}: {e}", capture.name));
            (
                capture.name.clone(),
                compare(&capture.truth(), &got, Level::Whole),
            )
        })
        .collect();
    report(&results);
}

/// As tcpdump reads the two messages of the capture.
#[test]
fn who_said_that_a_packet_was_too_big() {
    let capture = own_named("lab.pcap");
    let path = text(&capture.path);
    let output = run(&["replay", path, "--format", "csv", "--table", "icmp"]);
    let lines = String::from_utf8(output.stdout).expect("text");
    let told = lines.lines().filter(|line| line.ends_with("1400"));
    let told: Vec<_> = told.filter_map(|line| line.split_once(".pcap,")).collect();
    assert_eq!(
        told.iter().map(|(_, facts)| *facts).collect::<Vec<_>>(),
        [
            "4,3,4,frag-needed,1,203.0.113.2,10.0.10.23,1400",
            "6,2,0,too-big,1,2001:db8:113::2,2001:db8:10::23,1400",
        ]
    );
}

/// One content, every form of file, from a path and from stdin, packed or not.
#[test]
fn every_form_of_file_gives_the_same_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["lab.pcap", "fragments.pcapng"] {
        let capture = own_named(name);
        let content = frames(&capture).expect("our own capture");
        let mut forms: Vec<(String, Vec<u8>)> = Vec::new();
        for form in Form::ALL {
            forms.push((format!("{form:?}"), pcap(&content, form)));
        }
        for big in [false, true] {
            forms.push((format!("pcapng, big endian {big}"), pcapng(&content, big)));
        }
        for (what, octets) in forms {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(&octets).expect("memory");
            let packed = packed.finish().expect("memory");
            for (how, octets) in [("as it is", &octets), ("gzip", &packed)] {
                let path = folder.path().join("capture");
                std::fs::write(&path, octets).expect("a folder of ours");
                let from_path = run(&["replay", text(&path), "--format", "exact"]);
                let from_stdin = run_with_stdin(&["replay", "-", "--format", "exact"], octets);
                for (way, output) in [("path", from_path), ("stdin", from_stdin)] {
                    let got =
                        answer(&output).unwrap_or_else(|e| panic!("{what}, {how}, {way}: {e}"));
                    let differences = compare(&capture.truth(), &got, Level::Whole);
                    assert!(
                        differences.is_empty(),
                        "{name} as {what}, {how}, {way}: {}",
                        differences[0]
                    );
                }
            }
        }
    }
}

#[test]
fn the_last_line_is_the_books() {
    for capture in own() {
        let output = run(&["replay", text(&capture.path)]);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}: {}",
            capture.name,
            stderr(&output)
        );
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let n = capture.truth().frames;
        let last = out.lines().last().unwrap_or_default();
        let begin = format!("books CLOSED wire={n} counted={n} lost=0 own=0 unaccounted=0 ");
        assert!(last.starts_with(&begin), "{}: {last}", capture.name);
    }
}

#[test]
fn every_line_of_json_is_an_object_with_a_type() {
    let output = run(&[
        "replay",
        text(&own_named("lab.pcap").path),
        "--format",
        "json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let out = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let mut types = std::collections::BTreeSet::new();
    for line in out.lines() {
        let object: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        types.insert(
            object["type"]
                .as_str()
                .unwrap_or_else(|| panic!("no type: {line}"))
                .to_owned(),
        );
    }
    for wanted in ["flow", "icmp", "echo", "arp", "ledger"] {
        assert!(types.contains(wanted), "no {wanted} among {types:?}");
    }
}

/// `magpie … | head -1`: no complaint, and an end.
#[test]
fn a_closed_pipe_is_no_error() {
    let capture = own_named("many-flows.pcap");
    for format in [
        &["--format", "json"][..],
        &["--format", "csv", "--table", "flow"],
        &["--top", "5000"],
    ] {
        let arguments = [&["replay", text(&capture.path)], format].concat();
        let mut child = program::command(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sh");
        let mut line = String::new();
        let mut out = BufReader::with_capacity(16, child.stdout.take().expect("a pipe"));
        out.read_line(&mut line).expect("a first line");
        drop(out);
        let mut said = String::new();
        child
            .stderr
            .take()
            .expect("a pipe")
            .read_to_string(&mut said)
            .expect("UTF-8");
        let status = child.wait().expect("a child of ours");
        assert!(!line.is_empty());
        assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{format:?}");
    }
}

/// What a cut file still holds is shown, with a warning that names it.
#[test]
fn a_cut_capture_is_read_to_its_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["lab.pcap", "fragments.pcapng"] {
        let capture = own_named(name);
        let whole = octets(&capture);
        let path = folder.path().join(name);
        let mut frames = 0;
        for share in [30, 60, 99] {
            // Not at a record's end: no record of these is 7 octets long.
            std::fs::write(&path, &whole[..whole.len() * share / 100 / 7 * 7 + 3])
                .expect("a folder of ours");
            let output = run(&["replay", text(&path), "--format", "exact"]);
            let got = answer(&output).unwrap_or_else(|e| panic!("{name} {share} %: {e}"));
            let said = stderr(&output);
            assert!(
                said.contains(name) && said.contains("cut"),
                "{name} {share} %: {said}"
            );
            assert!(
                got.frames > frames && got.frames < capture.truth().frames,
                "{name} {share} %: {}",
                got.frames
            );
            frames = got.frames;
        }
    }
}

#[test]
fn what_is_no_capture_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let lab = octets(&own_named("lab.pcap"));
    let mut wifi = lab.clone();
    wifi[20] = 105;
    let cases: [(&str, &[u8], &str); 5] = [
        ("empty", b"", "empty"),
        (
            "words",
            b"this is not a capture, it only looks like text",
            "",
        ),
        ("short", &lab[..11], ""),
        ("wifi", &wifi, "105"),
        ("gzip", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1], ""),
    ];
    for (name, octets, reason) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, octets).expect("a folder of ours");
        let output = run(&["replay", text(&path), "--format", "exact"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(
            said.contains(name) && said.contains(reason),
            "{name}: {said}"
        );
        assert!(
            !said.contains("panicked") && output.stdout.is_empty(),
            "{name}: {said}"
        );
    }
    for (path, word) in [
        (folder.path().to_owned(), "directory"),
        (folder.path().join("nowhere.pcap"), "nowhere.pcap"),
    ] {
        let output = run(&["replay", text(&path)]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.to_lowercase().contains(word), "{said}");
    }
    assert_eq!(run(&["replay"]).status.code(), Some(2));
    assert_eq!(
        run(&["replay", "x", "--format", "poem"]).status.code(),
        Some(2)
    );
}

/// An error in the middle of a file names the file, the offset and the reason.
#[test]
fn damage_is_named_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut lab = octets(&own_named("lab.pcap"));
    // The second record claims 4 GB.
    let first = u32::from_le_bytes([lab[32], lab[33], lab[34], lab[35]]) as usize;
    let at = 24 + 16 + first;
    lab[at + 8..at + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let path = folder.path().join("damaged.pcap");
    std::fs::write(&path, &lab).expect("a folder of ours");
    let output = run(&["replay", text(&path), "--format", "exact"]);
    let said = stderr(&output);
    assert!(
        said.contains("damaged.pcap") && said.contains(&at.to_string()),
        "offset {at}: {said}"
    );
    assert!(!said.contains("panicked"), "{said}");
}

/// Any octets anywhere: an exit code of the list, no panic, no memory without
/// bound (the call has a limit), and an end.
#[test]
fn hostile_files_do_no_harm() {
    let mut random = fastrand::Rng::with_seed(9);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hostile");
    let sources: Vec<Vec<u8>> = own()
        .iter()
        .map(|c| octets(c)[..60_000.min(octets(c).len())].to_vec())
        .collect();
    for n in 0..250 {
        let mut octets = sources[random.usize(..sources.len())].clone();
        for _ in 0..random.usize(1..40) {
            // Mostly where headers are.
            let span = if random.bool() {
                200.min(octets.len())
            } else {
                octets.len()
            };
            let at = random.usize(..span);
            let any = random.u8(..);
            octets[at] = *random.choice(&[0, 1, 0x7f, 0x80, 0xff, any]).expect("six");
        }
        if random.u8(..) < 60 {
            octets.truncate(random.usize(..octets.len()));
        }
        std::fs::write(&path, &octets).expect("a folder of ours");
        let format = *random.choice(&["exact", "json", "table"]).expect("three");
        let output = run(&["replay", text(&path), "--format", format]);
        let said = stderr(&output);
        assert!(
            matches!(output.status.code(), Some(0 | 2)),
            "file {n}: {}: {said}",
            output.status
        );
        assert!(!said.contains("panicked"), "file {n}: {said}");
    }
}

/// 300 MB of nothing in 300 kB, and blocks that claim gigabytes.
#[test]
fn a_small_file_cannot_ask_for_much_memory() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&octets(&own_named("lab.pcap"))[..24])
        .expect("memory");
    let mut record = [0; 16 + 64];
    record[8] = 64;
    record[12] = 64;
    let block: Vec<u8> = record
        .iter()
        .copied()
        .cycle()
        .take(record.len() * 10_000)
        .collect();
    for _ in 0..40 {
        bomb.write_all(&block).expect("memory");
    }
    let bomb = bomb.finish().expect("memory");
    let output = run_with_stdin(&["replay", "-", "--format", "exact"], &bomb);
    let got = answer(&output).expect("many short frames are frames");
    assert_eq!(got.frames, 400_000);

    let mut greedy = octets(&own_named("fragments.pcapng"));
    greedy[4..8].copy_from_slice(&0x7fff_fffc_u32.to_le_bytes());
    let output = run_with_stdin(&["replay", "-", "--format", "exact"], &greedy);
    assert!(
        matches!(output.status.code(), Some(0 | 2)),
        "{}",
        stderr(&output)
    );
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

/// Exact and a table that is too small contradict each other: exit code 3.
#[test]
fn an_exact_run_that_had_to_forget_says_so() {
    let capture = own_named("many-flows.pcap");
    let output = run(&[
        "replay",
        text(&capture.path),
        "--format",
        "exact",
        "--flows",
        "64",
    ]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("evicted"), "{}", stderr(&output));
    let got = magpie_tests::truth::Exact::parse(&String::from_utf8_lossy(&output.stdout))
        .expect("an answer");
    assert_eq!(compare(&capture.truth(), &got, Level::Sums), []);
}

/// Small tables and short times change no sum, as a user can see for himself.
#[test]
fn options_change_no_sum() {
    let sizes: [&[&str]; 3] = [
        &["--flows", "16", "--echoes", "4"],
        &["--idle", "0.5", "--active", "1", "--end", "0.1"],
        &["--flows", "256", "--idle", "2s", "--active", "3s"],
    ];
    for capture in own() {
        for options in sizes {
            let arguments = [
                &["replay", text(&capture.path), "--format", "exact"],
                options,
            ]
            .concat();
            let output = run(&arguments);
            assert!(
                matches!(output.status.code(), Some(0 | 3)),
                "{}: {}",
                capture.name,
                stderr(&output)
            );
            let got = magpie_tests::truth::Exact::parse(&String::from_utf8_lossy(&output.stdout))
                .expect("an answer");
            let differences = compare(&capture.truth(), &got, Level::Sums);
            assert!(
                differences.is_empty(),
                "{} {options:?}: {}",
                capture.name,
                differences[0]
            );
        }
    }
}

/// What `--record` keeps, `replay` reads back to the same picture.
#[test]
fn a_recording_is_read_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("kept.magpie");
    for capture in own() {
        let source = format!("file:{}", text(&capture.path));
        let output = run(&[
            "watch",
            &source,
            "--format",
            "exact",
            "--record",
            text(&kept),
        ]);
        let first = answer(&output).unwrap_or_else(|e| panic!("{}: {e}", capture.name));
        let again = answer(&run(&["replay", text(&kept), "--format", "exact"]))
            .unwrap_or_else(|e| panic!("{}: {e}", capture.name));
        assert_eq!(
            compare(&capture.truth(), &first, Level::Whole),
            [],
            "{}",
            capture.name
        );
        assert_eq!(
            compare(&first, &again, Level::Whole),
            [],
            "{}",
            capture.name
        );
        let table = run(&["replay", text(&kept)]);
        let out = String::from_utf8_lossy(&table.stdout).into_owned();
        assert!(
            out.lines()
                .last()
                .is_some_and(|l| l.starts_with("books CLOSED")),
            "{}: {out}",
            capture.name
        );
        std::fs::remove_file(&kept).expect("a file of ours");
    }
}
