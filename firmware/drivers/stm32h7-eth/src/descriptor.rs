//! What the words of a receive descriptor say (RM0433, "Receive descriptor").

/// RDES3, both formats: the descriptor is the DMA's.
const OWN: u32 = 1 << 31;
/// RDES3, read format: interrupt when it is done (IOC).
const INTERRUPT: u32 = 1 << 30;
/// RDES3, read format: buffer 1 is valid (BUF1V).
const BUFFER_1: u32 = 1 << 24;

/// RDES3, write-back format: a context descriptor, no part of a frame.
const CTXT: u32 = 1 << 30;
/// First and last descriptor of a frame.
const FD: u32 = 1 << 29;
const LD: u32 = 1 << 28;
/// RDES1 is valid.
const RS1V: u32 = 1 << 26;
/// CRC error.
const CE: u32 = 1 << 24;
/// Longer than 9,018 octets: a remark, the frame is all there.
const GP: u32 = 1 << 23;
/// Cut off by the receive watchdog.
const RWT: u32 = 1 << 22;
/// The FIFO ran over while the frame was moved: a part is missing.
const OE: u32 = 1 << 21;
/// The PHY signalled an error.
const RE: u32 = 1 << 20;
/// Not a whole number of octets. With a right CRC only a remark (IEEE 802.3,
/// 4.2.4.2.1: the odd bits are dropped).
const DE: u32 = 1 << 19;
/// Error summary: any of CE, DE, RE, RWT, OE, GP.
const ES: u32 = 1 << 15;
/// Octets of the frame, FCS included since nothing is stripped.
const PL: u32 = 0x7fff;

/// RDES1: a time stamp follows in a context descriptor.
const TSA: u32 = 1 << 14;
/// RDES1: the time stamp was dropped.
const TD: u32 = 1 << 15;

/// RDES3 that gives a descriptor to the DMA.
pub(crate) const GIVE: u32 = OWN | INTERRUPT | BUFFER_1;

/// RDES3 as the DMA left it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status(pub(crate) u32);

/// What the last descriptor says of its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Fcs,
    Damaged,
    Overrun,
    Watchdog,
}

impl Status {
    pub(crate) fn is_the_dmas(self) -> bool {
        self.0 & OWN != 0
    }

    pub(crate) fn is_context(self) -> bool {
        self.0 & CTXT != 0
    }

    pub(crate) fn is_first(self) -> bool {
        self.0 & FD != 0
    }

    pub(crate) fn is_last(self) -> bool {
        self.0 & LD != 0
    }

    /// Octets with FCS; only in a last descriptor, and not with an overrun.
    pub(crate) fn octets(self) -> usize {
        usize::try_from(self.0 & PL).unwrap_or(0)
    }

    /// Of several errors the one that explains the others: a frame whose part
    /// is missing also has a wrong FCS.
    pub(crate) fn verdict(self) -> Verdict {
        if self.0 & OE != 0 {
            Verdict::Overrun
        } else if self.0 & RWT != 0 {
            Verdict::Watchdog
        } else if self.0 & CE != 0 {
            Verdict::Fcs
        } else if self.0 & RE != 0 || self.0 & (ES | DE | GP) == ES {
            Verdict::Damaged // the latter: an error without a name
        } else {
            Verdict::Good
        }
    }

    /// Whether a context descriptor with the time stamp comes behind it.
    pub(crate) fn is_stamped(self, rdes1: u32) -> bool {
        self.0 & RS1V != 0 && rdes1 & (TSA | TD) == TSA
    }
}
