//! `magpie traceroute --live` to this machine, which needs no rights. Paths
//! through routers are in `hand/`.

use std::time::Duration;

use magpie_tests::program;
use magpie_tests::terminal::{self, SMALL, Terminal};
use magpie_tests::tools::table::Table;

fn live(target: &str, environment: &[(&str, &str)], options: &[&str]) -> Terminal {
    let mut command = terminal::command([program::path()]);
    command.args(["traceroute", "-n", "--live", "--interval", "0.1"]);
    command.args(options);
    command.arg(target);
    for (name, value) in environment {
        command.env(name, value);
    }
    Terminal::start(command, SMALL)
}

/// The one hop that there is, all of it answered.
fn is_near(table: &Table, target: &str) -> bool {
    let [row] = table.rows.as_slice() else {
        return false;
    };
    let is_target = row.host.is_some_and(|host| host.to_string() == target);
    (is_target && row.ttl == 1) && row.loss == 0.0 && row.rtt.is_some()
}

/// The table that stays; after Ctrl-C the terminal shows the key, too.
fn left(text: &str) -> Option<Table> {
    Table::parse(text.trim_start_matches("^C").trim_start()).ok()
}

#[test]
fn each_round_is_drawn_over_the_one_before() {
    for target in ["127.0.0.1", "::1"] {
        let mut session = live(target, &[], &[]);
        let mut before = 0;
        for rounds in [3, 6, 9] {
            let text = session.wait(&format!("{rounds} rounds"), |text| {
                let table = Table::parse(text);
                table.is_ok_and(|table| table.rounds >= rounds && is_near(&table, target))
            });
            let table = Table::parse(&text).expect("what was waited for");
            assert!(session.is_drawn_on() && table.rounds > before, "{text}");
            assert_eq!(table.below, ["Ctrl-C ends, and leaves the table"]);
            before = table.rounds;
        }
        session.press("\x03");
        let text = session.has_left_with(0, "the table", |text| {
            left(text).is_some_and(|table| is_near(&table, target))
        });
        let table = left(&text).expect("what was waited for");
        assert!(table.rounds >= before && table.below.is_empty(), "{text}");
    }
}

#[test]
fn rounds_end_it_and_sigterm_does() {
    let is_table = |text: &str| left(text).is_some_and(|table| is_near(&table, "127.0.0.1"));
    let mut session = live("127.0.0.1", &[], &["--rounds", "3"]);
    let text = session.has_left_with(0, "the table", is_table);
    assert_eq!(left(&text).map(|table| table.rounds), Some(3));
    let mut session = live("127.0.0.1", &[], &[]);
    session.wait("a round", |text| {
        Table::parse(text).is_ok_and(|table| is_near(&table, "127.0.0.1"))
    });
    session.signal("-TERM");
    session.has_left_with(0, "the table", is_table);
}

#[test]
fn a_terminal_that_cannot_be_drawn_on_gets_the_table_at_the_end() {
    let mut session = live("127.0.0.1", &[("TERM", "dumb")], &["--rounds", "10"]);
    // For a second, in which it would have drawn.
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(20));
        assert!(!session.is_drawn_on());
    }
    let text = session.has_left_with(0, "the table", |text| left(text).is_some());
    assert_eq!(left(&text).map(|table| table.rounds), Some(10));
}
