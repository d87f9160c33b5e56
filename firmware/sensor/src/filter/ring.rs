//! Packets on their way to the link: first in, first out, in a ring of octets.

use magpie_protocol::Sum;
use managed::ManagedSlice;

/// What is kept of a packet besides its octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Which slot's filter selected it, in which run.
    pub(super) slot: u8,
    pub(super) run: u32,
    /// The how-manieth that it kept.
    pub(super) number: u64,
    pub(super) at_us: u64,
    pub(super) wire_len: u32,
    /// Octets of it here.
    pub(super) len: u32,
    /// What the filter did not keep before it.
    pub(super) dropped: Sum,
}

impl Entry {
    /// Octets of its own in the ring.
    pub(super) const HEAD: usize = 45;

    fn to_octets(self) -> [u8; Self::HEAD] {
        let mut octets = [0; Self::HEAD];
        let rest = put(&mut octets, [self.slot]);
        let rest = put(rest, self.run.to_le_bytes());
        let rest = put(rest, self.number.to_le_bytes());
        let rest = put(rest, self.at_us.to_le_bytes());
        let rest = put(rest, self.wire_len.to_le_bytes());
        let rest = put(rest, self.len.to_le_bytes());
        let rest = put(rest, self.dropped.frames.to_le_bytes());
        put(rest, self.dropped.octets.to_le_bytes());
        octets
    }

    fn from_octets(octets: [u8; Self::HEAD]) -> Self {
        let mut rest = &octets[..];
        let [slot] = take(&mut rest);
        Self {
            slot,
            run: u32::from_le_bytes(take(&mut rest)),
            number: u64::from_le_bytes(take(&mut rest)),
            at_us: u64::from_le_bytes(take(&mut rest)),
            wire_len: u32::from_le_bytes(take(&mut rest)),
            len: u32::from_le_bytes(take(&mut rest)),
            dropped: Sum {
                frames: u64::from_le_bytes(take(&mut rest)),
                octets: u64::from_le_bytes(take(&mut rest)),
            },
        }
    }

    /// Octets of the whole in the ring.
    fn size(&self) -> usize {
        Self::HEAD.saturating_add(self.len as usize)
    }
}

/// Writes to the front; the rest.
fn put<const N: usize>(place: &mut [u8], octets: [u8; N]) -> &mut [u8] {
    let Some((front, rest)) = place.split_first_chunk_mut() else {
        return &mut [];
    };
    *front = octets;
    rest
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let Some((octets, behind)) = rest.split_first_chunk() else {
        return [0; N];
    };
    *rest = behind;
    *octets
}

/// The ring.
pub(super) struct Ring<'a> {
    octets: ManagedSlice<'a, u8>,
    /// Where the oldest packet begins; below the length, but in an empty ring.
    begin: usize,
    used: usize,
}

impl<'a> Ring<'a> {
    pub(super) fn new(octets: ManagedSlice<'a, u8>) -> Self {
        Self {
            octets,
            begin: 0,
            used: 0,
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.octets.len()
    }

    /// Octets that are free.
    pub(super) fn room(&self) -> usize {
        self.octets.len().saturating_sub(self.used)
    }

    /// Puts a packet in, with the first `entry.len` of its octets; false where
    /// there is no room for it.
    pub(super) fn push(&mut self, entry: &Entry, octets: &[u8]) -> bool {
        let Some(octets) = octets.get(..entry.len as usize) else {
            return false;
        };
        if self.room() < entry.size() {
            return false;
        }
        self.append(&entry.to_octets());
        self.append(octets);
        true
    }

    /// Where the octet so far behind the first one stands.
    fn place(&self, offset: usize) -> usize {
        let at = self.begin.saturating_add(offset);
        at.checked_sub(self.octets.len()).unwrap_or(at)
    }

    /// Writes behind all else what there is room for.
    fn append(&mut self, octets: &[u8]) {
        let at = self.place(self.used);
        let to_end = self.octets.len().saturating_sub(at);
        let (first, second) = octets.split_at_checked(to_end).unwrap_or((octets, &[]));
        for (at, piece) in [(at, first), (0, second)] {
            let place = self.octets.get_mut(at..);
            if let Some(place) = place.and_then(|place| place.get_mut(..piece.len())) {
                place.copy_from_slice(piece);
            }
        }
        self.used = self.used.saturating_add(octets.len());
    }

    /// So many octets, so far behind the first one, in two pieces.
    fn pieces(&self, offset: usize, len: usize) -> [&[u8]; 2] {
        let at = self.place(offset);
        let to_end = self.octets.len().saturating_sub(at).min(len);
        let first = self.octets.get(at..at.saturating_add(to_end));
        let second = self.octets.get(..len.saturating_sub(to_end));
        [first.unwrap_or_default(), second.unwrap_or_default()]
    }

    /// The oldest packet.
    pub(super) fn first(&self) -> Option<Entry> {
        if self.used < Entry::HEAD {
            return None;
        }
        let mut head = [0; Entry::HEAD];
        let all = self.pieces(0, Entry::HEAD).into_iter().flatten();
        for (place, octet) in head.iter_mut().zip(all) {
            *place = *octet;
        }
        Some(Entry::from_octets(head))
    }

    /// So many of its octets from this one on, in two pieces.
    pub(super) fn octets_of_first(&self, offset: usize, len: usize) -> [&[u8]; 2] {
        self.pieces(Entry::HEAD.saturating_add(offset), len)
    }

    /// Takes it out.
    pub(super) fn pop(&mut self) {
        if let Some(entry) = self.first() {
            let size = entry.size().min(self.used);
            self.begin = self.place(size);
            self.used = self.used.saturating_sub(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn entry(number: u64, len: usize) -> Entry {
        Entry {
            slot: number.to_le_bytes()[0],
            run: 7 << 20 | 3,
            number,
            at_us: number << 33,
            wire_len: u32::MAX,
            len: u32::try_from(len).unwrap(),
            dropped: Sum {
                frames: u64::MAX,
                octets: number << 40,
            },
        }
    }

    proptest! {
        /// What goes in comes out, in order, across the end of the storage,
        /// whatever the sizes; what does not fit changes nothing.
        #[test]
        fn first_in_first_out(
            capacity in 0..400_usize,
            steps in proptest::collection::vec((any::<bool>(), 0..150_usize), 0..200),
        ) {
            let mut ring = Ring::new(ManagedSlice::Owned(vec![0; capacity]));
            let mut model: VecDeque<(Entry, Vec<u8>)> = VecDeque::new();
            let mut number = 0;
            for (pushes, len) in steps {
                let used: usize = model.iter().map(|(e, _)| e.size()).sum();
                prop_assert_eq!(ring.room(), capacity - used);
                if pushes {
                    number += 1;
                    let entry = entry(number, len);
                    let octets = vec![number.to_le_bytes()[0]; len + 3];
                    let fits = ring.room() >= entry.size();
                    prop_assert_eq!(ring.push(&entry, &octets), fits);
                    if fits {
                        model.push_back((entry, octets[..len].to_vec()));
                    }
                } else {
                    ring.pop();
                    model.pop_front();
                }
                let first = model.front();
                prop_assert_eq!(ring.first(), first.map(|(entry, _)| *entry));
                if let Some((entry, octets)) = first {
                    let skip = len.min(octets.len());
                    let rest = ring.octets_of_first(skip, entry.len as usize - skip);
                    prop_assert_eq!(&rest.concat(), &octets[skip..]);
                }
            }
        }
    }

    #[test]
    fn shorter_octets_than_said_are_refused() {
        let mut ring = Ring::new(ManagedSlice::Owned(vec![0; 200]));
        assert!(!ring.push(&entry(1, 10), &[0; 9]));
        assert_eq!((ring.room(), ring.first()), (200, None));
    }
}
