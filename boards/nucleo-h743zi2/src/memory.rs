//! Caches, and which memory they leave alone.
//!
//! Code and the tables in AXI SRAM and SRAM4 profit from the caches (the DTCM needs
//! none); what a DMA writes or reads, and what must be in RAM when the chip resets,
//! must not be in one. So SRAM1-3 and the first kilobyte of SRAM4 are normal memory
//! without cache, by the memory protection unit: no copy ever exists there, and no
//! cache line has to be cleaned or invalidated.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

use cortex_m::Peripherals;
use magpie_mmio::{Mmio, Registers};
use magpie_stm32h7_eth::{DmaMemory, DmaRing};
#[cfg(magpie_speak)]
use magpie_stm32h7_eth::{DmaTransmit, TransmitBuffers};

use crate::uplink::CHUNK;

const MPU_RNR: u32 = 0x08;
const MPU_RBAR: u32 = 0x0c;
const MPU_RASR: u32 = 0x10;
const WINDOW: u32 = 0x14;

/// No execution, full access, TEX = 1, C = B = 0: normal, not cached; S: shared
/// with the DMA (Armv7-M, B3.5.9 and table B3-13).
const NOT_CACHED: u32 = 1 << 28 | 0b011 << 24 | 0b001 << 19 | 1 << 18;
/// On.
const ENABLE: u32 = 1;

/// Number, start, and power of two of the size. Region 0 is the wall below the
/// stack (magpie-cortex-m).
const REGIONS: [(u32, u32, u32); 2] = [
    (1, 0x3000_0000, 19), // SRAM1-3, and reserved addresses
    (2, 0x3800_0000, 10), // what outlives a reset, in SRAM4
];

/// Sets the regions and turns the caches on. To be called before anything else
/// uses these memories, and after the wall below the stack was built, which
/// turns the unit on.
pub(crate) fn start(core: &mut Peripherals) {
    // SAFETY: the MPU of every ARMv7-M core is at this address; the wall's use
    // of it is over. The regions written forbid nothing that is done: no code
    // runs from these memories.
    #[allow(unsafe_code)]
    let mut mpu = unsafe { Mmio::new(0xe000_ed90, WINDOW) };
    for (number, start, power) in REGIONS {
        mpu.write(MPU_RNR, number);
        mpu.write(MPU_RBAR, start);
        mpu.write(MPU_RASR, NOT_CACHED | (power - 1) << 1 | ENABLE);
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
    core.SCB.enable_icache();
    core.SCB.enable_dcache(&mut core.CPUID);
}

/// Descriptors of the Ethernet ring, with their buffers: what SRAM1-3 have left
/// beside storage.rs, 227 KB. Each frame takes one for its time stamp and one for
/// each 512 octets of itself: room for 220 minimum frames (1.5 ms at line rate) or
/// 110 of 1,518 octets (13.5 ms).
const DESCRIPTORS: usize = if cfg!(magpie_speak) { 416 } else { 440 };

/// Frames that may wait to be sent, in a port that speaks.
#[cfg(magpie_speak)]
const TO_SEND: usize = 8;

/// What the DMAs use.
#[repr(C)]
struct Shared {
    ring: DmaRing<DESCRIPTORS>,
    #[cfg(magpie_speak)]
    transmit: TransmitBuffers<TO_SEND>,
    lines: UnsafeCell<MaybeUninit<[[u8; CHUNK]; 2]>>,
}

// SAFETY: only `take` looks inside, and only its first caller.
#[allow(unsafe_code)]
unsafe impl Sync for Shared {}

#[allow(unsafe_code)] // a section of memory.x: SRAM1-3
#[unsafe(link_section = ".dma")]
static SHARED: Shared = Shared {
    ring: DmaRing::new(),
    #[cfg(magpie_speak)]
    transmit: TransmitBuffers::new(),
    lines: UnsafeCell::new(MaybeUninit::uninit()),
};
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The Ethernet controller's.
pub(crate) struct Rings {
    pub(crate) receive: DmaMemory,
    #[cfg(magpie_speak)]
    pub(crate) transmit: DmaTransmit,
}

/// What [`take`] gives.
pub(crate) struct ForDma {
    /// The Ethernet controller's.
    pub(crate) rings: Rings,
    /// The serial line's, one a direction.
    pub(crate) lines: [&'static mut [u8; CHUNK]; 2],
}

/// The memory of the DMAs; `None` the second time. SRAM1-3 must have their
/// clocks, and [`start`] must have been called.
pub(crate) fn take() -> Option<ForDma> {
    if TAKEN.swap(true, Ordering::AcqRel) {
        return None;
    }
    let lines = SHARED.lines.get();
    // SAFETY: this is reached once (TAKEN), so the only reference to the lines is
    // made here, after they were written; `&mut` is what their DMAs are given
    // by. The rings' promise: once; SRAM1-3 are what the Ethernet DMA reaches,
    // and `start` has made them normal memory that is not cached; the
    // controller is not started.
    #[allow(unsafe_code)]
    unsafe {
        lines.write(MaybeUninit::new([[0; CHUNK]; 2]));
        let [sending, receiving] = (*lines).assume_init_mut();
        Some(ForDma {
            rings: Rings {
                receive: DmaMemory::new(&SHARED.ring),
                #[cfg(magpie_speak)]
                transmit: DmaTransmit::new(&SHARED.transmit),
            },
            lines: [sending, receiving],
        })
    }
}
