//! A wall below the stack.
//!
//! Boards place the stack at the bottom of RAM, so that an overflow leaves the
//! memory that exists. Whether that faults is the bus's matter: QEMU's
//! lm3s6965evb ignores it and runs on. The memory protection unit faults
//! everywhere.

use magpie_mmio::{Mmio, Registers};

const MPU_CTRL: u32 = 0x04;
const MPU_RNR: u32 = 0x08;
const MPU_RBAR: u32 = 0x0c;
const MPU_RASR: u32 = 0x10;
const WINDOW: u32 = 0x14;

/// 64 KB directly below RAM (which begins at `0x2000_0000` on every Cortex-M).
pub(crate) const WALL: usize = 0x1fff_0000;
/// No access at all, no execution, 2^(15 + 1) octets, on (ARMv7-M, B3.5.9).
const RASR_NO_ACCESS_64_KB: u32 = 1 << 28 | 15 << 1 | 1;
/// On; elsewhere the default map holds.
const CTRL_ON: u32 = 1 << 2 | 1;

/// Makes an overflow of the stack a fault. To be called first of all.
pub fn below_stack() {
    // SAFETY: the MPU of every ARMv7-M core is at this address, and nothing
    // else uses it here. Where a core has none, writes do nothing.
    #[allow(unsafe_code)]
    let mut mpu = unsafe { Mmio::new(0xe000_ed90, WINDOW) };
    mpu.write(MPU_RNR, 0);
    mpu.write(MPU_RBAR, u32::try_from(WALL).unwrap_or(0));
    mpu.write(MPU_RASR, RASR_NO_ACCESS_64_KB);
    mpu.write(MPU_CTRL, CTRL_ON);
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}
