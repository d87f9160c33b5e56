//! Sound captures are read whole.

use std::io::{Cursor, Read};

use super::forms::{Octets, cases, pcap_with};
use super::{gzip, read, read_octets};
use crate::{MAX_CAPTURED, Notes};

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
fn the_longest_frame_that_is_believed_is_given_whole() {
    let data = vec![0x5a; MAX_CAPTURED];
    let (frames, notes, error) =
        read_octets(&pcap_with(u32::try_from(MAX_CAPTURED).unwrap(), &data));
    assert!(error.is_none() && notes == Notes::default());
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[1].2, data);
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
