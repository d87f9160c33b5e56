//! From the port to the sensor, every frame booked.

use core::sync::atomic::{AtomicU32, Ordering};

use magpie_protocol::Losses;
use magpie_sensor::{ROOM_PER_FRAME, Sensor};

use crate::speak::Side;
use crate::{Clock, FrameReceiver, Lost};

/// Most frames of one turn.
const FRAMES_A_TURN: usize = 32;

/// Least octets of the frame buffer: batches are put together in it too.
pub const MIN_SCRATCH: usize = magpie_link::MAX_BATCH;

/// What becomes of frames for whose records the sensor has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// They wait in the port: whoever feeds it waits too, so none is lost.
    Hold,
    /// They are counted; records that find no room are lost, and booked. For
    /// ports that a switch feeds, which never waits.
    Never,
}

/// What one turn of capture did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Captured {
    /// Frames read out of the port.
    pub(crate) frames: usize,
    /// True when frames were left waiting for want of room.
    pub(crate) held: bool,
}

/// The capture side.
pub(crate) struct Capture {
    clock: Clock,
    pace: Pace,
    losses: Losses,
    /// Frames read out of the port, for whoever feeds it.
    received: &'static AtomicU32,
}

impl Capture {
    pub(crate) fn new(
        clock: Clock,
        pace: Pace,
        losses: Losses,
        received: &'static AtomicU32,
    ) -> Self {
        Self {
            clock,
            pace,
            losses,
            received,
        }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Takes frames while there are any, there is room, and the turn lasts.
    pub(crate) fn turn<R: FrameReceiver, S: Side<R>>(
        &mut self,
        boot_us: &impl Fn() -> u64,
        receiver: &mut R,
        sensor: &mut Sensor<'_>,
        side: &mut S,
        buffer: &mut [u8],
    ) -> Captured {
        let mut did = Captured::default();
        let before = self.losses;
        while did.frames < FRAMES_A_TURN {
            did.held = self.pace == Pace::Hold && !has_room(sensor);
            if did.held {
                break;
            }
            let Some(outcome) = receiver.poll_receive(buffer) else {
                break;
            };
            did.frames = did.frames.saturating_add(1);
            let count = self.received.load(Ordering::Relaxed).wrapping_add(1);
            self.received.store(count, Ordering::Release);
            if forgets(count) {
                continue;
            }
            match outcome {
                Ok(octets) => {
                    let age_us = u64::from(receiver.age_us());
                    let came_us = || boot_us().saturating_sub(age_us);
                    if let Some(frame) = self.observe(&came_us, sensor, buffer.get(..octets)) {
                        side.see(frame);
                    }
                }
                Err(Lost::Fcs) => self.losses.fcs.add(1),
                Err(Lost::Oversize) => self.losses.oversize.add(1),
            }
        }
        receiver.collect_losses(&mut self.losses);
        if self.losses != before {
            sensor.set_losses(self.losses);
        }
        did
    }

    /// Counts a frame, and gives it back as it was on the wire.
    fn observe<'f>(
        &mut self,
        came_us: &impl Fn() -> u64,
        sensor: &mut Sensor<'_>,
        octets: Option<&'f [u8]>,
    ) -> Option<&'f [u8]> {
        let Some(octets) = octets else {
            // A port that says more than it could write: as good as damaged.
            self.losses.fcs.add(1);
            return None;
        };
        let Some((at_us, frame)) = self.clock.take(came_us, octets) else {
            // A wrong stamp is a wrong trailer, like a wrong FCS.
            self.losses.fcs.add(1);
            return None;
        };
        let wire_len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        sensor.observe(at_us, frame, wire_len);
        Some(frame)
    }
}

/// Whether the sensor has room for all that one frame may cause.
pub(crate) fn has_room(sensor: &Sensor<'_>) -> bool {
    sensor.outbox_room() >= ROOM_PER_FRAME && !sensor.must_wait()
}

/// In the image whose books must come out OPEN, one frame is thrown away
/// without being booked.
fn forgets(count: u32) -> bool {
    cfg!(magpie_forget_one) && count == 3
}
