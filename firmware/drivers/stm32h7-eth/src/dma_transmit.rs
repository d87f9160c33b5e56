//! The memory of the transmit DMA, as its ring uses it.

use core::sync::atomic::{Ordering, fence};

use crate::shared::{DmaAccess, DmaShared};
use crate::transmit::{TransmitMemory, give};

/// Octets of a buffer: the longest untagged frame without FCS, rounded up.
pub const SENT_OCTETS: usize = 1_520;

const TDES3: usize = 3;

/// Descriptors and buffers of a transmit ring of `N`.
pub type TransmitBuffers<const N: usize> = DmaShared<N, SENT_OCTETS>;

/// Access to [`TransmitBuffers`].
pub type DmaTransmit = DmaAccess<SENT_OCTETS>;

impl TransmitMemory for DmaTransmit {
    fn descriptors(&self) -> usize {
        self.count()
    }

    fn buffer_octets(&self) -> usize {
        SENT_OCTETS
    }

    fn status(&self, index: usize) -> u32 {
        let status = self.read(index, TDES3).unwrap_or(give(0));
        // The buffer is written again only after OWN was seen cleared.
        fence(Ordering::SeqCst);
        status
    }

    fn take(&mut self, index: usize) {
        for word in 0..4 {
            self.write(index, word, 0);
        }
    }

    fn put(&mut self, index: usize, octets: &[u8]) {
        self.copy_to(index, octets);
    }

    fn give(&mut self, index: usize, octets: usize) {
        let octets = u32::try_from(octets.min(SENT_OCTETS)).unwrap_or(0);
        self.write(index, 0, self.buffer_address(index));
        self.write(index, 1, 0);
        // TDES2: length of buffer 1; no interrupt, no time stamp, no tag.
        self.write(index, 2, octets);
        // The frame and the words above are there before the DMA finds OWN set.
        fence(Ordering::SeqCst);
        self.write(index, TDES3, give(octets));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_in_memory_is_put_given_and_taken_back() {
        static RING: TransmitBuffers<2> = TransmitBuffers::new();
        // SAFETY: called once for this ring; there is no DMA, this thread
        // plays it below, in turn with the CPU's side.
        #[allow(unsafe_code)]
        let mut memory = unsafe { DmaTransmit::new(&RING) };
        for index in 0..2 {
            memory.take(index);
            assert_eq!(memory.status(index), 0);
        }
        assert_ne!(memory.status(2) & 1 << 31, 0, "beyond: never ours");
        memory.put(1, &[0xa5; 60]);
        memory.give(1, 60);
        assert_eq!(memory.status(1), 0xb000_003c, "OWN FD LD, 60 octets");
        assert_eq!(memory.descriptors_address() % 32, 0);
        let words = [0, 1, 2].map(|word| memory.read(1, word));
        let buffer = memory.buffer_address(1);
        assert_eq!(words, [Some(buffer), Some(0), Some(60)]);
        // SAFETY: inside the ring; nothing else looks at it now.
        #[allow(unsafe_code)]
        let sent = unsafe { core::slice::from_raw_parts(memory.buffer(1), 60) };
        assert_eq!(sent, [0xa5; 60]);
        memory.put(7, &[1; 60]);
        memory.give(7, 60);
        memory.write(1, TDES3, 0x3000_0000);
        assert_eq!(memory.status(1), 0x3000_0000);
    }
}
