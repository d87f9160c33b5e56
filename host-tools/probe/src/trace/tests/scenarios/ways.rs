//! Paths that divide: every way is found, or it is said that it was not.

use std::time::Duration;

use super::{HOUR, THERE_IS, node};
use crate::trace::tests::network::{
    ANSWERS, Does, Ears, KEY, Network, Path, QUOTES_LITTLE, THERE, address, plan, walk,
};
use crate::trace::{Diamond, Event, Machine as _, Method, Multipath, Note};

/// Indices as octets, for constants.
pub(super) const NUMBERS: [u8; 64] = {
    let mut all = [0; 64];
    let mut n = 1;
    while n < 64 {
        all[n] = all[n - 1] + 1;
        n += 1;
    }
    all
};

const DIAMOND: Path = &[
    &[(1, ANSWERS)],
    &[(2, ANSWERS), (3, ANSWERS)],
    &[(4, ANSWERS), (5, ANSWERS), (6, ANSWERS), (7, ANSWERS)],
    &[(8, ANSWERS)],
    &[THERE_IS],
];

#[test]
fn a_diamond_is_drawn_whole() {
    for (is_v4, method, ears) in [
        (true, Method::Udp, Ears::Queue),
        (false, Method::Udp, Ears::Queue),
        (true, Method::Icmp, Ears::Raw),
        (true, Method::Tcp, Ears::Raw),
    ] {
        let plan = plan(is_v4, method, ears);
        let mut network = Network::new(DIAMOND, plan.clone(), ears);
        let mut multipath = Multipath::new(plan, KEY).unwrap();
        let (events, took) = walk(&mut multipath, &mut network, HOUR);
        assert_eq!(events.last(), Some(&Event::Finished));
        assert!(took < Duration::from_secs(2), "{took:?}");
        let graph = multipath.graph();
        let widths: Vec<usize> = graph.levels.iter().map(|l| l.vertices.len()).collect();
        assert_eq!(widths, [1, 2, 4, 1, 1]);
        assert!(graph.levels.iter().all(|level| level.is_certain));
        let at = |n: u8| Some(address(is_v4, n));
        // A flow that takes 2 takes 4 or 6: both are even.
        let links: Vec<_> = [
            (2, 1, 2),
            (2, 1, 3),
            (3, 2, 4),
            (3, 2, 6),
            (3, 3, 5),
            (3, 3, 7),
            (4, 4, 8),
            (4, 5, 8),
            (4, 6, 8),
            (4, 7, 8),
            (5, 8, THERE),
        ]
        .into_iter()
        .map(|(hop, from, to)| (hop, at(from), at(to)))
        .collect();
        assert_eq!(graph.links.iter().copied().collect::<Vec<_>>(), links);
        let diamond = Diamond {
            from: 1,
            to: 4,
            width: 4,
        };
        assert_eq!(graph.diamonds(), [diamond]);
        // The rule, and not much more: 6 flows, 11 behind one of two ways,
        // each router of two and four 6 or 11.
        assert!(multipath.counts().sent < 150, "{}", multipath.counts().sent);
    }
}

#[test]
fn silent_and_limited_hops_do_not_make_ways() {
    let path: Path = &[
        &[(1, Does::Limits(6))],
        &[(2, Does::Nothing)],
        &[(3, ANSWERS), (4, Does::Limits(3))],
        &[(5, QUOTES_LITTLE), (6, ANSWERS)],
        &[(7, Does::Nothing)],
        &[(8, QUOTES_LITTLE)],
        &[THERE_IS],
    ];
    let plan = plan(true, Method::Udp, Ears::Queue);
    let mut network = Network::new(path, plan.clone(), Ears::Queue);
    let mut multipath = Multipath::new(plan, KEY).unwrap();
    let (events, took) = walk(&mut multipath, &mut network, HOUR);
    let graph = multipath.graph();
    let routers: Vec<Vec<u8>> = graph
        .levels
        .iter()
        .map(|level| level.vertices.keys().map(|v| v.map_or(0, node)).collect())
        .collect();
    assert_eq!(
        routers,
        [
            vec![1],
            vec![0],
            vec![3, 4],
            vec![5, 6],
            vec![0],
            vec![8],
            vec![THERE]
        ]
    );
    assert!(events.contains(&Event::Note(Note::ShortQuotes(address(true, 5)))));
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn a_path_that_is_silent_at_all_ends() {
    let path: Path = &[&[(1, ANSWERS)], &[(THERE, Does::IsItAndSilent)]];
    let plan = plan(true, Method::Udp, Ears::Queue);
    let mut network = Network::new(path, plan.clone(), Ears::Queue);
    let mut multipath = Multipath::new(plan, KEY).unwrap();
    let (events, _) = walk(&mut multipath, &mut network, HOUR);
    assert_eq!(events.last(), Some(&Event::Finished));
    assert_eq!(multipath.graph().levels.len(), 6);
}

#[test]
fn a_wide_router_is_seen_whole_or_it_is_said() {
    const WIDE: [(u8, Does); 40] = {
        let mut all = [(0, ANSWERS); 40];
        let mut n = 0;
        while n < 40 {
            all[n] = (NUMBERS[n + 10], ANSWERS);
            n += 1;
        }
        all
    };
    let path: Path = &[&[(1, ANSWERS)], &WIDE, &[(2, ANSWERS)], &[THERE_IS]];
    let plan = plan(true, Method::Udp, Ears::Queue);
    let mut network = Network::new(path, plan.clone(), Ears::Queue);
    let mut multipath = Multipath::new(plan, KEY).unwrap();
    let (events, _) = walk(&mut multipath, &mut network, HOUR);
    assert_eq!(events.last(), Some(&Event::Finished));
    let graph = multipath.graph();
    assert_eq!(graph.levels[1].vertices.len(), 40);
    // 40 would need more flows than there are; behind each of them six are enough,
    // and this network spreads them evenly.
    let certain: Vec<bool> = graph.levels.iter().map(|level| level.is_certain).collect();
    assert_eq!(certain, [true, false, true, true]);
}
