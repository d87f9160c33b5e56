//! A capture file behind the sensor core in this process.

use std::io::Read;
use std::time::{Duration, Instant};

use magpie_capture::{MAX_CAPTURED, Reader};
use magpie_protocol::{Known, Losses};

use crate::sensor_core::{Core, FRAMES_AT_ONCE, SensorOptions};
use crate::{Incoming, Offered, Source, SourceError, Uplink};

/// A capture file behind a sensor core in this process: the same core and the
/// same link as on a board, with larger buffers. Nothing is ever lost between
/// them: reading waits until there is room for what a frame may cause.
pub struct InProcess {
    name: String,
    reader: Reader,
    core: Core,
    offered: Offered,
    feed: Feed,
    held: bool,
    warnings: Vec<String>,
    failure: Option<SourceError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feed {
    Open,
    /// At its end; that has not been told yet.
    AtEnd,
    Told,
}

impl InProcess {
    /// Reads the header of a capture. `name` is the source's, `file` how
    /// messages call the file.
    pub fn new(
        name: impl Into<String>,
        file: &str,
        from: impl Read + Send + 'static,
        options: &SensorOptions,
    ) -> Result<Self, SourceError> {
        let reader = Reader::new(file, from)?;
        let name = name.into();
        let short = file.rsplit('/').next().unwrap_or(file);
        let mut core = Core::new(&name, short, MAX_CAPTURED, options)?;
        // Nothing stands between the file and the core.
        let none = Known::Exact(0);
        core.set_losses(Losses {
            fcs: none,
            oversize: none,
            mac_fifo: none,
            no_descriptor: none,
            ring: none,
        });
        Ok(Self {
            name,
            reader,
            core,
            offered: Offered::default(),
            feed: Feed::Open,
            held: false,
            warnings: Vec::new(),
            failure: None,
        })
    }

    /// Shows the core some frames; false when it has no room for another
    /// one's records.
    fn observe(&mut self) -> bool {
        for _ in 0..FRAMES_AT_ONCE {
            if !self.core.has_room() {
                return false;
            }
            match self.reader.next_frame() {
                Ok(Some(frame)) => {
                    let due = self.core.observe(frame.at_us, frame.data, frame.wire_len);
                    self.offered.frames += 1;
                    self.offered.octets += u64::from(frame.wire_len);
                    if due {
                        break;
                    }
                }
                Ok(None) => {
                    self.end();
                    break;
                }
                // A pipe that is quiet; it has been waited for a little.
                Err(error) if error.reason.is_not_yet() => break,
                Err(error) => {
                    self.failure = Some(error.into());
                    self.end();
                    break;
                }
            }
        }
        true
    }

    fn end(&mut self) {
        self.feed = Feed::AtEnd;
        self.core.look_through();
        self.warnings
            .extend(self.reader.notes().sentences(self.reader.file()));
    }
}

impl Source for InProcess {
    fn name(&self) -> &str {
        &self.name
    }

    fn receive(&mut self, timeout: Duration) -> Result<Incoming, SourceError> {
        let started = Instant::now();
        if let Some(batch) = self.core.poll() {
            return Ok(Incoming::Batch(batch));
        }
        while self.feed == Feed::Open && !self.held {
            let has_room = self.observe();
            if let Some(batch) = self.core.poll() {
                return Ok(Incoming::Batch(batch));
            }
            // Without room, the session has to acknowledge something first.
            if !has_room || started.elapsed() >= timeout {
                return Ok(Incoming::Idle);
            }
        }
        if self.feed == Feed::AtEnd {
            self.feed = Feed::Told;
            return Ok(Incoming::FeedDone);
        }
        let wait = self.core.idle_for().unwrap_or(timeout);
        std::thread::sleep(wait.min(timeout));
        Ok(self.core.poll().map_or(Incoming::Idle, Incoming::Batch))
    }

    fn send(&mut self, batch: &[u8]) -> Result<(), SourceError> {
        self.core.handle(batch)
    }

    fn uplink(&self) -> Option<Uplink> {
        Some(Uplink::InProcess)
    }

    fn offered(&self) -> Option<Offered> {
        Some(self.offered.clone())
    }

    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn end_feed(&mut self) -> bool {
        if self.feed == Feed::Open {
            self.warnings
                .push(format!("{}: not read to its end", self.reader.file()));
            self.feed = Feed::AtEnd;
            self.core.look_through();
        }
        self.feed == Feed::AtEnd
    }

    fn hold_feed(&mut self) -> bool {
        self.held = true;
        true
    }

    fn release_feed(&mut self) {
        self.held = false;
    }

    fn failure(&mut self) -> Option<SourceError> {
        self.failure.take()
    }

    fn shortfalls(&mut self) -> Vec<String> {
        self.core.shortfalls()
    }
}
