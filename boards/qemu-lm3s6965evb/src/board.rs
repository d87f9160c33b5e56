//! The machine: clock, timer, network port, interrupts, and the one task.

use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;
#[cfg(feature = "defmt")]
use defmt_semihosting as _;
use embassy_executor::Spawner;
use magpie_cortex_m::time::SysTickTime;
use magpie_cortex_m::{boot, thread};
use magpie_link::{Overflow, Sender};
use magpie_mmio::{Mmio, Registers};
#[cfg(magpie_speak)]
use magpie_node::speak;
use magpie_node::{Clock, FrameReceiver, Lost, Node, Pace};
use magpie_protocol::{Known, Losses};
use magpie_sensor::{Config, Identity, Sensor};
use magpie_stellaris_eth::{MAX_FRAME, ReceiveError, StellarisEthernet};
use static_cell::StaticCell;

use crate::uart::{self, Uart};
use crate::{clocks, storage};

/// Core and peripherals, as `clocks` sets them up.
pub(crate) const CLOCK_HZ: u32 = 50_000_000;

/// Interrupts that are used (data sheet, table "Interrupts").
#[derive(Clone, Copy)]
#[repr(u16)]
pub(crate) enum Irq {
    Uart0 = 5,
    Timer0A = 19,
    Ethernet = 42,
}

// SAFETY: the numbers are the machine's, and an enum's value never changes.
#[allow(unsafe_code)]
unsafe impl cortex_m::interrupt::InterruptNumber for Irq {
    fn number(self) -> u16 {
        self as u16
    }
}

/// Lets an interrupt through.
pub(crate) fn unmask(irq: Irq) {
    // SAFETY: handlers share nothing with the node but atomics, queues under a
    // critical section, and registers each side uses alone; so no priority or
    // mask-based section is broken by an interrupt at any point.
    #[allow(unsafe_code)]
    unsafe {
        NVIC::unmask(irq);
    }
}

#[exception]
#[allow(unsafe_code)] // the form of the handler; it does nothing unsafe
unsafe fn DefaultHandler(irq: i16) {
    const UART0: i16 = Irq::Uart0 as i16;
    const TIMER0A: i16 = Irq::Timer0A as i16;
    const ETHERNET: i16 = Irq::Ethernet as i16;
    match irq {
        UART0 => uart::on_interrupt(),
        TIMER0A => on_alarm(),
        ETHERNET => {
            // Held down until the node has looked at every frame.
            NVIC::mask(Irq::Ethernet);
            magpie_node::wake();
        }
        _ => {}
    }
}

#[exception]
fn SysTick() {
    TIME.on_wrap();
}

embassy_time_driver::time_driver_impl!(static TIME: SysTickTime = SysTickTime::new(arm));

/// General-purpose timer 0 as one 32-bit one-shot timer (data sheet, chapter
/// "General-Purpose Timers").
mod timer {
    pub(super) const GPTMCFG: u32 = 0x00;
    pub(super) const GPTMTAMR: u32 = 0x04;
    pub(super) const GPTMCTL: u32 = 0x0c;
    pub(super) const GPTMIMR: u32 = 0x18;
    pub(super) const GPTMICR: u32 = 0x24;
    pub(super) const GPTMTAILR: u32 = 0x28;
    pub(super) const WINDOW: u32 = 0x2c;
    pub(super) const CFG_32_BIT: u32 = 0;
    pub(super) const TAMR_ONE_SHOT: u32 = 1;
    pub(super) const CTL_TAEN: u32 = 1;
    /// Time-out.
    pub(super) const INT_TATO: u32 = 1;
}

fn timer0() -> Mmio {
    // SAFETY: timer 0 is at this address (data sheet, table 2-1), does no DMA,
    // and only the two functions below look at it, both with interrupts off or
    // from its interrupt.
    #[allow(unsafe_code)]
    unsafe {
        Mmio::new(0x4003_0000, timer::WINDOW)
    }
}

fn arm(after_us: u32) {
    let mut timer0 = timer0();
    timer0.write(timer::GPTMCTL, 0);
    timer0.write(timer::GPTMCFG, timer::CFG_32_BIT);
    timer0.write(timer::GPTMTAMR, timer::TAMR_ONE_SHOT);
    timer0.write(timer::GPTMIMR, timer::INT_TATO);
    timer0.write(
        timer::GPTMTAILR,
        after_us.saturating_mul(CLOCK_HZ / 1_000_000),
    );
    timer0.write(timer::GPTMCTL, timer::CTL_TAEN);
}

fn on_alarm() {
    timer0().write(timer::GPTMICR, timer::INT_TATO);
    TIME.on_alarm();
}

/// The network port.
struct Port {
    nic: StellarisEthernet<Mmio>,
}

impl Port {
    fn new() -> Self {
        // SAFETY: the Ethernet controller is at this address (data sheet, table
        // 2-1), does no DMA, and only this struct looks at it.
        #[allow(unsafe_code)]
        let registers = unsafe { Mmio::new(0x4004_8000, magpie_stellaris_eth::WINDOW) };
        Self {
            nic: StellarisEthernet::new(registers),
        }
    }

    fn start(&mut self) {
        if cfg!(magpie_speak) {
            self.nic.start_speaking();
        } else {
            self.nic.start();
        }
    }
}

/// What the port can tell: that frames were lost, never how many.
const LOSSES: Losses = Losses {
    fcs: Known::Unknown,
    ..Node::NO_COUNTERS
};

impl FrameReceiver for Port {
    fn poll_receive(&mut self, buffer: &mut [u8]) -> Option<Result<usize, Lost>> {
        let received = self.nic.poll_receive(buffer)?;
        Some(received.map_err(|error| match error {
            ReceiveError::OutOfStep => Lost::Fcs,
            ReceiveError::TooLong(_) => Lost::Oversize,
        }))
    }

    fn collect_losses(&mut self, losses: &mut Losses) {
        let faults = self.nic.take_faults();
        // At least one each; what was unknown becomes a lower bound.
        if faults.fcs {
            losses.fcs.add(1);
        }
        if faults.overrun {
            losses.mac_fifo.add(1);
        }
    }

    fn arm(&mut self) {
        self.nic.acknowledge();
        unmask(Irq::Ethernet);
    }
}

#[cfg(magpie_speak)]
impl magpie_node::speak::FrameSender for Port {
    fn poll_transmit(&mut self, frame: &[u8]) -> speak::Placed {
        use magpie_stellaris_eth::TransmitError;
        match self.nic.transmit(frame) {
            Ok(()) => speak::Placed::Taken,
            Err(TransmitError::Full) => speak::Placed::Full,
            Err(TransmitError::Off | TransmitError::Length) => speak::Placed::Never,
        }
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    magpie_cortex_m::guard::below_stack();
    thread::run(|spawner| {
        if let Ok(task) = sensor(spawner) {
            spawner.spawn(task);
        }
    })
}

#[embassy_executor::task]
async fn sensor(spawner: Spawner) {
    let (Some(parameters), Some(core)) = (boot::take(), cortex_m::Peripherals::take()) else {
        return;
    };
    clocks::start();
    TIME.start(core.SYST, CLOCK_HZ, parameters.clock_ppm);
    unmask(Irq::Timer0A);

    let network = parameters.network;
    let node = node(parameters);
    node.measure_load(thread::slept_us);
    let mut port = Port::new();
    let mut uart = Uart::start();
    // Whoever feeds the port waits for Hello, and Hello goes out after this.
    port.start();
    run(spawner, network, node, &mut port, &mut uart).await;
}

/// The port is silent: its transmitter is off.
#[cfg(not(magpie_speak))]
async fn run(_: Spawner, _: [u8; 16], node: &mut Node<'static>, port: &mut Port, uart: &mut Uart) {
    magpie_node::run(node, port, uart).await;
}

/// The port speaks.
#[cfg(magpie_speak)]
async fn run(
    spawner: Spawner,
    network: [u8; 16],
    node: &mut Node<'static>,
    port: &mut Port,
    uart: &mut Uart,
) {
    let address = port.nic.address();
    let settings = speak::Settings::at_boot(&network);
    let seed = u64::from(node.sensor().boot_id());
    let (stack, runner) = speak::start(storage::network(), address, &settings, seed);
    if let Ok(task) = self::network(runner) {
        spawner.spawn(task);
    }
    let mut speaking = speak::Speaking::new(stack, address, &settings);
    magpie_node::run_speaking(node, port, uart, &mut speaking).await;
}

/// The IP stack's own work.
#[cfg(magpie_speak)]
#[embassy_executor::task]
async fn network(mut runner: speak::NetworkRunner) {
    runner.run().await;
}

/// Whoever feeds the port waits when the sensor does; but a port that speaks
/// also brings the acknowledgements which it would wait for.
const PACE: Pace = if cfg!(magpie_speak) {
    Pace::Never
} else {
    Pace::Hold
};

static NODE: StaticCell<Node<'static>> = StaticCell::new();

/// Puts the node together; a function of its own, so that what it moves about
/// leaves the stack before the work begins.
#[inline(never)]
fn node(parameters: boot::Parameters) -> &'static mut Node<'static> {
    let flag = |flag| parameters.flags & flag != 0;
    let clock = match (flag(boot::STAMPED), flag(boot::RUNNING)) {
        (false, _) => Clock::SinceBoot,
        (true, false) => Clock::STAMPED,
        (true, true) => Clock::RUNNING,
    };
    let identity = Identity {
        name: "lm3s6965evb",
        board: "qemu-lm3s6965evb",
        firmware: magpie_node::FIRMWARE,
        git: magpie_node::GIT,
        clock: clock.kind(),
        max_frame: u32::try_from(clock.longest(MAX_FRAME)).unwrap_or(u32::MAX),
        resend_octets: u32::try_from(storage::RESEND).unwrap_or(u32::MAX),
    };
    let sensor = Sensor::new(
        Config::default(),
        identity,
        &parameters.seed,
        storage::sensor(),
    );
    drop(parameters);
    let sender = Sender::new(sensor.boot_id(), storage::resend(), Overflow::Hold);
    NODE.init(Node::new(
        sensor,
        sender,
        clock,
        PACE,
        LOSSES,
        &boot::MAGPIE_RECEIVED,
        storage::buffers(),
    ))
}
