//! What a node knows of itself, for its log.

use magpie_link::FrameCounts;

/// A line in the log at most this often.
#[cfg(feature = "defmt")]
const REPORT_US: u64 = 10_000_000;

/// Counters since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// Frames read out of the port.
    pub frames: u64,
    /// Turns in which frames had to wait for room in the outbox.
    pub held_turns: u64,
    /// Octets sent to the host.
    pub sent_octets: u64,
    /// What the line from the host brought.
    pub line: FrameCounts,
    /// When the last report was written.
    #[cfg(feature = "defmt")]
    reported_us: u64,
}

#[cfg(feature = "defmt")]
impl Health {
    /// Writes a line now and then.
    pub(crate) fn report(&mut self, boot_us: u64) {
        if boot_us.saturating_sub(self.reported_us) < REPORT_US {
            return;
        }
        self.reported_us = boot_us;
        defmt::info!(
            "up {=u64} s: frames {=u64}, held {=u64} turns, sent {=u64} octets; from the host {=u64} batches, {=u64} octets of garbage",
            boot_us / 1_000_000,
            self.frames,
            self.held_turns,
            self.sent_octets,
            self.line.frames,
            self.line.garbage_octets,
        );
    }
}
