//! One table for flows and echo pairs: finished sums and live records by key.
//!
//! Three rules make order and repetition harmless: a finished record counts
//! once; a live record is replaced by one of the same entry that is finished
//! or saw more; records of different entries add up.

use std::collections::HashMap;
use std::hash::Hash;

use magpie_protocol::{EchoRecord, FlowRecord};

use crate::EntryId;

/// Live records kept of one key. One entry of a key lives at a time, so more
/// are left over from finished records that were lost.
const MAX_LIVE: usize = 8;

/// A record that belongs to a table entry.
pub trait TableRecord: Copy {
    /// What it is filed under.
    type Key: Copy + Eq + Hash + Ord;
    /// What several of them add up to.
    type Sums: Clone;

    /// What it is filed under.
    fn key(&self) -> Self::Key;
    /// Number of its entry.
    fn id(&self) -> u64;
    /// True when nothing of this entry can follow.
    fn is_final(&self) -> bool;
    /// Of two live records of one entry the one with the larger rank is later.
    fn rank(&self) -> [u64; 4];
    /// This record alone as a sum.
    fn sums(&self, entry: EntryId) -> Self::Sums;
    /// Adds; the order of additions does not matter.
    fn add(into: &mut Self::Sums, other: &Self::Sums);
}

/// All that is held of one key.
#[derive(Debug, Clone)]
pub struct Held<R: TableRecord, X> {
    finished: Option<R::Sums>,
    live: Vec<(EntryId, R)>,
    touched: u64,
    /// What the table's user keeps beside the sums.
    pub(crate) extra: X,
}

impl<R: TableRecord, X> Held<R, X> {
    /// Finished and live together; `None` while no record has arrived.
    pub fn total(&self) -> Option<R::Sums> {
        let mut total = self.finished.clone();
        for (entry, record) in &self.live {
            let one = record.sums(*entry);
            match &mut total {
                Some(total) => R::add(total, &one),
                None => total = Some(one),
            }
        }
        total
    }

    /// True while the sensor still holds an entry of this key, as far as is
    /// known.
    pub fn is_live(&self) -> bool {
        !self.live.is_empty()
    }
}

/// Records by key.
#[derive(Debug, Clone)]
pub struct Table<R: TableRecord, X> {
    held: HashMap<R::Key, Held<R, X>>,
    limit: Option<usize>,
    changes: u64,
    forgotten_keys: u64,
    forgotten: Option<R::Sums>,
    dropped_live: u64,
}

/// Flows by key.
pub type FlowTable = Table<FlowRecord, crate::rate::Rate>;
/// All of one flow key.
pub type Flow = Held<FlowRecord, crate::rate::Rate>;
/// Echo pairs by key.
pub type EchoTable = Table<EchoRecord, crate::Samples>;
/// All of one echo pair.
pub type Echo = Held<EchoRecord, crate::Samples>;

impl Flow {
    /// How fast the flow is now.
    pub fn rate(&self) -> &crate::rate::Rate {
        &self.extra
    }
}

impl Echo {
    /// The pair's round trips.
    pub fn samples(&self) -> &crate::Samples {
        &self.extra
    }
}

impl<R: TableRecord, X: Default> Table<R, X> {
    pub(crate) fn new(limit: Option<usize>) -> Self {
        Self {
            held: HashMap::new(),
            limit,
            changes: 0,
            forgotten_keys: 0,
            forgotten: None,
            dropped_live: 0,
        }
    }

    /// Entry of a key, made when it is new; marks it as changed now.
    pub(crate) fn touch(&mut self, key: R::Key) -> &mut Held<R, X> {
        self.enter(key).0
    }

    /// The same, with the counter of dropped live records beside it.
    fn enter(&mut self, key: R::Key) -> (&mut Held<R, X>, &mut u64) {
        self.changes += 1;
        if self.is_full() && !self.held.contains_key(&key) {
            self.make_room();
        }
        let held = self.held.entry(key).or_insert_with(|| Held {
            finished: None,
            live: Vec::new(),
            touched: 0,
            extra: X::default(),
        });
        held.touched = self.changes;
        (held, &mut self.dropped_live)
    }

    fn is_full(&self) -> bool {
        self.limit
            .is_some_and(|limit| self.held.len() >= limit.max(1))
    }

    /// Takes a record; finished ones must come once only. Gives what is held
    /// of its key, unless the record was older than what was known.
    pub(crate) fn take(&mut self, boot: u64, record: &R) -> Option<&mut Held<R, X>> {
        let entry = EntryId {
            boot,
            id: record.id(),
        };
        let (held, dropped_live) = self.enter(record.key());
        let known = held.live.iter().position(|(at, _)| *at == entry);
        if record.is_final() {
            if let Some(index) = known {
                held.live.swap_remove(index);
            }
            let one = record.sums(entry);
            match &mut held.finished {
                Some(sums) => R::add(sums, &one),
                None => held.finished = Some(one),
            }
        } else if let Some((_, old)) = known.and_then(|index| held.live.get_mut(index)) {
            if old.rank() >= record.rank() {
                return None;
            }
            *old = *record;
        } else {
            held.live.push((entry, *record));
            if held.live.len() > MAX_LIVE {
                let oldest = (0..held.live.len()).min_by_key(|i| held.live[*i].0);
                if let Some(index) = oldest {
                    held.live.swap_remove(index);
                    *dropped_live += 1;
                }
            }
        }
        Some(held)
    }

    /// Forgets the least recently changed sixteenth when the table is full.
    /// Their finished sums are kept as one sum; a live record is dropped,
    /// since its finished one will count again in full.
    fn make_room(&mut self) {
        let mut ages: Vec<u64> = self.held.values().map(|held| held.touched).collect();
        let (_, newest, _) = ages.select_nth_unstable(self.held.len() / 16);
        let newest = *newest;
        let forgotten = &mut self.forgotten;
        let mut keys = 0;
        self.held.retain(|_, held| {
            let keep = held.touched > newest;
            if !keep {
                keys += 1;
                match (&mut *forgotten, &held.finished) {
                    (Some(sum), Some(sums)) => R::add(sum, sums),
                    (None, Some(sums)) => *forgotten = Some(sums.clone()),
                    (_, None) => {}
                }
            }
            keep
        });
        self.forgotten_keys += keys;
    }

    /// All keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&R::Key, &Held<R, X>)> {
        self.held.iter()
    }

    /// All keys and their totals, by key, one after the other.
    pub fn by_key(&self) -> impl Iterator<Item = (R::Key, R::Sums)> + '_ {
        let mut keys: Vec<R::Key> = self.held.keys().copied().collect();
        keys.sort_unstable();
        keys.into_iter()
            .filter_map(|key| Some((key, self.held.get(&key)?.total()?)))
    }

    /// All keys and their totals, by key.
    pub fn sorted(&self) -> Vec<(R::Key, R::Sums)> {
        self.by_key().collect()
    }

    /// One key.
    pub fn get(&self, key: &R::Key) -> Option<&Held<R, X>> {
        self.held.get(key)
    }

    /// How many keys are held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// True when no key is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Keys that had to be forgotten, and what their finished records amount
    /// to. A key that came back and was forgotten again counts twice.
    pub fn forgotten(&self) -> (u64, Option<&R::Sums>) {
        (self.forgotten_keys, self.forgotten.as_ref())
    }

    /// Live records that were dropped because one key had too many.
    pub fn dropped_live(&self) -> u64 {
        self.dropped_live
    }
}
