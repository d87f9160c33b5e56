//! From the sensor to the host: records, batches, frames, octets.

use magpie_link::{MAX_BATCH, MAX_FRAME, Sender, frame};
use magpie_protocol::{Emitted, RecordSource, UplinkCounts, Want};
use magpie_sensor::Sensor;

use crate::{Clock, Uart};

/// Octets given to the line in one turn.
const OCTETS_A_TURN: usize = 256;

/// Octets of the buffer that holds one framed batch.
pub const UPLINK_BUFFER: usize = MAX_FRAME;

/// The uplink side: one framed batch on its way into the line.
pub(crate) struct Uplink<'b> {
    framed: &'b mut [u8],
    /// The batch is `framed[at..end]`.
    at: usize,
    end: usize,
}

/// The sensor under its own clock: the link's time is always time since boot,
/// so that its waits pass also when the sensor lives in a capture's time.
struct Clocked<'s, 'b> {
    sensor: &'s mut Sensor<'b>,
    sensor_us: u64,
}

impl RecordSource for Clocked<'_, '_> {
    fn poll_record(&mut self, _link_us: u64, want: Want, out: &mut [u8]) -> Option<Emitted> {
        self.sensor.poll_record(self.sensor_us, want, out)
    }

    fn note_uplink(&mut self, counts: &UplinkCounts) {
        self.sensor.note_uplink(counts);
    }
}

impl<'b> Uplink<'b> {
    /// `framed` holds at least [`UPLINK_BUFFER`] octets.
    pub(crate) fn new(framed: &'b mut [u8]) -> Self {
        Self {
            framed,
            at: 0,
            end: 0,
        }
    }

    /// True when octets wait for the line.
    pub(crate) fn waits(&self) -> bool {
        self.at < self.end
    }

    /// Gives octets to the line, taking batches as they are needed; how many.
    pub(crate) fn turn<U: Uart>(
        &mut self,
        boot_us: &impl Fn() -> u64,
        clock: Clock,
        uart: &mut U,
        sender: &mut Sender<'_>,
        sensor: &mut Sensor<'_>,
        scratch: &mut [u8],
    ) -> usize {
        let mut given = 0_usize;
        while given < OCTETS_A_TURN {
            if !self.waits() {
                let now_us = boot_us();
                let source = Clocked {
                    sensor,
                    sensor_us: clock.now(now_us),
                };
                if !self.next_batch(now_us, source, sender, scratch) {
                    break;
                }
            }
            let most = OCTETS_A_TURN.saturating_sub(given);
            let upto = self.end.min(self.at.saturating_add(most));
            let octets = self.framed.get(self.at..upto).unwrap_or_default();
            let taken = uart.write(octets).min(octets.len());
            self.at = self.at.saturating_add(taken);
            given = given.saturating_add(taken);
            if taken < octets.len() {
                break;
            }
        }
        given
    }

    fn next_batch(
        &mut self,
        link_us: u64,
        mut source: Clocked<'_, '_>,
        sender: &mut Sender<'_>,
        scratch: &mut [u8],
    ) -> bool {
        let Some(len) = sender.poll_transmit(link_us, &mut source, scratch) else {
            return false;
        };
        // Batches are never longer than MAX_BATCH, so a frame always fits; if
        // one did not, its final records would be sent again and not be lost.
        let batch = scratch.get(..len.min(MAX_BATCH)).unwrap_or_default();
        self.at = 0;
        self.end = frame(batch, self.framed).unwrap_or(0);
        self.waits()
    }
}
