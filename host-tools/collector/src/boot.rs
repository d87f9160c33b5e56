//! What one boot of a sensor has said.

use std::collections::BTreeMap;

use magpie_protocol::{AddressPair, FilterStatus, FlowRecord, Hello, Ledger, Port, Tally, TooBig};
use rangemap::RangeInclusiveSet;

use crate::Position;
use crate::counts::CountTables;
use crate::ended::Numbers;
use crate::unsent::{UnsentLines, UnsentSums};

/// Gaps kept of the numbers of finished records. The link delivers in order,
/// so a gap is gone for good and the oldest may be closed.
const MAX_GAPS: usize = 4_096;

/// What the finished records of a boot amount to, added up here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Received {
    /// Records, flows, packets and frame octets, as the sensor tallies them.
    pub tally: Tally,
    /// IP octets of the flow records.
    pub ip_octets: u64,
    /// Packets of the flow records, TCP alone.
    pub tcp_ip_octets: u64,
}

impl Received {
    fn add(&mut self, other: &Self) {
        self.tally.add(&other.tally);
        self.ip_octets = self.ip_octets.saturating_add(other.ip_octets);
        self.tcp_ip_octets = self.tcp_ip_octets.saturating_add(other.tcp_ip_octets);
    }

    fn of(flow: Option<&FlowRecord>) -> Self {
        let mut one = Self::default();
        one.tally.records = 1;
        if let Some(flow) = flow {
            let sum = |a: u64, b: u64| a.saturating_add(b);
            one.tally.flows = 1;
            one.tally.packets = sum(flow.ab.packets, flow.ba.packets);
            one.tally.octets = sum(flow.ab.frame_octets, flow.ba.frame_octets);
            one.ip_octets = sum(flow.ab.ip_octets, flow.ba.ip_octets);
            if flow.tcp.is_some() {
                one.tcp_ip_octets = one.ip_octets;
            }
        }
        one
    }
}

/// The ledger that ended a Flush, with what had been received before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flushed {
    /// The ledger.
    pub ledger: Ledger,
    /// Its place among the boot's finished records.
    pub number: u64,
    /// Sum of the finished records up to it.
    pub received: Received,
    /// True when later records had arrived before it, so that `received`
    /// cannot be held against it.
    pub blurred: bool,
    /// What the lines of flows not kept came to that were written with it;
    /// `None` where they may not all be here.
    pub unsent: Option<UnsentSums>,
}

/// One boot of a sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    id: u32,
    ordinal: u64,
    pub(crate) hello: Option<Hello>,
    ledger: Option<Ledger>,
    /// With its place among the boot's live records.
    port: Option<(u64, Port)>,
    /// Over IPv4, over IPv6.
    too_big: [Option<TooBig>; 2],
    /// By slot, with its place among the boot's live records.
    filters: BTreeMap<u8, (u64, FilterStatus)>,
    flushed: Option<Flushed>,
    received: Received,
    pub(crate) counts: CountTables,
    pub(crate) unsent: UnsentLines,
    /// All finished records below it were booked ...
    in_order: u64,
    /// ... and these.
    numbers: RangeInclusiveSet<u64>,
    ended_flows: Numbers,
    ended_echoes: Numbers,
    pub(crate) lost_finals: u64,
    pub(crate) live_gaps: u64,
    pub(crate) joined_at: u64,
    pub(crate) unread: u64,
}

/// Which of two ledgers of one boot is the later.
fn age(ledger: &Ledger) -> (u64, u64, u32) {
    (ledger.counted.frames, ledger.at_us, ledger.flush)
}

impl Boot {
    pub(crate) fn new(id: u32, ordinal: u64) -> Self {
        Self {
            id,
            ordinal,
            hello: None,
            ledger: None,
            port: None,
            too_big: [None; 2],
            filters: BTreeMap::new(),
            flushed: None,
            received: Received::default(),
            counts: CountTables::default(),
            unsent: UnsentLines::default(),
            in_order: 0,
            numbers: RangeInclusiveSet::new(),
            ended_flows: Numbers::default(),
            ended_echoes: Numbers::default(),
            lost_finals: 0,
            live_gaps: 0,
            joined_at: 0,
            unread: 0,
        }
    }

    /// The number drawn at boot.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The how-manieth boot that was seen, from 0.
    pub fn ordinal(&self) -> u64 {
        self.ordinal
    }

    /// Who the sensor said it is.
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// The latest ledger.
    pub fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_ref()
    }

    /// Who said last that a packet was too big, over IPv4 and over IPv6.
    pub fn too_big(&self) -> impl Iterator<Item = &TooBig> {
        self.too_big.iter().flatten()
    }

    /// What its filters did, by slot.
    pub fn filters(&self) -> impl Iterator<Item = &FilterStatus> {
        self.filters.values().map(|(_, status)| status)
    }

    /// What its port and processor were at, at last.
    pub fn port(&self) -> Option<&Port> {
        self.port.as_ref().map(|(_, port)| port)
    }

    /// The latest ledger that ended a Flush.
    pub fn flushed(&self) -> Option<&Flushed> {
        self.flushed.as_ref()
    }

    /// What the finished records received amount to.
    pub fn received(&self) -> &Received {
        &self.received
    }

    /// Finished records that will not come: dropped, or gone to another host.
    pub fn lost_finals(&self) -> u64 {
        self.lost_finals
    }

    /// Live records that did not arrive; later ones made up for them.
    pub fn live_gaps(&self) -> u64 {
        self.live_gaps
    }

    /// Number of the finished record at which this host began to listen: those
    /// before went elsewhere.
    pub fn joined_at(&self) -> u64 {
        self.joined_at
    }

    /// Finished records that arrived and could not be read.
    pub fn unread(&self) -> u64 {
        self.unread
    }

    /// Books a finished record; false when it had been booked before.
    pub(crate) fn book(&mut self, at: Position, flow: Option<&FlowRecord>) -> bool {
        if !self.note_number(at.number) {
            return false;
        }
        let one = Received::of(flow);
        self.received.add(&one);
        if let Some(flushed) = &mut self.flushed
            && at.number < flushed.number
        {
            flushed.received.add(&one);
        }
        true
    }

    /// Notes a finished record's number; false when it was noted before.
    fn note_number(&mut self, number: u64) -> bool {
        if self.has_number(number) {
            return false;
        }
        // Nearly all come in order: those are one number.
        if number == self.in_order && self.numbers.is_empty() && number < u64::MAX {
            self.in_order = number + 1;
            return true;
        }
        self.numbers.insert(number..=number);
        if self.numbers.len() > MAX_GAPS {
            let mut ranges = self.numbers.iter();
            let gap = ranges.next().zip(ranges.next());
            if let Some((low, high)) = gap.map(|(a, b)| (*a.end(), *b.start())) {
                self.numbers.insert(low..=high);
            }
        }
        if let Some(first) = self.numbers.first().cloned()
            && *first.start() == self.in_order
            && *first.end() < u64::MAX
        {
            self.in_order = first.end() + 1;
            self.numbers.remove(first);
        }
        true
    }

    /// Whether a finished record of this number was booked.
    fn has_number(&self, number: u64) -> bool {
        number < self.in_order || self.numbers.contains(&number)
    }

    /// The highest number of a finished record.
    fn last_number(&self) -> u64 {
        let last = self.numbers.last().map(|range| *range.end());
        last.unwrap_or(self.in_order.saturating_sub(1))
    }

    /// Takes a ledger; a finished one must have been booked first.
    pub(crate) fn take_ledger(&mut self, at: Position, ledger: &Ledger) {
        if self
            .ledger
            .as_ref()
            .is_none_or(|old| age(old) < age(ledger))
        {
            self.ledger = Some(*ledger);
        }
        if ledger.flush == 0
            || self
                .flushed
                .as_ref()
                .is_some_and(|old| age(&old.ledger) >= age(ledger))
        {
            return;
        }
        let last = self.last_number();
        let number = if at.is_final {
            at.number
        } else {
            last.saturating_add(1)
        };
        self.flushed = Some(Flushed {
            ledger: *ledger,
            number,
            // The ledger itself among them: it counts itself as exported.
            received: self.received,
            blurred: last > number,
            unsent: self
                .unsent
                .before(number, UnsentSums::of(ledger).flows(), |number| {
                    self.has_number(number)
                }),
        });
    }

    /// Takes what the port is at; true when link or network are news.
    pub(crate) fn take_port(&mut self, at: Position, port: &Port) -> bool {
        if self.port.is_some_and(|(number, _)| number > at.number) {
            return false;
        }
        let old = self.port.replace((at.number, *port));
        let facts = |port: &Port| (port.link, port.net);
        old.is_none_or(|(_, old)| facts(&old) != facts(port))
    }

    /// Takes what a filter did, if it is the latest word of it.
    pub(crate) fn take_filter(&mut self, at: Position, status: &FilterStatus) {
        let known = self.filters.get(&status.slot);
        if known.is_none_or(|(number, _)| *number <= at.number) {
            self.filters.insert(status.slot, (at.number, *status));
        }
    }

    /// Takes a message that a packet was too big, if it is the latest.
    pub(crate) fn take_too_big(&mut self, one: &TooBig) {
        let [over_4, over_6] = &mut self.too_big;
        let latest = match one.addresses {
            AddressPair::V4 { .. } => over_4,
            AddressPair::V6 { .. } => over_6,
        };
        if latest.is_none_or(|known| known.at_us <= one.at_us) {
            *latest = Some(*one);
        }
    }

    /// Marks a table entry as ended; false when it had ended before. `bounded`
    /// forgets the lowest where too many are far apart.
    pub(crate) fn end(&mut self, which: Entry, id: u64, bounded: bool) -> bool {
        let ended = match which {
            Entry::Flow => &mut self.ended_flows,
            Entry::Echo => &mut self.ended_echoes,
        };
        ended.insert(id, bounded)
    }

    /// True when a table entry has ended.
    pub(crate) fn has_ended(&self, which: Entry, id: u64) -> bool {
        match which {
            Entry::Flow => self.ended_flows.contains(id),
            Entry::Echo => self.ended_echoes.contains(id),
        }
    }
}

/// Which of a sensor's tables an identifier is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Flow table.
    Flow,
    /// Echo table.
    Echo,
}
