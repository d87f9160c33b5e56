//! What frames changed in the sensor's books: whether a case is what its name
//! says.

use magpie_sensor::Sensor;

/// What a frame changed in the books, or all counted ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Flow records begun.
    pub(crate) made: u64,
    /// Flows evicted.
    pub(crate) evicted: u64,
    /// Records that ended: flows, echo pairs and samples.
    pub(crate) ended: u64,
    /// Records lost.
    pub(crate) lost: u64,
    /// Frames in a malformed class.
    pub(crate) malformed: u64,
    /// Frames in flows.
    pub(crate) in_flows: u64,
}

impl Change {
    /// Since boot. A function of its own: a ledger is large, the smaller
    /// board's stack is not.
    #[inline(never)]
    pub(super) fn since_boot(sensor: &Sensor<'_>) -> Self {
        let ledger = sensor.ledger(0);
        Self {
            made: ledger.flows.made,
            evicted: ledger.flows.evicted,
            ended: ledger.exported.records,
            lost: ledger.never_sent.records,
            malformed: ledger.malformed,
            in_flows: ledger.in_flows.frames,
        }
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            made: self.made - before.made,
            evicted: self.evicted - before.evicted,
            ended: self.ended - before.ended,
            lost: self.lost - before.lost,
            malformed: self.malformed - before.malformed,
            in_flows: self.in_flows - before.in_flows,
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.made += other.made;
        self.evicted += other.evicted;
        self.ended += other.ended;
        self.lost += other.lost;
        self.malformed += other.malformed;
        self.in_flows += other.in_flows;
    }
}
