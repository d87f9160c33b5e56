//! `magpie ping` beside ping and fping.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::thread;

use magpie_tests::paths::{FAMILIES, Family, Paths, User, in_both};
use magpie_tests::tools::ours::{Remarks, pings};
use magpie_tests::tools::ping::{Pinged, Refusal, Summary};
use magpie_tests::tools::{Said, fping};

use crate::reference::Harm;
use crate::refused::{REFUSED, rest};
use crate::steady::{Look, beside, seen};

/// All that a run says but its times.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fields {
    /// Number, host, TTL, duplicate, wrong payload, as they came.
    answers: Vec<(u32, IpAddr, u8, bool, bool)>,
    refusals: Vec<Refusal>,
    counts: [u32; 5],
    /// Thousandths of a percent: iputils shows six digits.
    loss: u64,
    code: Option<i32>,
}

impl Fields {
    fn new(run: &Pinged, code: Option<i32>) -> Self {
        let answers = run.replies.iter();
        let answers = answers.map(|r| (r.seq, r.from, r.ttl, r.duplicate, r.wrong));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 100,000
        let loss = (run.summary.loss * 1e3).round() as u64;
        Self {
            answers: answers.collect(),
            refusals: run.refusals.clone(),
            counts: counts(&run.summary),
            loss,
            code,
        }
    }

    /// Each of so many is answered once, in their order.
    pub(crate) fn has_all(&self, count: u32) -> bool {
        let numbers = self.answers.iter().map(|answer| answer.0);
        numbers.eq(1..=count) && self.counts == [count, count, 0, 0, 0]
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

fn text(said: &Said) -> String {
    format!("{}{}", said.out, said.err)
}

pub(crate) fn parse(said: &Said) -> Pinged {
    Pinged::parse(&text(said)).unwrap_or_else(|e| panic!("{e} in {said:?}"))
}

/// Ours for people: iputils' lines, and one of our own behind them.
fn parse_ours(said: &Said) -> Pinged {
    let own = |line: &&str| !line.starts_with("median/") && !line.starts_with("longest ");
    let lines: Vec<_> = said.out.lines().filter(own).collect();
    Pinged::parse(&lines.join("\n")).unwrap_or_else(|e| panic!("{e} in {said:?}"))
}

pub(crate) fn ours(said: &Said, target: IpAddr) -> (Pinged, Remarks) {
    let mut all = pings(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
    let of = all.remove(&target);
    of.unwrap_or_else(|| panic!("nothing of {target} in {said:?}"))
}

/// Two of iputils and two of ours, one as JSON and one for people, at the same
/// time and with the same words; what JSON says beside.
pub(crate) fn together(
    paths: &Paths,
    users: [User; 2],
    options: &[&str],
    target: IpAddr,
) -> Look<Fields, (Pinged, Remarks)> {
    let (name, magpie) = (target.to_string(), paths.magpie());
    let magpie = magpie.to_str().expect("a path of ours");
    let their = [&["ping", "-n"], options, &[&name]].concat();
    let our = [&[magpie, "ping", "-n"], options, &[&name]].concat();
    let json = [&our[..], &["--format", "json"]].concat();
    let [of_theirs, of_ours] = users;
    let said = thread::scope(|scope| {
        let theirs = scope.spawn(|| paths.together(of_theirs, &[&their, &their]));
        let ours = paths.together(of_ours, &[&json, &our]);
        [theirs.join().expect("programs that ran"), ours]
    });
    let [theirs, our] = &said;
    let fields = |said: &Said| Fields::new(&parse(said), said.code);
    let more = ours(&our[0], target);
    Look {
        theirs: theirs.iter().map(fields).collect(),
        ours: vec![
            Fields::new(&more.0, our[0].code),
            Fields::new(&parse_ours(&our[1]), our[1].code),
        ],
        more,
    }
}

const ROOT: [User; 2] = [User::Root; 2];

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn answers_are_those_of_ping() {
    let paths = Paths::start(&["chain", "slow"]);
    in_both(|family| {
        for path in ["chain", "slow"] {
            let end = paths.end(path, family);
            // The last is waited for as long as an interval lasts.
            let options = ["-c", "5", "-i", "0.5"];
            let (run, _) = beside(
                path,
                |theirs: &Fields| theirs.has_all(5),
                || together(&paths, ROOT, &options, end),
            );
            assert_eq!(run.summary.received, 5);
        }
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn loss_doubles_changes_and_reordering_are_told_apart() {
    let paths = Paths::start(&["harm"]);
    in_both(|family| {
        let end = paths.end("harm", family);
        let drawn = |theirs: &Fields| {
            let numbers: Vec<_> = theirs.answers.iter().map(|answer| answer.0).collect();
            numbers == [1, 2, 4, 5, 5, 6, 8, 7, 9, 10]
        };
        // One and a half of what the seventh is late.
        let options = ["-c", "10", "-i", "0.4"];
        let (run, remarks) = beside("harm", drawn, || together(&paths, ROOT, &options, end));
        assert_eq!(remarks.reordered, [7]);
        assert_eq!(remarks.late, [0; 0], "none is later than a second");
        // Late and lost are two things: with less patience the same answers come.
        let options = [&options[..], &["-W", "0.4"]].concat();
        let (impatient, remarks) =
            beside("in haste", drawn, || together(&paths, ROOT, &options, end));
        assert!(remarks.late.contains(&7), "{remarks:?}");
        assert_eq!(impatient.answered(), run.answered());
        // Of fping's, only what is lost has a number.
        let name = end.to_string();
        let words = ["fping", "-q", "-C", "10", "-p", "400", "-t", "1000", &name];
        seen("by fping", &Harm::ending(3, 10), || {
            // Its numbers begin with 0.
            let said = paths.run(User::Root, &words);
            let all = fping::targets(&said.err).unwrap_or_else(|e| panic!("{e} in {said:?}"));
            let missing = all[&end].iter().zip(0..).filter(|(ms, _)| ms.is_none());
            missing.map(|(_, seq)| seq).collect::<BTreeSet<u32>>()
        });
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn refusals_are_worded_as_by_ping() {
    let paths = Paths::start(&["walls"]);
    for refused in REFUSED {
        let target: IpAddr = refused.target.parse().expect("an address");
        let words = refused.words();
        let options = ["-c", "1", "-W", "1"];
        let look = || {
            // All at the same time are four errors.
            for _ in 0..4 {
                rest(refused);
            }
            together(&paths, ROOT, &options, target)
        };
        let drawn = |theirs: &Fields| {
            let mut said = theirs.refusals.iter().map(|refusal| &*refusal.why);
            said.next() == Some(&*words) && said.next().is_none()
        };
        // What ping only numbers, ours names (RFC 4443 section 3.1).
        let named = |mut look: Look<Fields, _>| {
            for refusal in look.theirs.iter_mut().flat_map(|run| &mut run.refusals) {
                refusal.why = refusal
                    .why
                    .replace(
                        "Unknown code 5",
                        "Source address failed ingress/egress policy",
                    )
                    .replace("Unknown code 6", "Reject route to destination");
            }
            look
        };
        let is_named = words.contains("Unknown code");
        beside(
            refused.target,
            |theirs| is_named || drawn(theirs),
            || named(look()),
        );
    }
    // Nobody has this address, says our own kernel.
    let nobody: IpAddr = "10.7.1.99".parse().expect("an address");
    beside(
        "nobody",
        |theirs: &Fields| theirs.refusals.len() == 1,
        || together(&paths, ROOT, &["-c", "1", "-W", "5"], nobody),
    );
}

/// One after the other, as fast as it goes; what it costs is told by
/// `cargo xtask bench host`.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn of_two_thousand_to_the_loopback_none_is_lost() {
    let paths = Paths::start(&["slow"]);
    for target in ["127.0.0.1", "::1"] {
        let words = ["ping", "-n", "-q", "-c", "2000", "-i", "0", target];
        let said = paths.run_magpie(User::Root, &words);
        assert_eq!(counts(&parse_ours(&said).summary), [2000, 2000, 0, 0, 0]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let json = [&words[..], &["--format", "json"]].concat();
        let target = target.parse().expect("an address");
        let (run, _) = ours(&paths.run_magpie(User::Root, &json), target);
        assert_eq!(counts(&run.summary), [2000, 2000, 0, 0, 0]);
    }
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
        // The first is said by the router; then the kernel knows it, for both.
        let name = end.to_string();
        let options = ["-c", "3", "-i", "0.5", "-M", "do", "-s", "1400"];
        let words = [&["ping", "-n"], &options[..], &[&name]].concat();
        let json = [&words[..], &["--format", "json"]].concat();
        let fields = |run: &Pinged, said: &Said| (Fields::new(run, said.code), run.local.len());
        let theirs = || {
            paths.forget_mtu();
            let said = paths.run(User::Root, &words);
            fields(&parse(&said), &said)
        };
        let look = || {
            let before = theirs();
            paths.forget_mtu();
            let said = paths.run_magpie(User::Root, &json);
            let (run, _) = ours(&said, end);
            Look {
                ours: vec![fields(&run, &said)],
                theirs: vec![before, theirs()],
                more: run,
            }
        };
        let run = beside("narrow", |(run, _)| run.refusals.len() == 1, look);
        let named = run.local.iter().all(|why| why.contains("1300"));
        assert!(named, "{run:?}");
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
    let received = |answered: usize| u32::try_from(answered).expect("five");
    let theirs = || {
        let words = ["fping", "-C", "5", "-p", "500", "-t", "1000"];
        let said = paths.run(User::Root, &[&words[..], &names].concat());
        let answered = fping::targets(&said.err).expect("fping").into_iter();
        let answered: BTreeMap<_, _> = answered
            .map(|(target, times)| (target, received(times.iter().flatten().count())))
            .collect();
        let refused = fping::refusals(&said.err).expect("fping");
        (answered, refused.len(), said.code)
    };
    let ours = || {
        let words = ["ping", "-n", "-c", "5", "-i", "0.5", "--format", "json"];
        let said = paths.run_magpie(User::Root, &[&words[..], &names].concat());
        let all = pings(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"));
        let (wall, _) = &all[&targets[3]];
        let answered = all.iter();
        let answered = answered.map(|(target, (run, _))| (*target, run.summary.received));
        (answered.collect(), wall.refusals.len(), said.code)
    };
    let drawn = |(answered, refused, _): &(BTreeMap<IpAddr, u32>, usize, _)| {
        *refused == 5 && targets.iter().map(|t| answered[t]).eq([5, 5, 5, 0])
    };
    beside("several", drawn, || Look {
        theirs: vec![theirs()],
        ours: vec![ours()],
        more: (),
    });
}
