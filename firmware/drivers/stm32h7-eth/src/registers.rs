//! Addresses and bits (RM0433, "Ethernet registers"). `tests/vendor.rs` holds
//! every one of them against ST's own register description.
//!
//! Another place with `unsafe` here: the window onto the registers.

// A register access is one instruction (see magpie-mmio).
#![allow(clippy::inline_always)]

use magpie_mmio::Registers;

/// Where the controller's registers are.
pub(crate) const BASE: usize = 0x4002_8000;
/// How many octets of them there are.
pub(crate) const WINDOW: u32 = 0x1200;

// MAC
pub(crate) const MACCR: u32 = 0x0000;
pub(crate) const MACPFR: u32 = 0x0008;
pub(crate) const MACVTR: u32 = 0x0050;
pub(crate) const MACQTXFCR: u32 = 0x0070;
pub(crate) const MACRXFCR: u32 = 0x0090;
pub(crate) const MACIER: u32 = 0x00b4;
pub(crate) const MAC1USTCR: u32 = 0x00dc;
pub(crate) const MACMDIOAR: u32 = 0x0200;
pub(crate) const MACMDIODR: u32 = 0x0204;
pub(crate) const MMC_CONTROL: u32 = 0x0700;
pub(crate) const MMC_RX_INTERRUPT_MASK: u32 = 0x070c;
pub(crate) const MMC_TX_INTERRUPT_MASK: u32 = 0x0710;
pub(crate) const RX_CRC_ERROR_PACKETS: u32 = 0x0794;
pub(crate) const MACTSCR: u32 = 0x0b00;
pub(crate) const MACSSIR: u32 = 0x0b04;
pub(crate) const MACSTSR: u32 = 0x0b08;
pub(crate) const MACSTNR: u32 = 0x0b0c;
pub(crate) const MACSTSUR: u32 = 0x0b10;
pub(crate) const MACSTNUR: u32 = 0x0b14;
pub(crate) const MACTSAR: u32 = 0x0b18;
// MTL
pub(crate) const MTLTXQOMR: u32 = 0x0d00;
pub(crate) const MTLRXQOMR: u32 = 0x0d30;
pub(crate) const MTLRXQMPOCR: u32 = 0x0d34;
// DMA
pub(crate) const DMAMR: u32 = 0x1000;
pub(crate) const DMASBMR: u32 = 0x1004;
pub(crate) const DMACCR: u32 = 0x1100;
pub(crate) const DMACTXCR: u32 = 0x1104;
pub(crate) const DMACRXCR: u32 = 0x1108;
pub(crate) const DMACTXDLAR: u32 = 0x1114;
pub(crate) const DMACRXDLAR: u32 = 0x111c;
pub(crate) const DMACTXDTPR: u32 = 0x1120;
pub(crate) const DMACRXDTPR: u32 = 0x1128;
pub(crate) const DMACTXRLR: u32 = 0x112c;
pub(crate) const DMACRXRLR: u32 = 0x1130;
pub(crate) const DMACIER: u32 = 0x1134;
pub(crate) const DMACSR: u32 = 0x1160;
pub(crate) const DMACMFCR: u32 = 0x116c;

/// Receiver and transmitter enable.
pub(crate) const MACCR_RE: u32 = 1 << 0;
pub(crate) const MACCR_TE: u32 = 1 << 1;
/// Full duplex; 100 Mbit/s.
pub(crate) const MACCR_DM: u32 = 1 << 13;
pub(crate) const MACCR_FES: u32 = 1 << 14;
/// Jumbo packets: the watchdog cuts at 10,240 octets instead of 2,048.
pub(crate) const MACCR_JE: u32 = 1 << 16;

/// Promiscuous; all control packets, PAUSE too; receive all.
pub(crate) const MACPFR_PR: u32 = 1 << 0;
pub(crate) const MACPFR_PCF_ALL: u32 = 0b10 << 6;
pub(crate) const MACPFR_RA: u32 = 1 << 31;

/// Busy; operation; clock range; register; PHY.
pub(crate) const MDIO_MB: u32 = 1 << 0;
pub(crate) const MDIO_GOC_WRITE: u32 = 0b01 << 2;
pub(crate) const MDIO_GOC_READ: u32 = 0b11 << 2;
pub(crate) const MDIO_CR_SHIFT: u32 = 8;
pub(crate) const MDIO_RDA_SHIFT: u32 = 16;
pub(crate) const MDIO_PA_SHIFT: u32 = 21;

/// All counters to 0; each to 0 when read.
pub(crate) const MMC_CNTRST: u32 = 1 << 0;
pub(crate) const MMC_RSTONRD: u32 = 1 << 2;
/// No interrupt of any counter.
pub(crate) const MMC_RX_MASK_ALL: u32 = 1 << 5 | 1 << 6 | 1 << 17 | 1 << 26 | 1 << 27;
pub(crate) const MMC_TX_MASK_ALL: u32 = 1 << 14 | 1 << 15 | 1 << 21 | 1 << 26 | 1 << 27;

/// Clock on, corrected finely; set it; take the addend; stamp every frame;
/// nanoseconds up to 999,999,999.
pub(crate) const MACTSCR_TSENA: u32 = 1 << 0;
pub(crate) const MACTSCR_TSCFUPDT: u32 = 1 << 1;
pub(crate) const MACTSCR_TSINIT: u32 = 1 << 2;
pub(crate) const MACTSCR_TSADDREG: u32 = 1 << 5;
pub(crate) const MACTSCR_TSENALL: u32 = 1 << 8;
pub(crate) const MACTSCR_TSCTRLSSR: u32 = 1 << 9;
pub(crate) const MACSSIR_SSINC_SHIFT: u32 = 16;

/// Good packets under 64 octets pass; packets with errors pass; TCP packets with
/// a wrong checksum pass.
pub(crate) const MTLRXQOMR_FUP: u32 = 1 << 3;
pub(crate) const MTLRXQOMR_FEP: u32 = 1 << 4;
pub(crate) const MTLRXQOMR_DIS_TCP_EF: u32 = 1 << 6;
/// The size of the queue, kept as it is (the chip's 2 KB).
pub(crate) const MTLRXQOMR_RQS: u32 = 7 << 20;

/// A frame is sent when it is in the queue whole; the queue is on; its size, kept
/// as it is (the chip's 2 KB).
pub(crate) const MTLTXQOMR_TSF: u32 = 1 << 1;
pub(crate) const MTLTXQOMR_TXQEN: u32 = 0b10 << 2;
pub(crate) const MTLTXQOMR_TQS: u32 = 7 << 16;

/// Reset; clears itself.
pub(crate) const DMAMR_SWR: u32 = 1 << 0;
/// Fixed bursts; aligned to addresses.
pub(crate) const DMASBMR_FB: u32 = 1 << 0;
pub(crate) const DMASBMR_AAL: u32 = 1 << 12;

/// Start; size of buffers; beats of a burst.
pub(crate) const DMACRXCR_SR: u32 = 1 << 0;
pub(crate) const DMACRXCR_RBSZ_SHIFT: u32 = 1;
pub(crate) const DMACRXCR_RXPBL_32: u32 = 32 << 16;

/// Start; beats of a burst.
pub(crate) const DMACTXCR_ST: u32 = 1 << 0;
pub(crate) const DMACTXCR_TXPBL_16: u32 = 16 << 16;

/// Received; buffer unavailable; fatal bus error; abnormal, normal summary.
/// The same places in DMACIER and DMACSR.
pub(crate) const DMA_RI: u32 = 1 << 6;
pub(crate) const DMA_RBU: u32 = 1 << 7;
pub(crate) const DMA_FBE: u32 = 1 << 12;
/// DMACIER: AIE, NIE; DMACSR: AIS, NIS.
pub(crate) const DMA_AI: u32 = 1 << 14;
pub(crate) const DMA_NI: u32 = 1 << 15;

/// The controller's registers.
pub struct EthRegisters(());

impl EthRegisters {
    /// The registers at their place on the STM32H7.
    ///
    /// # Safety
    ///
    /// The chip is an STM32H742, H743, H750 or H753 with the clocks of its
    /// Ethernet controller on. Nothing else uses the controller from now on.
    #[must_use]
    #[allow(unsafe_code)] // one promise here makes every access below sound
    pub const unsafe fn take() -> Self {
        Self(())
    }

    #[inline(always)]
    fn at(offset: u32) -> Option<usize> {
        let inside = offset.is_multiple_of(4) && offset < WINDOW;
        inside.then(|| BASE.wrapping_add(offset as usize))
    }
}

impl Registers for EthRegisters {
    #[inline(always)]
    fn read(&self, offset: u32) -> u32 {
        let Some(address) = Self::at(offset) else {
            return 0;
        };
        // SAFETY: `take` was promised that the controller is there, its clock
        // on; `at` has checked that this is an aligned word of its window.
        // Volatile: reading has effects (counters).
        #[allow(unsafe_code)]
        unsafe {
            core::ptr::with_exposed_provenance::<u32>(address).read_volatile()
        }
    }

    #[inline(always)]
    fn write(&mut self, offset: u32, value: u32) {
        let Some(address) = Self::at(offset) else {
            return;
        };
        // SAFETY: as in `read`. Writing starts the DMA; it is given only the
        // addresses of a `DmaRing` and of `TransmitBuffers`, whose descriptors
        // hold only addresses of their own buffers, and that memory is made for
        // being used by it.
        #[allow(unsafe_code)]
        unsafe {
            core::ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(value);
        }
    }
}
