//! From the sensor to the host: records, batches, frames, octets.

use magpie_link::{MAX_BATCH, MAX_FRAME, Sender, frame};
use magpie_protocol::{Emitted, RecordSource, Tally, UplinkCounts, Want};
use magpie_sensor::{Sensor, Way};

use crate::speak::{Ends, Sent, Side};
use crate::{Clock, FrameReceiver, Uart};

/// Octets given to the line in one turn.
const OCTETS_A_TURN: usize = 256;
/// Batches given to the network in one turn.
const BATCHES_A_TURN: usize = 4;

/// A batch that is on its way by the way that is left has so long to move on.
const STUCK_US: u64 = 100_000;

/// A host that is left, and answers, has so long since its last acknowledgement to
/// acknowledge the rest: else both would have what is then sent again.
const HANDOVER_US: u64 = 500_000;

/// Octets of the buffer that holds one framed batch.
pub const UPLINK_BUFFER: usize = MAX_FRAME;

/// The uplink side: one batch on its way, framed into the line or as it is
/// into the network.
pub(crate) struct Uplink<'b> {
    framed: &'b mut [u8],
    /// The batch is `framed[at..end]`.
    at: usize,
    end: usize,
    /// It is for the network.
    datagram: bool,
    /// The network is the way of the batches to come.
    network: bool,
    /// When a batch by the way that was left last moved on.
    moved_us: u64,
    /// The way is about to change, at the latest then.
    handed_over_at: Option<u64>,
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

    fn note_uplink(&mut self, counts: &UplinkCounts, host_minor: u8) {
        self.sensor.note_uplink(counts, host_minor);
    }

    fn note_dropped(&mut self, item: &[u8], tally: &Tally, sent: bool) {
        self.sensor.note_dropped(item, tally, sent);
    }
}

impl<'b> Uplink<'b> {
    /// `framed` holds at least [`UPLINK_BUFFER`] octets.
    pub(crate) fn new(framed: &'b mut [u8]) -> Self {
        Self {
            framed,
            at: 0,
            end: 0,
            datagram: false,
            network: false,
            moved_us: 0,
            handed_over_at: None,
        }
    }

    /// True when octets wait for the line, or the network.
    pub(crate) fn waits(&self) -> bool {
        self.at < self.end
    }

    /// True while nothing new is sent: until a host that is left has
    /// acknowledged what it got.
    pub(crate) fn hands_over(&self) -> bool {
        self.handed_over_at.is_some()
    }

    /// When [`Self::turn`] has something to do though neither line nor network
    /// say so.
    pub(crate) fn poll_at(&self) -> Option<u64> {
        [self.gives_up_at(), self.handed_over_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// When a batch that does not move on by the way that was left is given up.
    fn gives_up_at(&self) -> Option<u64> {
        let left = self.waits() && self.datagram != self.network;
        left.then(|| self.moved_us.saturating_add(STUCK_US))
    }

    /// Chooses the way: the network while that is up and its host takes what it
    /// is given, else the line.
    fn choose<R: FrameReceiver, S: Side<R>>(
        &mut self,
        boot_us: u64,
        line_heard_us: Option<u64>,
        side: &mut S,
        sender: &mut Sender<'_>,
    ) {
        let unanswered_us = sender.unanswered_us(boot_us);
        let ends = Ends {
            line_heard_us,
            unanswered_us,
        };
        let network = side.is_chosen(boot_us, ends);
        if network == self.network {
            self.handed_over_at = None;
        } else {
            let left_us = HANDOVER_US.saturating_sub(unanswered_us);
            if left_us > 0 && sender.is_unanswered() {
                // Once set it stays: however it answers, it is no longer waited for.
                let at = boot_us.saturating_add(left_us);
                if boot_us < *self.handed_over_at.get_or_insert(at) {
                    return;
                }
            }
            self.handed_over_at = None;
            self.network = network;
            self.moved_us = boot_us;
            sender.redirect(boot_us);
            #[cfg(feature = "defmt")]
            defmt::info!(
                "records go by {=str}",
                if network { "UDP" } else { "the serial line" }
            );
        }
        // What was sent of it is cut, and what matters is sent again.
        if self.gives_up_at().is_some_and(|at| boot_us >= at) {
            self.at = self.end;
        }
    }

    /// Sends on what is under way, and takes batches as they are needed. How
    /// many octets went.
    #[allow(clippy::too_many_arguments)] // the parts of one node
    pub(crate) fn turn<U: Uart, R: FrameReceiver, S: Side<R>>(
        &mut self,
        boot_us: &impl Fn() -> u64,
        clock: Clock,
        uart: &mut U,
        line_heard_us: Option<u64>,
        side: &mut S,
        sender: &mut Sender<'_>,
        sensor: &mut Sensor<'_>,
        scratch: &mut [u8],
    ) -> usize {
        self.choose(boot_us(), line_heard_us, side, sender);
        let mut given = 0_usize;
        let mut batches = 0_usize;
        loop {
            if !self.waits() {
                if self.hands_over() {
                    return given;
                }
                let now_us = boot_us();
                self.datagram = self.network;
                sensor.set_way(if self.network {
                    Way::Network
                } else {
                    Way::Line
                });
                let source = Clocked {
                    sensor,
                    sensor_us: clock.now(now_us),
                };
                if !self.next_batch(now_us, source, sender, scratch) {
                    return given;
                }
            }
            let before = self.at;
            let all = if self.datagram {
                batches = batches.saturating_add(1);
                self.give_datagram(side, &mut given) && batches < BATCHES_A_TURN
            } else {
                self.give_octets(uart, &mut given) && given < OCTETS_A_TURN
            };
            if self.at != before && self.datagram != self.network {
                self.moved_us = boot_us();
            }
            if !all {
                return given;
            }
        }
    }

    /// False when the line is full.
    fn give_octets<U: Uart>(&mut self, uart: &mut U, given: &mut usize) -> bool {
        let most = OCTETS_A_TURN.saturating_sub(*given);
        let upto = self.end.min(self.at.saturating_add(most));
        let octets = self.framed.get(self.at..upto).unwrap_or_default();
        let taken = uart.write(octets).min(octets.len());
        self.at = self.at.saturating_add(taken);
        *given = given.saturating_add(taken);
        taken == octets.len()
    }

    /// False when the network is full.
    fn give_datagram<R: FrameReceiver, S: Side<R>>(
        &mut self,
        side: &mut S,
        given: &mut usize,
    ) -> bool {
        let batch = self.framed.get(self.at..self.end).unwrap_or_default();
        match side.send(batch) {
            Sent::Later => return false,
            Sent::Yes => *given = given.saturating_add(batch.len()),
            // Lost like any datagram: what matters is sent again.
            Sent::NoHost => {}
        }
        self.at = self.end;
        true
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
        self.end = if self.datagram {
            let place = self.framed.get_mut(..batch.len());
            place.map_or(0, |place| {
                place.copy_from_slice(batch);
                batch.len()
            })
        } else {
            frame(batch, self.framed).unwrap_or(0)
        };
        self.waits()
    }
}
