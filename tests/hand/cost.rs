//! What a fast ping costs, beside iputils'.

use std::time::Duration;

use magpie_tests::paths::{Paths, User};
use magpie_tests::tools::ours::pings;
use magpie_tests::tools::ping::Pinged;
use magpie_tests::tools::{Said, median};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// CPU time of what has ended since the last call.
fn spent(run: impl FnOnce() -> Said) -> (Said, Duration) {
    // `User` and `System` of children that were waited for: the lab's own
    // processes are not before it ends.
    let now = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("our own usage");
        let us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Duration::from_micros(u64::try_from(us).expect("time goes on"))
    };
    let before = now();
    let said = run();
    (said, now().saturating_sub(before))
}

/// None is lost. The times are told and not judged: they are the machine's.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn two_thousand_to_the_loopback() {
    let paths = Paths::start(&["slow"]);
    paths.magpie();
    for target in ["127.0.0.1", "::1"] {
        let words = ["ping", "-n", "-q", "-c", "2000", "-i", "0", target];
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            let (said, time) = spent(|| paths.run(User::Root, &words));
            let run = Pinged::parse(&said.out).unwrap_or_else(|e| panic!("{e} {said:?}"));
            assert_eq!((run.summary.sent, run.summary.received), (2000, 2000));
            theirs.push(time.as_secs_f64() * 1e3);
            let (said, time) = spent(|| paths.run_magpie(User::Root, &words));
            assert_eq!(said.code, Some(0), "{said:?}");
            let counts = "2000 packets transmitted, 2000 received, 0% packet loss";
            assert!(said.out.contains(counts), "{said:?}");
            ours.push(time.as_secs_f64() * 1e3);
        }
        let json = [&words[..], &["--format", "json"]].concat();
        let said = paths.run_magpie(User::Root, &json);
        let all = pings(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
        let (run, _) = all.values().next().expect("one target");
        assert_eq!((run.summary.sent, run.summary.received), (2000, 2000));
        let middle = |all: &[f64]| median(all).expect("five runs");
        println!(
            "ping -q -c 2000 -i 0 {target}, CPU time: iputils {:.1} ms {theirs:.1?}, \
             magpie {:.1} ms {ours:.1?}",
            middle(&theirs),
            middle(&ours)
        );
    }
}
