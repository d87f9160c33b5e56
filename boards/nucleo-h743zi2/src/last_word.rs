//! The end of an image that cannot go on: it leaves its last words and resets.

use cortex_m_rt::exception;

use crate::kept;

magpie_cortex_m::last_words!(kept::leave);

#[exception]
#[allow(unsafe_code)] // the form of the handler; it does nothing unsafe
unsafe fn DefaultHandler(irq: i16) {
    kept::leave(format_args!("interrupt {irq} has no handler"));
}
