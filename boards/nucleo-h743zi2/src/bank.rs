//! Statics outside of the RAM that start-up clears.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

/// A static that is written when it is handed out: what its memory holds after
/// a reset does not matter.
pub(crate) struct Bank<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: what is inside is reached by the functions below alone, each of which
// is promised to be called once.
#[allow(unsafe_code)]
unsafe impl<T: Send> Sync for Bank<T> {}

impl<T> Bank<T> {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// # Safety
    ///
    /// Of [`Self::init`] and [`Bank::fill`] one is called, once. The memory has
    /// its clock.
    #[allow(unsafe_code, clippy::mut_from_ref)] // once, by the promise
    pub(crate) unsafe fn init(&'static self, with: T) -> &'static mut T {
        // SAFETY: this is the only access, by the promise.
        unsafe { (*self.0.get()).write(with) }
    }
}

impl<T: Copy, const N: usize> Bank<[T; N]> {
    /// One value everywhere: nothing as large as the bank is on the stack.
    ///
    /// # Safety
    ///
    /// As for [`Self::init`].
    #[allow(unsafe_code, clippy::mut_from_ref)] // once, by the promise
    pub(crate) unsafe fn fill(&'static self, with: T) -> &'static mut [T; N] {
        let first = self.0.get().cast::<T>();
        for index in 0..N {
            // SAFETY: a place of the array, to which this is the only access, by
            // the promise.
            unsafe { first.add(index).write(with) };
        }
        // SAFETY: likewise, and every place was written.
        unsafe { (*self.0.get()).assume_init_mut() }
    }
}
