//! What a filter selects comes back: whole, cut, untagged, at once or when there
//! is room.

use magpie_protocol::{
    Command, FilterAction, FilterReason, MAX_ITEM, Outcome, RecordSource, Sum, UplinkCounts,
    VERSION_MINOR, Want,
};

use super::{
    CAPTURE, Packet, all, ask, ethertype, frame, load, longer, packets, sensor, set, start, status,
    told,
};
use crate::common::feed;

#[test]
fn a_packet_comes_back_whole_in_as_many_parts_as_it_takes() {
    let mut core = sensor(2, 40_000);
    set(&mut core, 7, 1, &longer(100), CAPTURE);
    let long = frame(3, 1514);
    feed(&mut core, 5, &frame(2, 60));
    feed(&mut core, 6, &long);
    core.observe(9, &long[..900], 9000); // cut by who captured it
    for room in [MAX_ITEM, 200, 140] {
        let mut core = sensor(2, 40_000);
        set(&mut core, 7, 1, &longer(100), CAPTURE);
        feed(&mut core, 5, &frame(2, 60));
        feed(&mut core, 6, &long);
        core.observe(9, &long[..900], 9000); // cut by who captured it
        let got = packets(&mut core, room, 1000);
        let whole = Packet {
            slot: 1,
            run: 7,
            number: 0,
            at_us: 6,
            wire_len: 1514,
            len: 1514,
            octets: long.clone(),
            ..Packet::default()
        };
        let cut = Packet {
            number: 1,
            at_us: 9,
            wire_len: 9000,
            len: 900,
            octets: long[..900].to_vec(),
            ..whole.clone()
        };
        assert_eq!(got, [whole, cut], "room for {room}");
    }
    // Nothing is begun where hardly anything fits.
    assert_eq!(packets(&mut core, 70, 9), []);
}

#[test]
fn tags_are_taken_away_unless_the_program_is_literal() {
    let mut tagged = frame(2, 60);
    tagged.splice(12..12, [0x81, 0, 0, 5]);
    for (literal, program, selected) in [
        (false, ethertype(0x0800), 2),
        (true, ethertype(0x0800), 1),
        (true, ethertype(0x8100), 1),
        (false, ethertype(0x8100), 0),
    ] {
        let mut core = sensor(1, 4000);
        load(&mut core, 0, &program);
        let Command::StartFilter { of, check, .. } = start(1, 0, &program, CAPTURE) else {
            panic!()
        };
        ask(
            &mut core,
            Command::StartFilter {
                id: 1,
                slot: 0,
                literal,
                action: CAPTURE,
                of,
                check,
            },
        );
        feed(&mut core, 0, &frame(2, 60));
        feed(&mut core, 0, &tagged);
        let got = packets(&mut core, MAX_ITEM, 99);
        assert_eq!(got.len(), selected, "{literal} {program:?}");
        // What is sent is the frame as it was.
        assert!(
            got.iter()
                .all(|p| p.octets == tagged || p.octets == frame(2, 60))
        );
    }
}

#[test]
fn packets_that_wait_are_sent_or_given_up() {
    let mut core = sensor(1, 4000);
    let program = all();
    set(&mut core, 7, 0, &program, CAPTURE);
    for n in 0..4 {
        feed(&mut core, 1, &frame(n, 700));
    }
    assert_eq!(packets(&mut core, MAX_ITEM, 3).len(), 2, "one and a half");
    let stop = |id, discard| Command::StopFilter {
        id,
        slot: 0,
        discard,
    };
    ask(&mut core, stop(8, false));
    load(&mut core, 0, &program);
    let reply = ask(&mut core, start(9, 0, &program, CAPTURE));
    assert_eq!(
        (reply.outcome, reply.reason),
        (Outcome::Refused, FilterReason::Draining)
    );
    ask(&mut core, stop(10, true));
    let (sum, none) = (
        |frames| Sum {
            frames,
            octets: frames * 700,
        },
        Sum::default(),
    );
    let given_up = status(&mut core, 0);
    assert_eq!(
        (given_up.matched, given_up.kept, given_up.dropped),
        (sum(4), sum(1), sum(3))
    );
    assert!(given_up.is_over());
    // The next run begins at once, and what is left of the last does not come.
    set(&mut core, 11, 0, &program, CAPTURE);
    feed(&mut core, 2, &frame(9, 90));
    let got = packets(&mut core, MAX_ITEM, 99);
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].run, got[0].number, got[0].dropped), (11, 0, none));
    assert_eq!(got[0].octets, frame(9, 90));
}

/// Live records go before packets, and packets to nobody who cannot read them.
#[test]
fn packets_come_after_all_else() {
    let mut core = sensor(1, 4000);
    set(&mut core, 7, 0, &all(), CAPTURE);
    feed(&mut core, 1, &frame(2, 60));
    let mut out = [0; MAX_ITEM];
    core.handle_command(0, &Command::Hello { major: 1, minor: 4 });
    assert!(core.poll_record(0, Want::Packet, &mut out).is_none());
    told(&mut core);
    core.note_uplink(&UplinkCounts::default(), 3);
    assert!(core.poll_record(0, Want::Packet, &mut out).is_none());
    core.note_uplink(&UplinkCounts::default(), VERSION_MINOR);
    assert!(core.poll_record(0, Want::Packet, &mut out).is_some());
    // While a pass is under way, none.
    let live = Command::Configure {
        id: 1,
        set: magpie_protocol::Configuration {
            live_us: Some(1_000_000),
            ..magpie_protocol::Configuration::default()
        },
    };
    core.handle_command(0, &live);
    feed(&mut core, 2, &frame(3, 60));
    // The answer and the ledger, with which a pass begins.
    for _ in 0..2 {
        assert!(core.poll_record(3, Want::Live, &mut out).is_some());
    }
    assert!(core.poll_record(3, Want::Packet, &mut out).is_none());
    let mut shown = 0;
    for _ in 0..1000 {
        shown += u32::from(core.poll_record(3, Want::Live, &mut out).is_some());
    }
    assert!(shown > 1, "status, flow ...");
    assert!(core.poll_record(3, Want::Packet, &mut out).is_some());
}

#[test]
fn frames_wait_for_room_where_they_were_asked_to() {
    let wait = |wait| FilterAction::Capture {
        snap_len: 0,
        max_packets: 0,
        max_octets: 0,
        wait,
    };
    let mut core = sensor(1, 2 * (1518 + 45));
    assert!(!core.must_wait());
    set(&mut core, 7, 0, &longer(60), wait(true));
    assert!(!core.must_wait());
    feed(&mut core, 1, &frame(2, 1514));
    assert!(!core.must_wait());
    feed(&mut core, 1, &frame(2, 61));
    assert!(core.must_wait(), "the largest would find no room");
    packets(&mut core, MAX_ITEM, 99);
    assert!(!core.must_wait());
    // A ring that never can: not for ever.
    let mut small = sensor(1, 500);
    set(&mut small, 7, 0, &all(), wait(true));
    feed(&mut small, 1, &frame(2, 1514));
    assert!(!small.must_wait());
    feed(&mut small, 1, &frame(2, 100));
    assert!(small.must_wait());
    let mut impatient = sensor(1, 500);
    set(&mut impatient, 7, 0, &all(), wait(false));
    feed(&mut impatient, 1, &frame(2, 100));
    assert!(!impatient.must_wait());
}
