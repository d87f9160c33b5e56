//! What goes wrong is seen, in colour or without.

use magpie::views::screen::{Colour, Controls, Page, Screen, Size, Tone, paint};
use magpie_collector::{Limits, Offered, Picture, Position};
use magpie_protocol::{
    Address, AddressPair, FlowKey, FlowRecord, FlowSum, Known, Ledger, LinkState, Losses, NetState,
    Port, Record, Tally, Unsent, UnsentKey, UnsentLine,
};
use magpie_sources::Phase;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

use super::made::{Maker, QUIET, direction, ledger, many, one_of_many, stack};
use super::{BOOT, Made, NOW_US, SENSOR_US, SMALL, controls, on_terminal};
use crate::blessed::golden;

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
pub(crate) fn in_trouble() -> Made {
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
