//! Captures that are cut, damaged, endless, silent, or none at all.

use std::collections::VecDeque;
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use magpie_collector::{Limits, Picture};

use super::{HEADER, Ran, capture, in_process, options, record, run, run_with, small};
use crate::{DriveOptions, FlushOutcome, InProcess, Lane, SensorOptions, Stop, drive, open_file};

#[test]
fn a_cut_capture_is_shown_with_a_warning() {
    let mut file = capture(1_000, 10);
    file.truncate(file.len() - 1);
    let ran = run(in_process(Cursor::new(file), &options()));
    assert!(ran.report.failure.is_none());
    assert!(
        ran.warnings.len() == 1 && ran.warnings[0].contains("truncated"),
        "{:?}",
        ran.warnings
    );
    ran.assert_closed(999);
}

#[test]
fn a_damaged_capture_is_an_error_and_what_came_before_stands() {
    let mut file = capture(1_000, 10);
    file.extend([0xff; 16]);
    let at = file.len() - 16;
    let ran = run(in_process(Cursor::new(file), &options()));
    let message = ran.report.failure.as_ref().expect("no failure").to_string();
    assert!(
        message.contains("a.pcap") && message.contains(&format!("octet {at}")),
        "{message}"
    );
    ran.assert_closed(1_000);
}

#[test]
fn what_is_no_capture_is_refused_at_the_door() {
    let error = InProcess::new("x", "notes.txt", Cursor::new("not a capture"), &options());
    let message = error.err().expect("opened").to_string();
    assert!(
        message.contains("notes.txt: neither pcap nor pcapng"),
        "{message}"
    );
    let missing = open_file("/no/such/file".as_ref(), &options())
        .err()
        .unwrap()
        .to_string();
    assert!(
        missing.contains("/no/such/file") && missing.contains("check the path"),
        "{missing}"
    );
}

/// A capture without end.
struct Endless {
    left: VecDeque<u8>,
    n: u32,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.left.len() < buffer.len() {
            self.n += 1;
            self.left.extend(record(self.n, self.n % 999));
        }
        self.left.read(buffer)
    }
}

#[test]
fn whoever_stops_an_endless_capture_gets_closed_books() {
    let endless = Endless {
        left: HEADER.into(),
        n: 0,
    };
    let stop = Stop::new();
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            stop.raise();
        });
        run_with(in_process(endless, &small()), None, &stop)
    });
    assert_eq!(ran.report.flush, FlushOutcome::Came);
    let frames = ran.report.offered.as_ref().unwrap().frames;
    assert!(frames > 0);
    ran.assert_closed(frames);
    assert!(
        ran.warnings
            .iter()
            .any(|w| w.contains("not read to its end")),
        "{:?}",
        ran.warnings
    );
}

#[test]
fn a_silent_pipe_shows_what_came_and_can_be_ended() {
    use std::io::Write;
    let (from, mut to) = std::io::pipe().unwrap();
    let file = capture(900, 30);
    let stop = Stop::new();
    let shows = SensorOptions {
        live: Duration::from_millis(100),
        ..small()
    };
    let (ran, live) = std::thread::scope(|scope| {
        let pipe = crate::pipe::Pipe::new(from);
        let picture = Arc::new(Mutex::new(Picture::new("test", Limits::EXACT)));
        let watched = Arc::clone(&picture);
        let stop = &stop;
        let live = scope.spawn(move || {
            // Cut within a record, and then silence.
            to.write_all(&file[..file.len() - 30]).unwrap();
            let deadline = Instant::now() + Duration::from_secs(20);
            let live = loop {
                let ledger = watched.lock().unwrap().ledger();
                let counted = ledger.map_or(0, |ledger| ledger.counted.frames);
                if counted > 700 || Instant::now() > deadline {
                    break counted;
                }
                std::thread::sleep(Duration::from_millis(10));
            };
            stop.raise();
            // The pipe stays open until the reader has ended.
            (live, to)
        });
        let source = crate::open_stream("file:-", "stdin", pipe, &shows).unwrap();
        let lane = Lane {
            source,
            picture: Arc::clone(&picture),
            record: None,
        };
        let report = drive(vec![lane], stop, &DriveOptions::default(), |_| {}).remove(0);
        let (live, _to) = live.join().unwrap();
        (
            Ran {
                report,
                picture,
                warnings: Vec::new(),
            },
            live,
        )
    });
    assert!(
        live > 700,
        "only {live} frames were shown while the pipe was silent"
    );
    assert_eq!(ran.report.flush, FlushOutcome::Came);
    ran.assert_closed(899);
}

#[test]
fn a_pipe_is_read_to_its_end() {
    let file = capture(5_000, 30);
    let pipe = crate::pipe::Pipe::new(Cursor::new(file));
    let ran = run(crate::open_stream("file:-", "stdin", pipe, &options()).unwrap());
    ran.assert_closed(5_000);
    assert!(ran.warnings.is_empty(), "{:?}", ran.warnings);
}
