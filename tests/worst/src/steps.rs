//! The step counter: edges of the control flow that were taken.
//!
//! The compiler puts a call of the first function here at each edge (see
//! `.cargo/config.toml`), in the core and in all that it uses.

use std::sync::atomic::{AtomicU64, Ordering};

static TAKEN: AtomicU64 = AtomicU64::new(0);

/// One edge. (The compiler leaves functions of such names alone.)
#[expect(unsafe_code, reason = "a name that the compiler calls, nothing else")]
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_trace_pc_guard(_edge: *const u32) {
    // This program has one thread: no need for an atomic addition.
    TAKEN.store(TAKEN.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// Called at the start with all edges of a module; they need no numbers.
#[expect(unsafe_code, reason = "a name that the compiler calls, nothing else")]
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_trace_pc_guard_init(_first: *const u32, _end: *const u32) {}

/// Steps that the work takes.
pub(crate) fn of(work: impl FnOnce()) -> u64 {
    let before = TAKEN.load(Ordering::Relaxed);
    work();
    TAKEN.load(Ordering::Relaxed) - before
}
