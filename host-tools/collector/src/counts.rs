//! Counter tables of one boot and of all.

use std::collections::BTreeMap;

use magpie_protocol::{CountEntry, Counts, KEY_OTHER, TableId};

/// A line of a counter table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// How many frames.
    pub frames: u64,
    /// Their octets, of the kind the table says.
    pub octets: u64,
}

impl Count {
    /// Adds another line.
    pub fn add(&mut self, other: Self) {
        self.frames = self.frames.saturating_add(other.frames);
        self.octets = self.octets.saturating_add(other.octets);
    }
}

/// Lines by key ([`TableId`] says what a key means).
pub type CountTable = BTreeMap<u64, Count>;

/// Sum of all lines.
pub fn sum(table: &CountTable) -> Count {
    table.values().fold(Count::default(), |mut sum, line| {
        sum.add(*line);
        sum
    })
}

/// The counter tables of one boot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CountTables {
    tables: BTreeMap<u8, CountTable>,
    refused: u64,
}

impl CountTables {
    pub(crate) fn take(&mut self, counts: &Counts, limit: Option<usize>) {
        let table = u8::from(counts.table);
        if let TableId::Unknown(_) = counts.table {
            // A newer sensor's table: nobody here can name its keys.
            return;
        }
        let lines = self.tables.entry(table).or_default();
        for CountEntry {
            key,
            frames,
            octets,
        } in &counts.entries
        {
            let full = limit.is_some_and(|limit| lines.len() >= limit);
            if full && *key != KEY_OTHER && !lines.contains_key(key) {
                self.refused = self.refused.saturating_add(1);
                continue;
            }
            let line = lines.entry(*key).or_default();
            line.frames = line.frames.max(*frames);
            line.octets = line.octets.max(*octets);
        }
    }

    pub(crate) fn table(&self, table: TableId) -> Option<&CountTable> {
        self.tables.get(&u8::from(table))
    }

    /// Lines that found no room.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Adds another boot's tables (not: the same boot's). A line that finds no
    /// room is added to `other`.
    pub(crate) fn add(&mut self, other: &Self, limit: Option<usize>) {
        for (table, lines) in &other.tables {
            let into = self.tables.entry(*table).or_default();
            for (key, line) in lines {
                let full = limit.is_some_and(|limit| into.len() >= limit);
                let room = !full || *key == KEY_OTHER || into.contains_key(key);
                let key = if room { *key } else { KEY_OTHER };
                self.refused = self.refused.saturating_add(u64::from(!room));
                into.entry(key).or_default().add(*line);
            }
        }
        self.refused = self.refused.saturating_add(other.refused);
    }
}
