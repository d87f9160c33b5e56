//! Set-associative tables over storage the caller passes in: the work for a
//! frame is one set, whatever the table holds.

use managed::ManagedSlice;

/// One place of a table; all-zero when free.
pub(crate) trait Slot: Copy {
    /// What it is found by.
    type Key;
    /// The free slot.
    const EMPTY: Self;
    /// Nothing in it.
    fn is_free(&self) -> bool;
    /// Tells most keys apart at one look: false only where it does not hold
    /// this key.
    fn might_hold(&self, key: &Self::Key) -> bool;
    /// Does it hold this key? Never, where it is free.
    fn holds(&self, key: &Self::Key) -> bool;
    /// How dispensable it is at this time: of a full set, the most dispensable
    /// leaves, the first of several.
    fn dispensable(&self, now_us: u64) -> i32;
}

/// The mask that folds a hash into the largest power of two of `len` places; 0
/// where there is one place, or none.
pub(crate) fn index_mask(len: usize) -> usize {
    let usable = len.checked_ilog2().map_or(0, |bits| 1_usize << bits);
    usable.saturating_sub(1)
}

/// A slot looked like the one that is wanted, and is not.
#[cold]
fn alike() {}

fn most_dispensable<S: Slot, const W: usize>(set: &[S; W], now_us: u64) -> usize {
    let (mut leaves, mut most) = (0, i32::MIN);
    for (way, slot) in (0..).zip(set) {
        let dispensable = slot.dispensable(now_us);
        if dispensable > most {
            (leaves, most) = (way, dispensable);
        }
    }
    leaves
}

/// The number of a slot by its set and its way.
fn number<const W: usize>(set: usize, way: usize) -> u32 {
    u32::try_from(set.wrapping_mul(W).wrapping_add(way)).unwrap_or(u32::MAX)
}

/// A table of sets of `W` slots.
#[repr(C)]
pub(crate) struct Table<'a, S, const W: usize> {
    sets: ManagedSlice<'a, [S; W]>,
    mask: usize,
    /// Some set has no free slot left: the next key may evict.
    crowded: bool,
}

impl<'a, S: Slot, const W: usize> Table<'a, S, W> {
    /// A table over these sets; of a number that is no power of two the rest
    /// is not used.
    pub(crate) fn new(sets: ManagedSlice<'a, [S; W]>) -> Self {
        Self {
            mask: index_mask(sets.len()),
            sets,
            crowded: false,
        }
    }

    /// Slots in use or free.
    pub(crate) fn capacity(&self) -> u32 {
        let sets = if self.sets.is_empty() {
            0
        } else {
            self.mask.saturating_add(1)
        };
        u32::try_from(sets.saturating_mul(W)).unwrap_or(u32::MAX)
    }

    /// The slot that holds `key`, and its number.
    #[inline]
    pub(crate) fn find(&mut self, hash: u32, key: &S::Key) -> Option<(u32, &mut S)> {
        let set = hash as usize & self.mask;
        let slots = self.sets.get_mut(set)?.iter_mut();
        for (way, slot) in (0..).zip(slots) {
            if slot.might_hold(key) {
                if slot.holds(key) {
                    return Some((number::<W>(set, way), slot));
                }
                alike();
            }
        }
        None
    }

    /// The slot for a key that the table does not hold, and its number: one
    /// that is free, or else the most dispensable one of the key's set. `None`
    /// only for a table without storage.
    pub(crate) fn admit(&mut self, hash: u32, now_us: u64) -> Option<(u32, &mut S)> {
        let set = hash as usize & self.mask;
        let slots = self.sets.get_mut(set)?;
        let mut free = (0..).zip(slots.iter()).filter(|(_, slot)| slot.is_free());
        let way = match free.next() {
            Some((way, _)) => {
                self.crowded |= free.next().is_none();
                way
            }
            None => most_dispensable(slots, now_us),
        };
        Some((number::<W>(set, way), slots.get_mut(way)?))
    }

    /// All slots that can hold something, by number.
    pub(crate) fn slots(&mut self) -> &mut [S] {
        let all = self.sets.as_flattened_mut();
        let usable = self.mask.saturating_add(1).saturating_mul(W);
        if usable < all.len() {
            all.split_at_mut(usable).0
        } else {
            all
        }
    }

    /// The slot of this number.
    pub(crate) fn slot(&mut self, number: u32) -> Option<&mut S> {
        self.slots().get_mut(number as usize)
    }

    /// True when the next key might evict.
    #[cfg(feature = "std")]
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// Frees all slots but these.
    #[cfg(feature = "std")]
    pub(crate) fn keep(&mut self, wanted: impl Fn(&S) -> bool) {
        let usable = self.mask.saturating_add(1);
        let mut crowded = false;
        for set in self.sets.iter_mut().take(usable) {
            for slot in set.iter_mut().filter(|slot| !wanted(slot)) {
                *slot = S::EMPTY;
            }
            crowded |= !set.iter().any(S::is_free);
        }
        self.crowded = crowded;
    }

    /// Doubles the table until every set has a free slot. `hash` gives a
    /// slot's hash again.
    #[cfg(feature = "std")]
    pub(crate) fn grow(&mut self, hash: impl Fn(&S) -> u32) {
        let mut sets = self.mask.saturating_add(1);
        'larger: loop {
            sets = sets.saturating_mul(2);
            let mut bigger = std::vec![[S::EMPTY; W]; sets];
            for slot in self
                .sets
                .as_flattened()
                .iter()
                .filter(|slot| !slot.is_free())
            {
                let index = hash(slot) as usize & sets.saturating_sub(1);
                let Some(set) = bigger.get_mut(index) else {
                    continue 'larger;
                };
                let mut free = set.iter_mut().filter(|place| place.is_free());
                let Some(place) = free.next() else {
                    continue 'larger;
                };
                *place = *slot;
                if free.next().is_none() {
                    continue 'larger;
                }
            }
            *self = Self::new(ManagedSlice::Owned(bigger));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Cell {
        key: u32,
        seen: u64,
    }

    impl Slot for Cell {
        type Key = u32;
        const EMPTY: Self = Self { key: 0, seen: 0 };
        fn is_free(&self) -> bool {
            self.key == 0
        }
        fn might_hold(&self, key: &u32) -> bool {
            self.key & 0xff == key & 0xff
        }
        fn holds(&self, key: &u32) -> bool {
            self.key == *key
        }
        fn dispensable(&self, now_us: u64) -> i32 {
            i32::try_from(now_us - self.seen).unwrap()
        }
    }

    fn table(sets: usize) -> Table<'static, Cell, 4> {
        Table::new(ManagedSlice::Owned(vec![[Cell::EMPTY; 4]; sets]))
    }

    #[test]
    fn the_most_dispensable_of_a_full_set_leaves() {
        let mut t = table(1);
        for key in 1..=4 {
            assert!(t.find(0, &key).is_none());
            let (_, slot) = t.admit(0, 0).unwrap();
            assert!(slot.is_free());
            *slot = Cell {
                key,
                seen: u64::from(10 - key),
            };
        }
        assert_eq!(t.find(0, &2).unwrap().0, 1);
        let (number, slot) = t.admit(0, 100).unwrap();
        assert_eq!((number, slot.key), (3, 4));
    }

    #[test]
    fn odd_number_of_sets_uses_a_power_of_two() {
        let mut t = table(7);
        assert_eq!(t.capacity(), 16);
        assert_eq!(t.slots().len(), 16);
        assert_eq!(table(0).capacity(), 0);
        assert!(table(0).find(3, &1).is_none());
        assert!(table(0).admit(3, 0).is_none());
    }

    #[test]
    fn a_slot_found_is_found_by_its_number() {
        let mut t = table(8);
        let (number, slot) = t.admit(5, 0).unwrap();
        slot.key = 77;
        assert_eq!(t.slot(number).unwrap().key, 77);
        let (again, slot) = t.find(5, &77).unwrap();
        assert_eq!((again, slot.key), (number, 77));
        assert!(t.find(5, &78).is_none());
    }

    #[cfg(feature = "std")]
    #[test]
    fn growing_keeps_everything_and_leaves_room() {
        let mut t = table(1);
        let mut keys = 0;
        for key in 1..=1000_u32 {
            if t.is_crowded() {
                t.grow(|cell| cell.key.wrapping_mul(0x9e37_79b9) >> 7);
            }
            let (_, slot) = t.admit(key.wrapping_mul(0x9e37_79b9) >> 7, 0).unwrap();
            assert!(slot.is_free());
            *slot = Cell { key, seen: 0 };
            keys += 1;
        }
        assert_eq!(t.slots().iter().filter(|c| !c.is_free()).count(), keys);
    }
}
