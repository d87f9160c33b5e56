//! `magpie ping` beside ping and fping.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use magpie_tests::paths::{FAMILIES, Family, Paths, User, in_both};
use magpie_tests::tools::ours::{Remarks, pings};
use magpie_tests::tools::ping::{Pinged, Summary};
use magpie_tests::tools::{Said, fping, median};

use crate::reference::{Harm, REFUSED, rest};

/// iputils and ours at the same time, with the same words.
struct Both {
    theirs: Pinged,
    ours: Pinged,
    remarks: Remarks,
    codes: [Option<i32>; 2],
}

fn text(said: &Said) -> String {
    format!("{}{}", said.out, said.err)
}

fn parse(said: &Said) -> Pinged {
    Pinged::parse(&text(said)).unwrap_or_else(|e| panic!("{e} in {said:?}"))
}

fn ours(said: &Said, target: IpAddr) -> (Pinged, Remarks) {
    let mut all = pings(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
    let of = all.remove(&target);
    of.unwrap_or_else(|| panic!("nothing of {target} in {said:?}"))
}

impl Both {
    /// Ours tells it as JSON here, which says the most.
    fn run(paths: &Paths, user: User, options: &[&str], target: IpAddr) -> Self {
        let (name, magpie) = (target.to_string(), paths.magpie());
        let magpie = magpie.to_str().expect("a path of ours");
        let their = [&["ping", "-n"], options, &[&name]].concat();
        let our = [
            &[magpie, "ping", "-n", "--format", "json"],
            options,
            &[&name],
        ]
        .concat();
        let said = paths.together(user, &[&their, &our]);
        let (remarked, remarks) = ours(&said[1], target);
        Self {
            theirs: parse(&said[0]),
            ours: remarked,
            remarks,
            codes: [said[0].code, said[1].code],
        }
    }

    /// All but the times.
    fn agree(&self) {
        let Self { theirs, ours, .. } = self;
        let order = |run: &Pinged| -> Vec<_> {
            let of = run.replies.iter();
            of.map(|r| (r.seq, r.from, r.ttl, r.duplicate, r.wrong))
                .collect()
        };
        assert_eq!(order(ours), order(theirs), "answers");
        assert_eq!(ours.refusals, theirs.refusals, "errors");
        assert_eq!(counts(&ours.summary), counts(&theirs.summary), "sums");
        let loss = (ours.summary.loss - theirs.summary.loss).abs();
        assert!(
            loss < 0.001,
            "{} {}",
            ours.summary.loss,
            theirs.summary.loss
        );
        assert_eq!(self.codes[1], self.codes[0], "exit codes");
    }
}

fn counts(summary: &Summary) -> [u32; 5] {
    [
        summary.sent,
        summary.received,
        summary.duplicates,
        summary.corrupted,
        summary.errors,
    ]
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn answers_are_those_of_ping() {
    let paths = Paths::start(&["chain", "slow"]);
    in_both(|family| {
        for path in ["chain", "slow"] {
            let end = paths.end(path, family);
            let both = Both::run(&paths, User::Root, &["-c", "5", "-i", "0.2"], end);
            both.agree();
            assert_eq!(both.ours.summary.received, 5);
            // People get the same lines.
            let name = end.to_string();
            let words = ["ping", "-n", "-c", "3", "-i", "0.2", &name];
            let shown = parse_ours(&paths.run_magpie(User::Root, &words));
            let again = Both::run(&paths, User::Root, &["-c", "3", "-i", "0.2"], end);
            assert_eq!(shown.answered(), again.theirs.answered());
            assert_eq!(counts(&shown.summary), counts(&again.theirs.summary));
        }
    });
}

/// Ours for people: iputils' lines, and one of our own behind them.
fn parse_ours(said: &Said) -> Pinged {
    let own = |line: &&str| !line.starts_with("median/") && !line.starts_with("longest ");
    let lines: Vec<_> = said.out.lines().filter(own).collect();
    Pinged::parse(&lines.join("\n")).unwrap_or_else(|e| panic!("{e} in {said:?}"))
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn loss_doubles_changes_and_reordering_are_told_apart() {
    let paths = Paths::start(&["harm"]);
    in_both(|family| {
        let end = paths.end("harm", family);
        let options = ["-c", "20", "-i", "0.2"];
        let both = Both::run(&paths, User::Root, &options, end);
        both.agree();
        let all: BTreeSet<u32> = (1..=20).collect();
        let lost: BTreeSet<_> = &all - &both.ours.answered();
        assert_eq!(lost, Harm::ending(3, 20));
        let overtaken: BTreeSet<_> = both.remarks.reordered.iter().copied().collect();
        assert_eq!(overtaken, Harm::ending(7, 20));
        assert_eq!(both.remarks.late, [0; 0], "none is later than a second");
        // Late and lost are two things: with less patience the same answers come.
        let options = [&options[..], &["-W", "0.25"]].concat();
        let impatient = Both::run(&paths, User::Root, &options, end);
        let late: BTreeSet<_> = impatient.remarks.late.iter().copied().collect();
        assert_eq!(late, Harm::ending(7, 20));
        assert_eq!(impatient.ours.answered(), both.ours.answered());
        // Of fping's, only what is lost has a number.
        let name = end.to_string();
        let words = ["fping", "-q", "-C", "20", "-p", "200", "-t", "1000", &name];
        let all = fping::targets(&paths.run(User::Root, &words).err).expect("fping");
        let missing = all[&end].iter().zip(0..).filter(|(ms, _)| ms.is_none());
        let missing: BTreeSet<u32> = missing.map(|(_, seq)| seq).collect();
        assert_eq!(missing, lost);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn refusals_are_worded_as_by_ping() {
    let paths = Paths::start(&["walls"]);
    for refused in REFUSED {
        let target: IpAddr = refused.target.parse().expect("an address");
        // Both at the same time are two errors.
        rest(refused);
        rest(refused);
        let options = ["-c", "1", "-W", "1"];
        let mut both = Both::run(&paths, User::Root, &options, target);
        assert_eq!(both.ours.refusals.len(), 1, "{}", refused.target);
        assert_eq!(both.theirs.refusals[0].why, refused.words);
        // What ping only numbers, ours names (RFC 4443 section 3.1).
        for (unknown, named) in [
            (
                "Unknown code 5",
                "Source address failed ingress/egress policy",
            ),
            ("Unknown code 6", "Reject route to destination"),
        ] {
            let their = &mut both.theirs.refusals[0].why;
            *their = their.replace(unknown, named);
        }
        both.agree();
    }
    // Nobody has this address, says our own kernel.
    let nobody: IpAddr = "10.7.1.99".parse().expect("an address");
    Both::run(&paths, User::Root, &["-c", "1", "-W", "5"], nobody).agree();
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn what_cannot_be_sent_ends_as_in_ping() {
    let paths = Paths::start(&["slow"]);
    for target in ["203.0.113.1", "2001:db8:ffff::1"] {
        let words = ["ping", "-n", "-c", "1", target];
        let theirs = paths.run(User::Root, &words);
        let ours = paths.run_magpie(User::Root, &words);
        assert_eq!(theirs.code, Some(2), "{theirs:?}");
        assert_eq!(ours.code, theirs.code, "{ours:?}");
        for said in [&theirs, &ours] {
            assert!(said.err.contains("Network is unreachable"), "{said:?}");
        }
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn a_small_mtu_is_named_as_by_ping() {
    let paths = Paths::start(&["narrow"]);
    for family in FAMILIES {
        let end = paths.end("narrow", family);
        let options = ["-c", "3", "-i", "0.2", "-M", "do", "-s", "1400"];
        // The first is said by the router; then the kernel knows it, for both.
        let name = end.to_string();
        let words = [&["ping", "-n"], &options[..], &[&name]].concat();
        let theirs = parse(&paths.run(User::Root, &words));
        paths.forget_mtu();
        let json = ["--format", "json"];
        let said = paths.run_magpie(User::Root, &[&words[..], &json].concat());
        let (ours, _) = ours(&said, end);
        assert_eq!(ours.refusals, theirs.refusals);
        assert_eq!(ours.refusals.len(), 1, "{ours:?}");
        assert_eq!(ours.local.len(), theirs.local.len());
        assert!(
            ours.local.iter().all(|why| why.contains("1300")),
            "{ours:?}"
        );
        assert_eq!(counts(&ours.summary), counts(&theirs.summary));
        paths.forget_mtu();
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn several_hosts_are_those_of_fping() {
    let paths = Paths::start(&["chain", "slow", "walls"]);
    let targets = [
        paths.end("chain", Family::V4),
        paths.end("chain", Family::V6),
        paths.end("slow", Family::V4),
        "10.7.110.1".parse().expect("an address"),
    ];
    let names: Vec<_> = targets.iter().map(IpAddr::to_string).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let words = ["fping", "-C", "5", "-p", "200", "-t", "1000"];
    let theirs = paths.run(User::Root, &[&words[..], &names].concat());
    let words = ["ping", "-n", "-c", "5", "-i", "0.2", "--format", "json"];
    let ours = paths.run_magpie(User::Root, &[&words[..], &names].concat());
    assert_eq!(ours.code, theirs.code, "one does not answer: {ours:?}");
    let their = fping::targets(&theirs.err).expect("fping");
    let our = pings(&ours.out).unwrap_or_else(|e| panic!("{e} in {ours:?}"));
    let received = |answered: usize| u32::try_from(answered).expect("five");
    let their_counts: BTreeMap<_, _> = their
        .iter()
        .map(|(target, times)| (*target, received(times.iter().flatten().count())))
        .collect();
    let our_counts: BTreeMap<_, _> = our
        .iter()
        .map(|(target, (run, _))| (*target, run.summary.received))
        .collect();
    assert_eq!(our_counts, their_counts);
    let refused = fping::refusals(&theirs.err).expect("fping");
    let (wall, _) = &our[&targets[3]];
    assert_eq!(wall.refusals.len(), refused.len());
}

/// So many times two pings of iputils, and one of ours between them.
const ROUNDS: usize = 3;

/// The value below which so many of a hundred of them are.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) * percent / 100]
}

/// Our median differs from iputils' by no more than what its own round trips
/// differ by, the highest and lowest twentieths left out. All run at the same
/// time, so that the machine is the same for all, and at paces of their own, so
/// that none always comes after another. By how much medians of iputils differ
/// among themselves is told beside it.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn round_trips_are_those_of_ping() {
    let paths = Paths::start(&["chain", "slow"]);
    let magpie = paths.magpie().to_str().expect("a path of ours");
    for path in ["chain", "slow"] {
        for family in FAMILIES {
            let end = paths.end(path, family);
            let name = end.to_string();
            let options = ["-n", "-c", "10", &name];
            let json = ["--format", "json"];
            let their = [&["ping", "-i", "0.2"], &options[..]].concat();
            let our = [&[magpie, "ping", "-i", "0.22"], &json[..], &options].concat();
            let again = [&["ping", "-i", "0.25"], &options[..]].concat();
            let (mut theirs, mut medians) = (Vec::new(), Vec::new());
            let (mut ours_, mut our_medians) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let said = paths.together(User::Root, &[&their, &our, &again]);
                for reference in [&said[0], &said[2]] {
                    let trips = parse(reference).round_trips();
                    medians.extend(median(&trips));
                    theirs.extend(trips);
                }
                let trips = ours(&said[1], end).0.round_trips();
                our_medians.extend(median(&trips));
                ours_.extend(trips);
            }
            let middle = |all: &[f64]| median(all).expect("answers");
            let spread = percentile(&medians, 100) - percentile(&medians, 0);
            let (least, most) = (percentile(&theirs, 5), percentile(&theirs, 95));
            let off = middle(&ours_) - middle(&theirs);
            println!(
                "{path} {family:?}: medians of ping {medians:.3?} ms, of magpie {our_medians:.3?} ms; \
                 {off:+.3} apart in all, those of ping {spread:.3} among themselves; nine in ten of \
                 ping's are {least:.3} to {most:.3} ms"
            );
            assert!(off.abs() <= most - least, "see above");
        }
    }
}
