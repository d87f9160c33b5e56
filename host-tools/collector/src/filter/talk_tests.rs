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

fn done(id: u32, command: CommandType) -> FilterReply {
    FilterReply {
        id,
        command: command as u8,
        slot: 0,
        outcome: Outcome::Done,
        reason: FilterReason::None,
        instruction: 0,
    }
}

/// A filter that runs, and the number of its run.
fn running() -> (Filters, u32) {
    let mut filters = Filters::default();
    filters.request(request(true));
    for command in [CommandType::StopFilter, CommandType::StartFilter] {
        filters.ask(1, MINOR).unwrap();
        let id = filters.all[0].id;
        filters.take_reply(1, &done(id, command));
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

/// One that is asked to start and, before anything is heard of that, to stop;
/// the number of its run, and of the stop.
fn stopped_unheard() -> (Filters, u32, u32) {
    let mut filters = Filters::default();
    filters.request(request(true));
    filters.ask(1, MINOR).unwrap();
    let id = filters.all[0].id;
    filters.take_reply(1, &done(id, CommandType::StopFilter));
    filters.ask(1, MINOR).unwrap();
    let run = filters.account(0).unwrap().run;
    filters.stop(0, false);
    filters.ask(1, MINOR).unwrap();
    let stop = filters.all[0].id;
    (filters, run, stop)
}

/// The sensor may still be about to start it.
#[test]
fn words_of_other_runs_do_not_answer_a_stop() {
    let (mut filters, run, stop) = stopped_unheard();
    let other = status(run - 1, FilterState::Stopped);
    filters.take_status(1, &other);
    assert!(filters.is_busy(), "nothing says that the stop was heard");
    // Nor does the answer to what was asked before.
    filters.take_reply(1, &done(stop - 1, CommandType::StopFilter));
    filters.take_status(1, &other);
    assert!(filters.is_busy());
    assert_eq!(filters.take_events(), []);
    // Behind the answer its own word would come, had it run.
    filters.take_reply(1, &done(stop, CommandType::StopFilter));
    assert!(filters.is_busy());
    filters.take_status(1, &other);
    assert!(matches!(filters.take_events()[..], [FilterEvent::Ended(_)]));
    assert!(!filters.is_busy());
}

#[test]
fn one_that_ran_unheard_is_counted_behind_its_stop() {
    let (mut filters, run, stop) = stopped_unheard();
    filters.take_reply(1, &done(stop, CommandType::StopFilter));
    let mut last = status(run, FilterState::Stopped);
    last.forwarded = last.kept;
    filters.take_status(1, &last);
    let events = filters.take_events();
    let [
        FilterEvent::Started { .. },
        FilterEvent::Status(_),
        FilterEvent::Ended(account),
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((account.run, account.matched.frames), (run, 9));
}

#[test]
fn a_stop_that_is_asked_for_anew_is_answered_anew() {
    let (mut filters, run, stop) = stopped_unheard();
    filters.take_reply(1, &done(stop, CommandType::StopFilter));
    filters.stop(0, true);
    filters.ask(1, MINOR).unwrap();
    filters.take_status(1, &status(run - 1, FilterState::Stopped));
    assert!(filters.is_busy());
}

/// A sensor stops what nobody asks for.
#[test]
fn one_that_runs_is_asked_for_again_and_again() {
    let (mut filters, run) = running();
    let mut asked = Vec::new();
    for now_us in (0..60_000_000).step_by(100_000) {
        while let Some(command) = filters.ask(now_us, MINOR) {
            let Command::StartFilter { id, of: 0, .. } = command else {
                panic!("{command:?}");
            };
            assert_eq!(id, run);
            asked.push(now_us);
        }
    }
    assert!((7..12).contains(&asked.len()), "{asked:?}");
    let pauses = asked.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(pauses.max().unwrap() * 3 < u64::from(FilterStatus::LIFE_S) * 1_000_000);
    filters.stop(0, false);
    filters.ask(60_000_000, MINOR).unwrap();
    assert!(
        filters
            .ask(120_000_000, MINOR)
            .is_some_and(|command| { matches!(command, Command::StopFilter { .. }) })
    );
}

/// The sensor heard nobody for a while, and is heard again: what the run came
/// to is known, and another one begins.
#[test]
fn one_that_a_sensor_gave_up_is_set_again() {
    let (mut filters, run) = running();
    let mut last = status(run, FilterState::Unheard);
    filters.take_status(1, &last);
    let [FilterEvent::Status(account)] = filters.take_events()[..] else {
        panic!("{filters:?}");
    };
    assert!(!account.is_over(), "packets are still to come");
    last.forwarded = last.kept;
    filters.take_status(1, &last);
    let events = filters.take_events();
    let [
        FilterEvent::Status(_),
        FilterEvent::Forgotten {
            account,
            again: true,
        },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert!(account.is_over());
    assert_eq!(account.matched.frames, 9);
    let clear = filters.ask(20_000_000, MINOR);
    assert!(matches!(
        clear,
        Some(Command::StopFilter { discard: true, .. })
    ));
    assert_eq!(filters.account(0).unwrap().matched, Sum::default());
}

#[test]
fn one_that_was_to_stop_is_not_set_again_for_being_unheard() {
    let (mut filters, run) = running();
    filters.stop(0, false);
    let mut last = status(run, FilterState::Unheard);
    last.forwarded = last.kept;
    filters.take_status(1, &last);
    let events = filters.take_events();
    assert!(matches!(
        events[..],
        [FilterEvent::Status(_), FilterEvent::Ended(_)]
    ));
    assert!(!filters.is_busy());
}
