//! Everything that is known of one sensor.

use std::collections::{BTreeMap, VecDeque};

use magpie_protocol::{FilterStatus, Hello, Ledger, Port, Record, TableId, TooBig};

use crate::boot::Entry;
use crate::counts::{CountTable, CountTables};
use crate::unsent::FoldedUnsent;
use crate::{
    Boot, Clock, EchoTable, Event, FlowTable, Limits, Peak, Position, TableRecord, UnsentFlows,
    UnsentSums, ledger_sum,
};

/// Numbers of unknown record types that are told apart.
const MAX_UNKNOWN_TYPES: usize = 256;

/// What went over the wire besides records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkFacts {
    /// Records of types this version does not know, by type.
    pub unknown: BTreeMap<u8, u64>,
    /// Records whose body could not be read.
    pub bad_bodies: u64,
    /// Batches that could not be read at all.
    pub bad_batches: u64,
    /// Batches of another major version.
    pub refused_versions: u64,
    /// Finished records that came a second time in spite of the link.
    pub repeated: u64,
}

/// What did not fit into [`Limits`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Flow keys.
    pub flows: u64,
    /// Packets of their finished records.
    pub packets: u64,
    /// Frame octets of those.
    pub octets: u64,
    /// Echo pairs.
    pub echoes: u64,
    /// Requests of their finished records.
    pub requests: u64,
    /// Times a counter line found no room.
    pub count_lines: u64,
    /// Live records of keys that had too many.
    pub live: u64,
    /// Boots whose ledgers were added up.
    pub boots: u64,
    /// Change events nobody took.
    pub events: u64,
}

impl Forgotten {
    /// True when a sum, a key or a change is not shown on its own.
    pub fn any(&self) -> bool {
        let Self {
            flows,
            echoes,
            count_lines,
            live,
            boots,
            events,
            ..
        } = *self;
        [flows, echoes, count_lines, live, boots, events]
            .iter()
            .any(|n| *n > 0)
    }
}

/// Everything known of one sensor. Sums do not depend on the order in which
/// records come, nor on how often they come.
#[derive(Debug, Clone)]
pub struct Picture {
    name: String,
    limits: Limits,
    boots: Vec<Boot>,
    seen_boots: u64,
    folded_counts: CountTables,
    folded_ledger: Option<Ledger>,
    folded_unsent: FoldedUnsent,
    flows: FlowTable,
    echoes: EchoTable,
    clock: Option<Clock>,
    latest_us: u64,
    peak: Peak,
    events: VecDeque<Event>,
    dropped_events: u64,
    settled: Option<(u32, u32)>,
    finished: bool,
    pub(crate) link: LinkFacts,
}

impl Picture {
    /// An empty picture of the sensor behind the source of this name.
    pub fn new(name: impl Into<String>, limits: Limits) -> Self {
        Self {
            name: name.into(),
            limits,
            boots: Vec::new(),
            seen_boots: 0,
            folded_counts: CountTables::default(),
            folded_ledger: None,
            folded_unsent: FoldedUnsent::default(),
            flows: FlowTable::new(limits.flows),
            echoes: EchoTable::new(limits.echoes),
            clock: None,
            latest_us: 0,
            peak: Peak::default(),
            events: VecDeque::new(),
            dropped_events: 0,
            settled: None,
            finished: false,
            link: LinkFacts::default(),
        }
    }

    fn tell(&mut self, event: impl FnOnce() -> Event) {
        if self.limits.events == 0 {
            return;
        }
        if self.events.len() >= self.limits.events {
            self.events.pop_front();
            self.dropped_events = self.dropped_events.saturating_add(1);
        }
        self.events.push_back(event());
    }

    /// Index of a boot, which is made when it is new.
    fn boot_index(&mut self, id: u32) -> usize {
        if let Some(index) = self.boots.iter().rposition(|boot| boot.id() == id) {
            return index;
        }
        if self
            .limits
            .boots
            .is_some_and(|limit| self.boots.len() >= limit.max(1))
        {
            let oldest = self.boots.remove(0);
            self.folded_counts
                .add(&oldest.counts, self.limits.count_lines);
            self.folded_unsent.add(&oldest.unsent);
            if let Some(ledger) = oldest.ledger() {
                ledger_sum(&mut self.folded_ledger, ledger);
            }
        }
        let ordinal = self.seen_boots;
        self.seen_boots += 1;
        self.boots.push(Boot::new(id, ordinal));
        // It counts from another moment.
        self.clock = None;
        if ordinal > 0 {
            let boots = self.seen_boots;
            self.tell(|| Event::Reboot { boot_id: id, boots });
        }
        self.boots.len() - 1
    }

    /// Notes that a boot was heard of, from this finished record on.
    pub(crate) fn meet(&mut self, boot_id: u32, joined_at: u64) {
        let index = self.boot_index(boot_id);
        if let Some(boot) = self.boots.get_mut(index) {
            boot.joined_at = joined_at;
        }
    }

    /// Books a record that could not be read.
    pub(crate) fn skip(&mut self, at: Position) {
        let index = self.boot_index(at.boot_id);
        if let Some(boot) = self.boots.get_mut(index)
            && at.is_final
            && boot.book(at, None)
        {
            boot.unread = boot.unread.saturating_add(1);
        }
    }

    /// Notes records that did not arrive.
    pub(crate) fn miss(&mut self, boot_id: u32, is_final: bool, records: u64) {
        if records == 0 {
            return;
        }
        let index = self.boot_index(boot_id);
        if let Some(boot) = self.boots.get_mut(index) {
            let sum = if is_final {
                &mut boot.lost_finals
            } else {
                &mut boot.live_gaps
            };
            *sum = sum.saturating_add(records);
        }
        self.tell(|| Event::Gap {
            boot_id,
            is_final,
            records,
        });
    }

    /// Notes a record of a type this version does not know.
    pub(crate) fn note_unknown(&mut self, kind: u8) {
        if self.link.unknown.len() < MAX_UNKNOWN_TYPES {
            let count = self.link.unknown.entry(kind).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// The ledger of the Flush that was asked for has come: the books are drawn
    /// up as of it.
    pub(crate) fn settle(&mut self, boot_id: u32, flush: u32) {
        self.settled = Some((boot_id, flush));
    }

    /// Whether this ledger is a boot's last word.
    pub(crate) fn is_settled(&self, boot_id: u32, ledger: &Ledger) -> bool {
        self.settled == Some((boot_id, ledger.flush))
    }

    /// Keeps how sensor time maps to the host's.
    pub(crate) fn set_clock(&mut self, clock: Clock) {
        self.clock = Some(clock);
        self.tell(|| Event::Clock(clock));
    }

    /// Takes one record. `now_us` is host time since 1970; only rates use it.
    pub fn apply(&mut self, now_us: u64, at: Position, record: &Record) {
        let index = self.boot_index(at.boot_id);
        let Some(boot) = self.boots.get_mut(index) else {
            return;
        };
        let flow = match record {
            Record::Flow(flow) if flow.is_final() => Some(flow),
            _ => None,
        };
        if at.is_final && !boot.book(at, flow) {
            self.link.repeated = self.link.repeated.saturating_add(1);
            return;
        }
        let ordinal = boot.ordinal();
        match record {
            Record::Hello(hello) => self.take_hello(index, hello),
            Record::Ledger(ledger) => {
                boot.take_ledger(at, ledger);
                self.peak.note(at.boot_id, ledger);
                self.latest_us = self.latest_us.max(ledger.at_us);
                self.tell(|| Event::Ledger(Box::new(*ledger)));
            }
            Record::Flow(flow) => {
                if !admit(boot, Entry::Flow, flow, self.limits.flows.is_some()) {
                    return;
                }
                self.latest_us = self.latest_us.max(flow.last_us);
                if let Some(held) = self.flows.take(ordinal, flow)
                    && held.was_shown()
                    && let Some(total) = held.total()
                {
                    held.extra().note(now_us, &total);
                }
                if flow.is_final() {
                    self.tell(|| Event::Flow(Box::new(*flow)));
                }
            }
            Record::Echo(echo) => {
                if !admit(boot, Entry::Echo, echo, self.limits.echoes.is_some()) {
                    return;
                }
                self.latest_us = self.latest_us.max(echo.last_us);
                self.echoes.take(ordinal, echo);
                if echo.is_final() {
                    self.tell(|| Event::Echo(Box::new(*echo)));
                }
            }
            Record::EchoSample(sample) => {
                let id = (ordinal, at.is_final, at.number);
                let limit = self.limits.samples;
                let held = self.echoes.touch(sample.key);
                held.extra().add(id, sample.rtt_us, limit);
            }
            Record::Counts(counts) => boot.counts.take(counts, self.limits.count_lines),
            Record::Port(port) => {
                if boot.take_port(at, port) {
                    self.tell(|| Event::Port(*port));
                }
            }
            Record::TooBig(one) => boot.take_too_big(one),
            Record::Unsent(unsent) => {
                boot.unsent.take(at.is_final.then_some(at.number), unsent);
            }
            Record::FilterStatus(status) => boot.take_filter(at, status),
            // The session's own business.
            Record::TimeReply(_) | Record::CommandReply(_) | Record::FilterReply(_) => {}
        }
    }

    fn take_hello(&mut self, index: usize, hello: &Hello) {
        let Some(boot) = self.boots.get_mut(index) else {
            return;
        };
        let news = match &boot.hello {
            None => true,
            Some(old) => old.at_us < hello.at_us,
        };
        if news {
            let told_before = boot.hello.is_some();
            boot.hello = Some(hello.clone());
            if !told_before {
                self.tell(|| Event::Sensor(Box::new(hello.clone())));
            }
        }
    }

    /// Nothing more will come: from now on the books take the last ledger for
    /// the sensor's last word, even if it was no Flush's.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Whether nothing more will come.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Name of the source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is kept at most.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Boots whose ledgers are kept apart, oldest first.
    pub fn boots(&self) -> &[Boot] {
        &self.boots
    }

    /// How many boots were seen.
    pub fn seen_boots(&self) -> u64 {
        self.seen_boots
    }

    /// Who the sensor is: what its latest boot said, or an earlier one.
    pub fn hello(&self) -> Option<&Hello> {
        self.boots.iter().rev().find_map(Boot::hello)
    }

    /// What port and processor of the sensor's present boot are at.
    pub fn port(&self) -> Option<&Port> {
        self.boots.last().and_then(Boot::port)
    }

    /// Who said last that a packet was too big, over IPv4 and over IPv6, in the
    /// sensor's present boot.
    pub fn too_big(&self) -> impl Iterator<Item = &TooBig> {
        self.boots.last().into_iter().flat_map(Boot::too_big)
    }

    /// What the filters of the sensor's present boot did, by slot.
    pub fn filters(&self) -> impl Iterator<Item = &FilterStatus> {
        self.boots.last().into_iter().flat_map(Boot::filters)
    }

    /// The latest ledgers of all boots added up; `at_us` and `flush` are the
    /// latest boot's. `None` before the first.
    pub fn ledger(&self) -> Option<Ledger> {
        let mut sum = self.folded_ledger;
        for ledger in self.boots.iter().filter_map(Boot::ledger) {
            ledger_sum(&mut sum, ledger);
        }
        sum
    }

    /// Ledgers of boots that are no longer kept apart, added up.
    pub fn folded_ledger(&self) -> Option<&Ledger> {
        self.folded_ledger.as_ref()
    }

    /// A counter table over all boots.
    pub fn counts(&self, table: TableId) -> CountTable {
        let mut sum = CountTable::new();
        let apart = self.boots.iter().map(|boot| &boot.counts);
        for tables in apart.chain([&self.folded_counts]) {
            for (key, line) in tables.table(table).into_iter().flatten() {
                sum.entry(*key).or_default().add(*line);
            }
        }
        sum
    }

    /// Flows whose finished records the sensor could not keep, over all boots.
    pub fn unsent(&self) -> UnsentFlows {
        let total = self.ledger().map(|ledger| UnsentSums::of(&ledger));
        let apart = self.boots.iter().flat_map(|boot| boot.unsent.all());
        let all = apart.chain(self.folded_unsent.all());
        UnsentFlows::new(total.unwrap_or_default(), all)
    }

    /// Flows by key.
    pub fn flows(&self) -> &FlowTable {
        &self.flows
    }

    /// Echo pairs by key.
    pub fn echoes(&self) -> &EchoTable {
        &self.echoes
    }

    /// How sensor time maps to wall time, once it was measured.
    pub fn clock(&self) -> Option<&Clock> {
        self.clock.as_ref()
    }

    /// The latest sensor time that any record spoke of.
    pub fn latest_us(&self) -> u64 {
        self.latest_us
    }

    /// The busiest second that its ledgers tell of.
    pub fn peak(&self) -> Peak {
        self.peak
    }

    /// What went over the wire besides records.
    pub fn link(&self) -> &LinkFacts {
        &self.link
    }

    /// What did not fit.
    pub fn forgotten(&self) -> Forgotten {
        let (flows, flow_sums) = self.flows.forgotten();
        let (echoes, echo_sums) = self.echoes.forgotten();
        let refused = |tables: &CountTables| tables.refused();
        Forgotten {
            flows,
            packets: flow_sums.map_or(0, crate::FlowSums::packets),
            octets: flow_sums.map_or(0, crate::FlowSums::frame_octets),
            echoes,
            requests: echo_sums.map_or(0, |sums| sums.requests),
            count_lines: self
                .boots
                .iter()
                .map(|boot| refused(&boot.counts))
                .fold(refused(&self.folded_counts), u64::saturating_add),
            live: self
                .flows
                .dropped_live()
                .saturating_add(self.echoes.dropped_live()),
            boots: self.seen_boots - self.boots.len() as u64,
            events: self.dropped_events,
        }
    }

    /// True when so many change events wait that some may soon be dropped.
    pub fn events_crowded(&self) -> bool {
        self.limits.events > 0 && self.events.len() >= self.limits.events / 2
    }

    /// Takes the change events that wait.
    pub fn take_events(&mut self) -> impl Iterator<Item = Event> + use<> {
        std::mem::take(&mut self.events).into_iter()
    }
}

/// Whether a table record is news: a finished one the first time, a live one
/// as long as its entry has not ended.
fn admit<R: TableRecord>(boot: &mut Boot, which: Entry, record: &R, bounded: bool) -> bool {
    if record.is_final() {
        boot.end(which, record.id(), bounded)
    } else {
        !boot.has_ended(which, record.id())
    }
}
