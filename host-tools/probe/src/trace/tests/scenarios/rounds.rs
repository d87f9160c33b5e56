//! A live trace: round by round.

use std::time::Duration;

use super::quotes::QUOTES_28;
use super::{ALL, HOUR, THERE_IS};
use crate::trace::tests::network::{ANSWERS, Does, Ears, KEY, Network, Path, THERE, plan, walk};
use crate::trace::{Event, Live, Machine as _, Method, Verdict};

#[test]
fn rounds_tell_loss_from_limits() {
    let path: Path = &[
        &[(1, ANSWERS)],
        // Every third round or so: one a 3 s.
        &[(2, Does::Limits(5))],
        &[(3, Does::Nothing)],
        &[(4, ANSWERS)],
        &[THERE_IS],
    ];
    let plan = plan(true, Method::Udp, Ears::Queue);
    let mut network = Network::new(path, plan.clone(), Ears::Queue);
    let interval = Duration::from_millis(250);
    let mut live = Live::new(plan, KEY, interval, Some(40)).unwrap();
    let (events, _) = walk(&mut live, &mut network, HOUR);
    let rounds: Vec<u32> = events
        .iter()
        .filter_map(|event| match event {
            Event::Round(done) => Some(*done),
            _ => None,
        })
        .collect();
    assert_eq!(rounds, (1..=40).collect::<Vec<_>>());
    assert_eq!(events.last(), Some(&Event::Finished));
    let report = live.report();
    let verdicts: Vec<Verdict> = report.iter().map(|hop| hop.verdict).collect();
    assert_eq!(
        verdicts,
        [
            Verdict::None,
            Verdict::RateLimited,
            Verdict::Silent,
            Verdict::None,
            Verdict::None
        ]
    );
    for hop in &report {
        assert_eq!(hop.sent, 40);
        assert_eq!(hop.answered + hop.lost + hop.late + hop.waiting, 40);
        assert_eq!(hop.trips.count(), hop.answered + hop.late);
    }
    assert_eq!(report[0].trips.mean(), Some(Duration::from_millis(2)));
    assert_eq!(report[4].trips.best(), Some(Duration::from_millis(10)));
    // The budget: each hop once an interval.
    assert!(report.len() == 5 && live.counts().sent <= 5 * 40 + 25);
}

#[test]
fn rounds_know_who_quotes_little() {
    let plan = plan(true, Method::Udp, Ears::Queue);
    let mut network = Network::new(QUOTES_28, plan.clone(), Ears::Queue);
    let mut live = Live::new(plan, KEY, Duration::from_secs(1), Some(10)).unwrap();
    let (events, _) = walk(&mut live, &mut network, HOUR);
    assert_eq!(events.last(), Some(&Event::Finished));
    let report = live.report();
    let heard: Vec<bool> = report.iter().map(|hop| hop.answered >= 8).collect();
    assert_eq!(heard, [true, true, false, true, true, true]);
    // What was asked before their ports were their own is not lost.
    let lost: Vec<u64> = report.iter().map(|hop| hop.lost).collect();
    assert_eq!(lost, [0, 0, 10, 0, 0, 0]);
    assert!(report[1].unnamed > 0);
}

/// The only answer of the first round came to its last probe, since it was due
/// by then: that is no distance.
#[test]
fn a_destination_that_limits_is_not_far_away() {
    let path: Path = &[&[(1, ANSWERS)], &[(THERE, Does::IsItAndLimits(900))]];
    for (method, ears) in ALL {
        let found = |until_ms| {
            let plan = plan(true, method, ears);
            let mut network = Network::new(path, plan.clone(), ears);
            let mut live = Live::new(plan, KEY, Duration::from_secs(1), None).unwrap();
            walk(&mut live, &mut network, Duration::from_millis(until_ms));
            live
        };
        let early = found(1_500).report();
        assert_eq!(early.len(), 12, "{method:?}");
        for hop in &early[1..11] {
            assert_eq!((hop.settled(), hop.nearer), (0, None));
        }
        // What it says of itself.
        assert_eq!((early[11].is_reached, early[11].nearer), (true, Some(2)));
        let later = found(4_000);
        let report = later.report();
        assert_eq!(report.len(), 2, "{method:?}");
        assert_eq!((report[1].is_reached, report[1].nearer), (true, None));
        // Nobody who limits is asked ten times a round.
        assert!(later.counts().sent < 24, "{}", later.counts().sent);
        assert!(report.iter().all(|hop| hop.verdict == Verdict::None));
    }
}

/// A way back that is shorter looks the same for a while.
#[test]
fn silent_hops_are_asked_again_where_the_ttl_misled() {
    let path: Path = &[
        &[(1, ANSWERS)],
        &[(2, Does::Nothing)],
        &[(3, Does::Nothing)],
        &[(4, Does::Nothing)],
        &[THERE_IS],
    ];
    let plan = plan(true, Method::Udp, Ears::Queue);
    let mut network = Network::new(path, plan.clone(), Ears::Queue);
    network.shorter_back = 2;
    let mut live = Live::new(plan, KEY, Duration::from_secs(1), Some(40)).unwrap();
    walk(&mut live, &mut network, HOUR);
    let report = live.report();
    assert_eq!(report.len(), 5);
    assert_eq!((report[4].is_reached, report[4].nearer), (true, None));
    assert_eq!(report[4].lost, 0);
    assert!(report[3].sent > 30 && report[4].sent > 30, "{report:?}");
    let silent = |hop: u8| report[usize::from(hop) - 1].verdict == Verdict::Silent;
    assert!(silent(2) && silent(3) && silent(4));
}

/// More than the book of probes holds would be under way.
#[test]
fn a_fast_live_trace_forgets_no_probe_that_waits() {
    const NOTHING: &[&[(u8, Does)]] = &[&[(1, Does::Nothing)], &[(2, Does::Nothing)]];
    let mut plan = plan(true, Method::Udp, Ears::Queue);
    plan.wait.max = Duration::from_secs(10);
    let mut network = Network::new(NOTHING, plan.clone(), Ears::Queue);
    let rounds = 800;
    let every = Duration::from_millis(10);
    let mut live = Live::new(plan, KEY, every, Some(rounds)).unwrap();
    let (events, _) = walk(&mut live, &mut network, HOUR);
    assert_eq!(events.last(), Some(&Event::Finished));
    assert_eq!(live.rounds_done(), rounds);
    let counts = live.counts();
    assert_eq!(counts.sent, u64::from(rounds) * 12);
    assert_eq!((counts.lost, counts.waiting()), (counts.sent, 0));
}
