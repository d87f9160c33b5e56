//! The paths as the tools of others see them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use magpie_tests::paths::{Family, Paths, User, in_both};
use magpie_tests::tools::fping::{refusals, targets};
use magpie_tests::tools::mtr::{labels, report};
use magpie_tests::tools::ping::Pinged;
use magpie_tests::tools::traceroute::{Label, Traced};

/// Options with which every answer is waited for: by default a probe is given
/// up after three times what another of its hop took, which between two
/// processors is less than the machine's hiccups.
pub(crate) const PATIENT: [&str; 3] = ["-n", "-w", "2"];

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

/// One host at each hop.
fn each(hosts: &[IpAddr]) -> Vec<BTreeSet<IpAddr>> {
    hosts.iter().map(|host| [*host].into()).collect()
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address of the lab")
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
            let run = traceroute(&paths, &options, end);
            assert_eq!(run.hosts(), each(&hops), "{method:?}");
            let probes = run.hops.iter().map(|hop| hop.round_trips().len());
            assert!(probes.eq([3; 31]), "{method:?} {run:?}");
        }
        let words = ["mtr", "-n", "--json", "-c", "3", "-i", "0.2", "-m", "40"];
        let said = paths.run(User::Root, &[&words[..], &[&end.to_string()]].concat());
        let hubs = report(&said.out).expect("a report");
        let hosts: Vec<_> = hubs.iter().filter_map(|hub| hub.host).collect();
        assert_eq!(hosts, hops);
        assert!(hubs.iter().all(|hub| hub.loss == 0.0), "{hubs:?}");
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
        let run = traceroute(&paths, &["-N", "32", "-m", "40"], end);
        assert_eq!(run.hosts(), expected);
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

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn one_is_silent_and_one_limits_its_errors() {
    let paths = Paths::start(&["quiet"]);
    in_both(|family| {
        let (hops, end) = (paths.hops("quiet", family), paths.end("quiet", family));
        let words = ["mtr", "-n", "--json", "-c", "20", "-i", "0.1"];
        let said = paths.run(User::Root, &[&words[..], &[&end.to_string()]].concat());
        let hubs = report(&said.out).expect("a report");
        let hosts: Vec<_> = hubs.iter().map(|hub| hub.host).collect();
        let mut expected: Vec<_> = hops.into_iter().map(Some).collect();
        expected[1] = None;
        assert_eq!(hosts, expected);
        let loss: Vec<_> = hubs.iter().map(|hub| hub.loss).collect();
        let [0.0, 100.0, limited, 0.0, 0.0] = loss[..] else {
            panic!("{hubs:?}");
        };
        // Six at once, then one a second.
        assert!((40.0..=70.0).contains(&limited), "{hubs:?}");
    });
}

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
        let tcpdump = ["timeout", "10", "tcpdump", "-n", "-i", "p5c1l", "-c", "3"];
        let later = format!("sleep 1; exec traceroute -n {end}");
        let both = paths.together(
            User::Root,
            &[&[&tcpdump[..], &[&filter]].concat(), &["sh", "-c", &later]],
        );
        let [dump, trace] = &both[..] else {
            panic!("{both:?}");
        };
        let run = Traced::parse(&trace.out).expect("a route");
        assert_eq!(run.hosts(), each(&hops));
        let sign = format!(", length {length}");
        let terse = dump.out.lines().filter(|line| line.ends_with(&sign));
        assert_eq!(terse.count(), 3, "{dump:?}");
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
            let run = traceroute(&paths, method, end);
            assert_eq!(run.hosts(), each(&hops));
            for hop in &run.hops {
                let mine = stacks().into_iter().find(|(ttl, _)| *ttl == hop.ttl);
                let expected = mine.map(|(_, stack)| (hops[usize::from(hop.ttl) - 1], stack));
                assert_eq!(hop.labels(), expected.into_iter().collect());
            }
        }
        let words = ["mtr", "-n", "-e", "--raw", "-c", "2", "-i", "0.2"];
        let said = paths.run(User::Root, &[&words[..], &[&end.to_string()]].concat());
        let expected = stacks().into_iter().collect();
        assert_eq!(labels(&said.out), Ok(expected));
    });
}

/// Destinations beyond `walls`: who refuses them at which TTL, as traceroute
/// and ping word it. The gate's are the kernel's own, and of IPv4 it
/// makes no more than one a second after the first five.
pub(crate) struct Refused {
    pub(crate) target: &'static str,
    pub(crate) ttl: u8,
    pub(crate) annotation: &'static str,
    pub(crate) words: &'static str,
    pub(crate) by_kernel: bool,
}

const fn gate(target: &'static str, annotation: &'static str, words: &'static str) -> Refused {
    Refused {
        target,
        ttl: 1,
        annotation,
        words,
        by_kernel: true,
    }
}

const fn wall(target: &'static str, annotation: &'static str, words: &'static str) -> Refused {
    Refused {
        target,
        ttl: 3,
        annotation,
        words,
        by_kernel: false,
    }
}

pub(crate) const REFUSED: &[Refused] = &[
    gate("10.7.101.1", "!X", "Packet filtered"),
    gate("10.7.102.1", "!H", "Destination Host Unreachable"),
    gate("10.7.103.1", "!N", "Destination Net Unreachable"),
    wall("10.7.110.0", "!N", "Destination Net Unreachable"),
    wall("10.7.110.1", "!H", "Destination Host Unreachable"),
    wall("10.7.110.2", "!P", "Destination Protocol Unreachable"),
    wall("10.7.110.5", "!S", "Source Route Failed"),
    wall("10.7.110.6", "!N", "Destination Net Unknown"),
    wall("10.7.110.7", "!H", "Destination Host Unknown"),
    wall("10.7.110.8", "!N", "Source Host Isolated"),
    wall("10.7.110.9", "!X", "Destination Net Prohibited"),
    wall("10.7.110.10", "!X", "Destination Host Prohibited"),
    wall(
        "10.7.110.11",
        "!N",
        "Destination Net Unreachable for Type of Service",
    ),
    wall(
        "10.7.110.12",
        "!H",
        "Destination Host Unreachable for Type of Service",
    ),
    wall("10.7.110.13", "!X", "Packet filtered"),
    wall("10.7.110.14", "!V", "Precedence Violation"),
    wall("10.7.110.15", "!C", "Precedence Cutoff"),
    gate(
        "2001:db8:7:101::1",
        "!X",
        "Destination unreachable: Administratively prohibited",
    ),
    // Linux says "no route" of `unreachable`, too.
    gate(
        "2001:db8:7:102::1",
        "!N",
        "Destination unreachable: No route",
    ),
    gate(
        "2001:db8:7:103::1",
        "!N",
        "Destination unreachable: No route",
    ),
    wall(
        "2001:db8:7:110::1",
        "!X",
        "Destination unreachable: Administratively prohibited",
    ),
    wall(
        "2001:db8:7:110::2",
        "!H",
        "Destination unreachable: Beyond scope of source address",
    ),
    wall(
        "2001:db8:7:110::3",
        "!H",
        "Destination unreachable: Address unreachable",
    ),
    // RFC 4443 has two more, which ping does not know.
    wall(
        "2001:db8:7:110::5",
        "!<5>",
        "Destination unreachable: Unknown code 5",
    ),
    wall(
        "2001:db8:7:110::6",
        "!<6>",
        "Destination unreachable: Unknown code 6",
    ),
];

/// The kernel's limit for unreachable destinations, which IPv6 has not.
pub(crate) fn rest(refused: &Refused) {
    if refused.by_kernel && !refused.target.contains(':') {
        sleep(Duration::from_millis(1100));
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn what_cannot_be_reached_and_why() {
    let paths = Paths::start(&["walls"]);
    for refused in REFUSED {
        let target = address(refused.target);
        let family = if target.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        let at = usize::from(refused.ttl).min(2) - 1;
        let by = paths.hops("walls", family)[at];
        rest(refused);
        let run = traceroute(&paths, &["-q", "1"], target);
        let last = run.hops.last().expect("a hop");
        assert_eq!(last.ttl, refused.ttl, "{run:?}");
        assert_eq!(last.hosts(), [by].into(), "{run:?}");
        assert_eq!(last.annotations(), [refused.annotation].into(), "{run:?}");
        rest(refused);
        let run = ping(&paths, &["-c", "1", "-W", "1"], target);
        let said: Vec<_> = run.refusals.iter().map(|r| (r.from, &*r.why)).collect();
        assert_eq!(said, [(by, refused.words)], "{target}");
        assert_eq!((run.summary.received, run.summary.errors), (0, 1));
    }
    // Nobody has this address: said by our own kernel, which asked in vain.
    let (own, nobody) = (address("10.7.1.1"), address("10.7.1.99"));
    let run = ping(&paths, &["-c", "1", "-W", "5"], nobody);
    let said: Vec<_> = run.refusals.iter().map(|r| (r.from, &*r.why)).collect();
    assert_eq!(said, [(own, "Destination Host Unreachable")]);
    // fping names the wall, too.
    let words = ["fping", "-C", "3", "-p", "100", "-q", "10.7.110.1"];
    let said = paths.run(User::Root, &words);
    assert_eq!(targets(&said.err.clone()).map(|all| all.len()), Ok(1));
    let loud: Vec<_> = words.into_iter().filter(|word| *word != "-q").collect();
    let said = paths.run(User::Root, &loud);
    let wall = paths.hops("walls", Family::V4)[1];
    let expected = (wall, "Host Unreachable".to_owned(), address("10.7.110.1"));
    assert_eq!(refusals(&said.err), Ok(vec![expected; 3]));
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn one_cable_takes_1300_octets() {
    let paths = Paths::start(&["narrow"]);
    in_both(|family| {
        let (hops, end) = (paths.hops("narrow", family), paths.end("narrow", family));
        let run = traceroute(&paths, &["--mtu"], end);
        assert_eq!(run.hosts(), each(&hops));
        let learnt = run.hops.iter().filter_map(|hop| {
            let mtu = hop.probes.iter().find_map(|probe| probe.mtu);
            Some((hop.ttl, mtu?))
        });
        assert!(learnt.eq([(1, 1500), (3, 1300)]), "{run:?}");
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
        let run = traceroute(&paths, &[], end);
        assert_eq!(run.hosts(), each(&hops));
        assert!(run.hops[0].round_trips().iter().any(|ms| *ms < 20.0));
        let run = ping(&paths, &["-c", "5", "-i", "0.2"], end);
        assert_eq!(run.summary.received, 5);
        assert!(run.round_trips().iter().all(|ms| *ms >= 20.0), "{run:?}");
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
        let run = ping(&paths, &["-c", "30", "-i", "0.1"], end);
        let lost: BTreeSet<_> = (1..=30).filter(|n| !run.answered().contains(n)).collect();
        assert_eq!(lost, Harm::ending(3, 30));
        assert_eq!(run.which(|r| r.duplicate), Harm::ending(5, 30));
        assert_eq!(run.which(|r| r.wrong), Harm::ending(9, 30));
        assert_eq!(
            run.which(|r| r.ms.is_some_and(|ms| ms >= 300.0)),
            Harm::ending(7, 30)
        );
        // It gives up after an interval, unless told otherwise.
        let words = ["fping", "-q", "-C", "20", "-p", "100", "-t", "1000"];
        let said = paths.run(User::Root, &[&words[..], &[&end.to_string()]].concat());
        let all = targets(&said.err).expect("fping");
        let lost = all[&end].iter().filter(|ms| ms.is_none()).count();
        assert_eq!(lost, 2, "{all:?}");
    });
}

/// One in five, of what goes to any hop behind the router that drops it.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn a_fifth_is_lost_on_the_way() {
    let paths = Paths::start(&["lossy"]);
    in_both(|family| {
        let end = paths.end("lossy", family).to_string();
        let words = ["mtr", "-n", "--json", "-c", "20", "-i", "0.1", &end];
        let hubs = report(&paths.run(User::Root, &words).out).expect("a report");
        let hosts: Vec<_> = hubs.iter().filter_map(|hub| hub.host).collect();
        assert_eq!(hosts, paths.hops("lossy", family));
        let loss: Vec<_> = hubs.iter().map(|hub| hub.loss).collect();
        assert_eq!(loss[..2], [0.0; 2], "{hubs:?}");
        let lossy = |loss: &f64| (10.0..=30.0).contains(loss);
        assert!(loss[2..].iter().all(lossy), "{hubs:?}");
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
        let all = targets(&paths.run(User::Root, &words).err).expect("fping");
        assert_eq!(
            all.keys().copied().collect::<BTreeSet<_>>().len(),
            hops.len()
        );
        assert!(all.values().flatten().all(Option::is_some), "{all:?}");
        let run = traceroute(&paths, &[], hops[1]);
        assert_eq!(run.hosts(), each(&hops[..2]));
    });
}

/// Ping believes that a request which it has yet to send came to nothing.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn one_tells_lies() {
    let paths = Paths::start(&["liar"]);
    in_both(|family| {
        let (hops, end) = (paths.hops("liar", family), paths.end("liar", family));
        let run = ping(&paths, &["-c", "1"], end);
        let mut lies = run.refusals.iter();
        let lie = lies.find(|lie| lie.seq != 1).expect("a lie");
        assert_eq!(lie.from, hops[1]);
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
