//! Destinations that cannot be reached, and how ping, traceroute and fping
//! word that.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use magpie_tests::paths::{Family, Paths, User};
use magpie_tests::tools::fping::{refusals, targets};
use magpie_tests::tools::ping::Pinged;

use crate::reference::{ping, traceroute};
use crate::steady::seen;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address of the lab")
}

/// Destinations beyond `walls`: who refuses them at which TTL, as traceroute
/// and ping word it. The gate's are the kernel's own, and of IPv4 it
/// makes no more than one a second after the first five.
pub(crate) struct Refused {
    pub(crate) target: &'static str,
    pub(crate) ttl: u8,
    pub(crate) annotation: &'static str,
    words: &'static str,
    pub(crate) by_kernel: bool,
}

impl Refused {
    /// ping's words. It begins those of IPv6 all alike.
    pub(crate) fn words(&self) -> String {
        if self.target.contains(':') {
            format!("Destination unreachable: {}", self.words)
        } else {
            self.words.to_owned()
        }
    }
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
    gate("2001:db8:7:101::1", "!X", "Administratively prohibited"),
    // Linux says "no route" of `unreachable`, too.
    gate("2001:db8:7:102::1", "!N", "No route"),
    gate("2001:db8:7:103::1", "!N", "No route"),
    wall("2001:db8:7:110::1", "!X", "Administratively prohibited"),
    wall("2001:db8:7:110::2", "!H", "Beyond scope of source address"),
    wall("2001:db8:7:110::3", "!H", "Address unreachable"),
    // RFC 4443 has two more, which ping does not know.
    wall("2001:db8:7:110::5", "!<5>", "Unknown code 5"),
    wall("2001:db8:7:110::6", "!<6>", "Unknown code 6"),
];

/// The kernel's limit for unreachable destinations, which IPv6 has not.
pub(crate) fn rest(refused: &Refused) {
    if refused.by_kernel && !refused.target.contains(':') {
        sleep(Duration::from_millis(1100));
    }
}

/// Who refused in which words, and how many answers and errors there were.
fn refusals_of(run: &Pinged) -> (Vec<(IpAddr, String)>, (u32, u32)) {
    let said = run.refusals.iter().map(|r| (r.from, r.why.clone()));
    (said.collect(), (run.summary.received, run.summary.errors))
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
        let annotation = [refused.annotation.to_owned()].into();
        let drawn = (refused.ttl, [by].into(), annotation);
        seen(refused.target, &drawn, || {
            rest(refused);
            let run = traceroute(&paths, &["-q", "1"], target);
            let last = run.hops.last().expect("a hop");
            let said = last.annotations().into_iter().map(str::to_owned);
            (last.ttl, last.hosts(), said.collect::<BTreeSet<_>>())
        });
        let drawn = (vec![(by, refused.words())], (0, 1));
        seen(refused.target, &drawn, || {
            rest(refused);
            refusals_of(&ping(&paths, &["-c", "1", "-W", "1"], target))
        });
    }
    // Nobody has this address: said by our own kernel, which asked in vain.
    let (own, nobody) = (address("10.7.1.1"), address("10.7.1.99"));
    let drawn = (
        vec![(own, "Destination Host Unreachable".to_owned())],
        (0, 1),
    );
    seen("nobody", &drawn, || {
        refusals_of(&ping(&paths, &["-c", "1", "-W", "5"], nobody))
    });
    // fping names the wall, too.
    let words = ["fping", "-C", "3", "-p", "100", "-q", "10.7.110.1"];
    let said = paths.run(User::Root, &words);
    assert_eq!(targets(&said.err.clone()).map(|all| all.len()), Ok(1));
    let loud: Vec<_> = words.into_iter().filter(|word| *word != "-q").collect();
    let wall = paths.hops("walls", Family::V4)[1];
    let expected = (wall, "Host Unreachable".to_owned(), address("10.7.110.1"));
    seen("by fping", &Ok(vec![expected; 3]), || {
        refusals(&paths.run(User::Root, &loud).err)
    });
}
