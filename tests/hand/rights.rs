//! Without root, and with nothing granted.

use magpie_tests::paths::{Paths, User, in_both};
use magpie_tests::tools::ours::pings;
use magpie_tests::tools::ping::Pinged;

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
