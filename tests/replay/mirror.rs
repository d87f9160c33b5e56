//! Frames that a mirror port dropped before us: nothing is called lost that
//! may only not have been shown.

use magpie_emulator::FeedFrame;
use magpie_tests::boards::frames;
use magpie_tests::corpus::own_named;
use magpie_tests::program;
use serde_json::Value;

use crate::files::{Form, pcap};

/// Echo replies kept from the program, of a pair in which all were answered.
const KEPT_BACK: usize = 5;
const REQUESTER: [u8; 4] = [10, 0, 10, 42];
const TARGET: [u8; 4] = [10, 0, 10, 23];

/// Where the IPv4 header of an untagged frame is.
fn ip(frame: &FeedFrame) -> Option<&[u8]> {
    let ip = frame.octets.get(14..)?;
    (frame.octets.get(12..14)? == [8, 0] && ip.len() >= 20).then_some(ip)
}

fn is_reply(frame: &FeedFrame) -> bool {
    ip(frame).is_some_and(|ip| {
        ip[9] == 1 && ip[12..16] == TARGET && ip[16..20] == REQUESTER && ip.get(20) == Some(&0)
    })
}

/// Whether it can tell of dropped frames: TCP, or what may hold it.
fn tells(frame: &FeedFrame) -> bool {
    ip(frame).is_none_or(|ip| ip[9] == 6)
}

/// `lab.pcap` as a mirror shows it that drops some replies, with the TCP that
/// tells of dropped frames, or without.
fn behind_a_mirror(with_tcp: bool) -> Vec<u8> {
    let mut kept_back = 0;
    let shown: Vec<FeedFrame> = frames(&own_named("lab.pcap"))
        .expect("our own capture")
        .into_iter()
        .filter(|frame| with_tcp || !tells(frame))
        .filter(|frame| {
            let drops = kept_back < KEPT_BACK && is_reply(frame);
            kept_back += usize::from(drops);
            !drops
        })
        .collect();
    assert_eq!(kept_back, KEPT_BACK);
    pcap(&shown, Form::ALL[0])
}

fn said(capture: &[u8], arguments: &[&str]) -> String {
    let arguments = [&["replay", "-"], arguments].concat();
    let output = program::run_with_stdin(&arguments, capture);
    assert!(output.status.success(), "{}", program::stderr(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// The pair's row of the table: what stands under LOST, and the last word.
fn in_the_table(capture: &[u8]) -> (String, String) {
    let text = said(capture, &[]);
    let row: Vec<&str> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|words| words.len() > 10 && words[1] == "10.0.10.42" && words[2] == "10.0.10.23")
        .unwrap_or_else(|| panic!("{text}"));
    let last = row.last().expect("words").to_string();
    (row[7].to_owned(), last)
}

/// The same from JSON: `lost`, `lost_at_most`, `doubt`.
fn in_json(capture: &[u8]) -> [Value; 3] {
    let text = said(capture, &["--format", "json"]);
    let rows = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let mut pairs = rows.filter(|row| row["type"] == "echo" && row["requester"] == "10.0.10.42");
    let pair = pairs.next().expect("the pair");
    ["lost", "lost_at_most", "doubt"].map(|field| pair[field].clone())
}

/// And from CSV.
fn in_csv(capture: &[u8]) -> [String; 3] {
    let text = said(capture, &["--format", "csv", "--table", "echo"]);
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().expect("a header");
    let pair = lines
        .find(|fields| fields.contains(&"10.0.10.42"))
        .expect("the pair");
    let place = |field| names.iter().position(|name| *name == field);
    ["lost", "lost_at_most", "doubt"].map(|field| pair[place(field).expect("a field")].to_owned())
}

#[test]
fn a_reply_that_the_mirror_may_have_dropped_is_not_called_lost() {
    let at_most = KEPT_BACK as u64;
    let capture = behind_a_mirror(true);
    let row = in_the_table(&capture);
    assert_eq!(row, (format!("<={at_most}"), "unseen".to_owned()));
    assert_eq!(
        in_json(&capture),
        [Value::Null, at_most.into(), "unseen".into()]
    );
    assert_eq!(
        in_csv(&capture),
        [String::new(), at_most.to_string(), "unseen".to_owned()]
    );
}

/// Nothing speaks against the mirror: then what did not come is lost.
#[test]
fn without_a_sign_of_dropped_frames_lost_is_a_number() {
    let lost = KEPT_BACK as u64;
    let capture = behind_a_mirror(false);
    assert_eq!(in_the_table(&capture).0, lost.to_string());
    assert_eq!(in_json(&capture), [lost.into(), lost.into(), Value::Null]);
    assert_eq!(
        in_csv(&capture),
        [lost.to_string(), lost.to_string(), String::new()]
    );
}
