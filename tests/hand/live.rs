//! `magpie traceroute --live` on a terminal: the table is drawn anew in its
//! place, and stays when it is ended.

use std::net::IpAddr;

use magpie_tests::paths::{Paths, in_both};
use magpie_tests::terminal::{LARGE, SMALL};
use magpie_tests::tools::table::{Row, Table};

use crate::reference::PATIENT;

const HINT: &str = "Ctrl-C ends, and leaves the table";

/// A table of a path whose second router is silent and whose third limits its
/// errors, after some rounds.
fn is_of_quiet(table: &Table, hops: &[IpAddr]) -> bool {
    let [near, silent, limited, far, end] = table.rows.as_slice() else {
        return false;
    };
    let ttls = table.rows.iter().map(|row| row.ttl);
    let hosts = table.rows.iter().map(|row| row.host);
    let drawn = hops.iter().zip(1..);
    let drawn = drawn.map(|(host, ttl)| Some(*host).filter(|_| ttl != 2));
    let is_silent = silent.loss > 99.9 && silent.rtt.is_none();
    let is_limited = limited.loss > 0.0 && limited.loss < 100.0;
    let has_all = |row: &Row| row.loss == 0.0 && row.remark.is_empty();
    ttls.eq(1..=5)
        && hosts.eq(drawn)
        && (is_silent && silent.remark == "silent, forwards")
        && (is_limited && limited.remark == "rate limited, not lost")
        && [near, far, end].into_iter().all(has_all)
        && table.rows.iter().all(|row| row.sent >= table.rounds)
}

/// The last and the average round trip are between the best and the worst.
fn are_times(row: &Row) -> bool {
    row.rtt.is_none_or(|[last, average, best, worst, ..]| {
        let is_between = |ms: f64| best <= ms && ms <= worst;
        worst > 0.0 && is_between(last) && is_between(average)
    })
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn the_table_is_drawn_in_its_place_and_stays() {
    let paths = Paths::start(&["quiet"]);
    in_both(|family| {
        let (hops, end) = (paths.hops("quiet", family), paths.end("quiet", family));
        let name = end.to_string();
        let options = ["--live", "--interval", "0.2", &name];
        let words = [&["traceroute"], &PATIENT[..], &options].concat();
        let mut session = paths.magpie_on_terminal(&words, SMALL);
        let is_after = |rounds: u32| {
            let hops = &hops;
            move |text: &str| {
                let table = Table::parse(text);
                table.is_ok_and(|table| table.rounds >= rounds && is_of_quiet(&table, hops))
            }
        };
        let mut before = 0;
        for (size, rounds) in [(SMALL, 15), (LARGE, 20), (SMALL, 25)] {
            session.resize(size);
            let text = session.wait(&format!("{rounds} rounds"), is_after(rounds));
            assert!(session.is_drawn_on());
            let table = Table::parse(&text).expect("what was waited for");
            // All that there is: nothing of an earlier drawing is left.
            assert_eq!(table.below, [HINT], "{text}");
            assert!(table.rows.iter().all(are_times), "{text}");
            assert!(table.rounds > before);
            before = table.rounds;
            // Beside the numbers where there is room, else below them.
            let remark = text.lines().find(|line| line.contains("rate limited"));
            let is_below = remark.is_some_and(|line| line.starts_with("      rate limited"));
            assert_eq!(is_below, size == SMALL, "{text}");
        }
        session.press("\x03");
        // The end answers: so it ends well.
        let left = |text: &str| {
            // The terminal shows the key, too.
            let table = Table::parse(text.trim_start_matches("^C").trim_start()).ok()?;
            let is_later = table.rounds >= before && is_of_quiet(&table, &hops);
            (is_later && table.rows.iter().all(are_times)).then_some(table)
        };
        let text = session.has_left_with(0, "the table", |text| left(text).is_some());
        assert!(
            left(&text).is_some_and(|table| table.below.is_empty()),
            "{text}"
        );
    });
}
