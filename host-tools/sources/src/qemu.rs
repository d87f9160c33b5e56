//! A sensor on an emulated board.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use magpie_emulator::{BoardClock, Emulator, EmulatorError, FeedOptions, Pace, board};
use magpie_link::{FrameCounts, Header};
use magpie_os::{Capture, CaptureOptions};

use crate::board_feed::{BoardFeed, Frames};
use crate::feed::{CaptureFeed, Repeat};
use crate::framed::{Framed, framed};
use crate::live_feed::LiveFeed;
use crate::serial::waits;
use crate::{Feed, Incoming, Offered, Source, SourceError, Uplink};

/// The serial line is read in slices of this, so that the feed is looked at
/// in between.
const SLICE: Duration = Duration::from_millis(20);
/// How long a write may wait for a board that does not read.
const WRITE: Duration = Duration::from_millis(200);
/// How long QEMU may take to end after it closed its sockets.
const END: Duration = Duration::from_secs(1);

/// How an emulated board is set up.
#[derive(Debug, Clone, Default)]
pub struct QemuOptions {
    /// QEMU, image, seed, logs.
    pub emulator: magpie_emulator::Options,
    /// Pace and patience of the feed.
    pub feed: FeedOptions,
    /// How often the capture is fed.
    pub repeat: Repeat,
}

/// Records from a board that QEMU emulates, its mirror port fed from a capture
/// or with what an interface sees. Dropping it ends QEMU.
pub struct QemuBoard {
    name: String,
    // Before the emulator: it ends while QEMU still takes frames.
    feed: Option<BoardFeed>,
    emulator: Emulator,
    uart: UnixStream,
    line: Framed,
    buffer: Vec<u8>,
    // The boot whose batches came last.
    boot: Option<u32>,
    awaits: Awaits,
    /// What a file feeds waits, in each boot, until it is told to go.
    holds: bool,
    /// It waits now, and the card takes frames.
    held: bool,
    feed_done: bool,
    control: QemuControl,
    warnings: Vec<String>,
}

/// The batch that says that the card takes frames.
#[derive(Debug, Clone, Copy)]
enum Awaits {
    /// It came.
    Nothing,
    /// The first of all.
    Any,
    /// The first that is not of this boot, which was reset.
    After(u32),
}

/// Buttons of an emulated board, for whoever has not the board itself.
#[derive(Debug, Clone, Default)]
pub struct QemuControl {
    wanted: Arc<Mutex<Wanted>>,
}

#[derive(Debug, Default)]
struct Wanted {
    reset: bool,
    resets: u32,
}

impl QemuControl {
    /// Presses the reset button, as soon as the frames under way have been
    /// read (so that no frame is lost on the wire; what the sensor has not
    /// reported is lost with its memory). The board boots with another seed.
    pub fn reset(&self) {
        self.lock().reset = true;
    }

    /// How often the button took effect.
    pub fn resets(&self) -> u32 {
        self.lock().resets
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QemuBoard {
    /// Starts the board and its feed; `name` is the source's, `pace` goes
    /// before the pace of the options.
    pub fn start(
        name: impl Into<String>,
        board_name: &str,
        feed: &Feed,
        pace: Option<u32>,
        options: &QemuOptions,
    ) -> Result<Self, SourceError> {
        Self::start_with(name.into(), board_name, feed, pace, options, None)
    }

    /// As [`Self::start`], with a capture of the interface that is open
    /// already.
    pub(crate) fn start_with(
        name: String,
        board_name: &str,
        feed: &Feed,
        pace: Option<u32>,
        options: &QemuOptions,
        capture: Option<Capture>,
    ) -> Result<Self, SourceError> {
        let failed = |e: EmulatorError| emulator_error(&name, &e);
        let board = board(board_name).map_err(failed)?;
        let frames = match (feed, capture) {
            (Feed::Nothing, _) => None,
            (Feed::File(path), _) => Some(Frames::File(CaptureFeed::open(path, options.repeat)?)),
            (Feed::Interface(_), Some(capture)) => {
                Some(Frames::Live(LiveFeed::new(&name, capture)))
            }
            (Feed::Interface(interface), None) => {
                let capture = Capture::open(interface, &CaptureOptions::default())?;
                Some(Frames::Live(LiveFeed::new(&name, capture)))
            }
        };
        let mut how = options.emulator.clone();
        // Where a live wire is quiet, time passes all the same.
        if matches!(frames, Some(Frames::Live(_))) && how.clock == BoardClock::Stamped {
            how.clock = BoardClock::Running;
        }
        let mut emulator = Emulator::start(board, &how).map_err(failed)?;
        let uart = emulator.uart().map_err(failed)?;
        uart.set_write_timeout(Some(WRITE))
            .map_err(|e| SourceError::io(name.clone(), e, "try again"))?;
        let mut feed = options.feed.clone();
        if let Some(pace) = pace {
            feed.pace = Pace::PerSecond(pace);
        }
        let feed = frames.map(|frames| BoardFeed::start(frames, &mut emulator, feed));
        let feed = feed.transpose().map_err(failed)?;
        Ok(Self {
            name,
            feed,
            emulator,
            uart,
            line: Framed::new(),
            buffer: vec![0; 16 * 1024],
            boot: None,
            awaits: Awaits::Any,
            holds: false,
            held: false,
            feed_done: false,
            control: QemuControl::default(),
            warnings: Vec::new(),
        })
    }

    /// Its buttons.
    pub fn control(&self) -> QemuControl {
        self.control.clone()
    }

    /// The emulated board itself.
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// What the serial line carried so far: frames, damage.
    pub fn counts(&self) -> FrameCounts {
        self.line.counts()
    }

    /// A batch came: the first of a boot says that the card takes frames.
    fn note(&mut self, batch: &[u8]) {
        // A batch of another version is the session's business.
        let boot = Header::parse(batch).ok().map(|(header, _)| header.boot_id);
        let ready = match self.awaits {
            Awaits::Nothing => false,
            Awaits::Any => true,
            Awaits::After(old) => boot.is_some_and(|boot| boot != old),
        };
        if ready {
            self.awaits = Awaits::Nothing;
            self.held = self.holds;
            self.go();
        }
        if boot.is_some() {
            self.boot = boot;
        }
    }

    /// Lets the feed go, unless it is held.
    fn go(&self) {
        if let (false, Awaits::Nothing, Some(feed)) = (self.held, self.awaits, &self.feed) {
            feed.feeder.ready();
        }
    }

    /// Carries the reset out once nothing is under way.
    fn reset_if_wanted(&mut self) -> Result<bool, SourceError> {
        if !self.control.lock().reset {
            return Ok(false);
        }
        if let Some(BoardFeed { feeder, .. }) = &self.feed {
            feeder.hold();
            if !feeder.held() {
                return Ok(false);
            }
        }
        // What the old boot wrote is read before the new one writes; and while
        // QEMU is asked to pause, for it does not answer as long as a board
        // without a transmit buffer waits for its line to be read.
        let emulator = &self.emulator;
        let (uart, buffer, line) = (&mut self.uart, &mut self.buffer, &mut self.line);
        std::thread::scope(|scope| {
            let pausing = scope.spawn(|| emulator.pause());
            loop {
                let paused = pausing.is_finished();
                uart.set_read_timeout(Some(Duration::from_millis(1))).ok();
                while let Ok(n @ 1..) = uart.read(buffer) {
                    line.fill(buffer.get(..n).unwrap_or_default());
                }
                if paused {
                    return pausing.join();
                }
            }
        })
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        .map_err(|e| emulator_error(&self.name, &e))?;
        self.line.cut();
        self.awaits = self.boot.map_or(Awaits::Any, Awaits::After);
        if let Some(BoardFeed { feeder, .. }) = &self.feed {
            feeder.release_after_reset();
        }
        self.emulator
            .reset()
            .map_err(|e| emulator_error(&self.name, &e))?;
        let mut wanted = self.control.lock();
        wanted.reset = false;
        wanted.resets = wanted.resets.saturating_add(1);
        Ok(true)
    }

    /// Whether the feed has just ended.
    fn fed(&mut self) -> Result<bool, SourceError> {
        let Some(feed) = &self.feed else {
            return Ok(false);
        };
        feed.feeder.heartbeat();
        if self.feed_done {
            return Ok(false);
        }
        let progress = feed.feeder.progress();
        if let Some(error) = progress.failed {
            // QEMU's own words say more, if it is QEMU that has ended.
            self.qemu_ended(Duration::from_millis(200))?;
            return Err(SourceError::failed(
                self.name.clone(),
                error.to_string(),
                "run it again with the firmware's log to see what it does",
            ));
        }
        if !progress.done {
            return Ok(false);
        }
        self.feed_done = true;
        self.warnings.extend(feed.sentences(&self.name));
        Ok(true)
    }

    fn read(&mut self, timeout: Duration) -> std::io::Result<usize> {
        let timeout = timeout.max(Duration::from_millis(1));
        self.uart.set_read_timeout(Some(timeout))?;
        self.uart.read(&mut self.buffer)
    }

    /// An error with QEMU's own words if it ends within this time.
    fn qemu_ended(&mut self, within: Duration) -> Result<(), SourceError> {
        let deadline = Instant::now() + within;
        loop {
            self.emulator
                .check()
                .map_err(|e| emulator_error(&self.name, &e))?;
            if Instant::now() > deadline {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Source for QemuBoard {
    fn name(&self) -> &str {
        &self.name
    }

    fn receive(&mut self, timeout: Duration) -> Result<Incoming, SourceError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(batch) = self.line.next() {
                self.note(&batch);
                if let Some(BoardFeed { feeder, .. }) = &self.feed {
                    feeder.heartbeat();
                }
                return Ok(Incoming::Batch(batch));
            }
            if self.reset_if_wanted()? {
                return Ok(Incoming::Reconnected);
            }
            if self.fed()? {
                return Ok(Incoming::FeedDone);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Incoming::Idle);
            }
            match self.read(left.min(SLICE)) {
                Ok(0) => {
                    self.qemu_ended(END)?;
                    return Err(SourceError::failed(
                        self.name.clone(),
                        "QEMU closed the board's serial line",
                        "run it again",
                    ));
                }
                Ok(n) => self.line.fill(self.buffer.get(..n).unwrap_or_default()),
                Err(e) if waits(&e) => {}
                Err(e) => {
                    self.qemu_ended(END)?;
                    return Err(SourceError::io(self.name.clone(), e, "run it again"));
                }
            }
        }
    }

    fn send(&mut self, batch: &[u8]) -> Result<(), SourceError> {
        use std::io::Write as _;
        let Some(octets) = framed(batch) else {
            return Err(SourceError::failed(
                self.name.clone(),
                "a command longer than any batch",
                "this is a fault of this program: report it",
            ));
        };
        match self.uart.write_all(&octets) {
            Ok(()) => Ok(()),
            Err(e) if waits(&e) => Ok(()),
            Err(e) => {
                self.qemu_ended(END)?;
                Err(SourceError::io(self.name.clone(), e, "run it again"))
            }
        }
    }

    fn uplink(&self) -> Option<Uplink> {
        Some(Uplink::Emulated {
            octets: self.line.read(),
        })
    }

    fn offered(&self) -> Option<Offered> {
        self.feed.as_ref().map(BoardFeed::offered)
    }

    fn warnings(&mut self) -> Vec<String> {
        let mut all = std::mem::take(&mut self.warnings);
        if let Some(feed) = &self.feed {
            all.extend(feed.warnings());
        }
        let advice = "a reset cuts the frame under way; more than that is a fault of the firmware";
        all.extend(self.line.complaint(&self.name, advice));
        all
    }

    fn end_feed(&mut self) -> bool {
        match &self.feed {
            Some(feed) if !self.feed_done => {
                feed.end();
                true
            }
            _ => false,
        }
    }

    fn hold_feed(&mut self) -> bool {
        let is_file = self.feed.as_ref().is_some_and(BoardFeed::is_file);
        self.holds = is_file;
        self.held = is_file;
        is_file
    }

    fn release_feed(&mut self) {
        self.held = false;
        self.go();
    }

    fn failure(&mut self) -> Option<SourceError> {
        self.feed.as_ref()?.failure()
    }
}

/// Where an image lies is the user's business, so the error's own advice is
/// part of its text already.
fn emulator_error(name: &str, error: &EmulatorError) -> SourceError {
    let advice = match error {
        EmulatorError::Died { .. } => "the firmware or QEMU is at fault: see what it said",
        EmulatorError::UnknownBoard { .. } => "write qemu:BOARD",
        _ => "then run it again",
    };
    SourceError::failed(name, error.to_string(), advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(board: &str, feed: &Feed, options: &QemuOptions) -> String {
        match QemuBoard::start("qemu:x", board, feed, None, options) {
            Ok(_) => panic!("it started"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_cannot_start_says_why_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = QemuOptions::default();
        options.emulator.image = Some(folder.path().join("none.elf"));
        let unknown = said("nucleo", &Feed::Nothing, &options);
        assert!(
            unknown.contains("nucleo") && unknown.contains("qemu-mps2-an386"),
            "{unknown}"
        );
        let image = said("mps2-an386", &Feed::Nothing, &options);
        assert!(
            image.contains("none.elf") && image.contains("cargo xtask build qemu-mps2-an386"),
            "{image}"
        );
        // No interface has a name of its own like this.
        let live = said("mps2-an386", &Feed::Interface("no.such".into()), &options);
        assert!(live.contains("no.such"), "{live}");
        let capture = folder.path().join("none.pcap");
        let capture = said("mps2-an386", &Feed::File(capture), &options);
        assert!(capture.contains("none.pcap"), "{capture}");
    }
}
