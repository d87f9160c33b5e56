//! The end of an image that cannot go on: it leaves its last words and resets.

use core::panic::PanicInfo;

use cortex_m_rt::exception;
use magpie_cortex_m::last_word;

use crate::kept;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    last_word::of_panic(info, |what| kept::leave(what))
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

extern "C" fn on_fault(stack_pointer: usize) -> ! {
    last_word::of_fault(stack_pointer, |what| kept::leave(what))
}
