//! The memory that the CPU and a DMA of the controller share, either of the two:
//! one of the two places with `unsafe` here.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

/// A descriptor's four words.
type Descriptor = [u32; 4];

/// Descriptors of a ring of `N` and a buffer for each, to be placed by the board
/// as a static where the Ethernet DMA reaches it and no cache keeps a copy. It
/// may be memory that start-up leaves as it is.
#[repr(C, align(32))]
pub struct DmaShared<const N: usize, const OCTETS: usize> {
    descriptors: UnsafeCell<MaybeUninit<[Descriptor; N]>>,
    buffers: UnsafeCell<MaybeUninit<[[u8; OCTETS]; N]>>,
}

// SAFETY: nothing looks inside but `DmaAccess`, of which `DmaAccess::new` was
// promised that there is one for each ring.
#[allow(unsafe_code)]
unsafe impl<const N: usize, const OCTETS: usize> Sync for DmaShared<N, OCTETS> {}

impl<const N: usize, const OCTETS: usize> DmaShared<N, OCTETS> {
    /// A ring whose content does not matter yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            descriptors: UnsafeCell::new(MaybeUninit::uninit()),
            buffers: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }
}

impl<const N: usize, const OCTETS: usize> Default for DmaShared<N, OCTETS> {
    fn default() -> Self {
        Self::new()
    }
}

/// Access to a [`DmaShared`].
pub struct DmaAccess<const OCTETS: usize> {
    descriptors: *mut Descriptor,
    buffers: *mut [u8; OCTETS],
    len: usize,
}

// SAFETY: the pointers are to a static, and this is the only access to it.
#[allow(unsafe_code)]
unsafe impl<const OCTETS: usize> Send for DmaAccess<OCTETS> {}

impl<const OCTETS: usize> DmaAccess<OCTETS> {
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
    pub const unsafe fn new<const N: usize>(ring: &'static DmaShared<N, OCTETS>) -> Self {
        Self {
            descriptors: ring.descriptors.get().cast(),
            buffers: ring.buffers.get().cast(),
            len: N,
        }
    }

    /// Address of the first descriptor, for DMACRXDLAR or DMACTXDLAR.
    #[must_use]
    pub fn descriptors_address(&self) -> u32 {
        bus_address(self.descriptors.expose_provenance())
    }

    /// How many descriptors there are.
    pub(crate) fn count(&self) -> usize {
        self.len
    }

    /// Address of a buffer, which the DMA may use from now on.
    pub(crate) fn buffer_address(&self, index: usize) -> u32 {
        bus_address(self.buffer(index).expose_provenance())
    }

    /// Where a buffer begins.
    pub(crate) fn buffer(&self, index: usize) -> *mut u8 {
        self.buffers.wrapping_add(index).cast()
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

    /// A word that was written before; `None` beyond the ring.
    pub(crate) fn read(&self, index: usize, word: usize) -> Option<u32> {
        self.descriptor_word(index, word).map(|at| {
            // SAFETY: `at` is a word of the ring (checked by
            // `descriptor_word`), aligned, and always readable: the DMA writes
            // words whole. Volatile, since the DMA writes too. A word that
            // nobody has written yet is not read: `Ring::new` gives every
            // descriptor and `TransmitRing::new` takes every one, which writes
            // all four.
            #[allow(unsafe_code)]
            unsafe {
                at.read_volatile()
            }
        })
    }

    /// Writes a word of a descriptor that is the CPU's.
    pub(crate) fn write(&mut self, index: usize, word: usize, value: u32) {
        if let Some(at) = self.descriptor_word(index, word) {
            // SAFETY: `at` is a word of the ring, aligned. `Ring` and
            // `TransmitRing` write only to descriptors that are the CPU's (see
            // their docs), so the DMA does not write at the same time. Volatile
            // and in order of the program.
            #[allow(unsafe_code)]
            unsafe {
                at.write_volatile(value);
            }
        }
    }

    /// Copies out of the buffer of a descriptor that is the CPU's.
    pub(crate) fn copy_from(&self, index: usize, octets: &mut [u8]) {
        if index >= self.len {
            return;
        }
        let len = octets.len().min(OCTETS);
        // SAFETY: the source is the start of buffer `index` of the ring, which
        // has at least `len` octets; `octets` is a borrow, so the two do not
        // overlap. `Ring` copies only out of buffers of descriptors that are
        // the CPU's: the DMA has finished writing (the fence in `status`) and
        // does not write again before `give`. Octets that it left unwritten are
        // whatever the memory held: the compiler cannot know that nothing was
        // written, for the address was exposed to the DMA in `give`.
        #[allow(unsafe_code)]
        unsafe {
            core::ptr::copy_nonoverlapping(self.buffer(index), octets.as_mut_ptr(), len);
        }
    }

    /// Copies into the buffer of a descriptor that is the CPU's.
    pub(crate) fn copy_to(&mut self, index: usize, octets: &[u8]) {
        if index >= self.len {
            return;
        }
        let len = octets.len().min(OCTETS);
        // SAFETY: the target is the start of buffer `index` of the ring, which
        // has at least `len` octets; `octets` is a borrow, so the two do not
        // overlap. `TransmitRing` writes only to buffers of descriptors that are
        // the CPU's: the DMA does not read them before `give`.
        #[allow(unsafe_code)]
        unsafe {
            core::ptr::copy_nonoverlapping(octets.as_ptr(), self.buffer(index), len);
        }
    }
}

/// An address as the DMA takes it. (On the host, where tests run, addresses
/// are longer; nothing uses them there.)
fn bus_address(address: usize) -> u32 {
    #[allow(clippy::cast_possible_truncation)]
    {
        address as u32
    }
}
