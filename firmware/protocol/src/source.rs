//! The seam between the core, which makes records, and the link, which
//! carries them: neither imports the other.

use crate::{Tally, UplinkCounts};

/// Which records the link has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Finished records only; they are kept until acknowledged.
    Final,
    /// Live ones only; they are sent once.
    Live,
    /// Parts of packets only ([`crate::PacketPart`]), live too: nothing else
    /// waits. They may fill whatever room there is.
    Packet,
}

/// One encoded record, written to the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emitted {
    /// Octets written.
    pub len: usize,
    /// What is lost when it is lost; zero for live records.
    pub tally: Tally,
}

/// Something that makes records: the sensor core.
pub trait RecordSource {
    /// Writes the next record of the wanted kind to `out` (at least
    /// [`crate::MAX_ITEM`] octets, but for [`Want::Packet`]); `None` when there is
    /// none now, or none that fits.
    fn poll_record(&mut self, now_us: u64, want: Want, out: &mut [u8]) -> Option<Emitted>;

    /// The link's own counters, for the next ledger, and the minor version that
    /// the host speaks by its latest batch (0 until one came): records are
    /// written for it.
    fn note_uplink(&mut self, counts: &UplinkCounts, host_minor: u8);

    /// A finished record that the link had taken was dropped; `sent`: after
    /// having been sent at least once. It stands in the next counters noted.
    /// `item` is the record, or whatever stood in its place.
    fn note_dropped(&mut self, item: &[u8], tally: &Tally, sent: bool);
}
