//! Registers and bits, by their names in the data sheet (chapter 5).

use crate::ReceiveError;

/// Received octets, 32 bits at a time.
pub(crate) const RX_DATA_FIFO: u32 = 0x00;
/// Frames to be sent: two command words, then octets, 32 bits at a time.
pub(crate) const TX_DATA_FIFO: u32 = 0x20;
/// One word a frame, see [`RxStatus`]; reading takes it.
pub(crate) const RX_STATUS_FIFO: u32 = 0x40;
/// One word a frame sent; reading takes it.
pub(crate) const TX_STATUS_FIFO: u32 = 0x48;
pub(crate) const IRQ_CFG: u32 = 0x54;
pub(crate) const INT_STS: u32 = 0x58;
pub(crate) const INT_EN: u32 = 0x5c;
pub(crate) const BYTE_TEST: u32 = 0x64;
pub(crate) const FIFO_INT: u32 = 0x68;
pub(crate) const RX_CFG: u32 = 0x6c;
pub(crate) const TX_CFG: u32 = 0x70;
pub(crate) const HW_CFG: u32 = 0x74;
/// Octets of data (15:0) and status words (23:16) that wait.
pub(crate) const RX_FIFO_INF: u32 = 0x7c;
/// Octets free for frames (15:0), status words that wait (23:16).
pub(crate) const TX_FIFO_INF: u32 = 0x80;
pub(crate) const MAC_CSR_CMD: u32 = 0xa4;
pub(crate) const MAC_CSR_DATA: u32 = 0xa8;

/// What `BYTE_TEST` reads.
pub(crate) const BYTE_TEST_VALUE: u32 = 0x8765_4321;

/// Soft reset; clears itself.
pub(crate) const HW_CFG_SRST: u32 = 1;
/// Must-be-one bit 20, and 5 KB of the 16 KB FIFO memory for transmission: the
/// least that leaves the most for reception that QEMU knows (2,640 words).
pub(crate) const HW_CFG_TX_FIFO_5_MF: u32 = 0x0005_0000;

/// `IRQ_EN`, `IRQ_POL` = high, `IRQ_TYPE` = push-pull. Without the last two the
/// line is active low, which an NVIC takes for an endless interrupt.
pub(crate) const IRQ_CFG_PUSH_PULL_HIGH: u32 = 0x0000_0111;

/// RX status FIFO level reached.
pub(crate) const INT_RSFL: u32 = 1 << 3;
/// TX data available level 0x48 (unused), RX status level 0: interrupt as
/// soon as one status word waits.
pub(crate) const FIFO_INT_AT_ONCE: u32 = 0x4800_0000;

/// Empties both receive FIFOs; clears itself.
pub(crate) const RX_CFG_RX_DUMP: u32 = 1 << 15;

/// Transmitter's FIFO side on (`TX_ON`); status words may be overrun (`TXSAO`),
/// so that nobody has to read them.
pub(crate) const TX_CFG_TX_ON: u32 = 0x6;

/// Command word A: this buffer is a whole frame (first and last segment), and
/// so many octets (10:0).
pub(crate) const TX_CMD_A_WHOLE: u32 = 1 << 13 | 1 << 12;

/// Busy with the last access.
pub(crate) const MAC_CSR_BUSY: u32 = 1 << 31;
/// Index of the MAC control register.
pub(crate) const MAC_CR: u32 = 1;
/// Station address: octets 4 and 5.
pub(crate) const ADDRH: u32 = 2;
/// Station address: octets 0 to 3.
pub(crate) const ADDRL: u32 = 3;
/// Access to a register of the PHY: its address (15:11), the register (10:6),
/// busy with it (0).
pub(crate) const MII_ACC: u32 = 6;
pub(crate) const MII_ACC_BUSY: u32 = 1;
/// What was read there.
pub(crate) const MII_DATA: u32 = 7;
/// The chip's own PHY.
pub(crate) const MII_ACC_PHY: u32 = 1 << 11;
/// Where the number of its register is.
pub(crate) const MII_ACC_REGISTER_SHIFT: u32 = 6;
/// Access is a reading one.
pub(crate) const MAC_CSR_READ: u32 = 1 << 30;
/// Full duplex: a mirror never collides.
pub(crate) const MAC_CR_FDPX: u32 = 1 << 20;
/// Promiscuous.
pub(crate) const MAC_CR_PRMS: u32 = 1 << 18;
/// Transmitter enable.
pub(crate) const MAC_CR_TXEN: u32 = 1 << 3;
/// Receiver enable.
pub(crate) const MAC_CR_RXEN: u32 = 1 << 2;

/// A word of the RX status FIFO (data sheet 3.13.3).
#[derive(Debug, Clone, Copy)]
pub(crate) struct RxStatus(pub(crate) u32);

impl RxStatus {
    const CRC_ERROR: u32 = 1 << 1;
    const MII_ERROR: u32 = 1 << 3;
    const WATCHDOG: u32 = 1 << 4;
    const COLLISION: u32 = 1 << 6;
    const RUNT: u32 = 1 << 11;

    /// Octets in the data FIFO, FCS included.
    pub(crate) fn octets(self) -> usize {
        usize::try_from((self.0 >> 16) & 0x3fff).unwrap_or(0)
    }

    /// Why the frame is of no use. "Frame too long" (bit 7) and "length error"
    /// (bit 12) are remarks about a frame that is all there.
    pub(crate) fn error(self) -> Option<ReceiveError> {
        if self.0 & Self::WATCHDOG != 0 {
            Some(ReceiveError::Watchdog)
        } else if self.0 & Self::CRC_ERROR != 0 {
            Some(ReceiveError::Fcs)
        } else if self.0 & (Self::MII_ERROR | Self::COLLISION | Self::RUNT) != 0 {
            Some(ReceiveError::Damaged)
        } else {
            None
        }
    }
}

/// The PHY's registers (IEEE 802.3, clause 22): what the cable is at, what is
/// offered to its other end, and what that offers.
pub(crate) mod phy {
    pub(crate) const BMSR: u32 = 1;
    pub(crate) const ANAR: u32 = 4;
    pub(crate) const ANLPAR: u32 = 5;
    /// Link; negotiation ended.
    pub(crate) const BMSR_LINK: u32 = 1 << 2;
    pub(crate) const BMSR_AGREED: u32 = 1 << 5;
    /// What both may offer, by falling preference (802.3, 28B.3): 100BASE-TX and
    /// 10BASE-T, each at full and at half duplex.
    pub(crate) const HUNDRED_FULL: u32 = 1 << 8;
    pub(crate) const HUNDRED_HALF: u32 = 1 << 7;
    pub(crate) const TEN_FULL: u32 = 1 << 6;
    pub(crate) const TEN_HALF: u32 = 1 << 5;
}
