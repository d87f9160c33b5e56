//! The one lamp: receiving, losing, no host.

use core::sync::atomic::{AtomicU32, Ordering};

use embassy_rp::gpio::Output;
use embassy_time::{Duration, Instant, Ticker};
use magpie_node::lamps::{Lamps, Signs, TICK_US};

use crate::port::CABLE;

/// Frames taken out of the port since boot, modulo 2^32.
pub(crate) static RECEIVED: AtomicU32 = AtomicU32::new(0);
/// How often frames were lost, or may have been, modulo 2^32.
pub(crate) static LOST: AtomicU32 = AtomicU32::new(0);
/// Packets from the host, modulo 2^32.
pub(crate) static HEARD: AtomicU32 = AtomicU32::new(0);

/// Shows for ever what [`magpie_node::lamps`] says.
#[embassy_executor::task]
pub(crate) async fn show(mut lamp: Output<'static>) {
    let mut says = Lamps::default();
    let mut ticker = Ticker::every(Duration::from_micros(TICK_US));
    loop {
        ticker.next().await;
        let signs = Signs {
            received: RECEIVED.load(Ordering::Relaxed),
            lost: LOST.load(Ordering::Relaxed),
            heard: HEARD.load(Ordering::Relaxed),
            link: CABLE.is_up(),
        };
        says.tick(Instant::now().as_micros(), &signs);
        lamp.set_level(says.one().into());
    }
}
