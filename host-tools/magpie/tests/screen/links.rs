//! The link that is watched, and the uplink that tells of it.

use magpie::views::screen::{Screen, Tone};
use magpie_protocol::{LinkState, NetState, Port, Record};
use magpie_sources::Uplink;

use super::made::{Maker, QUIET, ledger, many, one_of_many};
use super::{Made, NOW_US, SENSOR_US, SMALL, controls, on_terminal};

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
