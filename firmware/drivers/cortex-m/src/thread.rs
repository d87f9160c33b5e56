//! embassy's executor in thread mode, sleeping by `WFI`.
//!
//! embassy's own sleeps by `WFE`, which QEMU takes for a hint and runs on: an
//! idle board would keep a core of the host busy.

use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use embassy_executor::{Spawner, raw};
use static_cell::StaticCell;

static EXECUTOR: StaticCell<raw::Executor> = StaticCell::new();
/// Set when a task was woken.
static PENDED: AtomicBool = AtomicBool::new(false);

#[allow(unsafe_code)] // the name under which the executor finds it
#[unsafe(export_name = "__pender")]
fn pender(_context: *mut ()) {
    PENDED.store(true, Ordering::Release);
}

/// Runs the tasks that `spawn` spawns, for ever. To be called once.
pub fn run(spawn: impl FnOnce(Spawner)) -> ! {
    let executor: &'static raw::Executor =
        EXECUTOR.init_with(|| raw::Executor::new(ptr::null_mut()));
    spawn(executor.spawner());
    loop {
        // SAFETY: this loop is the only caller, and `EXECUTOR.init` let only
        // one such loop come to be; the pender does not call it either.
        #[allow(unsafe_code)]
        unsafe {
            executor.poll();
        }
        cortex_m::interrupt::disable();
        // With interrupts masked, one that arrives from here on still ends
        // WFI, and is taken behind it: no wake-up falls in between.
        if !PENDED.swap(false, Ordering::AcqRel) {
            cortex_m::asm::wfi();
        }
        // SAFETY: they were on; no critical section is open here.
        #[allow(unsafe_code)]
        unsafe {
            cortex_m::interrupt::enable();
        }
    }
}
