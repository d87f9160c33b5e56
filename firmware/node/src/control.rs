//! From the host to the sensor: octets, frames, batches, commands.

use magpie_link::{Deframer, FrameCounts, Sender};
use magpie_protocol::Command;
use magpie_sensor::{Sensor, Way};

use crate::{Clock, Uart};

/// Octets taken from the line in one turn.
const OCTETS_A_TURN: usize = 256;
/// Octets taken at a time.
const CHUNK: usize = 32;

/// Longest batch of commands understood; a longer one is refused and counted.
pub const MAX_COMMAND_BATCH: usize = 252;
const CRC_OCTETS: usize = 4;

/// The control side.
pub(crate) struct Control {
    deframer: Deframer<{ MAX_COMMAND_BATCH + CRC_OCTETS }>,
    heard_us: Option<u64>,
}

impl Control {
    pub(crate) const fn new() -> Self {
        Self {
            deframer: Deframer::new(),
            heard_us: None,
        }
    }

    /// When a host was heard on the line, in microseconds since boot.
    pub(crate) fn heard_us(&self) -> Option<u64> {
        self.heard_us
    }

    /// What the line brought so far.
    pub(crate) fn counts(&self) -> FrameCounts {
        self.deframer.counts()
    }

    /// Takes what has arrived, within the turn's bounds; octets taken.
    pub(crate) fn turn<U: Uart>(
        &mut self,
        boot_us: &impl Fn() -> u64,
        clock: Clock,
        uart: &mut U,
        sender: &mut Sender<'_>,
        sensor: &mut Sensor<'_>,
    ) -> usize {
        let mut taken = 0_usize;
        while taken < OCTETS_A_TURN {
            let mut chunk = [0; CHUNK];
            let octets = uart.read(&mut chunk);
            for octet in chunk.iter().take(octets) {
                match self.deframer.push(*octet) {
                    None => {}
                    Some(Err(_)) => sender.count_bad_frame(),
                    Some(Ok(batch)) => {
                        // Read after the batch came: a time answer must not
                        // say that it was there before it was sent.
                        let now_us = boot_us();
                        if obey(Way::Line, batch, now_us, clock, sender, sensor) {
                            self.heard_us = Some(now_us);
                        }
                    }
                }
            }
            taken = taken.saturating_add(octets);
            if octets < CHUNK {
                break;
            }
        }
        taken
    }
}

/// Does what a batch of the host asks. False for one that is refused, which
/// the sender counts. What it asks about filters is refused by the network,
/// and answered so.
pub(crate) fn obey(
    way: Way,
    batch: &[u8],
    now_us: u64,
    clock: Clock,
    sender: &mut Sender<'_>,
    sensor: &mut Sensor<'_>,
) -> bool {
    let Ok(commands) = sender.handle_batch(now_us, batch) else {
        return false;
    };
    let sensor_us = clock.now(now_us);
    commands.for_each(|c: Command| match way {
        Way::Line => sensor.handle_command(sensor_us, &c),
        Way::Network => sensor.handle_unauthenticated(sensor_us, &c),
    });
    true
}
