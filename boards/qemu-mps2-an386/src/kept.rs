//! Why this boot, and the end of one.

use core::fmt::Arguments;

use magpie_cortex_m::kept::{self, Before, Cause};
use magpie_protocol::{BootReason, BootReport};

/// Reads what was kept; to be called once, first of all.
pub(crate) fn take() -> BootReport {
    let before = kept::take(Cause::Other);
    BootReport {
        count: before.boots,
        reason: reason(&before),
        last_word: before.word.as_str().try_into().unwrap_or_default(),
        watchdogs: None, // it has none
    }
}

/// No register of the machine that QEMU plays says it: it follows from what was
/// kept. QEMU's memory is empty when it starts.
fn reason(before: &Before) -> BootReason {
    match (before.boots, before.word.as_str()) {
        (..=1, _) => BootReason::PowerOn,
        // An image that ends itself always says something.
        (_, "") => BootReason::Pin,
        _ => BootReason::Software,
    }
}

/// Leaves last words for the next boot, and resets the machine; with a log, says
/// them there, and QEMU exits with a failure.
pub(crate) fn leave(what: Arguments<'_>) -> ! {
    #[cfg(feature = "defmt")]
    {
        cortex_m::interrupt::disable();
        defmt::error!("{}", defmt::Display2Format(&what));
        cortex_m_semihosting::debug::exit(cortex_m_semihosting::debug::EXIT_FAILURE);
    }
    kept::leave(what, || cortex_m::peripheral::SCB::sys_reset())
}
