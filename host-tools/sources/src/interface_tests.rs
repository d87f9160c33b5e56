use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use magpie_collector::{Limits, Picture, State};
use magpie_os::{Capture, CaptureOptions, FrameSender};
use magpie_protocol::{Configuration, Known};

use super::*;
use crate::netns::{cable, ip, tagged};
use crate::tests::frame;
use crate::{DriveOptions, FlushOutcome, Lane, Notice, Report, Shown, Spec, Stop, drive};

const TAGS: [&[u8]; 3] = [
    b"",
    b"\x81\x00\x00\x0a",
    b"\x88\xa8\x00\x14\x81\x00\x00\x1e",
];

/// Sends so many frames of 50 flows over three stacks; their octets.
pub(crate) fn send(sender: &FrameSender, frames: u32) -> u64 {
    let mut octets = 0;
    for n in 0..frames {
        let tags = TAGS[usize::try_from(n % 3).unwrap()];
        let frame = tagged(&frame(n % 50), tags);
        sender.send(&frame).unwrap();
        octets += frame.len() as u64;
    }
    octets
}

fn options() -> SensorOptions {
    SensorOptions {
        idle: Duration::from_millis(300),
        live: Duration::from_millis(100),
        ..SensorOptions::default()
    }
}

fn source(capture: CaptureOptions) -> Interface {
    let capture = Capture::open("right", &capture).unwrap();
    Interface::new("if:right", capture, &options()).unwrap()
}

/// Runs it until `enough`, which must come within 20 s.
pub(crate) fn run(
    source: Box<dyn Source>,
    enough: impl FnMut(&Shown) -> bool,
) -> (Report, Picture, Vec<String>) {
    run_set(source, Configuration::default(), enough)
}

/// The same, with settings that are asked of a board.
pub(crate) fn run_set(
    source: Box<dyn Source>,
    settings: Configuration,
    mut enough: impl FnMut(&Shown) -> bool,
) -> (Report, Picture, Vec<String>) {
    let picture = Arc::new(Mutex::new(Picture::new("test", Limits::EXACT)));
    let lane = Lane {
        source,
        picture: Arc::clone(&picture),
        record: None,
    };
    let stop = Stop::new();
    let mut warnings = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    let options = DriveOptions {
        settings,
        refresh: Duration::from_millis(20),
        ..DriveOptions::default()
    };
    let mut reports = drive(vec![lane], &stop, &options, |notice| match notice {
        Notice::Warning(text) => warnings.push(text.to_owned()),
        Notice::Refresh(shown) => {
            let late = Instant::now() > deadline;
            if stop.raised() == 0 && (late || enough(&shown[0])) {
                stop.raise();
            }
        }
    });
    let picture = Arc::into_inner(picture).unwrap().into_inner().unwrap();
    let report = reports.remove(0);
    let books = picture.books(report.offered.as_ref());
    let why = &report.failure;
    assert!(
        Instant::now() < deadline,
        "not enough: {books} {why:?} {warnings:?}"
    );
    (report, picture, warnings)
}

pub(crate) fn counted(shown: &Shown) -> u64 {
    let picture = shown.picture();
    picture.ledger().map_or(0, |ledger| ledger.counted.frames)
}

/// Packets by the ids of their stack.
pub(crate) fn by_stack(picture: &Picture) -> BTreeMap<Vec<u16>, u64> {
    let mut all = BTreeMap::new();
    for (key, sums) in picture.flows().sorted() {
        *all.entry(key.vlan.ids().collect()).or_default() += sums.packets();
    }
    all
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn frames_of_a_cable_are_counted_and_the_books_close() {
    let sender = cable();
    let source = source(CaptureOptions::default());
    let octets = send(&sender, 6000);
    // Time goes on while the wire is quiet: all flows end by themselves.
    let (report, picture, warnings) = run(Box::new(source), |shown| {
        let ledger = shown.picture().ledger();
        ledger.is_some_and(|l| l.counted.frames == 6000 && l.flows.live == 0)
    });
    assert!(report.failure.is_none(), "{:?}", report.failure);
    assert_eq!(report.flush, FlushOutcome::Came);
    let books = picture.books(report.offered.as_ref());
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    assert_eq!(books.wire, Known::Exact(6000));
    assert_eq!((books.counted, books.lost.len()), (6000, 0), "{books}");
    assert_eq!(report.offered.unwrap().octets, octets);
    let expected: BTreeMap<Vec<u16>, u64> =
        [(vec![], 2000), (vec![10], 2000), (vec![20, 30], 2000)].into();
    assert_eq!(by_stack(&picture), expected);
    assert!(warnings.is_empty(), "{warnings:?}");
    let hello = picture.hello().unwrap();
    assert_eq!(
        (hello.name.as_str(), hello.board.as_str()),
        ("right", "in-process")
    );
    // The kernel's stamps: now, to a minute.
    let now = wall_us();
    for (_, sums) in picture.flows().sorted() {
        assert!(now.abs_diff(sums.first_us) < 60_000_000, "{sums:?}");
    }
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn what_the_kernel_drops_is_in_the_ledger_and_the_books_close() {
    let sender = cable();
    let source = source(CaptureOptions {
        block_octets: 4096,
        blocks: 4,
        ..CaptureOptions::default()
    });
    // Nobody reads yet.
    send(&sender, 3000);
    let (report, picture, _) = run(Box::new(source), |shown| {
        shown.status().offered.is_some_and(|o| o.frames == 3000) && counted(shown) > 0
    });
    let books = picture.books(report.offered.as_ref());
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    assert_eq!(books.wire, Known::Exact(3000));
    let Known::Exact(dropped) = picture.ledger().unwrap().lost.ring else {
        panic!("{books}");
    };
    assert!(dropped > 1000, "{books}");
    assert_eq!(books.counted + dropped, 3000, "{books}");
    assert!(
        books
            .to_string()
            .contains(&format!("lost={dropped}(ring {dropped})")),
        "{books}"
    );
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn an_interface_deleted_in_mid_run_ends_it_with_closed_books() {
    let sender = cable();
    let source = source(CaptureOptions::default());
    send(&sender, 900);
    let mut deleted = false;
    let (report, picture, warnings) = run(Box::new(source), |shown| {
        if !deleted && counted(shown) == 900 {
            deleted = true;
            // They wait in the ring when their interface goes.
            send(&sender, 600);
            ip("link delete left");
        }
        false
    });
    let failure = report.failure.expect("it is gone").to_string();
    for part in ["if:right", "gone", "start again"] {
        assert!(failure.contains(part), "{failure}");
    }
    assert_eq!(report.flush, FlushOutcome::Came);
    let books = picture.books(report.offered.as_ref());
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    assert_eq!(
        (books.wire, books.counted),
        (Known::Exact(1500), 1500),
        "{books}"
    );
    assert!(warnings.len() <= 1, "{warnings:?}");
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn an_interface_that_goes_down_is_waited_for() {
    let sender = cable();
    let source = source(CaptureOptions::default());
    send(&sender, 90);
    let mut steps = 0;
    let (report, picture, warnings) = run(Box::new(source), |shown| {
        match steps {
            0 if counted(shown) < 90 => return false,
            0 => ip("link set right down"),
            // A moment, so that it is seen to be down, and to be up.
            20 => ip("link set right up"),
            // The other end takes a moment to notice, and drops meanwhile.
            40.. => _ = sender.send(&frame(1)),
            _ => {}
        }
        steps += 1;
        counted(shown) >= 100
    });
    assert!(report.failure.is_none(), "{:?}", report.failure);
    let books = picture.books(report.offered.as_ref());
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    assert_eq!(books.wire, Known::Exact(books.counted));
    let [down, up] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    assert!(down.contains("ip link set right up"), "{down}");
    assert!(up.contains("if:right: up again"), "{up}");
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn merged_frames_are_told_of_with_the_line_that_helps() {
    let sender = cable();
    let source = source(CaptureOptions::default());
    // One frame longer than the interface could carry when it was opened, as
    // the kernel's merged ones are.
    ip("link set left mtu 9000");
    ip("link set right mtu 9000");
    let mut long = frame(1);
    long.resize(4000, 0);
    sender.send(&long).unwrap();
    let (_, picture, warnings) = run(Box::new(source), |shown| counted(shown) > 0);
    assert_eq!(picture.ledger().unwrap().counted.octets, 4000);
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    assert!(warning.contains("ethtool -K right"), "{warning}");
    assert!(warning.contains("tso off"), "{warning}");
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn rights_end_with_opening() {
    cable();
    let specs: Vec<Spec> = ["if:left", "if:right"]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    let how = crate::OpenOptions::default();
    assert_eq!(crate::open_all(&specs, &how).unwrap().len(), 2);
    let error = specs[0].open(&how).err().unwrap().to_string();
    assert!(error.contains("left: only who has CAP_NET_RAW"), "{error}");
}

#[test]
fn tables_of_a_live_source_do_not_grow_without_end() {
    let wanted = |options: &SensorOptions| {
        let got = bounded(options);
        (got.grow, got.flows)
    };
    assert_eq!(wanted(&options()), (false, FLOWS));
    let many = SensorOptions {
        flows: FLOWS * 2,
        ..options()
    };
    assert_eq!(wanted(&many), (false, FLOWS * 2));
    let board = SensorOptions {
        flows: 512,
        grow: false,
        ..options()
    };
    assert_eq!(wanted(&board), (false, 512));
    // Who wants nothing forgotten gets that.
    assert_eq!(wanted(&SensorOptions::exact()), (true, 4096));
}
