//! Paths, and what a trace must say of them.

mod mtu;
mod quotes;
mod rounds;
mod ways;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::network::{ANSWERS, Does, Ears, KEY, Network, Path, THERE, plan, walk};
use crate::trace::{Event, Kind, Machine as _, Method, Once, Place};
use ways::NUMBERS;

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
