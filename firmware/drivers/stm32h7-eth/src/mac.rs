//! Setting up MAC, queue and DMA, and talking to the PHY's registers.
//!
//! Every register that decides what is received or sent is written whole, so
//! that what a boot loader left there does not matter.

use magpie_mmio::Registers;

use crate::registers::{
    DMA_AI, DMA_FBE, DMA_NI, DMA_RI, DMACCR, DMACIER, DMACRXCR, DMACRXCR_RBSZ_SHIFT,
    DMACRXCR_RXPBL_32, DMACRXCR_SR, DMACRXDLAR, DMACRXDTPR, DMACRXRLR, DMACTXCR, DMACTXCR_ST,
    DMACTXCR_TXPBL_16, DMACTXDLAR, DMACTXRLR, DMAMR, DMAMR_SWR, DMASBMR, DMASBMR_AAL, DMASBMR_FB,
    MAC1USTCR, MACCR, MACCR_DM, MACCR_FES, MACCR_JE, MACCR_RE, MACCR_TE, MACIER, MACMDIOAR,
    MACMDIODR, MACPFR, MACPFR_PCF_ALL, MACPFR_PR, MACPFR_RA, MACQTXFCR, MACRXFCR, MACSSIR,
    MACSSIR_SSINC_SHIFT, MACSTNR, MACSTNUR, MACSTSR, MACSTSUR, MACTSAR, MACTSCR, MACTSCR_TSADDREG,
    MACTSCR_TSCFUPDT, MACTSCR_TSCTRLSSR, MACTSCR_TSENA, MACTSCR_TSENALL, MACTSCR_TSINIT, MACVTR,
    MDIO_CR_SHIFT, MDIO_GOC_READ, MDIO_GOC_WRITE, MDIO_MB, MDIO_PA_SHIFT, MDIO_RDA_SHIFT,
    MMC_CNTRST, MMC_CONTROL, MMC_RSTONRD, MMC_RX_INTERRUPT_MASK, MMC_RX_MASK_ALL,
    MMC_TX_INTERRUPT_MASK, MMC_TX_MASK_ALL, MTLRXQOMR, MTLRXQOMR_DIS_TCP_EF, MTLRXQOMR_FEP,
    MTLRXQOMR_FUP, MTLRXQOMR_RQS, MTLTXQOMR, MTLTXQOMR_TQS, MTLTXQOMR_TSF, MTLTXQOMR_TXQEN,
};
use crate::ring::Stamp;

/// How often a bit that the controller clears by itself is looked at before it
/// is given up: more than 10 ms, where the longest wait is some 30 us (MDIO).
const PATIENCE: u32 = 1_000_000;

/// Nanoseconds that the time stamp clock gains a step: 50 MHz.
const STEP_NS: u32 = 20;
const STEP_HZ: u64 = 50_000_000;

/// What the MAC is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// The bus clock of the controller (HCLK), in Hz: 60 to 300 MHz with time
    /// stamps, from 20 MHz on without.
    pub hclk_hz: u32,
    /// The PHY's address on the management bus.
    pub phy: u8,
    /// Whether the hardware stamps every frame, in a descriptor of its own.
    pub stamps: bool,
}

/// Why the controller cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartError {
    /// Its reset does not end: the PHY gives no reference clock.
    ResetStuck,
    /// The management bus does not finish.
    MdioStuck,
    /// No PHY answers at this address.
    NoPhy(u8),
    /// The PHY's reset does not end.
    PhyStuck,
    /// The time stamp clock does not start.
    ClockStuck,
    /// The bus clock is outside the range of the controller, in Hz.
    BusClock(u32),
}

/// MAC, queue and DMA.
pub(crate) struct Mac<R> {
    pub(crate) registers: R,
    setup: Setup,
    mdio_range: u32,
}

impl<R: Registers> Mac<R> {
    pub(crate) fn new(registers: R, setup: Setup) -> Self {
        Self {
            registers,
            setup,
            mdio_range: 0,
        }
    }

    /// Resets the controller; nothing is received yet.
    pub(crate) fn reset(&mut self) -> Result<(), StartError> {
        self.mdio_range =
            mdio_range(self.setup.hclk_hz).ok_or(StartError::BusClock(self.setup.hclk_hz))?;
        self.registers.write(DMAMR, DMAMR_SWR);
        self.wait(DMAMR, DMAMR_SWR, StartError::ResetStuck)
    }

    /// Sets everything up and turns the receiver on. `ring` is the address of
    /// the descriptors, of which there are `descriptors`, each with a buffer of
    /// `buffer_octets`.
    pub(crate) fn start(
        &mut self,
        ring: u32,
        descriptors: usize,
        buffer_octets: usize,
    ) -> Result<(), StartError> {
        self.start_mac();
        if self.setup.stamps {
            self.start_clock()?;
        }
        self.start_dma(ring, descriptors, buffer_octets);
        self.registers.modify(MACCR, |v| v | MACCR_RE);
        Ok(())
    }

    /// Turns the transmitter on, after [`Self::start`]: the only place that does.
    /// `ring` is the address of its descriptors.
    pub(crate) fn start_transmitter(&mut self, ring: u32, descriptors: usize) {
        let r = &mut self.registers;
        let count = u32::try_from(descriptors).unwrap_or(0);
        // TSF: a frame never runs dry on its way out. PAUSE stays off.
        r.write(MTLTXQOMR, MTLTXQOMR_TQS | MTLTXQOMR_TXQEN | MTLTXQOMR_TSF);
        r.write(DMACTXDLAR, ring);
        r.write(DMACTXRLR, count.saturating_sub(1));
        // OSF = 0: one frame after the other, which leaves the bus to what is
        // received.
        r.write(DMACTXCR, DMACTXCR_TXPBL_16);
        r.write(DMACTXCR, DMACTXCR_TXPBL_16 | DMACTXCR_ST);
        r.modify(MACCR, |v| v | MACCR_TE);
    }

    fn start_mac(&mut self) {
        let r = &mut self.registers;
        r.write(
            MAC1USTCR,
            (self.setup.hclk_hz / 1_000_000).saturating_sub(1),
        );
        // TE = 0: silent. ACS = 0 and CST = 0: the FCS is never stripped, so
        // that the length has one meaning for every kind of frame (with CST it
        // would be 4 more for 802.3 than for Ethernet II) and padding stays.
        // IPC = 0: no checksum engine. WD = 0, JE = 1: up to 10,240 octets.
        r.write(MACCR, MACCR_FES | MACCR_DM | MACCR_JE);
        r.write(MACPFR, MACPFR_RA | MACPFR_PR | MACPFR_PCF_ALL);
        // No tag is stripped or filtered by.
        r.write(MACVTR, 0);
        // PAUSE is neither sent (TFE = 0) nor obeyed (RFE = 0).
        r.write(MACQTXFCR, 0);
        r.write(MACRXFCR, 0);
        r.write(MACIER, 0);
        r.write(MMC_RX_INTERRUPT_MASK, MMC_RX_MASK_ALL);
        r.write(MMC_TX_INTERRUPT_MASK, MMC_TX_MASK_ALL);
        r.write(MMC_CONTROL, MMC_CNTRST | MMC_RSTONRD);
        // RSF = 0, RTC = 64 octets: a frame goes to memory while it comes, since
        // whole ones over 2 KB would not fit the queue. FEP, FUP: nothing that
        // is damaged or short is dropped unseen. EHFC = 0: no PAUSE.
        r.write(
            MTLRXQOMR,
            MTLRXQOMR_RQS | MTLRXQOMR_DIS_TCP_EF | MTLRXQOMR_FEP | MTLRXQOMR_FUP,
        );
    }

    fn start_dma(&mut self, ring: u32, descriptors: usize, buffer_octets: usize) {
        let r = &mut self.registers;
        let count = u32::try_from(descriptors).unwrap_or(0);
        let octets = u32::try_from(buffer_octets).unwrap_or(0);
        r.write(DMASBMR, DMASBMR_AAL | DMASBMR_FB);
        // DSL = 0: descriptors lie behind one another. PBLX8 = 0.
        r.write(DMACCR, 0);
        r.write(DMACRXDLAR, ring);
        r.write(DMACRXRLR, count.saturating_sub(1));
        // RPF = 0: frames wait in the queue while there is no descriptor.
        let control = DMACRXCR_RXPBL_32 | octets << DMACRXCR_RBSZ_SHIFT;
        r.write(DMACRXCR, control);
        r.write(DMACIER, DMA_NI | DMA_RI | DMA_AI | DMA_FBE);
        r.write(DMACRXCR, control | DMACRXCR_SR);
        r.write(DMACRXDTPR, behind(ring, descriptors));
    }

    /// The clock whose time the stamps are: the bus clock, finely divided to
    /// 50 MHz (MACTSAR: 2^32 times their ratio), from 0.
    fn start_clock(&mut self) -> Result<(), StartError> {
        let hclk = u64::from(self.setup.hclk_hz);
        let addend = (STEP_HZ << 32)
            .checked_div(hclk)
            .and_then(|a| u32::try_from(a).ok())
            .ok_or(StartError::BusClock(self.setup.hclk_hz))?;
        let on = MACTSCR_TSENA | MACTSCR_TSCFUPDT | MACTSCR_TSCTRLSSR | MACTSCR_TSENALL;
        self.registers.write(MACTSCR, on);
        self.registers
            .write(MACSSIR, STEP_NS << MACSSIR_SSINC_SHIFT);
        self.registers.write(MACTSAR, addend);
        self.registers.write(MACTSCR, on | MACTSCR_TSADDREG);
        self.wait(MACTSCR, MACTSCR_TSADDREG, StartError::ClockStuck)?;
        self.registers.write(MACSTSUR, 0);
        self.registers.write(MACSTNUR, 0);
        self.registers.write(MACTSCR, on | MACTSCR_TSINIT);
        self.wait(MACTSCR, MACTSCR_TSINIT, StartError::ClockStuck)
    }

    /// The time of the stamps now.
    pub(crate) fn time(&self) -> Stamp {
        let before = self.registers.read(MACSTSR);
        let nanoseconds = self.registers.read(MACSTNR);
        let seconds = self.registers.read(MACSTSR);
        // The second turned between the two: the nanoseconds belong to either;
        // the turn itself is near enough.
        Stamp {
            seconds,
            nanoseconds: if before == seconds { nanoseconds } else { 0 },
        }
    }

    /// Sets the speed that the PHY has agreed on.
    pub(crate) fn set_speed(&mut self, hundred: bool, full_duplex: bool) {
        self.registers.modify(MACCR, |v| {
            let v = if hundred {
                v | MACCR_FES
            } else {
                v & !MACCR_FES
            };
            if full_duplex {
                v | MACCR_DM
            } else {
                v & !MACCR_DM
            }
        });
    }

    /// Reads a register of the PHY (clause 22); waits about 30 us.
    pub(crate) fn phy_read(&mut self, register: u32) -> Result<u16, StartError> {
        self.mdio(register, MDIO_GOC_READ)?;
        let [low, high, ..] = self.registers.read(MACMDIODR).to_le_bytes();
        Ok(u16::from_le_bytes([low, high]))
    }

    /// Writes one; waits about 30 us.
    pub(crate) fn phy_write(&mut self, register: u32, value: u16) -> Result<(), StartError> {
        self.registers.write(MACMDIODR, u32::from(value));
        self.mdio(register, MDIO_GOC_WRITE)
    }

    fn mdio(&mut self, register: u32, operation: u32) -> Result<(), StartError> {
        self.wait(MACMDIOAR, MDIO_MB, StartError::MdioStuck)?;
        let address = u32::from(self.setup.phy & 0x1f) << MDIO_PA_SHIFT
            | (register & 0x1f) << MDIO_RDA_SHIFT
            | self.mdio_range << MDIO_CR_SHIFT;
        self.registers
            .write(MACMDIOAR, address | operation | MDIO_MB);
        self.wait(MACMDIOAR, MDIO_MB, StartError::MdioStuck)
    }

    fn wait(&self, offset: u32, bit: u32, error: StartError) -> Result<(), StartError> {
        for _ in 0..PATIENCE {
            if self.registers.read(offset) & bit == 0 {
                return Ok(());
            }
        }
        Err(error)
    }

    /// Its PHY's address.
    pub(crate) fn phy_address(&self) -> u8 {
        self.setup.phy
    }
}

/// Where the ring ends. As a tail pointer it is no descriptor's address, so the
/// DMA never stops short of it, and OWN alone says how far it may go; writing
/// it wakes the DMA after it found none.
pub(crate) fn behind(ring: u32, descriptors: usize) -> u32 {
    const DESCRIPTOR_OCTETS: u32 = 16;
    let count = u32::try_from(descriptors).unwrap_or(0);
    ring.wrapping_add(count.wrapping_mul(DESCRIPTOR_OCTETS))
}

/// MACMDIOAR.CR: what the management clock is divided by, to stay under
/// 2.5 MHz.
fn mdio_range(hclk_hz: u32) -> Option<u32> {
    Some(match hclk_hz / 1_000_000 {
        20..35 => 0b0010,
        35..60 => 0b0011,
        60..100 => 0b0000,
        100..150 => 0b0001,
        150..250 => 0b0100,
        250..=300 => 0b0101,
        _ => return None,
    })
}
