//! Packets through an emulated board: what a filter selects comes back octet
//! for octet, or is accounted for.

mod lasting;
mod refused;
mod selected;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::time::{Duration, Instant};

use magpie_capture::Reader;
use magpie_collector::{
    FilterAccount, FilterEvent, FilterPacket, FilterRefusal, FilterRequest, State,
};
use magpie_emulator::{Board, FeedFrame};
use magpie_protocol::{BpfInstruction, FilterAction};
use magpie_sources::{CaptureTurn, Feed, QemuBoard, QemuOptions, SensorCapture, Source};

/// A run may take so long: the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(3);

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
