//! Captures that are cut, or lie, or are none.

use std::io::Cursor;

use super::forms::{Octets, cases, pcap_with};
use super::{gzip, read_octets};
use crate::{MAX_CAPTURED, Reader, Reason};

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
