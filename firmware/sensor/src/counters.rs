//! Bounded tables of counters: what finds no room goes to a visible `other`.

use magpie_protocol::{CountEntry, KEY_OTHER};
use managed::ManagedSlice;

use crate::table::index_mask;

/// Places to a group. A key may stand in either of two groups, and takes the
/// emptier one once half of the first is taken: so about three quarters of a
/// table fill before the first key is `other`, and eight places are all that
/// is ever looked at (rows of places one after the other fill better, but take
/// dozens of looks where somebody aims at them).
const GROUP: usize = 4;

/// 2^64 divided by the golden ratio, odd: scatters wide keys (Knuth, "The Art
/// of Computer Programming" 6.4).
const SCATTER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Whether storage grows before a key becomes `other`.
#[cfg(feature = "std")]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Growth {
    /// It is lent, or growing helped no more.
    Never,
    /// It is owned; nobody asked for it.
    OnDemand,
    /// Up to so many entries.
    UpTo(usize),
}

/// Counters by key, since boot; an entry without frames is free. In a group the
/// free ones stand last.
pub(crate) struct Counters<'a> {
    entries: ManagedSlice<'a, CountEntry>,
    /// Of the groups.
    mask: usize,
    /// Bits of a word that the mask does not have.
    spare: u32,
    other: CountEntry,
    /// A key found no place, or half of them are taken: the next one may find
    /// none.
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

/// The product's upper half.
#[inline]
fn scattered(key: u64) -> u32 {
    (key.wrapping_mul(SCATTER) >> 32) as u32
}

/// The first free row of a group.
#[inline]
fn free(group: &[CountEntry; GROUP]) -> Option<usize> {
    // Under attack all are full: that shows by the last.
    let [.., last] = group;
    let first = || group.iter().position(|entry| entry.frames == 0);
    if last.frames > 0 { None } else { first() }
}

/// Whether the key has this entry.
#[inline]
fn stands(entry: &CountEntry, key: u64) -> bool {
    entry.key == key && entry.frames > 0
}

#[inline]
fn count(entry: &mut CountEntry, frames: u64, octets: u64) {
    entry.frames = entry.frames.saturating_add(frames);
    entry.octets = entry.octets.saturating_add(octets);
}

impl<'a> Counters<'a> {
    /// Counters over this storage; what is left of its largest power of two
    /// is not used, nor are fewer than four entries.
    pub(crate) fn new(entries: ManagedSlice<'a, CountEntry>) -> Self {
        let mask = index_mask(entries.len() / GROUP);
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
        if let Growth::UpTo(_) = self.growth {
            self.make_room(key);
        }
        let near = self.near(key);
        let (groups, _) = self.entries.as_chunks_mut::<GROUP>();
        let mut nearer = groups.get_mut(near).into_iter().flatten();
        match nearer.find(|entry| stands(entry, key)) {
            Some(entry) => count(entry, frames, octets),
            None => count(self.place(key, near), frames, octets),
        }
    }

    /// The first of the two groups a key may stand in. Keys of up to 32 bits
    /// that fit the mask have places of their own there, so that a table as
    /// large as its key space has room for all. A wider one is a VLAN stack:
    /// stacks come in rows and columns, which folding alone would lay on top of
    /// each other.
    #[inline]
    fn near(&self, key: u64) -> usize {
        let group = if key >> 32 == 0 {
            let key = (key & 0xffff_ffff) as u32;
            ((key ^ key >> 8) & 0x3_ffff) >> GROUP.ilog2()
        } else {
            // As many of the upper bits as the mask has.
            scattered(key).checked_shr(self.spare).unwrap_or(0)
        };
        usize::try_from(group).unwrap_or(0) & self.mask
    }

    /// The other group: an odd distance away.
    #[inline]
    fn far(&self, key: u64, near: usize) -> usize {
        let distance = usize::try_from(scattered(key)).unwrap_or(0) | 1;
        (near ^ distance) & self.mask
    }

    /// Where a key that is not in the near group stands, or else where it may:
    /// nowhere, if both groups are full.
    #[inline]
    fn find(&self, key: u64, near: usize) -> Option<usize> {
        let (groups, _) = self.entries.as_chunks::<GROUP>();
        let place = |group: usize, row: usize| group.wrapping_mul(GROUP).wrapping_add(row);
        let vacant = free(groups.get(near)?);
        // No key went to the far group before half of the near one was taken.
        if let Some(row) = vacant.filter(|row| *row < GROUP / 2) {
            return Some(place(near, row));
        }
        let far = self.far(key, near);
        let farther = groups.get(far)?;
        if let Some(row) = farther.iter().position(|entry| stands(entry, key)) {
            return Some(place(far, row));
        }
        match (vacant, free(farther)) {
            (Some(row), Some(other)) if row <= other => Some(place(near, row)),
            (Some(row), None) => Some(place(near, row)),
            (_, other) => Some(place(far, other?)),
        }
    }

    /// The entry of a key that is not in the near group, old or new, or that of
    /// all others.
    #[inline(never)] // most keys stand near
    fn place(&mut self, key: u64, near: usize) -> &mut CountEntry {
        let found = self.find(key, near);
        #[cfg(feature = "std")]
        {
            let entry = found.and_then(|at| self.entries.get(at));
            let fresh = entry.is_some_and(|entry| entry.frames == 0);
            self.used = self.used.saturating_add(usize::from(fresh));
            let half = self.mask.saturating_add(1).saturating_mul(GROUP) / 2;
            self.crowded |= found.is_none() || (fresh && (self.used > half || self.is_last(key)));
        }
        match found.and_then(|at| self.entries.get_mut(at)) {
            Some(entry) => {
                entry.key = key;
                entry
            }
            None => &mut self.other,
        }
    }

    /// Whether its groups have one free place: that of a key that comes anew.
    #[cfg(feature = "std")]
    fn is_last(&self, key: u64) -> bool {
        let (groups, _) = self.entries.as_chunks::<GROUP>();
        let near = self.near(key);
        let pair = [near, self.far(key, near)];
        let free = |group: usize| {
            let entries = groups.get(group).into_iter().flatten();
            entries.filter(|entry| entry.frames == 0).count()
        };
        pair.map(free).into_iter().sum::<usize>() <= 1
    }

    /// Whether a key has no entry and can have none.
    #[cfg(feature = "std")]
    fn is_shut_out(&self, key: u64) -> bool {
        let near = self.near(key);
        let (groups, _) = self.entries.as_chunks::<GROUP>();
        let mut nearer = groups.get(near).into_iter().flatten();
        !nearer.any(|entry| stands(entry, key)) && self.find(key, near).is_none()
    }

    /// From now on storage that is owned grows up to so many entries before a
    /// key becomes `other`.
    #[cfg(feature = "std")]
    pub(crate) fn grow_up_to(&mut self, entries: usize) {
        if self.growth != Growth::Never {
            self.growth = Growth::UpTo(entries);
        }
    }

    #[cfg(feature = "std")]
    fn make_room(&mut self, key: u64) {
        if self.crowded {
            self.grow();
        }
        while self.growth != Growth::Never && self.is_shut_out(key) {
            self.grow();
        }
    }

    #[cfg(feature = "std")]
    fn grow(&mut self) {
        let mut places = self.mask.saturating_add(1).saturating_mul(GROUP);
        while matches!(self.growth, Growth::UpTo(most) if places < most) {
            places = places.saturating_mul(2);
            let free = std::vec![CountEntry::default(); places];
            let mut bigger = Self::new(ManagedSlice::Owned(free));
            for entry in self.entries.iter().filter(|entry| entry.frames > 0) {
                *bigger.place(entry.key, bigger.near(entry.key)) = *entry;
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

    /// Of a board's sizes: three quarters find room, whatever the keys.
    #[test]
    fn a_table_fills_before_many_keys_are_other() {
        let scattered = |n: u64| n.wrapping_mul(0x9e37_79b9) >> 8 & 0xffff;
        for places in [8, 16, 32, 128_u64] {
            let mut others = 0;
            for first in 0..50 {
                let mut entries = vec![CountEntry::default(); 128];
                let entries = &mut entries[..usize::try_from(places).unwrap()];
                let table = Counters::new(ManagedSlice::Borrowed(entries));
                let keys = (0..places * 3 / 4).map(|n| scattered(1 + n + first * 1_000));
                others += other_of(table, keys);
            }
            // Of 50 tables.
            assert!(others <= places, "{places}: {others}");
        }
        // Keys in a row, as protocols and operations are.
        let mut entries = vec![CountEntry::default(); 128];
        let table = Counters::new(ManagedSlice::Borrowed(&mut entries));
        assert_eq!(other_of(table, 0x0800..0x0860), 0);
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_table_grows_before_a_key_is_other() {
        for places in [1, 20, 64, 65_536] {
            let free = vec![CountEntry::default(); places];
            let mut table = Counters::new(ManagedSlice::Owned(free));
            table.grow_up_to(1 << 20);
            for key in stacks(0..300).chain(stacks(0..300)) {
                table.count(key, 1);
            }
            assert_eq!(table.other.frames, 0, "{places}");
            let lines: Vec<_> = (0..table.len()).filter_map(|at| table.entry(at)).collect();
            assert_eq!(lines.len(), 300 * 300, "{places}");
            assert!(lines.iter().all(|line| line.frames == 2), "{places}");
        }
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_table_grows_as_far_as_it_may() {
        let mut table = Counters::new(ManagedSlice::Owned(vec![CountEntry::default(); 64]));
        assert_eq!(table.len(), 65);
        table.grow_up_to(256);
        for key in 0..300 {
            table.count(key, 1);
        }
        assert_eq!(table.len(), 257);
        assert!(table.other.frames >= 300 - 256);
        // Every type and code of ICMP.
        let mut table = Counters::new(ManagedSlice::Owned(vec![CountEntry::default(); 64]));
        table.grow_up_to(crate::books::ALL_KEYS);
        for key in 0..0x1_0000 {
            table.count(4 << 16 | key, 1);
            table.count(6 << 16 | key, 1);
        }
        assert_eq!(table.other.frames, 0);
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
        table.grow_up_to(1 << 20);
        for n in 0..1_000_u64 {
            table.count((7 << 44 | n).wrapping_mul(inverse), 1);
        }
        assert!(table.other.frames > 900);
        assert!(table.len() <= 1 << 20);
    }
}
