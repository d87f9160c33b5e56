//! The memory of the receive DMA, as its ring uses it.

use core::sync::atomic::{Ordering, fence};

use crate::descriptor::GIVE;
use crate::ring::{Memory, Word};
use crate::shared::{DmaAccess, DmaShared};

/// Octets of a buffer. Many small ones hold more frames than few large ones: a
/// minimum frame wastes less, and a long one lies in several. A multiple of 4
/// (DMACRXCR.RBSZ).
pub const BUFFER_OCTETS: usize = 512;

/// Which word is RDES3.
const RDES3: usize = 3;

/// Descriptors and buffers of a receive ring of `N`.
pub type DmaRing<const N: usize> = DmaShared<N, BUFFER_OCTETS>;

/// Access to a [`DmaRing`].
pub type DmaMemory = DmaAccess<BUFFER_OCTETS>;

impl Memory for DmaMemory {
    fn descriptors(&self) -> usize {
        self.count()
    }

    fn buffer_octets(&self) -> usize {
        BUFFER_OCTETS
    }

    fn status(&self, index: usize) -> u32 {
        let status = self.read(index, RDES3).unwrap_or(GIVE);
        // The DMA clears OWN last: what is read after this is what it wrote
        // before. (A DMB; the memory is not cached.)
        fence(Ordering::SeqCst);
        status
    }

    fn word(&self, index: usize, word: Word) -> u32 {
        let word = match word {
            Word::Rdes0 => 0,
            Word::Rdes1 => 1,
        };
        self.read(index, word).unwrap_or(GIVE)
    }

    fn copy(&self, index: usize, octets: &mut [u8]) {
        self.copy_from(index, octets);
    }

    fn give(&mut self, index: usize) {
        self.write(index, 0, self.buffer_address(index));
        self.write(index, 1, 0);
        self.write(index, 2, 0);
        // Our reads of the buffer and the words above come before the DMA
        // finds OWN set.
        fence(Ordering::SeqCst);
        self.write(index, RDES3, GIVE);
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
        let addresses = [0, 1, 2].map(|index| memory.word(index, Word::Rdes0));
        let step = addresses[2].wrapping_sub(addresses[1]);
        assert_eq!(step, 512, "buffers lie behind one another");
        assert_eq!(addresses[0], memory.buffer_address(0));
        assert_eq!(memory.descriptors_address() % 32, 0);

        // SAFETY: inside the ring; nothing else looks at it now.
        #[allow(unsafe_code)]
        unsafe {
            memory.buffer(1).write_bytes(0xa5, BUFFER_OCTETS);
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
