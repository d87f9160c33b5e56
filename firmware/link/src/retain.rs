//! A ring of finished records that wait for their acknowledgement.
//!
//! An entry is the record's tally in compact form and its item, which says
//! its own length:
//!
//! | first octet | tally | octets behind it |
//! |---|---|---|
//! | 0 | one record, no flow | none |
//! | 1 | one record, one flow | LEB128 packets, octets |
//! | 2 | any other | LEB128 records, flows, packets, octets |

use magpie_protocol::{MAX_ITEM, Tally};

/// Octets of the longest LEB128 of 64 bits.
const MAX_VARINT: usize = 10;
const MAX_TALLY: usize = 1 + 4 * MAX_VARINT;
/// Octets of the longest entry.
pub(crate) const MAX_ENTRY: usize = MAX_TALLY + MAX_ITEM;

/// One entry, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What is lost with it.
    pub(crate) tally: Tally,
    /// Octets from the head of the ring to the item.
    pub(crate) item_at: usize,
    /// Octets of the item.
    pub(crate) item_len: usize,
    /// Octets from the head of the ring to the next entry.
    pub(crate) end: usize,
}

/// The ring. Offsets count from the oldest entry.
pub(crate) struct Retain<'b> {
    storage: &'b mut [u8],
    head: usize,
    used: usize,
}

impl<'b> Retain<'b> {
    pub(crate) fn new(storage: &'b mut [u8]) -> Self {
        Self {
            storage,
            head: 0,
            used: 0,
        }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn room(&self) -> usize {
        self.storage.len().saturating_sub(self.used)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.storage.len()
    }

    /// Appends an entry; false, and nothing changed, when there is no room.
    /// The item must be whole ([`item_octets`]).
    pub(crate) fn push(&mut self, tally: &Tally, item: &[u8]) -> bool {
        let (head, head_len) = pack(tally);
        let head = head.get(..head_len).unwrap_or_default();
        let len = head.len().saturating_add(item.len());
        if len > self.room() {
            return false;
        }
        self.write(self.used, head);
        self.write(self.used.saturating_add(head.len()), item);
        self.used = self.used.saturating_add(len);
        true
    }

    /// The entry at an offset; `None` at the end.
    pub(crate) fn entry(&self, at: usize) -> Option<Entry> {
        let mut reader = Reader { ring: self, at };
        let tally = match reader.octet()? {
            0 => Tally {
                records: 1,
                ..Tally::default()
            },
            1 => Tally {
                records: 1,
                flows: 1,
                packets: reader.varint()?,
                octets: reader.varint()?,
            },
            _ => Tally {
                records: reader.varint()?,
                flows: reader.varint()?,
                packets: reader.varint()?,
                octets: reader.varint()?,
            },
        };
        let item_at = reader.at;
        reader.octet()?;
        let body = reader.varint()?;
        let end = reader.at.checked_add(usize::try_from(body).ok()?)?;
        let item_len = end.checked_sub(item_at)?;
        Some(Entry {
            tally,
            item_at,
            item_len,
            end,
        })
    }

    /// Removes the oldest entry.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entry(0)?;
        self.used = self.used.saturating_sub(entry.end);
        self.head = if self.used == 0 {
            0
        } else {
            self.place(entry.end)
        };
        Some(entry)
    }

    /// Copies `out.len()` octets from an offset.
    pub(crate) fn read(&self, at: usize, out: &mut [u8]) {
        let behind = self.storage.get(self.place(at)..).unwrap_or_default();
        let done = crate::batch::copy(behind, out);
        if let Some(rest) = out.get_mut(done..) {
            crate::batch::copy(self.storage, rest);
        }
    }

    fn write(&mut self, at: usize, octets: &[u8]) {
        let place = self.place(at);
        let done = crate::batch::copy(octets, self.storage.get_mut(place..).unwrap_or_default());
        if let Some(rest) = octets.get(done..) {
            crate::batch::copy(rest, self.storage);
        }
    }

    /// Where an offset, at most the capacity, lies in the storage.
    fn place(&self, at: usize) -> usize {
        let linear = self.head.saturating_add(at);
        linear.checked_sub(self.storage.len()).unwrap_or(linear)
    }
}

impl core::fmt::Debug for Retain<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Retain({} of {} octets)", self.used, self.storage.len())
    }
}

struct Reader<'r, 'b> {
    ring: &'r Retain<'b>,
    at: usize,
}

impl Reader<'_, '_> {
    fn octet(&mut self) -> Option<u8> {
        if self.at >= self.ring.used {
            return None;
        }
        let octet = self.ring.storage.get(self.ring.place(self.at)).copied();
        self.at = self.at.saturating_add(1);
        octet
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for place in 0..10_u32 {
            let octet = self.octet()?;
            value |= u64::from(octet & 0x7f).wrapping_shl(place.wrapping_mul(7));
            if octet < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

fn pack(tally: &Tally) -> ([u8; MAX_TALLY], usize) {
    let mut octets = [0; MAX_TALLY];
    let mut writer = octets.iter_mut();
    let mut len = 0_usize;
    let mut put = |octet: u8| {
        if let Some(place) = writer.next() {
            *place = octet;
            len = len.saturating_add(1);
        }
    };
    match *tally {
        Tally {
            records: 1,
            flows: 0,
            packets: 0,
            octets: 0,
        } => put(0),
        Tally {
            records: 1,
            flows: 1,
            packets,
            octets,
        } => {
            put(1);
            put_varint(packets, &mut put);
            put_varint(octets, &mut put);
        }
        Tally {
            records,
            flows,
            packets,
            octets,
        } => {
            put(2);
            for value in [records, flows, packets, octets] {
                put_varint(value, &mut put);
            }
        }
    }
    (octets, len)
}

fn put_varint(mut value: u64, put: &mut impl FnMut(u8)) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value = value.wrapping_shr(7);
        if value == 0 {
            put(low & 0x7f);
            return;
        }
        put(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn item(kind: u8, body: usize) -> Vec<u8> {
        let mut item = vec![kind];
        match u8::try_from(body) {
            Ok(len) if len < 0x80 => item.push(len),
            _ => item.extend([
                u8::try_from(body & 0x7f).unwrap() | 0x80,
                u8::try_from(body >> 7).unwrap(),
            ]),
        }
        item.extend((0..body).map(|n| kind.wrapping_add(n.to_le_bytes()[0])));
        item
    }

    #[test]
    fn an_entry_costs_a_few_octets_beside_its_record() {
        let flow = Tally {
            records: 1,
            flows: 1,
            packets: 12,
            octets: 9000,
        };
        for (tally, octets) in [
            (
                Tally {
                    records: 1,
                    ..Tally::default()
                },
                1,
            ),
            (flow, 4),
            (Tally { records: 2, ..flow }, 6),
            (
                Tally {
                    records: u64::MAX,
                    flows: u64::MAX,
                    packets: u64::MAX,
                    octets: u64::MAX,
                },
                41,
            ),
        ] {
            let mut storage = [0; MAX_ENTRY];
            let mut ring = Retain::new(&mut storage);
            let item = item(3, 600);
            assert!(ring.push(&tally, &item));
            assert_eq!(ring.used(), item.len() + octets);
            assert_eq!(ring.pop().unwrap().tally, tally);
        }
    }

    #[test]
    fn no_storage_keeps_nothing() {
        let mut ring = Retain::new(&mut []);
        assert!(!ring.push(&Tally::default(), &[1, 0]));
        assert_eq!((ring.entry(0), ring.pop()), (None, None));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// The ring against a plain queue, round and round its storage.
        #[test]
        fn it_is_a_queue(
            capacity in 0..900_usize,
            calls in proptest::collection::vec(
                (any::<bool>(), any::<u8>(), 0..250_usize, any::<u64>(), 0..3_u64),
                0..200,
            ),
        ) {
            let mut storage = vec![0xaa; capacity];
            let mut ring = Retain::new(&mut storage);
            let mut queue = VecDeque::new();
            for (push, kind, len, octets, flows) in calls {
                if push {
                    let tally = Tally { records: 1, flows, packets: octets >> 40, octets };
                    let item = item(kind, len);
                    let room = ring.room();
                    if ring.push(&tally, &item) {
                        queue.push_back((tally, item));
                    } else {
                        prop_assert!(room < item.len() + MAX_TALLY);
                        prop_assert_eq!(ring.room(), room);
                    }
                } else {
                    let popped = ring.pop().map(|entry| entry.tally);
                    prop_assert_eq!(popped, queue.pop_front().map(|(tally, _)| tally));
                }
                let mut at = 0;
                for (tally, item) in &queue {
                    let entry = ring.entry(at).unwrap();
                    let mut read = vec![0; entry.item_len];
                    ring.read(entry.item_at, &mut read);
                    prop_assert_eq!((&entry.tally, &read), (tally, item));
                    at = entry.end;
                }
                prop_assert_eq!(at, ring.used());
                prop_assert_eq!(ring.entry(at), None);
            }
        }
    }
}
