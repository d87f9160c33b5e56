//! What every place that records come from has in common.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use magpie_collector::Offered;

use crate::Uplink;

/// What a source had to give within the time it was allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// One batch of the sensor, without its framing.
    Batch(Vec<u8>),
    /// Nothing came in time.
    Idle,
    /// The feed is finished (given once); the sensor still answers, so this is
    /// the moment to flush.
    FeedDone,
    /// The connection was lost and is there again (perhaps to another boot):
    /// say Hello again.
    Reconnected,
    /// Nothing will come any more.
    Ended,
}

/// A place that records come from: a sensor in this process, on a wire, or on
/// an emulated board.
///
/// Order of use: [`Self::receive`] in a loop, with what the session has to say
/// handed to [`Self::send`] in between, until [`Incoming::Ended`].
pub trait Source: Send {
    /// What it is called in messages and views (the text of its [`crate::Spec`]
    /// where it has one).
    fn name(&self) -> &str;

    /// Waits for the next batch, at most `timeout`. An error is the end of this
    /// source; what can be mended (a cable pulled out) is not an error but
    /// [`Incoming::Idle`] and later [`Incoming::Reconnected`].
    fn receive(&mut self, timeout: Duration) -> Result<Incoming, SourceError>;

    /// Sends one batch of commands to the sensor. While the connection is down
    /// it is dropped without an error: the session repeats what matters.
    fn send(&mut self, batch: &[u8]) -> Result<(), SourceError>;

    /// Frames and octets as known from outside (a feeder, a capture file),
    /// and what was refused before the sensor. `None`: nobody outside knows.
    fn offered(&self) -> Option<Offered> {
        None
    }

    /// By which way its records come, and how much came so far, where that is
    /// known.
    fn uplink(&self) -> Option<Uplink> {
        None
    }

    /// What the user should read on stderr since the last call.
    fn warnings(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Ends the feed where this source has one: nothing more is offered, and
    /// [`Incoming::FeedDone`] follows when what was offered has been taken.
    /// False: there is no feed to end (or it has ended), so flush at once.
    fn end_feed(&mut self) -> bool {
        false
    }

    /// Where a capture file is fed: offers nothing until [`Self::release_feed`],
    /// neither now nor after a reset of the sensor, so that a filter can be set
    /// before the first frame. False: nothing waits.
    fn hold_feed(&mut self) -> bool {
        false
    }

    /// Offers what there is.
    fn release_feed(&mut self) {}

    /// False where nobody hears commands: what was recorded is given again,
    /// and it ends with what was recorded.
    fn answers(&self) -> bool {
        true
    }

    /// When the host received the last batch, in microseconds since 1970;
    /// `None` for now.
    fn received_at(&self) -> Option<u64> {
        None
    }

    /// Why the feed or the recording ended before its end; what came before
    /// stands. Complete once [`Incoming::FeedDone`] or [`Incoming::Ended`] was
    /// given.
    fn failure(&mut self) -> Option<SourceError> {
        None
    }

    /// What an in-process sensor had to give up (EXACT.md, "How a program
    /// shows it"): an exact run is exact when this is empty.
    fn shortfalls(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// Why a source gives nothing (more). Every text names the thing, the reason
/// and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The operating system refused.
    #[error("{thing}: {reason}; {advice}")]
    Io {
        /// Which file, line, interface or board.
        thing: String,
        /// What the system said.
        reason: io::Error,
        /// What to do.
        advice: Cow<'static, str>,
    },
    /// A capture file cannot be read.
    #[error(transparent)]
    Capture(#[from] magpie_capture::CaptureError),
    /// An interface cannot be listened to.
    #[error(transparent)]
    Os(#[from] magpie_os::OsError),
    /// The sensor and this program do not understand each other.
    #[error(transparent)]
    Session(magpie_collector::SessionError),
    /// What it sent or did makes no sense, or it died.
    #[error("{thing}: {reason}; {advice}")]
    Failed {
        /// Which file, line, interface or board.
        thing: String,
        /// What was found.
        reason: String,
        /// What to do.
        advice: Cow<'static, str>,
    },
}

impl SourceError {
    /// An [`Self::Io`].
    pub fn io(
        thing: impl Into<String>,
        reason: io::Error,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Io {
            thing: thing.into(),
            reason,
            advice: advice.into(),
        }
    }

    /// An [`Self::Failed`].
    pub fn failed(
        thing: impl Into<String>,
        reason: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Failed {
            thing: thing.into(),
            reason: reason.into(),
            advice: advice.into(),
        }
    }
}
