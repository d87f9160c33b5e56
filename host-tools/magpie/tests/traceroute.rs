//! `magpie traceroute`: its JSON held against a file beside this test, and the
//! program itself over the loopback interface, which needs no right. Paths
//! through routers are `tests/hand`. After a wanted change:
//! `MAGPIE_BLESS=1 cargo test -p magpie --test traceroute`, then read the
//! difference.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::process::{Command, Output};
use std::time::Duration;

use magpie::views::trace::{Label, json};
use magpie_probe::ProbeKey;
use magpie_probe::trace::{
    Answer, Cause, Counts, Graph, HopReport, Kind, Label as Mpls, Level, Method, Note, Object,
    Place, Plan, Probe, Reach, RoundTrips, Seen, State, Verdict,
};
use serde_json::Value;

mod blessed;

use blessed::golden;

fn at(n: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, n])
}

fn answer(n: u8, us: u64, kind: Kind, ttl: u8) -> Answer {
    Answer {
        from: at(n),
        kind,
        at: Duration::from_millis(5),
        rtt: Duration::from_micros(us),
        ttl: Some(ttl),
        extensions: Vec::new(),
    }
}

fn place(hop: u8, attempt: u8, answer: Option<Answer>, mtu: Option<u32>) -> Place {
    let serial = u32::from(hop * 3 + attempt);
    let probe = Probe {
        serial,
        hop,
        attempt: attempt.into(),
        flow: u16::from(hop == 3),
        octets: 60,
        sent_at: Duration::ZERO,
        state: State::Waiting,
    };
    Place {
        hop,
        attempt,
        probe,
        answer,
        mtu,
    }
}

fn labels(address: IpAddr) -> Label {
    Label {
        name: (address == at(1)).then(|| "gw.example".to_owned()),
        asn: Some((address != at(1)).then_some(64_500)),
    }
}

#[test]
#[allow(clippy::too_many_lines)] // a list of examples
fn json_is_as_documented() {
    let plan = Plan::new(at(9), at(200), Method::Udp);
    let us = 1_700_000_000_000_000;
    let mut rows = vec![json::trace("host.example", &plan, "once", us)];
    let mut labelled = answer(3, 900, Kind::TimeExceeded, 60);
    let mpls = Mpls {
        label: 24_000,
        traffic_class: 5,
        bottom: true,
        ttl: 1,
    };
    let other = Object::Other {
        class: 2,
        kind: 1,
        octets: vec![0xab, 1],
    };
    labelled.extensions = vec![Object::Mpls(vec![mpls]), other];
    let places = [
        place(
            1,
            0,
            Some(answer(1, 123, Kind::TimeExceeded, 64)),
            Some(1_400),
        ),
        place(2, 0, None, None),
        place(3, 0, Some(labelled), None),
        place(
            4,
            0,
            Some(answer(
                4,
                2_000,
                Kind::Unreachable(Cause::TooBig { mtu: 1_280 }),
                61,
            )),
            None,
        ),
        place(
            5,
            0,
            Some(answer(9, 3_000, Kind::Reached(Reach::PortUnreachable), 60)),
            None,
        ),
    ];
    let key = |place: &Place| match place.hop {
        1 => Some(ProbeKey::Echo {
            identifier: 7,
            sequence: 1,
        }),
        2 => Some(ProbeKey::Tcp {
            source_port: 20_000,
            destination_port: 80,
            sequence: 4_000_000_000,
        }),
        3 => Some(ProbeKey::Udp {
            source_port: 50_000,
            destination_port: 33_434,
        }),
        _ => None,
    };
    for place in &places {
        rows.push(json::probe(place, key(place), us, &labels));
        rows.extend(json::hop(std::slice::from_ref(place)));
    }
    rows.push(json::note(Note::ShortQuotes(at(3))));
    let mut trips = RoundTrips::default();
    for us in [1_000, 3_000] {
        trips.add(Duration::from_micros(us));
    }
    let mut live = HopReport::new(2);
    (live.sent, live.waiting, live.answered) = (5, 1, 2);
    (live.lost, live.duplicates, live.trips) = (2, 1, trips);
    live.routers.push((at(2), 2));
    live.verdict = Verdict::RateLimited;
    rows.push(json::live(&live, 5, &labels));
    let seen = |n: u8| {
        let mut seen = Seen {
            last: Some(answer(n, 100, Kind::TimeExceeded, 64)),
            ..Seen::default()
        };
        seen.trips.add(Duration::from_micros(100));
        seen.flows.insert(n.into());
        (Some(at(n)), seen)
    };
    let level = |hop, routers: &[u8]| Level {
        hop,
        vertices: routers.iter().map(|n| seen(*n)).collect::<BTreeMap<_, _>>(),
        is_certain: true,
    };
    let graph = Graph {
        levels: vec![level(1, &[1]), level(2, &[2, 3]), level(3, &[4])],
        links: BTreeSet::from([(2, Some(at(1)), Some(at(2))), (3, None, Some(at(4)))]),
    };
    rows.extend(json::graph(&graph, &labels));
    let mut counts = Counts {
        sent: 5,
        answered: 4,
        lost: 1,
        ..Counts::default()
    };
    counts.foreign.insert("identity", 2);
    rows.push(json::summary(
        &plan,
        &counts,
        true,
        Some(1_400),
        Duration::from_millis(8),
        Some(3),
    ));
    let lines: Vec<String> = rows
        .into_iter()
        .map(|row| Value::Object(row).to_string())
        .collect();
    golden("traceroute.json", &(lines.join("\n") + "\n"));
}

fn traceroute(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_magpie"))
        .arg("traceroute")
        .args(words)
        .output()
        .unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[test]
fn this_machine_is_one_hop_away() {
    for (words, octets, host) in [(&[][..], 60, "127.0.0.1"), (&["-6"], 80, "::1")] {
        let output = traceroute(&[&["-n", "-q", "2", host], words].concat());
        // Not every machine has IPv6.
        if host == "::1" && text(&output.stderr).contains("no way to it") {
            eprintln!("left out: this machine has no IPv6");
            continue;
        }
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let out = text(&output.stdout);
        let lines: Vec<&str> = out.lines().collect();
        let first = format!("traceroute to {host} ({host}), 30 hops max, {octets} byte packets");
        assert_eq!(lines.first(), Some(&first.as_str()));
        let words: Vec<&str> = lines[1].split_whitespace().collect();
        let [hop, from, first, ms, second, again] = words[..] else {
            panic!("{out}");
        };
        assert_eq!((hop, from, ms, again), ("1", host, "ms", "ms"));
        assert!(first.parse::<f64>().unwrap() > 0.0 && second.parse::<f64>().unwrap() > 0.0);
        assert_eq!(lines.len(), 2);
    }
}

#[test]
fn rounds_and_ways_over_loopback() {
    let words = [
        "--live",
        "--rounds",
        "3",
        "--interval",
        "0.05",
        "--format",
        "json",
    ];
    let output = traceroute(&[&words[..], &["-n", "127.0.0.1"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let rows: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| rows.iter().filter(|row| row["type"] == kind).count();
    assert_eq!((of("trace"), of("hop"), of("summary")), (1, 3, 1));
    let last = rows.iter().rfind(|row| row["type"] == "hop").unwrap();
    assert_eq!((&last["sent"], &last["lost"]), (&3.into(), &0.into()));

    let output = traceroute(&["--multipath", "--format", "json", "-n", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let out = text(&output.stdout);
    assert!(
        out.contains(r#""type":"router","hop":1,"address":"127.0.0.1""#),
        "{out}"
    );
}

#[test]
fn what_cannot_be_is_refused() {
    for (words, why) in [
        (&["-N", "33", "192.0.2.1"][..], "--fast"),
        (&["-q", "6", "192.0.2.1"], "--fast"),
        (&["--live", "--interval", "0.1", "192.0.2.1"], "--fast"),
        (&["--multipath", "-z", "0.001", "192.0.2.1"], "--fast"),
        (&["255.255.255.255"], "one host"),
        (&["224.0.0.1"], "one host"),
        (&["ff02::1"], "one host"),
        (
            &["fe80::1"],
            "fe80::1: every link has its own: name the interface, as in fe80::1%eth0 or -i eth0",
        ),
        (&["-s", "fe80::5", "fe80::1"], "name the interface"),
        (&["-6", "127.0.0.1"], "version of IP"),
        (&["-A", "127.0.0.1"], "--asn-db"),
        (&["--asn-db", "/no/such/file", "127.0.0.1"], "/no/such/file"),
        (&["no-such-host.invalid"], "no-such-host.invalid"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_magpie"))
            .arg("traceroute")
            .args(words)
            .env_remove("MAGPIE_ASN_DB")
            .output()
            .unwrap();
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {err}");
        assert!(err.contains(why), "{words:?}: {err}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}
