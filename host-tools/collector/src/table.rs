//! One table for flows and echo pairs: finished sums and live records by key.
//!
//! Three rules make order and repetition harmless: a finished record counts
//! once; a live record is replaced by one of the same entry that is finished
//! or saw more; records of different entries add up.
//!
//! # What a full table forgets
//!
//! A table of at most `n` keys that meets a new one while it holds `n` forgets
//! `n / 8` of them, at least one: of the half (rounded up) whose last record
//! came earliest, those of the least weight (flows: frame octets; echo pairs:
//! requests and replies); of equal weight, those whose last record came
//! earlier. So the keys that speak now stay, and of those that fell silent the
//! greatest. Finished sums of forgotten keys are added up ([`Table::forgotten`]):
//! kept and forgotten together are always all that finished records said. A
//! live record is dropped, since its finished one will count again in full.
//!
//! A key that comes back begins anew and counts from then on. It is marked
//! ([`Held::is_partial`]); so, rarely, is one that was never forgotten, but
//! no forgotten one goes unmarked.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, Hash};

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use magpie_protocol::{EchoRecord, FlowRecord};

use crate::EntryId;
use crate::gone::Gone;

/// Live records kept of one key. One entry of a key lives at a time, so more
/// are left over from finished records that were lost.
const MAX_LIVE: usize = 8;

/// A full table forgets one key in so many.
const FORGOTTEN_PART: usize = 8;

/// A record that belongs to a table entry.
pub trait TableRecord: Copy {
    /// What it is filed under.
    type Key: Copy + fmt::Debug + Eq + Hash + Ord;
    /// What several of them add up to.
    type Sums: Clone + fmt::Debug;

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
    /// How much a key with this sum matters when a table is full.
    fn weight(sums: &Self::Sums) -> u64;
}

/// All that is held of one key.
#[derive(Debug, Clone)]
pub struct Held<R: TableRecord, X> {
    finished: Option<R::Sums>,
    /// Boxed: most keys of a capture never have a live record.
    #[allow(clippy::box_collection)] // a pointer instead of three words in every key
    live: Option<Box<Vec<(EntryId, R)>>>,
    /// What the table's user keeps beside the sums.
    extra: Option<Box<X>>,
    partial: bool,
}

impl<R: TableRecord, X: Default> Held<R, X> {
    fn new(partial: bool) -> Self {
        Self {
            finished: None,
            live: None,
            extra: None,
            partial,
        }
    }

    fn live(&self) -> &[(EntryId, R)] {
        self.live.as_ref().map_or(&[], |live| live)
    }

    /// Finished and live together; `None` while no record has arrived.
    pub fn total(&self) -> Option<R::Sums> {
        self.view_total().map(Cow::into_owned)
    }

    /// The same for those who only look: most keys have a sum and nothing to
    /// add to it.
    pub fn view_total(&self) -> Option<Cow<'_, R::Sums>> {
        let finished = self.finished.as_ref();
        if self.live.is_none() {
            return finished.map(Cow::Borrowed);
        }
        let mut total = finished.map(Cow::Borrowed);
        for (entry, record) in self.live() {
            let one = record.sums(*entry);
            match &mut total {
                Some(total) => R::add(total.to_mut(), &one),
                None => total = Some(Cow::Owned(one)),
            }
        }
        total
    }

    fn weight(&self) -> u64 {
        let finished = self.finished.as_ref().map_or(0, R::weight);
        let live = self.live().iter();
        live.map(|(entry, record)| R::weight(&record.sums(*entry)))
            .fold(finished, u64::saturating_add)
    }

    /// True while the sensor still holds an entry of this key, as far as is
    /// known.
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// True when an earlier part of this key may have been forgotten: its sums
    /// are lower bounds then.
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// What the table's user keeps, made when it is not there.
    pub(crate) fn extra(&mut self) -> &mut X {
        self.extra.get_or_insert_default()
    }

    /// Whether there is a reason to have it: a live record, now or earlier.
    pub(crate) fn was_shown(&self) -> bool {
        self.extra.is_some() || self.is_live()
    }

    fn finish(&mut self, entry: EntryId, record: &R) {
        if let Some(live) = &mut self.live {
            live.retain(|(at, _)| *at != entry);
            if live.is_empty() {
                self.live = None;
            }
        }
        let one = record.sums(entry);
        match &mut self.finished {
            Some(sums) => R::add(sums, &one),
            None => self.finished = Some(one),
        }
    }

    /// Takes a live record; how many others had to go. `None`: it is no news.
    fn show(&mut self, entry: EntryId, record: &R) -> Option<u64> {
        let live = self.live.get_or_insert_default();
        if let Some((_, old)) = live.iter_mut().find(|(at, _)| *at == entry) {
            if old.rank() >= record.rank() {
                return None;
            }
            *old = *record;
            return Some(0);
        }
        live.push((entry, *record));
        if live.len() > MAX_LIVE
            && let Some(oldest) = (0..live.len()).min_by_key(|i| live[*i].0)
        {
            live.swap_remove(oldest);
            return Some(1);
        }
        Some(0)
    }
}

#[derive(Debug, Clone)]
struct Place<R: TableRecord, X> {
    key: R::Key,
    held: Held<R, X>,
}

/// What is asked of every key when a table is full or its index grows, apart
/// from the rest: it is gone through often.
#[derive(Debug, Clone, Copy)]
struct Mark {
    weight: u64,
    touched: u64,
    /// Of the key.
    hash: u64,
}

/// Records by key.
#[derive(Debug, Clone)]
pub struct Table<R: TableRecord, X> {
    /// Numbers of places.
    index: HashTable<u32>,
    /// Keyed anew in every process: a sensor's peers choose the keys.
    hasher: RandomState,
    places: Vec<Option<Place<R, X>>>,
    /// Of the places, in the same order.
    marks: Vec<Mark>,
    free: Vec<u32>,
    limit: Option<usize>,
    changes: u64,
    gone: Gone,
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
    /// How fast the flow is now; a flow that was never shown live stands
    /// still.
    pub fn rate(&self) -> crate::rate::Rate {
        self.extra.as_deref().copied().unwrap_or_default()
    }
}

impl Echo {
    /// The pair's round trips.
    pub fn samples(&self) -> &crate::Samples {
        static NONE: crate::Samples = crate::Samples::NONE;
        self.extra.as_deref().unwrap_or(&NONE)
    }
}

impl<R: TableRecord, X: Default> Table<R, X> {
    pub(crate) fn new(limit: Option<usize>) -> Self {
        Self {
            index: HashTable::new(),
            hasher: RandomState::default(),
            places: Vec::new(),
            marks: Vec::new(),
            free: Vec::new(),
            // Places have 32-bit numbers.
            limit: limit.map(|limit| limit.clamp(1, u32::MAX as usize)),
            changes: 0,
            gone: Gone::default(),
            forgotten_keys: 0,
            forgotten: None,
            dropped_live: 0,
        }
    }

    /// Entry of a key, made when it is new; marks it as changed now.
    pub(crate) fn touch(&mut self, key: R::Key) -> &mut Held<R, X> {
        let at = self.enter(key);
        self.held_at(at)
    }

    /// Number of a key's place, made when it is new.
    fn enter(&mut self, key: R::Key) -> usize {
        let hash = self.hasher.hash_one(key);
        let at = match self.find(hash, &key) {
            Some(at) => at,
            None => self.make(hash, key),
        };
        self.changes += 1;
        self.marks[at].touched = self.changes;
        at
    }

    fn find(&self, hash: u64, key: &R::Key) -> Option<usize> {
        let holds = |at: &u32| {
            let place = self.places.get(*at as usize).and_then(Option::as_ref);
            place.is_some_and(|place| place.key == *key)
        };
        self.index.find(hash, holds).map(|at| *at as usize)
    }

    fn make(&mut self, hash: u64, key: R::Key) -> usize {
        if self.limit.is_some_and(|limit| self.len() >= limit) {
            self.make_room();
        }
        let place = Some(Place {
            key,
            held: Held::new(self.gone.may_hold(hash)),
        });
        let mark = Mark {
            weight: 0,
            touched: 0,
            hash,
        };
        let at = if let Some(at) = self.free.pop() {
            self.places[at as usize] = place;
            self.marks[at as usize] = mark;
            at
        } else {
            self.places.push(place);
            self.marks.push(mark);
            // 2^32 keys of 300 octets are more than any memory.
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        };
        let Self { index, marks, .. } = self;
        index.insert_unique(hash, at, |at| marks[*at as usize].hash);
        at as usize
    }

    fn held_at(&mut self, at: usize) -> &mut Held<R, X> {
        let place = self.places.get_mut(at).and_then(Option::as_mut);
        &mut place.expect("a place just entered").held
    }

    /// Takes a record; finished ones must come once only. Gives what is held
    /// of its key, unless the record was older than what was known.
    pub(crate) fn take(&mut self, boot: u64, record: &R) -> Option<&mut Held<R, X>> {
        let entry = EntryId {
            boot,
            id: record.id(),
        };
        let at = self.enter(record.key());
        let held = self.held_at(at);
        let dropped = if record.is_final() {
            held.finish(entry, record);
            0
        } else {
            held.show(entry, record)?
        };
        let weight = held.weight();
        self.marks[at].weight = weight;
        self.dropped_live += dropped;
        Some(self.held_at(at))
    }

    /// Forgets as the module's head says. Called when every place is taken.
    fn make_room(&mut self) {
        let keys = self.len();
        let mut order: Vec<(u64, u32)> = (0..)
            .zip(&self.marks)
            .map(|(at, mark)| (mark.touched, at))
            .collect();
        let half = keys.div_ceil(2);
        order.select_nth_unstable(half - 1);
        let mut older: Vec<((u64, u64), u32)> = order[..half]
            .iter()
            .map(|(touched, at)| ((self.marks[*at as usize].weight, *touched), *at))
            .collect();
        let leave = (keys / FORGOTTEN_PART).max(1);
        older.select_nth_unstable(leave - 1);
        for (_, at) in &older[..leave] {
            self.forget(*at);
        }
    }

    fn forget(&mut self, at: u32) {
        let Some(place) = self.places[at as usize].take() else {
            return;
        };
        let hash = self.marks[at as usize].hash;
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == at) {
            entry.remove();
        }
        self.free.push(at);
        self.forgotten_keys += 1;
        if let Some(sums) = place.held.finished {
            self.gone.add(hash);
            match &mut self.forgotten {
                Some(sum) => R::add(sum, &sums),
                None => self.forgotten = Some(sums),
            }
        }
    }

    /// All keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&R::Key, &Held<R, X>)> {
        let places = self.places.iter().flatten();
        places.map(|place| (&place.key, &place.held))
    }

    /// All keys and their totals, by key, one after the other.
    pub fn by_key(&self) -> impl Iterator<Item = (R::Key, R::Sums)> + '_ {
        let mut keys: Vec<R::Key> = self.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys.into_iter()
            .filter_map(|key| Some((key, self.get(&key)?.total()?)))
    }

    /// All keys and their totals, by key.
    pub fn sorted(&self) -> Vec<(R::Key, R::Sums)> {
        self.by_key().collect()
    }

    /// One key.
    pub fn get(&self, key: &R::Key) -> Option<&Held<R, X>> {
        let at = self.find(self.hasher.hash_one(key), key)?;
        let place = self.places.get(at)?.as_ref()?;
        Some(&place.held)
    }

    /// How many keys are held.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True when no key is held.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
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
