//! Whole ways: a capture through the core, the link, the session, into the
//! picture; kept, read again, broken off.

use std::collections::VecDeque;
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use magpie_collector::{Limits, Picture, State};
use magpie_link::Header;
use magpie_protocol::{
    Command, Configuration, EndReason, Items, VERSION_MAJOR, VERSION_MINOR, decode_command,
};

use crate::{
    DriveOptions, FlushOutcome, InProcess, Incoming, Lane, Notice, Offered, Phase, RecordFile,
    RecordWriter, Report, SensorOptions, Source, SourceError, Stop, drive, open_file,
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

#[test]
fn a_capture_goes_all_the_way_and_the_books_close() {
    for (options, exact) in [(options(), true), (small(), false)] {
        let ran = run(in_process(Cursor::new(capture(20_000, 3_000)), &options));
        assert!(ran.report.failure.is_none(), "{:?}", ran.report);
        assert_eq!(ran.report.flush, FlushOutcome::Came);
        assert!(ran.warnings.is_empty(), "{:?}", ran.warnings);
        let offered = ran.report.offered.clone().unwrap();
        assert_eq!(
            offered,
            Offered {
                frames: 20_000,
                octets: 1_200_000,
                refused: vec![]
            }
        );
        ran.assert_closed(20_000);
        assert_eq!(ran.picture().flows().len(), 3_000);
        // The small table must have evicted, else this shows nothing.
        let evicted = ran.picture().ledger().unwrap().flows.evicted;
        assert_eq!(evicted == 0, exact, "{evicted} evicted");
        assert_eq!(
            ran.report.shortfalls.is_empty(),
            exact,
            "{:?}",
            ran.report.shortfalls
        );
    }
}

#[test]
fn table_sizes_and_time_outs_never_change_the_sums() {
    let sums = |options: &SensorOptions| {
        let ran = run(in_process(Cursor::new(capture(5_000, 700)), options));
        ran.assert_closed(5_000);
        let picture = ran.picture();
        let all = picture.flows().sorted();
        all.into_iter()
            .map(|(key, s)| (key, s.ab, s.ba, s.first_us, s.last_us))
            .collect::<Vec<_>>()
    };
    let exact = sums(&options());
    assert_eq!(exact.len(), 700);
    for flows in [8, 64, 1024] {
        assert!(
            sums(&SensorOptions { flows, ..small() }) == exact,
            "{flows} entries"
        );
    }
    assert!(
        sums(&SensorOptions {
            grow: true,
            ..small()
        }) == exact,
        "growing"
    );
}

/// More flows than the core holds, and more than are kept here.
#[test]
fn bounded_tables_stay_as_they_are_and_every_sum_closes() {
    let options = SensorOptions {
        seed: Some([7; 32]),
        ..SensorOptions::bounded()
    };
    let limits = Limits {
        flows: Some(1_000),
        ..Limits::default()
    };
    let source = in_process(Cursor::new(capture(120_000, 60_000)), &options);
    let ran = run_within(limits, source, None, &Stop::new());
    let picture = ran.picture();
    let books = picture.books(ran.report.offered.as_ref());
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    let hello = picture.hello().unwrap();
    let ledger = picture.ledger().unwrap();
    assert_eq!(hello.capacities.flows, 1 << 15, "as it was at the start");
    assert!(ledger.flows.evicted > 20_000, "{}", ledger.flows.evicted);
    let kept: u64 = picture
        .flows()
        .iter()
        .filter_map(|(_, flow)| Some(flow.total()?.packets()))
        .sum();
    assert!(picture.flows().len() <= 1_000);
    assert_eq!(kept + picture.forgotten().packets, 120_000);
}

/// What passes over the tables would have found is found before the end.
#[test]
fn the_tables_are_looked_through_at_the_end_of_a_thin_capture() {
    let mut file = HEADER.to_vec();
    for n in 0..100 {
        file.extend(record(n * 60_000, n));
    }
    let options = SensorOptions {
        seed: Some([7; 32]),
        ..SensorOptions::bounded()
    };
    let ran = run(in_process(Cursor::new(file), &options));
    ran.assert_closed(100);
    let picture = ran.picture();
    let flows = picture.flows().sorted();
    let idle = flows
        .iter()
        .filter(|(_, sums)| sums.reason == EndReason::Idle);
    assert_eq!(idle.count(), 99, "all but the last");
}

#[test]
fn live_updates_of_a_long_thin_capture_come_by_the_hosts_clock() {
    // A frame an hour, for more than a year.
    let mut file = HEADER.to_vec();
    for n in 0..10_000 {
        let mut one = record(0, n % 50);
        one[..4].copy_from_slice(&(n * 3_600).to_le_bytes());
        file.extend(one);
    }
    let live = SensorOptions {
        live: Duration::from_secs(1),
        ..small()
    };
    let started = Instant::now();
    let ran = run(in_process(Cursor::new(file), &live));
    ran.assert_closed(10_000);
    let shown = ran.report.receiver.live;
    let turns = started.elapsed().as_secs() + 3;
    assert!(
        shown > 0 && shown < turns * 100,
        "{shown} live records in {turns} turns"
    );
}

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
