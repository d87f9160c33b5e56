//! An interface of this machine behind the sensor core in this process.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use magpie_os::Capture;

use crate::sensor_core::{Core, FRAMES_AT_ONCE, SensorOptions};
use crate::tap::Tap;
use crate::{Incoming, Offered, Source, SourceError, Uplink};

/// Flow entries where the user names no number: the table does not grow, since
/// whoever sends to the interface could make it grow without end. What finds
/// no place is exported, so no sum suffers.
const FLOWS: usize = 1 << 16;
/// Echo pairs, likewise.
const ECHOES: usize = 1 << 12;
/// The longest frame there is: a merged one (BIG TCP aside).
const MAX_FRAME: usize = 0x1_0000;

/// What an interface of this machine sees, counted by a sensor core in this
/// process. The number of frames on the wire is the kernel's, and so is what
/// it dropped because this process was too slow; both are in the books.
pub struct Interface {
    name: String,
    tap: Tap,
    core: Core,
    /// Octets of the frames read.
    octets: u64,
    /// The end was told.
    done: bool,
}

impl Interface {
    /// Counts what `capture` sees; `name` is the source's.
    pub fn new(
        name: impl Into<String>,
        capture: Capture,
        options: &SensorOptions,
    ) -> Result<Self, SourceError> {
        let name = name.into();
        let options = bounded(options);
        let core = Core::new(&name, capture.interface(), MAX_FRAME, &options)?;
        Ok(Self {
            tap: Tap::new(&name, capture),
            name,
            core,
            octets: 0,
            done: false,
        })
    }

    /// Shows the core some of the frames that wait; whether there was one.
    fn observe(&mut self) -> bool {
        for taken in 0..FRAMES_AT_ONCE {
            if !self.core.has_room() {
                return taken > 0;
            }
            let Some(frame) = self.tap.next_frame() else {
                return taken > 0;
            };
            self.octets += u64::from(frame.wire_len);
            let at_us = frame.at_ns / 1000;
            if self.core.observe(at_us, frame.data, frame.wire_len) {
                break;
            }
        }
        true
    }

    /// One look at the interface.
    fn step(&mut self, timeout: Duration) -> Option<Incoming> {
        let some = self.observe();
        if self.tap.ask_if_due() {
            self.core.set_losses(self.tap.counted().losses());
        }
        if !self.core.has_room() {
            // The session has to acknowledge something first; frames that
            // come meanwhile wait in the ring, or are dropped and counted.
            return Some(Incoming::Idle);
        }
        if some || self.tap.rest(timeout) {
            return None;
        }
        self.core.set_losses(self.tap.counted().losses());
        self.done = true;
        Some(Incoming::FeedDone)
    }
}

impl Source for Interface {
    fn name(&self) -> &str {
        &self.name
    }

    fn receive(&mut self, timeout: Duration) -> Result<Incoming, SourceError> {
        let deadline = Instant::now() + timeout;
        loop {
            // Time goes on while the wire is quiet.
            self.core.set_now(wall_us());
            if let Some(batch) = self.core.poll() {
                return Ok(Incoming::Batch(batch));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Incoming::Idle);
            }
            let wait = left.min(self.core.idle_for().unwrap_or(left));
            if self.done {
                std::thread::sleep(wait);
            } else if let Some(news) = self.step(wait) {
                return Ok(news);
            }
        }
    }

    fn send(&mut self, batch: &[u8]) -> Result<(), SourceError> {
        self.core.handle(batch)
    }

    fn uplink(&self) -> Option<Uplink> {
        Some(Uplink::InProcess)
    }

    fn offered(&self) -> Option<Offered> {
        Some(Offered {
            frames: self.tap.counted().wire(),
            // The kernel counts no octets of what it drops.
            octets: self.octets,
            refused: Vec::new(),
        })
    }

    fn warnings(&mut self) -> Vec<String> {
        self.tap.warnings()
    }

    fn end_feed(&mut self) -> bool {
        self.tap.end();
        !self.done
    }

    fn failure(&mut self) -> Option<SourceError> {
        self.tap.failure()
    }

    fn shortfalls(&mut self) -> Vec<String> {
        self.core.shortfalls()
    }
}

/// Tables that do not grow, unless the user wants an exact run.
fn bounded(options: &SensorOptions) -> SensorOptions {
    let mut options = options.clone();
    if options.grow && !options.forgets_nothing() {
        options.grow = false;
        options.flows = options.flows.max(FLOWS);
        options.echoes = options.echoes.max(ECHOES);
    }
    options
}

pub(crate) fn wall_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(all(test, target_os = "linux"))]
#[path = "interface_tests.rs"]
pub(crate) mod tests;
