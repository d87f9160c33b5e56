//! Bounded tables of counters: what finds no room goes to a visible `other`.

use magpie_protocol::{CountEntry, KEY_OTHER};
use managed::ManagedSlice;

/// Most places looked at for a key.
const PROBES: usize = 32;

/// Counters by key, since boot; an entry without frames is free.
pub(crate) struct Counters<'a> {
    entries: ManagedSlice<'a, CountEntry>,
    mask: usize,
    other: CountEntry,
    /// Something changed since the last live showing.
    pub(crate) changed: bool,
}

impl<'a> Counters<'a> {
    /// Counters over this storage; of a number that is no power of two the
    /// rest is not used.
    pub(crate) fn new(entries: ManagedSlice<'a, CountEntry>) -> Self {
        let usable = entries
            .len()
            .checked_ilog2()
            .map_or(0, |bits| 1_usize << bits);
        let other = CountEntry {
            key: KEY_OTHER,
            frames: 0,
            octets: 0,
        };
        Self {
            entries,
            mask: usable.saturating_sub(1),
            other,
            changed: false,
        }
    }

    /// Counts one frame of `octets` octets under `key`.
    #[inline]
    pub(crate) fn count(&mut self, key: u64, octets: u64) {
        self.changed = true;
        let entry = self.place(key);
        entry.frames = entry.frames.saturating_add(1);
        entry.octets = entry.octets.saturating_add(octets);
    }

    fn place(&mut self, key: u64) -> &mut CountEntry {
        // Keys that fit the mask map to themselves, so that a table as large
        // as its key space never probes.
        let home = key ^ (key >> 16) ^ (key >> 32) ^ (key >> 48);
        let home = usize::try_from(home & 0x3_ffff).unwrap_or(0);
        let probes = PROBES.min(self.mask.saturating_add(1));
        let found = (0..probes)
            .map(|step| home.wrapping_add(step) & self.mask)
            .find(|at| {
                self.entries
                    .get(*at)
                    .is_some_and(|entry| entry.frames == 0 || entry.key == key)
            });
        match found.and_then(|at| self.entries.get_mut(at)) {
            Some(entry) => {
                entry.key = key;
                entry
            }
            None => &mut self.other,
        }
    }

    /// Places, `other` behind the last.
    pub(crate) fn len(&self) -> usize {
        self.entries.len().saturating_add(1)
    }

    /// The entry at this place, if it counted anything.
    pub(crate) fn entry(&self, at: usize) -> Option<CountEntry> {
        self.entries
            .get(at)
            .copied()
            .or((at == self.entries.len()).then_some(self.other))
            .filter(|e| e.frames > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_as_other() {
        let mut table = Counters::new(ManagedSlice::Owned(vec![CountEntry::default(); 4]));
        for key in 0..6 {
            table.count(key, 10);
            table.count(key, 10);
        }
        let sum: u64 = (0..table.len())
            .filter_map(|at| table.entry(at))
            .map(|e| e.frames)
            .sum();
        assert_eq!(sum, 12);
        assert_eq!(
            table.other,
            CountEntry {
                key: KEY_OTHER,
                frames: 4,
                octets: 40
            }
        );
    }

    #[test]
    fn without_storage_all_is_other() {
        let mut table = Counters::new(ManagedSlice::Owned(vec![]));
        table.count(5, 1);
        assert_eq!(table.other.frames, 1);
        assert_eq!(table.len(), 1);
        assert_eq!(table.entry(0).map(|e| e.key), Some(KEY_OTHER));
    }

    #[test]
    fn key_zero_is_a_key() {
        let mut table = Counters::new(ManagedSlice::Owned(vec![CountEntry::default(); 8]));
        table.count(0, 3);
        table.count(8, 4);
        let all: Vec<_> = (0..table.len()).filter_map(|at| table.entry(at)).collect();
        assert_eq!(all.len(), 2);
    }
}
