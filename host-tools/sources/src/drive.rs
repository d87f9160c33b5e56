//! The loop between sources and pictures.

mod port;
mod run;

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use magpie_collector::Picture;
use magpie_link::ReceiverCounts;
use magpie_protocol::Configuration;

use crate::{Offered, RecordWriter, Source, SourceError, Uplink};
use run::Run;

/// The user's wish to end: raised once, everything is flushed; twice, it ends
/// at once.
#[derive(Debug, Default)]
pub struct Stop(AtomicU8);

impl Stop {
    /// Not raised.
    pub const fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// Raises it (again).
    pub fn raise(&self) {
        // Twice is the most there is.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1));
    }

    /// How often it was raised.
    pub fn raised(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is asked of the sensors, and how long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriveOptions {
    /// Asked of every sensor at each of its boots; where nothing is set it
    /// keeps its own. Recordings cannot be asked.
    pub settings: Configuration,
    /// A flush is given up after so long without any finished record.
    pub flush_patience: Duration,
    /// The observer is called this often at least.
    pub refresh: Duration,
}

impl Default for DriveOptions {
    fn default() -> Self {
        Self {
            settings: Configuration::default(),
            flush_patience: Duration::from_secs(10),
            refresh: Duration::from_millis(250),
        }
    }
}

/// How the last flush ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FlushOutcome {
    /// Not asked for: nobody is there to answer (a recording), or it ended
    /// before.
    #[default]
    NotAsked,
    /// Everything came, and the ledger.
    Came,
    /// It did not come: the picture lacks what the sensor still holds.
    Missing,
}

/// What a source is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Records come, or may.
    #[default]
    Running,
    /// Everything was asked for.
    Flushing,
    /// Nothing comes any more.
    Ended,
}

/// What is known of a source beside its picture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// What it is at.
    pub phase: Phase,
    /// See [`Source::offered`].
    pub offered: Option<Offered>,
    /// What the link's receiver met.
    pub receiver: ReceiverCounts,
    /// See [`Source::uplink`].
    pub uplink: Option<Uplink>,
    /// Host time of all this, microseconds since 1970.
    pub as_of_us: u64,
}

/// A source with the picture it paints.
pub struct Lane {
    /// Where records come from.
    pub source: Box<dyn Source>,
    /// What they amount to.
    pub picture: Arc<Mutex<Picture>>,
    /// Keeps them in a file as well.
    pub record: Option<RecordWriter>,
}

/// A source as an observer sees it.
#[derive(Debug, Clone)]
pub struct Shown {
    picture: Arc<Mutex<Picture>>,
    status: Arc<Mutex<Status>>,
}

impl Shown {
    /// What its records amount to; the source waits while this is held.
    pub fn picture(&self) -> MutexGuard<'_, Picture> {
        lock(&self.picture)
    }

    /// What it is at.
    pub fn status(&self) -> Status {
        lock(&self.status).clone()
    }
}

/// How it went with one source.
#[derive(Debug)]
pub struct Report {
    /// The source's name.
    pub name: String,
    /// Whether everything came.
    pub flush: FlushOutcome,
    /// See [`Source::offered`].
    pub offered: Option<Offered>,
    /// Why it ended before its end. What came before stands in the picture.
    pub failure: Option<SourceError>,
    /// Why there is no (whole) recording.
    pub record_failure: Option<SourceError>,
    /// See [`Source::shortfalls`].
    pub shortfalls: Vec<String>,
    /// What the link's receiver met.
    pub receiver: ReceiverCounts,
}

/// What an observer is told.
#[derive(Debug, Clone, Copy)]
pub enum Notice<'a> {
    /// Time to draw: every source, in order of the lanes.
    Refresh(&'a [Shown]),
    /// A sentence for stderr.
    Warning(&'a str),
}

/// What a source's thread has for the observer's.
enum Told {
    /// A sentence for stderr.
    Warning(String),
    /// Many changes wait in a picture: look now.
    Crowded,
}

/// Locks what a panicking thread may have left: counters are never half
/// written, and a view of them is better than none.
fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs every source to its end, each in a thread; `observe` is called from
/// this one.
pub fn drive(
    lanes: Vec<Lane>,
    stop: &Stop,
    options: &DriveOptions,
    mut observe: impl FnMut(Notice<'_>),
) -> Vec<Report> {
    let shown: Vec<_> = lanes
        .iter()
        .map(|lane| Shown {
            picture: Arc::clone(&lane.picture),
            status: Arc::default(),
        })
        .collect();
    let (tell, told) = mpsc::channel::<Told>();
    std::thread::scope(|scope| {
        let threads: Vec<_> = lanes
            .into_iter()
            .zip(&shown)
            .map(|(lane, shown)| {
                let tell = tell.clone();
                scope.spawn(move || Run::new(lane, &shown.status, stop, options, tell).report())
            })
            .collect();
        drop(tell);
        let mut due = Instant::now();
        loop {
            match told.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(Told::Warning(warning)) => observe(Notice::Warning(&warning)),
                Ok(Told::Crowded) | Err(RecvTimeoutError::Timeout) => {
                    observe(Notice::Refresh(&shown));
                    due = Instant::now() + options.refresh;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        observe(Notice::Refresh(&shown));
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}
