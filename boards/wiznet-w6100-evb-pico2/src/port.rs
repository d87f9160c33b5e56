//! The network port, as the node sees it: frames that the chip's task has read.

use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use embassy_rp::watchdog::Watchdog;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::zerocopy_channel::Receiver;
use embassy_time::{Duration, Instant};
use magpie_node::{FrameReceiver, Lost};
use magpie_protocol::{Known, LinkState, Losses};
use magpie_w6100::{Link, MAX_FRAME, frame_at};

use crate::chip::Batch;
use crate::lamp::{LOST, RECEIVED};

/// A turn of the node takes well under a millisecond; a board that has not taken
/// one for so long hangs.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(4);

/// What the chip's task knows of missed frames, for the node.
pub(crate) struct Missed {
    certain: AtomicU32,
    occasions: AtomicU32,
}

/// The one there is.
pub(crate) static MISSED: Missed = Missed {
    certain: AtomicU32::new(0),
    occasions: AtomicU32::new(0),
};

impl Missed {
    /// Sets them; whether anything changed.
    pub(crate) fn set(&self, certain: u64, occasions: u64) -> bool {
        let least = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        self.certain.store(least(certain), Ordering::Relaxed);
        let occasions = least(occasions);
        self.occasions.swap(occasions, Ordering::Relaxed) != occasions
    }

    /// For the ledger: exactly none, or at least so many.
    fn known(&self) -> Known {
        if self.occasions.load(Ordering::Relaxed) == 0 {
            Known::Exact(0)
        } else {
            Known::AtLeast(u64::from(self.certain.load(Ordering::Relaxed)))
        }
    }
}

/// What the chip's task knows of the cable, for the node and the lamp.
pub(crate) struct Cable(AtomicU8);

/// The one there is; not looked at yet.
pub(crate) static CABLE: Cable = Cable(AtomicU8::new(0));

impl Cable {
    const DOWN: u8 = 1;
    const UP: u8 = 1 << 1;
    const HUNDRED: u8 = 1 << 2;
    const FULL_DUPLEX: u8 = 1 << 3;

    pub(crate) fn set(&self, link: Link) {
        let flag = |is, flag| if is { flag } else { 0 };
        let state = match link {
            Link::Down => Self::DOWN,
            Link::Up {
                hundred,
                full_duplex,
            } => Self::UP | flag(hundred, Self::HUNDRED) | flag(full_duplex, Self::FULL_DUPLEX),
        };
        self.0.store(state, Ordering::Relaxed);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) & Self::UP != 0
    }

    fn state(&self) -> LinkState {
        let state = self.0.load(Ordering::Relaxed);
        if state & Self::UP != 0 {
            LinkState::Up {
                mbit: if state & Self::HUNDRED != 0 { 100 } else { 10 },
                full_duplex: state & Self::FULL_DUPLEX != 0,
            }
        } else if state == Self::DOWN {
            LinkState::Down
        } else {
            LinkState::Unknown
        }
    }
}

/// What the port can tell from the beginning on. The chip drops frames with a
/// wrong FCS, and longer ones than it takes, without a trace. It has no
/// descriptors, and nothing is lost between it and the node.
pub(crate) const COUNTED: Losses = Losses {
    fcs: Known::Unknown,
    oversize: Known::Unknown,
    mac_fifo: Known::Exact(0),
    no_descriptor: Known::Exact(0),
    ring: Known::Exact(0),
};

pub(crate) struct Port {
    batches: Receiver<'static, CriticalSectionRawMutex, Batch>,
    /// Where the next frame begins in the first of them.
    at: usize,
    age_us: u32,
    watchdog: Watchdog,
}

impl Port {
    pub(crate) fn new(
        batches: Receiver<'static, CriticalSectionRawMutex, Batch>,
        watchdog: Watchdog,
    ) -> Self {
        Self {
            batches,
            at: 0,
            age_us: 0,
            watchdog,
        }
    }
}

impl FrameReceiver for Port {
    fn poll_receive(&mut self, buffer: &mut [u8]) -> Option<Result<usize, Lost>> {
        loop {
            let batch = self.batches.try_receive()?;
            let octets = batch.octets.get(..batch.len).unwrap_or_default();
            let Some((frame, next)) = frame_at(octets, self.at) else {
                self.at = 0;
                self.batches.receive_done();
                continue;
            };
            self.at = next;
            RECEIVED.fetch_add(1, Ordering::Relaxed);
            let age = Instant::now().as_micros().saturating_sub(batch.at_us);
            self.age_us = u32::try_from(age).unwrap_or(u32::MAX);
            let room = buffer.get_mut(..frame.len());
            let Some(room) = room.filter(|r| r.len() <= MAX_FRAME) else {
                LOST.fetch_add(1, Ordering::Relaxed);
                return Some(Err(Lost::Oversize));
            };
            room.copy_from_slice(frame);
            return Some(Ok(frame.len()));
        }
    }

    fn age_us(&self) -> u32 {
        self.age_us
    }

    /// Called in every turn of the node: so the watchdog is fed here, and bites
    /// when the node stands still.
    fn collect_losses(&mut self, losses: &mut Losses) {
        self.watchdog.feed(WATCHDOG);
        losses.mac_fifo = MISSED.known();
    }

    fn link(&mut self) -> LinkState {
        CABLE.state()
    }

    /// The chip's task wakes the node.
    fn arm(&mut self) {}
}
