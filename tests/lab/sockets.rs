//! `magpie sockets` beside `ss` and `netstat`: the same sockets, in the same
//! moment, field by field.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use magpie_tests::program;

use crate::beside::{Anyones, at_one_moment, ip, magpie, network, says};
use crate::zoo::zoo;

/// What may be said: raw sockets are read from text where the kernel has no
/// diag for them, and in a container root may have fewer rights than others.
fn notes() -> &'static [&'static str] {
    let notes = &[
        "magpie: raw: the kernel's raw_diag does not answer",
        "magpie: -p: 1 process does not show what it has open",
    ];
    let is_whole_root = std::fs::read_link("/proc/1/fd/0").is_ok();
    notes.get(..2 - usize::from(is_whole_root)).expect("notes")
}

/// Words of each socket, what stands on its second line with them.
fn lines(text: &str) -> Vec<Vec<String>> {
    let mut lines: Vec<Vec<String>> = Vec::new();
    for line in text.lines() {
        let words = line.split_whitespace().map(str::to_owned);
        match lines.last_mut().filter(|_| line.starts_with(['\t', ' '])) {
            Some(last) => last.extend(words),
            None => lines.push(words.collect()),
        }
    }
    lines.retain(|words| !words.is_empty());
    lines
}

/// The kernel tells the other end's number alone, and ss has no more: we look
/// for its name, too.
fn without_peers_name(mut words: Vec<String>) -> Vec<String> {
    if words.first().is_some_and(|netid| netid.starts_with("u_")) {
        // Without a column of states everything stands one word earlier.
        let states = words
            .get(1)
            .is_some_and(|word| word.parse::<u32>().is_err());
        let peer = words.get_mut(5 + usize::from(states)).expect("a peer");
        "*".clone_into(peer);
    }
    words
}

fn ss(words: &[&str]) -> Vec<Vec<String>> {
    let words = [&["-H"], words].concat();
    let mut found = lines(&says("ss", &words));
    found.sort();
    found
}

fn ours(words: &[&str]) -> Vec<Vec<String>> {
    let words = [&["sockets", "-H"], words].concat();
    let mut found: Vec<_> = lines(&magpie(&words, notes()))
        .into_iter()
        .map(without_peers_name)
        .collect();
    found.sort();
    found
}

/// The same lines; how many there were.
fn the_same(words: &[&str]) -> usize {
    let (want, got) = at_one_moment(|| ss(words), || ours(words));
    for (want, got) in want.iter().zip(&got) {
        assert_eq!(want, got, "{words:?}");
    }
    assert_eq!(want.len(), got.len(), "{words:?}");
    want.len()
}

#[test]
#[ignore = "needs root, iproute2: cargo verify runs it"]
fn the_same_sockets_as_ss() {
    let _alone = network();
    let zoo = zoo();
    let mut compared = 0;
    for flags in [
        "-tuwxa", "-tuwxan", "-tuwxln", "-tuwxn", "-tan", "-ta", "-tln", "-t", "-uan", "-ua", "-u",
        "-uln", "-wan", "-wa", "-w", "-xa", "-x", "-xl", "-4an", "-6an", "-4ta", "-6ua", "-tuan",
        "-txan",
    ] {
        compared += the_same(&[flags]);
    }
    assert!(compared > 250, "{compared}");
    let all = ours(&["-an"]);
    let states: BTreeSet<_> = all.iter().filter_map(|words| words.get(1)).collect();
    for state in [
        "ESTAB",
        "LISTEN",
        "UNCONN",
        "TIME-WAIT",
        "SYN-SENT",
        "CLOSE-WAIT",
        "FIN-WAIT-2",
    ] {
        assert!(states.contains(&state.to_owned()), "{state} in {states:?}");
    }
    // A name that is no text is there, too, and so is that of a peer.
    let text = magpie(&["sockets", "-xaH"], notes());
    assert!(text.contains(&zoo.path("\u{fffd}\u{fffd}")), "{text}");
    let stream = zoo.path("stream");
    let named = text.lines().filter(|line| {
        let mut words = line.split_whitespace().skip(6);
        words.next() == Some(&stream)
    });
    assert_eq!(named.count(), 1, "{text}");
    assert!(text.contains("@magpie-zoo@x"), "{text}");
    println!("{compared} lines are those of ss");
}

#[test]
#[ignore = "needs root, iproute2: cargo verify runs it"]
fn the_same_filters_as_ss() {
    let _alone = network();
    let zoo = zoo();
    let path = format!("unix:{}", zoo.path("STREAM"));
    let mut compared = 0;
    for (flags, filter) in [
        ("-tan", "state established"),
        ("-tan", "state time-wait"),
        ("-tan", "state connected"),
        ("-tan", "state synchronized"),
        ("-tan", "state bucket"),
        ("-tan", "state big"),
        ("-tan", "exclude listening"),
        ("-tan", "exclude listening exclude time-wait"),
        ("-tan", "state syn-sent state close-wait"),
        ("-tuwxn", "state listening"),
        ("-tan", "( dport = :https or sport = :22 )"),
        ("-tan", "dport = :https"),
        ("-tan", "sport = 8080"),
        ("-tan", "sport != 8080"),
        ("-tan", "sport > 8080"),
        ("-tan", "sport >= 8080 and sport < 8082"),
        ("-tan", "dport gt 1024 and not sport = :8081"),
        ("-tan", "sport = 8080 or dport = 8080 and dport = 8080"),
        ("-tan", "sport = 8080 or ( dport = 8080 and dport = 8080 )"),
        ("-tan", "dst 10.0.0.0/8"),
        ("-tan", "dst 127.0.0.1"),
        ("-tan", "src 127.0.0.0/8 dport = 443"),
        ("-tan", "dst [::1]"),
        ("-tan", "src [::1]:443"),
        ("-tan", "src :22"),
        ("-tan", "not ( src 127.0.0.1 or dst [::1] )"),
        ("-tan", "! src 127.0.0.1"),
        ("-tan", "src inet6:[::1]"),
        ("-tan", "dev = lo"),
        ("-tan", "autobound"),
        ("-uan", "sport = 5353"),
        ("-uan", "dst 127.0.0.1:5353"),
        (
            "-tan",
            "state established ( sport = :8080 or dport = :8080 )",
        ),
        ("-xa", "src unix:@magpie*"),
        ("-xa", path.as_str()),
        ("-xa", "state listening"),
    ] {
        let filter = if filter.starts_with("unix:") {
            format!("src {filter}")
        } else {
            filter.to_owned()
        };
        let words: Vec<&str> = [flags].into_iter().chain(filter.split(' ')).collect();
        let found = the_same(&words);
        assert!(found > 0, "{filter} is no test: it finds none");
        // In one piece, too.
        assert_eq!(ours(&[flags, &filter]), ours(&words));
        compared += found;
    }
    println!("{compared} lines of filters are those of ss");
}

/// Fields that newer versions of ss have, and the one we have not.
const NEWER: &[&str] = &[
    "rcv_ssthresh",
    "rcv_ooopack",
    "snd_wnd",
    "rcv_wnd",
    "rehash",
    "usec_ts",
    "ecnseen",
];
const NOT_OURS: &[&str] = &["cgroup"];
/// ss takes the number of a device apart as the C library would, and it is the
/// kernel's: 254/0 becomes 0/65024.
const WRONG: &str = "dev";
/// What is another number in another moment.
const PASSING: &[&str] = &["lastsnd", "lastrcv", "lastack"];

/// Details of each socket by its ends: `name:value` words and others, without
/// what only one of the two can know.
fn details(lines: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let name = |word: &str| {
        word.split_once(':')
            .map_or(word, |(name, _)| name)
            .to_owned()
    };
    let mut lines: Vec<Vec<String>> = lines
        .into_iter()
        .map(|words| {
            let kept = words.into_iter().filter_map(|word| {
                let name = name(&word);
                if NEWER.contains(&name.as_str())
                    || NOT_OURS.contains(&name.as_str())
                    || name == WRONG
                {
                    return None;
                }
                Some(match name.as_str() {
                    passing if PASSING.contains(&passing) => name,
                    // How often it went off, not when it will.
                    "timer" => {
                        let parts: Vec<_> = word.split(',').collect();
                        [parts.first(), parts.last()]
                            .into_iter()
                            .flatten()
                            .copied()
                            .collect()
                    }
                    // In any order.
                    "users" => {
                        let mut parts: Vec<_> = word
                            .split_inclusive("),(")
                            .map(|part| {
                                part.trim_matches(|c: char| "(),".contains(c))
                                    .replace("users:((", "")
                            })
                            .collect();
                        parts.sort();
                        format!("users:{parts:?}")
                    }
                    _ => word,
                })
            });
            kept.collect()
        })
        .collect();
    lines.sort();
    lines
}

#[test]
#[ignore = "needs root, iproute2: cargo verify runs it"]
fn the_same_details_as_ss() {
    let _alone = network();
    let zoo = zoo();
    let mut words_compared = 0;
    for flags in [
        "-tano", "-tane", "-tanm", "-tani", "-tanp", "-tanioem", "-tain", "-ti", "-uanem", "-uanp",
        "-xam", "-xae", "-xap",
    ] {
        let (want, got) = at_one_moment(|| details(ss(&[flags])), || details(ours(&[flags])));
        for (want, got) in want.iter().zip(&got) {
            assert_eq!(want, got, "{flags}");
            words_compared += want.len();
        }
        assert_eq!(want.len(), got.len(), "{flags}");
    }
    let text = magpie(&["sockets", "-xaeH"], notes());
    let path = zoo.path("datagram");
    let file = std::fs::metadata(&path).expect("its file");
    let (major, minor) = (
        nix::sys::stat::major(file.dev()),
        nix::sys::stat::minor(file.dev()),
    );
    let told = format!("ino:{} dev:{major}/{minor}", file.ino());
    assert!(
        text.lines()
            .any(|line| line.contains(&path) && line.ends_with(&told)),
        "{told} in {text}"
    );
    // They do tell something, the SYN that nobody answers after a second.
    let deadline = Instant::now() + Duration::from_secs(20);
    let text = loop {
        let text = magpie(&["sockets", "-tanioemp"], notes());
        if text.contains("retrans:") || Instant::now() > deadline {
            break text;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    for word in [
        "timer:(keepalive,",
        "timer:(timewait,",
        "timer:(on,",
        "rtt:",
        "skmem:(",
        "v6only:1",
        "users:((\"",
        "retrans:",
        " sk:",
        "cwnd:10",
        "wscale:",
        "%lo:22",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let (want, got) = at_one_moment(
        || {
            says("ss", &["-s"])
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        },
        || {
            let said = magpie(&["sockets", "-s"], notes());
            said.split_whitespace().map(str::to_owned).collect()
        },
    );
    assert_eq!(want, got);
    println!("{words_compared} words of details are those of ss");
}

#[test]
#[ignore = "needs root, iproute2, net-tools: cargo verify runs it"]
fn the_same_routes_as_netstat() {
    let _alone = network();
    ip("link add left type veth peer name right");
    ip("link set left up");
    ip("link set right up");
    ip("address add 10.9.0.1/24 dev left");
    ip("address add 2001:db8::1/64 dev left nodad");
    ip("route add default via 10.9.0.2");
    ip("route add 10.77.0.0/16 via 10.9.0.2 advmss 1400 window 7 metric 50");
    ip("route add 10.78.0.1 via 10.9.0.2");
    ip("route add unreachable 10.66.0.0/16");
    ip("-6 route add default via 2001:db8::2");
    ip("-6 route add 2001:db8:1::/48 via 2001:db8::2 metric 77");
    ip("-6 route add 2001:db8:2::7 via 2001:db8::2");
    ip("-6 route add unreachable 2001:db8:66::/48");
    let mut compared = 0;
    for (version, least) in [("-4", 5), ("-6", 8)] {
        let (want, got) = at_one_moment(
            || lines(&says("netstat", &["-rn", version])),
            || lines(&magpie(&["sockets", "-rn", version], &[])),
        );
        for (want, got) in want.iter().zip(&got) {
            assert_eq!(want, got);
        }
        assert_eq!(want.len(), got.len());
        assert!(want.len() > least, "{want:?}");
        compared += want.len();
    }
    let json = magpie(&["sockets", "-r", "--format", "json"], &[]);
    let route = json
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .find(|route| route["destination"] == "10.77.0.0")
        .expect("the route");
    assert_eq!(route["gateway"], "10.9.0.2");
    assert_eq!(
        (&route["prefix"], &route["mss_octets"]),
        (&16.into(), &1440.into())
    );
    println!("{compared} lines are those of netstat");
}

#[test]
#[ignore = "needs root, util-linux: cargo verify runs it"]
fn what_others_have_open_is_said_once_not_to_be_seen() {
    let _alone = network();
    let _zoo = zoo();
    let program = Anyones::new();
    let listed = program.run(&["sockets", "-tanH"]);
    assert_eq!(program::stderr(&listed), "");
    // Without its processes it says as much as root sees.
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let (want, got) = at_one_moment(
        || ours(&["-tan"]),
        || {
            let mut found = lines(&text);
            found.sort();
            found
        },
    );
    assert_eq!(want, got);
    let asked = program.run(&["sockets", "-tanpH"]);
    assert_eq!(asked.status.code(), Some(0));
    let said = program::stderr(&asked);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with("magpie: -p: ") && said.contains("as root"),
        "{said}"
    );
    let shown = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert!(!shown.contains("users:"), "{shown}");
    let marked = program.run(&["sockets", "-tanH", "fwmark = 1"]);
    let said = program::stderr(&marked);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("CAP_NET_ADMIN"), "{said}");
    let json = program.run(&["sockets", "-ta", "--format", "json"]);
    assert_eq!(program::stderr(&json), "");
    let json = String::from_utf8_lossy(&json.stdout).into_owned();
    assert_eq!(json.lines().count(), text.lines().count());
    for line in json.lines() {
        let socket: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(socket["processes"].is_null() && socket["recv_q"].is_u64());
    }
}
