//! What another host has, and a host that ends without a flush.

use super::*;

#[test]
fn what_an_earlier_host_has_does_not_open_the_books() {
    let dropped = Tally {
        records: 1,
        flows: 1,
        packets: 3,
        octets: 300,
    };
    let records = with_ledger(|ledger| ledger.uplink.unconfirmed = dropped);
    let mut picture = Picture::new("test", Limits::default());
    picture.meet(BOOT, 1);
    for (number, record) in (0..).zip(&records).skip(2) {
        let at = Position {
            boot_id: BOOT,
            is_final: true,
            number,
        };
        picture.apply(0, at, record);
    }
    picture.miss(BOOT, true, 1);
    let books = picture.books(Some(&offered()));
    assert_eq!(stage(&books), "PARTIAL joined at record 1", "{books}");
}

/// A host that was away while two records were made: one was dropped, so another
/// host has one.
#[test]
fn what_another_host_got_meanwhile_does_not_open_the_books() {
    let dropped = Tally {
        records: 1,
        flows: 1,
        packets: 5,
        octets: 500,
    };
    let records = with_ledger(|ledger| ledger.uplink.never_sent = dropped);
    let mut picture = Picture::new("test", Limits::default());
    for (number, record) in (0..).zip(&records) {
        if number == 1 {
            picture.miss(BOOT, true, 2);
        }
        if number > 1 {
            let at = Position {
                boot_id: BOOT,
                is_final: true,
                number,
            };
            picture.apply(0, at, record);
        }
    }
    let books = picture.books(Some(&offered()));
    let went = "PARTIAL 1 records went to another host";
    assert_eq!(stage(&books), went, "{books} {:?}", books.broken);
}

#[test]
fn without_a_flush_the_books_are_partial_and_what_is_broken_shows() {
    let running = with_ledger(|ledger| ledger.flush = 0);
    let books = books_of(&running, Some(&offered()));
    assert_eq!(stage(&books), "PARTIAL running");
    let broken = with_ledger(|ledger| {
        ledger.flush = 0;
        ledger.arp.frames = 1;
    });
    assert_eq!(stage(&books_of(&broken, Some(&offered()))), "OPEN dissect");
    assert_eq!(stage(&books_of(&[], None)), "PARTIAL nothing heard");
    let silent = books_of(&[], Some(&offered()));
    assert_eq!(stage(&silent), "OPEN silence", "{silent}");
}

#[test]
fn who_ends_without_a_flush_is_taken_at_the_last_word() {
    let mut picture = Picture::new("test", Limits::default());
    for (number, record) in (0..).zip(&with_ledger(|ledger| ledger.flush = 0)) {
        let at = Position {
            boot_id: BOOT,
            is_final: true,
            number,
        };
        picture.apply(0, at, record);
    }
    let mut wire = offered();
    wire.frames += 1;
    assert_eq!(stage(&picture.books(Some(&wire))), "PARTIAL running");
    picture.finish();
    let books = picture.books(Some(&wire));
    assert_eq!(stage(&books), "OPEN flush", "{books}");
    assert_eq!(books.unaccounted, Some(1));
    assert_eq!(
        stage(&picture.books(Some(&offered()))),
        "PARTIAL not flushed"
    );
}
