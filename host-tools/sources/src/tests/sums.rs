//! Sums are those of the capture, whatever the tables and the clocks.

use std::io::Cursor;
use std::time::{Duration, Instant};

use magpie_collector::{Limits, State};
use magpie_protocol::EndReason;

use super::{HEADER, capture, in_process, options, record, run, run_within, small};
use crate::{FlushOutcome, Offered, SensorOptions, Stop};

#[test]
fn a_capture_goes_all_the_way_and_the_books_close() {
    for (options, exact) in [(options(), true), (small(), false)] {
        let ran = run(in_process(Cursor::new(capture(20_000, 3_000)), &options));
        assert!(ran.report.failure.is_none(), "{:?}", ran.report);
        assert_eq!(ran.report.flush, FlushOutcome::Came);
        assert!(ran.warnings.is_empty(), "{:?}", ran.warnings);
        let offered = ran.report.offered.clone().unwrap();
        assert_eq!(
            offered,
            Offered {
                frames: 20_000,
                octets: 1_200_000,
                refused: vec![]
            }
        );
        ran.assert_closed(20_000);
        assert_eq!(ran.picture().flows().len(), 3_000);
        // The small table must have evicted, else this shows nothing.
        let evicted = ran.picture().ledger().unwrap().flows.evicted;
        assert_eq!(evicted == 0, exact, "{evicted} evicted");
        assert_eq!(
            ran.report.shortfalls.is_empty(),
            exact,
            "{:?}",
            ran.report.shortfalls
        );
    }
}

#[test]
fn table_sizes_and_time_outs_never_change_the_sums() {
    let sums = |options: &SensorOptions| {
        let ran = run(in_process(Cursor::new(capture(5_000, 700)), options));
        ran.assert_closed(5_000);
        let picture = ran.picture();
        let all = picture.flows().sorted();
        all.into_iter()
            .map(|(key, s)| (key, s.ab, s.ba, s.first_us, s.last_us))
            .collect::<Vec<_>>()
    };
    let exact = sums(&options());
    assert_eq!(exact.len(), 700);
    for flows in [8, 64, 1024] {
        assert!(
            sums(&SensorOptions { flows, ..small() }) == exact,
            "{flows} entries"
        );
    }
    assert!(
        sums(&SensorOptions {
            grow: true,
            ..small()
        }) == exact,
        "growing"
    );
}

/// More flows than the core holds, and more than are kept here.
#[test]
fn bounded_tables_stay_as_they_are_and_every_sum_closes() {
    let options = SensorOptions {
        seed: Some([7; 32]),
        ..SensorOptions::bounded()
    };
    let limits = Limits {
        flows: Some(1_000),
        ..Limits::default()
    };
    let source = in_process(Cursor::new(capture(120_000, 60_000)), &options);
    let ran = run_within(limits, source, None, &Stop::new());
    let picture = ran.picture();
    let books = picture.books(ran.report.offered.as_ref());
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    let hello = picture.hello().unwrap();
    let ledger = picture.ledger().unwrap();
    assert_eq!(hello.capacities.flows, 1 << 15, "as it was at the start");
    assert!(ledger.flows.evicted > 20_000, "{}", ledger.flows.evicted);
    let kept: u64 = picture
        .flows()
        .iter()
        .filter_map(|(_, flow)| Some(flow.total()?.packets()))
        .sum();
    assert!(picture.flows().len() <= 1_000);
    assert_eq!(kept + picture.forgotten().packets, 120_000);
}

/// What passes over the tables would have found is found before the end.
#[test]
fn the_tables_are_looked_through_at_the_end_of_a_thin_capture() {
    let mut file = HEADER.to_vec();
    for n in 0..100 {
        file.extend(record(n * 60_000, n));
    }
    let options = SensorOptions {
        seed: Some([7; 32]),
        ..SensorOptions::bounded()
    };
    let ran = run(in_process(Cursor::new(file), &options));
    ran.assert_closed(100);
    let picture = ran.picture();
    let flows = picture.flows().sorted();
    let idle = flows
        .iter()
        .filter(|(_, sums)| sums.reason == EndReason::Idle);
    assert_eq!(idle.count(), 99, "all but the last");
}

#[test]
fn live_updates_of_a_long_thin_capture_come_by_the_hosts_clock() {
    // A frame an hour, for more than a year.
    let mut file = HEADER.to_vec();
    for n in 0..10_000 {
        let mut one = record(0, n % 50);
        one[..4].copy_from_slice(&(n * 3_600).to_le_bytes());
        file.extend(one);
    }
    let live = SensorOptions {
        live: Duration::from_secs(1),
        ..small()
    };
    let started = Instant::now();
    let ran = run(in_process(Cursor::new(file), &live));
    ran.assert_closed(10_000);
    let shown = ran.report.receiver.live;
    let turns = started.elapsed().as_secs() + 3;
    assert!(
        shown > 0 && shown < turns * 100,
        "{shown} live records in {turns} turns"
    );
}
