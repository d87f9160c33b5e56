//! The W6100 on this board: its SPI, and the task that empties it.

use core::sync::atomic::Ordering;

use embassy_futures::select::select;
use embassy_futures::yield_now;
use embassy_rp::gpio::{Input, Output};
use embassy_rp::peripherals::SPI0;
use embassy_rp::spi::{self, Async, Error, Spi};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::zerocopy_channel::Sender;
use embassy_time::{Delay, Duration, Instant, Timer};
use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::spi::{ErrorType, Operation, SpiDevice};
use magpie_w6100::{BUFFER, Fault, Link, W6100};

use crate::lamp::LOST;
use crate::port::{CABLE, MISSED, Missed};

/// The W6100 with its wires.
pub(crate) type Chip = W6100<Select, Output<'static>, Delay>;

/// What was read out of the chip at once.
pub(crate) struct Batch {
    /// Frames, each behind its length.
    pub(crate) octets: [u8; BUFFER],
    /// So many of them.
    pub(crate) len: usize,
    /// When the chip was asked for them, in microseconds since boot: they came
    /// earlier.
    pub(crate) at_us: u64,
}

/// An empty one.
pub(crate) const EMPTY_BATCH: Batch = Batch {
    octets: [0; BUFFER],
    len: 0,
    at_us: 0,
};

/// A quarter of the 150 MHz of the peripheral clock: the data sheet of the chip
/// allows more, the SPI controller divides by even numbers only.
const SPI_HZ: u32 = 37_500_000;

/// So short a transfer is over before a DMA would have begun it.
const BY_HAND: usize = 16;

/// The chip is looked after so often.
const LOOK: Duration = Duration::from_millis(500);
/// At the latest it is asked again so long after it had nothing, whatever its
/// interrupt line says.
const ASK: Duration = Duration::from_millis(5);
/// A chip that failed is tried again after so long.
const REST: Duration = Duration::from_secs(1);
/// One that fails for so long: the board resets, so that Hello says why.
const GIVE_UP: Duration = Duration::from_secs(60);

/// The SPI's way of working with the chip. Mode 3, which the chip takes as well as
/// mode 0: the controller would pause between octets in mode 0.
pub(crate) fn config() -> spi::Config {
    let mut config = spi::Config::default();
    config.frequency = SPI_HZ;
    config.polarity = spi::Polarity::IdleHigh;
    config.phase = spi::Phase::CaptureOnSecondTransition;
    config
}

/// The SPI with the chip's select line.
pub(crate) struct Select {
    bus: Spi<'static, SPI0, Async>,
    line: Output<'static>,
}

impl Select {
    pub(crate) fn new(bus: Spi<'static, SPI0, Async>, line: Output<'static>) -> Self {
        Self { bus, line }
    }

    async fn operate(&mut self, operation: &mut Operation<'_, u8>) -> Result<(), Error> {
        match operation {
            Operation::Write(octets) if octets.len() <= BY_HAND => self.bus.blocking_write(octets),
            Operation::Write(octets) => self.bus.write(octets).await,
            Operation::Read(octets) if octets.len() <= BY_HAND => self.bus.blocking_read(octets),
            Operation::Read(octets) => self.bus.read(octets).await,
            Operation::Transfer(into, from) => self.bus.transfer(into, from).await,
            Operation::TransferInPlace(octets) => self.bus.transfer_in_place(octets).await,
            Operation::DelayNs(ns) => {
                Delay.delay_ns(*ns).await;
                Ok(())
            }
        }
    }
}

impl ErrorType for Select {
    type Error = Error;
}

impl SpiDevice for Select {
    async fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Error> {
        self.line.set_low();
        let mut outcome = Ok(());
        for operation in operations {
            outcome = self.operate(operation).await;
            if outcome.is_err() {
                break;
            }
        }
        self.line.set_high();
        outcome
    }
}

/// Empties the chip for ever: its task.
#[embassy_executor::task]
pub(crate) async fn empty(
    mut chip: Chip,
    mut interrupt: Input<'static>,
    mut batches: Sender<'static, CriticalSectionRawMutex, Batch>,
) {
    let mut looked = Instant::MIN;
    let mut good = Instant::now();
    let mut acknowledged = false;
    loop {
        // Where the node does not keep up, frames wait in the chip.
        let batch = batches.send().await;
        let now = Instant::now();
        batch.at_us = now.as_micros();
        match chip.receive(&mut batch.octets).await {
            Ok(0) if acknowledged => {
                select(interrupt.wait_for_low(), Timer::after(ASK)).await;
                acknowledged = false;
            }
            Ok(0) => acknowledged = chip.acknowledge().await.is_ok(),
            Ok(octets) => {
                batch.len = octets;
                batches.send_done();
                acknowledged = false;
                magpie_node::wake();
            }
            Err(fault) => rest(fault, good).await,
        }
        if chip.is_running() && now.saturating_duration_since(looked) >= LOOK {
            looked = now;
            if let Ok(link) = chip.look().await {
                CABLE.set(link);
                good = now;
            }
        }
        MISSED.tell(&chip);
        // An interrupt line that hangs low must not keep the node from working.
        yield_now().await;
    }
}

async fn rest(fault: Fault, good: Instant) {
    CABLE.set(Link::Down); // held in reset
    LOST.fetch_add(1, Ordering::Relaxed); // the lamp
    assert!(good.elapsed() < GIVE_UP, "W6100: {fault:?}");
    Timer::after(REST).await;
}

impl Missed {
    fn tell(&self, chip: &Chip) {
        let missed = chip.missed();
        if self.set(missed.certain, missed.occasions) {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
    }
}
