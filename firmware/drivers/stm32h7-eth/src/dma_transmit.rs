//! The memory that CPU and transmit DMA share: the third place with `unsafe`
//! here.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{Ordering, fence};

use crate::memory::bus_address;
use crate::transmit::{TransmitMemory, give};

/// Octets of a buffer: the longest untagged frame without FCS, rounded up.
pub const SENT_OCTETS: usize = 1_520;

type Descriptor = [u32; 4];
const TDES3: usize = 3;

/// Descriptors and buffers of a transmit ring of `N`, to be placed by the board
/// like a [`crate::DmaRing`].
#[repr(C, align(32))]
pub struct TransmitBuffers<const N: usize> {
    descriptors: UnsafeCell<MaybeUninit<[Descriptor; N]>>,
    buffers: UnsafeCell<MaybeUninit<[[u8; SENT_OCTETS]; N]>>,
}

// SAFETY: nothing looks inside but `DmaTransmit`, of which `DmaTransmit::new`
// was promised that there is one for each ring.
#[allow(unsafe_code)]
unsafe impl<const N: usize> Sync for TransmitBuffers<N> {}

impl<const N: usize> TransmitBuffers<N> {
    /// A ring whose content does not matter yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            descriptors: UnsafeCell::new(MaybeUninit::uninit()),
            buffers: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }
}

impl<const N: usize> Default for TransmitBuffers<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Access to [`TransmitBuffers`].
pub struct DmaTransmit {
    descriptors: *mut Descriptor,
    buffers: *mut [u8; SENT_OCTETS],
    len: usize,
}

// SAFETY: the pointers are to a static, and this is the only access to it.
#[allow(unsafe_code)]
unsafe impl Send for DmaTransmit {}

impl DmaTransmit {
    /// The only access to a ring.
    ///
    /// # Safety
    ///
    /// As of [`crate::DmaMemory::new`]: once for each ring, in memory that the
    /// Ethernet DMA reaches, not cached, and not in use by the DMA yet.
    #[must_use]
    #[allow(unsafe_code)] // one promise here makes every access below sound
    pub const unsafe fn new<const N: usize>(ring: &'static TransmitBuffers<N>) -> Self {
        Self {
            descriptors: ring.descriptors.get().cast(),
            buffers: ring.buffers.get().cast(),
            len: N,
        }
    }

    /// Address of the first descriptor, for DMACTXDLAR.
    #[must_use]
    pub fn descriptors_address(&self) -> u32 {
        bus_address(self.descriptors.expose_provenance())
    }

    fn descriptor_word(&self, index: usize, word: usize) -> Option<*mut u32> {
        (index < self.len && word < 4).then(|| {
            self.descriptors
                .wrapping_add(index)
                .cast::<u32>()
                .wrapping_add(word)
        })
    }

    fn write(&mut self, index: usize, word: usize, value: u32) {
        if let Some(at) = self.descriptor_word(index, word) {
            // SAFETY: `at` is a word of the ring, aligned. `TransmitRing` writes
            // only to descriptors that are the CPU's, so the DMA does not write
            // at the same time. Volatile and in order of the program.
            #[allow(unsafe_code)]
            unsafe {
                at.write_volatile(value);
            }
        }
    }
}

impl TransmitMemory for DmaTransmit {
    fn descriptors(&self) -> usize {
        self.len
    }

    fn buffer_octets(&self) -> usize {
        SENT_OCTETS
    }

    fn status(&self, index: usize) -> u32 {
        let status = self.descriptor_word(index, TDES3).map_or(give(0), |at| {
            // SAFETY: `at` is a word of the ring, aligned, written by `take`
            // before it is ever read; the DMA writes words whole. Volatile,
            // since it writes too.
            #[allow(unsafe_code)]
            unsafe {
                at.read_volatile()
            }
        });
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
        if index >= self.len {
            return;
        }
        let to = self.buffers.wrapping_add(index).cast::<u8>();
        let len = octets.len().min(SENT_OCTETS);
        // SAFETY: `to` is the start of buffer `index` of the ring, which has at
        // least `len` octets; `octets` is a borrow, so the two do not overlap.
        // `TransmitRing` writes only to buffers of descriptors that are the
        // CPU's: the DMA does not read them before `give`.
        #[allow(unsafe_code)]
        unsafe {
            core::ptr::copy_nonoverlapping(octets.as_ptr(), to, len);
        }
    }

    fn give(&mut self, index: usize, octets: usize) {
        let octets = u32::try_from(octets.min(SENT_OCTETS)).unwrap_or(0);
        let buffer = self.buffers.wrapping_add(index).expose_provenance();
        self.write(index, 0, bus_address(buffer));
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
        let words: Vec<u32> = (0..3)
            .map(|word| {
                let at = memory.descriptor_word(1, word).expect("in the ring");
                // SAFETY: as in `status`.
                #[allow(unsafe_code)]
                unsafe {
                    at.read_volatile()
                }
            })
            .collect();
        let buffer = memory.buffers.wrapping_add(1);
        assert_eq!(words, [bus_address(buffer.expose_provenance()), 0, 60]);
        // SAFETY: inside the ring; nothing else looks at it now.
        #[allow(unsafe_code)]
        let sent = unsafe { core::slice::from_raw_parts(buffer.cast::<u8>(), 60) };
        assert_eq!(sent, [0xa5; 60]);
        memory.put(7, &[1; 60]);
        memory.give(7, 60);
        memory.write(1, TDES3, 0x3000_0000);
        assert_eq!(memory.status(1), 0x3000_0000);
    }
}
