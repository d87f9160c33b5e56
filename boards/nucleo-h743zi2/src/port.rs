//! The network port: the Ethernet controller as the node sees it.

use core::sync::atomic::Ordering;

use embassy_stm32::interrupt;
use embassy_stm32::interrupt::InterruptExt;
use embassy_stm32::peripherals::IWDG1;
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_time::{Duration, Instant};
#[cfg(magpie_speak)]
use magpie_node::speak::Placed;
use magpie_node::{FrameReceiver, Lost};
use magpie_protocol::{Known, LinkState, Losses};
#[cfg(magpie_speak)]
use magpie_stm32h7_eth::Refused;
use magpie_stm32h7_eth::{
    Count, EthRegisters, Ethernet, Link, Loss, MAX_FRAME, Missed, Setup, StartError,
};

use crate::clocks::HCLK_HZ;
use crate::lamps::{LINK, LOST, RECEIVED};
use crate::memory::Rings;

/// The counters of missed frames are full after 13.8 ms of minimum frames.
const READ_COUNTERS: Duration = Duration::from_millis(4);
const LOOK_AT_LINK: Duration = Duration::from_millis(500);
/// Frames that the counters of the port book, and not the node: as many are
/// passed over in one call.
const PASSED_OVER: usize = 32;

/// A controller that does not start is tried again, by a reset, after so long:
/// time to tell the host.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// What the port can tell from the beginning on: everything.
const COUNTED: Losses = Losses {
    fcs: Known::Exact(0),
    oversize: Known::Exact(0),
    mac_fifo: Known::Exact(0),
    no_descriptor: Known::Exact(0),
    ring: Known::Exact(0),
};

pub(crate) struct Port {
    controller: Result<Ethernet<EthRegisters>, StartError>,
    started: Instant,
    watchdog: IndependentWatchdog<'static, IWDG1>,
    /// What the node was told.
    told: Missed,
    counters_read: Instant,
    link_seen: Instant,
    link: LinkState,
    /// Frames that the MAC gave up, as of the last time it was asked.
    #[cfg(magpie_speak)]
    failed: u64,
    /// How long ago the last frame came, when it was taken.
    age_us: u32,
}

impl Port {
    /// Starts the controller. Frames sent before are lost. One that does not
    /// start gives a port without frames.
    pub(crate) fn start(rings: Rings, watchdog: IndependentWatchdog<'static, IWDG1>) -> Self {
        // SAFETY: this is an STM32H743, `board::ethernet_clocks` has turned the
        // controller's clocks on, and nothing else here knows its address
        // (embassy's driver is not used).
        #[allow(unsafe_code)]
        let registers = unsafe { EthRegisters::take() };
        let setup = Setup {
            hclk_hz: HCLK_HZ,
            phy: 0, // UM2407, "Ethernet": LAN8742A, PHYAD0 low
            stamps: true,
        };
        let now = Instant::now();
        Self {
            controller: start(registers, rings, setup),
            started: now,
            watchdog,
            told: Missed::default(),
            counters_read: now,
            link_seen: now,
            link: LinkState::Unknown,
            #[cfg(magpie_speak)]
            failed: 0,
            age_us: 0,
        }
    }

    /// Why it has not started.
    pub(crate) fn error(&self) -> Option<StartError> {
        self.controller.as_ref().err().copied()
    }

    /// Which losses it can tell.
    pub(crate) fn counted(&self) -> Losses {
        match self.controller {
            Ok(_) => COUNTED,
            Err(_) => Losses::default(), // unknown, all of them
        }
    }

    fn look_at_link(&mut self, now: Instant) {
        match &mut self.controller {
            Ok(controller) => {
                self.link = match controller.follow_link() {
                    Ok(Link::Down) => LinkState::Down,
                    Ok(Link::Up {
                        hundred,
                        full_duplex,
                    }) => LinkState::Up {
                        mbit: if hundred { 100 } else { 10 },
                        full_duplex,
                    },
                    Err(_) => LinkState::Unknown,
                };
                let up = matches!(self.link, LinkState::Up { .. });
                LINK.store(up, Ordering::Relaxed);
            }
            Err(error) => {
                LOST.fetch_add(1, Ordering::Relaxed); // the lamp
                let waited = now.saturating_duration_since(self.started);
                assert!(waited < TRY_AGAIN, "Ethernet does not start: {error:?}");
            }
        }
    }

    fn read_counters(&mut self, losses: &mut Losses) {
        let Ok(controller) = &mut self.controller else {
            return;
        };
        let missed = match controller.service() {
            Ok(missed) => missed,
            // Its DMA has stopped for good: begin anew, and say why.
            Err(fault) => panic!("Ethernet: {fault:?}"),
        };
        let told = core::mem::replace(&mut self.told, missed);
        add(&mut losses.mac_fifo, told.fifo, missed.fifo);
        add(&mut losses.no_descriptor, told.dma, missed.dma);
        if missed.fcs_at_least {
            losses.fcs = Known::AtLeast(losses.fcs.value());
        }
    }
}

/// The port is silent: nothing in this image can turn its transmitter on.
#[cfg(not(magpie_speak))]
fn start(
    registers: EthRegisters,
    rings: Rings,
    setup: Setup,
) -> Result<Ethernet<EthRegisters>, StartError> {
    Ethernet::start(registers, rings.receive, setup)
}

/// The port speaks.
#[cfg(magpie_speak)]
fn start(
    registers: EthRegisters,
    rings: Rings,
    setup: Setup,
) -> Result<Ethernet<EthRegisters>, StartError> {
    Ethernet::start_speaking(registers, rings.receive, rings.transmit, setup)
}

#[cfg(magpie_speak)]
impl magpie_node::speak::FrameSender for Port {
    fn poll_transmit(&mut self, frame: &[u8]) -> Placed {
        let Ok(controller) = &mut self.controller else {
            return Placed::Never;
        };
        match controller.transmit(frame) {
            Ok(()) => Placed::Taken,
            Err(Refused::Full) => Placed::Full,
            Err(Refused::Silent | Refused::Length) => Placed::Never,
        }
    }

    fn take_failed(&mut self) -> u64 {
        let Ok(controller) = &mut self.controller else {
            return 0;
        };
        let failed = controller.transmitted().failed;
        failed.wrapping_sub(core::mem::replace(&mut self.failed, failed))
    }
}

/// Adds what a count has grown by.
fn add(known: &mut Known, told: Count, now: Count) {
    let more = now.frames.saturating_sub(told.frames);
    if more > 0 {
        known.add(more);
        LOST.fetch_add(1, Ordering::Relaxed);
    }
    if now.at_least {
        *known = Known::AtLeast(known.value());
    }
}

impl FrameReceiver for Port {
    fn poll_receive(&mut self, buffer: &mut [u8]) -> Option<Result<usize, Lost>> {
        let controller = self.controller.as_mut().ok()?;
        for _ in 0..PASSED_OVER {
            let outcome = controller.poll_receive(buffer)?;
            RECEIVED.fetch_add(1, Ordering::Relaxed);
            let lost = match outcome {
                Ok(frame) if frame.octets <= MAX_FRAME && frame.stored == frame.octets => {
                    let age_ns = frame.stamp.and_then(|s| controller.age_ns(s));
                    self.age_us = age_ns.unwrap_or(0) / 1_000;
                    return Some(Ok(frame.octets));
                }
                Ok(_) | Err(Loss::Oversize) => Lost::Oversize,
                Err(Loss::Fcs | Loss::Damaged) => Lost::Fcs,
                // In the counters, see `Missed`.
                Err(Loss::Overrun | Loss::Split) => continue,
            };
            LOST.fetch_add(1, Ordering::Relaxed);
            return Some(Err(lost));
        }
        None
    }

    fn age_us(&self) -> u32 {
        self.age_us
    }

    /// Called in every turn of the node: so the watchdog is fed here, and bites
    /// when the node stands still.
    fn collect_losses(&mut self, losses: &mut Losses) {
        self.watchdog.pet();
        let now = Instant::now();
        if now.saturating_duration_since(self.counters_read) >= READ_COUNTERS {
            self.counters_read = now;
            self.read_counters(losses);
        }
        if now.saturating_duration_since(self.link_seen) >= LOOK_AT_LINK {
            self.link_seen = now;
            self.look_at_link(now);
        }
    }

    fn link(&mut self) -> LinkState {
        self.link
    }

    fn arm(&mut self) {
        let Ok(controller) = &mut self.controller else {
            return;
        };
        controller.acknowledge();
        // SAFETY: the handler shares nothing with the node but the node's own
        // wake-up, so no section that masks this interrupt is broken.
        #[allow(unsafe_code)]
        unsafe {
            interrupt::ETH.enable();
        }
    }
}

/// The controller's interrupt: held down until the node has looked at every frame.
pub(crate) struct OnEthernet;

#[allow(unsafe_code)] // the form of the handler; it does nothing unsafe
impl interrupt::typelevel::Handler<interrupt::typelevel::ETH> for OnEthernet {
    unsafe fn on_interrupt() {
        interrupt::ETH.disable();
        magpie_node::wake();
    }
}
