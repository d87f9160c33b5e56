//! The end of an image that cannot go on: it leaves its last words and resets.

use core::panic::PanicInfo;

use cortex_m_rt::exception;
use magpie_mmio::{Mmio, Registers};

use crate::kept;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let (file, line) = info
        .location()
        .map_or(("?", 0), |at| (at.file(), at.line()));
    kept::leave(format_args!("{}:{line}: {}", name(file), info.message()))
}

/// The last part of a path; without anything that could panic again.
fn name(path: &str) -> &str {
    let mut slashes = path.bytes().enumerate().filter(|(_, octet)| *octet == b'/');
    let start = slashes
        .next_back()
        .map_or(0, |(at, _)| at.saturating_add(1));
    path.get(start..).unwrap_or(path)
}

#[exception]
#[allow(unsafe_code)] // the form of the handler; it does nothing unsafe
unsafe fn DefaultHandler(irq: i16) {
    kept::leave(format_args!("interrupt {irq} has no handler"));
}

/// Every fault comes here. The stack may be what faulted, so a new one is begun at
/// its top: nothing on the old one is returned to.
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

#[allow(unsafe_code)] // symbols of memory.x
unsafe extern "C" {
    static _stack_start: u32;
    static _stack_end: u32;
}

/// Words that the hardware pushes: r0-r3, r12, lr, pc, xpsr.
const FRAME_WORDS: usize = 8;
const LR: usize = 5;
const PC: usize = 6;

extern "C" fn on_fault(stack_pointer: usize) -> ! {
    // SAFETY: the system control block of every ARMv7-M core; only read.
    #[allow(unsafe_code)]
    let scb = unsafe { Mmio::new(0xe000_ed28, 0x14) };
    let (cfsr, mmfar, bfar) = (scb.read(0x00), scb.read(0x0c), scb.read(0x10));
    let bottom = (&raw const _stack_end).addr();
    let top = (&raw const _stack_start).addr();
    let frame_end = stack_pointer.saturating_add(FRAME_WORDS * 4);
    if stack_pointer < bottom || frame_end > top || !stack_pointer.is_multiple_of(4) {
        kept::leave(format_args!(
            "stack overflow: sp {stack_pointer:08x} cfsr {cfsr:08x}"
        ));
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
    kept::leave(format_args!(
        "fault: pc {pc:08x} lr {lr:08x} cfsr {cfsr:08x} mmfar {mmfar:08x} bfar {bfar:08x}"
    ))
}
