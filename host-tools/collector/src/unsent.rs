//! Flows whose finished records a sensor could not keep, by what they went to.

use std::collections::BTreeMap;
use std::net::IpAddr;

use magpie_protocol::{Address, FlowSum, Ledger, Unsent, UnsentKey, UnsentLine};

/// Places kept of one boot; a sensor has 64. What stands at a higher one is
/// not told.
const MAX_PLACES: u16 = 1_024;
/// Keys kept of boots whose ledgers are added up.
const MAX_FOLDED: usize = 1_024;

/// Never sent, and unconfirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnsentSums {
    /// Dropped without ever having been sent.
    pub never_sent: FlowSum,
    /// Dropped after having been sent at least once: they may be here.
    pub unconfirmed: FlowSum,
    /// So many flows more of this key, at most, stand under `other`.
    pub missed_at_most: u64,
}

impl UnsentSums {
    /// What the ledger says of flows.
    pub fn of(ledger: &Ledger) -> Self {
        let mut never_sent = FlowSum::from(&ledger.never_sent);
        never_sent.add(&(&ledger.uplink.never_sent).into());
        Self {
            never_sent,
            unconfirmed: (&ledger.uplink.unconfirmed).into(),
            missed_at_most: 0,
        }
    }

    /// Flows of both kinds.
    pub fn flows(&self) -> u64 {
        self.never_sent.flows.saturating_add(self.unconfirmed.flows)
    }

    /// Adds other sums.
    pub fn add(&mut self, other: &Self) {
        self.never_sent.add(&other.never_sent);
        self.unconfirmed.add(&other.unconfirmed);
        self.missed_at_most = self.missed_at_most.saturating_add(other.missed_at_most);
    }

    /// What is left of these when others are taken away.
    fn less(&self, other: &Self) -> Self {
        let less = |a: &FlowSum, b: &FlowSum| FlowSum {
            flows: a.flows.saturating_sub(b.flows),
            packets: a.packets.saturating_sub(b.packets),
            octets: a.octets.saturating_sub(b.octets),
        };
        Self {
            never_sent: less(&self.never_sent, &other.never_sent),
            unconfirmed: less(&self.unconfirmed, &other.unconfirmed),
            missed_at_most: 0,
        }
    }
}

impl From<&UnsentLine> for UnsentSums {
    fn from(line: &UnsentLine) -> Self {
        Self {
            never_sent: line.never_sent,
            unconfirmed: line.unconfirmed,
            missed_at_most: line.missed_at_most,
        }
    }
}

/// What a sensor could not keep of its flows, over all boots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnsentFlows {
    /// All of it, as the ledgers say.
    pub total: UnsentSums,
    /// By protocol and responder, most flows first.
    pub lines: Vec<(UnsentKey, UnsentSums)>,
    /// What found no line in the sensor.
    pub other: UnsentSums,
    /// The rest of the total: a sensor before protocol 1.3 has no lines, and
    /// those of others are on their way, or lost.
    pub untold: UnsentSums,
}

impl UnsentFlows {
    pub(crate) fn new<'l>(
        total: UnsentSums,
        all: impl IntoIterator<Item = (Option<&'l UnsentKey>, UnsentSums)>,
    ) -> Self {
        let mut keys = BTreeMap::<UnsentKey, UnsentSums>::new();
        let (mut told, mut other) = (UnsentSums::default(), UnsentSums::default());
        for (key, sums) in all {
            told.add(&sums);
            match key {
                Some(key) => keys.entry(*key).or_default().add(&sums),
                None => other.add(&sums),
            }
        }
        let mut lines: Vec<_> = keys.into_iter().collect();
        lines.sort_by_key(|(key, sums)| (std::cmp::Reverse(sums.flows()), *key));
        Self {
            total,
            lines,
            other,
            untold: total.less(&told),
        }
    }
}

/// An address of the protocol as everybody writes it.
pub fn address(address: Address) -> IpAddr {
    match address {
        Address::V4(octets) => octets.into(),
        Address::V6(octets) => octets.into(),
    }
}

/// Finished records of lines that came one right after the other: where they
/// end with a Flush's ledger they are the whole table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pass {
    /// Numbers of the first, and of what comes behind the last.
    first: u64,
    next: u64,
    /// What the sensor said that all lines come to; `None` where that changed
    /// from one record to the next.
    flows: Option<u64>,
    sums: UnsentSums,
}

/// The lines of one boot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UnsentLines {
    places: BTreeMap<u16, UnsentLine>,
    other: Option<UnsentLine>,
    pass: Option<Pass>,
}

/// Of two states of one place the later is heavier.
fn is_newer(line: &UnsentLine, old: Option<&UnsentLine>) -> bool {
    old.is_none_or(|old| old.weight() < line.weight())
}

impl UnsentLines {
    /// Takes some lines; `number` is that of a finished record.
    pub(crate) fn take(&mut self, number: Option<u64>, unsent: &Unsent) {
        for line in &unsent.lines {
            if line.key.is_none() {
                if is_newer(line, self.other.as_ref()) {
                    self.other = Some(*line);
                }
            } else if line.place < MAX_PLACES && is_newer(line, self.places.get(&line.place)) {
                self.places.insert(line.place, *line);
            }
        }
        let Some(number) = number else {
            return;
        };
        let mut pass = self
            .pass
            .filter(|pass| pass.next == number)
            .unwrap_or(Pass {
                first: number,
                next: number,
                flows: Some(unsent.flows),
                sums: UnsentSums::default(),
            });
        pass.next = number.saturating_add(1);
        pass.flows = pass.flows.filter(|flows| *flows == unsent.flows);
        for line in &unsent.lines {
            pass.sums.add(&line.into());
        }
        self.pass = Some(pass);
    }

    /// What the lines came to that were written right before the finished
    /// record of this number, when `flows` flows in all were not kept. `None`
    /// where that cannot be said: there are none, some may have got lost, or the
    /// table changed meanwhile. `came` tells whether a finished record arrived.
    pub(crate) fn before(
        &self,
        number: u64,
        flows: u64,
        came: impl Fn(u64) -> bool,
    ) -> Option<UnsentSums> {
        let pass = self.pass.filter(|pass| pass.next == number)?;
        let whole = pass.first.checked_sub(1).is_none_or(came);
        (whole && pass.flows == Some(flows)).then_some(pass.sums)
    }

    /// All that are known.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Option<&UnsentKey>, UnsentSums)> {
        let lines = self.places.values().chain(&self.other);
        lines.map(|line| (line.key.as_ref(), line.into()))
    }
}

/// The lines of boots that are no longer kept apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct FoldedUnsent {
    keys: BTreeMap<UnsentKey, UnsentSums>,
    other: UnsentSums,
}

impl FoldedUnsent {
    /// Adds a boot; a key that finds no room is added to `other`.
    pub(crate) fn add(&mut self, lines: &UnsentLines) {
        for (key, sums) in lines.all() {
            let key = key.filter(|key| self.keys.len() < MAX_FOLDED || self.keys.contains_key(key));
            match key {
                Some(key) => self.keys.entry(*key).or_default().add(&sums),
                None => self.other.add(&sums),
            }
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (Option<&UnsentKey>, UnsentSums)> {
        let lines = self.keys.iter().map(|(key, sums)| (Some(key), *sums));
        lines.chain([(None, self.other)])
    }
}
