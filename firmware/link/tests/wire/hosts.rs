//! What a host hears: the whole, late, after a stall, after a reboot; and what
//! it is told that it did not.

use magpie_link::{LinkError, MIN_STORAGE, Overflow, Receiver, Sender};
use magpie_protocol::Tally;

use super::Rig;
use super::sensor::Numbers;
use super::wires::Faults;

#[test]
fn a_clean_wire_delivers_everything_once() {
    let mut rig = Rig::new(7, 4096, Overflow::Hold, Faults::NONE, 1);
    rig.source = Numbers::new(5000, 300);
    rig.finish();
    assert!(rig.taken.finals.iter().copied().eq(0..5000));
    assert!(rig.taken.live.iter().copied().eq(0..300));
    let counts = rig.sender.counts();
    assert_eq!(
        (counts.acked, counts.resent, counts.bad_frames),
        (5000, 0, 0)
    );
    assert_eq!(rig.source.noted.never_sent, Tally::default());
    assert_eq!(rig.receiver.counts().duplicates, 0);
    // 8 octets a record, 1352 a batch: nothing goes out half empty while
    // there is more.
    assert!(counts.batches < 5000 * 8 / 1352 + 10, "{counts:?}");
}

/// Live records go first while finals are scarce, and have their turn when
/// these are plenty.
#[test]
fn live_records_have_their_turn() {
    let mut rig = Rig::new(7, 65536, Overflow::Hold, Faults::NONE, 1);
    rig.source = Numbers::new(40_000, 1000);
    rig.run(5_000 * 12);
    assert!(rig.taken.finals.len() > 1000);
    assert!(!rig.taken.live.is_empty());
}

#[test]
fn a_host_that_stalls_a_minute_loses_nothing() {
    let mut rig = Rig::new(7, 4096, Overflow::Hold, Faults::NONE, 1);
    rig.source = Numbers::new(20_000, 100);
    rig.run(50_000);
    rig.host_reads = false;
    let before = rig.sender.counts().batches;
    rig.run(60_000_000);
    // An absent host costs little: one batch every four seconds.
    assert!(
        rig.sender.counts().batches - before < 30,
        "{:?}",
        rig.sender.counts()
    );
    rig.host_reads = true;
    rig.finish();
    assert!(rig.taken.finals.iter().copied().eq(0..20_000));
    assert_eq!((rig.taken.lost_finals, rig.taken.live_gap), (0, 0));
    // Repetitions of the stall do not feed on themselves.
    assert!(rig.sender.counts().resent < 30, "{:?}", rig.sender.counts());
}

#[test]
fn a_host_that_comes_late_begins_at_the_oldest() {
    for overflow in [Overflow::Hold, Overflow::DropOldest] {
        let mut rig = Rig::new(7, 4096, overflow, Faults::NONE, 1);
        rig.source = Numbers::new(2000, 100);
        rig.up.up = false;
        rig.run(60_000_000);
        rig.up.up = true;
        rig.finish();
        let joined_at = rig.taken.joined_at.unwrap();
        let finals = u32::try_from(joined_at).unwrap()..2000;
        assert!(rig.taken.finals.iter().copied().eq(finals), "{overflow:?}");
        assert_eq!(rig.taken.lost_finals, 0);
        let counts = rig.sender.counts();
        assert_eq!(
            joined_at,
            counts.never_sent.records + counts.unconfirmed.records
        );
        assert_eq!(
            joined_at > 0,
            overflow == Overflow::DropOldest,
            "{joined_at}"
        );
        // The first batch had been sent, the last ones dropped had not.
        assert_eq!(
            counts.unconfirmed.records > 0,
            overflow == Overflow::DropOldest
        );
    }
}

/// What was dropped while the host was away is reported as lost, exactly.
#[test]
fn dropped_records_are_reported_exactly() {
    let mut rig = Rig::new(7, MIN_STORAGE + 200, Overflow::DropOldest, Faults::NONE, 1);
    rig.source = Numbers::new(50, 1);
    rig.run(1_000_000);
    assert_eq!(rig.taken.finals.len(), 50);
    rig.up.up = false;
    rig.source.finals_left = 500;
    rig.run(30_000_000);
    assert_eq!(rig.source.finals_left, 0);
    rig.up.up = true;
    rig.source.finals_left = 10;
    rig.finish();
    let counts = rig.sender.counts();
    let dropped = counts.never_sent.records + counts.unconfirmed.records;
    assert!(dropped > 300, "{counts:?}");
    assert_eq!(rig.taken.lost_finals, dropped);
    assert_eq!(rig.taken.finals.len() as u64 + dropped, 560);
    assert!(rig.taken.finals.is_sorted());
}

/// A burst larger than the storage waits for a host that answers.
#[test]
fn drop_oldest_holds_while_the_host_answers() {
    let mut rig = Rig::new(7, MIN_STORAGE + 200, Overflow::DropOldest, Faults::NONE, 1);
    rig.source = Numbers::new(20_000, 1);
    rig.finish();
    assert!(rig.taken.finals.iter().copied().eq(0..20_000));
}

#[test]
fn a_new_host_goes_on_where_the_old_one_ended() {
    let mut rig = Rig::new(7, 4096, Overflow::Hold, Faults::NONE, 1);
    rig.source = Numbers::new(10_000, 500);
    rig.run(100_000);
    let first = std::mem::take(&mut rig.taken);
    let next = rig.receiver.next_final().unwrap();
    assert!(next > 0 && next < 10_000);
    rig.receiver = Receiver::new();
    rig.finish();
    let joined_at = rig.taken.joined_at.unwrap();
    assert!(joined_at <= next, "a gap between the two hosts");
    assert!(
        first
            .finals
            .iter()
            .copied()
            .eq(0..u32::try_from(next).unwrap())
    );
    assert!(
        rig.taken
            .finals
            .iter()
            .copied()
            .eq(u32::try_from(joined_at).unwrap()..10_000)
    );
    assert_eq!(rig.taken.lost_finals, 0);
}

#[test]
fn a_reboot_starts_anew_and_counts_nothing_twice() {
    let slow = Faults {
        delay: 128,
        ..Faults::NONE
    };
    let mut rig = Rig::new(7, 4096, Overflow::Hold, slow, 9);
    rig.source = Numbers::new(10_000, 500);
    rig.run(100_000);
    let made = rig.taken.finals.len();
    assert!(made > 0);
    // Frames of the first run are still on their way when the second begins.
    assert!(!rig.up.in_flight.is_empty());
    rig.sender = Sender::new(8, Vec::leak(vec![0; 4096]), Overflow::Hold);
    rig.source = Numbers::new(3000, 50);
    rig.finish();
    assert_eq!(rig.taken.boots, 2);
    assert!(
        rig.taken
            .finals
            .iter()
            .rev()
            .take(3000)
            .rev()
            .copied()
            .eq(0..3000)
    );
    let late = LinkError::OtherBoot { boot_id: 7 };
    assert!(rig.taken.refused.contains(&late));
    assert!(rig.taken.refused.iter().all(|error| *error == late));
    assert_eq!(
        rig.receiver.counts().other_boot,
        rig.taken.refused.len() as u64
    );
    assert_eq!(rig.sender.counts().acked, 3000);
}
