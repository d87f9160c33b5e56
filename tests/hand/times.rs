//! How long things take, beside ping and traceroute in the same seconds, with the
//! machine alone.

use std::thread;
use std::time::Instant;

use magpie_tests::paths::{FAMILIES, Family, Paths, User, in_both};
use magpie_tests::tools::median;
use magpie_tests::tools::ping::Pinged;
use magpie_tests::tools::traceroute::Traced;

use crate::ping::{ours, parse};

/// Two silent hops: nobody waits out all of their time. Times are told and
/// not judged, beyond that.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn two_silent_hops_cost_no_patience() {
    let paths = Paths::alone(&["hushed"]);
    let magpie = paths.magpie();
    let magpie = magpie.to_str().expect("a path of ours");
    for family in FAMILIES {
        let end = paths.end("hushed", family);
        let name = end.to_string();
        let options = ["-n", "-N", "32", "-m", "40", &name];
        let their = [&["traceroute"], &options[..]].concat();
        let our = [&[magpie, "traceroute"], &options[..]].concat();
        let (mut theirs, mut ours_) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            for (words, times) in [(&their, &mut theirs), (&our, &mut ours_)] {
                let began = Instant::now();
                let said = paths.run(User::Root, words);
                let took = began.elapsed().as_secs_f64() * 1e3;
                let run = Traced::parse(&said.out).unwrap_or_else(|e| panic!("{e} {said:?}"));
                // In time for what it waits for, some may be missing.
                let mut hops = run.hops.iter().zip(paths.hops("hushed", family));
                assert!(hops.all(|(hop, host)| hop.hosts().iter().all(|h| *h == host)));
                let silent = |ttl: usize| run.hops[ttl - 1].hosts().is_empty();
                assert!(silent(9) && silent(20), "{run:?}");
                // On a busy machine even all of the end's.
                if run
                    .hops
                    .last()
                    .is_some_and(|hop| hop.hosts().contains(&end))
                {
                    times.push(took);
                } else {
                    println!("without its end: {words:?} {said:?}");
                }
            }
        }
        println!(
            "30 hops, two of them silent, {family:?}: traceroute -N 32 {:.0?} ms {theirs:.0?}, \
             magpie {:.0?} ms {ours_:.0?}",
            median(&theirs),
            median(&ours_)
        );
        // A hop that is waited out takes five seconds.
        assert!(median(&ours_).is_some_and(|ms| ms < 5_000.0), "{ours_:?}");
    }
}

/// So many times two pings of iputils, and one of ours between them.
const ROUNDS: usize = 3;
/// So often all of it is done, each time with what came before.
const TIMES: usize = 3;
/// What cannot be held: iputils reads its clock before it calls the kernel, ours
/// has the kernel's stamp, and iputils shows three digits; milliseconds.
const FINEST: f64 = 0.1;

/// The value below which so many of a hundred of them are.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) * percent / 100]
}

/// Round trips, and the median of each run.
#[derive(Default)]
struct Trips {
    all: Vec<f64>,
    medians: Vec<f64>,
}

impl Trips {
    fn add(&mut self, run: &Pinged) {
        let trips = run.round_trips();
        self.medians.extend(median(&trips));
        self.all.extend(trips);
    }

    fn median(&self) -> f64 {
        median(&self.all).expect("answers")
    }
}

/// Our median differs from iputils' by no more than what its own round trips
/// differ by, the highest and lowest twentieths left out. All run at the same
/// time, so that the machine is the same for all, and at paces of their own, so
/// that none always comes after another. By how much medians of iputils differ
/// among themselves is told beside it.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn round_trips_are_those_of_ping() {
    let paths = Paths::alone(&["chain", "slow"]);
    in_both(|family| {
        thread::scope(|scope| {
            for path in ["chain", "slow"] {
                let paths = &paths;
                scope.spawn(move || round_trips(paths, path, family));
            }
        });
    });
}

fn round_trips(paths: &Paths, path: &str, family: Family) {
    let magpie = paths.magpie().to_str().expect("a path of ours");
    let end = paths.end(path, family);
    let name = end.to_string();
    let options = ["-n", "-c", "10", &name];
    let json = ["--format", "json"];
    let their = [&["ping", "-i", "0.2"], &options[..]].concat();
    let our = [&[magpie, "ping", "-i", "0.22"], &json[..], &options].concat();
    let again = [&["ping", "-i", "0.25"], &options[..]].concat();
    let (mut theirs, mut ours_) = (Trips::default(), Trips::default());
    for time in 1..=TIMES {
        for _ in 0..ROUNDS {
            let said = paths.together(User::Root, &[&their, &our, &again]);
            theirs.add(&parse(&said[0]));
            theirs.add(&parse(&said[2]));
            ours_.add(&ours(&said[1], end).0);
        }
        let spread = percentile(&theirs.medians, 100) - percentile(&theirs.medians, 0);
        let (least, most) = (percentile(&theirs.all, 5), percentile(&theirs.all, 95));
        let off = ours_.median() - theirs.median();
        println!(
            "{path} {family:?}: medians of ping {:.3?} ms, of magpie {:.3?} ms; {off:+.3} apart in \
             all, those of ping {spread:.3} among themselves; nine in ten of ping's are {least:.3} \
             to {most:.3} ms",
            theirs.medians, ours_.medians
        );
        if off.abs() <= (most - least).max(FINEST) {
            return;
        }
        assert!(time < TIMES, "see above");
    }
}
