//! One source's turns: speak, listen, see whether it is over.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use magpie_collector::{Picture, Session, SessionError};
use magpie_protocol::{Configuration, Outcome};

use super::port::PortWatch;
use super::{DriveOptions, FlushOutcome, Lane, Phase, Report, Status, Stop, Told, lock};
use crate::{Incoming, RecordWriter, Source, SourceError};

/// Longest wait for a batch: the session has timers of its own.
const TURN: Duration = Duration::from_millis(50);
/// What is shown of a source beside its picture is renewed this often.
const STATUS_EVERY: Duration = Duration::from_millis(100);
/// Longest wait for changes to be taken.
const OBSERVER_PATIENCE: Duration = Duration::from_secs(1);
/// Refused batches that are named one by one.
const REFUSALS_NAMED: u64 = 3;

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

pub(super) struct Run<'a> {
    source: Box<dyn Source>,
    session: Session,
    picture: Arc<Mutex<Picture>>,
    record: Option<RecordWriter>,
    status: &'a Mutex<Status>,
    status_due: Instant,
    stop: &'a Stop,
    options: &'a DriveOptions,
    tell: Sender<Told>,
    flush: Option<Flush>,
    /// The feed was asked to end because of the user.
    ending_feed: bool,
    refusals: u64,
    port: PortWatch,
    failure: Option<SourceError>,
    record_failure: Option<SourceError>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        lane: Lane,
        status: &'a Mutex<Status>,
        stop: &'a Stop,
        options: &'a DriveOptions,
        tell: Sender<Told>,
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
            port: PortWatch::default(),
            failure: None,
            record_failure: None,
        }
    }

    pub(super) fn report(mut self) -> Report {
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
        let boot_id = self.session.receiver().boot_id();
        let taken = self
            .session
            .handle_batch(now_us, batch, &mut lock(&self.picture));
        if self.session.receiver().boot_id() != boot_id {
            self.configure();
        }
        self.tell_of_port(now_us);
        self.let_observer_follow();
        for reply in self.session.take_replies() {
            if reply.outcome != Outcome::Done {
                self.warn(format!(
                    "{}: the sensor does not take the settings it was asked for ({:?}) and keeps \
                     its own",
                    self.source.name(),
                    reply.outcome
                ));
            }
        }
        match taken {
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

    /// Where changes are written as they come, none is to be dropped because a
    /// capture is read faster than that: waits a while for them to be taken.
    fn let_observer_follow(&self) {
        let crowded = || lock(&self.picture).events_crowded();
        if !crowded() {
            return;
        }
        let _ = self.tell.send(Told::Crowded);
        let deadline = Instant::now() + OBSERVER_PATIENCE;
        while crowded() && Instant::now() < deadline && self.stop.raised() < 2 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Says what of the sensor's port is not to be found out later, by a
    /// screen that nobody looked at.
    fn tell_of_port(&mut self, now_us: u64) {
        let Some(port) = lock(&self.picture).port().copied() else {
            return;
        };
        let boot_id = self.session.receiver().boot_id();
        for text in self.port.news(now_us, boot_id, &port) {
            self.warn(format!("{}: {text}", self.source.name()));
        }
    }

    /// Settings are gone with a boot.
    fn configure(&mut self) {
        let settings = self.options.settings;
        if settings != Configuration::default() && self.source.answers() {
            self.session.request_configure(settings);
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
        let _ = self.tell.send(Told::Warning(text));
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
            uplink: self.source.uplink(),
            as_of_us: host_us(),
        };
    }
}

impl From<SessionError> for SourceError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}
