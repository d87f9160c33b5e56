//! What was not kept is told line by line, and the lines are held against the
//! ledger.

use magpie_protocol::{
    Address, BootReport, Capacities, ClockKind, FlowSum, Hello, Unsent, UnsentKey, UnsentLine,
};

use super::*;
use crate::UnsentSums;

const VICTIM: UnsentKey = UnsentKey {
    protocol: 17,
    responder: Address::V4([10, 0, 0, 2]),
};

fn flows(flows: u64, packets: u64, octets: u64) -> FlowSum {
    FlowSum {
        flows,
        packets,
        octets,
    }
}

fn line(place: u16, key: Option<UnsentKey>, never: FlowSum, unsure: FlowSum) -> UnsentLine {
    UnsentLine {
        place,
        key,
        missed_at_most: 0,
        never_sent: never,
        unconfirmed: unsure,
    }
}

/// The second flow and two more were not kept: one of three packets found no
/// room in the outbox, one of two was dropped by the link, one of one after it
/// had been sent.
fn lines() -> [UnsentLine; 2] {
    [
        line(3, Some(VICTIM), flows(1, 3, 300), flows(1, 1, 60)),
        line(64, None, flows(1, 2, 140), flows(0, 0, 0)),
    ]
}

fn unsent(lines: &[UnsentLine]) -> Record {
    Record::Unsent(Unsent {
        flows: 3,
        lines: lines.iter().copied().collect(),
    })
}

/// All records of such a run: the first flow, five tables, two records of
/// lines, the ledger; numbers 1 to 3 were dropped.
fn run() -> Vec<(u64, Record)> {
    let [first, second] = lines();
    let mut records = records();
    records.remove(1);
    records.pop();
    records.push(unsent(&[first]));
    records.push(unsent(&[second]));
    let tally = |records, flows, packets, octets| Tally {
        records,
        flows,
        packets,
        octets,
    };
    let mut ledger = Ledger {
        counted: sum(15, 1_200),
        in_flows: sum(11, 1_000),
        exported: tally(11, 3, 8, 700),
        never_sent: tally(1, 1, 3, 300),
        flows: Census {
            made: 4,
            ..Census::default()
        },
        ..ledger()
    };
    ledger.uplink.never_sent = tally(1, 1, 2, 140);
    ledger.uplink.unconfirmed = tally(1, 1, 1, 60);
    records.push(Record::Ledger(ledger));
    let numbers = [0].into_iter().chain(3..);
    numbers.zip(records).collect()
}

/// As a sensor of this minor version.
fn picture_of(minor: u8, records: &[(u64, Record)]) -> Picture {
    let mut picture = Picture::new("test", Limits::default());
    let at = |is_final, number| Position {
        boot_id: BOOT,
        is_final,
        number,
    };
    let hello = Hello {
        major: 1,
        minor,
        boot_id: BOOT,
        at_us: 1,
        clock: ClockKind::SinceBoot,
        zero_seed: false,
        name: heapless::String::new(),
        board: heapless::String::new(),
        firmware: heapless::String::new(),
        git: heapless::String::new(),
        capacities: Capacities::default(),
        boot: BootReport::default(),
    };
    picture.apply(0, at(false, 0), &Record::Hello(hello));
    for (number, record) in records {
        picture.apply(0, at(true, *number), record);
    }
    let last = records.last().map_or(0, |(number, _)| *number);
    picture.miss(BOOT, true, last + 1 - records.len() as u64);
    picture
}

fn books(minor: u8, records: &[(u64, Record)]) -> Books {
    let offered = Offered {
        frames: 15,
        octets: 1_200,
        refused: vec![],
    };
    picture_of(minor, records).books(Some(&offered))
}

/// The counter tables are of fewer frames than the ledger: no matter here.
fn without_tables(mut books: Books) -> Books {
    books.broken.retain(|broken| !broken.starts_with("table"));
    books.doubts.retain(|doubt| !doubt.starts_with("table"));
    books
}

#[test]
fn lines_that_add_up_leave_the_books_closed() {
    let books = without_tables(books(3, &run()));
    assert!(books.broken.is_empty(), "{:?}", books.broken);
    assert!(books.doubts.is_empty(), "{:?}", books.doubts);
    let picture = picture_of(3, &run());
    let told = picture.unsent();
    assert_eq!(told.total.never_sent, flows(2, 5, 440));
    assert_eq!(told.total.unconfirmed, flows(1, 1, 60));
    let [(key, sums)] = told.lines[..] else {
        panic!("{told:?}")
    };
    assert_eq!(key, VICTIM);
    assert_eq!(
        (sums.never_sent, sums.unconfirmed),
        (flows(1, 3, 300), flows(1, 1, 60))
    );
    assert_eq!(told.other.never_sent, flows(1, 2, 140));
    assert_eq!(told.untold, UnsentSums::default());
}

#[test]
fn a_hidden_line_opens_the_books() {
    // The sensor keeps back a whole record, or a line of one, or a part of it.
    for (without, by) in [
        (kept_back(1), "never sent: 1 flows missing"),
        (replaced(&run(), unsent(&[])), "never sent: 1 flows missing"),
        (
            replaced(
                &run(),
                unsent(&[line(3, Some(VICTIM), flows(1, 3, 300), flows(0, 0, 0))]),
            ),
            "unconfirmed: 1 flows missing",
        ),
        (
            replaced(
                &run(),
                unsent(&[line(3, Some(VICTIM), flows(1, 3, 301), flows(1, 1, 60))]),
            ),
            "never sent: -1 octets missing",
        ),
    ] {
        let books = without_tables(books(3, &without));
        assert!(
            books.broken.contains(&by.to_owned()),
            "{by}: {:?}",
            books.broken
        );
        assert_eq!(books.exit_code(), 4);
    }
}

/// The sensor never makes so many records of lines.
fn kept_back(records: u64) -> Vec<(u64, Record)> {
    let mut all = run();
    let (number, mut ledger) = all.pop().expect("the ledger");
    for _ in 0..records {
        all.pop();
    }
    if let Record::Ledger(ledger) = &mut ledger {
        ledger.exported.records -= records;
    }
    all.push((number - records, ledger));
    all
}

/// The first record of lines is another.
fn replaced(records: &[(u64, Record)], by: Record) -> Vec<(u64, Record)> {
    let mut records = records.to_vec();
    let at = records.len() - 3;
    records[at].1 = by;
    records
}

#[test]
fn none_at_all_is_a_doubt_but_not_of_older_sensors() {
    let none = kept_back(2);
    let new = without_tables(books(3, &none));
    assert!(new.broken.is_empty(), "{:?}", new.broken);
    assert_eq!(new.doubts, ["lines of what was not kept are missing"]);
    let old = without_tables(books(2, &none));
    assert!(old.broken.is_empty() && old.doubts.is_empty(), "{old}");
    let told = picture_of(2, &none).unsent();
    assert_eq!(told.untold, told.total);
}

#[test]
fn lines_that_were_lost_or_changed_meanwhile_are_a_doubt() {
    // Lost on the way, so that nobody can add them up.
    let mut lost = run();
    lost.remove(lost.len() - 3);
    // Written while records were dropped, and then the sensor gave up.
    let mut torn = run();
    let at = torn.len() - 2;
    if let Record::Unsent(unsent) = &mut torn[at].1 {
        unsent.flows = 4;
    }
    for records in [lost, torn] {
        let books = without_tables(books(3, &records));
        assert!(books.broken.is_empty(), "{:?}", books.broken);
        let doubt = "lines of what was not kept are missing".to_owned();
        assert!(books.doubts.contains(&doubt), "{:?}", books.doubts);
    }
}

/// A place that changed hands counts once, whichever state comes first or
/// again, and what it held before stands under `other`.
#[test]
fn the_later_of_two_states_of_a_place_counts() {
    let scanned = UnsentKey {
        protocol: 6,
        responder: Address::V6([9; 16]),
    };
    let none = flows(0, 0, 0);
    let early = [
        line(3, Some(VICTIM), flows(5, 5, 300), none),
        line(64, None, flows(1, 1, 60), none),
    ];
    let late = [
        UnsentLine {
            missed_at_most: 5,
            ..line(3, Some(scanned), flows(1, 1, 60), none)
        },
        line(64, None, flows(6, 6, 360), none),
    ];
    let orders: [&[[UnsentLine; 2]]; 4] = [
        &[late],
        &[early, late],
        &[late, early],
        &[late, early, late],
    ];
    for order in orders {
        let mut picture = Picture::new("test", Limits::default());
        for (number, lines) in (0..).zip(order) {
            let at = Position {
                boot_id: BOOT,
                is_final: number % 2 == 0,
                number,
            };
            picture.apply(0, at, &unsent(lines));
        }
        let told = picture.unsent();
        let [(key, sums)] = told.lines[..] else {
            panic!("{told:?}")
        };
        assert_eq!((key, sums.never_sent), (scanned, flows(1, 1, 60)));
        assert_eq!(sums.missed_at_most, 5);
        assert_eq!(told.other.never_sent, flows(6, 6, 360));
    }
}

/// Boots without end, each with its own victims, and places without end.
#[test]
fn lines_take_bounded_memory_and_none_is_forgotten() {
    let limits = Limits {
        boots: Some(2),
        ..Limits::default()
    };
    let mut picture = Picture::new("test", limits);
    let none = flows(0, 0, 0);
    let (boots, places) = (300, 5);
    for boot_id in 0..boots {
        for place in 0..places {
            let key = UnsentKey {
                protocol: 6,
                responder: Address::V4((boot_id * 100 + u32::from(place)).to_be_bytes()),
            };
            let at = Position {
                boot_id,
                is_final: true,
                number: place.into(),
            };
            let lines = [line(place, Some(key), flows(1, 2, 120), none)];
            picture.apply(0, at, &unsent(&lines));
        }
    }
    let told = picture.unsent();
    assert!(told.lines.len() < 1_100, "{}", told.lines.len());
    let lines = told.lines.iter().map(|(_, sums)| sums.never_sent.flows);
    let all = lines.sum::<u64>() + told.other.never_sent.flows;
    assert_eq!(all, u64::from(boots) * u64::from(places));
}
