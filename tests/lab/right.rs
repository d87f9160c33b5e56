//! A mirror port as it should be: what the program counts is what others
//! counted at the same port, and what the hosts say themselves.

use std::collections::BTreeMap;
use std::net::IpAddr;

use magpie_collector::{Mirror, Picture, State, addresses};
use magpie_protocol::{FlowKey, Known};
use magpie_tests::lab::{INTERFACE, Lab, Watched, Workday};
use magpie_tests::truth::{Exact, Level, compare};
use magpie_tests::{answer, boards};

/// Seconds of work: one-way flows are suspected after three.
pub(crate) const WORKDAY: &str = "workday 5";

/// Whether a conversation goes from or to this address.
pub(crate) fn has(pair: (IpAddr, IpAddr), address: &str) -> bool {
    let address: IpAddr = address.parse().expect("an address of the lab");
    pair.0 == address || pair.1 == address
}

/// Closed books over so many frames, none lost, in the program's own words.
pub(crate) fn closed_over(watched: &Watched, frames: u64) {
    let books = watched.outcome.books();
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    assert_eq!(books.wire, Known::Exact(frames), "{books}");
    let begin = format!("books CLOSED wire={frames} counted={frames} lost=0 own=0 unaccounted=0 ");
    let said = watched.books_line();
    assert!(said.starts_with(&begin), "{said}");
    assert_eq!(watched.code, Some(0), "{}", watched.warnings);
}

/// Every ping of these targets, as ping itself counted.
fn pings(picture: &Picture, day: &Workday) {
    let mirror = Mirror::of(picture);
    for ping in &day.pings {
        let (mut requests, mut matched, mut lost) = (0, 0, 0);
        for (key, sums) in picture.echoes().sorted() {
            if addresses(&key.addresses).1 == ping.target {
                requests += sums.requests;
                matched += sums.matched;
                let loss = mirror.loss(&key, &sums);
                lost += loss
                    .exactly()
                    .unwrap_or_else(|| panic!("{ping:?} {loss:?}"));
                lost += sums.waiting;
            }
        }
        assert_eq!(lost, ping.sent - ping.back, "{ping:?}");
        assert_eq!((requests, matched), (ping.sent, ping.back), "{ping:?}");
    }
    assert_eq!(day.pings.len(), 3);
}

/// Each socket stamps a frame for itself, some microseconds apart.
const STAMPS_NS: u64 = 1_000_000;

/// The answer with the truth's times, where they are as near as can be asked.
fn with_times_of(mut got: Exact, truth: &Exact) -> Exact {
    let times: BTreeMap<_, _> = truth
        .flows
        .iter()
        .map(|f| {
            (
                (f.vlan.clone(), f.proto, f.a, f.ap, f.b, f.bp),
                (f.first_ns, f.last_ns),
            )
        })
        .collect();
    for flow in &mut got.flows {
        let key = (
            flow.vlan.clone(),
            flow.proto,
            flow.a,
            flow.ap,
            flow.b,
            flow.bp,
        );
        let Some((first_ns, last_ns)) = times.get(&key) else {
            continue;
        };
        if flow.first_ns.abs_diff(*first_ns) <= STAMPS_NS
            && flow.last_ns.abs_diff(*last_ns) <= STAMPS_NS
        {
            (flow.first_ns, flow.last_ns) = (*first_ns, *last_ns);
        }
    }
    got
}

/// Echo pairs without their round trips, which depend on the stamps.
fn echoes(exact: &Exact) -> Vec<(IpAddr, IpAddr, u16, [u64; 6])> {
    let mut all: Vec<_> = exact
        .echo
        .iter()
        .map(|e| {
            let counts = [e.requests, e.replies, e.matched, e.lost, e.dup, e.orphan];
            (e.src, e.dst, e.id, counts)
        })
        .collect();
    all.sort_unstable();
    all
}

/// ICMP without an echo, such as "port unreachable" for a resolver's answer that
/// comes late on a busy machine: nobody answers that.
fn errors_only(key: &FlowKey, truth: &Exact) -> bool {
    let (a, b) = addresses(&key.addresses);
    let mut pairs = truth.echo.iter().map(|e| (e.src, e.dst));
    key.protocol == 1 && !pairs.any(|pair| pair == (a, b) || pair == (b, a))
}

fn a_day_at_a_right_mirror(arguments: &[&str], source: &str) {
    let mut lab = Lab::start(arguments);
    let before = lab.received();
    let tcpdump = lab.tcpdump();
    let watch = lab.watch(source);
    lab.tell("plug-in");
    let day: Workday = lab.order(WORKDAY);
    lab.tell("unplug");
    let after = lab.received();
    let (truth, watched) = (tcpdump.end(), watch.end());

    let frames = after.frames - before.frames;
    assert!(frames > 500, "only {frames} frames passed");
    assert_eq!(truth.frames, frames, "tcpdump beside the kernel");
    closed_over(&watched, frames);
    let picture = &watched.outcome.picture;
    let counted = picture.ledger().expect("a flushed sensor's ledger").counted;
    assert_eq!(counted.octets, after.octets - before.octets, "octets");

    // The same frames as tcpdump's.
    let got = with_times_of(answer::of(picture), &truth);
    assert_eq!(compare(&truth, &got, Level::Sums), []);
    assert_eq!(echoes(&truth), echoes(&got));
    pings(picture, &day);

    // Nothing is suspected that is not so.
    let mirror = Mirror::of(picture);
    assert_eq!(mirror.unseen.part, 0, "{}", watched.line("MIRROR"));
    assert_eq!(mirror.tag_asym(), 0, "{}", watched.line("MIRROR"));
    let mut camera = false;
    for (key, _) in picture.flows().sorted() {
        let pair = addresses(&key.addresses);
        if has(pair, "239.1.1.1") {
            camera = mirror.is_one_way(&key);
        } else if has(pair, "10.0.10.23") && !has(pair, "224.0.0.22") && !errors_only(&key, &truth)
        {
            assert!(!mirror.is_one_way(&key), "{key:?}");
        }
    }
    assert!(camera, "a stream that nobody answers is one-way");
    assert!(
        mirror.one_way() * 10 < mirror.keys,
        "{}",
        watched.line("MIRROR")
    );
    assert_eq!(watched.warnings, "", "there is nothing to warn of");
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn a_switch_with_a_mirror_port() {
    a_day_at_a_right_mirror(&[], &format!("if:{INTERFACE}"));
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn a_hub() {
    a_day_at_a_right_mirror(&["--hub"], &format!("if:{INTERFACE}"));
}

fn a_board_at_a_mirror_port(name: &str) {
    let board = boards::ready(name);
    a_day_at_a_right_mirror(&[], &format!("qemu:{},if={INTERFACE}", board.name));
}

#[test]
#[ignore = "needs root, network namespaces, QEMU and images: cargo verify runs it"]
fn mps2_an386_at_a_mirror_port() {
    a_board_at_a_mirror_port("mps2-an386");
}

#[test]
#[ignore = "needs root, network namespaces, QEMU and images: cargo verify runs it"]
fn lm3s6965evb_at_a_mirror_port() {
    a_board_at_a_mirror_port("lm3s6965evb");
}
