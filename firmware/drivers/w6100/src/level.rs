//! How full the chip's buffer can have been, and so whether frames were missed.

use crate::segment::WORD;
use crate::{BUFFER, MAX_FRAME};

/// Room without which the longest frame may not have fitted. The word more is
/// for a chip that leaves a gap between its pointers to tell full from empty.
const NEEDED: usize = MAX_FRAME + WORD + WORD;

/// What is known of frames that the chip did not keep, or that were thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Missed {
    /// Frames certainly missed.
    pub certain: u64,
    /// How often frames may have been missed, nobody knows how many. While this
    /// is 0, none was, and `certain` is 0 too.
    pub occasions: u64,
}

/// Follows the level.
#[derive(Debug)]
pub(crate) struct Level {
    /// Octets given back to the chip since it was last asked for its level.
    freed: usize,
    missed: Missed,
}

impl Level {
    pub(crate) const fn new() -> Self {
        Self {
            freed: 0,
            missed: Missed {
                certain: 0,
                occasions: 0,
            },
        }
    }

    /// Octets were given back.
    pub(crate) fn free(&mut self, octets: usize) {
        self.freed = self.freed.saturating_add(octets);
    }

    /// So many wait now. Nothing but `freed` has left since the last look, so the
    /// level was never above the sum.
    pub(crate) fn look(&mut self, waiting: usize) {
        let highest = waiting.saturating_add(core::mem::take(&mut self.freed));
        if highest.saturating_add(NEEDED) > BUFFER {
            self.suspect();
        }
    }

    /// The buffer was emptied, whatever was in it.
    pub(crate) fn emptied(&mut self) {
        self.freed = 0;
        self.suspect();
    }

    /// Octets were thrown away that held at least one frame.
    pub(crate) fn lose(&mut self) {
        self.missed.certain = self.missed.certain.saturating_add(1);
        self.suspect();
    }

    fn suspect(&mut self) {
        self.missed.occasions = self.missed.occasions.saturating_add(1);
    }

    pub(crate) fn missed(&self) -> Missed {
        self.missed
    }
}
