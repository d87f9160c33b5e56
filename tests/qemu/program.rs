//! The program with an emulated board, as a user runs it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use magpie_emulator::Board;
use magpie_tests::boards;
use magpie_tests::corpus::own_named;
use magpie_tests::program::{self, stderr};
use magpie_tests::truth::{Exact, Level, compare};

on_each_board!(
    watch_ends_with_closed_books,
    a_forgetful_image_ends_with_exit_code_4,
    a_recording_of_a_board_is_read_back,
    info_says_who_it_is,
    ctrl_c_flushes_and_closes_the_books
);

fn magpie(arguments: &[&str]) -> Command {
    let mut command = Command::new(program::path());
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|e| panic!("the program cannot be run: {e}"))
}

fn source(board: &Board) -> String {
    format!(
        "qemu:{},feed={}",
        board.name,
        own_named("lab.pcap").path.display()
    )
}

fn last_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .last()
        .unwrap_or_default()
        .to_owned()
}

fn watch_ends_with_closed_books(board: &'static Board) {
    let output = run(&mut magpie(&["watch", &source(board)]));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let n = own_named("lab.pcap").truth().frames;
    let begin = format!("books CLOSED wire={n} counted={n} lost=0 own=0 unaccounted=0 ");
    assert!(
        last_line(&output).starts_with(&begin),
        "{}",
        last_line(&output)
    );
}

fn a_forgetful_image_ends_with_exit_code_4(board: &'static Board) {
    let folder = tempfile::tempdir().expect("a folder");
    let image = folder.path().join(format!("{}.elf", board.name));
    std::fs::copy(boards::forgetful_image(board), image).expect("a folder of ours");
    let output = run(magpie(&["watch", &source(board)]).env("MAGPIE_IMAGES", folder.path()));
    let last = last_line(&output);
    assert_eq!(output.status.code(), Some(4), "{last} {}", stderr(&output));
    assert!(
        last.starts_with("books OPEN") && last.contains("unaccounted=1"),
        "{last}"
    );
}

fn a_recording_of_a_board_is_read_back(board: &'static Board) {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("kept.magpie");
    let kept = kept.to_str().expect("a path of ours");
    let first = run(&mut magpie(&["watch", &source(board), "--record", kept]));
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    let again = run(&mut magpie(&["replay", kept]));
    assert_eq!(last_line(&first), last_line(&again));
    let exact = run(&mut magpie(&["replay", kept, "--format", "exact"]));
    let got = Exact::parse(&String::from_utf8_lossy(&exact.stdout)).expect("an answer");
    assert_eq!(
        compare(&own_named("lab.pcap").truth(), &got, Level::Sums),
        []
    );
}

fn info_says_who_it_is(board: &'static Board) {
    let ask = || {
        let source = format!("qemu:{}", board.name);
        let output = run(&mut magpie(&[
            "sensor", "info", &source, "--format", "json",
        ]));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let info: serde_json::Value = serde_json::from_slice(&output.stdout).expect("an object");
        info
    };
    let (one, two) = (ask(), ask());
    assert_eq!(one["board"], board.name, "{one}");
    for text in ["firmware", "git", "protocol", "name", "boot_id"] {
        assert!(
            one[text].as_str().is_some_and(|t| !t.is_empty()),
            "{text}: {one}"
        );
    }
    assert_eq!(one["zero_seed"], false, "{one}");
    assert_ne!(
        one["boot_id"], two["boot_id"],
        "each boot has an id of its own"
    );
    assert!(one["max_flows"].as_u64().is_some_and(|n| n >= 256), "{one}");
    let port = &one["port"];
    assert_eq!(port["net"], "silent", "{one}");
    let mbit = port["mbit"].as_u64();
    assert_eq!(mbit.is_some(), board.name.contains("mps2"), "{one}");
}

/// A board that is fed for ever, and a user who has seen enough.
fn ctrl_c_flushes_and_closes_the_books(board: &'static Board) {
    let child = magpie(&["watch", &source(board), "--loop", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let pid = child.id().to_string();
    let mut child = child;
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut first = String::new();
    out.read_line(&mut first).expect("a line of JSON");
    std::thread::sleep(Duration::from_secs(2));
    let killed = Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .expect("kill");
    assert!(killed.success());
    let rest: Vec<String> = out.lines().map_while(Result::ok).collect();
    let output = child.wait_with_output().expect("a child of ours");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let books = rest
        .iter()
        .rev()
        .find(|line| line.contains(r#""type":"books""#))
        .expect("the books at the end");
    let books: serde_json::Value = serde_json::from_str(books).expect("an object");
    assert!(
        books.to_string().to_uppercase().contains("CLOSED"),
        "{books}"
    );
}
