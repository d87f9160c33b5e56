//! One sensor that is well: what is shown of it, sorted, filtered, page by page.

use std::collections::VecDeque;

use magpie::views::screen::{Controls, Screen};
use magpie_collector::{Picture, Position, Session};
use magpie_link::{Header, MAX_BATCH, Overflow, Sender};
use magpie_protocol::{
    Command, Emitted, Items, Record, RecordSource, Tally, TimeReply, UplinkCounts, Want,
    decode_command, encode_record,
};
use magpie_sources::Uplink;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::made::{QUIET, ledger, many};
use super::{BOOT, LARGE, Made, NOW_US, SENSOR_US, SMALL, controls, on_terminal, typed};
use crate::blessed::golden;

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
