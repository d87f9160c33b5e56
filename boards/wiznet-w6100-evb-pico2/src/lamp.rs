//! The one lamp: receiving, losing, no host.

use core::sync::atomic::{AtomicU32, Ordering};

use embassy_rp::gpio::Output;
use embassy_time::{Duration, Instant, Ticker};

use crate::port::CABLE;

/// Frames taken out of the port since boot, modulo 2^32.
pub(crate) static RECEIVED: AtomicU32 = AtomicU32::new(0);
/// How often frames were lost, or may have been, modulo 2^32.
pub(crate) static LOST: AtomicU32 = AtomicU32::new(0);
/// Packets from the host, modulo 2^32.
pub(crate) static HEARD: AtomicU32 = AtomicU32::new(0);

const TICK: Duration = Duration::from_millis(100);
/// Ticks after which a pattern begins anew.
const PATTERN: u32 = 20;
/// A loss is shown so long.
const LOSS_SHOWN: Duration = Duration::from_secs(2);
/// The host asks for the time every 10 s; so long without a word, it is gone.
const HOST_GONE: Duration = Duration::from_secs(25);

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

/// What it says, the worst first.
enum Says {
    /// Frames were lost within the last 2 s, or may have been.
    Losing,
    NoHost,
    NoLink,
    Receiving,
    Quiet,
}

impl Says {
    /// Whether it is lit in this tick of the pattern.
    fn lit(&self, tick: u32) -> bool {
        match self {
            Self::Losing => tick.is_multiple_of(2),
            Self::NoHost => matches!(tick % 10, 0 | 2),
            Self::NoLink => tick == 0,
            // Dark for a moment, twice a second.
            Self::Receiving => !tick.is_multiple_of(5),
            Self::Quiet => true,
        }
    }
}

/// Shows it for ever.
#[embassy_executor::task]
pub(crate) async fn show(mut lamp: Output<'static>) {
    let mut frames = Watched::new(&RECEIVED);
    let mut losses = Watched::new(&LOST);
    let mut host = Watched::new(&HEARD);
    let mut ticker = Ticker::every(TICK);
    let mut tick = 0;
    loop {
        ticker.next().await;
        let now = Instant::now();
        let losing = losses.moves(now, LOSS_SHOWN);
        let heard = host.moves(now, HOST_GONE);
        let receiving = frames.moves(now, LOSS_SHOWN);
        let says = if losing {
            Says::Losing
        } else if !heard {
            Says::NoHost
        } else if !CABLE.is_up() {
            Says::NoLink
        } else if receiving {
            Says::Receiving
        } else {
            Says::Quiet
        };
        lamp.set_level(says.lit(tick).into());
        tick = (tick + 1) % PATTERN;
    }
}
