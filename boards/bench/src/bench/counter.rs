//! Instructions, counted by the clock: under `-icount` every instruction
//! takes QEMU the same virtual time, so time divided by that is their number.

// What is around the work must not become a call.
#![allow(clippy::inline_always)]

use core::sync::atomic::{Ordering, compiler_fence};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;

/// Width of `SysTick` (ARMv7-M, B3.3).
const MASK: u32 = 0x00ff_ffff;
/// Instructions that the rate is taken from; more digits than a frame needs.
const SAMPLE: u32 = 100_000;

/// The calibrated clock.
pub(crate) struct Counter {
    /// Ticks of [`SAMPLE`] instructions.
    ticks: u32,
}

/// `2 * rounds` instructions and a few.
#[inline(never)]
fn spin(rounds: u32) {
    // SAFETY: a loop over one register; nothing else is touched.
    #[allow(unsafe_code)]
    unsafe {
        core::arch::asm!("2: subs {0}, {0}, #1", "bne 2b", inout(reg) rounds => _, options(nomem, nostack));
    }
}

/// Ticks of so many rounds; a function of its own, so that what is around
/// them is the same for all.
#[inline(never)]
fn sample(rounds: u32) -> u32 {
    ticks(|| spin(rounds)).0
}

/// Ticks that the work takes.
#[inline(always)]
fn ticks<R>(work: impl FnOnce() -> R) -> (u32, R) {
    let before = SYST::get_current();
    compiler_fence(Ordering::SeqCst);
    let result = work();
    compiler_fence(Ordering::SeqCst);
    let after = SYST::get_current();
    (before.wrapping_sub(after) & MASK, result) // it counts down
}

impl Counter {
    /// Starts and calibrates it; panics where instructions cannot be told
    /// from ticks (QEMU without `-icount shift=7,sleep=off`).
    pub(crate) fn start(mut syst: SYST) -> Self {
        syst.set_clock_source(SystClkSource::Core);
        syst.set_reload(MASK);
        syst.clear_current();
        syst.enable_counter();
        let counter = Self {
            ticks: sample(SAMPLE).saturating_sub(sample(SAMPLE / 2)),
        };
        assert!(
            counter.ticks >= 2 * SAMPLE,
            "{} ticks for {SAMPLE} instructions: is -icount on?",
            counter.ticks
        );
        let one = counter.instructions(sample(1));
        for rounds in [5, 6, 49, 175, 501, 16_667, 250_000] {
            assert_eq!(
                counter.instructions(sample(rounds)) - one,
                2 * (rounds - 1),
                "the clock is not exact to the instruction"
            );
        }
        counter
    }

    fn instructions(&self, ticks: u32) -> u32 {
        let exact = u64::from(ticks) * u64::from(SAMPLE);
        let rate = u64::from(self.ticks);
        u32::try_from((exact + rate / 2) / rate).unwrap_or(u32::MAX)
    }

    /// Instructions between the two readings of the clock, these excepted.
    #[inline(always)]
    pub(crate) fn count<R>(&self, work: impl FnOnce() -> R) -> (u32, R) {
        let (ticks, result) = ticks(work);
        // From one reading to the next is one instruction if nothing is between.
        (self.instructions(ticks).saturating_sub(1), result)
    }
}
