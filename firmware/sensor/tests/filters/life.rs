//! When a filter begins and when it ends by itself: what is told of its start,
//! and who keeps it alive.

use magpie_protocol::{
    Command, FilterAction, FilterState, FilterStatus, Ledger, MAX_ITEM, Outcome, Record,
    RecordSource, Want,
};
use magpie_sensor::Sensor;

use super::{CAPTURE, all, ask, frame, load, longer, packets, sensor, set, start, status, told};
use crate::common::{drain, feed};

/// Whoever counts what a sensor saw meanwhile needs to know where it began.
#[test]
fn the_books_as_of_its_start_come_behind_a_filter() {
    let mut core = sensor(1, 4000);
    feed(&mut core, 1, &frame(2, 60));
    load(&mut core, 0, &all());
    for (id, told) in [(7, true), (7, false), (8, false)] {
        core.handle_command(2, &start(id, 0, &all(), CAPTURE));
        feed(&mut core, 3, &frame(3, 60));
        // Before its packets.
        let mut out = [0; MAX_ITEM];
        assert_eq!(core.poll_record(3, Want::Packet, &mut out), None);
        let kinds = drain(&mut core, 3, Want::Live);
        let kinds: Vec<_> = kinds
            .iter()
            .map(|record| match record {
                Record::FilterReply(_) => "reply",
                Record::FilterStatus(_) => "status",
                Record::Ledger(ledger) => {
                    assert_eq!((ledger.at_us, ledger.flush), (3, 0));
                    "ledger"
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let want: &[_] = if told {
            &["reply", "status", "ledger"]
        } else {
            &["reply"]
        };
        assert_eq!(kinds, want, "start {id}");
        packets(&mut core, MAX_ITEM, 9);
    }
}

/// The same number, and nothing to begin.
fn renew(id: u32, slot: u8, action: FilterAction) -> Command {
    start(id, slot, &[], action)
}

/// A host that was killed cannot stop what it asked for.
#[test]
fn a_filter_that_is_not_asked_for_again_stops() {
    const LIFE_US: u64 = FilterStatus::LIFE_S as u64 * 1_000_000;
    const SECOND_US: u64 = 1_000_000;
    for action in [CAPTURE, FilterAction::Only, FilterAction::Count] {
        let mut core = sensor(2, 4000);
        core.end_unheard_filters(1_000);
        set(&mut core, 7, 1, &longer(200), action);
        let state = |core: &mut Sensor<'_>| status(core, 1).state;
        // Its life begins when the next turn does.
        core.end_unheard_filters(2_000);
        core.end_unheard_filters(2_000 + LIFE_US - 1);
        assert_eq!(state(&mut core), FilterState::Running);
        assert_eq!(ask(&mut core, renew(7, 1, action)).outcome, Outcome::Done);
        let began_us = 2_000 + LIFE_US;
        core.end_unheard_filters(began_us);
        feed(&mut core, 1, &frame(2, 300));
        feed(&mut core, 2, &frame(2, 100));
        // Another's number prolongs nothing, and begins nothing.
        for (id, slot) in [(8, 1), (7, 0)] {
            let reply = ask(&mut core, renew(id, slot, action));
            assert_ne!(reply.outcome, Outcome::Done, "{reply:?}");
        }
        core.end_unheard_filters(began_us + LIFE_US - 1);
        assert_eq!(state(&mut core), FilterState::Running);
        core.end_unheard_filters(began_us + LIFE_US + SECOND_US);
        let (_, told) = told(&mut core);
        let [told] = told[..] else {
            panic!("it is said once: {told:?}");
        };
        assert_eq!((told.state, told.matched.frames), (FilterState::Unheard, 1));
        // What comes now is for the tables, and none of it for the filter.
        let before = core.ledger(3);
        feed(&mut core, 3, &frame(2, 100));
        feed(&mut core, 3, &frame(2, 300));
        let after = core.ledger(3);
        assert_eq!(after.filtered, before.filtered);
        let frames = |ledger: &Ledger| {
            let outside = ledger.arp.frames + ledger.other.frames + ledger.invalid.frames;
            ledger.in_flows.frames + outside + ledger.filtered.frames
        };
        assert_eq!((frames(&after), after.counted.frames), (4, 4));
        assert_eq!(status(&mut core, 1).matched.frames, 1);
        // It is over for good: late words change nothing, and its packets come.
        assert_eq!(ask(&mut core, renew(7, 1, action)).outcome, Outcome::Done);
        core.end_unheard_filters(began_us + 3 * LIFE_US);
        assert_eq!(state(&mut core), FilterState::Unheard);
        let came = packets(&mut core, MAX_ITEM, 9).len();
        assert_eq!(came, usize::from(action == CAPTURE));
        assert!(status(&mut core, 1).is_over());
    }
}

/// Each has its own host.
#[test]
fn a_filter_that_is_asked_for_keeps_no_other_alive() {
    let mut core = sensor(2, 4000);
    set(&mut core, 7, 0, &all(), FilterAction::Only);
    set(&mut core, 8, 1, &all(), FilterAction::Count);
    for n in 0..10 {
        core.end_unheard_filters(n * 8_000_000);
        ask(&mut core, renew(8, 1, FilterAction::Count));
    }
    assert_eq!(status(&mut core, 0).state, FilterState::Unheard);
    assert_eq!(status(&mut core, 1).state, FilterState::Running);
    // While none runs nobody tells the time: what starts then is new.
    for (id, slot) in [(9, 0), (10, 1)] {
        let discard = false;
        ask(&mut core, Command::StopFilter { id, slot, discard });
    }
    set(&mut core, 11, 0, &all(), FilterAction::Only);
    for at_us in [3_600_000_000, 3_620_000_000] {
        core.end_unheard_filters(at_us);
        assert_eq!(status(&mut core, 0).state, FilterState::Running);
    }
}

/// Whoever starts others all the time makes no filter older or younger.
#[test]
fn starts_of_others_keep_no_filter_alive() {
    let mut core = sensor(2, 4000);
    set(&mut core, 7, 0, &all(), FilterAction::Only);
    load(&mut core, 1, &all());
    for n in 0..40 {
        core.end_unheard_filters(u64::from(n) * 900_000);
        let (id, discard) = (100 + 2 * n, false);
        ask(&mut core, start(id, 1, &all(), FilterAction::Count));
        let stop = Command::StopFilter {
            id: id + 1,
            slot: 1,
            discard,
        };
        ask(&mut core, stop);
    }
    assert_eq!(status(&mut core, 0).state, FilterState::Unheard);
}
