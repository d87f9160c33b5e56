//! The node under embassy.

use embassy_futures::select::{select, select3};
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Instant, Timer};

use crate::speak::{FrameSender, Side, Silent, Speaking, Stack};
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
    run_with(node, receiver, uart, &mut Silent).await
}

/// Runs a node whose port speaks, for ever: a board's task. The network's
/// runner runs in another one.
pub async fn run_speaking<R: FrameSender, U: Uart, S: Stack>(
    node: &mut Node<'_>,
    port: &mut R,
    uart: &mut U,
    network: &mut Speaking<S>,
) -> ! {
    run_with(node, port, uart, network).await
}

async fn run_with<R: FrameReceiver, U: Uart, S: Side<R>>(
    node: &mut Node<'_>,
    receiver: &mut R,
    uart: &mut U,
    side: &mut S,
) -> ! {
    #[cfg(feature = "defmt")]
    defmt::info!(
        "magpie {=str} ({=str}), boot {=u32:08x}",
        crate::FIRMWARE,
        crate::GIT,
        node.sensor().boot_id()
    );
    node.start_with(side);
    let mut armed = false;
    loop {
        match node.turn_with(|| Instant::now().as_micros(), receiver, uart, side) {
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
                        let due = Timer::at(Instant::from_micros(at));
                        select3(WAKE.wait(), side.changed(), due).await;
                    }
                    None => {
                        select(WAKE.wait(), side.changed()).await;
                    }
                }
                armed = false;
            }
        }
    }
}
