//! embassy's executor in thread mode, sleeping by `WFI`.
//!
//! embassy's own sleeps by `WFE`, which QEMU takes for a hint and runs on: an
//! idle board would keep a core of the host busy.
//!
//! It measures how long it sleeps ([`slept_us`]), by the clock of the board's
//! time driver. What interrupts take counts as work: they run behind the sleep.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use embassy_executor::{Spawner, raw};
use embassy_time_driver::{TICK_HZ, now};
use static_cell::StaticCell;

static EXECUTOR: StaticCell<raw::Executor> = StaticCell::new();
/// Set when a task was woken.
static PENDED: AtomicBool = AtomicBool::new(false);
/// Ticks slept, modulo 2^32.
static SLEPT: AtomicU32 = AtomicU32::new(0);

/// Microseconds since boot in which the processor slept, modulo 2^32.
#[must_use]
pub fn slept_us() -> u32 {
    const { assert!(TICK_HZ == 1_000_000) };
    SLEPT.load(Ordering::Relaxed)
}

/// Sleeps until the next interrupt. They are masked.
fn sleep() {
    let before = now();
    cortex_m::asm::wfi();
    let ticks = now().saturating_sub(before);
    // A sleep ends with the next alarm at the latest, within minutes.
    let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
    let slept = SLEPT.load(Ordering::Relaxed);
    SLEPT.store(slept.wrapping_add(ticks), Ordering::Relaxed);
}

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
            sleep();
        }
        // SAFETY: they were on; no critical section is open here.
        #[allow(unsafe_code)]
        unsafe {
            cortex_m::interrupt::enable();
        }
    }
}
