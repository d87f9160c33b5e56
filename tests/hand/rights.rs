//! Without root, and with nothing granted.

use std::net::IpAddr;

use magpie_tests::paths::{Paths, User, in_both};
use magpie_tests::tools::ours::{pings, trace};
use magpie_tests::tools::ping::Pinged;
use magpie_tests::tools::traceroute::Traced;

use crate::reference::PATIENT;

/// Nobody's groups, and everybody's.
const ALL: (u32, u32) = (0, 65_535);
const NONE: (u32, u32) = (1, 0);

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn ping_needs_no_root_where_groups_may_ping() {
    let paths = Paths::start(&["slow"]);
    paths.let_ping(ALL.0, ALL.1);
    in_both(|family| {
        let end = paths.end("slow", family).to_string();
        let words = ["ping", "-n", "-c", "3", "-i", "0.2", &end];
        let theirs = paths.run(User::Nobody, &words);
        let theirs = Pinged::parse(&theirs.out).expect("a run of ping");
        let said = paths.run_magpie(User::Nobody, &[&words[..], &["--format", "json"]].concat());
        let all = pings(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
        let (ours, _) = all.values().next().expect("one target");
        assert_eq!(ours.answered(), theirs.answered());
        let ttl = |run: &Pinged| {
            run.replies
                .iter()
                .map(|r| (r.from, r.ttl))
                .collect::<Vec<_>>()
        };
        assert_eq!(ttl(ours), ttl(&theirs));
        assert_eq!(ours.summary.received, 3);
        assert_eq!(said.code, Some(0));
    });
}

/// Whoever may not, is told what to do.
fn is_told(said: &magpie_tests::tools::Said, with_groups: bool) {
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("setcap cap_net_raw+ep "), "{said:?}");
    if with_groups {
        let sysctl = said.err.contains("net.ipv4.ping_group_range");
        assert!(sysctl, "{said:?}");
    }
    assert!(!said.err.contains("panicked"), "{said:?}");
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn with_nothing_granted_ping_says_what_to_grant() {
    let paths = Paths::start(&["slow"]);
    paths.let_ping(NONE.0, NONE.1);
    in_both(|family| {
        let end = paths.end("slow", family).to_string();
        let said = paths.run_magpie(User::Nobody, &["ping", "-n", "-c", "1", &end]);
        is_told(&said, true);
        // Root needs no group.
        let said = paths.run_magpie(User::Root, &["ping", "-n", "-c", "1", &end]);
        assert_eq!(said.code, Some(0), "{said:?}");
    });
}

fn traces(paths: &Paths, path: &str, method: &[&str]) {
    in_both(|family| {
        let end: IpAddr = paths.end(path, family);
        let end = end.to_string();
        // The classic asks for root where it is ICMP.
        let words = [&["traceroute"], &PATIENT[..], method, &[&end]].concat();
        let theirs = paths.run(User::Root, &words);
        let theirs = Traced::parse(&theirs.out).expect("a route");
        let json = [&words[..], &["--format", "json"]].concat();
        let said = paths.run_magpie(User::Nobody, &json);
        let (ours, _) = trace(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
        assert_eq!(ours.hosts(), theirs.hosts(), "{method:?}");
        for (our, their) in ours.hops.iter().zip(&theirs.hops) {
            assert_eq!(our.annotations(), their.annotations());
            assert_eq!(our.labels(), their.labels(), "{method:?}");
        }
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn traceroute_needs_no_root() {
    let paths = Paths::start(&["slow", "labels", "terse"]);
    paths.let_ping(NONE.0, NONE.1);
    for path in ["slow", "labels", "terse"] {
        traces(&paths, path, &["-e"]);
    }
    // ICMP where groups may ping.
    paths.let_ping(ALL.0, ALL.1);
    for path in ["slow", "labels"] {
        traces(&paths, path, &["-e", "-I"]);
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn with_nothing_granted_traceroute_says_what_to_grant() {
    let paths = Paths::start(&["slow"]);
    paths.let_ping(NONE.0, NONE.1);
    in_both(|family| {
        let end = paths.end("slow", family).to_string();
        let said = paths.run_magpie(User::Nobody, &["traceroute", "-n", "-T", &end]);
        is_told(&said, false);
        let said = paths.run_magpie(User::Nobody, &["traceroute", "-n", "-I", &end]);
        is_told(&said, true);
    });
}
