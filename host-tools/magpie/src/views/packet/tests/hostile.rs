//! Packets that are made to harm who looks at them, and any others.

use super::*;

#[test]
fn names_cannot_steer_a_terminal() {
    // ESC [ 2 J, BEL, C1 CSI, DEL in a label.
    let mut frame = octets(QUERY);
    frame.splice(55..62, *b"\x1b[2J\x07\x9b\x7f");
    let line = lines_of(&plain(), &[frame]);
    assert!(line.contains("A? ^[[2J^GM-^[^?.com. (29)"), "{line}");
}

#[test]
fn a_name_that_points_at_itself_ends() {
    let mut frame = octets(FRAMES[2]);
    let at = frame.len() - 16;
    frame.splice(at..at + 2, [0xc0, 0x21]);
    let style = Style {
        verbose: 2,
        ..plain()
    };
    let line = lines_of(&style, &[frame]);
    assert!(line.contains("<BAD PTR> [|domain]"), "{line}");
}

#[test]
fn a_message_of_pointers_costs_little() {
    // 5,000 answers, each named by a chain of pointers as long as can be.
    let mut message = vec![0x30, 0x39, 0x81, 0x80, 0, 0, 0x13, 0x88, 0, 0, 0, 0];
    // The first holds the chain in its data, of a type that is not read.
    let length = 2 + 2 * 2_000_u16;
    message.extend([0, 0, 10, 0, 1, 0, 0, 0, 0]);
    message.extend(length.to_be_bytes());
    let chain = u16::try_from(message.len()).expect("23");
    message.extend([0, 0]);
    for n in 0..2_000_u16 {
        message.extend((0xc000 | (chain + n * 2)).to_be_bytes());
    }
    let last = u16::try_from(message.len() - 2).expect("4,000");
    while message.len() < 60_000 {
        message.extend((0xc000 | last).to_be_bytes());
        message.extend([0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    }
    let mut frame = octets("020000000017020000000066 0800");
    let udp = u16::try_from(message.len() + 8).expect("60 KB");
    frame.extend(octets("4500 0000 0000 0000 4011 0000 0a000a17 01010101"));
    frame.splice(16..18, (udp + 20).to_be_bytes());
    frame.extend(octets("0035 c000"));
    frame.extend(udp.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(message);
    let style = Style {
        verbose: 2,
        ..plain()
    };
    let began = std::time::Instant::now();
    let line = lines_of(&style, &[frame]);
    assert!(line.contains("<BAD PTR> [|domain]"), "{}", &line[..200]);
    assert!(began.elapsed().as_secs() < 5);
}

#[test]
fn cut_anywhere_it_says_so() {
    for hex in FRAMES {
        let whole = octets(hex);
        let mut printer = Printer::new(plain(), Services::default());
        for captured in 1..whole.len() {
            let mut out = String::new();
            let packet = PacketRef {
                at_ns: 0,
                octets: &whole[..captured],
                wire_len: whole.len(),
                link: LinkType::Ethernet,
                interface: None,
                direction: None,
            };
            printer.print(&packet, &mut out);
            assert!(out.ends_with('\n') && out.len() > 1, "{hex} {captured}");
            // Not even an Ethernet header, or not all of the one behind it.
            assert!(captured >= 15 || out.contains("[|"), "{captured}: {out}");
        }
    }
}

fn any_style() -> impl Strategy<Value = Style> {
    let flags = (any::<[bool; 6]>(), 0..5_u8, 0..7_u8, 0..7_u8);
    flags.prop_map(|(flags, verbose, time, dump)| {
        let [numeric, quiet, link, absolute, nanoseconds, number] = flags;
        Style {
            numeric,
            quiet,
            verbose,
            link,
            absolute,
            dump: match dump {
                0 => Dump::Hex,
                1 => Dump::HexLink,
                2 => Dump::HexAscii,
                3 => Dump::HexAsciiLink,
                4 => Dump::Ascii,
                5 => Dump::AsciiLink,
                _ => Dump::None,
            },
            time: Time::of_flags(time),
            nanoseconds,
            number,
            colour: false,
            zone: TimeZone::UTC,
        }
    })
}

/// A known frame with some octets changed, or any octets.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let known = (0..FRAMES.len(), any::<Vec<(u16, u8)>>());
    let changed = known.prop_map(|(n, changes)| {
        let mut frame = octets(FRAMES[n]);
        for (at, value) in changes {
            let at = usize::from(at) % frame.len();
            frame[at] = value;
        }
        frame
    });
    // Behind an Ethernet header of a known type, so that it is looked into.
    let types = prop::sample::select(vec![
        [0x08, 0x00],
        [0x86, 0xdd],
        [0x08, 0x06],
        [0x81, 0x00],
        [0x88, 0x47],
        [0x88, 0x64],
        [0x88, 0xcc],
        [0x00, 0x26],
    ]);
    let behind = (types, prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(kind, rest)| {
        let mut frame = vec![0; 12];
        frame.extend(kind);
        frame.extend(rest);
        frame
    });
    let any = prop::collection::vec(any::<u8>(), 0..300);
    prop_oneof![4 => changed, 2 => behind, 1 => any]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_octets_panic_or_steer_a_terminal(
        style in any_style(),
        frames in prop::collection::vec((any_frame(), any::<u16>(), 0..2_000_usize), 1..4),
        link in prop::sample::select(vec![LinkType::Ethernet, LinkType::Raw, LinkType::Other(9)]),
    ) {
        let mut printer = Printer::new(style, Services::default());
        for (frame, cut, beyond) in frames {
            let captured = frame.len().min(cut.into());
            let mut out = String::new();
            let packet = PacketRef {
                at_ns: u64::from(cut) << 47,
                octets: &frame[..captured],
                wire_len: captured + beyond,
                link,
                interface: None,
                direction: None,
            };
            printer.print(&packet, &mut out);
            prop_assert!(out.ends_with('\n'));
            prop_assert!(out.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()), "{out:?}");
            prop_assert!(out.len() < 100_000, "{} octets", out.len());
        }
    }
}
