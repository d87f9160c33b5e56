//! Any octets as packets, printed in any style.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie::views::packet::{Dump, LinkType, PacketRef, Printer, Style, Time};
use magpie_fuzz::input::Input;
use magpie_os::Services;

// Two octets of style, one of link and cut, a frame.
magpie_fuzz::seeds!(
    magpie_fuzz::frames::all()
        .into_iter()
        .chain([answer()])
        .map(|frame| [&[0x02, 0x0f, 0xff][..], &frame].concat())
        .collect()
);

/// A DNS answer with pointers.
fn answer() -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([8, 0, 0x45, 0, 0, 73, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend([1, 1, 1, 1, 10, 0, 10, 23, 0, 53, 0xc0, 0, 0, 53, 0, 0]);
    frame.extend([0x30, 0x39, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    frame.extend(b"\x07example\x03com\0\0\x01\0\x01");
    frame.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 93, 184, 216, 34]);
    frame
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (flags, more, link) = (input.u8(), input.u8(), input.u8());
    let bit = |n: u8| flags >> n & 1 == 1;
    let style = Style {
        numeric: bit(0),
        quiet: bit(2),
        verbose: more & 3,
        link: bit(3),
        absolute: true,
        dump: match flags >> 4 & 7 {
            0 => Dump::Hex,
            1 => Dump::HexLink,
            2 => Dump::HexAscii,
            3 => Dump::HexAsciiLink,
            4 => Dump::Ascii,
            5 => Dump::AsciiLink,
            _ => Dump::None,
        },
        time: Time::of_flags(more >> 2 & 7),
        nanoseconds: bit(7),
        ..Style::default()
    };
    let frame = input.rest();
    let packet = PacketRef {
        at_ns: u64::from_be_bytes(*frame.first_chunk().unwrap_or(&[0; 8])),
        octets: frame,
        wire_len: frame.len() + usize::from(!link & 0x3f),
        link: match link >> 6 {
            0 => LinkType::Raw,
            1 => LinkType::Other(9),
            _ => LinkType::Ethernet,
        },
        interface: None,
        direction: None,
    };
    let lines = |style: &Style| {
        let mut printer = Printer::new(style.clone(), Services::default());
        let (mut first, mut second) = (String::new(), String::new());
        printer.print(&packet, &mut first);
        printer.print(&packet, &mut second);
        // With numbers as they are, nothing of a packet changes the next.
        assert_eq!(first, second);
        first
    };
    let plain = lines(&style);
    assert!(plain.ends_with('\n') && plain.len() > 1);
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!plain.contains(steers), "{plain:?}");
    assert!(plain.len() <= 2_000 + 200 * frame.len(), "{}", plain.len());
    // Colours change nothing but colours.
    let coloured = lines(&Style {
        colour: true,
        ..style
    });
    let mut bare = String::new();
    let mut pieces = coloured.split('\x1b');
    bare.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        bare.push_str(piece.split_once('m').expect("an end").1);
    }
    assert_eq!(bare, plain);
});
