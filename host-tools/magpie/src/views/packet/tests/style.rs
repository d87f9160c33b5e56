//! Names, times and colours, as they are asked for.

use super::*;

#[test]
fn protocols_and_mac_addresses_have_names_unless_numbers_are_asked_for() {
    let named = Style {
        numeric: false,
        ..plain()
    };
    let fragment = |protocol: &str| {
        format!(
            "020000000017020000000066 0800 45000018 00000001 40{protocol}0000 0a000a17 0a000a42 \
             00000000"
        )
    };
    for (protocol, name, number) in [
        ("00", "hopopt", "ip-proto-0"),
        ("fd", "exptest-253", "ip-proto-253"),
        ("fc", "ip-proto-252", "ip-proto-252"),
        ("3d", "ip-proto-61", "ip-proto-61"),
        ("8e", "rohc", "ip-proto-142"),
    ] {
        for (style, word) in [(&named, name), (&plain(), number)] {
            let line = line_of(style, &fragment(protocol));
            assert_eq!(line, format!("IP 10.0.10.23 > 10.0.10.66: {word}"));
        }
    }
    let reply = "ffffffffffff 00000c000066 0806 0001080006040002 00000c000066 0a000a42 \
                 020000000017 0a000a17";
    let line = line_of(&named, reply);
    let is_at = "ARP, Reply 10.0.10.66 is-at 00:00:0c:00:00:66";
    assert_eq!(line, format!("{is_at} (oui Cisco), length 28"));
    assert_eq!(line_of(&plain(), reply), format!("{is_at}, length 28"));
    let style = Style {
        link: true,
        ..named
    };
    let line = line_of(&style, "ffffffffffff 020000000066 1234");
    let ends = "02:00:00:00:00:66 (oui Unknown) > Broadcast, ";
    assert!(line.starts_with(ends), "{line}");
}

#[test]
fn ports_have_names_unless_numbers_are_asked_for() {
    let services = Services::from_texts("domain 53/udp\n", "", "");
    let style = Style {
        numeric: false,
        ..plain()
    };
    let mut printer = Printer::new(style, services);
    let frame = octets(QUERY);
    let mut out = String::new();
    let packet = PacketRef {
        at_ns: 0,
        octets: &frame,
        wire_len: frame.len(),
        link: LinkType::Ethernet,
        interface: Some("tap\x1b1"),
        direction: Some(Direction::In),
    };
    printer.print(&packet, &mut out);
    assert!(
        out.starts_with("tap^[1 In  IP 10.0.10.23.49152 > 1.1.1.1.domain: "),
        "{out}"
    );
}

#[test]
fn times_as_tcpdump_has_them() {
    let frames = vec![octets(ARP); 2];
    for (time, nanoseconds, begins) in [
        (Time::OfDay, false, ["22:13:20.123456 ", "22:13:21.123456 "]),
        (
            Time::OfDay,
            true,
            ["22:13:20.123456789 ", "22:13:21.123456789 "],
        ),
        (
            Time::Seconds,
            false,
            ["1700000000.123456 ", "1700000001.123456 "],
        ),
        (
            Time::SincePrevious,
            false,
            [" 00:00:00.000000 ", " 00:00:01.000000 "],
        ),
        (
            Time::Date,
            false,
            ["2023-11-14 22:13:20.123456 ", "2023-11-14 22:13:21.123456 "],
        ),
        (
            Time::SinceFirst,
            false,
            [" 00:00:00.000000 ", " 00:00:01.000000 "],
        ),
    ] {
        let style = Style {
            time,
            nanoseconds,
            ..plain()
        };
        let lines = lines_of(&style, &frames);
        for (line, begin) in lines.lines().zip(begins) {
            assert!(line.starts_with(&format!("{begin}ARP")), "{time:?}: {line}");
        }
    }
    let zone = TimeZone::fixed(jiff::tz::Offset::from_hours(2).expect("an hour of the day"));
    let style = Style {
        time: Time::OfDay,
        zone,
        ..plain()
    };
    assert!(lines_of(&style, &frames).starts_with("00:13:20.123456 "));
}

#[test]
fn colours_are_there_where_wanted_and_end() {
    let style = Style {
        colour: true,
        time: Time::OfDay,
        ..plain()
    };
    let line = line_of(&style, QUERY);
    assert!(
        line.starts_with("\x1b[2m22:13:20.123456 \x1b[0mIP \x1b[36m10.0.10.23.49152"),
        "{line:?}"
    );
    assert_eq!(line.matches("\x1b[0m").count(), 2, "{line:?}");
}
