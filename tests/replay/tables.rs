//! Small tables, time-outs, a narrow line: records split and entries are
//! evicted, and all sums stay what they are.

use magpie_collector::State;
use magpie_sensor::Config;
use magpie_tests::answer;
use magpie_tests::bench::{Bench, Setup};
use magpie_tests::corpus;
use magpie_tests::truth::{Level, compare};

use crate::exact::report;

fn run(setup: &Setup) {
    let mut results = Vec::new();
    let mut evicted = 0;
    for capture in corpus::all() {
        let mut bench = Bench::new(setup.clone());
        bench.feed(&capture, 0, usize::MAX);
        assert!(bench.flush(), "{}: no answer to the flush", capture.name);
        let books = bench.books();
        assert_eq!(books.state, State::Closed, "{}: {books}", capture.name);
        let ledger = bench.picture().ledger().expect("a flushed sensor's ledger");
        evicted += ledger.flows.evicted;
        results.push((
            capture.name.clone(),
            compare(&capture.truth(), &answer::of(bench.picture()), Level::Sums),
        ));
    }
    report(&results);
    assert!(
        evicted > 0,
        "no table was ever full: this run shows nothing"
    );
}

#[test]
fn tables_of_256_flows_with_time_outs_change_no_sum() {
    run(&Setup::board(256));
}

#[test]
fn tables_of_4096_flows_with_time_outs_change_no_sum() {
    run(&Setup::board(4096));
}

/// Every table overflows: what finds no line stands under `other`.
#[test]
fn tables_of_8_flows_and_16_lines_change_no_sum() {
    let mut setup = Setup::board(8);
    setup.lines = 16;
    setup.outbox = 8;
    setup.config = Config {
        idle_us: 100_000,
        active_us: 200_000,
        end_us: 50_000,
        ..setup.config
    };
    run(&setup);
}
