//! What the emulated boards and the real ones share of the machine: the clock,
//! the boot parameters, and the last words, which are written after a panic and
//! so must not panic.

use core::convert::Infallible;
use core::fmt::Arguments;
use core::hint::black_box;

use magpie_cortex_m::kept::{self, Cause, LastWord};
use magpie_cortex_m::{Phase, boot, drifted, last_word};

use super::{opaque, text};

#[inline(never)]
pub(super) fn all() {
    let phase = opaque(Phase {
        current: 0,
        wrap_pending: false,
    });
    black_box(drifted(phase.cycles(opaque(0)), opaque(0)));
    if let Some(parameters) = boot::take() {
        black_box((parameters.seed, parameters.flags, parameters.clock_ppm));
    }
    let before = kept::take(opaque(Cause::Other));
    black_box((before.boots, before.watchdogs, before.word.as_str()));
    let words = format_args!("{}:{}: {}", text(), opaque(7_u32), text());
    black_box(LastWord::of(words).as_str());
    if opaque(true) {
        kept::leave(format_args!("{}", text()), end);
    }
    last_word::of_fault(opaque(0), say);
}

/// The words of a fault.
#[inline(never)]
fn say(what: Arguments<'_>) -> Infallible {
    kept::leave(what, end)
}

fn end() -> Infallible {
    loop {
        black_box(());
    }
}
