//! An interface of this machine behind the sensor core in this process.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use magpie_os::{Capture, Card, Offload, Stats, Wake};
use magpie_protocol::{Known, Losses};

use crate::sensor_core::{Core, FRAMES_AT_ONCE, SensorOptions};
use crate::{Incoming, Offered, Source, SourceError};

/// Flow entries where the user names no number: the table does not grow, since
/// whoever sends to the interface could make it grow without end. What finds
/// no place is exported, so no sum suffers.
const FLOWS: usize = 1 << 16;
/// Echo pairs, likewise.
const ECHOES: usize = 1 << 12;
/// The longest frame there is: a merged one (BIG TCP aside).
const MAX_FRAME: usize = 0x1_0000;
/// The kernel is asked for its counters this often.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// A frame that the kernel counted is waited for so long at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// What an interface of this machine sees, counted by a sensor core in this
/// process. The number of frames on the wire is the kernel's, and so is what
/// it dropped because this process was too slow; both are in the books.
pub struct Interface {
    name: String,
    capture: Capture,
    core: Core,
    /// Octets of the frames read.
    octets: u64,
    stats: Stats,
    card: Card,
    ask_at: Instant,
    feed: Feed,
    merged_told: bool,
    warnings: Vec<String>,
    failure: Option<SourceError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feed {
    Open,
    /// Nothing more comes; what waits is read until then at the latest.
    Ending(Instant),
    Told,
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
            warnings: offload_warning(&name, &capture).into_iter().collect(),
            name,
            capture,
            core,
            octets: 0,
            stats: Stats::default(),
            card: Card::Unknown,
            ask_at: Instant::now(),
            feed: Feed::Open,
            merged_told: false,
            failure: None,
        })
    }

    /// Asks the kernel what it saw and dropped, and tells the core.
    fn ask(&mut self) {
        self.ask_at = Instant::now() + ASK_EVERY;
        match self.capture.stats() {
            Ok(stats) => self.stats = stats,
            Err(error) => self.fail(error.into()),
        }
        self.card = self.capture.card();
        self.core.set_losses(losses(self.card, self.stats.dropped));
        if self.stats.merged > 0 && !self.merged_told {
            self.merged_told = true;
            self.warnings
                .push(merged_warning(&self.name, &self.capture));
        }
    }

    /// Shows the core some of the frames that wait; how many.
    fn observe(&mut self) -> usize {
        for taken in 0..FRAMES_AT_ONCE {
            if !self.core.has_room() {
                return taken;
            }
            let Some(frame) = self.capture.next_frame() else {
                return taken;
            };
            self.octets += u64::from(frame.wire_len);
            let at_us = frame.at_ns / 1000;
            if self.core.observe(at_us, frame.data, frame.wire_len) {
                return taken + 1;
            }
        }
        FRAMES_AT_ONCE
    }

    /// Stops listening; what waits is still read.
    fn end(&mut self) {
        if self.feed == Feed::Open {
            self.feed = Feed::Ending(Instant::now() + PATIENCE);
            if let Err(error) = self.capture.stop() {
                self.failure.get_or_insert(error.into());
            }
        }
    }

    fn fail(&mut self, error: SourceError) {
        self.failure.get_or_insert(error);
        self.end();
    }

    /// Waits for frames and tells what happened to the interface.
    fn wait(&mut self, timeout: Duration) {
        match self.capture.wait(timeout) {
            Ok(Wake::Frames | Wake::Quiet) => {}
            Ok(Wake::Down) => self.warnings.push(format!(
                "{}: the interface is down; waiting for it to come up (sudo ip link set {} up)",
                self.name,
                self.capture.interface()
            )),
            Ok(Wake::Up) => self.warnings.push(format!("{}: up again", self.name)),
            Ok(Wake::Gone) => self.fail(SourceError::failed(
                self.name.clone(),
                "the interface is gone: deleted, unplugged, or moved to another namespace",
                "what it saw before stands; start again when it is back",
            )),
            Err(error) => self.fail(error.into()),
        }
    }

    /// One look at the capture while it runs or ends.
    fn step(&mut self, timeout: Duration) -> Option<Incoming> {
        let taken = self.observe();
        if Instant::now() >= self.ask_at {
            self.ask();
        }
        let has_room = self.core.has_room();
        if taken > 0 || !has_room {
            if let Feed::Ending(deadline) = &mut self.feed {
                *deadline = Instant::now() + PATIENCE;
            }
            // Without room, the session has to acknowledge something first;
            // frames that come meanwhile wait in the ring, or are dropped and
            // counted.
            return (!has_room).then_some(Incoming::Idle);
        }
        match self.feed {
            Feed::Ending(deadline) => {
                self.ask();
                if self.stats.waiting() == 0 || Instant::now() >= deadline {
                    self.feed = Feed::Told;
                    return Some(Incoming::FeedDone);
                }
                // The last block of the ring comes when its time is over.
                std::thread::sleep(Duration::from_millis(5));
            }
            Feed::Open => self.wait(timeout),
            Feed::Told => std::thread::sleep(timeout),
        }
        None
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
            if self.feed == Feed::Told {
                std::thread::sleep(wait);
            } else if let Some(news) = self.step(wait) {
                return Ok(news);
            }
        }
    }

    fn send(&mut self, batch: &[u8]) -> Result<(), SourceError> {
        self.core.handle(batch)
    }

    fn offered(&self) -> Option<Offered> {
        Some(Offered {
            frames: wire(self.card, &self.stats),
            // The kernel counts no octets of what it drops.
            octets: self.octets,
            refused: Vec::new(),
        })
    }

    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn end_feed(&mut self) -> bool {
        self.end();
        self.feed != Feed::Told
    }

    fn failure(&mut self) -> Option<SourceError> {
        self.failure.take()
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

/// Frames on the wire, as the kernel and the card's driver counted.
pub(crate) fn wire(card: Card, stats: &Stats) -> u64 {
    let card = match card {
        Card::Drops(drops) => drops.sum(),
        Card::None | Card::Unknown => 0,
    };
    stats.packets.saturating_add(card)
}

/// What is known to be lost before the core. A driver need not count all.
fn losses(card: Card, dropped: u64) -> Losses {
    let ring = Known::Exact(dropped);
    match card {
        Card::Unknown => Losses {
            ring,
            ..Losses::default()
        },
        Card::None => {
            let none = Known::Exact(0);
            Losses {
                fcs: none,
                oversize: none,
                mac_fifo: none,
                no_descriptor: none,
                ring,
            }
        }
        Card::Drops(drops) => Losses {
            fcs: Known::AtLeast(drops.crc),
            oversize: Known::AtLeast(drops.length),
            mac_fifo: Known::AtLeast(drops.fifo),
            no_descriptor: Known::AtLeast(drops.missed),
            ring,
        },
    }
}

fn names(offloads: &[Offload]) -> String {
    let names: Vec<_> = offloads.iter().map(|offload| offload.name()).collect();
    names.join(", ")
}

fn switch_off(interface: &str, offloads: &[Offload]) -> String {
    let words: Vec<_> = offloads
        .iter()
        .map(|offload| format!("{} off", offload.name()))
        .collect();
    format!("sudo ethtool -K {interface} {}", words.join(" "))
}

/// What will merge received frames.
pub(crate) fn offload_warning(name: &str, capture: &Capture) -> Option<String> {
    let mut merging = capture.offloads();
    merging.retain(|offload| offload.receives());
    (!merging.is_empty()).then(|| {
        format!(
            "{name}: {} is on, so segments of a connection may be merged before they are counted: \
             fewer and longer packets than on the wire; switch it off: {}",
            names(&merging),
            switch_off(capture.interface(), &merging)
        )
    })
}

/// Frames were merged.
pub(crate) fn merged_warning(name: &str, capture: &Capture) -> String {
    let on = capture.offloads();
    let how = if on.is_empty() {
        "at the interface's other end".to_owned()
    } else {
        format!(
            "{}, and at its other end",
            switch_off(capture.interface(), &on)
        )
    };
    format!(
        "{name}: frames longer than the interface can carry: segments were merged before they were \
         counted, so there are fewer and longer packets than on the wire; switch that off: {how}"
    )
}

fn wall_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(all(test, target_os = "linux"))]
#[path = "interface_tests.rs"]
mod tests;
