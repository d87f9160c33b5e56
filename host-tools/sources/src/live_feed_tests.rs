use std::time::Duration;

use magpie_collector::State;
use magpie_os::{Capture, CaptureOptions, FrameSender};
use magpie_protocol::{Configuration, EndReason, Known};

use crate::interface::tests::{by_stack, counted, run, run_set, send};
use crate::netns::{cable, ip, tagged};
use crate::tests::frame;
use crate::{Feed, FlushOutcome, QemuBoard, QemuOptions, Shown};

fn board(name: &str, ring: CaptureOptions) -> Box<QemuBoard> {
    let capture = Capture::open("right", &ring).unwrap();
    let options = QemuOptions::default();
    let source = format!("qemu:{name},if=right");
    let feed = Feed::Interface("right".into());
    let board = QemuBoard::start_with(source, name, &feed, None, &options, Some(capture));
    Box::new(board.unwrap_or_else(|e| panic!("{e}")))
}

/// Frames offered so far.
fn offered(shown: &Shown) -> u64 {
    shown.status().offered.map_or(0, |offered| offered.frames)
}

/// What a live feed must be on every board.
fn a_cable_at_the_mirror_port(name: &str) {
    let sender = cable();
    let source = board(name, CaptureOptions::default());
    ip("link set left mtu 9000");
    ip("link set right mtu 9000");
    let mut octets = send(&sender, 1500);
    let mut long = frame(1);
    long.resize(4000, 0);
    sender.send(&long).unwrap();
    octets += 4000;
    let mut more = false;
    let (report, picture, warnings) = run(source, |shown| {
        // After a pause, so that a quiet feed is one that goes on.
        if !more && counted(shown) == 1500 {
            more = true;
            octets += send(&sender, 1500);
        }
        counted(shown) == 3000
    });
    assert!(report.failure.is_none(), "{:?}", report.failure);
    assert_eq!(report.flush, FlushOutcome::Came);
    let offered = report.offered.clone().unwrap();
    let books = picture.books(Some(&offered));
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    assert_eq!(books.wire, Known::Exact(3001), "{books}");
    assert!(books.to_string().contains("lost=1(oversize 1)"), "{books}");
    assert_eq!(offered.octets, octets);
    let expected = [(vec![], 1000), (vec![10], 1000), (vec![20, 30], 1000)];
    assert_eq!(by_stack(&picture), expected.into());
    let refused = warnings
        .iter()
        .filter(|w| w.contains("longer than the board's"));
    assert_eq!(refused.count(), 1, "{warnings:?}");
    // The kernel's stamps, not the board's clock: now, to a minute.
    let now = crate::interface::wall_us();
    for (_, sums) in picture.flows().sorted() {
        assert!(now.abs_diff(sums.first_us) < 60_000_000, "{sums:?}");
    }
}

#[test]
#[ignore = "needs root, iproute2, QEMU and images: cargo verify runs it"]
fn a_cable_at_the_mirror_port_of_mps2_an386() {
    a_cable_at_the_mirror_port("mps2-an386");
}

#[test]
#[ignore = "needs root, iproute2, QEMU and images: cargo verify runs it"]
fn a_cable_at_the_mirror_port_of_lm3s6965evb() {
    a_cable_at_the_mirror_port("lm3s6965evb");
}

/// The wire falls silent for good: what was on it is shown, and ends after its
/// time-out, without another frame.
fn a_wire_that_falls_silent(name: &str) {
    let sender = cable();
    let source = board(name, CaptureOptions::default());
    let settings = Configuration {
        idle_us: Some(1_500_000),
        live_us: Some(200_000),
        ..Configuration::default()
    };
    let (mut sent, mut shown_live, mut last_us) = (false, false, 0);
    let (report, picture, _) = run_set(source, settings, |shown| {
        // Once it answers, so that its settings are in force.
        if !sent && shown.picture().ledger().is_some() {
            std::thread::sleep(Duration::from_millis(500));
            send(&sender, 20);
            sent = true;
            last_us = crate::interface::wall_us();
        }
        let Some(ledger) = shown.picture().ledger() else {
            return false;
        };
        let ledger_live = ledger.flows.live;
        shown_live |= ledger.counted.frames == 20 && ledger_live > 0;
        let flows = shown.picture().flows().sorted();
        let idle = |sums: &magpie_collector::FlowSums| sums.reason == EndReason::Idle;
        ledger_live == 0 && flows.len() == 20 && flows.iter().all(|(_, sums)| idle(sums))
    });
    assert!(shown_live, "live updates wait for the next frame");
    let quiet_us = crate::interface::wall_us().saturating_sub(last_us);
    assert!(quiet_us >= 1_000_000, "before its time: {quiet_us} us");
    let ledger = picture.ledger().unwrap();
    assert_eq!(ledger.counted.frames, 20);
    // Its clock is the wire's, to a second (or what this machine is late).
    let late_us = crate::interface::wall_us().abs_diff(ledger.at_us);
    assert!(late_us < 5_000_000, "{late_us} us from now");
    let books = picture.books(report.offered.as_ref());
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
}

#[test]
#[ignore = "needs root, iproute2, QEMU and images: cargo verify runs it"]
fn a_wire_that_falls_silent_before_mps2_an386() {
    a_wire_that_falls_silent("mps2-an386");
}

#[test]
#[ignore = "needs root, iproute2, QEMU and images: cargo verify runs it"]
fn a_wire_that_falls_silent_before_lm3s6965evb() {
    a_wire_that_falls_silent("lm3s6965evb");
}

fn flood(sender: &FrameSender, frames: u32) {
    for n in 0..frames {
        sender.send(&tagged(&frame(n % 50), b"")).unwrap();
    }
}

#[test]
#[ignore = "needs root, iproute2, QEMU and images: cargo verify runs it"]
fn what_the_kernel_drops_before_a_board_is_refused_by_name() {
    let sender = cable();
    let tiny = CaptureOptions {
        block_octets: 4096,
        blocks: 4,
        ..CaptureOptions::default()
    };
    let source = board("mps2-an386", tiny);
    // The board still boots: nobody reads.
    flood(&sender, 3000);
    let (report, picture, warnings) = run(source, |shown| offered(shown) == 3000);
    let offered = report.offered.unwrap();
    let books = picture.books(Some(&offered));
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    assert_eq!(books.wire, Known::Exact(3000), "{books}");
    let [refusal] = &offered.refused[..] else {
        panic!("{books}");
    };
    assert_eq!(refusal.reason, "kernel", "{books}");
    assert_eq!(books.counted + refusal.frames, 3000, "{books}");
    assert!(
        warnings.iter().any(|w| w.contains("dropped by the kernel")),
        "{warnings:?}"
    );
}

#[test]
#[ignore = "needs root, iproute2, QEMU and images: cargo verify runs it"]
fn an_interface_that_goes_ends_the_feed_and_the_board_still_answers() {
    let sender = cable();
    let source = board("mps2-an386", CaptureOptions::default());
    send(&sender, 600);
    let mut deleted = false;
    let (report, picture, _) = run(source, |shown| {
        if !deleted && offered(shown) == 600 {
            deleted = true;
            send(&sender, 300);
            ip("link delete left");
        }
        false
    });
    let failure = report.failure.expect("it is gone").to_string();
    assert!(
        failure.contains("qemu:mps2-an386,if=right: the interface right is gone"),
        "{failure}"
    );
    let books = picture.books(report.offered.as_ref());
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    assert_eq!(books.counted, 900, "{books}");
}
