//! `magpie traceroute` beside traceroute and mtr.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use magpie_tests::paths::{FAMILIES, Paths, User, in_both};
use magpie_tests::tools::Said;
use magpie_tests::tools::mtr::{self, Hub, report};
use magpie_tests::tools::ours::{Beside, live, trace, ways};
use magpie_tests::tools::traceroute::{Hop, Label, Traced};

use crate::reference::{PATIENT, refill, stacks, traceroute};
use crate::refused::{REFUSED, rest};
use crate::steady::{Look, beside, seen};

fn ours(paths: &Paths, user: User, options: &[&str], target: IpAddr) -> (Traced, Beside) {
    let said = said(paths, user, options, target);
    trace(&said.out).unwrap_or_else(|e| panic!("{options:?}: {e} in {said:?}"))
}

fn said(paths: &Paths, user: User, options: &[&str], target: IpAddr) -> Said {
    let target = target.to_string();
    let words = ["traceroute", "--format", "json"];
    paths.run_magpie(user, &[&words[..], &PATIENT, options, &[&target]].concat())
}

/// The same for people.
fn shown(paths: &Paths, user: User, options: &[&str], target: IpAddr) -> Traced {
    let target = target.to_string();
    let words = [&["traceroute"], &PATIENT[..], options, &[&target]].concat();
    let said = paths.run_magpie(user, &words);
    Traced::parse(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"))
}

/// All that is said of a hop but its times.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fields {
    ttl: u8,
    hosts: BTreeSet<IpAddr>,
    probes: usize,
    answered: usize,
    annotations: BTreeSet<String>,
    labels: BTreeMap<IpAddr, Vec<Label>>,
    mtu: Option<u32>,
}

impl Fields {
    fn new(hop: &Hop) -> Self {
        Self {
            ttl: hop.ttl,
            hosts: hop.hosts(),
            probes: hop.probes.len(),
            answered: hop.probes.iter().filter(|p| p.from.is_some()).count(),
            annotations: hop.annotations().into_iter().map(str::to_owned).collect(),
            labels: hop.labels(),
            mtu: hop.probes.iter().find_map(|probe| probe.mtu),
        }
    }

    fn of(run: &Traced) -> Vec<Self> {
        run.hops.iter().map(Self::new).collect()
    }
}

/// Every probe was answered.
pub(crate) fn is_whole(hops: &[Fields]) -> bool {
    hops.iter().all(|hop| hop.answered == hop.probes)
}

/// Each alone, since they would share what a router says in a second.
pub(crate) fn look(
    paths: &Paths,
    user: User,
    options: &[&str],
    target: IpAddr,
    before_each: impl Fn(),
) -> Look<Vec<Fields>, (Traced, Beside)> {
    let theirs = || {
        before_each();
        Fields::of(&traceroute(paths, options, target))
    };
    let before = theirs();
    before_each();
    let more = ours(paths, user, options, target);
    before_each();
    let shown = shown(paths, user, options, target);
    Look {
        ours: vec![Fields::of(&more.0), Fields::of(&shown)],
        theirs: vec![before, theirs()],
        more,
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn thirty_routers_by_every_method() {
    let paths = Paths::start(&["chain"]);
    in_both(|family| {
        let end = paths.end("chain", family);
        for method in [&[][..], &["-I"], &["-T"]] {
            let options = [method, &["-m", "40"]].concat();
            let drawn = |hops: &Vec<Fields>| hops.len() == 31 && is_whole(hops);
            let look = || look(&paths, User::Root, &options, end, || ());
            let (_, of) = beside(&format!("chain {method:?}"), drawn, look);
            assert_eq!(of.summary["reached"], true, "{method:?}");
            assert_eq!(of.summary["lost"], 0, "{method:?}");
        }
    });
}

/// Chance has a part in it: with so many looks it may miss a way three times in
/// 100,000, below.
const MULTIPATH_LOOKS: usize = 3;

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn one_flow_is_one_path_and_all_flows_are_the_diamond() {
    let paths = Paths::start(&["diamond"]);
    in_both(|family| {
        let end = paths.end("diamond", family);
        // What traceroute sees, whose ports change.
        let mut theirs = vec![BTreeSet::new(); 4];
        for _ in 0..5 {
            let run = traceroute(&paths, &["-q", "10"], end);
            for (all, hop) in theirs.iter_mut().zip(run.hosts()) {
                all.extend(hop);
            }
        }
        let widths: Vec<_> = theirs.iter().map(BTreeSet::len).collect();
        // Where the sides join again is a router, at two of its addresses.
        assert_eq!(widths, [1, 2, 2, 1], "{theirs:?}");
        // One flow keeps its side.
        for method in [&[][..], &["-I"], &["-T"]] {
            for _ in 0..4 {
                seen("one flow", &[1; 4], || {
                    let (run, _) = ours(&paths, User::Root, method, end);
                    let hosts = run.hosts();
                    let widths: Vec<_> = hosts.iter().map(BTreeSet::len).collect();
                    let is_one = widths.iter().all(|width| *width <= 1);
                    assert!(is_one, "{method:?} {run:?}");
                    let mut all = hosts.iter().zip(&theirs);
                    assert!(all.all(|(hop, all)| hop.is_subset(all)), "{run:?}");
                    widths.try_into().unwrap_or_default()
                });
            }
        }
        // All flows. The split is asked until a second way would have been seen
        // with 95 %: by six flows, which all take one side once in 32 runs.
        let is_whole = (0..MULTIPATH_LOOKS).any(|_| {
            let said = said(&paths, User::Root, &["--multipath", "--fast"], end);
            let found = ways(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
            let hosts = found.routers.values();
            let hosts: Vec<BTreeSet<_>> = hosts
                .map(|at| at.iter().copied().flatten().collect())
                .collect();
            assert_eq!(hosts.len(), theirs.len(), "{said:?}");
            let mut all = hosts.iter().zip(&theirs);
            assert!(all.all(|(hop, all)| hop.is_subset(all)), "{said:?}");
            if hosts != theirs {
                println!("looks again, for a way was missed: {hosts:?}");
                return false;
            }
            if found.routers.values().flatten().any(Option::is_none) {
                println!("looks again, for an answer was missed: {found:?}");
                return false;
            }
            // From the router before it to the host behind it.
            assert_eq!(found.diamonds, [(1, 4, 2)]);
            true
        });
        assert!(is_whole, "missed in each of {MULTIPATH_LOOKS} runs");
    });
}

/// What a hop lost of twenty.
#[derive(Debug, Clone, PartialEq)]
enum Lost {
    Number(u32),
    /// As many as the router's limit or count allows.
    Allowed,
}

type Line = (u8, Option<IpAddr>, Lost);

/// The lines of a table of twenty rounds; `allowed` are numbers of a hop whose
/// loss has some play.
fn lines(hubs: &[Hub], allowed: impl Fn(u8, u32) -> bool) -> Vec<Line> {
    let line = |hub: &Hub| {
        let lost = (0..=hub.sent).find(|n| {
            let percent = f64::from(*n) * 100.0 / f64::from(hub.sent.max(1));
            (percent - hub.loss).abs() < 0.1
        });
        let lost = lost.unwrap_or_else(|| panic!("{hub:?}"));
        let lost = if allowed(hub.ttl, lost) {
            Lost::Allowed
        } else {
            Lost::Number(lost)
        };
        (hub.ttl, hub.host, lost)
    };
    hubs.iter().map(line).collect()
}

/// The lines as the path is drawn.
fn draw(hosts: &[IpAddr], losses: &[Lost]) -> Vec<Line> {
    let lines = (1..).zip(hosts).zip(losses);
    lines
        .map(|((ttl, host), lost)| (ttl, Some(*host), lost.clone()))
        .collect()
}

/// mtr's table and ours, of twenty rounds each; what only ours says of each hop.
fn tables(
    paths: &Paths,
    target: IpAddr,
    before_each: impl Fn(),
    allowed: impl Fn(u8, u32, Duration) -> bool,
) -> Look<Vec<Line>, Vec<Option<String>>> {
    let name = target.to_string();
    before_each();
    let began = Instant::now();
    let words = ["mtr", "-n", "--json", "-c", "20", "-i", "0.2", &name];
    let reported = paths.run(User::Root, &words);
    let took = began.elapsed();
    let theirs = report(&reported.out).unwrap_or_else(|e| panic!("{e} in {reported:?}"));
    let theirs = lines(&theirs, |ttl, lost| allowed(ttl, lost, took));
    before_each();
    let began = Instant::now();
    let options = ["--live", "--rounds", "20", "--interval", "0.2"];
    let said = said(paths, User::Root, &options, target);
    let took = began.elapsed();
    let run = live(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
    assert!(run.iter().all(|(hub, _)| hub.sent == 20), "{run:?}");
    let (hubs, verdicts): (Vec<_>, _) = run.into_iter().unzip();
    Look {
        theirs: vec![theirs],
        ours: vec![lines(&hubs, |ttl, lost| allowed(ttl, lost, took))],
        more: verdicts,
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn rate_limited_is_not_lost() {
    let paths = Paths::start(&["quiet"]);
    in_both(|family| {
        let end = paths.end("quiet", family);
        // Six at once, then one a second; whoever is not run for a while may
        // miss one.
        let allowed = |ttl, lost: u32, took: Duration| {
            let answered = u64::from(20_u32.saturating_sub(lost));
            ttl == 3 && (5..=7 + took.as_secs()).contains(&answered)
        };
        let losses = [0, 20, 0, 0, 0].map(Lost::Number);
        let mut drawn = draw(&paths.hops("quiet", family), &losses);
        (drawn[1].1, drawn[2].2) = (None, Lost::Allowed);
        let look = || tables(&paths, end, refill, allowed);
        let verdicts = beside("quiet", |lines| *lines == drawn, look);
        let expected = [None, Some("silent"), Some("rate-limited"), None, None];
        assert!(
            verdicts.iter().map(Option::as_deref).eq(expected),
            "{verdicts:?}"
        );
    });
}

/// Where all hops behind one lose, nobody limits anything.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn lost_is_not_rate_limited() {
    let paths = Paths::start(&["lossy"]);
    in_both(|family| {
        let end = paths.end("lossy", family);
        // One in five, wherever the count of the router stood.
        let allowed = |ttl, lost, _| ttl > 2 && (2..=6).contains(&lost);
        let losses = [
            Lost::Number(0),
            Lost::Number(0),
            Lost::Allowed,
            Lost::Allowed,
        ];
        let drawn = draw(&paths.hops("lossy", family), &losses);
        let look = || tables(&paths, end, || (), allowed);
        let verdicts = beside("lossy", |lines| *lines == drawn, look);
        assert!(verdicts.iter().all(Option::is_none), "{verdicts:?}");
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn a_quote_of_28_octets_is_enough() {
    let paths = Paths::start(&["terse"]);
    in_both(|family| {
        let end = paths.end("terse", family);
        for method in [&[][..], &["-I"], &["-T"]] {
            let look = || look(&paths, User::Root, method, end, || ());
            beside(&format!("terse {method:?}"), |hops| is_whole(hops), look);
        }
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn labels_are_those_of_traceroute_and_mtr() {
    let paths = Paths::start(&["labels"]);
    in_both(|family| {
        let end = paths.end("labels", family);
        let words = ["mtr", "-n", "-e", "--raw", "-c", "1", &end.to_string()];
        let drawn: BTreeMap<_, _> = stacks().into_iter().collect();
        seen("labels by mtr", &drawn, || {
            mtr::labels(&paths.run(User::Root, &words).out).expect("events")
        });
        for method in [&["-e"][..], &["-e", "-I"], &["-e", "-T"]] {
            let look = || look(&paths, User::Root, method, end, || ());
            let (run, _) = beside(&format!("labels {method:?}"), |hops| is_whole(hops), look);
            let labelled = run.hops.iter().filter_map(|hop| {
                let stack = hop.labels().into_values().next()?;
                Some((hop.ttl, stack))
            });
            assert_eq!(labelled.collect::<BTreeMap<_, _>>(), drawn);
        }
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn annotations_are_those_of_traceroute() {
    let paths = Paths::start(&["walls"]);
    for refused in REFUSED {
        let target: IpAddr = refused.target.parse().expect("an address");
        for method in [&["-q", "1"][..], &["-q", "1", "-I"]] {
            let drawn = |hops: &Vec<Fields>| {
                let last = hops.last().expect("a hop");
                let said = last.annotations.iter().map(String::as_str);
                said.eq([refused.annotation]) && is_whole(hops)
            };
            let look = || look(&paths, User::Root, method, target, || rest(refused));
            let (run, of) = beside(&format!("{target} {method:?}"), drawn, look);
            assert_eq!(of.summary["reached"], false, "{run:?}");
        }
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn a_small_mtu_is_found_as_by_traceroute() {
    let paths = Paths::start(&["narrow"]);
    let forget = || paths.forget_mtu();
    for family in FAMILIES {
        let end = paths.end("narrow", family);
        let drawn = |hops: &Vec<Fields>| {
            let learnt: Vec<_> = hops.iter().filter_map(|hop| hop.mtu).collect();
            learnt == [1500, 1300] && is_whole(hops)
        };
        let look = || look(&paths, User::Root, &["--mtu"], end, forget);
        let (_, of) = beside("narrow", drawn, look);
        assert_eq!(of.summary["path_mtu"], 1300);
    }
    // Too long and not to be cut: the router before the small link says so.
    let end = paths.end("narrow", FAMILIES[0]);
    let name = end.to_string();
    let words = ["traceroute", "-n", "-F", &name, "1400"];
    let json = [&words[..], &["--format", "json"]].concat();
    let fields = |run: &Traced| {
        let hop = run.hops.last().expect("a hop");
        let last = hop.annotations().into_iter().map(str::to_owned);
        (run.hosts(), last.collect::<Vec<_>>())
    };
    let look = || {
        forget();
        let theirs = Traced::parse(&paths.run(User::Root, &words).out).expect("a route");
        forget();
        let said = paths.run_magpie(User::Root, &json);
        let (run, _) = trace(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
        Look {
            theirs: vec![fields(&theirs)],
            ours: vec![fields(&run)],
            more: (),
        }
    };
    beside("-F 1400", |(_, last)| *last == ["!F-1300"], look);
}
