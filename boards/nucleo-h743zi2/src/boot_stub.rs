//! Where the chip begins: two words in the place of a boot loader that does not
//! exist yet. They start the image; the loader will take their place.

#[allow(unsafe_code)] // symbols of cortex-m-rt and of memory.x
unsafe extern "C" {
    fn Reset() -> !;
    static _stack_start: u32;
}

/// The first two words of a vector table (Armv7-M, B1.5.3). The image's own
/// table is set at the start of `Reset`.
#[repr(C)]
struct BootStub {
    stack: *const u32,
    reset: unsafe extern "C" fn() -> !,
}

// SAFETY: two constant words that nothing but the hardware reads.
#[allow(unsafe_code)]
unsafe impl Sync for BootStub {}

#[allow(unsafe_code)] // the place is the hardware's: the beginning of flash
#[unsafe(link_section = ".boot_stub")]
#[used]
static BOOT_STUB: BootStub = BootStub {
    stack: &raw const _stack_start,
    reset: Reset,
};
