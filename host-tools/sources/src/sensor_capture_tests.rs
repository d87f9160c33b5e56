//! Packets of a capture file come back out of a sensor in this process.

use std::collections::VecDeque;
use std::io::Cursor;

use magpie_collector::{FilterRefusal, State};
use magpie_link::{Overflow, Sender};
use magpie_protocol::{
    BpfInstruction, Capacities, ClockKind, Command, CommandType, Emitted, FilterAction,
    FilterReason, FilterReply, FilterState, FilterStatus, Hello, Ledger, Outcome, Record,
    RecordSource, Sum, Tally, UplinkCounts, VERSION_MAJOR, VERSION_MINOR, Want, encode_record,
};

use super::*;
use crate::tests::{capture, frame, options};
use crate::waiting::LONGEST;
use crate::{InProcess, SensorOptions};

/// Frames whose source address ends in an even octet.
fn even() -> Vec<BpfInstruction> {
    vec![
        BpfInstruction::new(0x30, 0, 0, 29),
        BpfInstruction::new(0x45, 1, 0, 1),
        BpfInstruction::new(0x06, 0, 0, 262_144),
        BpfInstruction::new(0x06, 0, 0, 0),
    ]
}

fn request(program: Vec<BpfInstruction>, max_packets: u64) -> FilterRequest {
    FilterRequest {
        slot: 0,
        program,
        literal: false,
        action: FilterAction::Capture {
            snap_len: 0,
            max_packets,
            max_octets: 0,
            wait: true,
        },
        again: false,
    }
}

fn run(
    file: Vec<u8>,
    options: &SensorOptions,
    request: FilterRequest,
) -> (SensorCapture, Vec<FilterEvent>) {
    let source = InProcess::new("file:a.pcap", "a.pcap", Cursor::new(file), options).unwrap();
    let mut capture = SensorCapture::new(Box::new(source), request);
    let mut events = Vec::new();
    let begin = Instant::now();
    while capture
        .turn(Duration::from_millis(20), &mut |event| events.push(event))
        .unwrap()
        != CaptureTurn::Ended
    {
        assert!(begin.elapsed() < Duration::from_mins(1), "{events:?}");
    }
    (capture, events)
}

fn packets(events: &[FilterEvent]) -> Vec<&magpie_collector::FilterPacket> {
    let packets = events.iter().filter_map(|event| match event {
        FilterEvent::Packet(packet) => Some(packet),
        _ => None,
    });
    packets.collect()
}

#[test]
fn every_frame_that_is_selected_comes_back_in_order_with_its_time() {
    let (capture, events) = run(capture(60_000, 200), &options(), request(even(), 0));
    assert!(matches!(events[0], FilterEvent::Started { slot: 0, .. }));
    let got = packets(&events);
    let mut want = (0..60_000_u32)
        .map(|n| (n, n.wrapping_mul(2_654_435_761) % 200))
        .filter(|(_, flow)| flow % 2 == 0);
    for packet in &got {
        let (n, flow) = want.next().unwrap();
        assert_eq!(packet.octets, frame(flow));
        let wall = packet.wall.unwrap();
        let at_us = 1_700_000_000_000_000 + i128::from(n) * 1000;
        assert_eq!((wall.at_us, wall.bound_us), (at_us, 0));
        assert_eq!((packet.lost_before, packet.dropped_before.frames), (0, 0));
    }
    assert_eq!(want.next(), None);
    let account = *capture.account().unwrap();
    assert!(account.is_closed(), "{account:?}");
    assert_eq!(account.delivered.frames, got.len() as u64);
    assert_eq!(events.last(), Some(&FilterEvent::Ended(account)));
    // And the flows and the books are those of the whole file.
    let books = capture.picture().books(capture.offered().as_ref());
    assert_eq!((books.state, books.counted), (State::Closed, 60_000));
}

#[test]
fn it_ends_at_its_limit() {
    let (mut capture, events) = run(capture(60_000, 200), &options(), request(even(), 7));
    assert_eq!(packets(&events).len(), 7);
    let account = capture.account().unwrap();
    assert!(account.is_closed(), "{account:?}");
    assert_eq!(account.state, FilterState::PacketLimit);
    let warnings = capture.warnings().join("\n");
    assert!(warnings.contains("not read to its end"), "{warnings}");
}

#[test]
fn a_bad_program_is_refused_by_name() {
    let bad = vec![
        BpfInstruction::new(0x30, 0, 0, 29),
        BpfInstruction::new(0x45, 1, 7, 1),
        BpfInstruction::new(0x06, 0, 0, 1),
    ];
    let (capture, events) = run(capture(10, 2), &options(), request(bad, 0));
    let [FilterEvent::Refused { why, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    let FilterRefusal::Answered {
        reason: FilterReason::JumpOutside,
        instruction: Some(1),
        ..
    } = why
    else {
        panic!("{why:?}");
    };
    assert_eq!(
        why.to_string(),
        "instruction 1 of the program: it jumps out of the program"
    );
    assert!(capture.picture().hello().is_some());
}

/// The longest program there is goes over in many commands.
#[test]
fn a_long_program_arrives_whole() {
    let mut program = vec![BpfInstruction::new(0x30, 0, 0, 29); 252];
    program.extend(even());
    let (capture, events) = run(capture(100, 10), &options(), request(program, 0));
    assert_eq!(packets(&events).len(), 50);
    assert!(capture.account().unwrap().is_closed());
}

#[test]
fn only_what_is_selected_reaches_the_tables() {
    let only = FilterRequest {
        action: FilterAction::Only,
        ..request(even(), 0)
    };
    let (capture, events) = run(capture(1_000, 10), &options(), only);
    assert_eq!(packets(&events), [] as [&_; 0]);
    let account = capture.account().unwrap();
    assert_eq!(account.matched.frames, 500);
    assert!(account.is_closed(), "{account:?}");
    let books = capture.picture().books(capture.offered().as_ref());
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    assert_eq!((books.counted, books.filtered), (1_000, 500));
    assert!(books.to_string().contains(" filtered=500 "), "{books}");
    assert_eq!(capture.picture().flows().len(), 5);
}

fn ledger(at_us: u64, frames: u64) -> Record {
    let mut ledger = Ledger {
        at_us,
        ..Ledger::default()
    };
    ledger.counted.frames = frames;
    Record::Ledger(ledger)
}

fn runs(run: u32, at_us: u64) -> Record {
    Record::FilterStatus(FilterStatus {
        run,
        at_us,
        state: FilterState::Running,
        ..FilterStatus::default()
    })
}

/// A sensor that starts filters, and says of one that is to stop only that it
/// still holds packets. A mute one says nothing.
struct Stubborn {
    sender: Sender<'static>,
    says: Says,
    run: u32,
    stopping: bool,
    mute: bool,
    /// Said later, one in each batch.
    later: VecDeque<Record>,
}

#[derive(Default)]
struct Says(VecDeque<Record>);

impl RecordSource for Says {
    fn poll_record(&mut self, _: u64, want: Want, out: &mut [u8]) -> Option<Emitted> {
        if want != Want::Live {
            return None;
        }
        let len = encode_record(&self.0.pop_front()?, out).unwrap();
        let tally = Tally {
            records: 1,
            ..Tally::default()
        };
        Some(Emitted { len, tally })
    }

    fn note_uplink(&mut self, _: &UplinkCounts, _: u8) {}

    fn note_dropped(&mut self, _: &[u8], _: &Tally, _: bool) {}
}

impl Stubborn {
    fn new(mute: bool) -> Self {
        let storage = Box::leak(vec![0; 64 * 1024].into_boxed_slice());
        Self {
            sender: Sender::new(7, storage, Overflow::Hold),
            says: Says::default(),
            run: 0,
            stopping: false,
            mute,
            later: VecDeque::new(),
        }
    }

    fn hear(&mut self, command: &Command) {
        let (id, kind) = match *command {
            Command::Hello { .. } => {
                self.says.0.push_back(ledger(5, 100));
                self.says.0.push_back(Record::Hello(Hello {
                    major: VERSION_MAJOR,
                    minor: VERSION_MINOR,
                    boot_id: 7,
                    at_us: 5,
                    clock: ClockKind::Unix,
                    zero_seed: false,
                    name: "a".try_into().unwrap(),
                    board: "b".try_into().unwrap(),
                    firmware: "c".try_into().unwrap(),
                    git: "d".try_into().unwrap(),
                    capacities: Capacities::default(),
                    boot: magpie_protocol::BootReport::default(),
                }));
                return;
            }
            Command::StartFilter { id, .. } => {
                self.run = id;
                (id, CommandType::StartFilter)
            }
            Command::StopFilter { id, discard, .. } => {
                self.stopping = !discard;
                (id, CommandType::StopFilter)
            }
            _ => return,
        };
        let reply = Record::FilterReply(FilterReply {
            id,
            command: kind as u8,
            slot: 0,
            outcome: Outcome::Done,
            reason: FilterReason::None,
            instruction: 0,
        });
        self.says.0.push_back(reply);
    }
}

impl Source for Stubborn {
    fn name(&self) -> &'static str {
        "serial:/dev/none"
    }

    fn receive(&mut self, _: Duration) -> Result<Incoming, SourceError> {
        std::thread::sleep(Duration::from_millis(5));
        if self.stopping {
            let five = Sum {
                frames: 5,
                octets: 300,
            };
            self.says.0.push_back(Record::FilterStatus(FilterStatus {
                slot: 0,
                run: self.run,
                at_us: 9,
                state: FilterState::Stopped,
                action: request(Vec::new(), 0).action,
                matched: five,
                kept: five,
                dropped: Sum::default(),
                forwarded: Sum::default(),
            }));
        }
        if self.run != 0 && self.says.0.is_empty() {
            let mut next = self.later.pop_front();
            if let Some(Record::FilterStatus(status)) = &mut next {
                status.run = self.run;
            }
            self.says.0.extend(next);
        }
        let mut out = [0; magpie_link::MAX_BATCH];
        let sent = self
            .sender
            .poll_transmit(host_us(), &mut self.says, &mut out);
        Ok(match sent {
            Some(len) if !self.mute => Incoming::Batch(out[..len].to_vec()),
            _ => Incoming::Idle,
        })
    }

    fn uplink(&self) -> Option<Uplink> {
        Some(Uplink::Serial {
            octets: 0,
            room: None,
        })
    }

    fn send(&mut self, batch: &[u8]) -> Result<(), SourceError> {
        let heard: Vec<Command> = self
            .sender
            .handle_batch(host_us(), batch)
            .unwrap()
            .collect();
        for command in &heard {
            self.hear(command);
        }
        Ok(())
    }
}

fn turns(capture: &mut SensorCapture, longest: Duration) -> (Vec<FilterEvent>, CaptureTurn) {
    let mut events = Vec::new();
    let begin = Instant::now();
    loop {
        let wait = Duration::from_millis(20);
        let turn = capture.turn(wait, &mut |event| events.push(event)).unwrap();
        if turn == CaptureTurn::Ended || begin.elapsed() > longest {
            return (events, turn);
        }
    }
}

#[test]
fn a_sensor_that_only_answers_does_not_keep_a_capture_from_its_end() {
    let mut capture = SensorCapture::new(Box::new(Stubborn::new(false)), request(Vec::new(), 0));
    let (events, _) = turns(&mut capture, Duration::from_millis(300));
    assert!(
        matches!(events[..], [FilterEvent::Started { .. }]),
        "{events:?}"
    );
    capture.patience = Duration::from_millis(500);
    capture.end();
    let (events, turn) = turns(&mut capture, Duration::from_secs(20));
    assert!(events.len() > 10, "it says something all the time");
    assert_eq!(turn, CaptureTurn::Ended);
    let warnings = capture.warnings().join("\n");
    assert!(warnings.contains("has stopped"), "{warnings}");
}

#[test]
fn progress_is_waited_for_but_not_for_ever() {
    let begin = Instant::now();
    let patience = Duration::from_secs(10);
    let mut waiting = Waiting::new(begin, patience, 4);
    assert!(!waiting.is_over(begin + patience / 2, 4));
    assert!(!waiting.is_over(begin + patience, 5));
    assert!(!waiting.is_over(begin + patience * 3 / 2, 5));
    assert!(waiting.is_over(begin + patience * 2, 5));
    let mut waiting = Waiting::new(begin, patience, 0);
    let over = (1_u32..1_000)
        .find(|n| waiting.is_over(begin + Duration::from_secs(1) * *n, u64::from(*n)))
        .unwrap();
    assert_eq!(Duration::from_secs(over.into()), LONGEST);
}

#[test]
fn a_line_without_a_sensor_is_told_once() {
    for (mute, told) in [(true, 1), (false, 0)] {
        let mut capture = SensorCapture::new(Box::new(Stubborn::new(mute)), request(Vec::new(), 0));
        turns(&mut capture, Duration::from_millis(100));
        assert_eq!(capture.warnings(), [""; 0], "it may take a moment");
        capture.missed_at = capture.missed_at.map(|_| Instant::now());
        let (_, turn) = turns(&mut capture, Duration::from_millis(100));
        assert_ne!(turn, CaptureTurn::Ended, "it may be plugged in yet");
        let warnings = capture.warnings();
        assert_eq!(warnings.len(), told, "{warnings:?}");
        for warning in warnings {
            let begins = "serial:/dev/none: no answer from a sensor here: wrong port or speed";
            assert!(warning.starts_with(begins), "{warning}");
        }
    }
}

/// What it had counted before is not of this capture, whenever that is told.
#[test]
fn what_a_sensor_saw_begins_with_the_filter() {
    for (later, seen) in [
        (vec![], None),
        // Of the same moment, and of one before.
        (vec![runs(0, 9)], None),
        (vec![ledger(8, 120), runs(0, 9)], None),
        (vec![runs(0, 9), ledger(9, 130)], None),
        (vec![runs(0, 9), ledger(9, 130), ledger(12, 150)], Some(20)),
        (
            vec![runs(0, 9), ledger(10, 130), runs(0, 11), ledger(12, 171)],
            Some(41),
        ),
    ] {
        let mut sensor = Stubborn::new(false);
        sensor.later = later.clone().into();
        let mut capture = SensorCapture::new(Box::new(sensor), request(Vec::new(), 0));
        turns(&mut capture, Duration::from_millis(200));
        let frames = capture.grown(|ledger| Some(ledger.counted.frames));
        assert_eq!(frames, seen, "{later:?}");
    }
}

/// What is fed waits for the filter: all of it is of the capture.
#[test]
fn what_is_fed_is_seen_from_its_begin() {
    let (capture, _) = run(capture(1_000, 10), &options(), request(even(), 0));
    let frames = capture.grown(|ledger| Some(ledger.counted.frames));
    assert_eq!(frames, Some(1_000));
}
