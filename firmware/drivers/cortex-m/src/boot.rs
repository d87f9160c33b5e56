//! Boot parameters, and the counter the outside watches.
//!
//! Two ELF symbols are the whole interface to a feeder (QEMU, a debugger):
//!
//! | symbol | octets | written by | meaning |
//! |---|---|---|---|
//! | `MAGPIE_BOOT` | 56 | outside, before reset is released | [`Parameters`] |
//! | `MAGPIE_RECEIVED` | 4 | image | frames read out of the NIC since boot, modulo 2^32 |
//!
//! | octet of `MAGPIE_BOOT` | field |
//! |---|---|
//! | 0-31 | seed |
//! | 32-35 | flags, little endian; bit 0 = [`STAMPED`], bit 1 = [`RUNNING`] |
//! | 36-51 | network settings (see `magpie_node::speak::Settings`); 0 in an image that is silent |
//! | 52-55 | by how much the clock is to run fast, parts per million, signed, little endian |

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Flag: frames carry a time stamp (see `magpie_node::clock`).
pub const STAMPED: u32 = 1;
/// Flag, beside [`STAMPED`]: between frames the clock goes on from the last
/// stamp. For a live wire; with a capture it stands still.
pub const RUNNING: u32 = 2;

const OCTETS: usize = 56;

/// What the outside tells an image before its first instruction.
pub struct Parameters {
    /// Entropy; all zero when nobody gave any.
    pub seed: [u8; 32],
    /// See [`STAMPED`], [`RUNNING`]; unknown bits are ignored.
    pub flags: u32,
    /// Network settings, for an image that speaks.
    pub network: [u8; 16],
    /// By how much the clock is to run fast (slow where negative), in parts per
    /// million: an emulated crystal is as good as the host's, a real one is not.
    pub clock_ppm: i32,
}

impl Drop for Parameters {
    fn drop(&mut self) {
        for octet in &mut self.seed {
            // SAFETY: a reference is valid for writing. Volatile, so that the
            // wiping of a value nobody reads again is not optimised away.
            #[allow(unsafe_code)]
            unsafe {
                core::ptr::from_mut(octet).write_volatile(0);
            }
        }
    }
}

/// Memory outside every section, so that start-up leaves it alone and a loader
/// may fill it: the board's `memory.x` keeps 64 octets for it and gives the
/// symbol.
#[repr(C, align(4))]
struct Block {
    parameters: UnsafeCell<MaybeUninit<[u8; OCTETS]>>,
    /// A word that says it is valid, and how many resets there were since power
    /// came: a loader writes the same seed before every one of them, and each
    /// boot must have its own.
    resets: UnsafeCell<MaybeUninit<[u32; 2]>>,
}

// SAFETY: only `take` looks inside, and only its first caller (TAKEN).
#[allow(unsafe_code)]
unsafe impl Sync for Block {}

#[allow(unsafe_code)] // SAFETY: every memory.x gives the symbol 64 octets of RAM
unsafe extern "C" {
    safe static MAGPIE_BOOT: Block;
}

/// Frames read out of the NIC since boot, modulo 2^32; the node counts them.
#[allow(unsafe_code)] // the name is the interface to the outside, see above
#[unsafe(no_mangle)]
pub static MAGPIE_RECEIVED: AtomicU32 = AtomicU32::new(0);

const RESETS_VALID: u32 = 0x4d61_6770;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Reads the parameters and wipes them from memory, so that the seed is
/// nowhere but with the caller. `None` the second time.
#[must_use]
pub fn take() -> Option<Parameters> {
    if TAKEN.swap(true, Ordering::AcqRel) {
        return None;
    }
    let block = MAGPIE_BOOT.parameters.get().cast::<u8>();
    let mut octets = [0_u8; OCTETS];
    for (i, octet) in octets.iter_mut().enumerate() {
        // SAFETY: `i` is below OCTETS, so the pointer stays in the static;
        // nobody else looks at it (TAKEN). The read is volatile: the compiler
        // must take what the loader or the RAM's power-up state put there and
        // may assume nothing about it. The write wipes it, volatile so that
        // it is not optimised away.
        #[allow(unsafe_code)]
        unsafe {
            let at = block.add(i);
            *octet = at.read_volatile();
            at.write_volatile(0);
        }
    }
    let mut seed: [u8; 32] = field(&octets, 0);
    let resets = count_reset();
    // A zero seed stays zero: that nobody gave entropy must show.
    if seed != [0; 32] {
        for (octet, count) in seed.iter_mut().zip(resets.to_le_bytes()) {
            *octet ^= count;
        }
    }
    Some(Parameters {
        seed,
        flags: u32::from_le_bytes(field(&octets, 32)),
        network: field(&octets, 36),
        clock_ppm: i32::from_le_bytes(field(&octets, 52)),
    })
}

/// The octets of a field.
fn field<const N: usize>(octets: &[u8; OCTETS], at: usize) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(octets.iter().skip(at)) {
        *to = *from;
    }
    out
}

/// Resets since power came, this boot's not counted.
fn count_reset() -> u32 {
    let words = MAGPIE_BOOT.resets.get().cast::<u32>();
    // SAFETY: both words lie in the static, and only the one call of `take`
    // comes here. Volatile, since the content is from before this program.
    #[allow(unsafe_code)]
    unsafe {
        let resets = if words.read_volatile() == RESETS_VALID {
            words.add(1).read_volatile().wrapping_add(1)
        } else {
            0
        };
        words.write_volatile(RESETS_VALID);
        words.add(1).write_volatile(resets);
        resets
    }
}
