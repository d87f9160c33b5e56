//! The machine: clocks, pins, interrupts, tasks.

use core::sync::atomic::AtomicU32;

#[cfg(feature = "defmt")]
use defmt_rtt as _;
use embassy_executor::{SpawnError, SpawnToken, Spawner};
use embassy_stm32::gpio::{AfType, Flex, Level, Output, OutputType, Pin, Speed};
use embassy_stm32::mode::Async;
use embassy_stm32::rng::Rng;
use embassy_stm32::usart::{self, Uart};
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_stm32::{Peri, Peripherals, bind_interrupts, dma, pac, peripherals, rng};
use embassy_time::{Duration, Ticker};
use magpie_link::{Overflow, Sender};
#[cfg(magpie_speak)]
use magpie_node::speak;
use magpie_node::{Clock, Node, Pace};
use magpie_protocol::Losses;
use magpie_sensor::{Config, Identity, Sensor};
use magpie_stm32h7_eth::MAX_FRAME;
use static_cell::StaticCell;

use crate::kept::Boot;
use crate::lamps::{self, Lamps};
use crate::port::{OnEthernet, Port};
use crate::uplink::{self, Line};
use crate::{clocks, kept, memory, storage, usb};

bind_interrupts!(struct Irqs {
    ETH => OnEthernet;
    OTG_FS => embassy_stm32::usb::InterruptHandler<peripherals::USB_OTG_FS>;
    RNG => rng::InterruptHandler<peripherals::RNG>;
    USART3 => usart::InterruptHandler<peripherals::USART3>;
    DMA1_STREAM0 => dma::InterruptHandler<peripherals::DMA1_CH0>;
    DMA1_STREAM1 => dma::InterruptHandler<peripherals::DMA1_CH1>;
});

/// A turn of the node takes well under a millisecond; a board that has not taken
/// one for so long hangs.
const WATCHDOG_US: u32 = 4_000_000;
/// The node looks at its port's counters at least so often.
const LOOK: Duration = Duration::from_millis(4);

#[cortex_m_rt::entry]
fn main() -> ! {
    magpie_cortex_m::guard::below_stack();
    let Some(mut core) = cortex_m::Peripherals::take() else {
        panic!("the core's peripherals are taken");
    };
    memory::start(&mut core);
    let chip = embassy_stm32::init(clocks::config());
    let boot = kept::take();
    clocks_of_memory_and_ethernet();
    magpie_cortex_m::thread::run(|spawner| {
        begin(spawner, start(spawner, chip, boot));
    })
}

/// SRAM1-3 and the Ethernet controller, which talks RMII to its PHY (RM0433:
/// `RCC_AHB1ENR`, `RCC_AHB2ENR`; `SYSCFG_PMCR.EPIS` before the controller's
/// reset). They go on while the core sleeps: `RCC_AHB1LPENR`, `RCC_AHB2LPENR`.
fn clocks_of_memory_and_ethernet() {
    pac::RCC.ahb2enr().modify(|w| {
        w.set_sram1en(true);
        w.set_sram2en(true);
        w.set_sram3en(true);
    });
    pac::RCC.ahb2lpenr().modify(|w| {
        w.set_sram1lpen(true);
        w.set_sram2lpen(true);
        w.set_sram3lpen(true);
    });
    pac::RCC.ahb1enr().modify(|w| {
        w.set_ethen(true);
        w.set_ethtxen(true);
        w.set_ethrxen(true);
    });
    pac::RCC.ahb1lpenr().modify(|w| {
        w.set_ethlpen(true);
        w.set_ethtxlpen(true);
        w.set_ethrxlpen(true);
    });
    pac::SYSCFG
        .pmcr()
        .modify(|w| w.set_eth_sel_phy(pac::syscfg::vals::EthSelPhy::RMII));
    // The clocks are on two cycles after the write has arrived.
    pac::RCC.ahb1enr().read();
}

/// Gives a pin to the Ethernet controller (DS12110, "alternate functions": AF11)
/// for ever.
fn to_ethernet(pin: Peri<'static, impl Pin>) {
    let mut pin = Flex::new(pin);
    pin.set_as_af_unchecked(11, AfType::output(OutputType::PushPull, Speed::VeryHigh));
    core::mem::forget(pin); // dropped, it would be an input again
}

/// In a silent port a pin that would send is held low for ever and is not the
/// controller's: the PHY cannot be told to send a frame, whatever the program
/// does.
#[cfg(not(magpie_speak))]
fn to_transmitter(pin: Peri<'static, impl Pin>) {
    core::mem::forget(Output::new(pin, Level::Low, Speed::Low));
}

/// A port that speaks needs it.
#[cfg(magpie_speak)]
fn to_transmitter(pin: Peri<'static, impl Pin>) {
    to_ethernet(pin);
}

/// Starts a task; each is started once.
pub(crate) fn begin<S>(spawner: Spawner, task: Result<SpawnToken<S>, SpawnError>) {
    match task {
        Ok(task) => spawner.spawn(task),
        Err(error) => panic!("a task does not start: {error:?}"),
    }
}

#[embassy_executor::task]
async fn start(spawner: Spawner, chip: Peripherals, mut boot: Boot) {
    to_transmitter(chip.PG11); // TX_EN
    to_transmitter(chip.PG13); // TXD0
    to_transmitter(chip.PB13); // TXD1

    let mut watchdog = IndependentWatchdog::new(chip.IWDG1, WATCHDOG_US);
    // A debugger that halts the core halts the watchdog.
    pac::DBGMCU.apb4fzr1().modify(|w| w.set_iwdg1(true));
    watchdog.unleash();

    let mut seed = [0; 32];
    let mut random = Rng::new(chip.RNG, Irqs);
    // A generator that fails leaves the seed zero, and Hello says so.
    if random.async_fill_bytes(&mut seed).await.is_err() {
        seed = [0; 32];
    }

    let Some(for_dma) = memory::take() else {
        panic!("the memory of the DMAs is taken");
    };
    let [sending, receiving] = for_dma.lines;
    let mut line = usart::Config::default();
    line.baudrate = uplink::BAUD;
    // PD8, PD9: the ST-LINK's serial port (UM2407, "USART communication").
    let line = Uart::<Async>::new(
        chip.USART3,
        chip.PD9,
        chip.PD8,
        chip.DMA1_CH0,
        chip.DMA1_CH1,
        Irqs,
        line,
    );
    let Ok(line) = line else {
        panic!("USART3 cannot have {} baud", uplink::BAUD);
    };
    let (tx, rx) = line.split();
    let lamps = Lamps {
        green: Output::new(chip.PB0, Level::Low, Speed::Low),
        yellow: Output::new(chip.PE1, Level::Low, Speed::Low),
        red: Output::new(chip.PB14, Level::Low, Speed::Low),
    };
    begin(spawner, uplink::send(tx, sending));
    begin(spawner, uplink::receive(rx.into_ring_buffered(receiving)));
    usb::start(spawner, chip.USB_OTG_FS, Irqs, chip.PA12, chip.PA11);
    begin(spawner, lamps::show(lamps));
    begin(spawner, look());

    // UM2407, "Ethernet".
    to_ethernet(chip.PA1); // REF_CLK
    to_ethernet(chip.PA2); // MDIO
    to_ethernet(chip.PC1); // MDC
    to_ethernet(chip.PA7); // CRS_DV
    to_ethernet(chip.PC4); // RXD0
    to_ethernet(chip.PC5); // RXD1

    let mut port = Port::start(for_dma.rings, watchdog);
    if let Some(error) = port.error() {
        boot.note(format_args!("Ethernet does not start: {error:?}"));
    }
    #[cfg(feature = "defmt")]
    boot.log();
    let node = node(&seed, &boot, port.counted());
    node.measure_load(magpie_cortex_m::thread::slept_us);
    run(spawner, node, &mut port).await;
}

/// The port is silent.
#[cfg(not(magpie_speak))]
async fn run(_: Spawner, node: &mut Node<'static>, port: &mut Port) {
    magpie_node::run(node, port, &mut Line).await;
}

/// The port speaks.
#[cfg(magpie_speak)]
async fn run(spawner: Spawner, node: &mut Node<'static>, port: &mut Port) {
    let settings = speak::Settings::built_in();
    let address = own_address();
    let seed = u64::from(node.sensor().boot_id());
    let (stack, runner) = speak::start(storage::network(), address, &settings, seed);
    begin(spawner, network(runner));
    let mut speaking = speak::Speaking::new(stack, address, &settings);
    magpie_node::run_speaking(node, port, &mut Line, &mut speaking).await;
}

/// The IP stack's own work.
#[cfg(magpie_speak)]
#[embassy_executor::task]
async fn network(mut runner: speak::NetworkRunner) {
    runner.run().await;
}

/// The port's Ethernet address: the board brings none, so it is made from the
/// chip's own number, and says that it is nobody's (bit 1: administered
/// locally; IEEE 802, 8.4).
#[cfg(magpie_speak)]
fn own_address() -> [u8; 6] {
    // FNV-1a, to spread twelve octets of which few differ (RM0433, "Unique
    // device ID").
    let hash = embassy_stm32::uid::uid()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
            (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
        });
    let [.., a, b, c, d, e] = hash.to_be_bytes();
    [0x02, a, b, c, d, e]
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
        name: "nucleo-h743zi2",
        board: "nucleo-h743zi2",
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
