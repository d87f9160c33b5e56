//! Where a record stood, so that order and repetition can be told apart.

/// A record's place in what a sensor sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Which boot sent it.
    pub boot_id: u32,
    /// True for a finished record, false for a live one: they are numbered
    /// apart.
    pub is_final: bool,
    /// Its number in that boot.
    pub number: u64,
}

/// A table entry of a sensor, over all boots.
///
/// Boots count in the order in which they appeared, entries by their number;
/// so the smallest is the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId {
    /// The how-manieth boot that was seen, from 0.
    pub boot: u64,
    /// `flow_id` or `echo_id`.
    pub id: u64,
}
