//! The memory that CPU and receive DMA share: one of the three places with
//! `unsafe` here.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{Ordering, fence};

use crate::descriptor::GIVE;
use crate::ring::{Memory, Word};

/// Octets of a buffer. Many small ones hold more frames than few large ones: a
/// minimum frame wastes less, and a long one lies in several. A multiple of 4
/// (DMACRXCR.RBSZ).
pub const BUFFER_OCTETS: usize = 512;

/// A descriptor's four words.
type Descriptor = [u32; 4];
/// Which word is RDES3.
const RDES3: usize = 3;

/// Descriptors and buffers of a ring of `N`, to be placed by the board as a
/// static where the Ethernet DMA reaches it and no cache keeps a copy. It may be
/// memory that start-up leaves as it is.
#[repr(C, align(32))]
pub struct DmaRing<const N: usize> {
    descriptors: UnsafeCell<MaybeUninit<[Descriptor; N]>>,
    buffers: UnsafeCell<MaybeUninit<[[u8; BUFFER_OCTETS]; N]>>,
}

// SAFETY: nothing looks inside but `DmaMemory`, of which `DmaMemory::new` was
// promised that there is one for each ring.
#[allow(unsafe_code)]
unsafe impl<const N: usize> Sync for DmaRing<N> {}

impl<const N: usize> DmaRing<N> {
    /// A ring whose content does not matter yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            descriptors: UnsafeCell::new(MaybeUninit::uninit()),
            buffers: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }
}

impl<const N: usize> Default for DmaRing<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Access to a [`DmaRing`].
pub struct DmaMemory {
    descriptors: *mut Descriptor,
    buffers: *mut [u8; BUFFER_OCTETS],
    len: usize,
}

// SAFETY: the pointers are to a static, and this is the only access to it.
#[allow(unsafe_code)]
unsafe impl Send for DmaMemory {}

impl DmaMemory {
    /// The only access to a ring.
    ///
    /// # Safety
    ///
    /// It is called once for each ring. The ring lies in memory that the
    /// Ethernet DMA reaches, that no cache keeps a copy of and that is normal
    /// memory without reordering over `fence` (on the STM32H7: SRAM1-3, made
    /// non-cacheable by the MPU). The DMA is not using it yet.
    #[must_use]
    #[allow(unsafe_code)] // one promise here makes every access below sound
    pub const unsafe fn new<const N: usize>(ring: &'static DmaRing<N>) -> Self {
        Self {
            descriptors: ring.descriptors.get().cast(),
            buffers: ring.buffers.get().cast(),
            len: N,
        }
    }

    /// Address of the first descriptor, for DMACRXDLAR.
    #[must_use]
    pub fn descriptors_address(&self) -> u32 {
        bus_address(self.descriptors.expose_provenance())
    }

    /// A word of a descriptor; `None` beyond the ring.
    fn descriptor_word(&self, index: usize, word: usize) -> Option<*mut u32> {
        (index < self.len && word < 4).then(|| {
            self.descriptors
                .wrapping_add(index)
                .cast::<u32>()
                .wrapping_add(word)
        })
    }

    fn read(&self, index: usize, word: usize) -> u32 {
        self.descriptor_word(index, word).map_or(GIVE, |at| {
            // SAFETY: `at` is a word of the ring (checked by
            // `descriptor_word`), aligned, and always readable: the DMA writes
            // words whole. Volatile, since the DMA writes too. A word that
            // nobody has written yet is not read: `Ring::new` gives every
            // descriptor, which writes all four.
            #[allow(unsafe_code)]
            unsafe {
                at.read_volatile()
            }
        })
    }

    fn write(&mut self, index: usize, word: usize, value: u32) {
        if let Some(at) = self.descriptor_word(index, word) {
            // SAFETY: `at` is a word of the ring, aligned. `Ring` writes only to
            // descriptors that are the CPU's (see its doc), so the DMA does not
            // write at the same time. Volatile and in order of the program.
            #[allow(unsafe_code)]
            unsafe {
                at.write_volatile(value);
            }
        }
    }
}

impl Memory for DmaMemory {
    fn descriptors(&self) -> usize {
        self.len
    }

    fn buffer_octets(&self) -> usize {
        BUFFER_OCTETS
    }

    fn status(&self, index: usize) -> u32 {
        let status = self.read(index, RDES3);
        // The DMA clears OWN last: what is read after this is what it wrote
        // before. (A DMB; the memory is not cached.)
        fence(Ordering::SeqCst);
        status
    }

    fn word(&self, index: usize, word: Word) -> u32 {
        match word {
            Word::Rdes0 => self.read(index, 0),
            Word::Rdes1 => self.read(index, 1),
        }
    }

    fn copy(&self, index: usize, octets: &mut [u8]) {
        if index >= self.len {
            return;
        }
        let from = self.buffers.wrapping_add(index).cast::<u8>();
        let len = octets.len().min(BUFFER_OCTETS);
        // SAFETY: `from` is the start of buffer `index` of the ring, which has
        // at least `len` octets; `octets` is a borrow, so the two do not
        // overlap. `Ring` copies only out of buffers of descriptors that are
        // the CPU's: the DMA has finished writing (the fence in `status`) and
        // does not write again before `give`. Octets that it left unwritten are
        // whatever the memory held: the compiler cannot know that nothing was
        // written, for the address was exposed to the DMA in `give`.
        #[allow(unsafe_code)]
        unsafe {
            core::ptr::copy_nonoverlapping(from, octets.as_mut_ptr(), len);
        }
    }

    fn give(&mut self, index: usize) {
        let buffer = self.buffers.wrapping_add(index).expose_provenance();
        self.write(index, 0, bus_address(buffer));
        self.write(index, 1, 0);
        self.write(index, 2, 0);
        // Our reads of the buffer and the words above come before the DMA
        // finds OWN set.
        fence(Ordering::SeqCst);
        self.write(index, RDES3, GIVE);
    }
}

/// An address as the DMA takes it. (On the host, where tests run, addresses
/// are longer; nothing uses them there.)
pub(crate) fn bus_address(address: usize) -> u32 {
    #[allow(clippy::cast_possible_truncation)]
    {
        address as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_in_memory_is_given_filled_and_read() {
        static RING: DmaRing<3> = DmaRing::new();
        // SAFETY: called once for this ring; there is no DMA, this thread
        // plays it below, in turn with the CPU's side.
        #[allow(unsafe_code)]
        let mut memory = unsafe { DmaMemory::new(&RING) };
        for index in 0..3 {
            memory.give(index);
        }
        assert_eq!(memory.status(2), GIVE);
        assert_eq!(memory.status(3), GIVE, "beyond: never ours");
        assert_eq!(memory.word(1, Word::Rdes1), 0);
        let step = memory.read(2, 0).wrapping_sub(memory.read(1, 0));
        assert_eq!(step, 512, "buffers lie behind one another");
        let first = bus_address(memory.buffers.expose_provenance());
        assert_eq!(memory.read(0, 0), first);
        assert_eq!(memory.descriptors_address() % 32, 0);

        let buffer = memory.buffers.wrapping_add(1).cast::<u8>();
        // SAFETY: inside the ring; nothing else looks at it now.
        #[allow(unsafe_code)]
        unsafe {
            buffer.write_bytes(0xa5, BUFFER_OCTETS);
        }
        memory.write(1, RDES3, 0x3000_0044);
        assert_eq!(memory.status(1), 0x3000_0044);
        let mut octets = [0; BUFFER_OCTETS];
        memory.copy(1, &mut octets);
        assert_eq!(octets, [0xa5; BUFFER_OCTETS]);
        memory.copy(7, &mut octets);
        assert_eq!(octets, [0xa5; BUFFER_OCTETS]);
    }
}
