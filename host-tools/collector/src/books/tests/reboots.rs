//! What went with a reboot.

use super::*;

#[test]
fn frames_that_went_with_a_reboot_are_missed() {
    let mut picture = Picture::new("test", Limits::default());
    let mut apply = |boot_id, records: &[Record]| {
        for (number, record) in (0..).zip(records) {
            let at = Position {
                boot_id,
                is_final: true,
                number,
            };
            picture.apply(0, at, record);
        }
    };
    // The first boot's last ledger was an ordinary one.
    apply(1, &with_ledger(|ledger| ledger.flush = 0));
    apply(2, &records());
    let mut wire = Offered {
        frames: 24,
        octets: 2_000,
        refused: vec![],
    };
    let books = picture.books(Some(&wire));
    assert_eq!(
        stage(&books),
        "CLOSED",
        "all was reported before it: {books}"
    );
    assert_eq!(books.counted, 24);
    wire.frames += 3;
    let books = picture.books(Some(&wire));
    assert_eq!(stage(&books), "OPEN reboot");
    assert_eq!(books.unaccounted, Some(3));
    assert_eq!(stage(&picture.books(None)), "PARTIAL reboot");
}

/// A ledger may arrive before the live records it speaks of; a reboot between
/// them leaves counts that nobody shows.
#[test]
fn what_a_reboot_kept_from_the_picture_is_a_doubt() {
    let last_word = || with_ledger(|ledger| ledger.flush = 0);
    let ended = |left_out: usize| {
        let mut picture = Picture::new("test", Limits::default());
        for (boot_id, records) in [(1, last_word()), (2, records())] {
            for (number, record) in (0..).zip(&records) {
                if (boot_id, number) == (1, left_out) {
                    continue;
                }
                let at = Position {
                    boot_id,
                    is_final: true,
                    number: number as u64,
                };
                picture.apply(0, at, record);
            }
        }
        let wire = Offered {
            frames: 24,
            octets: 2_000,
            refused: vec![],
        };
        stage(&picture.books(Some(&wire)))
    };
    assert_eq!(ended(usize::MAX), "CLOSED");
    for lost in ["flow", "flow", "ethertype", "vlan"].iter().enumerate() {
        assert_eq!(ended(lost.0), "PARTIAL reboot", "{lost:?}");
    }
}

#[test]
fn a_table_that_lost_lines_with_its_records_is_short() {
    let dropped = Tally {
        records: 1,
        ..Tally::default()
    };
    let records = with_ledger(|ledger| {
        ledger.uplink.never_sent = dropped;
    });
    let books = books_without(&records, Some(3), Some(&offered()));
    assert_eq!(stage(&books), "PARTIAL table vlan short", "{books}");
}
