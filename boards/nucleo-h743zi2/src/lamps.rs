//! The three lamps: receiving, losing, no host.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use embassy_stm32::gpio::Output;
use embassy_time::{Duration, Instant, Ticker};
use magpie_node::lamps::{self, Signs};

/// Frames taken out of the port since boot, modulo 2^32.
pub(crate) static RECEIVED: AtomicU32 = AtomicU32::new(0);
/// Frames known to be lost, modulo 2^32.
pub(crate) static LOST: AtomicU32 = AtomicU32::new(0);
/// There is a cable, and someone at its other end.
pub(crate) static LINK: AtomicBool = AtomicBool::new(false);
/// Octets from the host by a serial line, modulo 2^32.
pub(crate) static HEARD: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Lamps {
    pub(crate) green: Output<'static>,
    pub(crate) yellow: Output<'static>,
    pub(crate) red: Output<'static>,
}

/// Shows for ever what [`magpie_node::lamps`] says.
#[embassy_executor::task]
pub(crate) async fn show(mut lamps: Lamps) {
    let mut says = lamps::Lamps::default();
    let mut ticker = Ticker::every(Duration::from_micros(lamps::TICK_US));
    loop {
        ticker.next().await;
        let heard = HEARD.load(Ordering::Relaxed);
        #[cfg(magpie_speak)]
        let heard = {
            let by_udp = magpie_node::speak::COMMANDS_HEARD.load(Ordering::Relaxed);
            heard.wrapping_add(by_udp)
        };
        let signs = Signs {
            received: RECEIVED.load(Ordering::Relaxed),
            lost: LOST.load(Ordering::Relaxed),
            heard,
            link: LINK.load(Ordering::Relaxed),
        };
        says.tick(Instant::now().as_micros(), &signs);
        let lit = says.three();
        lamps.green.set_level(lit.green.into());
        lamps.yellow.set_level(lit.yellow.into());
        lamps.red.set_level(lit.red.into());
    }
}
