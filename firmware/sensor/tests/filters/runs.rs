//! Runs of a filter: how they begin, end, and begin again.

use magpie_protocol::{
    Command, FilterAction, FilterRoom, FilterState, MAX_ITEM, Outcome, Record, Sum, Want,
};

use super::{all, ask, frame, load, longer, packets, sensor, set, start, status, told};
use crate::common::{drain, feed};

#[test]
fn hello_says_what_there_is_room_for() {
    let mut core = sensor(3, 4096);
    core.handle_command(0, &Command::Hello { major: 1, minor: 4 });
    let records = drain(&mut core, 0, Want::Live);
    let rooms: Vec<_> = records
        .iter()
        .filter_map(|r| match r {
            Record::Hello(hello) => Some(hello.capacities.filters),
            _ => None,
        })
        .collect();
    let room = FilterRoom {
        slots: 3,
        ring_octets: 4096,
        payload: true,
    };
    assert_eq!(rooms, [room]);
}

/// A program stays in its slot: it may be started again without being loaded,
/// and what came may come again while it runs.
#[test]
fn a_program_that_ran_runs_again() {
    let mut core = sensor(1, 4000);
    let program = longer(80);
    set(&mut core, 7, 0, &program, FilterAction::Count);
    load(&mut core, 0, &program);
    for id in [8, 10] {
        let stop = Command::StopFilter {
            id,
            slot: 0,
            discard: false,
        };
        ask(&mut core, stop);
        let again = start(id + 1, 0, &program, FilterAction::Count);
        assert_eq!(ask(&mut core, again).outcome, Outcome::Done);
        feed(&mut core, 1, &frame(2, 81));
        feed(&mut core, 1, &frame(2, 80));
        let status = status(&mut core, 0);
        assert_eq!((status.run, status.matched.frames), (id + 1, 1));
    }
}

/// A number that comes again is answered again, and does nothing else.
#[test]
fn repeated_commands_change_nothing() {
    let mut core = sensor(1, 4000);
    let program = all();
    set(&mut core, 7, 0, &program, FilterAction::Count);
    feed(&mut core, 1, &frame(2, 60));
    let again = start(7, 0, &program, FilterAction::Count);
    assert_eq!(ask(&mut core, again).outcome, Outcome::Done);
    assert_eq!(status(&mut core, 0).matched.frames, 1, "it went on");
    let stop = |id| Command::StopFilter {
        id,
        slot: 0,
        discard: true,
    };
    assert_eq!(ask(&mut core, stop(8)).outcome, Outcome::Done);
    assert_eq!(status(&mut core, 0).state, FilterState::Stopped);
    // Late, and not another run.
    assert_eq!(ask(&mut core, again).outcome, Outcome::Done);
    assert_eq!(status(&mut core, 0).state, FilterState::Stopped);
    set(&mut core, 9, 0, &program, FilterAction::Count);
    assert_eq!(ask(&mut core, stop(8)).outcome, Outcome::Done);
    assert_eq!(status(&mut core, 0).state, FilterState::Running, "late");
}

#[test]
fn a_capture_ends_at_its_limits() {
    let limited = |max_packets, max_octets| FilterAction::Capture {
        snap_len: 80,
        max_packets,
        max_octets,
        wait: false,
    };
    for (action, state, packets_kept) in [
        (limited(3, 0), FilterState::PacketLimit, 3),
        (limited(0, 239), FilterState::OctetLimit, 2),
        (limited(0, 240), FilterState::OctetLimit, 3),
        (limited(9, 0), FilterState::Running, 5),
    ] {
        let mut core = sensor(1, 4000);
        set(&mut core, 7, 0, &all(), action);
        for n in 0..5 {
            feed(&mut core, 1, &frame(n, 100));
        }
        let status = status(&mut core, 0);
        let kept = Sum {
            frames: packets_kept,
            octets: 100 * packets_kept,
        };
        assert_eq!(
            (status.state, status.kept, status.matched),
            (state, kept, kept)
        );
        assert!(!status.is_over());
        let got = packets(&mut core, MAX_ITEM, 99);
        assert!(
            got.iter()
                .all(|p| (p.octets.len(), p.wire_len) == (80, 100))
        );
        assert_eq!(got.len() as u64, packets_kept);
        // When the last has left it says so by itself.
        let (_, statuses) = told(&mut core);
        let over = statuses.iter().filter(|status| status.is_over()).count();
        assert_eq!(
            over,
            usize::from(state != FilterState::Running),
            "{statuses:?}"
        );
        assert_eq!(core.ledger(0).counted.frames, 5);
    }
}
