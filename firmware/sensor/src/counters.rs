//! Bounded tables of counters: what finds no room goes to a visible `other`.

use magpie_protocol::{CountEntry, KEY_OTHER};
use managed::ManagedSlice;

use crate::table::index_mask;

/// Most places looked at for a key.
const PROBES: usize = 32;

/// 2^64 divided by the golden ratio, odd: scatters wide keys (Knuth, "The Art
/// of Computer Programming" 6.4).
const SCATTER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A table grows up to so many entries: stacks made to share a place end as
/// `other`, and do not take all memory.
#[cfg(feature = "std")]
const MOST_ENTRIES: usize = 1 << 20;

/// Whether storage grows before a key becomes `other`.
#[cfg(feature = "std")]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Growth {
    /// It is lent, or growing helped no more.
    Never,
    /// It is owned; nobody asked for it.
    OnDemand,
    /// An exact run: it does.
    Always,
}

/// Counters by key, since boot; an entry without frames is free.
pub(crate) struct Counters<'a> {
    entries: ManagedSlice<'a, CountEntry>,
    mask: usize,
    /// Bits of a word that the mask does not have.
    spare: u32,
    other: CountEntry,
    /// A key found its place late, or half of them are taken: the next key may
    /// find none.
    #[cfg(feature = "std")]
    crowded: bool,
    /// Places taken.
    #[cfg(feature = "std")]
    used: usize,
    #[cfg(feature = "std")]
    growth: Growth,
    /// Something changed since the last live showing.
    pub(crate) changed: bool,
}

impl<'a> Counters<'a> {
    /// Counters over this storage; of a number that is no power of two the
    /// rest is not used.
    pub(crate) fn new(entries: ManagedSlice<'a, CountEntry>) -> Self {
        let mask = index_mask(entries.len());
        let other = CountEntry {
            key: KEY_OTHER,
            frames: 0,
            octets: 0,
        };
        Self {
            #[cfg(feature = "std")]
            crowded: false,
            #[cfg(feature = "std")]
            used: 0,
            #[cfg(feature = "std")]
            growth: match &entries {
                ManagedSlice::Owned(places) if !places.is_empty() => Growth::OnDemand,
                _ => Growth::Never,
            },
            entries,
            mask,
            spare: u32::BITS.saturating_sub(mask.count_ones()),
            other,
            changed: false,
        }
    }

    /// Counts one frame of `octets` octets under `key`.
    pub(crate) fn count(&mut self, key: u64, octets: u64) {
        self.add(key, 1, octets);
    }

    /// Counts `frames` frames of `octets` octets together under `key`.
    pub(crate) fn add(&mut self, key: u64, frames: u64, octets: u64) {
        self.changed = true;
        #[cfg(feature = "std")]
        if self.growth == Growth::Always {
            self.make_room(key);
        }
        let entry = self.place(key);
        entry.frames = entry.frames.saturating_add(frames);
        entry.octets = entry.octets.saturating_add(octets);
    }

    /// Where a key is looked for first. Keys of up to 32 bits that fit the
    /// mask have places of their own, so that a table as large as its key
    /// space never probes. A wider one is a VLAN stack: stacks come in rows
    /// and columns, which folding alone would lay on top of each other.
    #[inline]
    fn home(&self, key: u64) -> usize {
        let home = if key >> 32 == 0 {
            (key ^ (key >> 16)) & 0x3_ffff
        } else {
            // The product's upper bits, as many as the mask has.
            let upper = (key.wrapping_mul(SCATTER) >> 32) as u32;
            u64::from(upper.checked_shr(self.spare).unwrap_or(0))
        };
        usize::try_from(home).unwrap_or(0)
    }

    /// Where the key stands or may stand, and after how many others.
    fn find(&self, key: u64) -> Option<(usize, usize)> {
        let home = self.home(key);
        let probes = PROBES.min(self.mask.saturating_add(1));
        (0..probes)
            .map(|step| (step, home.wrapping_add(step) & self.mask))
            .find(|(_, at)| {
                self.entries
                    .get(*at)
                    .is_some_and(|entry| entry.frames == 0 || entry.key == key)
            })
    }

    fn place(&mut self, key: u64) -> &mut CountEntry {
        let found = self.find(key);
        #[cfg(feature = "std")]
        {
            let at = found.and_then(|(_, at)| self.entries.get(at));
            let fresh = at.is_some_and(|entry| entry.frames == 0);
            self.used = self.used.saturating_add(usize::from(fresh));
            self.crowded |= found.is_none_or(|(step, _)| step > PROBES.min(self.mask) / 2)
                || (fresh && self.used > self.mask / 2);
        }
        match found.and_then(|(_, at)| self.entries.get_mut(at)) {
            Some(entry) => {
                entry.key = key;
                entry
            }
            None => &mut self.other,
        }
    }

    /// An exact run: from now on storage that is owned grows before a key
    /// becomes `other`.
    #[cfg(feature = "std")]
    pub(crate) fn count_exactly(&mut self) {
        if self.growth == Growth::OnDemand {
            self.growth = Growth::Always;
        }
    }

    #[cfg(feature = "std")]
    fn make_room(&mut self, key: u64) {
        if self.crowded {
            self.grow();
        }
        while self.growth == Growth::Always && self.find(key).is_none() {
            self.grow();
        }
    }

    #[cfg(feature = "std")]
    fn grow(&mut self) {
        let mut places = self.mask.saturating_add(1);
        while places < MOST_ENTRIES {
            places = places.saturating_mul(2);
            let free = std::vec![CountEntry::default(); places];
            let mut bigger = Self::new(ManagedSlice::Owned(free));
            for entry in self.entries.iter().filter(|entry| entry.frames > 0) {
                *bigger.place(entry.key) = *entry;
            }
            if !bigger.crowded {
                bigger.other = self.other;
                bigger.changed = self.changed;
                bigger.growth = self.growth;
                *self = bigger;
                return;
            }
        }
        // To try again at every frame would be dear.
        self.growth = Growth::Never;
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
        let mut entries = [CountEntry::default(); 4];
        let mut table = Counters::new(ManagedSlice::Borrowed(&mut entries));
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
        let mut table = Counters::new(ManagedSlice::Borrowed(&mut []));
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

    /// Every pair of an outer and an inner identifier out of `ids`.
    fn stacks(ids: core::ops::Range<u16>) -> impl Iterator<Item = u64> {
        ids.clone().flat_map(move |outer| {
            ids.clone().map(move |inner| {
                let mut stack = magpie_protocol::VlanStack::NONE;
                stack.push(outer);
                stack.push(inner);
                stack.to_bits()
            })
        })
    }

    fn other_of(mut table: Counters<'_>, keys: impl Iterator<Item = u64>) -> u64 {
        let mut counted = 0;
        for key in keys {
            table.count(key, 1);
            counted += 1;
        }
        let sum: u64 = (0..table.len())
            .filter_map(|at| table.entry(at))
            .map(|e| e.frames)
            .sum();
        assert_eq!(sum, counted);
        table.other.frames
    }

    #[test]
    fn rows_and_columns_of_stacks_do_not_share_places() {
        let mut entries = vec![CountEntry::default(); 4096];
        let table = Counters::new(ManagedSlice::Borrowed(&mut entries));
        assert_eq!(other_of(table, stacks(100..132)), 0);
        let mut entries = vec![CountEntry::default(); 256];
        let table = Counters::new(ManagedSlice::Borrowed(&mut entries));
        // As many single tags: identifiers next to each other.
        let single = (0..128).map(|id| id << 48 | 0xffff_ffff_ffff);
        assert_eq!(other_of(table, single), 0);
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_table_grows_before_a_key_is_other() {
        for places in [1, 20, 64, 65_536] {
            let free = vec![CountEntry::default(); places];
            let mut table = Counters::new(ManagedSlice::Owned(free));
            table.count_exactly();
            for key in stacks(0..300).chain(stacks(0..300)) {
                table.count(key, 1);
            }
            assert_eq!(table.other.frames, 0, "{places}");
            let lines: Vec<_> = (0..table.len()).filter_map(|at| table.entry(at)).collect();
            assert_eq!(lines.len(), 300 * 300, "{places}");
            assert!(lines.iter().all(|line| line.frames == 2), "{places}");
        }
    }

    /// Keys whose products agree in all upper bits, made with the inverse of
    /// the multiplier.
    #[cfg(feature = "std")]
    #[test]
    fn keys_made_to_share_a_place_end_as_other_in_bounded_memory() {
        let inverse = (0..6).fold(1_u64, |x, _| {
            x.wrapping_mul(2_u64.wrapping_sub(SCATTER.wrapping_mul(x)))
        });
        assert_eq!(inverse.wrapping_mul(SCATTER), 1);
        let mut table = Counters::new(ManagedSlice::Owned(vec![CountEntry::default(); 64]));
        table.count_exactly();
        for n in 0..1_000_u64 {
            table.count((7 << 44 | n).wrapping_mul(inverse), 1);
        }
        assert!(table.other.frames > 900);
        assert!(table.len() <= 1 << 20);
    }
}
