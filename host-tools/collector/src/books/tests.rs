use magpie_protocol::{
    AddressPair, Census, CountEntry, Counts, Direction, EndReason, FlowKey, FlowRecord, Known,
    Ledger, Losses, Malformed, Record, Side, Sum, TableId, Tally, TcpFacts, VlanStack,
};

use super::*;
use crate::{Limits, Position};

mod hosts;
mod reboots;
mod unsent;

const BOOT: u32 = 7;

fn sum(frames: u64, octets: u64) -> Sum {
    Sum { frames, octets }
}

fn flow(id: u64, protocol: u8, packets: u64, ip: u64, frame: u64, reason: EndReason) -> Record {
    let direction = Direction {
        packets,
        ip_octets: ip,
        frame_octets: frame,
    };
    Record::Flow(FlowRecord {
        flow_id: id,
        reason,
        key: FlowKey {
            vlan: VlanStack::NONE,
            protocol,
            addresses: AddressPair::V4 {
                a: [10, 0, 0, 1],
                b: [10, 0, 0, 2],
            },
            a_port: 1000,
            b_port: 80,
        },
        initiator: Side::A,
        first_us: 10,
        last_us: 20,
        ab: direction,
        ba: Direction::default(),
        tcp: (protocol == 6).then(|| TcpFacts {
            unseen_octets: [0, 100],
            ..TcpFacts::default()
        }),
    })
}

fn table(table: TableId, lines: &[(u64, u64, u64)]) -> Record {
    let entries = lines.iter().map(|(key, frames, octets)| CountEntry {
        key: *key,
        frames: *frames,
        octets: *octets,
    });
    Record::Counts(Counts {
        table,
        entries: entries.collect(),
    })
}

/// Twelve frames of 1,000 octets: eight in two flows, two ARP, one other, one
/// too short for anything. Everything is flushed.
fn records() -> Vec<Record> {
    vec![
        flow(0, 6, 5, 450, 500, EndReason::End),
        flow(1, 17, 3, 240, 300, EndReason::Flush),
        table(
            TableId::Ethertype,
            &[
                (0x800, 8, 800),
                (0x806, 2, 120),
                (0x88cc, 1, 70),
                (0x1_0000, 1, 10),
            ],
        ),
        table(TableId::Vlan, &[(u64::MAX, 12, 1_000)]),
        table(TableId::IpProtocol, &[(0x406, 5, 450), (0x411, 3, 240)]),
        table(TableId::ArpOperation, &[(1, 1, 0)]),
        table(
            TableId::Malformed,
            &[
                (Malformed::EthShort as u64, 1, 0),
                (Malformed::ArpShort as u64, 1, 0),
            ],
        ),
        Record::Ledger(ledger()),
    ]
}

fn ledger() -> Ledger {
    Ledger {
        at_us: 100,
        flush: 1,
        counted: sum(12, 1_000),
        in_flows: sum(8, 800),
        arp: sum(2, 120),
        other: sum(1, 70),
        invalid: sum(1, 10),
        lost: Losses::default(),
        malformed: 2,
        flows: Census {
            made: 2,
            ..Census::default()
        },
        exported: Tally {
            records: 8,
            flows: 2,
            packets: 8,
            octets: 800,
        },
        ..Ledger::default()
    }
}

fn offered() -> Offered {
    Offered {
        frames: 12,
        octets: 1_000,
        refused: vec![],
    }
}

fn books_of(records: &[Record], offered: Option<&Offered>) -> Books {
    books_without(records, None, offered)
}

/// The record of this number was dropped on the way.
fn books_without(records: &[Record], dropped: Option<u64>, offered: Option<&Offered>) -> Books {
    let mut picture = Picture::new("test", Limits::default());
    for (number, record) in (0..).zip(records) {
        if dropped == Some(number) {
            continue;
        }
        let at = Position {
            boot_id: BOOT,
            is_final: true,
            number,
        };
        picture.apply(0, at, record);
    }
    picture.books(offered)
}

fn with_ledger(change: impl FnOnce(&mut Ledger)) -> Vec<Record> {
    let mut records = records();
    let Some(Record::Ledger(ledger)) = records.last_mut() else {
        panic!("the ledger is the last record");
    };
    change(ledger);
    records
}

fn stage(books: &Books) -> String {
    match &books.state {
        State::Open { stage, .. } => format!("OPEN {stage}"),
        State::Partial(why) => format!("PARTIAL {why}"),
        State::Closed => "CLOSED".to_owned(),
    }
}

#[test]
fn closed_books_and_their_line() {
    let books = books_of(&records(), Some(&offered()));
    assert_eq!(
        books.to_string(),
        "books CLOSED wire=12 counted=12 lost=0 own=0 unaccounted=0 records=8 acked=8 \
         never_sent=0 unseen>=18.18%"
    );
    assert_eq!(books.exit_code(), 0);
}

#[test]
fn what_the_feeder_refused_is_lost_with_its_reason() {
    let mut offered = offered();
    offered.frames += 2;
    offered.octets += 5_000;
    offered.refuse("oversize", 1, 3_000);
    offered.refuse("oversize", 1, 2_000);
    let books = books_of(&records(), Some(&offered));
    let line = books.to_string();
    assert!(
        line.starts_with("books CLOSED wire=14 counted=12 lost=2(oversize 2) own=0 unaccounted=0"),
        "{line}"
    );
}

#[test]
fn counted_losses_close_the_books() {
    let lost = Losses {
        fcs: Known::Exact(3),
        oversize: Known::Exact(0),
        mac_fifo: Known::Exact(0),
        no_descriptor: Known::Exact(0),
        ring: Known::Exact(1),
    };
    let records = with_ledger(|ledger| ledger.lost = lost);
    for offered in [
        None,
        Some(Offered {
            frames: 16,
            ..offered()
        }),
    ] {
        let line = books_of(&records, offered.as_ref()).to_string();
        let expected = "books CLOSED wire=16 counted=12 lost=4(fcs 3, ring 1) own=0 unaccounted=0";
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn a_stage_that_cannot_tell_is_named() {
    let books = books_of(&records(), None);
    let line = books.to_string();
    assert!(
        line.starts_with(
            "books PARTIAL(mac unknown) wire>=12 counted=12 lost=?(fcs ?, oversize ?, \
             mac_fifo ?, no_descriptor ?, ring ?) own=0 unaccounted=?"
        ),
        "{line}"
    );
    assert_eq!(books.exit_code(), 0);
    let at_least = Losses {
        fcs: Known::Exact(0),
        oversize: Known::Exact(0),
        mac_fifo: Known::AtLeast(2),
        no_descriptor: Known::Exact(0),
        ring: Known::Exact(0),
    };
    let books = books_of(&with_ledger(|ledger| ledger.lost = at_least), None);
    let line = books.to_string();
    assert!(
        line.starts_with(
            "books PARTIAL(mac at least) wire>=14 counted=12 lost>=2(mac_fifo >=2) own=0"
        ),
        "{line}"
    );
}

/// One counter changed: the stage that must be named.
type Case = (&'static str, fn(&mut Ledger));

#[test]
fn each_equation_broken_once_opens_the_books_at_its_stage() {
    let cases: [Case; 19] = [
        ("OPEN mac", |l| l.counted.frames -= 1),
        ("OPEN capture", |l| l.counted.frames += 1),
        ("OPEN capture", |l| l.counted.octets -= 1),
        ("OPEN dissect", |l| l.arp.frames -= 1),
        ("OPEN dissect", |l| l.arp.octets -= 1),
        ("OPEN dissect", |l| l.other.frames = 0),
        ("OPEN dissect", |l| l.invalid.frames = 0),
        ("OPEN dissect", |l| l.in_flows.frames -= 1),
        ("OPEN flow table", |l| l.exported.packets -= 1),
        ("OPEN flow table", |l| l.exported.octets -= 1),
        ("OPEN flow table", |l| l.exported.flows -= 1),
        ("OPEN flow table", |l| l.flows.made += 1),
        ("OPEN flow table", |l| l.flows.live_packets = 1),
        ("OPEN flow table", |l| l.never_sent.packets = 1),
        ("OPEN uplink", |l| l.exported.records += 1),
        ("OPEN uplink", |l| l.exported.records -= 1),
        ("OPEN uplink", |l| l.uplink.never_sent.packets = 1),
        ("OPEN table malformed", |l| l.malformed = 0),
        ("OPEN table malformed", |l| l.malformed = 3),
    ];
    for (i, (expected, change)) in cases.into_iter().enumerate() {
        let books = books_of(&with_ledger(change), Some(&offered()));
        let broken = |broken: &String| format!("OPEN {broken}").starts_with(expected);
        assert!(books.broken.iter().any(broken), "case {i}: {books}");
        assert_eq!(books.exit_code(), 4, "case {i}");
    }
}

#[test]
fn the_first_broken_equation_gives_stage_and_amount() {
    let records = with_ledger(|ledger| {
        ledger.counted = sum(11, 940);
        ledger.arp = sum(1, 60);
    });
    let line = books_of(&records, Some(&offered())).to_string();
    assert!(
        line.starts_with("books OPEN(mac 1 frames) wire=12 counted=11 lost=?("),
        "{line}"
    );
    assert!(line.contains(" unaccounted=1 "), "{line}");
}

#[test]
fn a_lost_line_of_a_table_is_seen() {
    for (name, at) in [
        ("ethertype", 2),
        ("vlan", 3),
        ("ip_proto", 4),
        ("arp", 5),
        ("malformed", 6),
    ] {
        let mut records = records();
        let Some(Record::Counts(counts)) = records.get_mut(at) else {
            panic!("record {at} is a table");
        };
        counts.entries.pop();
        let books = books_of(&records, Some(&offered()));
        assert_eq!(stage(&books), format!("OPEN table {name}"));
    }
}

#[test]
fn a_lost_flow_record_is_seen_at_the_uplink() {
    let mut records = records();
    records[0] = table(TableId::Fragment, &[]);
    let books = books_of(&records, Some(&offered()));
    assert_eq!(stage(&books), "OPEN uplink");
}

#[test]
fn what_the_link_had_to_drop_is_within_bounds() {
    // The first flow's record was dropped after having been sent.
    let dropped = Tally {
        records: 1,
        flows: 1,
        packets: 5,
        octets: 500,
    };
    let mut records = with_ledger(|ledger| ledger.uplink.unconfirmed = dropped);
    let books = books_of(&records, Some(&offered()));
    assert_eq!(stage(&books), "CLOSED", "it arrived all the same: {books}");
    let mut lost = records.clone();
    lost.remove(0);
    let mut picture = Picture::new("test", Limits::default());
    for (number, record) in (1..).zip(&lost) {
        let at = Position {
            boot_id: BOOT,
            is_final: true,
            number,
        };
        picture.apply(0, at, record);
    }
    picture.miss(BOOT, true, 1);
    let books = picture.books(Some(&offered()));
    assert_eq!(stage(&books), "CLOSED", "{books}");
    assert!(
        books
            .to_string()
            .contains(" records=8 acked=7 never_sent=0 unconfirmed=1 ")
    );
    // More than that is missing.
    records.remove(0);
    records.remove(0);
    let books = books_of(&records, Some(&offered()));
    assert_eq!(stage(&books), "OPEN uplink");
}

/// The first record went to an earlier host, the second was dropped while
/// this one listened: nothing is wrong, and nothing is certain.
#[test]
fn hiding_any_counter_opens_the_books_or_leaves_them_partial() {
    // Every loss and every drop counted once, then one of them hidden.
    let lossy = |hide: usize| {
        let lost = |n: usize| Known::Exact(u64::from(n != hide));
        let losses = Losses {
            fcs: lost(0),
            oversize: lost(1),
            mac_fifo: lost(2),
            no_descriptor: lost(3),
            ring: lost(4),
        };
        with_ledger(|ledger| ledger.lost = losses)
    };
    let mut offered = offered();
    offered.frames += 5;
    assert_eq!(stage(&books_of(&lossy(9), Some(&offered))), "CLOSED");
    for hide in 0..5 {
        let books = books_of(&lossy(hide), Some(&offered));
        assert_eq!(stage(&books), "OPEN capture", "{books}");
        assert_eq!(books.unaccounted, Some(1));
    }
}

#[test]
fn a_record_made_and_never_numbered_opens_the_books() {
    // Within what `unconfirmed` allows, so only its number can tell.
    let unsure = Tally {
        records: 3,
        ..Tally::default()
    };
    let records = with_ledger(|ledger| {
        ledger.uplink.unconfirmed = unsure;
        ledger.exported.records += 1;
    });
    let books = books_of(&records, Some(&offered()));
    assert_eq!(stage(&books), "OPEN uplink", "{books}");
}

#[test]
fn an_unread_table_in_motion_is_a_doubt_only() {
    let mut records = with_ledger(|ledger| {
        ledger.lost = Losses {
            fcs: Known::Exact(0),
            oversize: Known::Exact(0),
            mac_fifo: Known::Exact(0),
            no_descriptor: Known::Exact(0),
            ring: Known::Exact(0),
        };
    });
    assert_eq!(stage(&books_of(&records, None)), "CLOSED");
    records[2] = table(TableId::Ethertype, &[(0x800, 8, 800)]);
    let books = books_of(&records, None);
    assert_eq!(stage(&books), "PARTIAL table ethertype in motion");
}

#[test]
fn a_share_is_rounded_down() {
    let share = |part, whole| Share { part, whole }.to_string();
    assert_eq!(share(0, 0), "0.00%");
    assert_eq!(share(41_999, 10_000_000), "0.41%");
    assert_eq!(share(u64::MAX, u64::MAX), "100.00%");
}
