//! The node: one turn after the other.

use core::sync::atomic::AtomicU32;

use magpie_link::{MIN_STORAGE, Sender};
use magpie_protocol::{Known, Losses};
use magpie_sensor::Sensor;

use crate::capture::{Capture, has_room};
use crate::control::Control;
use crate::speak::{Side, Silent};
use crate::status::Status;
use crate::uplink::Uplink;
use crate::{Clock, FrameReceiver, Health, Pace, Uart};

/// Memory a node works in, besides the sensor's and the sender's.
pub struct Buffers<'b> {
    /// One frame with its stamp, and batches while they are put together: at
    /// least [`crate::MIN_SCRATCH`] octets and the longest frame.
    pub scratch: &'b mut [u8],
    /// One framed batch: [`crate::UPLINK_BUFFER`] octets.
    pub framed: &'b mut [u8],
}

/// What to do after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There is more to do: take another one.
    Again,
    /// Sleep until an interrupt, or until this time since boot.
    Sleep {
        /// Microseconds since boot; `None`: only an interrupt matters.
        until_us: Option<u64>,
    },
}

/// A sensor on a board.
pub struct Node<'b> {
    sensor: Sensor<'b>,
    sender: Sender<'b>,
    scratch: &'b mut [u8],
    capture: Capture,
    control: Control,
    uplink: Uplink<'b>,
    status: Status,
    health: Health,
}

impl<'b> Node<'b> {
    /// What a port can tell that has no counters, no descriptors and no queue
    /// behind it: errors come with their frames, the rest stays unknown.
    pub const NO_COUNTERS: Losses = Losses {
        fcs: Known::Exact(0),
        oversize: Known::Unknown,
        mac_fifo: Known::Unknown,
        no_descriptor: Known::Exact(0),
        ring: Known::Exact(0),
    };

    /// Puts a node together. `losses` says which losses the port counts at all
    /// (`Known::Exact(0)`) and which it cannot tell; `received` is bumped for
    /// every frame read out of it, good or bad.
    pub fn new(
        mut sensor: Sensor<'b>,
        sender: Sender<'b>,
        clock: Clock,
        pace: Pace,
        losses: Losses,
        received: &'static AtomicU32,
        buffers: Buffers<'b>,
    ) -> Self {
        sensor.set_losses(losses);
        let Buffers { scratch, framed } = buffers;
        Self {
            sensor,
            sender,
            scratch,
            capture: Capture::new(clock, pace, losses, received),
            control: Control::new(),
            uplink: Uplink::new(framed),
            status: Status::new(),
            health: Health::default(),
        }
    }

    /// From now on the host is told how busy the processor is. `slept` says how
    /// long it has slept since boot, in microseconds modulo 2^32.
    pub fn measure_load(&mut self, slept: fn() -> u32) {
        self.status.measure_load(slept);
    }

    /// Does what there is to do, within bounds. `boot_us` reads the time since
    /// boot; it is asked once a frame and once a batch.
    pub fn turn<R: FrameReceiver, U: Uart>(
        &mut self,
        boot_us: impl Fn() -> u64,
        receiver: &mut R,
        uart: &mut U,
    ) -> Turn {
        self.turn_with(boot_us, receiver, uart, &mut Silent)
    }

    /// Before the first turn with a network.
    pub(crate) fn start_with<R: FrameReceiver, S: Side<R>>(&mut self, side: &mut S) {
        side.start(&mut self.sensor);
    }

    /// [`Self::turn`] with a network.
    pub(crate) fn turn_with<R: FrameReceiver, U: Uart, S: Side<R>>(
        &mut self,
        boot_us: impl Fn() -> u64,
        receiver: &mut R,
        uart: &mut U,
        side: &mut S,
    ) -> Turn {
        let heard = self.control.turn(
            &boot_us,
            self.capture.clock(),
            uart,
            &mut self.sender,
            &mut self.sensor,
        );
        if self.sensor.runs_filters() {
            self.sensor.end_unheard_filters(boot_us());
        }
        let asked = side.listen(
            &boot_us,
            self.capture.clock(),
            &mut self.sender,
            &mut self.sensor,
            self.scratch,
        );
        let captured = self
            .capture
            .turn(&boot_us, receiver, &mut self.sensor, side, self.scratch);
        let clock = self.capture.clock();
        self.status
            .turn(boot_us(), receiver, side, &mut self.sensor);
        let sent = self.uplink.turn(
            &boot_us,
            clock,
            uart,
            self.control.heard_us(),
            side,
            &mut self.sender,
            &mut self.sensor,
            self.scratch,
        );
        let spoken = side.speak(receiver, &mut self.sensor);
        let boot_us = boot_us();
        let sensor_us = clock.now(boot_us);
        self.note(boot_us, captured.frames, captured.held, sent);
        // Records taken by the link may have made room for frames that wait.
        let room = captured.held && has_room(&self.sensor);
        let did = [heard, asked, captured.frames, sent, spoken];
        if did.iter().any(|n| *n > 0) || room {
            return Turn::Again;
        }
        match self.rest(boot_us, sensor_us) {
            Turn::Again => Turn::Again,
            Turn::Sleep { until_us } => {
                // Whatever else there is to wait for, the cable is looked at.
                let at = [until_us, side.poll_at(boot_us), self.status.poll_at()];
                Turn::Sleep {
                    until_us: at.into_iter().flatten().min(),
                }
            }
        }
    }

    /// The sensor, for whoever looks at it in place.
    pub fn sensor(&self) -> &Sensor<'b> {
        &self.sensor
    }

    /// What the node knows of itself.
    pub fn health(&self) -> &Health {
        &self.health
    }

    fn note(&mut self, boot_us: u64, frames: usize, held: bool, sent: usize) {
        let add = |counter: &mut u64, n: usize| {
            *counter = counter.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
        };
        add(&mut self.health.frames, frames);
        add(&mut self.health.held_turns, usize::from(held));
        add(&mut self.health.sent_octets, sent);
        self.health.line = self.control.counts();
        #[cfg(feature = "defmt")]
        self.health.report(boot_us);
        let _ = boot_us;
    }

    /// When the next turn is due, nothing having happened in this one.
    fn rest(&self, boot_us: u64, sensor_us: u64) -> Turn {
        if self.uplink.waits() || self.uplink.hands_over() {
            // The line interrupts, or the stack wakes us.
            let until_us = self.uplink.poll_at();
            return Turn::Sleep { until_us };
        }
        // The sensor looks at a bounded number of entries a call: what is due
        // and was not finished goes on at once, if the link can take it.
        let due = self.sensor.poll_at();
        if due.is_some_and(|at| at <= sensor_us) && self.sender.room() >= MIN_STORAGE {
            return Turn::Again;
        }
        let due = due.and_then(|at| self.capture.clock().boot_us_at(at));
        let until_us = [due, self.sender.poll_at()]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.max(boot_us.saturating_add(LEAST_SLEEP_US)));
        Turn::Sleep { until_us }
    }
}

/// What was due and could not be done is tried again after so long.
const LEAST_SLEEP_US: u64 = 1_000;
