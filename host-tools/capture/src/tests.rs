//! Every form of a capture, written here octet by octet.

use std::io::{Cursor, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{CaptureError, MAX_CAPTURED, Notes, Reader, Reason};

/// Octets in one byte order.
#[derive(Clone)]
struct Octets {
    big: bool,
    all: Vec<u8>,
}

impl Octets {
    fn new(big: bool) -> Self {
        Self {
            big,
            all: Vec::new(),
        }
    }
    fn u16(mut self, n: u16) -> Self {
        self.all.extend(if self.big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        });
        self
    }
    fn u32(mut self, n: u32) -> Self {
        self.all.extend(if self.big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        });
        self
    }
    fn u64(self, n: u64) -> Self {
        let (high, low) = ((n >> 32) as u32, (n & 0xffff_ffff) as u32);
        if self.big {
            self.u32(high).u32(low)
        } else {
            self.u32(low).u32(high)
        }
    }
    fn raw(mut self, octets: &[u8]) -> Self {
        self.all.extend(octets);
        self
    }
    fn padded(self, octets: &[u8]) -> Self {
        let pad = octets.len().next_multiple_of(4) - octets.len();
        self.raw(octets).raw(&vec![0; pad])
    }
    fn option(self, code: u16, value: &[u8]) -> Self {
        self.u16(code)
            .u16(u16::try_from(value.len()).unwrap())
            .padded(value)
    }
    fn block(self, kind: u32, body: impl FnOnce(Octets) -> Octets) -> Self {
        let body = body(Octets::new(self.big)).all;
        let length = u32::try_from(body.len()).unwrap() + 12;
        self.u32(kind).u32(length).raw(&body).u32(length)
    }
    fn section(self, big: bool) -> Self {
        let mut turned = Octets { big, all: self.all };
        turned = turned.block(0x0a0d_0d0a, |b| {
            b.u32(0x1a2b_3c4d).u16(1).u16(0).u64(u64::MAX)
        });
        turned
    }
    fn interface(self, link: u16, options: impl FnOnce(Octets) -> Octets) -> Self {
        self.block(1, |b| options(b.u16(link).u16(0).u32(0)))
    }
    fn packet(self, interface: u32, ticks: u64, wire: u32, data: &[u8]) -> Self {
        self.packet_with(interface, ticks, wire, data, |b| b)
    }
    fn packet_with(
        self,
        interface: u32,
        ticks: u64,
        wire: u32,
        data: &[u8],
        options: impl FnOnce(Octets) -> Octets,
    ) -> Self {
        self.block(6, |b| {
            let b = b
                .u32(interface)
                .u32((ticks >> 32) as u32)
                .u32((ticks & 0xffff_ffff) as u32);
            options(
                b.u32(u32::try_from(data.len()).unwrap())
                    .u32(wire)
                    .padded(data),
            )
        })
    }
}

/// A frame as it should come out: time in nanoseconds, length, octets.
type Expected = (u128, u32, Vec<u8>);

struct Case {
    name: String,
    octets: Vec<u8>,
    frames: Vec<Expected>,
    /// Where each frame's record ends.
    ends: Vec<usize>,
    /// Where else the file may end without being cut.
    seams: Vec<usize>,
}

const DATA: [&[u8]; 3] = [b"first frame", b"", b"the third frame, cut"];
const WIRE: [u32; 3] = [11, 0, 1514];

fn pcaps() -> Vec<Case> {
    let mut cases = Vec::new();
    for (magic, tick, extra) in [
        (0xa1b2_c3d4, 1000, 0),
        (0xa1b2_3c4d, 1, 0),
        (0xa1b2_cd34_u32, 1000, 8),
    ] {
        for (big, fcs) in [(false, 0), (true, 0), (false, 4), (true, 4), (false, 2)] {
            // Without bit 26 the uppermost bits mean nothing.
            let link = match fcs {
                0 => 0x3000_0001,
                octets => 1 | 0x0400_0000 | (octets / 2) << 28,
            };
            let mut file = Octets::new(big)
                .u32(magic)
                .u16(2)
                .u16(4)
                .u32(0)
                .u32(0)
                .u32(9)
                .u32(link);
            let (mut frames, mut ends) = (Vec::new(), Vec::new());
            let seams = vec![file.all.len()];
            for (n, (data, wire)) in DATA.into_iter().zip(WIRE).enumerate() {
                let (seconds, fraction) = (u32::MAX - 1, 999_999 + u32::try_from(n).unwrap());
                let whole = data.len() == wire as usize;
                let mut kept = data.to_vec();
                if whole {
                    kept.extend(vec![0xfc; fcs as usize]);
                }
                let captured = u32::try_from(kept.len()).unwrap();
                file = file
                    .u32(seconds)
                    .u32(fraction)
                    .u32(captured)
                    .u32(wire + fcs);
                file = file.raw(&vec![7; extra]).raw(&kept);
                let at = u128::from(seconds) * 1_000_000_000 + u128::from(fraction) * tick;
                frames.push((at, wire, data.to_vec()));
                ends.push(file.all.len());
            }
            let name = format!("pcap {magic:x} big {big} fcs {fcs}");
            cases.push(Case {
                name,
                octets: file.all,
                frames,
                ends,
                seams,
            });
        }
    }
    cases
}

/// A pcapng file in the making, with what should come out of it.
struct Building {
    case: Case,
    big: bool,
}

impl Building {
    fn write(&mut self, block: impl FnOnce(Octets) -> Octets) {
        let all = std::mem::take(&mut self.case.octets);
        self.case.octets = block(Octets { big: self.big, all }).all;
    }

    /// A block that gives no frame.
    fn quiet(&mut self, block: impl FnOnce(Octets) -> Octets) {
        self.write(block);
        self.case.seams.push(self.case.octets.len());
    }

    /// A block that gives this frame.
    fn frame(&mut self, at: u128, wire: u32, data: &[u8], block: impl FnOnce(Octets) -> Octets) {
        self.write(block);
        self.case.frames.push((at, wire, data.to_vec()));
        self.case.ends.push(self.case.octets.len());
    }

    fn section(&mut self, big: bool) {
        self.big = big;
        self.quiet(|f| f.section(big));
        let offset = if big {
            5_u64.to_be_bytes()
        } else {
            5_u64.to_le_bytes()
        };
        self.quiet(|f| f.interface(1, |o| o));
        self.quiet(|f| f.interface(1, |o| o.option(2, b"eth1").option(9, &[9]).u32(0)));
        self.quiet(|f| {
            f.interface(1, |o| {
                o.option(9, &[0x80 + 10])
                    .option(13, &[4])
                    .option(14, &offset)
            })
        });
        self.quiet(|f| f.interface(1, |o| o.option(13, &[32])));
        // Not Ethernet, but nothing comes from it.
        self.quiet(|f| f.interface(113, |o| o));
    }

    fn frames(&mut self) {
        let us = 1_700_000_000_000_001;
        self.frame(u128::from(us) * 1000, 60, b"abc", |f| {
            f.packet(0, us, 60, b"abc")
        });
        self.quiet(|f| f.block(0x0bad, |b| b.raw(&[9; 40])));
        let ns = 1_700_000_000_000_000_001;
        self.frame(u128::from(ns), 4, b"abcd", |f| f.packet(1, ns, 4, b"abcd"));
        self.frame(5_500_000_000, 5, b"datax", |f| {
            f.packet(2, 512, 9, b"dataxFCSx")
        });
        self.frame(1000, 0, b"", |f| f.packet(3, 1, 3, b"FCS"));
        // The packet's own word on its FCS (2 octets) goes first.
        let flags = if self.big {
            [0, 0, 0, 0x41]
        } else {
            [0x41, 0, 0, 0]
        };
        self.frame(1000, 5, b"datax", |f| {
            let options = |o: Octets| o.option(1, b"a comment").option(2, &flags).u32(0);
            f.packet_with(3, 1, 7, b"dataxFC", options)
        });
        // The old form: two half words, then as the new one.
        self.frame(9, 64, b"ol", |f| {
            f.block(2, |b| {
                b.u16(1).u16(77).u32(0).u32(9).u32(2).u32(64).padded(b"ol")
            })
        });
        self.frame(0, 5, b"plain", |f| {
            f.block(3, |b| b.u32(5).padded(b"plain"))
        });
        // Claims more than its block holds: what is there is given.
        self.frame(2000, 99, b"less", |f| {
            f.block(6, |b| b.u32(0).u32(0).u32(2).u32(99).u32(99).raw(b"less"))
        });
    }
}

fn pcapngs() -> Vec<Case> {
    let one = |first_big| {
        let case = Case {
            name: format!("pcapng, first section big {first_big}"),
            octets: Vec::new(),
            frames: Vec::new(),
            ends: Vec::new(),
            seams: Vec::new(),
        };
        let mut building = Building {
            case,
            big: first_big,
        };
        for big in [first_big, !first_big] {
            building.section(big);
            building.frames();
        }
        building.case
    };
    vec![one(false), one(true)]
}

fn cases() -> Vec<Case> {
    let mut all = pcaps();
    all.extend(pcapngs());
    all
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(octets).unwrap();
    packer.finish().unwrap()
}

/// All frames, the notes, and the error that ended it.
fn read(from: impl Read + Send + 'static) -> (Vec<Expected>, Notes, Option<CaptureError>) {
    let mut frames = Vec::new();
    let mut reader = match Reader::new("a.pcap", from) {
        Ok(reader) => reader,
        Err(error) => return (frames, Notes::default(), Some(error)),
    };
    let error = loop {
        match reader.next_frame() {
            Ok(Some(frame)) => frames.push((frame.at_ns(), frame.wire_len, frame.data.to_vec())),
            Ok(None) => break None,
            Err(error) if error.reason.is_not_yet() => {}
            Err(error) => break Some(error),
        }
    };
    assert!(
        reader.next_frame().unwrap().is_none(),
        "something came after the end"
    );
    (frames, reader.notes(), error)
}

fn read_octets(octets: &[u8]) -> (Vec<Expected>, Notes, Option<CaptureError>) {
    read(Cursor::new(octets.to_vec()))
}

/// Gives one octet at a time, with interruptions and pauses.
struct Trickle(Cursor<Vec<u8>>, u8);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 = (self.1 + 1) % 3;
        match self.1 {
            1 => return Err(std::io::ErrorKind::Interrupted.into()),
            2 => return Err(std::io::ErrorKind::WouldBlock.into()),
            _ => {}
        }
        let most = buffer.len().min(1);
        self.0.read(&mut buffer[..most])
    }
}

#[test]
fn every_form_is_read_plain_packed_and_in_trickles() {
    for case in cases() {
        let mut packed_twice = gzip(&case.octets[..30]);
        packed_twice.extend(gzip(&case.octets[30..]));
        for (how, got) in [
            ("plain", read_octets(&case.octets)),
            ("gzip", read_octets(&gzip(&case.octets))),
            ("two gzip members", read_octets(&packed_twice)),
            (
                "gzip trickle",
                read(Trickle(Cursor::new(gzip(&case.octets)), 0)),
            ),
            (
                "trickle",
                read(Trickle(Cursor::new(case.octets.clone()), 0)),
            ),
        ] {
            let (frames, notes, error) = got;
            assert!(error.is_none(), "{} {how}: {error:?}", case.name);
            assert_eq!(frames, case.frames, "{} {how}", case.name);
            assert_eq!(notes, Notes::default(), "{} {how}", case.name);
        }
    }
}

#[test]
fn a_cut_file_gives_every_whole_record_and_says_where_it_is_cut() {
    for case in cases() {
        let header = case.seams[0];
        for length in 0..case.octets.len() {
            let (frames, notes, error) = read_octets(&case.octets[..length]);
            let name = format!("{} cut at {length}", case.name);
            if length < header {
                let reason = error.expect(&name).reason;
                let right = if length == 0 {
                    matches!(reason, Reason::Empty)
                } else {
                    matches!(reason, Reason::ShortHeader)
                };
                assert!(right, "{name}: {reason:?}");
                continue;
            }
            let whole = case.ends.iter().filter(|end| **end <= length).count();
            assert_eq!(frames, case.frames[..whole], "{name}");
            let starts = case.ends.iter().chain(&case.seams);
            let last_start = starts.filter(|at| **at <= length).max().copied();
            let cut_at = last_start.filter(|at| *at != length).map(|at| at as u64);
            if whole > 0 {
                assert!(error.is_none(), "{name}: {error:?}");
            }
            assert_eq!(notes.cut_at, cut_at, "{name}");
            assert_eq!(
                notes.sentences("x").len(),
                usize::from(cut_at.is_some()),
                "{name}"
            );
        }
    }
}

#[test]
fn a_cut_gzip_file_is_a_cut_file() {
    for case in cases() {
        let packed = gzip(&case.octets);
        // The trailer (8 octets) is the only part without which all is there.
        let (frames, ..) = read_octets(&packed[..packed.len() - 8]);
        assert_eq!(frames, case.frames, "{}", case.name);
        for length in 0..packed.len() {
            let (frames, ..) = read_octets(&packed[..length]);
            assert_eq!(
                frames,
                case.frames[..frames.len()],
                "{} cut at {length}",
                case.name
            );
        }
    }
}

fn pcap_with(captured: u32, data: &[u8]) -> Vec<u8> {
    let head = Octets::new(false)
        .u32(0xa1b2_c3d4)
        .u16(2)
        .u16(4)
        .u32(0)
        .u32(0)
        .u32(9)
        .u32(1);
    head.u32(1)
        .u32(1)
        .u32(1)
        .u32(1)
        .raw(b"x")
        .u32(1)
        .u32(1)
        .u32(captured)
        .u32(1)
        .raw(data)
        .all
}

#[test]
fn lengths_that_lie_cost_neither_memory_nor_what_came_before() {
    let ng = || {
        Octets::new(false)
            .section(false)
            .interface(1, |o| o)
            .packet(0, 0, 1, b"x")
    };
    let huge_block = |kind, length| ng().u32(kind).u32(length).raw(&[0; 64]).all;
    let damage = |what, length| Some(format!("damaged: a {what} of {length} octets"));
    let most = u32::try_from(MAX_CAPTURED).unwrap();
    let cases = [
        (pcap_with(most + 1, b"xyz"), damage("frame", most + 1)),
        (pcap_with(u32::MAX, b"xyz"), damage("frame", u32::MAX)),
        (pcap_with(most, b"xyz"), None),
        (huge_block(6, u32::MAX), damage("block", u32::MAX)),
        (huge_block(1, u32::MAX), damage("block", u32::MAX)),
        (huge_block(6, most), None),
        (huge_block(6, 11), damage("block", 11)),
        (huge_block(0, 0), damage("block", 0)),
        (huge_block(1, 12), damage("interface block", 12)),
        // An unknown block is passed over without being kept.
        (huge_block(99, u32::MAX), None),
    ];
    for (n, (octets, damage)) in cases.into_iter().enumerate() {
        let mut reader = Reader::new("a.pcap", Cursor::new(octets)).unwrap();
        assert_eq!(
            reader.next_frame().unwrap().map(|f| f.data),
            Some(&b"x"[..]),
            "case {n}"
        );
        let next = reader.next_frame().map(|frame| frame.is_none());
        assert!(
            reader.memory() <= 2 << 20,
            "case {n} took {} octets",
            reader.memory()
        );
        match damage {
            None => {
                assert!(next.unwrap(), "case {n}");
                assert!(reader.notes().cut_at.is_some(), "case {n}");
            }
            Some(text) => {
                let error = next.unwrap_err();
                let message = error.to_string();
                assert!(
                    message.contains(&text) && message.contains("a.pcap"),
                    "{n}: {message}"
                );
                assert!(
                    message.contains(&format!("octet {}", error.offset)),
                    "{n}: {message}"
                );
            }
        }
    }
}

#[test]
fn the_longest_frame_that_is_believed_is_given_whole() {
    let data = vec![0x5a; MAX_CAPTURED];
    let (frames, notes, error) =
        read_octets(&pcap_with(u32::try_from(MAX_CAPTURED).unwrap(), &data));
    assert!(error.is_none() && notes == Notes::default());
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[1].2, data);
}

#[test]
fn what_is_no_capture_is_refused_by_name() {
    let head = |major, link| {
        Octets::new(true)
            .u32(0xa1b2_c3d4)
            .u16(major)
            .u16(4)
            .u32(0)
            .u32(0)
            .u32(9)
            .u32(link)
            .all
    };
    let foreign = Octets::new(false).section(false).interface(113, |o| o);
    let mixed = Octets::new(false)
        .section(false)
        .interface(1, |o| o)
        .interface(113, |o| o);
    let mut no_order = Octets::new(false).section(false).all;
    no_order[8..12].fill(0);
    let new_section =
        Octets::new(false).block(0x0a0d_0d0a, |b| b.u32(0x1a2b_3c4d).u16(2).u16(0).u64(0));
    let cases: [(Vec<u8>, u64, &str); 11] = [
        (vec![], 0, "empty"),
        (b"GET / HTTP/1.1".to_vec(), 0, "neither pcap nor pcapng"),
        (b"\x1f\x8b\x08garbage that is no gzip".to_vec(), 0, "gzip"),
        (gzip(b"GET / HTTP/1.1"), 0, "neither pcap nor pcapng"),
        (head(3, 1), 0, "version 3.4"),
        (head(2, 113), 0, "link type 113"),
        (head(2, 276), 0, "link type 276"),
        (foreign.clone().all, 48, "link type 113"),
        (foreign.packet(0, 0, 1, b"x").all, 48, "link type 113"),
        (
            mixed.packet(0, 0, 1, b"x").packet(1, 0, 1, b"y").all,
            104,
            "link type 113",
        ),
        (new_section.all, 0, "version 2.0"),
    ];
    for (n, (octets, offset, text)) in cases.into_iter().enumerate() {
        let (_, _, error) = read_octets(&octets);
        let error = error.unwrap_or_else(|| panic!("case {n} ({text}) was read"));
        let message = error.to_string();
        // What the operating system or the unpacker says is theirs.
        if !matches!(error.reason, Reason::Io(_)) {
            assert!(message.contains(text), "case {n}: {message}");
        }
        assert_eq!(error.offset, offset, "case {n}: {message}");
    }
    assert!(matches!(
        read_octets(&no_order).2.unwrap().reason,
        Reason::ByteOrder
    ));
}

#[test]
fn a_gzip_file_with_a_flipped_octet_gives_an_error_not_other_frames() {
    let data = (0..50_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes());
    let plain = pcap_with(200_000, &data.collect::<Vec<_>>());
    let mut packed = gzip(&plain);
    let middle = packed.len() / 2;
    packed[middle] ^= 0x10;
    let (frames, _, error) = read_octets(&packed);
    // The checksum at the end tells, if nothing before it did.
    assert!(error.is_some(), "{} frames and no word of it", frames.len());
}

#[test]
fn packets_that_cannot_be_placed_are_counted() {
    let file = Octets::new(true)
        .section(true)
        .interface(1, |o| o.option(14, &(-10_i64).to_be_bytes()));
    let file = file
        .packet(7, 0, 1, b"x")
        .block(6, |b| b.u32(0))
        .packet(0, 1, 1, b"y");
    let (frames, notes, error) = read_octets(&file.all);
    assert!(error.is_none());
    assert_eq!(frames, [(0, 1, b"y".to_vec())]);
    assert_eq!(
        notes,
        Notes {
            cut_at: None,
            clamped: 1,
            skipped: 2
        }
    );
    assert_eq!(notes.sentences("a.pcapng").len(), 2);
}

#[test]
fn a_section_with_ever_more_interfaces_ends_it() {
    let one = Octets::new(false).interface(1, |o| o).all;
    let mut file = Octets::new(false).section(false).all;
    for _ in 0..=0x1_0000 {
        file.extend(&one);
    }
    assert!(matches!(
        read_octets(&file).2.unwrap().reason,
        Reason::Interfaces(_)
    ));
}

proptest::proptest! {
    #[test]
    fn any_octets_are_read_without_a_panic(
        which in 0_usize..32,
        octets in proptest::collection::vec(proptest::num::u8::ANY, 0..400),
        at in 0_usize..2000,
        packed in proptest::bool::ANY,
    ) {
        // Random octets behind a real beginning, or in its place.
        let cases = cases();
        let mut file = cases.get(which).map_or_else(Vec::new, |case| case.octets.clone());
        file.truncate(at);
        file.extend(octets);
        let file = if packed { gzip(&file) } else { file };
        let longest = file.len();
        let (frames, ..) = read_octets(&file);
        if !packed {
            proptest::prop_assert!(frames.iter().map(|f| f.2.len()).sum::<usize>() <= longest);
        }
    }

    #[test]
    fn changed_octets_never_cost_memory(
        which in 0_usize..17,
        changes in proptest::collection::vec((0_usize..1500, proptest::num::u8::ANY), 1..8),
    ) {
        let mut file = cases().swap_remove(which).octets;
        for (at, octet) in changes {
            let at = at % file.len();
            file[at] = octet;
        }
        if let Ok(mut reader) = Reader::new("a.pcap", Cursor::new(file)) {
            while let Ok(Some(_)) = reader.next_frame() {}
            proptest::prop_assert!(reader.memory() <= 2 << 20);
        }
    }
}
