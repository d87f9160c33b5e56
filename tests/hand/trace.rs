//! `magpie traceroute` beside traceroute and mtr.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use magpie_tests::paths::{FAMILIES, Paths, User, in_both};
use magpie_tests::tools::mtr::{self, report};
use magpie_tests::tools::ours::{Beside, live, trace, ways};
use magpie_tests::tools::traceroute::Traced;
use magpie_tests::tools::{Said, median};

use crate::reference::{PATIENT, REFUSED, rest, stacks, traceroute};

fn ours(paths: &Paths, user: User, options: &[&str], target: IpAddr) -> (Traced, Beside) {
    let said = said(paths, user, options, target);
    trace(&said.out).unwrap_or_else(|e| panic!("{options:?}: {e} in {said:?}"))
}

fn said(paths: &Paths, user: User, options: &[&str], target: IpAddr) -> Said {
    let target = target.to_string();
    let words = ["traceroute", "--format", "json"];
    paths.run_magpie(user, &[&words[..], &PATIENT, options, &[&target]].concat())
}

/// Hosts, annotations, labels and MTUs of each hop.
fn agree(ours: &Traced, theirs: &Traced) {
    assert_eq!(ours.hosts(), theirs.hosts());
    for (our, their) in ours.hops.iter().zip(&theirs.hops) {
        assert_eq!(our.ttl, their.ttl);
        assert_eq!(our.probes.len(), their.probes.len(), "hop {}", our.ttl);
        assert_eq!(our.annotations(), their.annotations(), "hop {}", our.ttl);
        assert_eq!(our.labels(), their.labels(), "hop {}", our.ttl);
        let mtu = |hop: &magpie_tests::tools::traceroute::Hop| {
            hop.probes.iter().find_map(|probe| probe.mtu)
        };
        assert_eq!(mtu(our), mtu(their), "hop {}", our.ttl);
    }
}

/// The same for people.
fn shown(paths: &Paths, options: &[&str], target: IpAddr) -> Traced {
    let target = target.to_string();
    let words = [&["traceroute"], &PATIENT[..], options, &[&target]].concat();
    let said = paths.run_magpie(User::Root, &words);
    Traced::parse(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"))
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn thirty_routers_by_every_method() {
    let paths = Paths::start(&["chain"]);
    in_both(|family| {
        let end = paths.end("chain", family);
        for method in [&[][..], &["-I"], &["-T"]] {
            let options = [method, &["-m", "40"]].concat();
            let theirs = traceroute(&paths, &options, end);
            let (run, beside) = ours(&paths, User::Root, &options, end);
            agree(&run, &theirs);
            agree(&shown(&paths, &options, end), &theirs);
            assert_eq!(beside.summary["reached"], true, "{method:?}");
            assert_eq!(beside.summary["lost"], 0, "{method:?}");
        }
    });
}

/// Two silent hops: nobody waits out all of their time. Times are told and
/// not judged, beyond that.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn two_silent_hops_cost_no_patience() {
    let paths = Paths::start(&["hushed"]);
    let magpie = paths.magpie();
    let magpie = magpie.to_str().expect("a path of ours");
    for family in FAMILIES {
        let end = paths.end("hushed", family);
        let name = end.to_string();
        let (mut theirs, mut ours_) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            let options = ["-n", "-N", "32", "-m", "40", &name];
            let their = [&["traceroute"], &options[..]].concat();
            let our = [&[magpie, "traceroute"], &options[..]].concat();
            let mut runs = Vec::new();
            for (words, times) in [(&their, &mut theirs), (&our, &mut ours_)] {
                let began = Instant::now();
                let said = paths.run(User::Root, words);
                times.push(began.elapsed().as_secs_f64() * 1e3);
                runs.push(Traced::parse(&said.out).unwrap_or_else(|e| panic!("{e} {said:?}")));
            }
            for run in runs {
                // In time for what it waits for, some may be missing.
                let mut hops = run.hops.iter().zip(paths.hops("hushed", family));
                assert!(hops.all(|(hop, host)| hop.hosts().iter().all(|h| *h == host)));
                let silent = |ttl: usize| run.hops[ttl - 1].hosts().is_empty();
                assert!(silent(9) && silent(20), "{run:?}");
                assert_eq!(run.hops[30].hosts(), [end].into());
            }
        }
        let middle = |all: &[f64]| median(all).expect("five runs");
        println!(
            "30 hops, two of them silent, {family:?}: traceroute -N 32 {:.0} ms {theirs:.0?}, \
             magpie {:.0} ms {ours_:.0?}",
            middle(&theirs),
            middle(&ours_)
        );
        // A hop that is waited out takes five seconds.
        assert!(middle(&ours_) < 5_000.0, "{ours_:?}");
    }
}

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
        // One flow keeps its side.
        for method in [&[][..], &["-I"], &["-T"]] {
            for _ in 0..4 {
                let (run, _) = ours(&paths, User::Root, method, end);
                assert_eq!(run.hops.len(), 4, "{run:?}");
                for (hop, all) in run.hosts().iter().zip(&theirs) {
                    assert_eq!(hop.len(), 1, "{method:?} {run:?}");
                    assert!(hop.is_subset(all), "{run:?}");
                }
            }
        }
        // All flows.
        let said = said(&paths, User::Root, &["--multipath", "--fast"], end);
        let found = ways(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
        let hosts = found
            .routers
            .values()
            .map(|at| -> BTreeSet<_> { at.iter().copied().flatten().collect() });
        assert_eq!(hosts.collect::<Vec<_>>(), theirs);
        // From the router before it to the host behind it.
        assert_eq!(found.diamonds, [(1, 4, 2)]);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn rate_limited_is_not_lost() {
    let paths = Paths::start(&["quiet"]);
    in_both(|family| {
        let end = paths.end("quiet", family);
        let name = end.to_string();
        // Seven seconds fill the bucket again.
        sleep(Duration::from_secs(7));
        let words = ["mtr", "-n", "--json", "-c", "20", "-i", "0.2", &name];
        let theirs = report(&paths.run(User::Root, &words).out).expect("a report");
        sleep(Duration::from_secs(7));
        let options = ["--live", "--rounds", "20", "--interval", "0.2"];
        let said = said(&paths, User::Root, &options, end);
        let run = live(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
        let hosts: Vec<_> = run.iter().map(|(hub, _)| hub.host).collect();
        let their_hosts: Vec<_> = theirs.iter().map(|hub| hub.host).collect();
        assert_eq!(hosts, their_hosts);
        let sent: Vec<_> = run.iter().map(|(hub, _)| hub.sent).collect();
        assert_eq!(sent, [20; 5]);
        let verdicts: Vec<_> = run.iter().map(|(_, is)| is.as_deref()).collect();
        let expected = [None, Some("silent"), Some("rate-limited"), None, None];
        assert_eq!(verdicts, expected, "{run:?}");
        for ((our, _), their) in run.iter().zip(&theirs) {
            let off = (our.loss - their.loss).abs();
            // Of a limit by the clock, two more or fewer may come through.
            let slack = if our.ttl == 3 { 10.1 } else { 0.0 };
            assert!(off <= slack, "{our:?} {their:?}");
        }
    });
}

/// Where all hops behind one lose, nobody limits anything.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn lost_is_not_rate_limited() {
    let paths = Paths::start(&["lossy"]);
    in_both(|family| {
        let end = paths.end("lossy", family);
        let name = end.to_string();
        let words = ["mtr", "-n", "--json", "-c", "20", "-i", "0.2", &name];
        let theirs = report(&paths.run(User::Root, &words).out).expect("a report");
        let options = ["--live", "--rounds", "20", "--interval", "0.2"];
        let said = said(&paths, User::Root, &options, end);
        let run = live(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
        assert_eq!(run.len(), theirs.len(), "{run:?}");
        for ((our, verdict), their) in run.iter().zip(&theirs) {
            assert_eq!(our.host, their.host);
            assert_eq!(*verdict, None, "{run:?}");
            // One in five, wherever the count of the router stood.
            let off = (our.loss - their.loss).abs();
            let slack = if our.ttl > 2 { 10.1 } else { 0.0 };
            assert!(off <= slack, "{our:?} {their:?}");
        }
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn a_quote_of_28_octets_is_enough() {
    let paths = Paths::start(&["terse"]);
    in_both(|family| {
        let end = paths.end("terse", family);
        for method in [&[][..], &["-I"], &["-T"]] {
            let theirs = traceroute(&paths, method, end);
            let (run, _) = ours(&paths, User::Root, method, end);
            agree(&run, &theirs);
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
        let said = paths.run(User::Root, &words);
        let by_mtr = mtr::labels(&said.out).expect("events");
        for method in [&["-e"][..], &["-e", "-I"], &["-e", "-T"]] {
            let theirs = traceroute(&paths, method, end);
            let (run, _) = ours(&paths, User::Root, method, end);
            agree(&run, &theirs);
            agree(&shown(&paths, method, end), &theirs);
            let labelled = run.hops.iter().filter_map(|hop| {
                let stack = hop.labels().into_values().next()?;
                Some((hop.ttl, stack))
            });
            let labelled: Vec<_> = labelled.collect();
            assert_eq!(labelled, stacks());
            assert_eq!(by_mtr.clone().into_iter().collect::<Vec<_>>(), stacks());
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
            rest(refused);
            let theirs = traceroute(&paths, method, target);
            rest(refused);
            let (run, beside) = ours(&paths, User::Root, method, target);
            agree(&run, &theirs);
            assert_eq!(beside.summary["reached"], false, "{run:?}");
        }
        rest(refused);
        let seen = shown(&paths, &["-q", "1"], target);
        let last = seen.hops.last().expect("a hop");
        assert_eq!(last.annotations(), [refused.annotation].into());
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn a_small_mtu_is_found_as_by_traceroute() {
    let paths = Paths::start(&["narrow"]);
    for family in FAMILIES {
        let end = paths.end("narrow", family);
        let theirs = traceroute(&paths, &["--mtu"], end);
        paths.forget_mtu();
        let (run, beside) = ours(&paths, User::Root, &["--mtu"], end);
        agree(&run, &theirs);
        assert_eq!(beside.summary["path_mtu"], 1300);
        paths.forget_mtu();
    }
    // Too long and not to be cut: the router before the small link says so.
    let end = paths.end("narrow", FAMILIES[0]);
    let name = end.to_string();
    let words = ["traceroute", "-n", "-F", &name, "1400"];
    let theirs = Traced::parse(&paths.run(User::Root, &words).out).expect("a route");
    paths.forget_mtu();
    let json = [&words[..], &["--format", "json"]].concat();
    let said = paths.run_magpie(User::Root, &json);
    let (run, _) = trace(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
    assert_eq!(run.hosts(), theirs.hosts());
    let last = |run: &Traced| -> Vec<String> {
        let hop = run.hops.last().expect("a hop");
        hop.annotations().into_iter().map(str::to_owned).collect()
    };
    assert_eq!(last(&run), ["!F-1300"]);
    assert_eq!(last(&theirs), ["!F-1300"]);
}
