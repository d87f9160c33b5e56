//! Feeds the network card of an emulated board, frame by frame.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::board::Board;
use crate::stream::NetStream;
use crate::worker::Worker;

/// One frame for the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedFrame {
    /// Capture time, microseconds since 1970.
    pub at_us: u64,
    /// Octets on the wire without FCS; more than `octets` holds if the
    /// capture cut it.
    pub wire_octets: u32,
    /// The frame, without FCS.
    pub octets: Vec<u8>,
}

/// How fast frames go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As fast as the card takes them.
    Full,
    /// At most so many frames a second.
    PerSecond(u32),
    /// As in the capture, so many times faster (1.0 is as it was).
    Capture(f64),
}

/// How to feed.
#[derive(Debug, Clone)]
pub struct FeedOptions {
    /// How fast.
    pub pace: Pace,
    /// How long the board may take from its start to its first batch.
    pub ready_within: Duration,
    /// How long nothing may move while the serial line is being read; time
    /// in which nobody reads it ([`Feeder::heartbeat`]) does not count.
    pub stalled_after: Duration,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            pace: Pace::Full,
            ready_within: Duration::from_secs(90),
            stalled_after: Duration::from_secs(90),
        }
    }
}

/// Why a frame cannot be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Shorter than the card takes.
    Short,
    /// Longer than the card takes.
    Oversize,
    /// The capture holds only a part of it; a card receives whole frames.
    Cut,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Short, Self::Oversize, Self::Cut];

    /// A word for the books line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Oversize => "oversize",
            Self::Cut => "cut",
        }
    }

    /// What the card of this board has against the frame, if anything.
    pub fn of(board: &Board, stamped: bool, frame: &FeedFrame) -> Option<Self> {
        let octets = frame.octets.len();
        if u64::from(frame.wire_octets) > octets as u64 {
            Some(Self::Cut)
        } else if octets < board.shortest(stamped) {
            Some(Self::Short)
        } else if octets > board.longest(stamped) {
            Some(Self::Oversize)
        } else {
            None
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Frames that did not reach the card, for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refused {
    /// How many.
    pub frames: u64,
    /// Their octets on the wire, without FCS.
    pub octets: u64,
}

/// Where the feed stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Frames offered, refused ones among them.
    pub frames: u64,
    /// Their octets on the wire, without FCS.
    pub octets: u64,
    /// Refused, in the order of [`Refusal::ALL`].
    pub refused: [Refused; 3],
    /// Sent into the open end of a cable ([`Feeder::unplug`]), of those offered.
    pub unplugged: Refused,
    /// Frames sent to the card.
    pub sent: u64,
    /// Frames the firmware is known to have read.
    pub read: u64,
    /// Every frame was offered, and every one sent was read.
    pub done: bool,
    /// It ended early; the text says why.
    pub failed: Option<FeedError>,
}

impl Progress {
    /// Frames refused for this reason.
    pub fn refused(&self, why: Refusal) -> Refused {
        Refusal::ALL
            .iter()
            .position(|r| *r == why)
            .and_then(|at| self.refused.get(at).copied())
            .unwrap_or_default()
    }

    pub(crate) fn offer(&mut self, frame: &FeedFrame, refusal: Option<Refusal>) {
        let octets = u64::from(frame.wire_octets);
        self.frames = self.frames.saturating_add(1);
        self.octets = self.octets.saturating_add(octets);
        if let Some(at) = Refusal::ALL.iter().position(|r| Some(*r) == refusal)
            && let Some(refused) = self.refused.get_mut(at)
        {
            refused.frames = refused.frames.saturating_add(1);
            refused.octets = refused.octets.saturating_add(octets);
        }
    }
}

/// Why a feed ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// The frames could not be read.
    #[error("{0}")]
    Input(String),
    /// The board never sent a batch.
    #[error(
        "{board} sent nothing on its serial line within {seconds} s of its start; is the image current? cargo xtask build {board}"
    )]
    NotReady {
        /// The board.
        board: &'static str,
        /// How long we waited.
        seconds: u64,
    },
    /// Nothing moved for long.
    #[error(
        "{board} has read no frame for {seconds} s: {read} of {sent} read; the firmware hangs, or the frames are lost"
    )]
    Stalled {
        /// The board.
        board: &'static str,
        /// How long.
        seconds: u64,
        /// Frames sent.
        sent: u64,
        /// Frames read.
        read: u64,
    },
    /// The counter of frames read made no sense.
    #[error(
        "{board} says it has read {counter} frames after {before}, with {under_way} under way: it ended itself (`magpie sensor info` has its last words), was reset behind our back, or its image is not ours"
    )]
    Overrun {
        /// The board.
        board: &'static str,
        /// The counter as read.
        counter: u32,
        /// The counter as last seen.
        before: u32,
        /// Frames under way.
        under_way: usize,
    },
    /// QEMU is gone or does not answer.
    #[error("{board}: feeding its network card failed: {reason}")]
    Lost {
        /// The board.
        board: &'static str,
        /// Why.
        reason: String,
    },
    /// The thread could not be started.
    #[error("no thread to feed {board}: {reason}")]
    Thread {
        /// The board.
        board: &'static str,
        /// Why.
        reason: String,
    },
}

/// A feed that runs in its own thread. Dropping it ends the feed where it
/// is.
pub struct Feeder {
    shared: Arc<Shared>,
    wire: NetStream,
    thread: Option<JoinHandle<()>>,
}

/// Where frames come from; `None` where there is none yet.
pub(crate) type Frames = Box<dyn Iterator<Item = Result<Option<FeedFrame>, String>> + Send>;

/// What the thread and its owner tell each other.
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// What the owner wants of the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Feed,
    Hold,
    FeedAfterReset,
    Finish,
    Quit,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) progress: Progress,
    pub(crate) wish: Wish,
    pub(crate) ready: bool,
    pub(crate) held: bool,
    pub(crate) unplugged: bool,
    pub(crate) heartbeat: Instant,
}

impl State {
    fn want(&mut self, wish: Wish) {
        // The end is final, and quitting goes before all.
        match self.wish {
            Wish::Quit => {}
            Wish::Finish if wish != Wish::Quit => {}
            _ => self.wish = wish,
        }
    }
}

impl Shared {
    fn new() -> Self {
        Self {
            state: Mutex::new(State {
                progress: Progress::default(),
                wish: Wish::Feed,
                ready: false,
                held: false,
                unplugged: false,
                heartbeat: Instant::now(),
            }),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something and wakes whoever waits.
    pub(crate) fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits for a change, at most so long.
    pub(crate) fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        timeout: Duration,
    ) -> MutexGuard<'a, State> {
        self.changed
            .wait_timeout(state, timeout)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}

impl Feeder {
    pub(crate) fn start(
        board: &'static Board,
        stamped: bool,
        wire: NetStream,
        frames: Frames,
        counter: Box<dyn FnMut() -> Result<u32, String> + Send>,
        options: FeedOptions,
    ) -> Result<Self, FeedError> {
        let failed = |e: std::io::Error| FeedError::Thread {
            board: board.name,
            reason: e.to_string(),
        };
        let shared = Arc::new(Shared::new());
        let ours = wire.try_clone().map_err(failed)?;
        let worker = Worker::new(board, stamped, wire, counter, options, Arc::clone(&shared))
            .map_err(failed)?;
        let thread = std::thread::Builder::new()
            .name("magpie-feeder".to_owned())
            .spawn(move || worker.run(frames))
            .map_err(failed)?;
        Ok(Self {
            shared,
            wire: ours,
            thread: Some(thread),
        })
    }

    /// The board's first batch came: its card takes frames now.
    pub fn ready(&self) {
        if !self.shared.lock().ready {
            self.shared.set(|state| state.ready = true);
        }
    }

    /// Somebody reads the serial line: only then is a board that does not
    /// move at fault. Call it whenever you do.
    pub fn heartbeat(&self) {
        self.shared.lock().heartbeat = Instant::now();
    }

    /// Where the feed stands.
    pub fn progress(&self) -> Progress {
        self.shared.lock().progress.clone()
    }

    /// Asks the feed to stand still with nothing under way; the serial line
    /// must be read on until [`Self::held`].
    pub fn hold(&self) {
        self.shared.set(|state| state.want(Wish::Hold));
    }

    /// Whether it stands still, every frame sent having been read.
    pub fn held(&self) -> bool {
        let state = self.shared.lock();
        state.held || state.progress.done || state.progress.failed.is_some()
    }

    /// Lets it go on.
    pub fn release(&self) {
        self.shared.set(|state| state.want(Wish::Feed));
    }

    /// Lets it go on after the board was reset: it waits for
    /// [`Self::ready`] again.
    pub fn release_after_reset(&self) {
        self.shared.set(|state| {
            state.ready = false;
            state.want(Wish::FeedAfterReset);
        });
    }

    /// The cable was pulled out of the card, or is plugged in again
    /// ([`crate::Emulator::plug`]): frames go out all the same, and nobody waits
    /// for them to be read. The feed must be held meanwhile; before it is plugged
    /// in again, QEMU needs a moment to throw away what was sent last.
    pub fn unplug(&self, out: bool) {
        self.shared.set(|state| state.unplugged = out);
    }

    /// Offers nothing more; the feed is done when what was sent has been
    /// read.
    pub fn finish(&self) {
        self.shared.set(|state| state.want(Wish::Finish));
    }

    /// Ends the feed where it is; what was not offered never will be. The
    /// frames under way may still be read.
    pub fn stop(&self) {
        self.shared.set(|state| state.want(Wish::Quit));
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.stop();
        // A write that waits for the card ends with this.
        self.wire.shutdown();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
#[path = "feeder_tests.rs"]
mod tests;
