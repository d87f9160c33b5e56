//! The program itself: exit codes, stdout and stderr.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A capture of our own.
fn capture(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/captures")
        .join(name);
    assert!(path.exists(), "{} is missing", path.display());
    path
}

fn magpie() -> Command {
    Command::new(env!("CARGO_BIN_EXE_magpie"))
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Gives it these octets on stdin.
fn with_stdin(command: &mut Command, octets: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let octets = octets.to_vec();
    // It may end before it read all.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&octets)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

#[test]
fn the_last_line_is_the_books() {
    let output = magpie()
        .arg("replay")
        .arg(capture("lab.pcap"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("books CLOSED wire="), "{last}");
    assert!(last.contains(" unaccounted=0 "), "{last}");
    assert!(err(&output).is_empty(), "{}", err(&output));
}

#[test]
fn watching_a_file_says_the_same_as_replaying_it() {
    for format in ["json", "table"] {
        let run = |verb: &str| {
            let mut command = magpie();
            command
                .args([verb, "--format", format])
                .arg(capture("vlan.pcap"));
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", err(&output));
            let text = out(&output);
            let line = text.lines().last().unwrap().to_owned();
            (line, text)
        };
        let (replayed, text) = run("replay");
        let (watched, live) = run("watch");
        // The sensor's own numbers of records may differ: it is shown live.
        let books = |line: &str| line[..line.find("records").unwrap()].to_owned();
        assert_eq!(books(&replayed), books(&watched));
        let flows = |text: &str| {
            text.lines()
                .filter(|line| line.contains(r#""type":"flow""#))
                .count()
        };
        assert_eq!(flows(&text), flows(&live));
    }
}

#[test]
fn several_files_one_after_the_other() {
    let mut command = magpie();
    command.args(["replay", "--format", "csv", "--table", "books"]);
    command
        .arg(capture("vlan.pcap"))
        .arg("/no/such/file")
        .arg(capture("lab.pcap"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("/no/such/file"), "{}", err(&output));
    let text = out(&output);
    assert_eq!(text.lines().count(), 3, "a header and two sources: {text}");
    assert!(text.lines().skip(1).all(|line| line.contains("CLOSED")));
}

#[test]
fn bad_files_are_refused_with_the_reason() {
    let lab = std::fs::read(capture("lab.pcap")).unwrap();
    for (octets, reason) in [
        (&b""[..], "stdin"),
        (b"not a capture, but long enough to be one", "stdin"),
        (&lab[..20], "cut"),
    ] {
        let output = with_stdin(magpie().args(["replay", "-"]), octets);
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        assert!(err(&output).contains(reason), "{}", err(&output));
        assert!(out(&output).is_empty());
    }
}

#[test]
fn a_cut_capture_is_read_to_there() {
    let lab = std::fs::read(capture("lab.pcap")).unwrap();
    let output = with_stdin(magpie().args(["replay", "-"]), &lab[..5_000]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(err(&output).contains("cut"), "{}", err(&output));
    assert!(out(&output).contains("books CLOSED"));
}

#[test]
fn an_exact_run_that_had_to_forget_says_so() {
    let mut command = magpie();
    command.args(["replay", "--format", "exact", "--flows", "16"]);
    let output = command.arg(capture("lab.pcap")).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
    assert!(err(&output).contains("evicted"), "{}", err(&output));
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(object["frames"].as_u64().unwrap() > 0);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for arguments in [
        &["replay", "--format", "json"][..],
        &["replay", "--format", "csv", "--table", "flow"],
        &["replay", "--format", "exact"],
        &["watch", "--format", "json"],
        &["watch"],
    ] {
        // More than a pipe holds.
        let mut child = magpie()
            .args(arguments)
            .args([
                capture("lab.pcap"),
                capture("lab.pcap"),
                capture("lab.pcap"),
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 1];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut first).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            err(&output)
        );
        assert!(!err(&output).contains("panic"), "{}", err(&output));
    }
}

#[test]
fn a_recording_replays_to_the_same_books() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept.magpie");
    let mut command = magpie();
    command
        .arg("watch")
        .arg(capture("lab.pcap"))
        .arg("--record")
        .arg(&kept);
    let live = command.output().unwrap();
    assert_eq!(live.status.code(), Some(0), "{}", err(&live));
    let again = magpie().arg("replay").arg(&kept).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", err(&again));
    let last = |output: &Output| out(output).lines().last().unwrap().to_owned();
    assert_eq!(last(&live), last(&again));
    // Cut anywhere, it is read to there.
    let octets = std::fs::read(&kept).unwrap();
    std::fs::write(&kept, &octets[..octets.len() / 2]).unwrap();
    let cut = magpie().arg("replay").arg(&kept).output().unwrap();
    assert!(!err(&cut).is_empty(), "a warning");
    let line = last(&cut);
    assert!(
        line.starts_with("books PARTIAL(") || line.starts_with("books OPEN("),
        "{line}"
    );
}

#[test]
fn who_is_there() {
    let mut command = magpie();
    command.args(["sensor", "info", "--format", "json"]);
    let output = command.arg(capture("lab.pcap")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let row: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(row["type"], "sensor");
    assert_eq!(row["name"], "lab.pcap");
    assert_eq!(row["git"], magpie::GIT);
}

#[test]
fn help_version_and_completions() {
    for (arguments, expected) in [
        (&["--version"][..], magpie::GIT),
        (&["--help"], "Exit codes:"),
        (&["replay", "--help"], "Examples:"),
        (&["watch", "--help"], "qemu:BOARD"),
        (&["completions", "bash"], "_magpie"),
        (&["completions", "zsh"], "#compdef magpie"),
        (&["man"], ".TH magpie 1"),
        (&["man", "sensor", "info"], ".TH magpie-sensor-info 1"),
    ] {
        let output = magpie().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(out(&output).contains(expected), "{arguments:?}");
    }
    let output = magpie()
        .args(["replay", "x", "--format", "csv"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "csv without --table");
    let output = magpie().args(["man", "sensor", "nobody"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("no subcommand `nobody`"));
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("man1");
    let output = magpie().args(["man", "--dir"]).arg(&man).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for page in ["magpie.1", "magpie-traceroute.1", "magpie-sensor-info.1"] {
        let text = std::fs::read_to_string(man.join(page)).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
}

/// A closed stdout is not one that is thrown away, though the runtime opens
/// /dev/null in its place.
#[test]
#[cfg(target_os = "linux")]
fn a_closed_stdout_is_a_failure_where_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &str, to: &str| {
        let program = env!("CARGO_BIN_EXE_magpie");
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {program} {words} {to}")]);
        let output = shell.current_dir(folder.path()).output().unwrap();
        (output.status.code(), err(&output))
    };
    let lab = capture("lab.pcap").display().to_string();
    let dump = format!("capture -n -r {lab}");
    for words in [&dump, "interfaces", "man ping", "completions bash"] {
        let (code, said) = run(words, ">&-");
        assert_eq!(code, Some(2), "{words}: {said}");
        assert!(said.contains("stdout is closed"), "{words}: {said}");
        // As supervisors and other languages open it.
        for to in [">/dev/null", "1<>/dev/null", "<&- >/dev/null"] {
            let (code, said) = run(words, to);
            assert_eq!(code, Some(0), "{words} {to}: {said}");
            assert!(!said.contains("stdout"), "{words} {to}: {said}");
        }
    }
    // What needs none.
    for words in [format!("{dump} -w copy.pcap"), "man --dir pages".to_owned()] {
        let (code, said) = run(&words, ">&-");
        assert_eq!(code, Some(0), "{words}: {said}");
    }
}

#[test]
fn manual_pages_have_values_and_a_version() {
    let page = |words: &[&str]| {
        let output = magpie().arg("man").args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        out(&output)
    };
    let synopsis = |words: &[&str]| {
        let text = page(words).replace("\\fB", "").replace("\\fI", "");
        let text = text
            .replace("\\fR", "")
            .replace("\\-", "-")
            .replace("\\%", "")
            .replace("\\ ", " ");
        let (_, rest) = text.split_once(".SH SYNOPSIS\n").unwrap();
        rest.split_once("\n.SH DESCRIPTION\n").unwrap().0.to_owned()
    };
    let capture = synopsis(&["capture"]);
    for part in [
        "magpie capture ",
        " [-r FILE]... ",
        " [-D] ",
        " [-c COUNT] ",
        " [--no-vlan] ",
        " [-n]... ",
    ] {
        assert!(capture.contains(part), "{part} in {capture}");
    }
    let ping = synopsis(&["ping"]);
    assert!(
        ping.contains(" [-c COUNT] ") && ping.ends_with(" HOST..."),
        "{ping}"
    );
    let interfaces = synopsis(&["interfaces"]);
    assert!(interfaces.contains(" [--rate[=TIME]] "), "{interfaces}");
    assert!(interfaces.ends_with(" [NAME]..."), "{interfaces}");
    let all = synopsis(&[]);
    assert!(all.ends_with(" COMMAND"), "{all}");
    // Name, section, no date, version, and what the footer and heading say.
    let folder = tempfile::tempdir().unwrap();
    let output = magpie()
        .args(["man", "--dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for words in [&[][..], &["capture"], &["sensor", "info"]] {
        let name = [&["magpie"][..], words].concat().join("-");
        let text = page(words);
        let title = text.lines().find(|line| line.starts_with(".TH")).unwrap();
        let version = format!("magpie {} ({})", env!("CARGO_PKG_VERSION"), magpie::GIT);
        assert_eq!(
            title,
            format!(".TH {name} 1 \"\" \"{version}\" \"User Commands\"")
        );
        let written = std::fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
        assert_eq!(text, written, "{name}");
    }
}

#[test]
fn every_subcommand_says_its_version() {
    let line = |words: &[&str]| {
        let output = magpie().args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", err(&output));
        out(&output)
    };
    let of_all = line(&["--version"]);
    let number = of_all.strip_prefix("magpie ").unwrap();
    for name in [
        "replay",
        "watch",
        "sensor",
        "ping",
        "traceroute",
        "capture",
        "extcap",
        "sockets",
        "interfaces",
        "completions",
        "man",
    ] {
        assert_eq!(
            line(&[name, "--version"]),
            format!("magpie-{name} {number}")
        );
        // The short one is the tool's own, where it has one.
        assert!(!line(&[name, "--help"]).contains("-V, --version"), "{name}");
    }
    let info = line(&["sensor", "info", "--version"]);
    assert_eq!(info, format!("magpie-sensor-info {number}"));
}

#[test]
fn ctrl_c_ends_with_the_summary() {
    // A stdin that stays open: the run would wait for ever.
    let mut child = magpie()
        .args(["watch", "file:-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lab = std::fs::read(capture("lab.pcap")).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&lab).unwrap();
    stdin.flush().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0; 1];
    stdout.read_exact(&mut first).unwrap();
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupt.success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let last = rest.lines().last().unwrap_or_default();
    assert!(last.starts_with("books CLOSED"), "{last}");
}
