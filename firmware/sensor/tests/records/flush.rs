//! A flush: it ends, once, with tables and ledger of the same frame.

use magpie_protocol::{
    Command, EndReason, Items, Ledger, Malformed, Record, RecordSource, TableId, UplinkCounts,
    VERSION_MINOR, Want, decode_record,
};
use magpie_sensor::Config;

use crate::common::{feed, flush, reasons, sensor, udp};

/// As a provider's trunk has them: every customer tag under every service tag.
#[test]
fn an_exact_run_has_a_line_for_every_stack() {
    let mut core = sensor(Config::exact(), 64);
    for outer in 100..164_u8 {
        for inner in 100..164_u8 {
            let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
            frame.extend([0x88, 0xa8, 0, outer, 0x81, 0, 0, inner, 0x88, 0xcc]);
            frame.resize(60, 0);
            core.grow_if_crowded();
            feed(&mut core, 0, &frame);
        }
    }
    assert_eq!(core.shortfalls(), Vec::<String>::new());
}

#[test]
fn a_flush_ends_however_few_slots_a_call_may_look_at() {
    let config = Config {
        scan_slots: 0,
        ..Config::exact()
    };
    let mut core = sensor(config, 64);
    feed(&mut core, 0, &udp(1, 2, 9, 9, 0));
    core.handle_command(1, &Command::Flush { id: 1 });
    let mut out = [0; magpie_protocol::MAX_ITEM];
    for _ in 0..100_000 {
        core.poll_record(1, Want::Final, &mut out);
    }
    assert_eq!(core.poll_at(), None, "nothing is under way any more");
    assert_eq!(core.ledger(1).exported.flows, 1);
}

#[test]
fn flush_ends_with_the_ledger_and_is_done_once() {
    let mut core = sensor(Config::default(), 64);
    feed(&mut core, 0, &udp(1, 2, 5, 6, 1));
    feed(&mut core, 1, &[1, 2, 3]);
    let records = flush(&mut core, 5, 42);
    let Some(Record::Ledger(ledger)) = records.last() else {
        panic!("{records:?}")
    };
    assert_eq!(
        (ledger.flush, ledger.counted.frames, ledger.invalid.frames),
        (42, 2, 1)
    );
    assert_eq!(
        ledger.exported.records,
        u64::try_from(records.len()).unwrap()
    );
    assert_eq!(
        (ledger.flows.live, ledger.flows.made, ledger.exported.flows),
        (0, 1, 1)
    );
    let short = Malformed::EthShort as u64;
    assert!(records.iter().any(|r| matches!(r, Record::Counts(c)
        if c.table == TableId::Malformed && c.entries.iter().any(|e| e.key == short && e.frames == 1))));
    assert!(flush(&mut core, 6, 42).is_empty());
    // Nothing was seen since: the tables and the ledger again, no flow.
    assert_eq!(reasons(&flush(&mut core, 7, 43)), []);
    feed(&mut core, 8, &udp(1, 2, 5, 6, 1));
    assert_eq!(reasons(&flush(&mut core, 9, 44)), [EndReason::Flush]);
}

/// Flushes while frames come in: one after every `every` records, `most` in
/// all. Ethertype lines as the host keeps them, and the ledger.
fn flush_in_traffic(every: u64, most: u64, answers: bool) -> (u64, Ledger) {
    let mut acked = UplinkCounts::default();
    let mut core = sensor(Config::exact(), 64);
    for n in 0..40 {
        feed(&mut core, 0, &udp(1, 2, n, 53, 0));
    }
    core.handle_command(1, &Command::Flush { id: 7 });
    let mut out = [0; magpie_protocol::MAX_ITEM];
    let (mut made, mut fed, mut lines) = (0, 0, std::collections::BTreeMap::new());
    for _ in 0..2_000_000 {
        let Some(emitted) = core.poll_record(1, Want::Final, &mut out) else {
            // A link that takes all there is, and a host that has it.
            acked.acked = if answers { made } else { 0 };
            core.note_uplink(&acked, VERSION_MINOR);
            continue;
        };
        let item = Items::new(&out[..emitted.len]).next().unwrap().unwrap();
        match decode_record(item).unwrap() {
            Record::Counts(counts) if counts.table == TableId::Ethertype => {
                for entry in &counts.entries {
                    lines.insert(entry.key, entry.frames);
                }
            }
            Record::Ledger(ledger) => return (lines.values().sum(), ledger),
            _ => {}
        }
        made += 1;
        if made % every == 0 && fed < most {
            fed += 1;
            feed(&mut core, 1, &udp(3, 4, 9, 53, 0));
        }
    }
    panic!("the flush does not end");
}

#[test]
fn tables_and_ledger_of_a_flush_are_as_of_the_same_frame() {
    for every in [1, 2, 7, 41, 43] {
        let (lines, ledger) = flush_in_traffic(every, 5, true);
        assert_eq!((ledger.flush, lines), (7, ledger.counted.frames), "{every}");
    }
    // A port that never rests gets its ledger all the same, also without a
    // host that acknowledges.
    for answers in [true, false] {
        let (lines, ledger) = flush_in_traffic(1, u64::MAX, answers);
        assert!(lines < ledger.counted.frames);
    }
}
