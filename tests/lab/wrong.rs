//! Mirror ports that are set wrongly, and a reader that is too slow: the
//! program says which, its counts stay those of the frames it got, and nothing
//! is called lost that was not. By the core in this process, and by boards
//! that have the frames over the cable of their network cards. A second reader
//! of the port has its live screen on a terminal.

use std::collections::BTreeMap;

use magpie_collector::{Doubt, EchoLoss, Mirror, State, addresses};
use magpie_protocol::Known;
use magpie_tests::boards;
use magpie_tests::lab::{INTERFACE, Lab, Watched, Workday};
use magpie_tests::terminal::Terminal;
use serde::Deserialize;

use crate::right::{WORKDAY, closed_over, has};

/// Behind the router: what the mirror shows wrongly.
const FAR: [&str; 3] = ["192.0.2.80", "192.0.2.53", "2001:db8:80::80"];
/// On the same switch: what it shows rightly.
const NEAR: &str = "10.0.10.40";

/// Long enough for pings that waited their ten seconds in vain.
const LONG_WORKDAY: &str = "workday 13";

/// What the tap says it did.
#[derive(Debug, Deserialize)]
struct Report {
    /// Frames given to the sensor.
    frames: u64,
    /// Frames kept from it.
    kept: u64,
    /// Frames that the tap itself lost: none, or the rest means nothing.
    lost: u64,
    /// TCP octets that were acknowledged and kept from the sensor, by port.
    unseen: BTreeMap<u16, u64>,
}

/// What watches: the core in the program itself.
fn in_process() -> String {
    format!("if:{INTERFACE}")
}

/// Or an emulated board.
fn on_board(name: &str) -> String {
    format!("qemu:{},if={INTERFACE}", boards::ready(name).name)
}

/// The row of the live screen.
fn mirror_row(screen: &str) -> Option<String> {
    let row = screen.lines().find_map(|line| line.strip_prefix("MIRROR "));
    row.map(|row| row.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What is wrong is named on the live screen while it goes on, in the very words
/// of the summary. What does not fit into 80 columns is left out of the row.
fn named_on_screen(screen: &mut Terminal, named: impl Fn(&str) -> bool) {
    let live = screen.wait("the mirror row", |text| {
        mirror_row(text).is_some_and(|row| named(&row))
    });
    assert!(screen.is_taken(), "{live}");
    screen.press("q");
    let summary = screen.has_left(0);
    let row = mirror_row(&summary).expect("a summary");
    assert!(named(&row), "{row}");
}

/// A day with a mirror that is wrong; `named` says whether a row of the screen's
/// or the summary's says so.
fn a_day_behind(
    tap: &str,
    source: &str,
    workday: &str,
    named: impl Fn(&str) -> bool,
) -> (Watched, Report, Workday) {
    let mut lab = Lab::start(&["--tap", tap]);
    let watch = lab.watch(source);
    // A second reader of the port.
    let mut screen = lab.screen(&in_process());
    lab.tell("plug-in");
    let day: Workday = lab.order(workday);
    named_on_screen(&mut screen, &named);
    let report: Report = lab.order("unplug");
    let watched = watch.end();
    let row = mirror_row(watched.line("MIRROR")).expect("just found");
    assert!(named(&row), "{row}");
    assert_eq!(report.lost, 0, "the tap was too slow: {report:?}");
    assert!(report.frames > 500, "{report:?}");
    // Whatever is wrong before the port, every frame of the port is counted.
    closed_over(&watched, report.frames);
    (watched, report, day)
}

/// Pings to the far side are in doubt for this reason, in the table too; those
/// on the switch are as ping says.
fn only_the_far_side_is_in_doubt(watched: &Watched, day: &Workday, why: Doubt) {
    let picture = &watched.outcome.picture;
    let mirror = Mirror::of(picture);
    let mut doubted = 0;
    for (key, sums) in picture.echoes().sorted() {
        let pair = addresses(&key.addresses);
        if FAR.iter().any(|far| has(pair, far)) {
            assert_eq!(mirror.loss(&key, &sums), EchoLoss::Hidden(why), "{key:?}");
            assert_eq!(sums.matched, 0, "{key:?}");
            doubted += 1;
        } else if has(pair, NEAR) {
            let ping = day.pings.iter().find(|p| p.target == pair.1);
            let ping = ping.expect("it was pinged");
            assert_eq!(mirror.loss(&key, &sums).doubt(), None, "{key:?}");
            assert_eq!((sums.requests, sums.matched), (ping.sent, ping.back));
        }
    }
    assert!(doubted >= 2, "pings by IPv4 and by IPv6");
    // `LOST` is a question mark in every such line, never a number.
    let is_row = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.len() > 10 && words.last() == Some(&why.word()) && words.contains(&"?")
    };
    assert_eq!(
        watched.text.lines().filter(is_row).count(),
        doubted,
        "{}",
        watched.text
    );
}

fn one_direction_only(source: &str) {
    let (watched, report, day) = a_day_behind("one-direction", source, WORKDAY, |row| {
        row.contains("one-way ") && !row.contains("one-way 0.0%") && row.ends_with("tags symmetric")
    });
    assert!(report.kept > 200, "{report:?}");
    let picture = &watched.outcome.picture;
    let mirror = Mirror::of(picture);
    let mut named = 0;
    for (key, sums) in picture.flows().sorted() {
        let pair = addresses(&key.addresses);
        if FAR.iter().any(|far| has(pair, far)) {
            assert!(sums.ab.packets == 0 || sums.ba.packets == 0, "{key:?}");
            named += u64::from(mirror.is_one_way(&key));
        } else if has(pair, NEAR) {
            assert!(!mirror.is_one_way(&key), "{key:?}");
        }
    }
    // Two pings, the pages, the conversation; lookups take a port each.
    assert!(named >= 4, "{named}");
    assert_eq!(mirror.unseen.part, 0, "nobody acknowledged anything");
    only_the_far_side_is_in_doubt(&watched, &day, Doubt::OneWay);
}

fn one_direction_tagged(source: &str) {
    let (watched, report, day) = a_day_behind("one-tagged", source, WORKDAY, |row| {
        row.contains("tags differ in ")
    });
    assert_eq!(report.kept, 0, "{report:?}");
    let picture = &watched.outcome.picture;
    let mirror = Mirror::of(picture);
    let mut flows = 0;
    for (key, _) in picture.flows().sorted() {
        let pair = addresses(&key.addresses);
        if FAR.iter().any(|far| has(pair, far)) {
            // Of a datagram the answer may be lost on the way.
            assert!(key.protocol != 6 || mirror.is_tag_asym(&key), "{key:?}");
            flows += u64::from(mirror.is_tag_asym(&key));
        } else if has(pair, NEAR) {
            assert!(!mirror.is_tag_asym(&key), "{key:?}");
        }
    }
    assert!(flows > 20, "{flows}");
    let line = watched.line("MIRROR");
    let named = format!("tags differ in {} flows", mirror.tag_asym());
    assert!(
        line.contains(&named) && mirror.tag_asym() >= flows,
        "{line}"
    );
    assert!(watched.text.contains("other tags back"));
    only_the_far_side_is_in_doubt(&watched, &day, Doubt::Tags);
}

/// Some answers to pings were kept from us: no row calls more of them lost
/// than ping itself does.
fn no_answered_ping_is_called_lost(watched: &Watched, day: &Workday) {
    let picture = &watched.outcome.picture;
    let mirror = Mirror::of(picture);
    let (mut at_most, mut really) = (0, 0);
    for ping in &day.pings {
        really += ping.sent - ping.back;
        for (key, sums) in picture.echoes().sorted() {
            if addresses(&key.addresses).1 != ping.target {
                continue;
            }
            match mirror.loss(&key, &sums) {
                EchoLoss::Exactly(lost) => assert!(lost <= ping.sent - ping.back, "{ping:?}"),
                EchoLoss::AtMost(lost, doubt) => {
                    assert_eq!(doubt, Doubt::Unseen);
                    at_most += lost;
                }
                EchoLoss::Hidden(doubt) => panic!("{doubt:?} {ping:?} {sums:?}"),
            }
        }
    }
    assert!(at_most > really, "no answer was kept from us: {day:?}");
    assert!(watched.text.contains(" <="), "{}", watched.text);
}

fn oversubscribed(source: &str) {
    let (watched, report, day) = a_day_behind("oversubscribed", source, LONG_WORKDAY, |row| {
        row.contains("unseen >=") && !row.contains("unseen >=0.00%")
    });
    assert!(report.kept > 100, "{report:?}");
    let picture = &watched.outcome.picture;
    let mut unseen: BTreeMap<u16, u64> = BTreeMap::new();
    for (key, sums) in picture.flows().sorted() {
        let octets: u64 = sums.tcp.map_or(0, |tcp| tcp.unseen_octets.iter().sum());
        if octets > 0 {
            *unseen.entry(key.a_port.min(key.b_port)).or_default() += octets;
        }
    }
    // One segment at a time: every dropped octet shows.
    assert!(
        report.unseen.get(&7).is_some_and(|n| *n > 3000),
        "{report:?}"
    );
    assert_eq!(unseen.get(&7), report.unseen.get(&7), "{report:?}");
    // Many at a time: what a later one covers up cannot show, and nothing
    // shows that was not dropped.
    for (port, octets) in &unseen {
        let dropped = report.unseen.get(port).copied().unwrap_or_default();
        assert!(*octets <= dropped, "port {port}: {octets} of {report:?}");
    }
    let mirror = Mirror::of(picture);
    assert_eq!(mirror.unseen.part, unseen.values().sum::<u64>());
    let row = format!("unseen >={} (acked, never seen)", mirror.unseen);
    assert!(watched.line("MIRROR").contains(&row), "{row}");
    no_answered_ping_is_called_lost(&watched, &day);
    let share = format!("unseen>={}", mirror.unseen);
    assert!(watched.books_line().ends_with(&share), "{share}");
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn one_direction_only_is_named() {
    one_direction_only(&in_process());
}

#[test]
#[ignore = "needs root, network namespaces, QEMU and images: cargo verify runs it"]
fn one_direction_only_is_named_by_lm3s6965evb() {
    one_direction_only(&on_board("lm3s6965evb"));
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn one_direction_tagged_is_named() {
    one_direction_tagged(&in_process());
}

#[test]
#[ignore = "needs root, network namespaces, QEMU and images: cargo verify runs it"]
fn one_direction_tagged_is_named_by_mps2_an386() {
    one_direction_tagged(&on_board("mps2-an386"));
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn what_an_oversubscribed_mirror_dropped_of_acknowledged_tcp_is_unseen() {
    oversubscribed(&in_process());
}

#[test]
#[ignore = "needs root, network namespaces, QEMU and images: cargo verify runs it"]
fn what_an_oversubscribed_mirror_dropped_is_unseen_by_mps2_an386() {
    oversubscribed(&on_board("mps2-an386"));
}

/// More than the ring holds (32 MiB) while the program gets no time.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn what_the_kernel_drops_for_a_slow_reader_is_in_the_books() {
    let mut lab = Lab::start(&[]);
    let before = lab.received();
    let watch = lab.watch(&format!("if:{INTERFACE}"));
    watch.pause();
    lab.tell("plug-in");
    lab.tell("flood 40000 1400");
    watch.go_on();
    lab.tell("unplug");
    let frames = lab.received().frames - before.frames;
    let watched = watch.end();
    let books = watched.outcome.books();
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    let ledger = watched.outcome.picture.ledger();
    let Known::Exact(dropped) = ledger.expect("a flushed sensor's ledger").lost.ring else {
        panic!("{books}");
    };
    assert!(dropped > 5_000, "{books}");
    assert_eq!(books.wire, Known::Exact(frames), "{books}");
    assert_eq!(books.counted + dropped, frames, "{books}");
    let lost = format!("lost={dropped}(ring {dropped}) own=0 unaccounted=0 ");
    assert!(watched.books_line().contains(&lost), "{books}");
}
