//! Where every packet of a filter went.

use magpie_protocol::{FilterAction, FilterState, FilterStatus, Sum};

use super::has_stopped;

/// What one run of a filter came to, by the sensor's words and by what is
/// here. Sums are frames and their octets on the wire.
///
/// In the end `matched = delivered + dropped + lost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FilterAccount {
    /// In which slot.
    pub slot: u8,
    /// The number of the run.
    pub run: u32,
    /// In which boot of the sensor.
    pub boot_id: u32,
    /// Sensor time of its first word: it ran by then.
    pub began_us: Option<u64>,
    /// Whether it runs, or why not.
    pub state: FilterState,
    /// What is done with the frames that it selects.
    pub action: FilterAction,
    /// Frames that it selected, as the sensor said last.
    pub matched: Sum,
    /// Of these, kept to be sent.
    pub kept: Sum,
    /// Of these, not, for want of room.
    pub dropped: Sum,
    /// Of those kept, given to the link.
    pub forwarded: Sum,
    /// Packets that are here.
    pub delivered: Sum,
    /// Octets of those that were kept.
    pub delivered_octets: u64,
    /// Of those given to the link by the sensor's last word, not here.
    pub lost: Sum,
}

impl FilterAccount {
    /// Takes the sensor's word, which comes behind all packets it speaks of.
    pub(super) fn take(&mut self, status: &FilterStatus) {
        self.began_us.get_or_insert(status.at_us);
        self.state = status.state;
        self.action = status.action;
        self.matched = status.matched;
        self.kept = status.kept;
        self.dropped = status.dropped;
        self.forwarded = status.forwarded;
        let Sum { frames, octets } = self.delivered;
        self.lost = Sum {
            frames: status.forwarded.frames.saturating_sub(frames),
            octets: status.forwarded.octets.saturating_sub(octets),
        };
    }

    pub(super) fn deliver(&mut self, wire_len: u32, octets: usize) {
        let Sum {
            frames,
            octets: wire,
        } = &mut self.delivered;
        *frames = frames.saturating_add(1);
        *wire = wire.saturating_add(u64::from(wire_len));
        self.delivered_octets = self.delivered_octets.saturating_add(octets as u64);
    }

    /// Nothing of this run is still to come.
    pub fn is_over(&self) -> bool {
        has_stopped(self.state) && self.forwarded.frames == self.kept.frames
    }

    /// Whether it is over and every frame that was selected is accounted for:
    /// delivered, dropped in the sensor or lost on the link.
    pub fn is_closed(&self) -> bool {
        let all = |of: fn(&Sum) -> u64| {
            let parts = [&self.delivered, &self.dropped, &self.lost];
            parts.map(of).into_iter().fold(0, u64::saturating_add) == of(&self.matched)
        };
        let is_capture = matches!(self.action, FilterAction::Capture { .. });
        self.is_over() && (!is_capture || (all(|sum| sum.frames) && all(|sum| sum.octets)))
    }
}
