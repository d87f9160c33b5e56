//! The machine: clock, timer, network port, interrupts, and the one task.

use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;
#[cfg(feature = "defmt")]
use defmt_semihosting as _;
use embassy_executor::Spawner;
use magpie_cortex_m::time::SysTickTime;
use magpie_cortex_m::{boot, thread};
use magpie_lan9118::{Lan9118, Link, MAX_FRAME, ReceiveError, StartError};
use magpie_link::{Overflow, Sender};
use magpie_mmio::{Mmio, Registers};
#[cfg(magpie_speak)]
use magpie_node::speak;
use magpie_node::{Clock, FrameReceiver, Lost, Node, Pace};
use magpie_protocol::{BootReport, LinkState, Losses};
use magpie_sensor::{Config, Identity, Sensor};
use static_cell::StaticCell;

use crate::uart::{self, Uart};
use crate::{kept, storage};

/// Core and peripherals (application note 386, 3.5).
pub(crate) const CLOCK_HZ: u32 = 25_000_000;

/// Interrupts that are used (application note 386, table 3-7).
#[derive(Clone, Copy)]
#[repr(u16)]
pub(crate) enum Irq {
    Uart0Rx = 0,
    Uart0Tx = 1,
    Timer1 = 9,
    Ethernet = 13,
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
    const UART0_RX: i16 = Irq::Uart0Rx as i16;
    const UART0_TX: i16 = Irq::Uart0Tx as i16;
    const TIMER1: i16 = Irq::Timer1 as i16;
    const ETHERNET: i16 = Irq::Ethernet as i16;
    match irq {
        UART0_RX => uart::on_receive(),
        UART0_TX => uart::on_transmit(),
        TIMER1 => on_alarm(),
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

/// CMSDK APB timer 1, one-shot (Arm DDI 0479, chapter 4.1).
mod timer {
    pub(super) const CTRL: u32 = 0x00;
    pub(super) const VALUE: u32 = 0x04;
    pub(super) const RELOAD: u32 = 0x08;
    pub(super) const INTCLEAR: u32 = 0x0c;
    pub(super) const WINDOW: u32 = 0x10;
    /// Counting, with its interrupt.
    pub(super) const CTRL_ON: u32 = 0b1001;
}

fn timer1() -> Mmio {
    // SAFETY: timer 1 of the AN386 is at this address (application note 386,
    // table 3-4), does no DMA, and only the two functions below look at it,
    // both with interrupts off or from its interrupt.
    #[allow(unsafe_code)]
    unsafe {
        Mmio::new(0x4000_1000, timer::WINDOW)
    }
}

fn arm(after_us: u32) {
    let mut timer1 = timer1();
    timer1.write(timer::CTRL, 0);
    timer1.write(timer::RELOAD, 0); // stops at 0
    timer1.write(timer::VALUE, after_us.saturating_mul(CLOCK_HZ / 1_000_000));
    timer1.write(timer::CTRL, timer::CTRL_ON);
}

fn on_alarm() {
    timer1().write(timer::INTCLEAR, 1);
    TIME.on_alarm();
}

/// The network port.
struct Port {
    nic: Lan9118<Mmio>,
}

impl Port {
    fn new() -> Self {
        // SAFETY: the LAN9118 of the AN386 is at this address (QEMU's model of
        // the machine), does no DMA, and only this struct looks at it.
        #[allow(unsafe_code)]
        let registers = unsafe { Mmio::new(0x4020_0000, magpie_lan9118::WINDOW) };
        Self {
            nic: Lan9118::new(registers),
        }
    }

    fn start(&mut self) -> Result<(), StartError> {
        if cfg!(magpie_speak) {
            self.nic.start_speaking()
        } else {
            self.nic.start()
        }
    }
}

impl FrameReceiver for Port {
    fn poll_receive(&mut self, buffer: &mut [u8]) -> Option<Result<usize, Lost>> {
        let received = self.nic.poll_receive(buffer)?;
        Some(received.map_err(|error| match error {
            ReceiveError::Fcs | ReceiveError::Damaged => Lost::Fcs,
            ReceiveError::Watchdog | ReceiveError::TooLong(_) => Lost::Oversize,
        }))
    }

    fn collect_losses(&mut self, _: &mut Losses) {
        // RX_DROP reads 0 in QEMU whatever was dropped: unknown stays unknown.
    }

    fn link(&mut self) -> LinkState {
        match self.nic.link() {
            Ok(Link::Down) => LinkState::Down,
            Ok(Link::Up {
                hundred,
                full_duplex,
            }) => LinkState::Up {
                mbit: if hundred { 100 } else { 10 },
                full_duplex,
            },
            Err(_) => LinkState::Unknown,
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
        use magpie_lan9118::TransmitError;
        match self.nic.transmit(frame) {
            Ok(()) => speak::Placed::Taken,
            Err(TransmitError::Full) => speak::Placed::Full,
            Err(TransmitError::Off | TransmitError::Length) => speak::Placed::Never,
        }
    }
}

magpie_cortex_m::last_words!(kept::leave);

#[cortex_m_rt::entry]
fn main() -> ! {
    magpie_cortex_m::guard::below_stack();
    let boot = kept::take();
    thread::run(|spawner| {
        #[cfg(magpie_ends)]
        if let Ok(task) = ends(boot.count) {
            spawner.spawn(task);
        }
        if let Ok(task) = sensor(spawner, boot) {
            spawner.spawn(task);
        }
    })
}

/// In the image that ends on purpose.
#[cfg(magpie_ends)]
#[embassy_executor::task]
async fn ends(boot: u32) {
    magpie_cortex_m::ends::in_time(boot).await;
}

#[embassy_executor::task]
async fn sensor(spawner: Spawner, boot: BootReport) {
    let (Some(parameters), Some(core)) = (boot::take(), cortex_m::Peripherals::take()) else {
        return;
    };
    TIME.start(core.SYST, CLOCK_HZ, parameters.clock_ppm);
    unmask(Irq::Timer1);

    let network = parameters.network;
    let node = node(parameters, boot);
    node.measure_load(thread::slept_us);
    let mut port = Port::new();
    let mut uart = Uart::start();
    // Whoever feeds the port waits for Hello, and Hello goes out after this.
    if let Err(error) = port.start() {
        panic!("LAN9118: {error:?}");
    }
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
    let Ok(address) = port.nic.address() else {
        panic!("LAN9118: it does not tell its address");
    };
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
fn node(parameters: boot::Parameters, report: BootReport) -> &'static mut Node<'static> {
    let flag = |flag| parameters.flags & flag != 0;
    let clock = match (flag(boot::STAMPED), flag(boot::RUNNING)) {
        (false, _) => Clock::SinceBoot,
        (true, false) => Clock::STAMPED,
        (true, true) => Clock::RUNNING,
    };
    let identity = Identity {
        name: "mps2-an386",
        board: "qemu-mps2-an386",
        firmware: magpie_node::FIRMWARE,
        git: magpie_node::GIT,
        clock: clock.kind(),
        max_frame: u32::try_from(clock.longest(MAX_FRAME)).unwrap_or(u32::MAX),
        resend_octets: u32::try_from(storage::RESEND).unwrap_or(u32::MAX),
    };
    let mut sensor = Sensor::new(
        Config::default(),
        identity,
        &parameters.seed,
        storage::sensor(),
    );
    drop(parameters);
    sensor.set_boot(report);
    let sender = Sender::new(sensor.boot_id(), storage::resend(), Overflow::Hold);
    NODE.init(Node::new(
        sensor,
        sender,
        clock,
        PACE,
        Node::NO_COUNTERS,
        &boot::MAGPIE_RECEIVED,
        storage::buffers(),
    ))
}
