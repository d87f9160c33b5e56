//! A filter before the tables: what it leaves out stays in the books.

use magpie_protocol::{Command, FilterAction, Ledger, Record, RecordSource, Sum, UplinkCounts};

use super::{all, ethertype, frame, longer, sensor, set, status};
use crate::common::{feed, flows, flush, ipv4};

#[test]
fn frames_that_no_filter_selects_reach_no_table_and_stay_in_the_books() {
    let mut core = sensor(3, 4000);
    set(&mut core, 7, 0, &longer(200), FilterAction::Only);
    set(&mut core, 8, 2, &ethertype(0x0806), FilterAction::Only);
    set(&mut core, 9, 1, &all(), FilterAction::Count);
    let mut arp = vec![0; 60];
    arp[12..14].copy_from_slice(&[8, 6]);
    feed(&mut core, 1, &frame(2, 300));
    feed(&mut core, 2, &frame(3, 100));
    feed(&mut core, 3, &arp);
    feed(&mut core, 4, &ipv4(1, 9, 47, &[0; 20]));
    let check = |ledger: &Ledger| {
        let sum = |frames, octets| Sum { frames, octets };
        assert_eq!(ledger.counted, sum(4, 300 + 100 + 60 + 54));
        assert_eq!(ledger.in_flows, sum(1, 300));
        assert_eq!(ledger.arp, sum(1, 60));
        assert_eq!(ledger.filtered, sum(2, 154));
        assert_eq!(ledger.flows.made, 1);
    };
    check(&core.ledger(5));
    let records = flush(&mut core, 5, 1);
    assert_eq!(flows(&records).len(), 1);
    let ledgers: Vec<_> = records
        .iter()
        .filter_map(|r| match r {
            Record::Ledger(ledger) => Some(*ledger),
            _ => None,
        })
        .collect();
    check(&ledgers[0]);
    assert_eq!(status(&mut core, 1).matched.frames, 4);
    // A host of 1.3 is told what adds up without the new term.
    core.note_uplink(&UplinkCounts::default(), 3);
    let records = flush(&mut core, 6, 2);
    let Some(Record::Ledger(old)) = records.last() else {
        panic!("the ledger is the last");
    };
    assert_eq!(
        (
            old.counted.frames,
            old.filtered.frames,
            old.lost.ring.value()
        ),
        (2, 0, 2)
    );
    // When the last one stops, all frames reach the tables again.
    for (id, slot) in [(20, 0), (21, 2)] {
        let stop = Command::StopFilter {
            id,
            slot,
            discard: false,
        };
        core.handle_command(0, &stop);
    }
    feed(&mut core, 7, &frame(3, 100));
    assert_eq!(core.ledger(7).filtered.frames, 2);
    assert_eq!(core.ledger(7).counted.frames, 5);
}
