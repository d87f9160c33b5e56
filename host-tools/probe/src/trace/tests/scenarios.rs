//! Paths, and what a trace must say of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::network::{
    ANSWERS, Does, Ears, KEY, Network, Path, QUOTES_LITTLE, THERE, address, plan, walk,
};
use crate::trace::{
    Diamond, Event, Kind, Live, Machine as _, Method, Multipath, Note, Once, Place, Verdict,
};

const HOUR: Duration = Duration::from_hours(1);
const ALL: [(Method, Ears); 5] = [
    (Method::Udp, Ears::Queue),
    (Method::Udp, Ears::Raw),
    (Method::Icmp, Ears::Queue),
    (Method::Icmp, Ears::Raw),
    (Method::Tcp, Ears::Raw),
];

/// Last number of an address.
fn node(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(v4) => v4.octets()[3],
        IpAddr::V6(v6) => v6.octets()[15],
    }
}

/// A hop a line: nodes by number, `*`, `!X`, labels, `F=`.
fn table(events: &[Event]) -> String {
    let mut lines: BTreeMap<u8, String> = BTreeMap::new();
    for event in events {
        let Event::Place(Place {
            hop, answer, mtu, ..
        }) = event
        else {
            continue;
        };
        let line = lines.entry(*hop).or_default();
        if let Some(mtu) = mtu {
            let _ = write!(line, " F={mtu}");
        }
        match answer {
            None => line.push_str(" *"),
            Some(answer) => {
                let _ = write!(line, " {}", node(answer.from));
                if let Kind::Unreachable(cause) = answer.kind {
                    let _ = write!(line, "{cause}");
                }
                for object in &answer.extensions {
                    let _ = write!(line, "<{object}>");
                }
            }
        }
    }
    let lines = lines.into_iter().map(|(hop, line)| format!("{hop}:{line}"));
    lines.collect::<Vec<_>>().join(" | ")
}

struct Scenario {
    name: &'static str,
    path: Path,
    /// What is found over IPv4, by every method.
    found: &'static str,
    /// It takes no longer than this.
    within_ms: u64,
}

const THERE_IS: (u8, Does) = (THERE, Does::IsIt);

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "three routers",
        path: &[
            &[(1, ANSWERS)],
            &[(2, ANSWERS)],
            &[(3, ANSWERS)],
            &[THERE_IS],
        ],
        found: "1: 1 1 1 | 2: 2 2 2 | 3: 3 3 3 | 4: 250 250 250",
        within_ms: 10,
    },
    Scenario {
        name: "the next host",
        path: &[&[THERE_IS]],
        found: "1: 250 250 250",
        within_ms: 3,
    },
    Scenario {
        name: "silent routers cost ten round trips of the next one",
        path: &[
            &[(1, ANSWERS)],
            &[(2, Does::Nothing)],
            &[(3, Does::Nothing)],
            &[(4, ANSWERS)],
            &[THERE_IS],
        ],
        found: "1: 1 1 1 | 2: * * * | 3: * * * | 4: 4 4 4 | 5: 250 250 250",
        within_ms: 100,
    },
    Scenario {
        name: "a router that answers once",
        path: &[&[(1, ANSWERS)], &[(2, Does::Limits(1))], &[THERE_IS]],
        found: "1: 1 1 1 | 2: 2 * * | 3: 250 250 250",
        within_ms: 70,
    },
    Scenario {
        name: "labels",
        path: &[
            &[(1, ANSWERS)],
            &[(2, Does::Mpls(&[16, 24_000]))],
            &[THERE_IS],
        ],
        found: "1: 1 1 1 | 2: 2<MPLS:L=16,E=0,S=0,T=1/L=24000,E=0,S=1,T=1> \
                2<MPLS:L=16,E=0,S=0,T=1/L=24000,E=0,S=1,T=1> \
                2<MPLS:L=16,E=0,S=0,T=1/L=24000,E=0,S=1,T=1> | 3: 250 250 250",
        within_ms: 10,
    },
    Scenario {
        name: "no such network",
        path: &[&[(1, ANSWERS)], &[(2, Does::Refuses(3, 0))]],
        found: "1: 1 1 1 | 2: 2!N 2!N 2!N",
        within_ms: 10,
    },
    Scenario {
        name: "no such host",
        path: &[&[(1, ANSWERS)], &[(2, Does::Refuses(3, 1))]],
        found: "1: 1 1 1 | 2: 2!H 2!H 2!H",
        within_ms: 10,
    },
    Scenario {
        name: "not this protocol",
        path: &[&[(1, ANSWERS)], &[(THERE, Does::Refuses(3, 2))]],
        found: "1: 1 1 1 | 2: 250!P 250!P 250!P",
        within_ms: 10,
    },
    Scenario {
        name: "source route failed",
        path: &[&[(1, Does::Refuses(3, 5))]],
        found: "1: 1!S 1!S 1!S",
        within_ms: 10,
    },
    Scenario {
        name: "prohibited",
        path: &[&[(1, ANSWERS)], &[(2, Does::Refuses(3, 13))]],
        found: "1: 1 1 1 | 2: 2!X 2!X 2!X",
        within_ms: 10,
    },
    Scenario {
        name: "precedence",
        path: &[&[(1, Does::Refuses(3, 14))]],
        found: "1: 1!V 1!V 1!V",
        within_ms: 10,
    },
    Scenario {
        name: "precedence cut off",
        path: &[&[(1, Does::Refuses(3, 15))]],
        found: "1: 1!C 1!C 1!C",
        within_ms: 10,
    },
    Scenario {
        name: "a code of the future",
        path: &[&[(1, Does::Refuses(3, 77))]],
        found: "1: 1!<77> 1!<77> 1!<77>",
        within_ms: 10,
    },
    Scenario {
        name: "a small link, and nobody asked for its MTU",
        path: &[&[(1, ANSWERS)], &[(2, Does::Carries(59))], &[THERE_IS]],
        found: "1: 1 1 1 | 2: 2!F-59 2!F-59 2!F-59",
        within_ms: 10,
    },
    Scenario {
        name: "a silent destination",
        path: &[&[(1, ANSWERS)], &[(THERE, Does::IsItAndSilent)]],
        found: "1: 1 1 1 | 2: * * * | 3: * * * | 4: * * * | 5: * * * | 6: * * * | 7: * * * \
                | 8: * * * | 9: * * * | 10: * * * | 11: * * * | 12: * * *",
        within_ms: 10_010,
    },
];

#[test]
fn paths_are_told_as_they_are() {
    for scenario in SCENARIOS {
        for (method, ears) in ALL {
            let plan = plan(true, method, ears);
            let mut network = Network::new(scenario.path, plan.clone(), ears);
            let mut once = Once::new(plan, KEY).unwrap();
            let (events, took) = walk(&mut once, &mut network, HOUR);
            let what = format!("{} by {method:?}, {ears:?}", scenario.name);
            assert_eq!(table(&events), scenario.found, "{what}");
            assert_eq!(events.last(), Some(&Event::Finished), "{what}");
            let within = Duration::from_millis(scenario.within_ms);
            assert!(took <= within, "{what}: {took:?}");
            assert!(once.counts().foreign.is_empty(), "{what}");
        }
    }
}

#[test]
fn ipv6_is_alike() {
    let path: Path = &[
        &[(1, ANSWERS)],
        &[(2, Does::Nothing)],
        &[(3, Does::Mpls(&[99]))],
        &[(4, Does::Limits(2))],
        &[THERE_IS],
    ];
    let labels = "3<MPLS:L=99,E=0,S=1,T=1>";
    let wanted =
        format!("1: 1 1 1 | 2: * * * | 3: {labels} {labels} {labels} | 4: 4 4 * | 5: 250 250 250");
    for (method, ears) in ALL {
        let plan = plan(false, method, ears);
        let mut network = Network::new(path, plan.clone(), ears);
        let (events, _) = walk(&mut Once::new(plan, KEY).unwrap(), &mut network, HOUR);
        assert_eq!(table(&events), wanted, "{method:?} {ears:?}");
    }
    for (code, letter) in [(0, "!N"), (1, "!X"), (2, "!H"), (3, "!H"), (5, "!<5>")] {
        let paths: [Path; 6] = [
            &[&[(1, Does::Refuses(1, 0))]],
            &[&[(1, Does::Refuses(1, 1))]],
            &[&[(1, Does::Refuses(1, 2))]],
            &[&[(1, Does::Refuses(1, 3))]],
            &[],
            &[&[(1, Does::Refuses(1, 5))]],
        ];
        let plan = plan(false, Method::Udp, Ears::Queue);
        let mut network = Network::new(paths[code], plan.clone(), Ears::Queue);
        let (events, _) = walk(&mut Once::new(plan, KEY).unwrap(), &mut network, HOUR);
        assert_eq!(table(&events), format!("1: 1{letter} 1{letter} 1{letter}"));
    }
}

const QUOTES_28: Path = &[
    &[(1, ANSWERS)],
    &[(2, QUOTES_LITTLE)],
    &[(3, Does::Nothing)],
    &[(4, QUOTES_LITTLE)],
    &[(5, ANSWERS)],
    &[THERE_IS],
];

#[test]
fn who_quotes_28_octets_is_asked_from_another_port() {
    let plan = plan(true, Method::Udp, Ears::Queue);
    let mut network = Network::new(QUOTES_28, plan.clone(), Ears::Queue);
    let mut once = Once::new(plan, KEY).unwrap();
    let (events, took) = walk(&mut once, &mut network, HOUR);
    assert_eq!(
        table(&events),
        "1: 1 1 1 | 2: 2 2 2 | 3: * * * | 4: 4 4 4 | 5: 5 5 5 | 6: 250 250 250"
    );
    let notes: Vec<&Event> = events
        .iter()
        .filter(|e| matches!(e, Event::Note(_)))
        .collect();
    assert_eq!(notes, [&Event::Note(Note::ShortQuotes(address(true, 2)))]);
    let mut other_flows = 0;
    for event in &events {
        if let Event::Place(place) = event {
            assert_eq!(place.probe.flow != 0, [2, 3, 4].contains(&place.hop));
            other_flows += u32::from(place.probe.flow != 0);
        }
    }
    assert_eq!(other_flows, 9);
    assert!(took < Duration::from_millis(300), "{took:?}");
    assert_eq!(once.counts().unnamed, 6);
}

#[test]
fn others_are_known_by_28_octets() {
    for (method, ears) in [
        (Method::Icmp, Ears::Queue),
        (Method::Icmp, Ears::Raw),
        (Method::Tcp, Ears::Raw),
    ] {
        let plan = plan(true, method, ears);
        let mut network = Network::new(QUOTES_28, plan.clone(), ears);
        let (events, _) = walk(&mut Once::new(plan, KEY).unwrap(), &mut network, HOUR);
        assert_eq!(
            table(&events),
            "1: 1 1 1 | 2: 2 2 2 | 3: * * * | 4: 4 4 4 | 5: 5 5 5 | 6: 250 250 250"
        );
        let other = |e: &Event| matches!(e, Event::Place(p) if p.probe.flow != 0);
        assert!(!events.iter().any(other));
    }
}

#[test]
fn the_path_mtu_is_found() {
    let path: Path = &[
        &[(1, ANSWERS)],
        &[(2, Does::Carries(1_400))],
        &[(3, ANSWERS)],
        &[(4, Does::Carries(1_300))],
        &[THERE_IS],
    ];
    for (is_v4, method, ears) in [
        (true, Method::Udp, Ears::Queue),
        (false, Method::Udp, Ears::Queue),
        (true, Method::Icmp, Ears::Raw),
        (false, Method::Icmp, Ears::Queue),
    ] {
        let mut plan = plan(is_v4, method, ears);
        plan.find_mtu = true;
        plan.packet_octets = 1_500;
        let mut network = Network::new(path, plan.clone(), ears);
        let mut once = Once::new(plan, KEY).unwrap();
        let (events, _) = walk(&mut once, &mut network, HOUR);
        assert_eq!(
            table(&events),
            "1: 1 1 1 | 2: F=1400 2 2 2 | 3: 3 3 3 | 4: F=1300 4 4 4 | 5: 250 250 250"
        );
        assert_eq!(once.mtu(), 1_300);
    }
}

#[test]
fn a_router_that_does_not_say_its_mtu_is_asked_by_plateaus() {
    let path: Path = &[&[(1, ANSWERS)], &[(2, Does::Refuses(3, 4))]];
    let mut plan = plan(true, Method::Udp, Ears::Queue);
    plan.find_mtu = true;
    plan.packet_octets = 1_500;
    let mut network = Network::new(path, plan.clone(), Ears::Queue);
    let mut once = Once::new(plan, KEY).unwrap();
    let (events, _) = walk(&mut once, &mut network, HOUR);
    // It refuses everything: the search ends all the same.
    assert_eq!(table(&events), "1: 1 1 1 | 2: F=296 2!F-0 2!F-0 2!F-0");
}

#[test]
fn this_hosts_own_link_is_the_first_to_refuse() {
    let mut plan = plan(true, Method::Udp, Ears::Queue);
    plan.find_mtu = true;
    plan.packet_octets = 65_000;
    let mut once = Once::new(plan.clone(), KEY).unwrap();
    let long = once.poll_transmit(Duration::ZERO).unwrap();
    assert_eq!(long.octets.len(), 65_000 - 28);
    assert!(once.poll_transmit(Duration::ZERO).is_none());
    assert!(once.handle_too_long(long.probe.serial, Some(1_500)));
    let next = once.poll_transmit(Duration::ZERO).unwrap();
    assert_eq!((next.octets.len(), next.probe.hop), (1_500 - 28, 1));
    assert_eq!(once.counts().sent, 1);
    // What cannot be is not believed.
    assert!(!once.handle_too_long(next.probe.serial, Some(60)));
    // Without --mtu nothing else can be done.
    plan.find_mtu = false;
    let mut once = Once::new(plan, KEY).unwrap();
    let long = once.poll_transmit(Duration::ZERO).unwrap();
    assert!(!once.handle_too_long(long.probe.serial, Some(1_500)));
}

#[test]
fn thirty_hops_with_silent_ones_end_in_no_time() {
    const fn router(n: u8) -> [(u8, Does); 1] {
        [(
            n,
            if n == 10 || n == 20 {
                Does::Nothing
            } else {
                ANSWERS
            },
        )]
    }
    static ROUTERS: [[(u8, Does); 1]; 29] = {
        let mut all = [[(0, ANSWERS)]; 29];
        let mut n = 0;
        while n < 29 {
            all[n] = router(NUMBERS[n + 1]);
            n += 1;
        }
        all
    };
    let mut path: Vec<&'static [(u8, Does)]> = ROUTERS.iter().map(|hop| &hop[..]).collect();
    path.push(&[THERE_IS]);
    let mut plan = plan(true, Method::Udp, Ears::Queue);
    plan.max_hops = 30;
    let mut network = Network::new(Vec::leak(path), plan.clone(), Ears::Queue);
    let (events, took) = walk(&mut Once::new(plan, KEY).unwrap(), &mut network, HOUR);
    assert!(table(&events).ends_with("30: 250 250 250"));
    // Round trips of 60 ms at the end; a wait for silence is ten of 22 and 42.
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_way_back_of_another_length_is_seen() {
    let plan = plan(true, Method::Udp, Ears::Queue);
    let mut network = Network::new(SCENARIOS[0].path, plan.clone(), Ears::Queue);
    let (events, _) = walk(&mut Once::new(plan, KEY).unwrap(), &mut network, HOUR);
    for event in events {
        // Behind the fourth hop it is the destination that answers.
        if let Event::Answered(probe, mut answer) = event
            && probe.hop <= 4
        {
            assert_eq!(answer.hops_back(), Some(probe.hop));
            for (ttl, hops) in [(64, 1), (255, 1), (250, 6), (128, 1), (120, 9), (1, 64)] {
                answer.ttl = Some(ttl);
                assert_eq!(answer.hops_back(), Some(hops));
            }
            answer.ttl = Some(0);
            assert_eq!(answer.hops_back(), None);
        }
    }
}

/// Indices as octets, for constants.
const NUMBERS: [u8; 64] = {
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
