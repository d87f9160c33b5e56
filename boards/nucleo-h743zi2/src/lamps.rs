//! The three lamps: receiving, losing, no host.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use embassy_stm32::gpio::Output;
use embassy_time::{Duration, Instant, Ticker};

/// Frames taken out of the port since boot, modulo 2^32.
pub(crate) static RECEIVED: AtomicU32 = AtomicU32::new(0);
/// Frames known to be lost, modulo 2^32.
pub(crate) static LOST: AtomicU32 = AtomicU32::new(0);
/// There is a cable, and someone at its other end.
pub(crate) static LINK: AtomicBool = AtomicBool::new(false);
/// Octets from the host by a serial line, modulo 2^32.
pub(crate) static HEARD: AtomicU32 = AtomicU32::new(0);

const TICK: Duration = Duration::from_millis(100);
/// A loss is shown so long.
const LOSS_SHOWN: Duration = Duration::from_secs(2);
/// The host asks for the time every 10 s; so long without a word, it is gone.
const HOST_GONE: Duration = Duration::from_secs(25);

pub(crate) struct Lamps {
    pub(crate) green: Output<'static>,
    pub(crate) yellow: Output<'static>,
    pub(crate) red: Output<'static>,
}

/// A counter, and when it last changed.
struct Watched {
    counter: &'static AtomicU32,
    value: u32,
    changed: Option<Instant>,
}

impl Watched {
    fn new(counter: &'static AtomicU32) -> Self {
        Self {
            counter,
            value: 0,
            changed: None,
        }
    }

    /// Whether it changed in the last `within`.
    fn moves(&mut self, now: Instant, within: Duration) -> bool {
        let value = self.counter.load(Ordering::Relaxed);
        if value != self.value {
            self.value = value;
            self.changed = Some(now);
        }
        self.changed
            .is_some_and(|at| now.saturating_duration_since(at) < within)
    }
}

/// Green: on with the link, flickering with frames. Red: frames were lost within
/// the last 2 s. Yellow: no host.
#[embassy_executor::task]
pub(crate) async fn show(mut lamps: Lamps) {
    let mut frames = Watched::new(&RECEIVED);
    let mut losses = Watched::new(&LOST);
    let mut host = Watched::new(&HEARD);
    #[cfg(magpie_speak)]
    let mut host_by_udp = Watched::new(&magpie_node::speak::COMMANDS_HEARD);
    let mut ticker = Ticker::every(TICK);
    let mut even = false;
    loop {
        ticker.next().await;
        let now = Instant::now();
        even = !even;
        let receiving = frames.moves(now, TICK);
        let green = LINK.load(Ordering::Relaxed) && (even || !receiving);
        lamps.green.set_level(green.into());
        lamps.red.set_level(losses.moves(now, LOSS_SHOWN).into());
        let heard = host.moves(now, HOST_GONE);
        #[cfg(magpie_speak)]
        let heard = host_by_udp.moves(now, HOST_GONE) || heard;
        lamps.yellow.set_level((!heard).into());
    }
}
