//! What a node does for the network besides its serial line: nothing, or all
//! that a speaking port needs.

use core::future::Future;
use core::net::Ipv4Addr;
use core::sync::atomic::Ordering;

use magpie_link::Sender;
use magpie_protocol::{Command, NetState, VERSION_MAJOR, VERSION_MINOR};
use magpie_sensor::{Sensor, Way};

use super::host::{Ends, Host};
use super::{COMMANDS_HEARD, FrameSender, Given, Placed, Settings, Stack, may_concern, may_leave};
use crate::control::{MAX_COMMAND_BATCH, obey};
use crate::{Clock, FrameReceiver};

/// Datagrams taken in one turn.
const DATAGRAMS_A_TURN: usize = 8;
/// Frames of the stack sent in one turn.
const FRAMES_A_TURN: usize = 8;
/// While there is no address, the stack is asked for one this often.
const LOOK_US: u64 = 200_000;
/// A lease takes no longer, or there is none.
const LEASE_US: u64 = 10_000_000;

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is under way.
    Yes,
    /// There is no room: keep it.
    Later,
    /// There is nobody to send it to any more.
    NoHost,
}

/// The network's side of a node.
pub(crate) trait Side<R: FrameReceiver> {
    /// Called before all else.
    fn start(&mut self, sensor: &mut Sensor<'_>);

    /// A frame of the port, counted already.
    fn see(&mut self, frame: &[u8]);

    /// Takes commands; datagrams taken.
    fn listen(
        &mut self,
        boot_us: &impl Fn() -> u64,
        clock: Clock,
        sender: &mut Sender<'_>,
        sensor: &mut Sensor<'_>,
        scratch: &mut [u8],
    ) -> usize;

    /// Whether batches go this way now, and not by the line.
    fn is_chosen(&mut self, boot_us: u64, ends: Ends) -> bool;

    /// What the port is to the network, as of the last [`Self::listen`].
    fn net(&self, boot_us: u64) -> NetState;

    /// There is a cable, or there is none.
    fn set_link(&mut self, up: bool);

    /// Sends a batch.
    fn send(&mut self, batch: &[u8]) -> Sent;

    /// Sends what the stack has to send; frames.
    fn speak(&mut self, port: &mut R, sensor: &mut Sensor<'_>) -> usize;

    /// When the next turn is due for this side's sake.
    fn poll_at(&self, boot_us: u64) -> Option<u64>;

    /// Waits for the stack.
    fn changed(&mut self) -> impl Future<Output = ()>;
}

/// No network: the port only receives.
pub(crate) struct Silent;

impl<R: FrameReceiver> Side<R> for Silent {
    fn start(&mut self, _: &mut Sensor<'_>) {}

    fn see(&mut self, _: &[u8]) {}

    fn listen(
        &mut self,
        _: &impl Fn() -> u64,
        _: Clock,
        _: &mut Sender<'_>,
        _: &mut Sensor<'_>,
        _: &mut [u8],
    ) -> usize {
        0
    }

    fn is_chosen(&mut self, _: u64, _: Ends) -> bool {
        false
    }

    fn net(&self, _: u64) -> NetState {
        NetState::Silent
    }

    fn set_link(&mut self, _: bool) {}

    fn send(&mut self, _: &[u8]) -> Sent {
        Sent::NoHost
    }

    fn speak(&mut self, _: &mut R, _: &mut Sensor<'_>) -> usize {
        0
    }

    fn poll_at(&self, _: u64) -> Option<u64> {
        None
    }

    fn changed(&mut self) -> impl Future<Output = ()> {
        core::future::pending()
    }
}

/// A port that speaks, through this stack.
pub struct Speaking<S> {
    stack: S,
    address: [u8; 6],
    host: Host,
    /// The stack's address, if it has one.
    own: Option<Ipv4Addr>,
    /// Since when it has none, in microseconds since boot.
    without_us: u64,
    /// There is a cable, as far as anybody knows.
    link: bool,
    /// Frames the stack had no room for.
    unheard: u64,
    /// Frames the stack wanted to send and must not.
    refused: u64,
}

impl<S: Stack> Speaking<S> {
    /// `address` is the port's.
    pub fn new(stack: S, address: [u8; 6], settings: &Settings) -> Self {
        Self {
            stack,
            address,
            host: Host::new(settings.host),
            own: None,
            without_us: 0,
            link: true,
            unheard: 0,
            refused: 0,
        }
    }

    /// Frames for the stack that it had no room for since boot. They were
    /// counted all the same.
    pub fn unheard(&self) -> u64 {
        self.unheard
    }

    /// Frames the stack wanted to send since boot that [`may_leave`] refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    #[cfg(test)]
    pub(super) fn stack_mut(&mut self) -> &mut S {
        &mut self.stack
    }

    /// Datagrams can go out.
    fn is_open(&self) -> bool {
        self.own.is_some() && self.link
    }

    /// Notes whether there is an address.
    fn look(&mut self, boot_us: u64) {
        let before = self.own;
        self.own = self.stack.address();
        if before.is_some() && self.own.is_none() {
            self.without_us = boot_us;
        }
    }

    /// Lets a host that gets no records know that the sensor is here.
    fn announce(&mut self, sender: &Sender<'_>, scratch: &mut [u8]) {
        let batch = sender
            .announce(scratch)
            .and_then(|octets| scratch.get(..octets));
        if let (Some(batch), Some(to)) = (batch, self.host.address()) {
            // Without room it is lost like any datagram; another one follows.
            self.stack.send(batch, to);
        }
    }

    fn is_for_us(&self, frame: &[u8]) -> bool {
        // No multicast: the stack has joined no group.
        match frame.first_chunk::<6>() {
            Some(to) if *to == self.address => true,
            Some([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) => may_concern(frame),
            _ => false,
        }
    }
}

impl<R: FrameSender, S: Stack> Side<R> for Speaking<S> {
    fn start(&mut self, sensor: &mut Sensor<'_>) {
        sensor.set_own(self.address);
    }

    fn see(&mut self, frame: &[u8]) {
        if self.is_for_us(frame) && !self.stack.hear(frame) {
            self.unheard = self.unheard.saturating_add(1);
        }
    }

    fn listen(
        &mut self,
        boot_us: &impl Fn() -> u64,
        clock: Clock,
        sender: &mut Sender<'_>,
        sensor: &mut Sensor<'_>,
        scratch: &mut [u8],
    ) -> usize {
        self.look(boot_us());
        let mut taken = 0_usize;
        while taken < DATAGRAMS_A_TURN {
            let Some((octets, from)) = self.stack.receive(scratch) else {
                break;
            };
            taken = taken.saturating_add(1);
            let now_us = boot_us();
            if !self.host.may_command(from, now_us) {
                continue;
            }
            let batch = octets
                .filter(|octets| *octets <= MAX_COMMAND_BATCH)
                .and_then(|octets| scratch.get(..octets));
            match batch {
                None => sender.count_bad_frame(),
                Some(batch) => {
                    if obey(Way::Network, batch, now_us, clock, sender, sensor) {
                        self.host.heard(from, now_us);
                        COMMANDS_HEARD.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
        let now_us = boot_us();
        if self.is_open() && self.host.take_greeting(now_us) {
            if self.host.is_given_up() {
                self.announce(sender, scratch);
            } else {
                let hello = Command::Hello {
                    major: VERSION_MAJOR,
                    minor: VERSION_MINOR,
                };
                sensor.handle_command(clock.now(now_us), &hello);
            }
        }
        taken
    }

    fn is_chosen(&mut self, boot_us: u64, ends: Ends) -> bool {
        // A host that cannot be reached is not to blame for its silence.
        self.is_open() && self.host.gets_records(boot_us, ends)
    }

    fn net(&self, boot_us: u64) -> NetState {
        match self.own {
            Some(own) => NetState::Up(own.octets()),
            None if boot_us.saturating_sub(self.without_us) >= LEASE_US => NetState::NoLease,
            None => NetState::Asking,
        }
    }

    fn set_link(&mut self, up: bool) {
        self.link = up;
        self.stack.set_link(up);
    }

    fn send(&mut self, batch: &[u8]) -> Sent {
        match self.host.address().filter(|_| self.is_open()) {
            None => Sent::NoHost,
            Some(to) => match self.stack.send(batch, to) {
                Given::Taken => Sent::Yes,
                Given::Full => Sent::Later,
            },
        }
    }

    fn speak(&mut self, port: &mut R, sensor: &mut Sensor<'_>) -> usize {
        // Noted as sent when they were taken: a tap may show a frame before the
        // port knows that it has left.
        sensor.note_own_failed(port.take_failed());
        let mut sent = 0_usize;
        while sent < FRAMES_A_TURN {
            let Some(frame) = self.stack.frame() else {
                break;
            };
            if may_leave(frame) {
                match port.poll_transmit(frame) {
                    Placed::Taken => sensor.note_own_tx(),
                    Placed::Full => break,
                    Placed::Never => {}
                }
            } else {
                self.refused = self.refused.saturating_add(1);
            }
            self.stack.frame_done();
            sent = sent.saturating_add(1);
        }
        sent
    }

    fn poll_at(&self, boot_us: u64) -> Option<u64> {
        if self.is_open() {
            self.host.poll_at()
        } else {
            Some(boot_us.saturating_add(LOOK_US))
        }
    }

    fn changed(&mut self) -> impl Future<Output = ()> {
        self.stack.changed()
    }
}
