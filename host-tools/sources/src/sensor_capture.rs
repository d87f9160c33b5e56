//! Packets out of a sensor.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use magpie_collector::{
    FilterAccount, FilterEvent, FilterRequest, Limits, Picture, Session, SessionError,
};

use magpie_protocol::{FilterState, Ledger};

use crate::waiting::Waiting;
use crate::{Incoming, Offered, Source, SourceError, Uplink};

/// Longest wait for a batch: the session has timers of its own.
const TURN: Duration = Duration::from_millis(50);
/// A sensor that is asked to stop, or for its books, has so long without a word
/// that brings that nearer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A sensor that said nothing for so long is missed aloud.
const SILENCE: Duration = Duration::from_secs(8);
/// Refused batches that are named one by one.
const REFUSALS_NAMED: u64 = 3;

/// How a filter ended that was not asked to.
const FORGOT: &str = "the sensor was restarted and forgot";
const STOPPED: &str = "the sensor heard nothing of this program for 30 seconds and stopped";

/// How it stands with a capture through a sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureTurn {
    /// Something came, and there may be more already.
    More,
    /// Nothing came in time.
    Quiet,
    /// Nothing will come any more.
    Ended,
}

/// What it is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The filter is asked for, or runs.
    Running,
    /// It is to stop, and what it kept is to come; given up then.
    Stopping(Waiting),
    /// No more frames are to be offered; given up then.
    EndingFeed(Instant),
    /// The sensor is to say its books; given up then.
    Flushing(Waiting),
    Ended,
}

/// What the sensor had counted when the filter began to run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Began {
    /// Nothing: what it is fed waited for the filter.
    WithTheFeed,
    /// It has not said so yet.
    Unknown,
    /// This.
    At(Box<Ledger>),
}

/// One sensor that runs a filter for us, behind any [`Source`].
///
/// Order of use: [`Self::turn`] until it says [`CaptureTurn::Ended`];
/// [`Self::end`] when enough has come. It ends by itself when the filter is
/// refused or reaches a limit, and when the feed of its source ends: then the
/// packets that the sensor still holds come, and after them its books.
pub struct SensorCapture {
    source: Box<dyn Source>,
    session: Session,
    picture: Picture,
    slot: u8,
    began: Began,
    phase: Phase,
    /// The user wants no more.
    ending: bool,
    patience: Duration,
    /// When its silence is told; `None`: it was, or will not be.
    missed_at: Option<Instant>,
    refusals: u64,
    warnings: Vec<String>,
}

/// Host time in microseconds since 1970.
fn host_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

impl SensorCapture {
    /// Asks the sensor behind this source for a filter.
    /// What a capture file feeds waits until the filter runs.
    pub fn new(mut source: Box<dyn Source>, request: FilterRequest) -> Self {
        let began = if source.hold_feed() {
            Began::WithTheFeed
        } else {
            Began::Unknown
        };
        let mut session = Session::new(source.name());
        let missed_at = source.answers().then(|| Instant::now() + SILENCE);
        let slot = request.slot;
        session.request_filter(request);
        Self {
            picture: Picture::new(source.name(), Limits::default()),
            source,
            session,
            slot,
            began,
            phase: Phase::Running,
            ending: false,
            patience: PATIENCE,
            missed_at,
            refusals: 0,
            warnings: Vec::new(),
        }
    }

    /// The source's name.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// The source.
    pub fn source(&self) -> &dyn Source {
        self.source.as_ref()
    }

    /// What the sensor says of itself and of all that it sees.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// What the filter came to so far, in the present or last boot of the sensor.
    pub fn account(&self) -> Option<&FilterAccount> {
        self.session.filter_account(self.slot)
    }

    /// How much a number in the sensor's books has grown since the filter began to
    /// run, over all boots; `None` where they do not say. It begins at the first
    /// books of that time, so a little may be missing, and nothing is too much.
    pub fn grown(&self, of: impl Fn(&Ledger) -> Option<u64>) -> Option<u64> {
        let now = self.picture.ledger()?;
        let before = match &self.began {
            Began::WithTheFeed => 0,
            Began::At(began) if began.at_us != now.at_us => of(began)?,
            // One ledger says nothing of what followed.
            Began::Unknown | Began::At(_) => return None,
        };
        of(&now)?.checked_sub(before)
    }

    /// Keeps the first books of which the sensor's time says that the filter ran.
    fn note_books(&mut self) {
        if self.began != Began::Unknown {
            return;
        }
        let ran_us = self.account().and_then(|account| account.began_us);
        if let Some((ran_us, ledger)) = ran_us.zip(self.picture.ledger())
            && ledger.at_us >= ran_us
        {
            self.began = Began::At(Box::new(ledger));
        }
    }

    /// See [`Source::offered`].
    pub fn offered(&self) -> Option<Offered> {
        self.source.offered()
    }

    /// What the user should read on stderr since the last call.
    pub fn warnings(&mut self) -> Vec<String> {
        let mut all = std::mem::take(&mut self.warnings);
        all.extend(self.source.warnings());
        all
    }

    /// See [`Source::failure`].
    pub fn failure(&mut self) -> Option<SourceError> {
        self.source.failure()
    }

    /// Enough has come: the filter is stopped, what it kept comes, and the
    /// sensor's books.
    pub fn end(&mut self) {
        self.ending = true;
        if self.phase == Phase::Running {
            self.stop();
        }
    }

    /// Nothing more is waited for. The sensor is told to stop, if it hears it.
    pub fn end_now(&mut self) {
        if self.phase != Phase::Ended {
            self.session.request_filter_stop(self.slot, true);
            // Whatever comes of it: nobody waits for an answer.
            let _ = self.speak();
            self.phase = Phase::Ended;
        }
    }

    /// Waits at most so long for packets, and hands over what came of the
    /// filter. An error is the end.
    pub fn turn(
        &mut self,
        wait: Duration,
        take: &mut dyn FnMut(FilterEvent),
    ) -> Result<CaptureTurn, SourceError> {
        let deadline = Instant::now() + wait;
        loop {
            if self.phase == Phase::Ended {
                return Ok(CaptureTurn::Ended);
            }
            self.speak()?;
            let left = deadline.saturating_duration_since(Instant::now());
            let incoming = self.source.receive(left.min(TURN))?;
            let now_us = self.source.received_at().unwrap_or_else(host_us);
            let mut came = false;
            match incoming {
                Incoming::Batch(batch) => {
                    self.take(now_us, &batch)?;
                    self.note_books();
                }
                Incoming::Idle => {}
                Incoming::Reconnected => self.session.reconnected(),
                Incoming::FeedDone => match self.phase {
                    Phase::Running => self.stop(),
                    Phase::EndingFeed(_) => self.flush(),
                    _ => {}
                },
                Incoming::Ended => self.phase = Phase::Ended,
            }
            for event in self.session.take_filter_events() {
                came = true;
                self.note(&event);
                take(event);
            }
            self.go_on()?;
            if came {
                return Ok(CaptureTurn::More);
            }
            if Instant::now() >= deadline && self.phase != Phase::Ended {
                return Ok(CaptureTurn::Quiet);
            }
        }
    }

    fn speak(&mut self) -> Result<(), SourceError> {
        let now_us = self.source.received_at().unwrap_or_else(host_us);
        while let Some(batch) = self.session.poll_transmit(now_us) {
            self.source.send(&batch)?;
        }
        Ok(())
    }

    fn take(&mut self, now_us: u64, batch: &[u8]) -> Result<(), SourceError> {
        let taken = self.session.handle_batch(now_us, batch, &mut self.picture);
        // Nobody looks at changes here, and flows are not what is asked for.
        match taken {
            Ok(()) => Ok(()),
            Err(error) if error.is_fatal() => Err(error.into()),
            Err(error @ SessionError::Batch { .. }) => {
                self.refusals += 1;
                if self.refusals <= REFUSALS_NAMED {
                    self.warnings.push(error.to_string());
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn stop(&mut self) {
        self.session.request_filter_stop(self.slot, false);
        self.phase = Phase::Stopping(self.waiting());
    }

    fn waiting(&self) -> Waiting {
        Waiting::new(Instant::now(), self.patience, self.come())
    }

    /// Grows with every step to the end: an answer alone is none. Finished
    /// records count, since they go before packets.
    fn come(&self) -> u64 {
        let finals = self.session.receiver().counts().finals;
        self.account().map_or(finals, |account| {
            let packets = account.delivered.frames;
            let given = packets.saturating_add(account.forwarded.frames);
            finals.saturating_add(given)
        })
    }

    /// What an event means for the rest.
    fn note(&mut self, event: &FilterEvent) {
        let over = match event {
            FilterEvent::Refused { .. } => true,
            FilterEvent::Ended(account) => {
                if account.state == FilterState::Unheard {
                    self.warn_of_an_end(STOPPED, false);
                }
                true
            }
            FilterEvent::Forgotten { account, again } => {
                let how = if account.is_over() { STOPPED } else { FORGOT };
                self.warn_of_an_end(how, *again);
                !again
            }
            _ => false,
        };
        if over || matches!(event, FilterEvent::Started { .. }) {
            self.source.release_feed();
        }
        if over && matches!(self.phase, Phase::Running | Phase::Stopping(_)) {
            self.end_feed();
        }
    }

    fn warn_of_an_end(&mut self, how: &str, again: bool) {
        let then = if again { "; it is set again" } else { "" };
        let name = self.source.name();
        self.warnings
            .push(format!("{name}: {how} the filter{then}"));
    }

    /// The books are drawn up as of the last frame that was offered.
    fn end_feed(&mut self) {
        if self.source.answers() && self.source.end_feed() {
            self.phase = Phase::EndingFeed(Instant::now() + self.patience);
        } else {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.source.answers() {
            self.session.request_flush();
            self.phase = Phase::Flushing(self.waiting());
        } else {
            self.phase = Phase::Ended;
        }
    }

    /// Says once that no sensor is heard. It is waited for all the same: a board
    /// may be plugged in yet.
    fn miss(&mut self, now: Instant) {
        let Some(at) = self.missed_at else { return };
        let heard = self.picture.hello().is_some() || self.account().is_some_and(|a| a.run != 0);
        if heard || self.phase != Phase::Running {
            self.missed_at = None;
        } else if now >= at {
            self.missed_at = None;
            let name = self.source.name();
            self.warnings.push(match self.source.uplink() {
                Some(Uplink::Serial { .. }) => format!(
                    "{name}: no answer from a sensor here: wrong port or speed, or its records \
                     go by UDP; still waiting"
                ),
                _ => format!("{name}: no answer from a sensor here; still waiting"),
            });
        }
    }

    /// Whether what is waited for has come, or is waited for no longer.
    fn go_on(&mut self) -> Result<(), SourceError> {
        let now = Instant::now();
        let come = self.come();
        self.miss(now);
        match &mut self.phase {
            Phase::Running | Phase::Ended => {}
            Phase::EndingFeed(until) if now < *until => {}
            Phase::EndingFeed(_) => self.flush(),
            Phase::Stopping(waiting) => {
                if waiting.is_over(now, come) {
                    self.warnings.push(format!(
                        "{}: the sensor does not say that its filter has stopped; packets that \
                         it still held are not here",
                        self.source.name()
                    ));
                    self.end_feed();
                }
            }
            Phase::Flushing(waiting) => {
                let over = waiting.is_over(now, come);
                if over || self.session.flushed() {
                    self.picture.finish();
                    // The last acknowledgement.
                    self.speak()?;
                    self.phase = Phase::Ended;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "sensor_capture_tests.rs"]
mod tests;
