//! Without root, and with nothing granted.

use magpie_tests::paths::{Paths, User, in_both};

use crate::steady::beside;
use crate::{ping, trace};

/// Nobody's groups, and everybody's.
const ALL: (u32, u32) = (0, 65_535);
const NONE: (u32, u32) = (1, 0);

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn ping_needs_no_root_where_groups_may_ping() {
    let paths = Paths::start(&["slow"]);
    paths.let_ping(ALL.0, ALL.1);
    in_both(|family| {
        let end = paths.end("slow", family);
        let options = ["-c", "3", "-i", "0.5"];
        beside(
            "nobody",
            |theirs: &ping::Fields| theirs.has_all(3),
            || ping::together(&paths, [User::Nobody; 2], &options, end),
        );
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
        // The classic asks for root where it is ICMP.
        let look = || trace::look(paths, User::Nobody, method, paths.end(path, family), || ());
        beside(
            &format!("{path} {method:?}"),
            |hops| trace::is_whole(hops),
            look,
        );
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
