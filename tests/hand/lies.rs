//! A router that lies: errors about packets that nobody sent, replies to
//! others, octets that are too few. What is so is not iputils' word here, which
//! believes some of it, but what the path is.

use magpie_tests::paths::{Paths, User, in_both};
use magpie_tests::tools::ours::{pings, trace};

use crate::reference::PATIENT;
use crate::steady::seen;

/// Ping by its own sockets and by raw ones, which see everybody's packets.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn ping_believes_no_lie() {
    let paths = Paths::start(&["liar"]);
    for (from, to) in [(0, 0), (1, 0)] {
        paths.let_ping(from, to);
        in_both(|family| {
            let end = paths.end("liar", family);
            let name = end.to_string();
            let words = ["ping", "-n", "-c", "5", "-i", "0.5", "--format", "json"];
            let truth: Vec<_> = (1..=5).map(|seq| (seq, end)).collect();
            seen("its end", &truth, || {
                let said = paths.run_magpie(User::Root, &[&words[..], &[&name]].concat());
                let all = pings(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
                let (run, remarks) = &all[&end];
                // No lie, not once, however busy the machine is.
                assert!(run.replies.iter().all(|r| r.from == end), "{run:?}");
                assert_eq!((&run.refusals[..], &run.local[..]), (&[][..], &[][..]));
                let sums = run.summary;
                assert_eq!((sums.duplicates, sums.corrupted, sums.errors), (0, 0, 0));
                // Three lies about each at least are of our own flow.
                let foreign = remarks.summary["foreign"].as_u64();
                assert!(foreign.is_some_and(|n| n >= 15), "{remarks:?}");
                run.replies.iter().map(|r| (r.seq, r.from)).collect()
            });
        });
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn traceroute_believes_no_lie() {
    let paths = Paths::start(&["liar"]);
    for (from, to) in [(0, 0), (1, 0)] {
        paths.let_ping(from, to);
        in_both(|family| {
            let (hops, end) = (paths.hops("liar", family), paths.end("liar", family));
            for method in [&[][..], &["-I"], &["-T"]] {
                let words = [&["traceroute", "--format", "json"], &PATIENT[..]].concat();
                let name = end.to_string();
                let words = [&words, method, &[&*name]].concat();
                seen(&format!("{method:?}"), &[3; 4], || {
                    let said = paths.run_magpie(User::Root, &words);
                    let (run, of) = trace(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
                    // No lie, not once, however busy the machine is.
                    assert_eq!(run.hops.len(), 4, "{method:?} {run:?}");
                    for (hop, host) in run.hops.iter().zip(&hops) {
                        assert!(hop.hosts().iter().all(|from| from == host), "{run:?}");
                        assert!(hop.annotations().is_empty(), "{method:?} {run:?}");
                    }
                    assert_eq!(of.summary["reached"], true, "{method:?}");
                    let answers = run.hops.iter().map(|hop| hop.round_trips().len());
                    answers.collect::<Vec<_>>().try_into().unwrap_or_default()
                });
            }
        });
    }
}
