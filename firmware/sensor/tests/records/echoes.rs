//! Pairs of echo requests and replies.

use magpie_protocol::{Record, Want};
use magpie_sensor::{Config, EMPTY_REQUEST_SET, Identity, Sensor, Storage};

use crate::common::{drain, echo, feed, flush, sensor};

#[test]
fn echo_pairs_match_newest_request_first() {
    let mut core = sensor(Config::exact(), 64);
    for (at, frame) in [
        (0, echo(1, 2, true, 7, 1)),
        (100, echo(1, 2, true, 7, 1)),
        (350, echo(2, 1, false, 7, 1)),
        (400, echo(2, 1, false, 7, 1)),  // duplicate
        (500, echo(2, 1, false, 7, 99)), // orphan
        (600, echo(1, 2, true, 7, 2)),   // lost
        (700, echo(1, 2, true, 7, 1)),   // asked again: a reply is no duplicate now
        (900, echo(2, 1, false, 7, 1)),
        (950, echo(2, 1, true, 7, 5)), // the other way round is another pair
    ] {
        feed(&mut core, at, &frame);
    }
    let records = flush(&mut core, 1000, 1);
    let rtts: Vec<i64> = records
        .iter()
        .filter_map(|r| match r {
            Record::EchoSample(sample) => Some(sample.rtt_us),
            _ => None,
        })
        .collect();
    assert_eq!(rtts, [250, 200]);
    let mut pairs: Vec<_> = records
        .iter()
        .filter_map(|r| match r {
            Record::Echo(e) => Some((
                e.requests,
                e.replies,
                e.matched,
                e.unanswered(),
                e.duplicates,
                e.orphans,
            )),
            _ => None,
        })
        .collect();
    pairs.sort_unstable();
    assert_eq!(pairs, [(1, 0, 0, 1, 0, 0), (4, 4, 2, 2, 1, 1)]);
}

#[test]
fn requests_wait_then_time_out_and_a_late_reply_still_counts() {
    let mut core = sensor(Config::default(), 64);
    feed(&mut core, 0, &echo(1, 2, true, 7, 1));
    let waiting = |records: &[Record]| {
        records.iter().find_map(|r| match r {
            Record::Echo(e) => Some((e.waiting, e.unanswered())),
            _ => None,
        })
    };
    assert_eq!(
        waiting(&drain(&mut core, 1_000_000, Want::Live)),
        Some((1, 1))
    );
    drain(&mut core, 11_000_000, Want::Final);
    assert_eq!(
        waiting(&drain(&mut core, 11_000_000, Want::Live)),
        Some((0, 1))
    );
    feed(&mut core, 12_000_000, &echo(2, 1, false, 7, 1));
    assert_eq!(
        waiting(&drain(&mut core, 13_000_000, Want::Live)),
        Some((0, 0))
    );
}

/// Eight pairs and eight requests: each of twenty pairs asks once, so twelve
/// pairs leave with their request, and no request leaves twice.
#[test]
fn a_forgotten_request_is_booked_once() {
    let mut storage = Storage::owned(8, 8);
    storage.requests = vec![EMPTY_REQUEST_SET; 1].into();
    let mut core = Sensor::new(Config::exact(), Identity::default(), &[7; 32], storage);
    for id in 0..20_u16 {
        feed(&mut core, u64::from(id), &echo(1, 2, true, id, 1));
    }
    assert_eq!(core.ledger(20).echo_forgotten, 12);
    // A pair that idles away takes its waiting request along.
    let config = Config {
        idle_us: 1_000,
        ..Config::default()
    };
    let mut core = sensor(config, 64);
    feed(&mut core, 0, &echo(1, 2, true, 7, 1));
    assert_eq!(core.ledger(0).echo_forgotten, 0);
    drain(&mut core, 2_000_000, Want::Final);
    assert_eq!(core.ledger(2_000_000).echo_forgotten, 1);
}

/// What is left of them has no pair any more, and takes no room in a table that
/// grows: it would find none, however large.
#[test]
fn requests_of_pairs_that_idled_away_do_not_grow_a_table() {
    let config = Config {
        idle_us: 1_000,
        ..Config::default()
    };
    let mut core = sensor(config, 64);
    for id in 0..12 {
        core.grow_if_crowded();
        feed(&mut core, 0, &echo(1, 2, true, id, 1));
    }
    drain(&mut core, 2_000_000, Want::Final);
    assert_eq!(core.ledger(2_000_000).echoes.live, 0);
    for sequence in 0..2_000 {
        core.grow_if_crowded();
        feed(&mut core, 2_000_000, &echo(1, 2, true, 99, sequence));
    }
    let forgotten = core.ledger(2_000_000).echo_forgotten;
    assert_eq!(forgotten, 12, "those that waited for ever");
}
