//! Patience.

use std::time::{Duration, Instant};

/// It is waited for so long at most, whatever comes: more than the largest memory for packets
/// takes over a slow line.
pub(crate) const LONGEST: Duration = Duration::from_mins(5);

/// Something that is waited for while it comes nearer, and not for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    patience: Duration,
    until: Instant,
    /// Whatever comes.
    at_last: Instant,
    /// How much had come when that was last more.
    come: u64,
}

impl Waiting {
    pub(crate) fn new(now: Instant, patience: Duration, come: u64) -> Self {
        Self {
            patience,
            until: now + patience,
            at_last: now + LONGEST.max(patience),
            come,
        }
    }

    /// Whether it is waited for no longer, now that so much has come.
    pub(crate) fn is_over(&mut self, now: Instant, come: u64) -> bool {
        if come > self.come {
            self.come = come;
            self.until = now + self.patience;
        }
        now >= self.until.min(self.at_last)
    }
}
