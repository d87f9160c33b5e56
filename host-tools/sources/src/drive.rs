//! The loop between sources and pictures.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use magpie_collector::{Picture, Session, SessionError};
use magpie_link::ReceiverCounts;

use crate::{Incoming, Offered, RecordWriter, Source, SourceError};

/// Longest wait for a batch: the session has timers of its own.
const TURN: Duration = Duration::from_millis(50);
/// What is shown of a source beside its picture is renewed this often.
const STATUS_EVERY: Duration = Duration::from_millis(100);
/// Refused batches that are named one by one.
const REFUSALS_NAMED: u64 = 3;

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

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriveOptions {
    /// A flush is given up after so long without any finished record.
    pub flush_patience: Duration,
    /// The observer is called this often at least.
    pub refresh: Duration,
}

impl Default for DriveOptions {
    fn default() -> Self {
        Self {
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
    let (tell, told) = mpsc::channel::<String>();
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
                Ok(warning) => observe(Notice::Warning(&warning)),
                Err(RecvTimeoutError::Timeout) => {
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

/// Host time in microseconds since 1970.
fn host_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A flush that was asked for.
struct Flush {
    /// Finished records there were when one last came.
    finals: u64,
    since: Instant,
}

struct Run<'a> {
    source: Box<dyn Source>,
    session: Session,
    picture: Arc<Mutex<Picture>>,
    record: Option<RecordWriter>,
    status: &'a Mutex<Status>,
    status_due: Instant,
    stop: &'a Stop,
    options: &'a DriveOptions,
    tell: Sender<String>,
    flush: Option<Flush>,
    /// The feed was asked to end because of the user.
    ending_feed: bool,
    refusals: u64,
    failure: Option<SourceError>,
    record_failure: Option<SourceError>,
}

impl<'a> Run<'a> {
    fn new(
        lane: Lane,
        status: &'a Mutex<Status>,
        stop: &'a Stop,
        options: &'a DriveOptions,
        tell: Sender<String>,
    ) -> Self {
        Self {
            session: Session::new(lane.source.name()),
            source: lane.source,
            picture: lane.picture,
            record: lane.record,
            status,
            status_due: Instant::now(),
            stop,
            options,
            tell,
            flush: None,
            ending_feed: false,
            refusals: 0,
            failure: None,
            record_failure: None,
        }
    }

    fn report(mut self) -> Report {
        if let Err(error) = self.turns() {
            self.failure = Some(error);
        }
        self.pass_warnings();
        let offered = self.source.offered();
        if let Some(record) = self.record.take()
            && let Err(error) = record.finish(host_us(), offered.as_ref())
        {
            self.record_failure = Some(error);
        }
        self.show(Phase::Ended);
        let flush = match &self.flush {
            None => FlushOutcome::NotAsked,
            Some(_) if self.session.flushed() => FlushOutcome::Came,
            Some(_) => FlushOutcome::Missing,
        };
        Report {
            name: self.source.name().to_owned(),
            flush,
            offered,
            // A reason of the source's own says more than a silence after it.
            failure: self.source.failure().or(self.failure),
            record_failure: self.record_failure,
            shortfalls: self.source.shortfalls(),
            receiver: self.session.receiver().counts(),
        }
    }

    /// Turn after turn: speak, listen, see whether it is over.
    fn turns(&mut self) -> Result<(), SourceError> {
        loop {
            self.speak()?;
            let incoming = self.source.receive(TURN)?;
            let now_us = self.source.received_at().unwrap_or_else(host_us);
            self.keep(now_us, &incoming);
            match incoming {
                Incoming::Batch(batch) => self.take(now_us, &batch)?,
                Incoming::Idle => {}
                Incoming::Reconnected => self.session.reconnected(),
                Incoming::FeedDone => self.begin_flush(),
                Incoming::Ended => return Ok(()),
            }
            self.pass_warnings();
            if Instant::now() >= self.status_due {
                let phase = if self.flush.is_some() {
                    Phase::Flushing
                } else {
                    Phase::Running
                };
                self.show(phase);
            }
            if self.is_over() {
                // The last acknowledgement.
                return self.speak();
            }
        }
    }

    fn speak(&mut self) -> Result<(), SourceError> {
        // Commands carry this host's time even where batches carry another.
        let now_us = self.source.received_at().unwrap_or_else(host_us);
        while let Some(batch) = self.session.poll_transmit(now_us) {
            self.source.send(&batch)?;
        }
        Ok(())
    }

    fn take(&mut self, now_us: u64, batch: &[u8]) -> Result<(), SourceError> {
        match self
            .session
            .handle_batch(now_us, batch, &mut lock(&self.picture))
        {
            Ok(()) => Ok(()),
            Err(error) if error.is_fatal() => Err(error.into()),
            Err(error) => {
                self.refusals += 1;
                if self.refusals <= REFUSALS_NAMED {
                    self.warn(error.to_string());
                }
                Ok(())
            }
        }
    }

    fn begin_flush(&mut self) {
        if self.source.answers() && self.flush.is_none() {
            self.session.request_flush();
            let finals = self.session.receiver().counts().finals;
            self.flush = Some(Flush {
                finals,
                since: Instant::now(),
            });
        }
    }

    fn is_over(&mut self) -> bool {
        let raised = self.stop.raised();
        if raised > 1 {
            return true;
        }
        if raised == 1 && self.flush.is_none() && !self.ending_feed {
            if !self.source.answers() {
                return true;
            }
            self.ending_feed = self.source.end_feed();
            if !self.ending_feed {
                self.begin_flush();
            }
        }
        let heard = self.session.receiver().boot_id().is_some();
        let finals = self.session.receiver().counts().finals;
        let Some(flush) = &mut self.flush else {
            return false;
        };
        if self.session.flushed() {
            return true;
        }
        if finals != flush.finals {
            *flush = Flush {
                finals,
                since: Instant::now(),
            };
        }
        let silent = flush.since.elapsed() >= self.options.flush_patience;
        // Who was never heard has nothing to give to a user who wants to end.
        silent || (raised > 0 && !heard)
    }

    fn keep(&mut self, now_us: u64, incoming: &Incoming) {
        if let Some(record) = &mut self.record
            && let Err(error) = record.keep(now_us, incoming)
        {
            self.warn(format!("{error}; recording ends here"));
            self.record = None;
            self.record_failure = Some(error);
        }
    }

    fn warn(&self, text: String) {
        // Nobody listens only when the observer is gone, and all with it.
        let _ = self.tell.send(text);
    }

    fn pass_warnings(&mut self) {
        for text in self.source.warnings() {
            self.warn(text);
        }
    }

    fn show(&mut self, phase: Phase) {
        self.status_due = Instant::now() + STATUS_EVERY;
        let receiver = self.session.receiver().counts();
        *lock(self.status) = Status {
            phase,
            offered: self.source.offered(),
            receiver,
        };
    }
}

impl From<SessionError> for SourceError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}
