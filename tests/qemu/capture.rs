//! Packets through an emulated board: what a filter selects comes back octet
//! for octet, or is accounted for.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use magpie_capture::Reader;
use magpie_collector::{
    FilterAccount, FilterEvent, FilterPacket, FilterRefusal, FilterRequest, State,
};
use magpie_emulator::{Board, BoardClock, FeedFrame};
use magpie_protocol::{BpfInstruction, FilterAction, FilterReason, FilterState, Outcome};
use magpie_sources::{CaptureTurn, Feed, QemuBoard, QemuOptions, SensorCapture, Source};
use magpie_tests::boards;
use magpie_tests::corpus::{self, Capture, own, own_named};
use magpie_tests::udp::{SpeakingBoard, Wiring};

/// A run may take so long: the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(3);
/// Least captures of a corpus that must be run.
const CORPUS_RUNS: usize = 12;
/// Larger captures are left out: the board's line carries 300 kB a second.
const MOST_OCTETS: u64 = 1_500_000;

/// What is asked of each capture, in turns.
const EXPRESSIONS: [&str; 6] = [
    "ip or ip6 or arp",
    "tcp port 80 or udp port 53",
    "not tcp",
    "greater 200",
    "icmp or icmp6 or (tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0)",
    "",
];

fn tcpdump(arguments: &[&str]) -> Vec<u8> {
    let output = Program::new("tcpdump")
        .args(arguments)
        .output()
        .unwrap_or_else(|e| panic!("tcpdump: {e}; apt-get install tcpdump"));
    assert!(output.status.success(), "tcpdump {arguments:?}: {output:?}");
    output.stdout
}

/// What libpcap makes of an expression.
fn compiled(expression: &str, capture: &Path) -> Vec<BpfInstruction> {
    let capture = capture.to_str().expect("a path of ours");
    let text = tcpdump(&["-ddd", "-r", capture, expression]);
    let text = String::from_utf8(text).expect("numbers");
    let line = |line: &str| {
        let mut numbers = line
            .split_whitespace()
            .map(|n| n.parse::<u32>().expect("a number"));
        let mut next = || numbers.next().expect("four numbers");
        BpfInstruction {
            code: next().try_into().expect("16 bits"),
            jt: next().try_into().expect("8 bits"),
            jf: next().try_into().expect("8 bits"),
            k: next(),
        }
    };
    text.lines().skip(1).map(line).collect()
}

/// What tcpdump selects of a capture.
fn selected(expression: &str, capture: &Path) -> Vec<FeedFrame> {
    let capture = capture.to_str().expect("a path of ours");
    let chosen = tcpdump(&["-r", capture, "-w", "-", expression]);
    frames_of(std::io::Cursor::new(chosen))
}

fn read(path: &Path) -> Vec<FeedFrame> {
    frames_of(File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

fn frames_of(file: impl std::io::Read + Send + 'static) -> Vec<FeedFrame> {
    let mut reader = Reader::new("selected", file).expect("a capture");
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().expect("a whole capture") {
        frames.push(FeedFrame {
            at_us: frame.at_us,
            wire_octets: frame.wire_len,
            octets: frame.data.to_vec(),
        });
    }
    frames
}

/// A classic capture file.
fn write(path: &Path, frames: &[FeedFrame]) {
    let mut file: Vec<u8> = vec![];
    for word in [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 262_144, 1] {
        file.extend(word.to_le_bytes());
    }
    for frame in frames {
        let len = u32::try_from(frame.octets.len()).expect("short");
        let [seconds, us] = [frame.at_us / 1_000_000, frame.at_us % 1_000_000];
        for word in [seconds, us, len.into(), frame.wire_octets.into()] {
            file.extend(u32::try_from(word).expect("until 2106").to_le_bytes());
        }
        file.extend(&frame.octets);
    }
    std::fs::write(path, file).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

fn capture_action(wait: bool) -> FilterAction {
    FilterAction::Capture {
        snap_len: 0,
        max_packets: 0,
        max_octets: 0,
        wait,
    }
}

fn request(program: Vec<BpfInstruction>, literal: bool, action: FilterAction) -> FilterRequest {
    FilterRequest {
        slot: 0,
        program,
        literal,
        action,
        again: false,
    }
}

/// A capture through a board, run to its end.
struct Ran {
    events: Vec<FilterEvent>,
    capture: SensorCapture,
}

impl Ran {
    fn packets(&self) -> Vec<&FilterPacket> {
        let packets = self.events.iter().filter_map(|event| match event {
            FilterEvent::Packet(packet) => Some(packet),
            _ => None,
        });
        packets.collect()
    }

    fn account(&self) -> FilterAccount {
        *self.capture.account().expect("a filter was asked for")
    }

    fn refusal(&self) -> FilterRefusal {
        let refused = self.events.iter().find_map(|event| match event {
            FilterEvent::Refused { why, .. } => Some(*why),
            _ => None,
        });
        refused.unwrap_or_else(|| panic!("{:?}", self.events))
    }

    /// The books of the whole board, and of the filter.
    fn assert_closed(&self, what: &str) {
        let account = self.account();
        assert!(account.is_closed(), "{what}: {account:?}");
        let books = self
            .capture
            .picture()
            .books(self.capture.offered().as_ref());
        assert_eq!(
            books.state,
            State::Closed,
            "{what}: {books} {:?}",
            books.broken
        );
    }
}

fn run(mut capture: SensorCapture, mut before: impl FnMut(&FilterEvent)) -> Ran {
    let mut events = Vec::new();
    let begin = Instant::now();
    loop {
        let turn = capture.turn(Duration::from_millis(50), &mut |event| {
            before(&event);
            events.push(event);
        });
        match turn.unwrap_or_else(|e| panic!("{e}: {:?}", capture.warnings())) {
            CaptureTurn::Ended => break,
            _ => assert!(
                begin.elapsed() < PATIENCE,
                "it does not end: {:?}",
                capture.warnings()
            ),
        }
    }
    Ran { events, capture }
}

fn board_fed(board: &Board, path: PathBuf, options: &QemuOptions) -> Box<dyn Source> {
    let name = format!("qemu:{},feed={}", board.name, path.display());
    let source = QemuBoard::start(name, board.name, &Feed::File(path), None, options);
    Box::new(source.unwrap_or_else(|e| panic!("{e}")))
}

fn through(board: &Board, path: &Path, request: FilterRequest) -> Ran {
    let source = board_fed(board, path.to_owned(), &QemuOptions::default());
    run(SensorCapture::new(source, request), |_| {})
}

/// Octet for octet, in order, at their times.
fn assert_same(what: &str, ran: &Ran, want: &[FeedFrame]) {
    let got = ran.packets();
    for (number, (packet, frame)) in got.iter().zip(want).enumerate() {
        let at_us = packet.wall.map(|wall| (wall.at_us, wall.bound_us));
        assert_eq!(
            at_us,
            Some((i128::from(frame.at_us), 0)),
            "{what}: packet {number}"
        );
        assert_eq!(
            packet.wire_len, frame.wire_octets,
            "{what}: packet {number}"
        );
        assert_eq!(packet.octets, frame.octets, "{what}: packet {number}");
        assert_eq!(
            (packet.lost_before, packet.dropped_before.frames),
            (0, 0),
            "{what}"
        );
    }
    assert_eq!(got.len(), want.len(), "{what}");
    let account = ran.account();
    assert_eq!(account.delivered.frames, want.len() as u64, "{what}");
}

fn chosen() -> Vec<Capture> {
    let small = |c: &Capture| c.truth().frame_bytes <= MOST_OCTETS && boards::fits(c);
    let mut all: Vec<Capture> = own().into_iter().filter(small).collect();
    assert!(all.iter().any(|c| c.name == "vlan.pcap"));
    if let Some(corpus) = corpus::corpus() {
        let some: Vec<Capture> = corpus
            .into_iter()
            .filter(|c| c.truth().frames >= 100 && small(c))
            .take(CORPUS_RUNS)
            .collect();
        assert_eq!(some.len(), CORPUS_RUNS, "too few captures fit the boards");
        all.extend(some);
    }
    all
}

/// The packets that tcpdump selects from the same file.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn what_tcpdump_selects_comes_back() {
    let board = boards::ready("mps2-an386");
    let (mut runs, mut packets) = (0, 0);
    for (n, capture) in chosen().iter().enumerate() {
        let expression = EXPRESSIONS[n % EXPRESSIONS.len()];
        let what = format!("{} '{expression}'", capture.name);
        let want = selected(expression, &capture.path);
        let program = compiled(expression, &capture.path);
        let ran = through(
            board,
            &capture.path,
            request(program, true, capture_action(true)),
        );
        ran.assert_closed(&what);
        assert_same(&what, &ran, &want);
        runs += 1;
        packets += want.len();
    }
    assert!(packets > 1000, "only {packets} packets");
    println!("{runs} captures, {packets} packets as tcpdump selects them");
}

/// Where tags are taken away for the filter, the packets are those that tcpdump
/// selects from the untagged copy, with their tags.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn tags_do_not_hide_packets() {
    let board = boards::ready("mps2-an386");
    let folder = tempfile::tempdir().expect("a folder");
    let capture = own_named("vlan.pcap");
    let frames = read(&capture.path);
    // Times that are all different tell which frame is which.
    let untagged: Vec<FeedFrame> = (0_u64..)
        .zip(&frames)
        .map(|(n, f)| without_tags(f, n))
        .collect();
    assert!(
        frames
            .iter()
            .zip(&untagged)
            .any(|(f, u)| f.octets != u.octets)
    );
    let copy = folder.path().join("untagged.pcap");
    write(&copy, &untagged);
    for expression in [
        "tcp",
        "not tcp",
        "arp or icmp",
        "host 10.0.10.23 and not port 53",
    ] {
        let want: Vec<FeedFrame> = selected(expression, &copy)
            .iter()
            .map(|frame| frames[usize::try_from(frame.at_us).expect("its number")].clone())
            .collect();
        let program = compiled(expression, &copy);
        let ran = through(
            board,
            &capture.path,
            request(program, false, capture_action(true)),
        );
        ran.assert_closed(expression);
        assert_same(expression, &ran, &want);
    }
}

fn without_tags(frame: &FeedFrame, at_us: u64) -> FeedFrame {
    let mut octets = frame.octets.clone();
    while octets.len() >= 16 && matches!(octets[12..14], [0x81 | 0x91, 0] | [0x88, 0xa8]) {
        octets.drain(12..16);
    }
    FeedFrame {
        at_us,
        wire_octets: u32::try_from(octets.len()).expect("short"),
        octets,
    }
}

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
    let all = vec![BpfInstruction {
        code: 0x06,
        k: 262_144,
        ..BpfInstruction::default()
    }];
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
    let all = vec![BpfInstruction {
        code: 0x06,
        k: 262_144,
        ..BpfInstruction::default()
    }];
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

/// A filter that only counts, one that chooses what the tables see, and limits.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn counting_choosing_and_limits() {
    let board = boards::ready("mps2-an386");
    let capture = own_named("lab.pcap");
    let truth = capture.truth();
    let want = selected("tcp", &capture.path);
    assert!(want.len() > 100);
    let program = || compiled("tcp", &capture.path);
    let octets: u64 = want.iter().map(|f| u64::from(f.wire_octets)).sum();
    for action in [FilterAction::Count, FilterAction::Only] {
        let ran = through(board, &capture.path, request(program(), true, action));
        ran.assert_closed(&format!("{action:?}"));
        let matched = ran.account().matched;
        assert_eq!(
            (matched.frames, matched.octets),
            (want.len() as u64, octets)
        );
        let ledger = ran
            .capture
            .picture()
            .ledger()
            .expect("a flushed sensor's ledger");
        assert_eq!(ledger.counted.frames, truth.frames);
        let filtered = if action == FilterAction::Only {
            truth.frames - want.len() as u64
        } else {
            0
        };
        assert_eq!(ledger.filtered.frames, filtered, "{action:?}");
    }
    let limited = FilterAction::Capture {
        snap_len: 96,
        max_packets: 10,
        max_octets: 0,
        wait: true,
    };
    let ran = through(board, &capture.path, request(program(), true, limited));
    assert_eq!(ran.account().state, FilterState::PacketLimit);
    let cut: Vec<FeedFrame> = want[..10]
        .iter()
        .map(|f| FeedFrame {
            octets: f.octets[..f.octets.len().min(96)].to_vec(),
            ..f.clone()
        })
        .collect();
    assert_same("ten of 96 octets", &ran, &cut);
    assert!(ran.account().is_closed());
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
    let all = vec![BpfInstruction {
        code: 0x06,
        k: 262_144,
        ..BpfInstruction::default()
    }];
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

/// The small board says what it lacks, and does all else as ever.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn a_board_without_room_says_so() {
    let board = boards::ready("lm3s6965evb");
    let capture = own_named("vlan.pcap");
    let program = compiled("tcp", &capture.path);
    let ran = through(
        board,
        &capture.path,
        request(program, true, capture_action(true)),
    );
    let why = ran.refusal();
    let FilterRefusal::Answered {
        outcome: Outcome::Unsupported,
        reason: FilterReason::NoSlot,
        ..
    } = why
    else {
        panic!("{why:?}");
    };
    assert_eq!(why.to_string(), "the sensor has no memory for this filter");
    let hello = ran.capture.picture().hello().expect("it said who it is");
    assert_eq!(hello.capacities.filters.slots, 0);
    let books = ran.capture.picture().books(ran.capture.offered().as_ref());
    assert_eq!(books.state, State::Closed, "{books}");
}

/// An image without packets: they are refused, counting is not.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn an_image_without_payload_hands_out_none() {
    let board = boards::ready("mps2-an386");
    let capture = own_named("lab.pcap");
    let mut options = QemuOptions::default();
    options.emulator.image = Some(boards::image_without_payload(board));
    for (action, refused) in [(capture_action(true), true), (FilterAction::Count, false)] {
        let source = board_fed(board, capture.path.clone(), &options);
        let program = compiled("tcp", &capture.path);
        let ran = run(
            SensorCapture::new(source, request(program, true, action)),
            |_| {},
        );
        let hello = ran.capture.picture().hello().expect("it said who it is");
        let room = hello.capacities.filters;
        assert_eq!((room.payload, room.ring_octets), (false, 0));
        if refused {
            let why = ran.refusal();
            assert!(
                matches!(
                    why,
                    FilterRefusal::Answered {
                        reason: FilterReason::NoPayload,
                        ..
                    }
                ),
                "{why:?}"
            );
        } else {
            ran.assert_closed("counting");
            assert!(ran.account().matched.frames > 0);
        }
    }
}

/// By UDP anybody may ask: refused, counted, and shown.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn a_capture_asked_for_by_udp_is_refused_and_counted() {
    let board = boards::ready("mps2-an386");
    let capture = own_named("vlan.pcap");
    let source = SpeakingBoard::start(board, &capture, Wiring::default());
    let program = compiled("tcp", &capture.path);
    let request = request(program, true, capture_action(false));
    let ran = run(SensorCapture::new(Box::new(source), request), |_| {});
    let why = ran.refusal();
    let FilterRefusal::Answered {
        outcome: Outcome::Refused,
        reason: FilterReason::NotAuthenticated,
        ..
    } = why
    else {
        panic!("{why:?}");
    };
    assert_eq!(ran.packets(), [] as [&FilterPacket; 0]);
    let port = ran.capture.picture().port().expect("a board has one");
    assert!(port.refused >= 1, "{port:?}");
}
