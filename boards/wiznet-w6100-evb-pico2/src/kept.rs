//! Why this boot, and the end of one.

use core::convert::Infallible;
use core::fmt::Arguments;

use embassy_rp::pac;
use magpie_cortex_m::kept::{self, Before, Cause, LastWord};
use magpie_protocol::{BootReason, BootReport};

/// How it came to this boot.
pub(crate) struct Boot {
    before: Before,
    reason: BootReason,
}

impl Boot {
    /// Says this in the place of the last words.
    pub(crate) fn note(&mut self, what: Arguments<'_>) {
        self.before.word = LastWord::of(what);
    }

    /// The same for Hello.
    pub(crate) fn report(&self) -> BootReport {
        BootReport {
            count: self.before.boots,
            reason: self.reason,
            last_word: self.before.word.as_str().try_into().unwrap_or_default(),
            watchdogs: Some(self.before.watchdogs),
        }
    }
}

/// Reads what was kept; to be called once, first of all.
pub(crate) fn take() -> Boot {
    let reason = reason();
    let before = kept::take(match reason {
        BootReason::PowerOn => Cause::Power,
        BootReason::Watchdog => Cause::Watchdog,
        _ => Cause::Other,
    });
    Boot { before, reason }
}

/// Why the board booted (RP2350 data sheet, `WATCHDOG_REASON` and
/// `POWMAN_CHIP_RESET`). The watchdog resets less than the block that holds the
/// older reason, so it is asked first.
fn reason() -> BootReason {
    let watchdog = pac::WATCHDOG.reason().read();
    let chip = pac::POWMAN.chip_reset().read();
    if watchdog.force() {
        BootReason::Software
    } else if watchdog.timer() {
        BootReason::Watchdog
    } else if chip.had_por() {
        BootReason::PowerOn
    } else if chip.had_bor() {
        BootReason::BrownOut
    } else {
        BootReason::Pin
    }
}

/// Leaves last words for the next boot, and resets the chip.
pub(crate) fn leave(what: Arguments<'_>) -> ! {
    kept::leave(what, reset)
}

/// By the watchdog: a reset that the core asks for is one of the core alone. All
/// but the oscillators (`PSM_WDSEL`: bits 0 and 1 are theirs).
fn reset() -> Infallible {
    pac::PSM
        .wdsel()
        .write_value(pac::psm::regs::Wdsel(0x01ff_fffc));
    pac::WATCHDOG.ctrl().modify(|w| w.set_trigger(true));
    loop {
        cortex_m::asm::nop();
    }
}
