//! What an image says when it cannot go on: a board's panic handler and its
//! handler of faults, by [`last_words!`](crate::last_words).

use core::convert::Infallible;
use core::fmt::Arguments;
use core::panic::PanicInfo;

use magpie_mmio::{Mmio, Registers};

/// The panic handler of a board, and its handler of faults. What they have to say
/// they say by `$leave`, a function of [`Arguments`] that ends the image.
#[macro_export]
macro_rules! last_words {
    ($leave:path) => {
        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::last_word::of_panic(info, |what| $leave(what))
        }

        /// Every fault comes here. The stack may be what faulted, so a new one is
        /// begun at its top: nothing on the old one is returned to.
        #[allow(unsafe_code)] // entered by the hardware; the stack pointer is its argument
        #[unsafe(naked)]
        #[unsafe(export_name = "HardFault")]
        unsafe extern "C" fn hard_fault() -> ! {
            core::arch::naked_asm!(
                "mrs r0, msp",
                "movw r1, #:lower16:_stack_start",
                "movt r1, #:upper16:_stack_start",
                "mov sp, r1",
                "b {on_fault}",
                on_fault = sym on_fault,
            )
        }

        extern "C" fn on_fault(stack_pointer: usize) -> ! {
            $crate::last_word::of_fault(stack_pointer, |what| $leave(what))
        }
    };
}

/// Says where and why it panicked; `say` ends the image.
pub fn of_panic(info: &PanicInfo<'_>, say: impl FnOnce(Arguments<'_>) -> Infallible) -> ! {
    let (file, line) = info
        .location()
        .map_or(("?", 0), |at| (at.file(), at.line()));
    match say(format_args!("{}:{line}: {}", name(file), info.message())) {}
}

/// The last part of a path; without anything that could panic again.
fn name(path: &str) -> &str {
    let mut slashes = path.bytes().enumerate().filter(|(_, octet)| *octet == b'/');
    let start = slashes
        .next_back()
        .map_or(0, |(at, _)| at.saturating_add(1));
    path.get(start..).unwrap_or(path)
}

#[allow(unsafe_code)] // symbols of memory.x
unsafe extern "C" {
    static _stack_start: u32;
    static _stack_end: u32;
}

/// Words that the hardware pushes: r0-r3, r12, lr, pc, xpsr.
const FRAME_WORDS: usize = 8;
const LR: usize = 5;
const PC: usize = 6;

/// `CFSR.STKOF`: a push below the stack's limit (Armv8-M; 0 in Armv7-M).
const STKOF: u32 = 1 << 20;

/// Says what the system control block knows of a fault. The stack pointer is that
/// of the faulting code, after the hardware has pushed; this runs on a stack begun
/// anew at its top.
pub fn of_fault(stack_pointer: usize, say: impl FnOnce(Arguments<'_>) -> Infallible) -> ! {
    // SAFETY: the system control block of every ARMv7-M and ARMv8-M core; only
    // read.
    #[allow(unsafe_code)]
    let scb = unsafe { Mmio::new(0xe000_ed28, 0x14) };
    let (cfsr, mmfar, bfar) = (scb.read(0x00), scb.read(0x0c), scb.read(0x10));
    let bottom = (&raw const _stack_end).addr();
    let top = (&raw const _stack_start).addr();
    let frame_end = stack_pointer.saturating_add(FRAME_WORDS * 4);
    let outside = stack_pointer < bottom || frame_end > top;
    if cfsr & STKOF != 0 || outside || !stack_pointer.is_multiple_of(4) {
        match say(format_args!(
            "stack overflow: sp {stack_pointer:08x} cfsr {cfsr:08x}"
        )) {}
    }
    let word = |index: usize| {
        let at = stack_pointer.wrapping_add(index * 4);
        // SAFETY: the whole frame lies in the stack, as just checked; the stack
        // of this handler is above it, or has overwritten it, which spoils
        // a number in a message and no more.
        #[allow(unsafe_code)]
        unsafe {
            core::ptr::with_exposed_provenance::<u32>(at).read_volatile()
        }
    };
    let (pc, lr) = (word(PC), word(LR));
    match say(format_args!(
        "fault: pc {pc:08x} lr {lr:08x} cfsr {cfsr:08x} mmfar {mmfar:08x} bfar {bfar:08x}"
    )) {}
}
