//! The end of an image that cannot go on: a last word, then silence.

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    #[cfg(feature = "defmt")]
    defmt::error!("{}", defmt::Display2Format(info));
    let _ = info;
    halt()
}

#[exception]
#[allow(unsafe_code)] // the form of the handler; it does nothing unsafe
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    #[cfg(feature = "defmt")]
    defmt::error!("hard fault at {=u32:#x}", frame.pc());
    let _ = frame;
    halt()
}

/// Stands still; with a log, QEMU exits with a failure.
fn halt() -> ! {
    cortex_m::interrupt::disable();
    #[cfg(feature = "defmt")]
    cortex_m_semihosting::debug::exit(cortex_m_semihosting::debug::EXIT_FAILURE);
    loop {
        cortex_m::asm::wfi();
    }
}
