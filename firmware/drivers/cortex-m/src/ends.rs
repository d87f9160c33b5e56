//! An image that ends on purpose (`--cfg magpie_ends`), for the test that its last
//! words are heard: each of its first boots does so in another way.

use core::future::poll_fn;
use core::hint::black_box;
use core::sync::atomic::Ordering;
use core::task::Poll;

use magpie_mmio::{Mmio, Registers};

use crate::boot::MAGPIE_RECEIVED;
use crate::guard::WALL;

/// A boot ends when it has read so many frames ...
const FRAMES: u32 = 3;
/// ... and so much time, in microseconds, has passed for the feeder to see that.
const GRACE: u64 = 1_000_000;
const LOOK: u64 = 10_000;

/// The end of this boot, the n-th since power came, at its time. From the fourth on
/// they live.
pub async fn in_time(boot: u32) {
    while MAGPIE_RECEIVED.load(Ordering::Relaxed) < FRAMES {
        pause(LOOK).await;
    }
    pause(GRACE).await;
    match boot {
        1 => panic!("boot {boot} was built to end here"),
        2 => {
            black_box(wall().read(0));
        }
        3 => {
            black_box(deeper(0));
        }
        _ => {}
    }
}

/// No access: a fault.
fn wall() -> Mmio {
    // SAFETY: nothing is there that could be harmed: the memory protection unit
    // refuses every access (guard.rs).
    #[allow(unsafe_code)]
    unsafe {
        Mmio::new(WALL, 4)
    }
}

/// Calls itself until the stack is used up.
#[inline(never)]
fn deeper(depth: u32) -> u32 {
    let frame = black_box([depth; 64]);
    let next = if black_box(true) {
        deeper(depth.wrapping_add(1))
    } else {
        0
    };
    next.wrapping_add(frame.iter().fold(0, |sum, word| sum ^ word))
}

async fn pause(lasting: u64) {
    let at = embassy_time_driver::now().saturating_add(lasting);
    poll_fn(|context| {
        if embassy_time_driver::now() >= at {
            return Poll::Ready(());
        }
        embassy_time_driver::schedule_wake(at, context.waker());
        Poll::Pending
    })
    .await;
}
