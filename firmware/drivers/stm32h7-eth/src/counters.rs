//! Frames that the controller lost before the ring, from its narrow counters.
//!
//! | counter | width | what RM0433 says that it counts |
//! |---|---|---|
//! | MTLRXQMPOCR.OVFPKTCNT | 11, OVFCNTOVF | packets that overflowed the receive queue |
//! | MTLRXQMPOCR.MISPKTCNT | 11, MISCNTOVF | packets of the queue flushed for the DMA |
//! | DMACMFCR.MFC | 11, MFCO | packets dropped by the DMA: bus error, flush |
//! | MMC RX CRC error packets | 32 | packets with a wrong CRC |
//!
//! All are cleared by reading (the last one by `MMC_CONTROL.RSTONRD`). 2,047
//! minimum frames are 13.8 ms at 100 Mbit/s: read every 5 ms, they do not run
//! over; when one did, its overflow bit says so and the sum is a lower bound.
//!
//! Where two witnesses may have seen the same frame (a frame cut by an overrun
//! reaches the ring *and* may be in OVFPKTCNT) neither the sum nor one of them
//! is the truth: the larger is the lower bound, and is said to be one.

use crate::ring::Booked;

/// Frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// How many.
    pub frames: u64,
    /// There may be more.
    pub at_least: bool,
}

/// Frames lost before the ring could take them, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Missed {
    /// No room in the FIFO, frames that an overrun cut included.
    pub fifo: Count,
    /// Flushed, dropped by the DMA, or cut in between.
    pub dma: Count,
    /// The MAC saw more frames with a wrong FCS than came through the ring:
    /// fragments under 64 octets end in the FIFO, uncounted. So the ring's
    /// number is a lower bound.
    pub fcs_at_least: bool,
}

/// Low and high field of a counter register, with their overflow bits.
#[derive(Debug, Clone, Copy)]
struct Field {
    shift: u32,
    overflow: u32,
}

const FULL: u32 = 0x7ff;
const MTL_OVERFLOW: Field = Field {
    shift: 0,
    overflow: 11,
};
const MTL_MISSED: Field = Field {
    shift: 16,
    overflow: 27,
};
const DMA_MISSED: Field = Field {
    shift: 0,
    overflow: 15,
};

impl Count {
    /// Adds what a register read; a full counter may have lost some even if its
    /// overflow bit does not say so.
    fn add(&mut self, register: u32, field: Field) {
        let frames = (register >> field.shift) & FULL;
        let over = register & (1 << field.overflow) != 0;
        // The counter began again at 0 when it ran over.
        let rounds = if over { u64::from(FULL) } else { 0 };
        self.frames = self
            .frames
            .saturating_add(u64::from(frames).saturating_add(rounds));
        self.at_least |= over || frames == FULL;
    }

    /// Two counts of what may be the same frames.
    fn or(self, other: Self) -> Self {
        Self {
            frames: self.frames.max(other.frames),
            at_least: self.at_least || other.at_least || (self.frames > 0 && other.frames > 0),
        }
    }

    /// A count that is known.
    fn exact(frames: u64) -> Self {
        Self {
            frames,
            at_least: false,
        }
    }
}

/// The sums.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    overflowed: Count,
    flushed: Count,
    dropped: Count,
    fcs_seen: u64,
}

impl Counters {
    /// Adds one reading of MTLRXQMPOCR, DMACMFCR and the MMC's CRC counter.
    pub(crate) fn add(&mut self, mtl: u32, dma: u32, fcs: u32) {
        self.overflowed.add(mtl, MTL_OVERFLOW);
        self.flushed.add(mtl, MTL_MISSED);
        self.dropped.add(dma, DMA_MISSED);
        self.fcs_seen = self.fcs_seen.saturating_add(u64::from(fcs));
    }

    /// What it comes to, with what the ring has booked. Up to `under_way`
    /// frames are counted by the MAC and not yet booked.
    pub(crate) fn missed(&self, booked: Booked, under_way: u64) -> Missed {
        // An overrun's or a watchdog's frame has a wrong FCS as well.
        let explained = [booked.fcs, booked.overrun, booked.oversize, booked.split]
            .iter()
            .fold(under_way, |sum, n| sum.saturating_add(*n));
        Missed {
            fifo: self.overflowed.or(Count::exact(booked.overrun)),
            dma: self.dropped.or(self.flushed).or(Count::exact(booked.split)),
            fcs_at_least: self.fcs_seen > explained,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(readings: &[(u32, u32, u32)], booked: Booked) -> Missed {
        let mut counters = Counters::default();
        for (mtl, dma, fcs) in readings {
            counters.add(*mtl, *dma, *fcs);
        }
        counters.missed(booked, 10)
    }

    fn count(frames: u64, at_least: bool) -> Count {
        Count { frames, at_least }
    }

    #[test]
    fn readings_add_up() {
        let m = missed(&[(5, 0, 0), (7, 0, 0), (0, 0, 0)], Booked::default());
        assert_eq!(m.fifo, count(12, false));
        assert_eq!(m.dma, count(0, false));
        assert!(!m.fcs_at_least);
        let m = missed(&[(0, 2, 0), (0, 3, 0)], Booked::default());
        assert_eq!(m.dma, count(5, false));
        let m = missed(&[(3 << 16, 0, 0)], Booked::default());
        assert_eq!(m.dma, count(3, false));
        assert_eq!(m.fifo, count(0, false));
    }

    #[test]
    fn a_full_counter_is_a_lower_bound() {
        for mtl in [0x7ff, 1 << 11, 1 << 11 | 9] {
            let m = missed(&[(mtl, 0, 0), (1, 0, 0)], Booked::default());
            assert!(m.fifo.at_least, "{mtl:x}");
            assert!(m.fifo.frames >= 2048, "{mtl:x}");
            assert_eq!(m.dma, count(0, false));
        }
        assert!(missed(&[(1 << 27, 0, 0)], Booked::default()).dma.at_least);
        let m = missed(&[(0, 1 << 15 | 1, 0)], Booked::default());
        assert_eq!(m.dma, count(2048, true));
    }

    #[test]
    fn two_witnesses_of_one_loss_are_a_lower_bound() {
        let booked = Booked {
            overrun: 2,
            ..Booked::default()
        };
        assert_eq!(missed(&[(5, 0, 0)], booked).fifo, count(5, true));
        assert_eq!(missed(&[], booked).fifo, count(2, false));
        let booked = Booked {
            split: 4,
            ..Booked::default()
        };
        assert_eq!(missed(&[(0, 3, 0)], booked).dma, count(4, true));
    }

    #[test]
    fn fragments_that_the_fifo_ate_show() {
        let booked = Booked {
            fcs: 5,
            overrun: 1,
            ..Booked::default()
        };
        assert!(!missed(&[(0, 0, 16)], booked).fcs_at_least, "under way");
        assert!(missed(&[(0, 0, 17)], booked).fcs_at_least);
    }
}
