//! What was written is read back, whatever happens meanwhile.

mod files;

use std::cell::RefCell;
use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;

use super::output::Output;
use super::{
    About, FileFormat, Files, InterfaceInfo, OUTBOUND, Packet, Rotation, Statistics, WriteError,
};
use crate::{Notes, Reader, Said};

/// A disk of so many octets that takes a few at a time.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) holds: Rc<RefCell<Vec<u8>>>,
    room: usize,
    at_once: usize,
}

impl Disk {
    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut holds = self.holds.borrow_mut();
        let fits = octets.len().min(self.at_once).min(self.room - holds.len());
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        holds.extend(&octets[..fits]);
        Ok(fits)
    }

    pub(super) fn cut(&mut self, octets: u64) -> bool {
        self.holds
            .borrow_mut()
            .truncate(usize::try_from(octets).unwrap());
        true
    }
}

const NS: u64 = 1_700_000_000_123_456_789;

fn packet(octets: &[u8]) -> Packet<'_> {
    Packet {
        interface: 0,
        at_ns: NS,
        wire_len: u32::try_from(octets.len()).unwrap(),
        octets,
        flags: 0,
        dropped: 0,
        comment: None,
    }
}

fn read(file: Vec<u8>) -> (Vec<(u128, u32, Vec<u8>)>, Notes) {
    let mut reader = Reader::new("written", io::Cursor::new(file)).unwrap();
    let mut all = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        all.push((frame.at_ns(), frame.wire_len, frame.data.to_vec()));
    }
    (all, reader.notes())
}

fn files(folder: &Path, change: impl FnOnce(&mut Rotation)) -> Result<Files, WriteError> {
    let mut rotation = Rotation::none(folder.join("x"));
    change(&mut rotation);
    Files::create(
        rotation,
        About::default(),
        vec![InterfaceInfo::default()],
        NS,
    )
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_octet_of_a_small_file() {
    let folder = tempfile::tempdir().unwrap();
    let about = About {
        hardware: Some("box".into()),
        os: None,
        application: Some("magpie".into()),
    };
    let info = InterfaceInfo {
        name: Some("eth0".into()),
        filter: Some("ip".into()),
        snap_len: 96,
        ..InterfaceInfo::default()
    };
    let rotation = Rotation::none(folder.path().join("x"));
    let mut files = Files::create(rotation, about, vec![info], NS).unwrap();
    files
        .write(&Packet {
            interface: 0,
            at_ns: 0x0102_0304_0506_0708,
            wire_len: 1500,
            octets: &[0xaa; 5],
            flags: OUTBOUND,
            dropped: 7,
            comment: Some("a gap"),
        })
        .unwrap();
    let known = Statistics {
        start_ns: Some(1),
        end_ns: Some(0x2_0000_0003),
        received: Some(9),
        interface_dropped: None,
        accepted: Some(1),
        system_dropped: Some(7),
        delivered: None,
    };
    files.close(&[known]).unwrap();
    #[rustfmt::skip]
    let expected: &[&[u8]] = &[
        // Section: type, length, byte order, 1.0, length not known.
        &[0x0a, 0x0d, 0x0d, 0x0a, 52, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0],
        &[0xff; 8],
        &[2, 0, 3, 0], b"box\0", &[4, 0, 6, 0], b"magpie\0\0", &[0; 4], &[52, 0, 0, 0],
        // Interface: Ethernet, snap length, name, nanoseconds, filter.
        &[1, 0, 0, 0, 48, 0, 0, 0, 1, 0, 0, 0, 96, 0, 0, 0],
        &[2, 0, 4, 0], b"eth0", &[9, 0, 1, 0, 9, 0, 0, 0], &[11, 0, 3, 0], b"\0ip\0",
        &[0; 4], &[48, 0, 0, 0],
        // Packet: interface, time (upper half first), lengths, octets, comment,
        // flags, drops.
        &[6, 0, 0, 0, 76, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5],
        &[5, 0, 0, 0, 0xdc, 5, 0, 0], &[0xaa; 5], &[0; 3],
        &[1, 0, 5, 0], b"a gap\0\0\0", &[2, 0, 4, 0, 2, 0, 0, 0],
        &[4, 0, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0], &[0; 4], &[76, 0, 0, 0],
        // Statistics: interface, time, start, end, received, taken, dropped.
        &[5, 0, 0, 0, 88, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0],
        &[2, 0, 8, 0, 0, 0, 0, 0, 1, 0, 0, 0], &[3, 0, 8, 0, 2, 0, 0, 0, 3, 0, 0, 0],
        &[4, 0, 8, 0, 9, 0, 0, 0, 0, 0, 0, 0], &[6, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        &[7, 0, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0], &[0; 4], &[88, 0, 0, 0],
    ];
    let written = fs::read(folder.path().join("x")).unwrap();
    assert_eq!(written, expected.concat());
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        packets in prop::collection::vec(
            (0..u64::from(u32::MAX) * 1_000_000_000, any::<u32>(),
             prop::collection::vec(any::<u8>(), 0..200), any::<u64>(), "\\PC{0,9}"), 0..20),
        format in prop::sample::select(vec![
            FileFormat::Pcapng, FileFormat::Pcap, FileFormat::PcapNanos]),
        name in "\\PC{0,30}",
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut rotation = Rotation::none(folder.path().join("x"));
        rotation.format = format;
        let info = InterfaceInfo { name: Some(name.clone()), filter: Some(name), ..InterfaceInfo::default() };
        let mut files = Files::create(rotation, About::default(), vec![info.clone()], 0).unwrap();
        let mut expected = Vec::new();
        for (at_ns, wire_len, octets, dropped, comment) in &packets {
            files.write(&Packet {
                at_ns: *at_ns, wire_len: *wire_len, octets, dropped: *dropped,
                comment: Some(comment), ..packet(&[])
            }).unwrap();
            let at = if format == FileFormat::Pcap { at_ns / 1000 * 1000 } else { *at_ns };
            expected.push((u128::from(at), *wire_len, octets.clone()));
        }
        files.close(&[Statistics::default()]).unwrap();
        let file = fs::read(folder.path().join("x")).unwrap();
        let (got, notes) = read(file.clone());
        prop_assert_eq!(got, expected);
        prop_assert_eq!(notes, Notes::default());
        if format == FileFormat::Pcapng {
            let mut reader = Reader::new("written", io::Cursor::new(file)).unwrap();
            for (.., dropped, comment) in &packets {
                let frame = reader.next_frame().unwrap().unwrap();
                let said = Said { flags: 0, dropped: *dropped, comment: Some(comment) };
                prop_assert_eq!(frame.said, said);
                prop_assert_eq!(frame.info, Some(&info));
            }
        }
    }

    /// Wherever the disk is full, the file ends with a whole packet, and the
    /// error says how many there are.
    #[test]
    fn a_full_disk_leaves_whole_packets(
        room in 48_usize..4000, at_once in 1_usize..500, often in 1_usize..20, pcap in any::<bool>(),
    ) {
        let disk = Disk { holds: Rc::default(), room, at_once };
        let holds = Rc::clone(&disk.holds);
        let mut output = Output::onto(disk);
        output.block(None, |out| if pcap {
            super::pcap::header(out, true, &[InterfaceInfo::default()]);
        } else {
            super::pcapng::section(out, &About::default());
        }).unwrap();
        output.flush().unwrap();
        if !pcap {
            prop_assume!(output.block(None, |out| super::pcapng::interface(out, &InterfaceInfo::default())).is_ok());
            prop_assume!(output.flush().is_ok());
        }
        let octets = [7; 61];
        let mut error = None;
        let mut given = [0_u64; 2];
        for n in 1..200_u32 {
            given[n as usize % 2] += 1;
            let done = output.block(Some(n % 2), |out| if pcap {
                super::pcap::packet(out, true, &packet(&octets));
            } else {
                super::pcapng::packet(out, &packet(&octets));
            });
            let done = done.and_then(|()| if (n as usize).is_multiple_of(often) { output.flush() } else { Ok(()) });
            if let Err(failed) = done {
                error = Some(failed);
                break;
            }
        }
        let error = error.expect("200 packets are more than there is room for");
        prop_assert!(output.flush().is_err(), "nothing more goes in");
        drop(output);
        let (got, notes) = read(holds.borrow().clone());
        prop_assert_eq!(notes, Notes::default());
        let WriteError::Write { packets, rest, unwritten, .. } = &error else { panic!("{error}") };
        prop_assert_eq!(got.len() as u64, *packets);
        // Every packet is in the file or among these.
        prop_assert!(!unwritten.is_empty());
        for of in 0..2_u32 {
            let there = (1..).take(got.len()).filter(|n| n % 2 == of).count() as u64;
            let missing = unwritten.get(&of).copied().unwrap_or(0);
            prop_assert_eq!(there + missing, given[of as usize], "{}", of);
        }
        prop_assert!(rest.contains("can be read"), "{}", error);
        // All that there was room for.
        let each = if pcap { 16 + 61 } else { 32 + 64 };
        prop_assert!(holds.borrow().len() + each > room);
    }
}
