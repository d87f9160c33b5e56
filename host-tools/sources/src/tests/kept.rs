//! Records kept in a file, and read again.

use std::io::Cursor;
use std::time::Duration;

use super::{Ran, capture, in_process, options, run, run_with, small};
use crate::{FlushOutcome, Incoming, RecordFile, RecordWriter, Source, Stop, open_file};

/// A file of its own in the system's folder for such, gone at the end.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("magpie-{}-{name}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn kept_records_give_the_same_picture_whole_and_cut() {
    let scratch = Scratch::new("kept");
    let writer = RecordWriter::create(&scratch.0).unwrap();
    let source = in_process(Cursor::new(capture(1_000, 300)), &small());
    let first = run_with(source, Some(writer), &Stop::new());
    assert!(first.report.record_failure.is_none());
    first.assert_closed(1_000);

    // Recognised for what it is.
    let again = run(open_file(&scratch.0, &options()).unwrap());
    assert_eq!(again.report.flush, FlushOutcome::NotAsked);
    assert_eq!(again.report.offered, first.report.offered);
    again.assert_closed(1_000);
    let sums = |ran: &Ran| {
        let all = ran.picture().flows().sorted();
        all.into_iter()
            .map(|(key, s)| (key, s.ab, s.ba, s.tcp))
            .collect::<Vec<_>>()
    };
    assert!(sums(&again) == sums(&first), "other sums");
    let line = |ran: &Ran| ran.picture().books(ran.report.offered.as_ref()).to_string();
    assert_eq!(line(&again), line(&first));

    let whole = std::fs::read(&scratch.0).unwrap();
    let mut last = 0;
    for length in (0..whole.len())
        .step_by(4999)
        .chain(whole.len() - 60..whole.len())
    {
        let octets = whole[..length].to_vec();
        let Ok(file) = RecordFile::new("x", "kept.rec", Cursor::new(octets)) else {
            assert!(length < 16, "cut at {length}");
            continue;
        };
        let cut = run(Box::new(file));
        assert!(
            cut.report.failure.is_none(),
            "cut at {length}: {:?}",
            cut.report
        );
        let at_seam = cut.warnings.is_empty();
        assert!(
            at_seam || cut.warnings[0].contains("truncated"),
            "{:?}",
            cut.warnings
        );
        assert!(
            cut.packets() >= last && cut.packets() <= 3_000,
            "cut at {length}"
        );
        last = cut.packets();
    }

    // One octet changed anywhere is seen, and never taken for data.
    for at in (16..whole.len()).step_by(5003) {
        let mut octets = whole.clone();
        octets[at] ^= 0x40;
        let file = RecordFile::new("x", "kept.rec", Cursor::new(octets)).unwrap();
        let odd = run(Box::new(file));
        let seen = odd.report.failure.is_some() || !odd.warnings.is_empty();
        assert!(seen, "octet {at} was changed and nobody noticed");
        assert!(odd.packets() <= 1_000);
    }
}

proptest::proptest! {
    #[test]
    fn any_octets_behind_the_magic_are_read_without_a_panic(
        octets in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
    ) {
        let mut file = b"magpie records\n\x01".to_vec();
        file.extend(octets);
        let mut file = RecordFile::new("x", "kept.rec", Cursor::new(file)).unwrap();
        while file.receive(Duration::ZERO).unwrap() != Incoming::Ended {}
    }
}

#[test]
fn a_recording_that_cannot_be_made_or_written_is_an_error_of_its_own() {
    let error = RecordWriter::create("/no/such/folder/x")
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("/no/such/folder/x") && error.contains("disk"),
        "{error}"
    );
    let Ok(writer) = RecordWriter::create("/dev/full") else {
        return;
    };
    let source = in_process(Cursor::new(capture(3_000, 2_000)), &options());
    let ran = run_with(source, Some(writer), &Stop::new());
    assert!(ran.report.record_failure.is_some());
    assert!(ran.report.failure.is_none());
    ran.assert_closed(3_000);
}
