//! The sensor core in this process, fed from a capture file.

use std::io::Read;
use std::time::{Duration, Instant};

use magpie_capture::{MAX_CAPTURED, Reader};
use magpie_link::{MAX_BATCH, Overflow, Sender};
use magpie_protocol::{ClockKind, Emitted, Known, Losses, RecordSource, UplinkCounts, Want};
use magpie_sensor::{Config, Identity, ROOM_PER_FRAME, Sensor, Storage};
use self_cell::{MutBorrow, self_cell};

use crate::{Incoming, Offered, Source, SourceError};

/// Frames observed between two looks at the link and the clock.
const FRAMES_AT_ONCE: usize = 512;
/// Octets for finished records until the session acknowledged them.
const RESEND_OCTETS: usize = 1 << 20;

/// How the in-process core is set up. A time of zero means never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SensorOptions {
    /// Flow table entries.
    pub flows: usize,
    /// Echo table entries.
    pub echoes: usize,
    /// Tables grow before they are crowded, so that nothing is ever evicted.
    pub grow: bool,
    /// A flow ends after so long without a frame.
    pub idle: Duration,
    /// A flow's record is exported at this age.
    pub active: Duration,
    /// A closed connection leaves after so long.
    pub end: Duration,
    /// Live updates of a changed entry at most this often.
    pub live: Duration,
    /// Source revision this program was built from.
    pub git: String,
    /// Seed of the hash and the boot id; `None` draws one.
    pub seed: Option<[u8; 32]>,
}

impl SensorOptions {
    /// Forgets nothing and shows nothing before it is asked for: what an exact
    /// run needs (EXACT.md, "How a program shows it").
    pub fn exact() -> Self {
        Self {
            idle: Duration::ZERO,
            active: Duration::ZERO,
            end: Duration::ZERO,
            live: Duration::ZERO,
            ..Self::default()
        }
    }

    fn config(&self) -> Config {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if self.grow
            && [self.idle, self.active, self.end, self.live]
                .iter()
                .all(Duration::is_zero)
        {
            return Config::exact();
        }
        Config {
            idle_us: us(self.idle),
            active_us: us(self.active),
            end_us: us(self.end),
            live_us: us(self.live),
            // No frame waits here while tables are looked through.
            scan_slots: u32::MAX,
            ..Config::default()
        }
    }
}

impl Default for SensorOptions {
    /// The core's own time-outs, tables that grow, no live updates.
    fn default() -> Self {
        let config = Config::default();
        Self {
            flows: 4096,
            echoes: 256,
            grow: true,
            idle: Duration::from_micros(config.idle_us),
            active: Duration::from_micros(config.active_us),
            end: Duration::from_micros(config.end_us),
            live: Duration::ZERO,
            git: "unknown".to_owned(),
            seed: None,
        }
    }
}

self_cell!(
    /// The link's sender together with the storage it works in.
    struct Uplink {
        owner: MutBorrow<Vec<u8>>,
        #[covariant]
        dependent: Sender,
    }
);

/// The core as the link sees it: with the capture's time, while the link's own
/// timers run by the host's clock.
struct AtCapture<'c> {
    sensor: &'c mut Sensor<'static>,
    now_us: u64,
    /// Whether live records are wanted now; false once there are no more.
    live: &'c mut bool,
}

impl RecordSource for AtCapture<'_> {
    fn poll_record(&mut self, _: u64, want: Want, out: &mut [u8]) -> Option<Emitted> {
        if want == Want::Live && !*self.live {
            return None;
        }
        let emitted = self.sensor.poll_record(self.now_us, want, out);
        if want == Want::Live && emitted.is_none() {
            *self.live = false;
        }
        emitted
    }

    fn note_uplink(&mut self, counts: &UplinkCounts) {
        self.sensor.note_uplink(counts);
    }
}

/// A capture file behind a sensor core in this process: the same core and the
/// same link as on a board, with larger buffers. Nothing is ever lost between
/// them: reading waits until there is room for what a frame may cause.
pub struct InProcess {
    name: String,
    reader: Reader,
    sensor: Sensor<'static>,
    uplink: Uplink,
    grow: bool,
    started: Instant,
    /// The latest time stamp so far.
    now_us: u64,
    /// The capture's time at which the core wants to look for what expired.
    sweep_at_us: u64,
    sweep_us: u64,
    /// Live updates are for the eye: they are taken by the host's clock, since
    /// a capture may hold a day in a second.
    live: bool,
    live_due: Instant,
    live_every: Duration,
    offered: Offered,
    feed: Feed,
    out: Box<[u8; MAX_BATCH]>,
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
        let seed = match options.seed {
            Some(seed) => seed,
            None => draw_seed(&name)?,
        };
        let short = file.rsplit('/').next().unwrap_or(file);
        let identity = Identity {
            name: short,
            board: "in-process",
            firmware: env!("CARGO_PKG_VERSION"),
            git: &options.git,
            clock: ClockKind::Unix,
            max_frame: u32::try_from(MAX_CAPTURED).unwrap_or(u32::MAX),
            resend_octets: u32::try_from(RESEND_OCTETS).unwrap_or(u32::MAX),
        };
        let storage = Storage::owned(options.flows, options.echoes);
        let config = options.config();
        let mut sensor = Sensor::new(config, identity, &seed, storage);
        // Nothing stands between the file and the core.
        let none = Known::Exact(0);
        sensor.set_losses(Losses {
            fcs: none,
            oversize: none,
            mac_fifo: none,
            no_descriptor: none,
            ring: none,
        });
        let boot_id = sensor.boot_id();
        let uplink = Uplink::new(MutBorrow::new(vec![0; RESEND_OCTETS]), |storage| {
            Sender::new(boot_id, storage.borrow_mut(), Overflow::Hold)
        });
        Ok(Self {
            name,
            reader,
            sensor,
            uplink,
            grow: options.grow,
            started: Instant::now(),
            now_us: 0,
            sweep_at_us: 0,
            sweep_us: config.sweep_us,
            live: true,
            live_due: Instant::now(),
            live_every: options.live,
            offered: Offered::default(),
            feed: Feed::Open,
            out: Box::new([0; MAX_BATCH]),
            warnings: Vec::new(),
            failure: None,
        })
    }

    fn link_now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The next batch of the link, if there is one to send now.
    fn poll(&mut self) -> Option<Incoming> {
        let link_now = self.link_now();
        if !self.live && Instant::now() >= self.live_due {
            self.live = true;
            self.live_due = Instant::now() + self.live_every;
        }
        let mut core = AtCapture {
            sensor: &mut self.sensor,
            now_us: self.now_us,
            live: &mut self.live,
        };
        let out = &mut self.out[..];
        let len = self
            .uplink
            .with_dependent_mut(|_, sender| sender.poll_transmit(link_now, &mut core, out))?;
        self.out
            .get(..len)
            .map(|batch| Incoming::Batch(batch.to_vec()))
    }

    /// Shows the core some frames; false when it has no room for another
    /// one's records.
    fn observe(&mut self) -> bool {
        for _ in 0..FRAMES_AT_ONCE {
            if self.sensor.outbox_room() < ROOM_PER_FRAME {
                return false;
            }
            match self.reader.next_frame() {
                Ok(Some(frame)) => {
                    if self.grow {
                        self.sensor.grow_if_crowded();
                    }
                    self.sensor.observe(frame.at_us, frame.data, frame.wire_len);
                    self.now_us = self.now_us.max(frame.at_us);
                    self.offered.frames += 1;
                    self.offered.octets += u64::from(frame.wire_len);
                    // As often as on a board, however thin the capture is.
                    if self.sweep_us > 0 && self.now_us >= self.sweep_at_us {
                        self.sweep_at_us = self.now_us.saturating_add(self.sweep_us);
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
        if let Some(batch) = self.poll() {
            return Ok(batch);
        }
        while self.feed == Feed::Open {
            let has_room = self.observe();
            if let Some(batch) = self.poll() {
                return Ok(batch);
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
        // Nothing can happen before the link's own timers.
        let due = self.uplink.borrow_dependent().poll_at();
        let wait = due.map_or(timeout, |due| {
            Duration::from_micros(due.saturating_sub(self.link_now())).min(timeout)
        });
        std::thread::sleep(wait);
        Ok(self.poll().unwrap_or(Incoming::Idle))
    }

    fn send(&mut self, batch: &[u8]) -> Result<(), SourceError> {
        let link_now = self.link_now();
        let Self {
            uplink,
            sensor,
            live,
            now_us,
            name,
            ..
        } = self;
        uplink.with_dependent_mut(|_, sender| match sender.handle_batch(link_now, batch) {
            Ok(commands) => {
                for command in commands {
                    // The answer is among the live records.
                    *live = true;
                    sensor.handle_command(*now_us, &command);
                }
                Ok(())
            }
            Err(error) => Err(SourceError::failed(
                name.as_str(),
                format!("its link refused a batch of commands ({error})"),
                "this is a fault of Magpie: please report it",
            )),
        })
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
        }
        self.feed == Feed::AtEnd
    }

    fn failure(&mut self) -> Option<SourceError> {
        self.failure.take()
    }

    fn shortfalls(&mut self) -> Vec<String> {
        self.sensor.shortfalls()
    }
}

fn draw_seed(name: &str) -> Result<[u8; 32], SourceError> {
    let mut seed = [0; 32];
    match getrandom::fill(&mut seed) {
        Ok(()) => Ok(seed),
        Err(error) => Err(SourceError::failed(
            name,
            format!("the system gives no random numbers ({error})"),
            "see that /dev/urandom exists",
        )),
    }
}
