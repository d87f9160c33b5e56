//! Whole ways: a capture through the core, the link, the session, into the
//! picture; kept, read again, broken off.

mod captures;
mod driven;
mod kept;
mod sums;

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use magpie_collector::{Limits, Picture, State};

use crate::{
    DriveOptions, InProcess, Lane, Notice, RecordWriter, Report, SensorOptions, Source, Stop, drive,
};

/// A UDP frame from 10.x.x.x with this number to 192.0.2.1.
pub(crate) fn frame(flow: u32) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([8, 0, 0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0]);
    let [_, a, b, c] = flow.to_be_bytes();
    frame.extend([10, a, b, c, 192, 0, 2, 1]);
    frame.extend([0, 7, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
    // Padded to the shortest frame.
    frame.resize(60, 0);
    frame
}

const HEADER: [u8; 24] = [
    0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
];

fn record(n: u32, flow: u32) -> Vec<u8> {
    let data = frame(flow);
    let words = [1_700_000_000 + n / 1000, n % 1000 * 1000, 60, 60];
    let mut record: Vec<u8> = words
        .iter()
        .flat_map(|word: &u32| word.to_le_bytes())
        .collect();
    record.extend(data);
    record
}

/// So many frames of so many flows, a thousand a second.
pub(crate) fn capture(frames: u32, flows: u32) -> Vec<u8> {
    let mut file = HEADER.to_vec();
    for n in 0..frames {
        // Neither in order nor evenly.
        file.extend(record(n, n.wrapping_mul(2_654_435_761) % flows));
    }
    file
}

pub(crate) fn options() -> SensorOptions {
    SensorOptions {
        seed: Some([7; 32]),
        ..SensorOptions::exact()
    }
}

/// Time-outs and a table that does not hold the flows.
fn small() -> SensorOptions {
    SensorOptions {
        flows: 64,
        grow: false,
        idle: Duration::from_millis(700),
        active: Duration::from_secs(2),
        live: Duration::from_millis(500),
        ..options()
    }
}

fn in_process(from: impl Read + Send + 'static, options: &SensorOptions) -> Box<dyn Source> {
    Box::new(InProcess::new("file:a.pcap", "a.pcap", from, options).unwrap())
}

struct Ran {
    report: Report,
    picture: Arc<Mutex<Picture>>,
    warnings: Vec<String>,
}

impl Ran {
    fn picture(&self) -> std::sync::MutexGuard<'_, Picture> {
        self.picture.lock().unwrap()
    }

    /// Packets over all flows.
    fn packets(&self) -> u64 {
        self.picture()
            .flows()
            .sorted()
            .iter()
            .map(|(_, sums)| sums.packets())
            .sum()
    }

    #[track_caller]
    fn assert_closed(&self, frames: u64) {
        let books = self.picture().books(self.report.offered.as_ref());
        assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
        assert_eq!(books.counted, frames, "{books}");
        assert_eq!(self.packets(), frames);
        assert_eq!(books.never_sent + books.unconfirmed, 0, "{books}");
    }
}

fn run_with(source: Box<dyn Source>, record: Option<RecordWriter>, stop: &Stop) -> Ran {
    run_within(Limits::EXACT, source, record, stop)
}

fn run_within(
    limits: Limits,
    source: Box<dyn Source>,
    record: Option<RecordWriter>,
    stop: &Stop,
) -> Ran {
    let picture = Arc::new(Mutex::new(Picture::new("test", limits)));
    let lane = Lane {
        source,
        picture: Arc::clone(&picture),
        record,
    };
    let mut warnings = Vec::new();
    let options = DriveOptions {
        flush_patience: Duration::from_secs(1),
        ..Default::default()
    };
    let mut reports = drive(vec![lane], stop, &options, |notice| {
        if let Notice::Warning(text) = notice {
            warnings.push(text.to_owned());
        }
    });
    Ran {
        report: reports.remove(0),
        picture,
        warnings,
    }
}

fn run(source: Box<dyn Source>) -> Ran {
    run_with(source, None, &Stop::new())
}
