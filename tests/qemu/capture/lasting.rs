//! A capture that lasts: the line stalls, the clock drifts, the board boots.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use magpie_collector::{FilterEvent, FilterRequest};
use magpie_emulator::{BoardClock, FeedFrame};
use magpie_protocol::BpfInstruction;
use magpie_sources::{Feed, QemuBoard, QemuOptions, SensorCapture};
use magpie_tests::boards;
use magpie_tests::corpus::own_named;

use super::{board_fed, capture_action, request, run, write};

/// Datagrams of one flow, each with its number in it.
fn numbered(count: u32, len: usize) -> Vec<FeedFrame> {
    let frame = |n: u32| {
        let mut octets = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        let total = u16::try_from(len - 14).expect("short");
        octets.extend([0x45, 0]);
        octets.extend(total.to_be_bytes());
        octets.extend([0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        octets.extend([0, 7, 0, 9]);
        octets.extend((total - 20).to_be_bytes());
        octets.extend([0, 0]);
        octets.extend(n.to_be_bytes());
        octets.resize(len, n.to_le_bytes()[0]);
        FeedFrame {
            at_us: 1_700_000_000_000_000 + u64::from(n) * 10,
            wire_octets: u32::try_from(len).expect("short"),
            octets,
        }
    };
    (0..count).map(frame).collect()
}

/// Nobody reads the line for a while: the frames are counted all the same, what
/// finds no room is dropped and said, and what is there with what was dropped is
/// all.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn a_stalled_line_drops_packets_and_says_which() {
    let board = boards::ready("mps2-an386");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("long.pcap");
    let frames = numbered(6_000, 1_000);
    write(&path, &frames);
    let source = board_fed(board, path, &QemuOptions::default());
    let all = vec![BpfInstruction::new(0x06, 0, 0, 262_144)];
    let capture = SensorCapture::new(source, request(all, false, capture_action(false)));
    let mut stalls = 2;
    let ran = run(capture, |event| {
        if let (FilterEvent::Packet(_), 1..) = (event, stalls) {
            stalls -= 1;
            std::thread::sleep(Duration::from_secs(2));
        }
    });
    ran.assert_closed("stalled");
    let account = ran.account();
    assert!(account.dropped.frames > 1_000, "{account:?}");
    assert_eq!(account.matched.frames, 6_000);
    assert_eq!(account.matched.octets, 6_000_000);
    let mut dropped = 0;
    for packet in ran.packets() {
        dropped += packet.dropped_before.frames;
        assert_eq!(
            packet.dropped_before.octets,
            packet.dropped_before.frames * 1_000
        );
        let at = usize::try_from(packet.number + dropped).expect("few");
        assert_eq!(packet.octets, frames[at].octets, "packet {}", packet.number);
    }
    // The flow has them all: summaries go before packets.
    let picture = ran.capture.picture();
    let counted: u64 = picture
        .flows()
        .sorted()
        .iter()
        .map(|(_, s)| s.packets())
        .sum();
    assert_eq!(counted, 6_000);
}

/// Its own clock: times of packets never step back, and are this host's within
/// the bound that is said.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn times_are_this_hosts_within_their_bound() {
    let board = boards::ready("mps2-an386");
    let mut options = QemuOptions::default();
    options.emulator.clock = BoardClock::Own;
    let source = board_fed(board, own_named("vlan.pcap").path, &options);
    let all = vec![BpfInstruction::new(0x06, 0, 0, 262_144)];
    let mut begin = None;
    let ran = run(
        SensorCapture::new(source, request(all, false, capture_action(true))),
        |event| {
            if let FilterEvent::Started { .. } = event {
                begin = Some(wall_us());
            }
        },
    );
    let (begin, end) = (begin.expect("it ran"), wall_us());
    ran.assert_closed("own clock");
    let packets = ran.packets();
    assert!(packets.len() > 100);
    assert!(packets.is_sorted_by_key(|p| p.at_us));
    let walls: Vec<_> = packets
        .iter()
        .map(|p| p.wall.expect("it was measured"))
        .collect();
    assert!(walls.is_sorted_by_key(|wall| wall.at_us));
    for wall in walls {
        let bound = i128::from(wall.bound_us);
        assert!(bound > 0 && bound < 1_000_000, "{bound} us");
        assert!(
            wall.at_us + bound >= begin && wall.at_us - bound <= end,
            "{begin} {wall:?} {end}"
        );
    }
}

fn wall_us() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i128::try_from(since.expect("after 1970").as_micros()).expect("some years")
}

/// A restart forgets the filter, which is said; asked for again it goes on.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn a_restart_forgets_filters_and_says_so() {
    let board = boards::ready("mps2-an386");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("long.pcap");
    write(&path, &numbered(20_000, 200));
    let source = QemuBoard::start(
        "restarted",
        board.name,
        &Feed::File(path),
        Some(8_000),
        &QemuOptions::default(),
    )
    .unwrap_or_else(|e| panic!("{e}"));
    let control = source.control();
    let all = vec![BpfInstruction::new(0x06, 0, 0, 262_144)];
    let again = FilterRequest {
        again: true,
        ..request(all, false, capture_action(true))
    };
    let mut packets = 0;
    let ran = run(SensorCapture::new(Box::new(source), again), |event| {
        packets += u32::from(matches!(event, FilterEvent::Packet(_)));
        if packets == 500 {
            control.reset();
            packets += 1;
        }
    });
    let what: Vec<&FilterEvent> = ran
        .events
        .iter()
        .filter(|e| !matches!(e, FilterEvent::Packet(_) | FilterEvent::Status(_)))
        .collect();
    let [
        FilterEvent::Started { run: first, .. },
        FilterEvent::Forgotten {
            account,
            again: true,
        },
        FilterEvent::Started { run: second, .. },
        FilterEvent::Ended(last),
    ] = what[..]
    else {
        panic!("{what:?}");
    };
    assert_ne!(first, second);
    assert!(last.is_closed(), "{last:?}");
    // Of the first boot some are gone with its memory; nothing comes twice.
    let numbers: BTreeMap<u32, u32> = ran.packets().iter().fold(BTreeMap::new(), |mut all, p| {
        let n = u32::from_be_bytes(p.octets[42..46].try_into().expect("four octets"));
        *all.entry(n).or_default() += 1;
        all
    });
    assert!(numbers.values().all(|times| *times == 1));
    let (before, after) = (account.delivered.frames, last.delivered.frames);
    assert_eq!(numbers.len() as u64, before + after);
    assert!(before >= 500 && after > 1_000, "{before} {after}");
    assert!(numbers.contains_key(&19_999), "to the end");
}
