//! A sensor that is restarted while its filter runs or stops.

use magpie_protocol::{FilterAction, FilterState, Sum};

use super::*;

const MINOR: u8 = FilterStatus::SINCE;

fn request(again: bool) -> FilterRequest {
    FilterRequest {
        slot: 0,
        program: Vec::new(),
        literal: false,
        action: FilterAction::Capture {
            snap_len: 0,
            max_packets: 9,
            max_octets: 0,
            wait: false,
        },
        again,
    }
}

fn status(run: u32, state: FilterState) -> FilterStatus {
    let sum = |frames| Sum {
        frames,
        octets: frames * 100,
    };
    FilterStatus {
        slot: 0,
        run,
        at_us: 1,
        state,
        action: request(true).action,
        matched: sum(9),
        kept: sum(9),
        dropped: sum(0),
        forwarded: sum(4),
    }
}

/// A filter that runs, and the number of its run.
fn running() -> (Filters, u32) {
    let mut filters = Filters::default();
    filters.request(request(true));
    for command in [CommandType::StopFilter, CommandType::StartFilter] {
        filters.ask(1, MINOR).unwrap();
        let reply = FilterReply {
            id: filters.all[0].id,
            command: command as u8,
            slot: 0,
            outcome: Outcome::Done,
            reason: FilterReason::None,
            instruction: 0,
        };
        filters.take_reply(1, &reply);
    }
    let run = filters.account(0).unwrap().run;
    filters.take_status(1, &status(run, FilterState::Running));
    assert!(matches!(
        filters.take_events()[..],
        [FilterEvent::Started { .. }, FilterEvent::Status(_)]
    ));
    (filters, run)
}

/// What a restart says, and whether anything is asked or counted behind it.
fn restart(filters: &mut Filters) -> (bool, Sum) {
    filters.begin_boot();
    let [FilterEvent::Forgotten { account, again }] = filters.take_events()[..] else {
        panic!("{filters:?}");
    };
    assert_eq!(filters.is_busy(), again);
    assert_eq!(filters.ask(2, MINOR).is_some(), again);
    assert_eq!(
        filters.account(0).unwrap().matched,
        Sum::default(),
        "the run is counted once"
    );
    (again, account.matched)
}

#[test]
fn a_filter_that_runs_is_set_again() {
    let (mut filters, _) = running();
    let (again, matched) = restart(&mut filters);
    assert!(again);
    assert_eq!(matched.frames, 9);
}

#[test]
fn one_that_was_asked_to_stop_is_over() {
    let (mut filters, _) = running();
    filters.stop(0, false);
    let (again, matched) = restart(&mut filters);
    assert!(!again);
    assert_eq!(matched.frames, 9);
}

#[test]
fn one_that_stopped_by_itself_is_over_and_says_so() {
    let (mut filters, run) = running();
    filters.take_status(1, &status(run, FilterState::PacketLimit));
    filters.take_events();
    let (again, _) = restart(&mut filters);
    assert!(!again);
}

#[test]
fn one_that_is_stopped_before_it_ran_ends_with_a_word() {
    let mut filters = Filters::default();
    filters.request(request(true));
    filters.ask(1, MINOR).unwrap();
    filters.stop(0, false);
    filters.begin_boot();
    assert!(matches!(
        filters.take_events()[..],
        [FilterEvent::Ended(FilterAccount { run: 0, .. })]
    ));
    assert!(!filters.is_busy());
}
