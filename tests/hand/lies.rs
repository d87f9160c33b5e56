//! A router that lies: errors about packets that nobody sent, replies to
//! others, octets that are too few. What is so is not iputils' word here, which
//! believes some of it, but what the path is.

use magpie_tests::paths::{Paths, User, in_both};
use magpie_tests::tools::ours::{pings, trace};

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
            let words = ["ping", "-n", "-c", "5", "-i", "0.2", "--format", "json"];
            let said = paths.run_magpie(User::Root, &[&words[..], &[&name]].concat());
            let all = pings(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
            let (run, remarks) = &all[&end];
            let answers: Vec<_> = run.replies.iter().map(|r| (r.seq, r.from)).collect();
            let truth: Vec<_> = (1..=5).map(|seq| (seq, end)).collect();
            assert_eq!(answers, truth);
            assert_eq!((&run.refusals[..], &run.local[..]), (&[][..], &[][..]));
            let sums = run.summary;
            assert_eq!((sums.sent, sums.received), (5, 5), "{sums:?}");
            assert_eq!((sums.duplicates, sums.corrupted, sums.errors), (0, 0, 0));
            // Three lies about each at least are of our own flow.
            let foreign = remarks.summary["foreign"].as_u64();
            assert!(foreign.is_some_and(|n| n >= 15), "{remarks:?}");
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
                let words = ["traceroute", "-n", "-w", "2", "--format", "json"];
                let name = end.to_string();
                let said = paths.run_magpie(User::Root, &[&words[..], method, &[&name]].concat());
                let (run, beside) = trace(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
                let truth: Vec<_> = hops.iter().map(|hop| [*hop].into()).collect();
                assert_eq!(run.hosts(), truth, "{method:?}");
                for hop in &run.hops {
                    assert_eq!(hop.round_trips().len(), 3, "{method:?} {run:?}");
                    assert!(hop.annotations().is_empty(), "{method:?} {run:?}");
                }
                assert_eq!(beside.summary["reached"], true, "{method:?}");
            }
        });
    }
}
