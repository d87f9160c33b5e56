//! Behind a pty: what the program writes is read by a terminal emulator, keys
//! are typed, the terminal is as it was when it ends.

use magpie_tests::program;
use magpie_tests::terminal::{self, LARGE, SMALL, Terminal};

use crate::feed::{Feed, thousands};
use crate::laws;

/// The program watching a feed.
fn watch(feed: &Feed, environment: &[(&str, &str)]) -> Terminal {
    let mut command = terminal::command([program::path().as_os_str(), "watch".as_ref()]);
    command.arg(feed.path());
    for (name, value) in environment {
        command.env(name, value);
    }
    Terminal::start(command, SMALL)
}

fn few_and_many(flows: u32) {
    let feed = Feed::new(flows);
    let mut session = watch(&feed, &[]);
    let live = format!("FLOWS  {} live", thousands(flows));
    let text = session.wait_for(&live);
    assert!(session.is_taken());
    laws::fills(&text, flows, SMALL);
    // Drawn anew, not only cut by the terminal.
    let is_drawn = |text: &str, rows: usize| {
        let last = text.lines().nth(rows - 1).unwrap_or_default();
        last.starts_with("-- q quit") && text.contains(&live)
    };
    session.resize(LARGE);
    let text = session.wait("200x60", |text| is_drawn(text, 60));
    laws::fills(&text, flows, LARGE);
    session.resize(SMALL);
    let text = session.wait("80x24", |text| is_drawn(text, 24));
    laws::fills(&text, flows, SMALL);
    session.press("q");
    let text = session.has_left(0);
    assert!(text.contains("books CLOSED"), "{text}");
    drop(session);
    feed.end();
}

#[test]
fn three_flows() {
    few_and_many(3);
}

#[test]
fn three_hundred_flows() {
    few_and_many(300);
}

#[test]
fn thirty_thousand_flows() {
    few_and_many(30_000);
}

#[test]
fn keys_reach_it() {
    let feed = Feed::new(300);
    let mut session = watch(&feed, &[]);
    session.wait_for("FLOWS  300 live");
    session.press("/10.0.1.2");
    session.wait_for("/10.0.1.2_");
    session.press("\r");
    // .2 and .20 to .29
    session.wait_for("1-11 of 11");
    session.press("\x1b");
    session.wait("no filter", |text| !text.contains(" of 11"));
    session.press("s");
    session.wait_for("by octets");
    session.press("\x1b[6~");
    session.wait("the next page", |text| {
        text.contains(" of 300") && !text.contains(" 1-")
    });
    session.press("f");
    session.wait_for("FROZEN");
    session.press("l");
    session.wait_for("among them malformed");
    session.press("?");
    session.wait_for("again: at once");
    session.press("?f");
    session.wait("it goes on", |text| {
        text.contains("FLOWS") && !text.contains("FROZEN")
    });
    // Ctrl-C is a key here.
    session.press("\x03");
    session.has_left(0);
}

#[test]
fn sigterm_gives_the_terminal_back() {
    let feed = Feed::new(3);
    let mut session = watch(&feed, &[]);
    session.wait_for("FLOWS  3 live");
    session.signal("-TERM");
    session.has_left(0);
}

#[test]
fn a_closed_terminal_ends_it() {
    let feed = Feed::new(3);
    let mut session = watch(&feed, &[]);
    session.wait_for("FLOWS  3 live");
    // The clock is drawn each second.
    session.close();
    session.exit_code();
}

#[test]
fn no_colours_where_none_are_wanted_and_no_screen_where_none_is_possible() {
    for (wanted, coloured) in [("1", false), ("", true)] {
        let feed = Feed::new(3);
        let session = watch(&feed, &[("NO_COLOR", wanted)]);
        session.wait_for("PARTIAL(running)");
        assert_eq!(session.is_coloured(), coloured);
    }
    let feed = Feed::new(3);
    let session = watch(&feed, &[("TERM", "dumb")]);
    session.wait_for("sensor feed.pcap on in-process");
    assert!(!session.is_taken());
}
