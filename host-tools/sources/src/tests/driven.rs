//! What a drive makes of a source that keeps to a script: silence, another
//! version, a connection that broke.

use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use magpie_collector::{Limits, Picture, State};
use magpie_link::Header;
use magpie_protocol::{
    Command, Configuration, Items, VERSION_MAJOR, VERSION_MINOR, decode_command,
};

use super::{capture, in_process, options, run, run_with};
use crate::{
    DriveOptions, FlushOutcome, Incoming, Lane, Notice, Phase, Source, SourceError, Stop, drive,
};

/// Gives what is on its list, then nothing.
struct Script {
    incoming: VecDeque<Result<Incoming, SourceError>>,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Source for Script {
    fn name(&self) -> &'static str {
        "script"
    }
    fn receive(&mut self, timeout: Duration) -> Result<Incoming, SourceError> {
        self.incoming.pop_front().unwrap_or_else(|| {
            std::thread::sleep(timeout.min(Duration::from_millis(5)));
            Ok(Incoming::Idle)
        })
    }
    fn send(&mut self, batch: &[u8]) -> Result<(), SourceError> {
        self.sent.lock().unwrap().push(batch.to_vec());
        Ok(())
    }
}

fn script(incoming: impl IntoIterator<Item = Incoming>) -> Script {
    Script {
        incoming: incoming.into_iter().map(Ok).collect(),
        sent: Arc::default(),
    }
}

#[test]
fn a_flush_that_never_comes_is_said_honestly() {
    let started = Instant::now();
    let ran = run(Box::new(script([Incoming::FeedDone])));
    assert_eq!(ran.report.flush, FlushOutcome::Missing);
    let waited = started.elapsed();
    assert!(
        waited >= Duration::from_secs(1) && waited < Duration::from_secs(8),
        "{waited:?}"
    );
}

#[test]
fn who_was_never_heard_does_not_keep_the_user_waiting() {
    let stop = Stop::new();
    stop.raise();
    let started = Instant::now();
    let ran = run_with(Box::new(script([])), None, &stop);
    assert_eq!(ran.report.flush, FlushOutcome::Missing);
    assert!(
        started.elapsed() < Duration::from_millis(900),
        "{:?}",
        started.elapsed()
    );
    stop.raise();
    let twice = run_with(Box::new(script([])), None, &stop);
    assert_eq!(twice.report.flush, FlushOutcome::NotAsked);
}

#[test]
fn after_a_reconnection_hello_is_said_again() {
    let commands = |incoming: Vec<Incoming>| {
        let source = script(incoming);
        let sent = Arc::clone(&source.sent);
        run(Box::new(source));
        sent.lock().unwrap().len()
    };
    let once = commands(vec![Incoming::Ended]);
    let again = commands(vec![Incoming::Reconnected, Incoming::Ended]);
    assert_eq!((once, again), (1, 2));
}

/// The settings a sensor was asked for, that was heard twice, then booted.
fn asked_for(settings: Configuration) -> Vec<Configuration> {
    let batch = |boot_id: u32, first_seq: u64| {
        // Live, with one record, of a type nobody knows.
        let mut batch = vec![VERSION_MAJOR, VERSION_MINOR, 1, 0];
        batch.extend(boot_id.to_le_bytes());
        batch.extend(first_seq.to_le_bytes());
        batch.extend([0; 8]);
        batch.extend([100, 0]);
        Incoming::Batch(batch)
    };
    let source = script([batch(1, 0), batch(1, 1), batch(2, 0), Incoming::Ended]);
    let sent = Arc::clone(&source.sent);
    let lane = Lane {
        source: Box::new(source),
        picture: Arc::new(Mutex::new(Picture::new("test", Limits::EXACT))),
        record: None,
    };
    let options = DriveOptions {
        settings,
        ..DriveOptions::default()
    };
    drive(vec![lane], &Stop::new(), &options, |_| {});
    let sent = sent.lock().unwrap();
    let items = sent
        .iter()
        .flat_map(|batch| Items::new(&batch[Header::OCTETS..]).flatten());
    items
        .filter_map(|item| match decode_command(item) {
            Ok(Command::Configure { set, .. }) => Some(set),
            _ => None,
        })
        .collect()
}

#[test]
fn settings_are_asked_for_at_each_boot() {
    let settings = Configuration {
        idle_us: Some(15_000_000),
        ..Configuration::default()
    };
    assert_eq!(asked_for(settings), [settings, settings]);
    assert_eq!(asked_for(Configuration::default()), []);
}

#[test]
fn what_cannot_be_read_is_named_and_skipped_another_major_version_ends_it() {
    let noise = || Incoming::Batch(vec![1, 0, 9, 9]);
    let ran = run(Box::new(script([
        noise(),
        noise(),
        noise(),
        noise(),
        noise(),
        Incoming::Ended,
    ])));
    assert!(ran.report.failure.is_none());
    assert_eq!(ran.warnings.len(), 3, "{:?}", ran.warnings);
    assert_eq!(ran.picture().link().bad_batches, 5);
    let mut newer = vec![0; 24];
    newer[0] = 77;
    let ran = run(Box::new(script([Incoming::Batch(newer)])));
    let message = ran.report.failure.expect("accepted").to_string();
    assert!(
        message.contains("77.0") && message.contains("script"),
        "{message}"
    );
}

#[test]
fn a_source_that_breaks_says_so_and_the_others_go_on() {
    let mut broken = script([]);
    broken
        .incoming
        .push_back(Err(SourceError::failed("script", "torn", "mend it")));
    let lanes: Vec<Lane> = [Box::new(broken) as Box<dyn Source>]
        .into_iter()
        .chain((0..3).map(|_| in_process(Cursor::new(capture(500, 9)), &options())))
        .map(|source| Lane {
            picture: Arc::new(Mutex::new(Picture::new(source.name(), Limits::default()))),
            source,
            record: None,
        })
        .collect();
    let mut last = Vec::new();
    let reports = drive(lanes, &Stop::new(), &DriveOptions::default(), |notice| {
        if let Notice::Refresh(shown) = notice {
            last = shown.to_vec();
        }
    });
    assert!(
        reports[0]
            .failure
            .as_ref()
            .unwrap()
            .to_string()
            .contains("torn; mend it")
    );
    assert_eq!(last.len(), 4);
    for (report, shown) in reports.iter().zip(&last).skip(1) {
        assert_eq!(report.flush, FlushOutcome::Came);
        assert_eq!(shown.status().phase, Phase::Ended);
        assert_eq!(shown.status().offered, report.offered);
        let books = shown.picture().books(report.offered.as_ref());
        assert_eq!((books.state, books.counted), (State::Closed, 500));
    }
}
