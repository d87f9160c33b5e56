//! The node under embassy.

use embassy_futures::select::select;
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Instant, Timer};

use crate::{FrameReceiver, Node, Turn, Uart};

static WAKE: Signal<CriticalSectionRawMutex, ()> = Signal::new();

/// Wakes the node: something may have happened. For interrupts.
pub fn wake() {
    WAKE.signal(());
}

/// Runs the node for ever: a board's task.
pub async fn run<R: FrameReceiver, U: Uart>(
    node: &mut Node<'_>,
    receiver: &mut R,
    uart: &mut U,
) -> ! {
    #[cfg(feature = "defmt")]
    defmt::info!(
        "magpie {=str} ({=str}), boot {=u32:08x}",
        crate::FIRMWARE,
        crate::GIT,
        node.sensor().boot_id()
    );
    let mut armed = false;
    loop {
        match node.turn(|| Instant::now().as_micros(), receiver, uart) {
            Turn::Again => {
                armed = false;
                yield_now().await;
            }
            // What came between the last look and the arming is seen by one
            // more turn; what comes later interrupts.
            Turn::Sleep { .. } if !armed => {
                WAKE.reset();
                receiver.arm();
                armed = true;
            }
            Turn::Sleep { until_us } => {
                match until_us {
                    Some(at) => {
                        select(WAKE.wait(), Timer::at(Instant::from_micros(at))).await;
                    }
                    None => WAKE.wait().await,
                }
                armed = false;
            }
        }
    }
}
