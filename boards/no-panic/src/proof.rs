//! The calls.
// `no_mangle` and the undefined symbol are what the proof is made of.
#![allow(unsafe_code)]

mod drivers;
mod filter;
mod link;
mod machine;
mod node;
mod protocol;
mod sensor;
#[cfg(magpie_proof_async)]
mod w6100;

use core::hint::black_box;
use core::panic::PanicInfo;

/// The linker keeps what this reaches.
#[unsafe(no_mangle)]
extern "C" fn proof() {
    protocol::all();
    link::all();
    filter::all();
    node::all(sensor::all());
    drivers::all();
    if opaque(true) {
        machine::all();
    }
    #[cfg(magpie_proof_async)]
    w6100::all();
    #[cfg(magpie_proof_must_fail)]
    must_fail();
}

/// A panic path that nothing can argue away.
#[cfg(magpie_proof_must_fail)]
fn must_fail() {
    let octets = opaque_octets();
    black_box(octets[opaque(3_usize)]);
}

/// A value the optimiser knows nothing about.
fn opaque<T>(value: T) -> T {
    black_box(value)
}

/// Octets of which neither content nor length is known.
fn opaque_octets() -> &'static [u8] {
    black_box(&[])
}

/// Unknown characters.
fn text() -> &'static str {
    black_box("")
}

/// A buffer of which neither content nor length is known.
fn opaque_buffer() -> &'static mut [u8] {
    black_box(&mut [])
}

#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    #[cfg(magpie_proof_explain)]
    loop {}
    #[cfg(not(magpie_proof_explain))]
    {
        unsafe extern "C" {
            safe fn magpie_a_panic_path_remains() -> !;
        }
        magpie_a_panic_path_remains()
    }
}
