//! Memory-mapped registers: a window of 32-bit words, whose address is
//! promised once, at its making. After that reading and writing is safe code,
//! so drivers need no `unsafe` of their own, and their tests put a model of
//! the chip behind [`Registers`].
//!
//! It never knows what a register means.
#![no_std]
// A register access is one instruction, and the check of a constant offset
// vanishes only when inlined: also in images that are optimised for size.
#![allow(clippy::inline_always)]

/// Registers of one device, by their offset in octets.
pub trait Registers {
    /// Reads the register at this offset.
    fn read(&self, offset: u32) -> u32;
    /// Writes the register at this offset.
    fn write(&mut self, offset: u32, value: u32);

    /// Reads, changes and writes a register.
    fn modify(&mut self, offset: u32, change: impl FnOnce(u32) -> u32)
    where
        Self: Sized,
    {
        let value = self.read(offset);
        self.write(offset, change(value));
    }

    /// Reads a FIFO of so many words: its first octets fill `octets`, the rest is
    /// of no use.
    fn read_fifo(&self, offset: u32, octets: &mut [u8], words: usize) {
        let mut rest = words;
        let (whole, tail) = octets.as_chunks_mut::<4>();
        rest = rest.saturating_sub(whole.len());
        for word in whole {
            *word = self.read(offset).to_le_bytes();
        }
        if !tail.is_empty() {
            rest = rest.saturating_sub(1);
            for (to, from) in tail.iter_mut().zip(self.read(offset).to_le_bytes()) {
                *to = from;
            }
        }
        for _ in 0..rest {
            self.read(offset);
        }
    }
}

/// A window onto a device of the machine.
#[derive(Debug)]
pub struct Mmio {
    base: usize,
    octets: u32,
}

impl Mmio {
    /// The device at `base`, whose registers fill `octets`.
    ///
    /// # Safety
    ///
    /// `base` is a multiple of four; every aligned word in
    /// `base..base + octets` is a device register that may be read and written
    /// at any time without harm to memory (no DMA is started with it); no other
    /// code reads or writes these registers in a way that breaks its own or
    /// this window's user's assumptions.
    #[must_use]
    #[allow(unsafe_code)] // one promise here makes every access below safe
    pub const unsafe fn new(base: usize, octets: u32) -> Self {
        Self { base, octets }
    }

    /// Address of a register; `None` outside the window. The offsets are
    /// constants, so the check costs nothing in an optimised image.
    #[inline(always)]
    const fn at(&self, offset: u32) -> Option<usize> {
        if offset.is_multiple_of(4) && offset < self.octets {
            self.base.checked_add(offset as usize)
        } else {
            None
        }
    }
}

impl Registers for Mmio {
    #[inline(always)]
    fn read(&self, offset: u32) -> u32 {
        debug_assert!(self.at(offset).is_some(), "no such register");
        let Some(address) = self.at(offset) else {
            return 0;
        };
        // SAFETY: `new` was promised that the whole window is registers which
        // may be read at any time, and `at` has checked that this one is an
        // aligned word in it. Volatile: reading has effects (FIFOs).
        #[allow(unsafe_code)]
        unsafe {
            core::ptr::with_exposed_provenance::<u32>(address).read_volatile()
        }
    }

    #[inline(always)]
    fn write(&mut self, offset: u32, value: u32) {
        debug_assert!(self.at(offset).is_some(), "no such register");
        let Some(address) = self.at(offset) else {
            return;
        };
        // SAFETY: as in `read`; writing was promised to be harmless to memory.
        #[allow(unsafe_code)]
        unsafe {
            core::ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    /// Words that count upwards.
    struct Fifo(Cell<u32>);

    impl Registers for Fifo {
        fn read(&self, offset: u32) -> u32 {
            assert_eq!(offset, 8);
            self.0.set(self.0.get() + 1);
            self.0.get() * 0x0101_0101
        }

        fn write(&mut self, _: u32, _: u32) {}
    }

    #[test]
    fn a_fifo_is_read_whole_and_fills_what_there_is() {
        for (room, words, filled) in [
            (7, 5, &[1, 1, 1, 1, 2, 2, 2][..]),
            (8, 2, &[1, 1, 1, 1, 2, 2, 2, 2]),
            (0, 3, &[]),
            (1, 1, &[1]),
        ] {
            let fifo = Fifo(Cell::new(0));
            let mut octets = [0; 8];
            fifo.read_fifo(8, &mut octets[..room], words);
            assert_eq!(&octets[..room], filled);
            assert_eq!(fifo.0.get() as usize, words);
        }
    }

    #[test]
    fn words_inside_the_window_only() {
        let mut memory = [1_u32, 2, 3, 4];
        let base = memory.as_mut_ptr().expose_provenance();
        // SAFETY: the window is an array of words that lives to the end of the
        // test and is read below only after the last use of the window.
        #[allow(unsafe_code)]
        let mut window = unsafe { Mmio::new(base, 12) };
        assert_eq!(window.at(0), Some(base));
        assert_eq!(window.at(8), Some(base + 8));
        assert_eq!(window.at(12), None, "behind the window");
        assert_eq!(window.at(6), None, "not aligned");
        assert_eq!(window.read(4), 2);
        window.write(4, 20);
        window.modify(8, |v| v + 7);
        assert_eq!(memory, [1, 20, 10, 4]);
    }
}
