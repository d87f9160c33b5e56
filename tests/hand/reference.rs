//! The paths as the tools of others see them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use magpie_tests::paths::{Family, Paths, User, in_both};
use magpie_tests::tools::fping::targets;
use magpie_tests::tools::mtr::{Hub, labels, report};
use magpie_tests::tools::ping::Pinged;
use magpie_tests::tools::traceroute::{Hop, Label, Traced};

use crate::steady::seen;

/// Options with which every answer is waited for: by default a probe is given
/// up after three times what another of its hop took, which between two
/// processors is less than the machine's hiccups.
pub(crate) const PATIENT: [&str; 3] = ["-n", "-w", "5"];

pub(crate) fn traceroute(paths: &Paths, options: &[&str], target: IpAddr) -> Traced {
    let target = target.to_string();
    let words = [&["traceroute"], &PATIENT[..], options, &[&target]].concat();
    let said = paths.run(User::Root, &words);
    assert_eq!(said.code, Some(0), "{words:?} {}", said.err);
    Traced::parse(&said.out).unwrap_or_else(|e| panic!("{words:?}: {e}"))
}

pub(crate) fn ping(paths: &Paths, options: &[&str], target: IpAddr) -> Pinged {
    let target = target.to_string();
    let words = [&["ping", "-n"], options, &[&target]].concat();
    let said = paths.run(User::Root, &words);
    let text = said.out + &said.err;
    Pinged::parse(&text).unwrap_or_else(|e| panic!("{words:?}: {e}"))
}

/// Twenty or fewer rounds of mtr, and how long they took.
fn mtr(paths: &Paths, options: &[&str], target: IpAddr) -> (Vec<Hub>, Duration) {
    let target = target.to_string();
    let words = [&["mtr", "-n", "--json"], options, &[&target]].concat();
    let began = Instant::now();
    let said = paths.run(User::Root, &words);
    let hubs = report(&said.out).unwrap_or_else(|e| panic!("{words:?}: {e}"));
    (hubs, began.elapsed())
}

/// One host at each hop.
fn each(hosts: &[IpAddr]) -> Vec<BTreeSet<IpAddr>> {
    hosts.iter().map(|host| [*host].into()).collect()
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn thirty_routers_in_a_row() {
    let paths = Paths::start(&["chain"]);
    in_both(|family| {
        let (hops, end) = (paths.hops("chain", family), paths.end("chain", family));
        assert_eq!(hops.len(), 31);
        for method in [&["-N", "32"][..], &["-I"], &["-T"]] {
            let options = [method, &["-m", "40"]].concat();
            seen(&format!("{method:?}"), &(each(&hops), vec![3; 31]), || {
                let run = traceroute(&paths, &options, end);
                let answers = run.hops.iter().map(|hop| hop.round_trips().len());
                (run.hosts(), answers.collect())
            });
        }
        let drawn: Vec<_> = hops.iter().map(|host| (Some(*host), 0.0)).collect();
        seen("by mtr", &drawn, || {
            let (hubs, _) = mtr(&paths, &["-c", "3", "-i", "0.2", "-m", "40"], end);
            hubs.iter().map(|hub| (hub.host, hub.loss)).collect()
        });
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn two_of_thirty_say_nothing() {
    let paths = Paths::start(&["hushed"]);
    in_both(|family| {
        let (hops, end) = (paths.hops("hushed", family), paths.end("hushed", family));
        let mut expected = each(&hops);
        for silent in [9, 20] {
            expected[silent - 1].clear();
        }
        seen("hushed", &expected, || {
            traceroute(&paths, &["-N", "32", "-m", "40"], end).hosts()
        });
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn a_diamond_has_two_equal_sides() {
    let paths = Paths::start(&["diamond"]);
    in_both(|family| {
        let end = paths.end("diamond", family);
        let side = |name| paths.addresses("diamond", name, family);
        let sides = [side("left"), side("right")].concat();
        assert_eq!(sides.len(), 2);
        // Ports change with every probe, so both are seen soon.
        let mut seen = BTreeSet::new();
        for _ in 0..5 {
            let run = traceroute(&paths, &["-q", "10"], end);
            assert_eq!(run.hops.len(), 4, "{run:?}");
            seen.extend(run.hops[1].hosts());
        }
        assert_eq!(seen, sides.iter().copied().collect());
        // One flow takes one side.
        for _ in 0..5 {
            let run = traceroute(&paths, &["-I", "-q", "10"], end);
            assert!(run.hops.iter().all(|h| h.hosts().len() == 1), "{run:?}");
        }
    });
}

/// A loss, in place of a number that has some play.
const LIMITED: f64 = -1.0;

/// A router that limits its errors to one a second has six at most to spare.
pub(crate) fn refill() {
    sleep(Duration::from_secs(7));
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn one_is_silent_and_one_limits_its_errors() {
    let paths = Paths::start(&["quiet"]);
    in_both(|family| {
        let (hops, end) = (paths.hops("quiet", family), paths.end("quiet", family));
        let mut expected: Vec<_> = hops.into_iter().map(|host| (Some(host), 0.0)).collect();
        (expected[1], expected[2].1) = ((None, 100.0), LIMITED);
        seen("quiet", &expected, || {
            refill();
            let (mut hubs, took) = mtr(&paths, &["-c", "20", "-i", "0.1"], end);
            // Six at once, then one a second.
            let answered = 6.0..=7.0 + took.as_secs_f64();
            for hub in hubs.iter_mut().filter(|hub| hub.ttl == 3) {
                if answered.contains(&(20.0 - hub.loss / 5.0)) {
                    hub.loss = LIMITED;
                }
            }
            hubs.iter().map(|hub| (hub.host, hub.loss)).collect()
        });
    });
}

/// A trace with tcpdump at the first cable of `terse`: `sh -c LISTEN FILE FILTER TARGET`.
/// The trace begins once tcpdump says that it listens.
const LISTEN: &str = r#"
    timeout 60 tcpdump -n -l -i p5c1l -c 3 "$1" > "$0" 2> "$0.said" & tcpdump=$!
    until grep -q "listening on" "$0.said" || ! kill -0 $tcpdump; do sleep 0.1; done
    traceroute -n -w 5 "$2"
    wait $tcpdump
"#;

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn one_quotes_no_more_than_28_octets() {
    let paths = Paths::start(&["terse"]);
    for (family, filter, length) in [
        (Family::V4, "icmp[0] = 11", 8 + 28),
        (Family::V6, "icmp6 and ip6[40] = 3", 8 + 48),
    ] {
        let (hops, end) = (paths.hops("terse", family), paths.end("terse", family));
        let filter = format!("{filter} and src host {}", hops[1]);
        let dump = paths.folder().join(format!("{family:?}"));
        let dump = dump.to_str().expect("a path of ours");
        seen("terse", &(each(&hops), 3), || {
            let both = paths.run(
                User::Root,
                &["sh", "-c", LISTEN, dump, &filter, &end.to_string()],
            );
            let run = Traced::parse(&both.out).unwrap_or_else(|e| panic!("{e} in {both:?}"));
            let dump = std::fs::read_to_string(dump).expect("what tcpdump said");
            let sign = format!(", length {length}");
            let terse = dump.lines().filter(|line| line.ends_with(&sign));
            (run.hosts(), terse.count())
        });
    }
}

/// Of `labels` in `paths.py`: the labels at each TTL.
pub(crate) fn stacks() -> Vec<(u8, Vec<Label>)> {
    let entry = |label, class, bottom, ttl| Label {
        label,
        class,
        bottom,
        ttl,
    };
    vec![
        (2, vec![entry(16002, 0, true, 1)]),
        (3, vec![entry(16003, 5, false, 1), entry(24017, 0, true, 7)]),
    ]
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn two_routers_tell_their_labels() {
    let paths = Paths::start(&["labels"]);
    in_both(|family| {
        let (hops, end) = (paths.hops("labels", family), paths.end("labels", family));
        for method in [&["-e"][..], &["-e", "-I"]] {
            let stack = |(ttl, host): (u8, &IpAddr)| -> BTreeMap<_, _> {
                let mine = stacks().into_iter().find(|(at, _)| *at == ttl);
                mine.map(|(_, stack)| (*host, stack)).into_iter().collect()
            };
            let stacks: Vec<_> = (1..).zip(&hops).map(stack).collect();
            seen(&format!("{method:?}"), &(each(&hops), stacks), || {
                let run = traceroute(&paths, method, end);
                let stacks = run.hops.iter().map(Hop::labels).collect();
                (run.hosts(), stacks)
            });
        }
        let words = ["mtr", "-n", "-e", "--raw", "-c", "2", "-i", "0.2"];
        let name = end.to_string();
        let words = [&words[..], &[&name]].concat();
        let expected = stacks().into_iter().collect();
        seen("by mtr", &Ok(expected), || {
            labels(&paths.run(User::Root, &words).out)
        });
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn one_cable_takes_1300_octets() {
    let paths = Paths::start(&["narrow"]);
    in_both(|family| {
        let (hops, end) = (paths.hops("narrow", family), paths.end("narrow", family));
        let learnt = vec![(1, 1500), (3, 1300)];
        seen("narrow", &(each(&hops), learnt), || {
            paths.forget_mtu_of(family);
            let run = traceroute(&paths, &["--mtu"], end);
            let learnt = run.hops.iter().filter_map(|hop| {
                let mtu = hop.probes.iter().find_map(|probe| probe.mtu);
                Some((hop.ttl, mtu?))
            });
            (run.hosts(), learnt.collect())
        });
    });
    // What was learnt is in the kernel now, which refuses by itself.
    let run = ping(
        &paths,
        &["-c", "1", "-M", "do", "-s", "1400"],
        paths.end("narrow", Family::V4),
    );
    assert_eq!(run.local, ["local error: message too long, mtu=1300"]);
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn one_cable_takes_20_ms_there_and_back() {
    let paths = Paths::start(&["slow"]);
    in_both(|family| {
        let (hops, end) = (paths.hops("slow", family), paths.end("slow", family));
        seen("slow", &(each(&hops), true), || {
            let run = traceroute(&paths, &[], end);
            let is_near = run.hops[0].round_trips().iter().any(|ms| *ms < 20.0);
            (run.hosts(), is_near)
        });
        seen("slow", &5, || {
            let run = ping(&paths, &["-c", "5", "-i", "0.5"], end);
            assert!(run.round_trips().iter().all(|ms| *ms >= 20.0), "{run:?}");
            run.summary.received
        });
    });
}

/// Of `harm`, by the last digit of the sequence number.
pub(crate) struct Harm;

impl Harm {
    /// Those of the first `count`, from 1, that end so.
    pub(crate) fn ending(digit: u32, count: u32) -> BTreeSet<u32> {
        (1..=count).filter(|seq| seq % 10 == digit).collect()
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn what_happens_to_a_ping_goes_by_its_number() {
    let paths = Paths::start(&["harm"]);
    in_both(|family| {
        let end = paths.end("harm", family);
        let ending = |digit| Harm::ending(digit, 20);
        seen("harm", &[3, 5, 9, 7].map(ending), || {
            let run = ping(&paths, &["-c", "20", "-i", "0.4"], end);
            let lost = (1..=20).filter(|n| !run.answered().contains(n));
            [
                lost.collect(),
                run.which(|r| r.duplicate),
                run.which(|r| r.wrong),
                run.which(|r| r.ms.is_some_and(|ms| ms >= 600.0)),
            ]
        });
        // It gives up after an interval, unless told otherwise.
        let words = ["fping", "-q", "-C", "20", "-p", "400", "-t", "1000"];
        let name = end.to_string();
        let words = [&words[..], &[&name]].concat();
        seen("by fping", &2, || {
            let all = targets(&paths.run(User::Root, &words).err).expect("fping");
            all[&end].iter().filter(|ms| ms.is_none()).count()
        });
    });
}

/// One in five, of what goes to any hop behind the router that drops it.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn a_fifth_is_lost_on_the_way() {
    let paths = Paths::start(&["lossy"]);
    in_both(|family| {
        let end = paths.end("lossy", family);
        let hops = paths.hops("lossy", family).into_iter().map(Some);
        let drawn: Vec<_> = hops.zip([0.0, 0.0, LIMITED, LIMITED]).collect();
        seen("lossy", &drawn, || {
            let (mut hubs, _) = mtr(&paths, &["-c", "20", "-i", "0.1"], end);
            for hub in hubs.iter_mut().filter(|hub| hub.ttl > 2) {
                if (10.0..=30.0).contains(&hub.loss) {
                    hub.loss = LIMITED;
                }
            }
            hubs.iter().map(|hub| (hub.host, hub.loss)).collect()
        });
    });
}

/// The kernel's routers answer for themselves, and so do ours.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn routers_answer_for_themselves() {
    let paths = Paths::start(&["labels", "terse"]);
    in_both(|family| {
        let hops = [paths.hops("labels", family), paths.hops("terse", family)].concat();
        let names: Vec<_> = hops.iter().map(IpAddr::to_string).collect();
        let words = ["fping", "-q", "-C", "2", "-p", "100"].into_iter();
        let words: Vec<_> = words.chain(names.iter().map(String::as_str)).collect();
        let drawn = hops
            .iter()
            .map(|host| (*host, 2))
            .collect::<BTreeMap<_, _>>();
        seen("routers", &drawn, || {
            let all = targets(&paths.run(User::Root, &words).err).expect("fping");
            let answered = all.into_iter();
            let answered = answered.map(|(host, times)| (host, times.iter().flatten().count()));
            answered.collect()
        });
        seen("one", &each(&hops[..2]), || {
            traceroute(&paths, &[], hops[1]).hosts()
        });
    });
}

/// Ping believes that a request which it has yet to send came to nothing.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn one_tells_lies() {
    let paths = Paths::start(&["liar"]);
    in_both(|family| {
        let (hops, end) = (paths.hops("liar", family), paths.end("liar", family));
        seen("liar", &Some(hops[1]), || {
            let run = ping(&paths, &["-c", "1"], end);
            let mut lies = run.refusals.iter();
            lies.find(|lie| lie.seq != 1).map(|lie| lie.from)
        });
    });
}

/// How many network namespaces of this machine have such a name.
fn namespaces(prefix: &str) -> usize {
    let said = Command::new("ip").args(["netns", "list"]).output();
    let text = String::from_utf8_lossy(&said.expect("iproute2").stdout).into_owned();
    let names = text.lines().filter(|name| name.starts_with(prefix));
    names.count()
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn nothing_is_left_behind() {
    let paths = Paths::start(&["slow", "harm"]);
    let prefix = format!("{}-", paths.prefix());
    // `me`, three behind it on each path, and the slow cable.
    assert_eq!(namespaces(&prefix), 1 + 3 + 3 + 1);
    drop(paths);
    assert_eq!(namespaces(&prefix), 0);
}
