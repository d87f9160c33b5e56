//! `magpie traceroute --live` to this machine, which needs no rights. Paths
//! through routers are in `hand/`.

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
        let text = session.has_left_with(0, "traceroute to ");
        let text = text.trim_start_matches("^C").trim_start();
        let table = Table::parse(text).unwrap_or_else(|e| panic!("{e} in {text}"));
        assert!(table.rounds >= before && is_near(&table, target), "{text}");
        assert_eq!(table.below, [""; 0]);
    }
}

#[test]
fn rounds_end_it_and_sigterm_does() {
    let mut session = live("127.0.0.1", &[], &["--rounds", "3"]);
    let text = session.has_left_with(0, "3 rounds");
    assert!(is_near(&Table::parse(&text).expect("a table"), "127.0.0.1"));
    let mut session = live("127.0.0.1", &[], &[]);
    session.wait_for("Ctrl-C ends");
    session.signal("-TERM");
    session.has_left_with(0, "traceroute to ");
}

#[test]
fn a_terminal_that_cannot_be_drawn_on_gets_the_table_at_the_end() {
    let mut session = live("127.0.0.1", &[("TERM", "dumb")], &["--rounds", "3"]);
    let text = session.has_left_with(0, "3 rounds");
    assert!(!session.is_drawn_on());
    assert!(is_near(&Table::parse(&text).expect("a table"), "127.0.0.1"));
}
