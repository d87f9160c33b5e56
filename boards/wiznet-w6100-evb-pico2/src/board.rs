//! The machine: clocks, pins, interrupts, tasks.

use core::sync::atomic::AtomicU32;

use embassy_executor::{SpawnError, SpawnToken, Spawner};
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::spi::Spi;
use embassy_rp::trng::Trng;
use embassy_rp::watchdog::Watchdog;
use embassy_rp::{Peripherals, bind_interrupts, dma, peripherals, trng, usb as rp_usb};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::zerocopy_channel::Channel;
use embassy_time::{Delay, Duration, Ticker, with_timeout};
use magpie_link::{Overflow, Sender};
use magpie_node::{Clock, Node, Pace};
use magpie_protocol::{Known, Losses};
use magpie_sensor::{Config, Identity, Sensor};
use magpie_w6100::{MAX_FRAME, W6100};
use static_cell::StaticCell;

use crate::chip::{self, Batch, Select};
use crate::kept::{self, Boot};
use crate::port::{COUNTED, Port, WATCHDOG};
use crate::usb::{self, Line};
use crate::{lamp, storage};

bind_interrupts!(struct Irqs {
    USBCTRL_IRQ => rp_usb::InterruptHandler<peripherals::USB>;
    TRNG_IRQ => trng::InterruptHandler<peripherals::TRNG>;
    DMA_IRQ_0 => dma::InterruptHandler<peripherals::DMA_CH0>, dma::InterruptHandler<peripherals::DMA_CH1>;
});

/// The node takes a turn at least so often.
const LOOK: Duration = Duration::from_millis(50);
/// The generator needs some milliseconds for 256 bits; one that repeats itself is
/// restarted for ever.
const SEED_LIMIT: Duration = Duration::from_millis(500);

#[cortex_m_rt::entry]
fn main() -> ! {
    let boot = kept::take();
    // 150 MHz from the crystal's 12 MHz, for the SPI as well; 48 MHz for USB.
    let chip = embassy_rp::init(embassy_rp::config::Config::default());
    magpie_cortex_m::thread::run(|spawner| {
        begin(spawner, start(spawner, chip, boot));
    })
}

/// Starts a task; each is started once.
pub(crate) fn begin<S>(spawner: Spawner, task: Result<SpawnToken<S>, SpawnError>) {
    match task {
        Ok(task) => spawner.spawn(task),
        Err(error) => panic!("a task does not start: {error:?}"),
    }
}

static BATCHES: StaticCell<Channel<'static, CriticalSectionRawMutex, Batch>> = StaticCell::new();

#[embassy_executor::task]
async fn start(spawner: Spawner, chip: Peripherals, mut boot: Boot) {
    // First of all: in reset, the W6100 sends nothing.
    let reset = Output::new(chip.PIN_20, Level::Low);
    let mut watchdog = Watchdog::new(chip.WATCHDOG);
    watchdog.pause_on_debug(true);
    watchdog.start(WATCHDOG);

    let mut seed = [0; 32];
    let mut random = Trng::new(chip.TRNG, Irqs, trng::Config::default());
    // A generator that fails leaves the seed zero, and Hello says so.
    let filled = with_timeout(SEED_LIMIT, random.fill_bytes(&mut seed)).await;
    if filled.is_err() {
        seed = [0; 32];
    }

    begin(spawner, lamp::show(Output::new(chip.PIN_25, Level::Low)));
    usb::start(spawner, rp_usb::Driver::new(chip.USB, Irqs));
    begin(spawner, look());

    let bus = Spi::new(
        chip.SPI0,
        chip.PIN_18,
        chip.PIN_19,
        chip.PIN_16,
        chip.DMA_CH0,
        chip.DMA_CH1,
        Irqs,
        chip::config(),
    );
    let select = Select::new(bus, Output::new(chip.PIN_17, Level::High));
    let interrupt = Input::new(chip.PIN_21, Pull::Up);
    let mut w6100 = W6100::new(select, reset, Delay);
    let mut counted = COUNTED;
    if let Err(fault) = w6100.start().await {
        boot.note(format_args!("W6100 does not start: {fault:?}"));
        counted.mac_fifo = Known::Unknown;
    }
    let batches = BATCHES.init_with(|| Channel::new(storage::batches()));
    let (filling, emptying) = batches.split();
    begin(spawner, chip::empty(w6100, interrupt, filling));

    let mut port = Port::new(emptying, watchdog);
    let node = node(&seed, &boot, counted);
    node.measure_load(magpie_cortex_m::thread::slept_us);
    magpie_node::run(node, &mut port, &mut Line).await;
}

/// Wakes the node now and then, also when nothing happens.
#[embassy_executor::task]
async fn look() {
    let mut ticker = Ticker::every(LOOK);
    loop {
        ticker.next().await;
        magpie_node::wake();
    }
}

static NODE: StaticCell<Node<'static>> = StaticCell::new();
/// Nobody outside looks at it: a switch does not wait.
static TAKEN_OUT: AtomicU32 = AtomicU32::new(0);

/// Puts the node together; a function of its own, so that what it moves about
/// leaves the stack before the work begins.
#[inline(never)]
fn node(seed: &[u8; 32], boot: &Boot, losses: Losses) -> &'static mut Node<'static> {
    let clock = Clock::SinceBoot;
    let identity = Identity {
        name: "wiznet-w6100-evb-pico2",
        board: "wiznet-w6100-evb-pico2",
        firmware: magpie_node::FIRMWARE,
        git: magpie_node::GIT,
        clock: clock.kind(),
        max_frame: u32::try_from(MAX_FRAME).unwrap_or(u32::MAX),
        resend_octets: u32::try_from(storage::RESEND).unwrap_or(u32::MAX),
    };
    let mut sensor = Sensor::new(Config::default(), identity, seed, storage::sensor());
    sensor.set_boot(boot.report());
    let sender = Sender::new(sensor.boot_id(), storage::resend(), Overflow::DropOldest);
    NODE.init(Node::new(
        sensor,
        sender,
        clock,
        Pace::Never,
        losses,
        &TAKEN_OUT,
        storage::buffers(),
    ))
}
