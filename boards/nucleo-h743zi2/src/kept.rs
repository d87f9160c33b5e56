//! Why this boot, and the end of one. What outlives a reset lies in SRAM4, which a
//! reset leaves alone and no cache holds (RM0433, "RAM ECC monitoring": its error
//! correction is on words of 32 bits).

use core::fmt::Arguments;

use embassy_stm32::pac;
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

    /// The same for the log. A panic has no line there: the probe would hardly
    /// read it before the reset.
    #[cfg(feature = "defmt")]
    pub(crate) fn log(&self) {
        defmt::info!(
            "boot {=u32} since power came, reason {}, last word: {=str}",
            self.before.boots,
            defmt::Debug2Format(&self.reason),
            self.before.word.as_str()
        );
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

/// Why the board booted (RM0433, `RCC_RSR` and "Reset source identification").
fn reason() -> BootReason {
    let rsr = pac::RCC.rsr().read();
    pac::RCC.rsr().modify(|w| w.set_rmvf(true));
    // Power-on sets the brown-out's flag too, and every reset the pin's.
    if rsr.porrstf() {
        BootReason::PowerOn
    } else if rsr.iwdg1rstf() {
        BootReason::Watchdog
    } else if rsr.sftrstf() {
        BootReason::Software
    } else if rsr.borrstf() {
        BootReason::BrownOut
    } else {
        BootReason::Pin
    }
}

/// Leaves last words for the next boot, and resets the chip.
pub(crate) fn leave(what: Arguments<'_>) -> ! {
    kept::leave(what, || cortex_m::peripheral::SCB::sys_reset())
}
