//! The live screen on ratatui's test terminal, drawn from hand-made pictures
//! and held against files beside this test. After a wanted change:
//! `MAGPIE_BLESS=1 cargo test -p magpie --test screen`, then read the
//! difference.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use magpie::views::screen::{
    Colour, Controls, Effect, Extent, Findings, Page, Pictures, Scene, Screen, Size, Tone, paint,
};
use magpie::views::{Seen, Sort};
use magpie_collector::{Limits, Offered, Picture, Position, Session};
use magpie_link::{Header, MAX_BATCH, Overflow, Sender};
use magpie_protocol::{
    Address, AddressPair, BootReason, BootReport, Capacities, Census, ClockKind, Command,
    CountEntry, Counts, Direction, EchoKey, EchoRecord, EchoSample, Emitted, EndReason, FlowKey,
    FlowRecord, FlowSum, Handshake, Hello, Items, Known, Ledger, LinkState, Losses, NetState, Port,
    Record, RecordSource, Side, Sum, TableId, Tally, TcpFacts, TimeReply, TooBig, Unsent,
    UnsentKey, UnsentLine, UplinkCounts, VlanStack, Want, decode_command, encode_record,
};
use magpie_sources::{Phase, Status, Uplink};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};

mod blessed;

use blessed::golden;

/// 22:15:00 UTC.
const NOW_US: u64 = 1_700_000_100_000_000;
/// Sensor time: two and a quarter hours after its boot.
const SENSOR_US: u64 = 8_043_000_000;
const BOOT: u32 = 0x1a2b_3c4d;
const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 60);

/// Hand-made sources, in place of running ones.
struct Made {
    sources: Vec<(Picture, Status)>,
    now_us: u64,
}

impl Pictures for Made {
    fn count(&self) -> usize {
        self.sources.len()
    }

    fn look<T>(&self, index: usize, with: impl FnOnce(&Seen<'_>, &Status) -> T) -> T {
        let (picture, status) = &self.sources[index];
        let seen = Seen {
            picture,
            offered: status.offered.as_ref(),
            now_us: self.now_us,
        };
        with(&seen, status)
    }
}

impl Made {
    fn of(sources: Vec<Picture>) -> Self {
        let with_status = |picture| {
            let uplink = Uplink::Serial {
                octets: 12_345_678,
                room: Some(92_160),
            };
            let status = Status {
                uplink: Some(uplink),
                as_of_us: NOW_US,
                ..Status::default()
            };
            (picture, status)
        };
        Self {
            sources: sources.into_iter().map(with_status).collect(),
            now_us: NOW_US,
        }
    }

    fn findings(&self) -> Vec<Findings> {
        (0..self.count())
            .map(|i| self.look(i, |seen, _| Findings::of(seen)))
            .collect()
    }

    fn scene(
        &self,
        screen: &mut Screen,
        controls: &Controls,
        (columns, rows): (u16, u16),
    ) -> Scene {
        let size = Size {
            columns: columns.into(),
            rows: rows.into(),
        };
        screen.scene(self, &self.findings(), controls, None, size)
    }

    /// What stands on a terminal of this size.
    fn shown(&self, controls: &Controls, size: (u16, u16)) -> String {
        let scene = self.scene(&mut Screen::default(), controls, size);
        on_terminal(&scene, size)
    }
}

fn on_terminal(scene: &Scene, (columns, rows): (u16, u16)) -> String {
    for line in &scene.lines {
        // Nothing relies on being cut by the terminal.
        assert!(line.width() <= columns.into(), "{}", line.text());
    }
    assert!(scene.lines.len() <= rows.into());
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal
        .draw(|frame| paint(scene, Colour::Yes, frame))
        .unwrap();
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for row in 0..rows {
        let line: String = (0..columns)
            .map(|column| buffer[(column, row)].symbol())
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

struct Maker {
    picture: Picture,
    number: u64,
}

fn stack(ids: &[u16]) -> VlanStack {
    let mut stack = VlanStack::NONE;
    for id in ids {
        stack.push(*id);
    }
    stack
}

fn direction(packets: u64, octets: u64) -> Direction {
    Direction {
        packets,
        ip_octets: octets,
        frame_octets: octets + 14 * packets,
    }
}

fn octets(n: u64) -> [u8; 8] {
    n.to_be_bytes()
}

impl Maker {
    fn new(source: &str) -> Self {
        Self {
            picture: Picture::new(source, Limits::default()),
            number: 0,
        }
    }

    fn put(&mut self, record: &Record) {
        let at = Position {
            boot_id: BOOT,
            is_final: true,
            number: self.number,
        };
        self.number += 1;
        self.picture.apply(NOW_US, at, record);
    }

    /// A stranger's words are shown and must not move the cursor.
    fn hello(&mut self, name: &str) {
        self.put(&Record::Hello(Hello {
            major: 1,
            minor: 0,
            boot_id: BOOT,
            at_us: SENSOR_US,
            clock: ClockKind::SinceBoot,
            zero_seed: false,
            name: name.try_into().unwrap(),
            board: "nucleo-h743zi2".try_into().unwrap(),
            firmware: "0.1.0".try_into().unwrap(),
            git: "abcdef".try_into().unwrap(),
            boot: BootReport {
                count: 7,
                reason: BootReason::Watchdog,
                last_word: "ring.rs:70: stuck\x1b[2J".try_into().unwrap(),
                watchdogs: Some(2),
            },
            capacities: Capacities {
                flows: 32_768,
                echoes: 256,
                ..Capacities::default()
            },
        }));
    }

    fn flow(&mut self, record: FlowRecord) {
        let flow_id = self.number;
        self.put(&Record::Flow(FlowRecord { flow_id, ..record }));
    }

    fn echo(&mut self, last: [u8; 2], requests: u64, matched: u64) {
        let echo_id = self.number;
        let key = EchoKey {
            vlan: stack(&[10]),
            addresses: AddressPair::V4 {
                a: [10, 0, 10, last[0]],
                b: [192, 0, 2, last[1]],
            },
            id: 7,
        };
        self.put(&Record::Echo(EchoRecord {
            echo_id,
            reason: EndReason::Flush,
            key,
            first_us: SENSOR_US - 4_000_000,
            last_us: SENSOR_US,
            requests,
            replies: matched,
            matched,
            duplicates: 0,
            orphans: 0,
            waiting: 1,
        }));
        for i in 0..matched.min(20) {
            let sequence = u16::try_from(i).unwrap();
            self.put(&Record::EchoSample(EchoSample {
                echo_id,
                key,
                sequence,
                reply_us: SENSOR_US,
                rtt_us: 9_800 + i64::from(sequence) * 700,
            }));
        }
    }

    fn icmp(&mut self, lines: &[(u64, u64)]) {
        let entries = lines.iter().map(|(key, frames)| CountEntry {
            key: *key,
            frames: *frames,
            octets: 0,
        });
        self.put(&Record::Counts(Counts {
            table: TableId::Icmp,
            entries: entries.collect(),
        }));
    }
}

fn ledger(live: u64, lost: Losses) -> Ledger {
    let counted = Sum {
        frames: 148_210_331,
        octets: 98_765_432_100,
    };
    Ledger {
        at_us: SENSOR_US,
        counted,
        in_flows: counted,
        lost,
        flows: Census {
            made: live,
            live,
            live_packets: counted.frames,
            live_octets: counted.octets,
            evicted: 0,
        },
        exported: Tally {
            records: 90_112,
            ..Tally::default()
        },
        uplink: UplinkCounts {
            acked: 90_112,
            batches: 12_345,
            resent: 6,
            ..UplinkCounts::default()
        },
        ..Ledger::default()
    }
}

const QUIET: Losses = Losses {
    fcs: Known::Exact(3),
    oversize: Known::Exact(0),
    mac_fifo: Known::Exact(0),
    no_descriptor: Known::Exact(0),
    ring: Known::Exact(0),
};

/// One of many flows: TCP and UDP, IPv4 and IPv6, every tenth one-way.
fn one_of_many(n: u64) -> FlowRecord {
    let [.., x, y, z] = octets(n);
    let tcp = !n.is_multiple_of(3);
    let addresses = if n % 5 == 4 {
        let mut a = [
            0x20, 0x01, 0x0d, 0xb8, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, x, y, z,
        ];
        let b = a;
        a[15] ^= 0x80;
        a[6] = 0x12;
        AddressPair::V6 {
            a: b.min(a),
            b: b.max(a),
        }
    } else {
        AddressPair::V4 {
            a: [10, x, y, z],
            b: [192, 0, 2, 80],
        }
    };
    let back = if n % 10 == 7 { 0 } else { 3 * n };
    FlowRecord {
        flow_id: 0,
        reason: EndReason::Live,
        key: FlowKey {
            vlan: match n % 4 {
                0 => VlanStack::NONE,
                1 => stack(&[10]),
                2 => stack(&[100, 30]),
                _ => stack(&[4_094]),
            },
            protocol: if tcp { 6 } else { 17 },
            addresses,
            a_port: 1_024 + u16::from(y) * 250 + u16::from(z),
            b_port: 443,
        },
        initiator: if n.is_multiple_of(2) {
            Side::A
        } else {
            Side::B
        },
        first_us: SENSOR_US - 4_000_000 - n,
        last_us: SENSOR_US - n * 1_000,
        ab: direction(3 + n, 10 * n * (n % 97 + 1)),
        ba: direction(back, 900 * n),
        tcp: tcp.then_some(TcpFacts {
            flags: [0x1b, 0x13],
            seq_back: [n % 7, 0],
            seq_back_octets: [0, 0],
            unseen_octets: [0, n % 11],
            handshake: n.is_multiple_of(2).then_some(Handshake {
                client: Side::A,
                syn_retx: u32::from(n.is_multiple_of(8)),
                synack_retx: 0,
                syn_to_synack_us: i64::try_from(11_000 + n * 13).unwrap(),
                synack_to_ack_us: 250,
            }),
        }),
    }
}

/// A sensor with so many flows, some ping and ICMP.
fn many(flows: u64) -> Picture {
    let mut maker = Maker::new("serial:/dev/ttyACM0");
    maker.hello("tap1");
    for n in 1..=flows {
        maker.flow(one_of_many(n));
    }
    maker.echo([23, 1], 1_200, 1_199);
    maker.echo([2, 9], 240, 200);
    maker.icmp(&[
        (0x4_0800, 183),
        (0x4_0000, 179),
        (0x4_0303, 12),
        (0x4_0304, 3),
        (0x6_8000, 94),
        (0x4_0b00, 4),
    ]);
    maker.put(&Record::TooBig(TooBig {
        at_us: SENSOR_US,
        addresses: AddressPair::V4 {
            a: [10, 0, 0, 1],
            b: [10, 0, 10, 77],
        },
        mtu: 1_420,
    }));
    // Two a second apart: 100 Mb/s between them.
    let mut before = ledger(flows, QUIET);
    before.at_us -= 1_000_000;
    before.counted.frames -= 18_402;
    before.counted.octets -= 12_500_000;
    maker.put(&Record::Ledger(before));
    maker.put(&Record::Ledger(ledger(flows, QUIET)));
    maker.picture
}

fn controls() -> Controls {
    Controls::new(Sort::Rate)
}

fn typed(controls: &mut Controls, keys: &str, extent: Extent) {
    for c in keys.chars() {
        let code = if c == '\n' {
            KeyCode::Enter
        } else {
            KeyCode::Char(c)
        };
        let effect = controls.press(KeyEvent::new(code, KeyModifiers::NONE), extent);
        assert_ne!(effect, Effect::Nothing, "{c:?}");
    }
}

#[test]
fn few_and_many_flows_on_small_and_large_terminals() {
    for flows in [3, 300, 30_000] {
        let made = Made::of(vec![many(flows)]);
        for size in [SMALL, LARGE] {
            let (columns, rows) = size;
            let got = made.shown(&controls(), size);
            golden(&format!("screen-{flows}-{columns}x{rows}.txt"), &got);
        }
    }
}

/// What a sensor says once, live.
struct Says(VecDeque<Record>);

impl RecordSource for Says {
    fn poll_record(&mut self, _: u64, want: Want, out: &mut [u8]) -> Option<Emitted> {
        if want != Want::Live {
            return None;
        }
        let len = encode_record(&self.0.pop_front()?, out).unwrap();
        let tally = Tally::default();
        Some(Emitted { len, tally })
    }

    fn note_uplink(&mut self, _: &UplinkCounts, _: u8) {}

    fn note_dropped(&mut self, _: &[u8], _: &Tally, _: bool) {}
}

/// A host's session asks the sensor for its time; question and answer are under
/// way for 3.6 ms.
fn compare_clocks(picture: &mut Picture) {
    let mut session = Session::new("serial:/dev/ttyACM0");
    let storage = vec![0; 4_096].leak();
    let mut sender = Sender::new(BOOT, storage, Overflow::Hold);
    let hello = Record::Hello(picture.hello().unwrap().clone());
    let mut says = |record: Record, at_us, session: &mut Session| {
        let mut out = [0; MAX_BATCH];
        let mut said = Says([record].into());
        let len = sender.poll_transmit(at_us, &mut said, &mut out).unwrap();
        session.handle_batch(at_us, &out[..len], picture).unwrap();
    };
    says(hello, NOW_US, &mut session);
    let batch = session.poll_transmit(NOW_US).unwrap();
    let (_, octets) = Header::parse(&batch).unwrap();
    let asked = Items::new(octets).find_map(|item| match decode_command(item.unwrap()) {
        Ok(Command::TimeSync { id, host_us }) => Some((id, host_us)),
        _ => None,
    });
    let (id, host_us) = asked.expect("the session asks");
    let reply = TimeReply {
        id,
        host_us,
        received_us: SENSOR_US + 1_800,
        sent_us: SENSOR_US + 1_840,
    };
    says(Record::TimeReply(reply), NOW_US + 3_640, &mut session);
}

/// A second later there are rates, and the clock is known.
#[test]
fn a_sensor_that_is_watched_for_a_while() {
    let mut made = Made::of(vec![many(300)]);
    let mut screen = Screen::default();
    made.scene(&mut screen, &controls(), SMALL);
    made.now_us += 1_000_000;
    let (picture, status) = &mut made.sources[0];
    compare_clocks(picture);
    let mut later = ledger(300, QUIET);
    later.at_us += 1_000_000;
    later.flows.made += 38;
    later.flows.live += 38;
    later.counted.frames += 9_201;
    later.counted.octets += 7_650_000;
    later.in_flows = later.counted;
    later.flows.live_packets = later.counted.frames;
    later.flows.live_octets = later.counted.octets;
    let at = Position {
        boot_id: BOOT,
        is_final: true,
        number: 1_000_000,
    };
    picture.apply(NOW_US + 1_000_000, at, &Record::Ledger(later));
    status.as_of_us = NOW_US + 1_000_000;
    status.uplink = Some(Uplink::Serial {
        octets: 12_345_678 + 28_570,
        room: Some(92_160),
    });
    let shown = on_terminal(&made.scene(&mut screen, &controls(), SMALL), SMALL);
    golden("screen-watched-80x24.txt", &shown);
}

#[test]
fn filtered_sorted_and_scrolled() {
    let made = Made::of(vec![many(30_000)]);
    let mut screen = Screen::default();
    let mut controls = controls();
    let extent = made.scene(&mut screen, &controls, SMALL).extent;
    assert_eq!(extent.lines, 30_000);
    typed(&mut controls, "s/udp 100.30 :443\n", extent);
    let scene = made.scene(&mut screen, &controls, SMALL);
    // n % 3 == 0 and n % 4 == 2
    assert_eq!(scene.extent.lines, 2_500);
    controls.press(
        KeyEvent::new(KeyCode::PageDown, KeyModifiers::NONE),
        scene.extent,
    );
    let scene = made.scene(&mut screen, &controls, SMALL);
    golden("screen-filtered.txt", &on_terminal(&scene, SMALL));
    let nothing = Controls {
        filter: "no such flow".to_owned(),
        ..controls
    };
    let got = made.shown(&nothing, SMALL);
    assert!(
        got.contains("No flow has all these words") && got.contains("0-0 of 0"),
        "{got}"
    );
}

#[test]
fn the_last_page_is_full_and_whole() {
    let made = Made::of(vec![many(300)]);
    let mut screen = Screen::default();
    let mut controls = controls();
    let extent = made.scene(&mut screen, &controls, SMALL).extent;
    controls.press(KeyEvent::new(KeyCode::End, KeyModifiers::NONE), extent);
    let got = made.shown(&controls, SMALL);
    assert!(
        got.contains(&format!("-{} of {}", extent.lines, extent.lines)),
        "{got}"
    );
    // A list that has become shorter meanwhile.
    let far = Controls {
        top: 1_000_000,
        ..controls
    };
    assert_eq!(made.shown(&far, SMALL), got);
}

/// Later records that found no room, or were dropped after having been sent.
fn not_kept(mut ledger: Ledger) -> [Record; 2] {
    let flows = |flows: u64| FlowSum {
        flows,
        packets: 3 * flows,
        octets: 180 * flows,
    };
    let line = |place, key, never, unsure, missed_at_most| UnsentLine {
        place,
        key,
        missed_at_most,
        never_sent: flows(never),
        unconfirmed: flows(unsure),
    };
    let key = |protocol, responder| {
        Some(UnsentKey {
            protocol,
            responder,
        })
    };
    let v6 = [
        0x20, 1, 0xd, 0xb8, 0, 0x80, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 1, 2, 3, 4,
    ];
    let lines = [
        line(0, key(6, Address::V4([192, 0, 2, 80])), 70_000, 0, 0),
        line(7, key(17, Address::V6(v6)), 1_234, 20, 99),
        line(64, None, 432, 0, 0),
    ];
    let tally = |flows| Tally {
        records: flows,
        flows,
        packets: 3 * flows,
        octets: 180 * flows,
    };
    // Of these 666 were left untold.
    ledger.at_us += 1;
    ledger.never_sent = tally(72_332);
    ledger.uplink.unconfirmed = tally(20);
    ledger.exported.add(&tally(20));
    ledger.flows.made += 72_352;
    ledger.flows.live_packets -= 3 * 72_352;
    ledger.flows.live_octets -= 180 * 72_352;
    let unsent = Unsent {
        flows: 71_686,
        lines: lines.into_iter().collect(),
    };
    [Record::Unsent(unsent), Record::Ledger(ledger)]
}

/// A run whose MAC cannot tell, with losses, a suspicious mirror, two boots.
fn in_trouble() -> Made {
    let mut maker = Maker::new("serial:/dev/ttyACM1");
    maker.hello("tap2\x1b[2J");
    for n in 1..=6 {
        maker.flow(FlowRecord {
            ba: direction(0, 0),
            tcp: None,
            key: FlowKey {
                protocol: 17,
                ..one_of_many(n).key
            },
            ..one_of_many(n)
        });
    }
    let icmp = AddressPair::V4 {
        a: [10, 0, 10, 2],
        b: [192, 0, 2, 9],
    };
    maker.flow(FlowRecord {
        key: FlowKey {
            vlan: stack(&[10]),
            protocol: 1,
            addresses: icmp,
            a_port: 0,
            b_port: 0,
        },
        ab: direction(240, 20_160),
        ba: direction(0, 0),
        tcp: None,
        ..one_of_many(1)
    });
    maker.echo([2, 9], 240, 0);
    let lost = Losses {
        mac_fifo: Known::Unknown,
        // A counter that may have missed some, and shows none.
        no_descriptor: Known::AtLeast(0),
        ring: Known::AtLeast(1_234_567),
        ..QUIET
    };
    maker.put(&Record::Ledger(ledger(7, lost)));
    maker.put(&Record::Port(Port {
        at_us: SENSOR_US,
        link: LinkState::Up {
            mbit: 100,
            full_duplex: false,
        },
        net: NetState::NoLease,
        cpu_permille: Some(934),
        refused: 0,
    }));
    let mut made = Made::of(vec![many(3), maker.picture]);
    let mut offered = Offered {
        frames: 150_000_000,
        octets: 99_000_000_000,
        refused: Vec::new(),
    };
    offered.refuse("oversize", 12, 20_000);
    made.sources[1].1.offered = Some(offered);
    made
}

#[test]
fn several_sensors_and_trouble() {
    let mut made = in_trouble();
    let second = Controls {
        source: 1,
        ..controls()
    };
    let got = made.shown(&second, SMALL);
    assert!(!got.contains('\x1b'));
    golden("screen-trouble-80x24.txt", &got);
    let picture = &mut made.sources[1].0;
    let ledger = picture.ledger().expect("the ledger of a run in trouble");
    for (number, record) in (1_000..).zip(not_kept(ledger)) {
        let at = Position {
            boot_id: BOOT,
            is_final: false,
            number,
        };
        picture.apply(NOW_US, at, &record);
    }
    let ledger = Controls {
        page: Page::Ledger,
        ..second
    };
    golden("screen-ledger-80x90.txt", &made.shown(&ledger, (80, 90)));
    let help = Controls {
        page: Page::Help,
        ..controls()
    };
    golden("screen-help-80x40.txt", &made.shown(&help, (80, 40)));
}

#[test]
fn colour_tells_loss_and_doubt_and_can_be_refused() {
    let made = in_trouble();
    let second = Controls {
        source: 1,
        ..controls()
    };
    let scene = made.scene(&mut Screen::default(), &second, SMALL);
    let toned = |tone| {
        let pieces = scene.lines.iter().flat_map(|line| &line.pieces);
        let texts = pieces
            .filter(|piece| piece.tone == tone)
            .map(|piece| piece.text.as_str());
        texts.collect::<Vec<_>>()
    };
    assert!(
        toned(Tone::Loss).contains(&">=1,234,567"),
        "{:?}",
        toned(Tone::Loss)
    );
    assert!(
        toned(Tone::Doubt).contains(&"PARTIAL(running)"),
        "{:?}",
        toned(Tone::Doubt)
    );
    for (colour, coloured) in [(Colour::Yes, true), (Colour::No, false)] {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| paint(&scene, colour, frame)).unwrap();
        let cells = &terminal.backend().buffer().content;
        assert_eq!(cells.iter().any(|cell| cell.fg == Color::Red), coloured);
        assert!(cells.iter().any(|cell| cell.fg != Color::Reset) == coloured);
        assert!(
            cells
                .iter()
                .any(|cell| cell.modifier.contains(Modifier::BOLD))
        );
    }
}

#[test]
fn it_says_what_it_waits_for() {
    let mut made = Made::of(vec![Picture::new("serial:/dev/ttyACM0", Limits::default())]);
    let mut screen = Screen::default();
    let mut after = |made: &mut Made, seconds: u64| {
        made.now_us = NOW_US + seconds * 1_000_000;
        let scene = made.scene(&mut screen, &controls(), SMALL);
        on_terminal(&scene, SMALL)
    };
    let got = after(&mut made, 0);
    assert!(
        got.contains("Waiting for the sensor at serial:/dev/ttyACM0"),
        "{got}"
    );
    assert!(!got.contains("No answer"), "{got}");
    let got = after(&mut made, 7);
    assert!(
        got.contains("No answer for 7s.") && got.contains("@BAUD"),
        "{got}"
    );
    let mut maker = Maker::new("serial:/dev/ttyACM0");
    maker.hello("tap1");
    made.sources[0].0 = maker.picture;
    made.sources[0].1.receiver.batches = 1;
    let got = after(&mut made, 8);
    assert!(
        got.contains("tap1 is there. Waiting for the first frame"),
        "{got}"
    );
    made.sources[0].1.receiver.batches = 9;
    let got = after(&mut made, 14);
    assert!(
        got.contains("None for 14s. Is the mirror session on"),
        "{got}"
    );
    made.sources[0].0 = many(3);
    let got = after(&mut made, 15);
    assert!(got.contains("FLOWS") && !got.contains("Waiting") && !got.contains("No word"));
    // Nothing more comes.
    let got = after(&mut made, 21);
    assert!(got.contains("No word from the sensor for 7s."), "{got}");
    made.sources[0].1.phase = Phase::Flushing;
    let got = after(&mut made, 22);
    assert!(
        got.contains("Asking the sensor for all it still holds"),
        "{got}"
    );
}

#[test]
fn the_uplink_says_what_it_carries_and_how_full_it_is() {
    let mut made = Made::of(vec![many(3)]);
    let mut screen = Screen::default();
    let mut after = |uplink: Uplink, seconds: u64| {
        let status = &mut made.sources[0].1;
        status.uplink = Some(uplink);
        status.as_of_us = NOW_US + seconds * 1_000_000;
        let scene = made.scene(&mut screen, &controls(), SMALL);
        let text = on_terminal(&scene, SMALL);
        let row = text.lines().find(|line| line.starts_with("SENSOR"));
        let row = row.unwrap().to_owned();
        let line = scene.lines.iter().find(|line| line.text() == row);
        let mut pieces = line.unwrap().pieces.iter();
        let full = pieces.any(|piece| piece.tone == Tone::Doubt && piece.text.contains('%'));
        (row, full)
    };
    let serial = |octets, room| Uplink::Serial { octets, room };
    let room = Some(92_160);
    let (row, _) = after(serial(5_000, room), 0);
    assert!(
        row.contains("  uplink serial  records") && !row.contains('%'),
        "{row}"
    );
    let (row, full) = after(serial(23_432, room), 4);
    assert!(
        row.contains("  uplink serial 37 kb/s 5%  records 50  never sent 0") && !full,
        "{row}"
    );
    let (row, full) = after(serial(23_432 + 83_000, room), 5);
    assert!(row.contains("uplink serial 664 kb/s 90%") && full, "{row}");
    // No line of this speed, or of none that is known.
    let (row, _) = after(serial(1_000_000, room), 6);
    assert!(row.contains("uplink serial 7.1 Mb/s  "), "{row}");
    let (row, _) = after(serial(1_000_100, None), 7);
    assert!(row.contains("uplink serial 800 b/s  "), "{row}");
    let from = Some("192.0.2.9:4739".parse().unwrap());
    let octets = 1_000_200;
    let (row, _) = after(Uplink::Udp { octets, from }, 8);
    assert!(row.contains("uplink udp 800 b/s  "), "{row}");
    let (row, _) = after(Uplink::InProcess, 9);
    assert!(row.contains("uplink in-process"), "{row}");
}

const FULL: LinkState = LinkState::Up {
    mbit: 100,
    full_duplex: true,
};

/// The row of the link, and its pieces that are no plain ones.
fn link_row(made: &Made, screen: &mut Screen, size: (u16, u16)) -> (String, Vec<String>) {
    let scene = made.scene(screen, &controls(), size);
    let is_link = |line: &&magpie::views::screen::Line| line.text().starts_with("LINK");
    let line = scene.lines.iter().find(is_link).expect("a row LINK");
    let pieces = line.pieces.iter().filter(|piece| piece.tone != Tone::Plain);
    let told = pieces.filter(|piece| piece.tone != Tone::Heading);
    (line.text(), told.map(|piece| piece.text.clone()).collect())
}

/// DESIGN.md's row, number by number.
#[test]
fn the_link_has_a_speed_a_share_and_a_load() {
    let mut maker = Maker::new("serial:/dev/ttyACM0");
    maker.hello("tap1");
    maker.flow(one_of_many(1));
    let port = |link, net, cpu_permille| {
        Record::Port(Port {
            at_us: SENSOR_US,
            link,
            net,
            cpu_permille,
            refused: 0,
        })
    };
    maker.put(&port(FULL, NetState::Silent, Some(310)));
    let mut now = ledger(1, QUIET);
    let mut screen = Screen::default();
    let mut made = Made::of(Vec::new());
    // A second at 94 % of the line (24 octets around each frame), then one at
    // 61.2 Mbit/s.
    for (frames, octets) in [(0, 0), (20_000, 11_270_000), (18_402, 7_650_000)] {
        now.at_us += 1_000_000;
        now.counted.frames += frames;
        now.counted.octets += octets;
        maker.put(&Record::Ledger(now));
        made = Made::of(vec![maker.picture.clone()]);
        made.scene(&mut screen, &controls(), SMALL);
    }
    let (row, told) = link_row(&made, &mut screen, SMALL);
    assert_eq!(
        row,
        "LINK   100M full, silent   61.2 Mb/s   18,402 f/s   peak 1s 94%   sensor cpu 31%"
    );
    assert_eq!(told, [""; 0]);
    let mut after = |link, net, cpu| {
        maker.put(&port(link, net, cpu));
        let made = Made::of(vec![maker.picture.clone()]);
        link_row(&made, &mut screen, (84, 24))
    };
    let (row, told) = after(LinkState::Down, NetState::Silent, Some(1));
    assert!(row.starts_with("LINK   down, silent   61.2 Mb/s"), "{row}");
    assert!(
        row.ends_with("   peak 1s 90.2 Mb/s   sensor cpu 1%"),
        "{row}"
    );
    assert_eq!(told, ["down"]);
    let (row, told) = after(FULL, NetState::NoLease, Some(901));
    assert!(row.contains("100M full, no lease"), "{row}");
    assert_eq!(told, ["no lease", "91%"]);
    let (row, told) = after(LinkState::Unknown, NetState::Up([10, 0, 0, 9]), None);
    assert!(row.starts_with("LINK   speaks   61.2 Mb/s"), "{row}");
    assert!(!row.contains("cpu") && told.is_empty(), "{row}");
    // More than its speed is no line of this speed.
    let ten = LinkState::Up {
        mbit: 10,
        full_duplex: false,
    };
    let (row, told) = after(ten, NetState::Asking, Some(0));
    assert!(row.contains("10M half, asking") && row.contains("peak 1s 90.2 Mb/s"));
    assert_eq!(told, ["10M half"]);
}

#[test]
fn a_link_that_is_down_is_said_before_the_first_frame() {
    let mut maker = Maker::new("serial:/dev/ttyACM0");
    maker.hello("tap1");
    maker.put(&Record::Port(Port {
        link: LinkState::Down,
        ..Port::default()
    }));
    let mut made = Made::of(vec![maker.picture, many(3)]);
    let mut screen = Screen::default();
    for seconds in [0, 7] {
        made.now_us = NOW_US + seconds * 1_000_000;
        made.sources[0].1.receiver.batches = seconds;
        let scene = made.scene(&mut screen, &controls(), SMALL);
        let got = on_terminal(&scene, SMALL);
        let said = got.contains("None for 7s. The link of its port is down: is the cable in");
        assert_eq!(said, seconds == 7, "{got}");
        // Among several sensors too.
        let row = got.lines().find(|line| line.trim_start().starts_with("> "));
        assert!(row.expect("its row").contains(" down "), "{got}");
    }
}

#[test]
fn a_warning_takes_its_rows_from_the_flows() {
    let made = Made::of(vec![many(300)]);
    let size = Size {
        columns: 80,
        rows: 24,
    };
    let warning = "serial:/dev/ttyACM0: the line broke\x07 off; ".repeat(4);
    let mut screen = Screen::default();
    let plain = screen.scene(&made, &made.findings(), &controls(), None, size);
    let warned = screen.scene(&made, &made.findings(), &controls(), Some(&warning), size);
    let text = on_terminal(&warned, SMALL);
    assert!(
        text.contains("! serial:/dev/ttyACM0: the line broke? off;"),
        "{text}"
    );
    assert_eq!(warned.extent.room + 3, plain.extent.room);
    assert_eq!(warned.lines.len(), 24);
    assert!(text.lines().last().unwrap().starts_with("-- q quit"));
}

/// The numbers and end points of a line.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

#[test]
fn no_number_is_cut_at_any_width() {
    let made = in_trouble();
    let every = (2_000, 60);
    for controls in [
        controls(),
        Controls {
            source: 1,
            ..controls()
        },
        Controls {
            page: Page::Ledger,
            source: 1,
            ..controls()
        },
    ] {
        let whole = made.shown(&controls, every);
        for columns in (48..210).step_by(3) {
            let got = made.shown(&controls, (columns, 60));
            // How long a page is depends on its width.
            let above = got.rsplit_once("-- q").unwrap().0;
            for word in words(above) {
                let number = word.chars().any(|c| c.is_ascii_digit()) && !word.contains('~');
                // A list that does not fit begins further down.
                let is_range = word.contains('-') && word.starts_with(|c: char| c.is_ascii_digit());
                assert!(
                    !number || is_range || words(&whole).any(|other| other == word),
                    "{word:?} at {columns} columns\n{got}"
                );
            }
        }
    }
}

#[test]
fn any_size_is_drawn() {
    let made = in_trouble();
    for page in [Page::Flows, Page::Ledger, Page::Help] {
        let controls = Controls {
            page,
            source: 1,
            top: 3,
            ..controls()
        };
        for columns in (1..120).step_by(7) {
            for rows in 1..30 {
                made.shown(&controls, (columns, rows));
            }
        }
    }
}

/// Generous: debug builds on a busy machine. Release takes a few milliseconds
/// (`--release -- --nocapture` shows them).
#[test]
fn thirty_thousand_flows_are_drawn_in_time() {
    let made = Made::of(vec![many(30_000)]);
    let findings = made.findings();
    let size = Size {
        columns: 200,
        rows: 60,
    };
    let mut screen = Screen::default();
    let mut time = |what: &str, work: &mut dyn FnMut(&mut Screen)| {
        let best = (0..5).map(|_| {
            let started = Instant::now();
            work(&mut screen);
            started.elapsed()
        });
        let best = best.min().unwrap();
        println!("{what}: {best:?}");
        assert!(best < Duration::from_millis(400), "{what} took {best:?}");
    };
    for sort in [Sort::Rate, Sort::Octets] {
        time(&format!("{sort:?}"), &mut |screen| {
            screen.scene(&made, &findings, &Controls::new(sort), None, size);
        });
    }
    let filtered = Controls {
        filter: "udp 10.0.1".to_owned(),
        ..controls()
    };
    time("filtered", &mut |screen| {
        screen.scene(&made, &findings, &filtered, None, size);
    });
    time("books and mirror", &mut |_| {
        made.findings();
    });
    time("freezing", &mut |_| {
        let copy = made.sources[0].0.clone();
        assert_eq!(copy.flows().len(), 30_000);
    });
}
