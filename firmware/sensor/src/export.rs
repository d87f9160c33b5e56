//! What leaves when: finished records first in, first out; live ones, made
//! from the tables as they are, in the gaps.
//!
//! Live records are never queued: a pass over the books and tables begins
//! every `live_us` and shows what changed since the last one, as fast as the
//! link takes it. A flush is a pass of the same kind that ends every record
//! and closes with the ledger.

use magpie_protocol::{
    CommandReply, Counts, Emitted, EndReason, Ledger, Port, Record, RecordSource, TableId, Tally,
    TimeReply, TooBig, Unsent, UplinkCounts, Want, encode_record_for,
};

use crate::{
    Sensor,
    books::TABLES,
    unsent::{Responder, Why},
};

/// Where a pass stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// No pass under way.
    #[default]
    Resting,
    Flows(usize),
    Echoes(usize),
    Requests(usize),
    /// Until the link is empty, or so many calls more.
    Quiet(u32),
    /// Which table, which line.
    Tables(usize, usize),
    /// Which IP version's.
    TooBig(usize),
    Unsent(usize),
    Ledger,
}

/// Slots of the flow table that are looked through within one `sweep_us`.
const SLOTS_A_SWEEP: u64 = 1 << 16;

/// How often a flush writes the counter tables anew because frames came in
/// while it did. With room for all lines at once it is done in one go, and
/// before another try the link is left to empty itself; a port that never
/// rests, with a link too small, gets a ledger that is newer than its tables.
const TABLES_AGAIN: u8 = 16;
/// A link that is not empty after so many calls is not waited for.
const PATIENCE: u32 = 1 << 16;

/// Answers that can wait at once; more than the host has commands without an
/// answer under way.
const ANSWERS: usize = 4;

/// The passes under way and the answers to give.
#[derive(Debug, Default)]
pub(crate) struct Exporter {
    greeted: bool,
    /// What the host reads; 0, which all do, until it said.
    host_minor: u8,
    times: heapless::Deque<TimeReply, ANSWERS>,
    answers: heapless::Deque<CommandReply, ANSWERS>,
    port: Option<Port>,
    /// The port is to be told, out of turn or beside a ledger.
    port_due: bool,
    flush_id: u32,
    flush: Stage,
    /// Frames counted when the flush began to write the counter tables, and
    /// flows not kept when it began to write those.
    tables_as_of: u64,
    unsent_as_of: u64,
    tables_again: u8,
    sweep: Stage,
    sweep_began_us: Option<u64>,
    live: Stage,
    live_began_us: Option<u64>,
}

/// True when an interval is over; a clock that stepped back starts it anew.
fn due(now_us: u64, began_us: Option<u64>, interval_us: u64) -> bool {
    interval_us > 0 && began_us.is_none_or(|began| now_us.abs_diff(began) >= interval_us)
}

fn push_over<T, const N: usize>(queue: &mut heapless::Deque<T, N>, value: T) {
    if queue.is_full() {
        queue.pop_front();
    }
    let _ = queue.push_back(value);
}

impl Exporter {
    /// Says Hello (again), and what the port is at.
    pub(crate) fn greet(&mut self) {
        self.greeted = false;
        self.port_due = true;
    }

    /// Keeps what the port is at; a change of link or network is news.
    pub(crate) fn set_port(&mut self, port: Port) {
        let facts = |port: Port| (port.link, port.net);
        self.port_due |= self.port.map(facts) != Some(facts(port));
        self.port = Some(port);
    }

    /// Whether there is something to tell of the port, to a host that reads it.
    fn has_port(&self) -> bool {
        self.port_due && self.port.is_some() && self.host_minor >= Port::SINCE
    }

    /// What the port is at, once each time it is due.
    fn take_port(&mut self, now_us: u64) -> Option<Port> {
        if !self.has_port() {
            return None;
        }
        self.port_due = false;
        let port = self.port?;
        Some(Port {
            at_us: now_us,
            ..port
        })
    }

    /// Exports everything. The same number again changes nothing: the
    /// ledger that ends a flush is a finished record and cannot get lost.
    pub(crate) fn flush(&mut self, id: u32) {
        if id != self.flush_id && id != 0 {
            self.flush_id = id;
            self.flush = Stage::Flows(0);
            self.tables_again = 0;
        }
    }

    /// Answers a time request; of too many at once the oldest goes unanswered.
    pub(crate) fn answer_time(&mut self, reply: TimeReply) {
        push_over(&mut self.times, reply);
    }

    /// Answers a command; likewise.
    pub(crate) fn answer(&mut self, reply: CommandReply) {
        push_over(&mut self.answers, reply);
    }
}

/// What one step of a pass came to.
#[allow(clippy::large_enum_variant)] // lives for one call; there is no heap to box on
enum Step {
    /// A record to send.
    Made(Record, Tally),
    /// Nothing found within the work allowed, or a stage ended: go on.
    Next,
}

impl Sensor<'_> {
    /// Slots to look at in one step: at least one, or no pass would end.
    fn limit(&self) -> usize {
        self.config.scan_slots.max(1) as usize
    }

    /// Moves to the next stage when this one's cursor is at its end.
    fn after(&mut self, stage: Stage) -> Stage {
        match stage {
            Stage::Flows(at) if at >= self.flows.slots() => Stage::Echoes(0),
            Stage::Echoes(at) if at >= self.echoes.slots().0 => Stage::Requests(0),
            Stage::Requests(at) if at >= self.echoes.slots().1 => Stage::Tables(0, 0),
            Stage::Tables(table, _) if table >= TABLES.len() => Stage::TooBig(0),
            Stage::TooBig(at) if at >= self.books.too_big.len() => Stage::Unsent(0),
            Stage::Unsent(at) if at >= self.outbox.unsent.len() => Stage::Ledger,
            same => same,
        }
    }

    /// Up to eight lines of the table from `line` on; the cursor moves behind
    /// them, or to the next table.
    fn lines(&mut self, table_at: &mut usize, line: &mut usize, all: bool) -> Option<Record> {
        let table: TableId = *TABLES.get(*table_at)?;
        let mut entries = heapless::Vec::new();
        self.books.settle();
        if *line > 0 || self.books.take_changed(table) || all {
            let len = self.books.len(table);
            let stop = line
                .saturating_add(self.limit().max(Counts::MAX_ENTRIES))
                .min(len);
            while *line < stop && !entries.is_full() {
                if let Some(entry) = self.books.line(table, *line) {
                    let _ = entries.push(entry);
                }
                *line = line.saturating_add(1);
            }
            if *line >= len {
                *table_at = table_at.saturating_add(1);
                *line = 0;
            }
        } else {
            *table_at = table_at.saturating_add(1);
        }
        (!entries.is_empty()).then_some(Record::Counts(Counts { table, entries }))
    }

    /// Lines of what was not kept; the cursor moves behind them.
    fn unsent_lines(&mut self, at: &mut usize, all: bool) -> Option<Record> {
        let limit = self.limit().max(Unsent::MAX_LINES);
        let flows = self.unsent_flows();
        let is_read = self.exporter.host_minor >= Unsent::SINCE;
        let unsent = &mut self.outbox.unsent;
        if !is_read || (*at == 0 && !unsent.take_changed() && !all) {
            *at = usize::MAX;
        }
        let lines = unsent.lines(at, limit);
        (!lines.is_empty()).then_some(Record::Unsent(Unsent { flows, lines }))
    }

    /// Who said last that a packet was too big; the cursor moves behind it.
    fn too_big(&mut self, at: &mut usize, all: bool) -> Option<Record> {
        let latest = self.books.too_big.get_mut(*at)?;
        *at = at.saturating_add(1);
        if self.exporter.host_minor < TooBig::SINCE {
            return None;
        }
        latest.take(all).map(Record::TooBig)
    }

    /// Flows never sent or unconfirmed, as the ledger says.
    fn unsent_flows(&self) -> u64 {
        let uplink = &self.books.uplink;
        let flows = self.outbox.never_sent.flows;
        let flows = flows.saturating_add(uplink.never_sent.flows);
        flows.saturating_add(uplink.unconfirmed.flows)
    }

    /// Whether the link holds finished records that nobody has acknowledged.
    fn is_under_way(&self) -> bool {
        let uplink = &self.books.uplink;
        let over = uplink
            .acked
            .saturating_add(uplink.never_sent.records)
            .saturating_add(uplink.unconfirmed.records);
        self.outbox.exported.records > over
    }

    fn flush_step(&mut self, now_us: u64) -> Option<Step> {
        let limit = self.limit();
        let record = Tally {
            records: 1,
            ..Tally::default()
        };
        let mut stage = self.exporter.flush;
        let made = match &mut stage {
            Stage::Resting => return None,
            Stage::Flows(at) => self
                .flows
                .finish_next(at, limit, |_| Some(EndReason::Flush)),
            Stage::Echoes(at) => {
                let idle_us = self.config.idle_us;
                self.echoes.finish_next(at, limit, now_us, idle_us, true)
            }
            // Requests have nothing to export.
            Stage::Requests(at) => {
                *at = usize::MAX;
                None
            }
            Stage::Quiet(calls) => {
                if *calls > 0 && self.is_under_way() {
                    self.exporter.flush = Stage::Quiet(calls.saturating_sub(1));
                    return None;
                }
                stage = Stage::Tables(0, 0);
                None
            }
            Stage::Tables(table, line) => {
                if (*table, *line) == (0, 0) {
                    self.exporter.tables_as_of = self.books.frames();
                }
                self.lines(table, line, true).map(|counts| (counts, record))
            }
            Stage::Unsent(at) => {
                if *at == 0 {
                    self.exporter.unsent_as_of = self.unsent_flows();
                }
                self.unsent_lines(at, true).map(|lines| (lines, record))
            }
            Stage::TooBig(at) => self.too_big(at, true).map(|it| (it, record)),
            Stage::Ledger => {
                let changed = self.books.frames() != self.exporter.tables_as_of
                    || self.unsent_flows() != self.exporter.unsent_as_of;
                if changed && self.exporter.tables_again < TABLES_AGAIN {
                    // Tables and ledger are to be as of the same frame.
                    self.exporter.tables_again = self.exporter.tables_again.saturating_add(1);
                    self.exporter.flush = Stage::Quiet(PATIENCE);
                    return Some(Step::Next);
                }
                self.exporter.flush = Stage::Resting;
                // The ledger counts itself among what was exported.
                let mut ledger = self.ledger(now_us);
                ledger.exported.add(&record);
                ledger.flush = self.exporter.flush_id;
                return Some(Step::Made(Record::Ledger(ledger), record));
            }
        };
        self.exporter.flush = self.after(stage);
        Some(match made {
            Some((made, tally)) => Step::Made(made, tally),
            None => Step::Next,
        })
    }

    fn sweep_step(&mut self, now_us: u64) -> Option<Step> {
        let (config, limit) = (self.config, self.limit());
        if self.exporter.sweep == Stage::Resting {
            // A large table is looked through less often, so that the looking
            // stays a small part of the work.
            let times = (self.flows.slots() as u64 / SLOTS_A_SWEEP).saturating_add(1);
            let interval_us = config.sweep_us.saturating_mul(times);
            if !due(now_us, self.exporter.sweep_began_us, interval_us) {
                return None;
            }
            self.exporter.sweep_began_us = Some(now_us);
            self.exporter.sweep = Stage::Flows(0);
        }
        let mut stage = self.exporter.sweep;
        let made = match &mut stage {
            Stage::Flows(at) => self.flows.finish_next(at, limit, |slot| {
                let old = config.active_us > 0 && slot.age_us(now_us) >= config.active_us;
                slot.expired(now_us, &config)
                    .or(old.then_some(EndReason::Active))
            }),
            Stage::Echoes(at) => self
                .echoes
                .finish_next(at, limit, now_us, config.idle_us, false),
            Stage::Requests(at) => {
                let wait_us = config.echo_wait_us;
                if wait_us > 0 {
                    self.echoes.time_out(at, limit, now_us, wait_us);
                } else {
                    *at = usize::MAX;
                }
                None
            }
            Stage::Resting
            | Stage::Quiet(_)
            | Stage::Tables(..)
            | Stage::Unsent(_)
            | Stage::TooBig(_)
            | Stage::Ledger => {
                self.exporter.sweep = Stage::Resting;
                return None;
            }
        };
        self.exporter.sweep = self.after(stage);
        Some(match made {
            Some((made, tally)) => Step::Made(made, tally),
            None => Step::Next,
        })
    }

    fn live_step(&mut self, now_us: u64) -> Option<Step> {
        let (config, limit) = (self.config, self.limit());
        if self.exporter.live == Stage::Resting {
            if !due(now_us, self.exporter.live_began_us, config.live_us) {
                return None;
            }
            self.exporter.live_began_us = Some(now_us);
            // The ledger first: it is what a host that just came wants to see.
            self.exporter.live = Stage::Flows(0);
            self.exporter.port_due = true;
            return Some(Step::Made(
                Record::Ledger(self.ledger(now_us)),
                Tally::default(),
            ));
        }
        let mut stage = self.exporter.live;
        let made = match &mut stage {
            Stage::Flows(at) => self.flows.show_next(at, limit),
            Stage::Echoes(at) => self.echoes.show_next(at, limit),
            Stage::Requests(at) => {
                *at = usize::MAX;
                None
            }
            Stage::Tables(table, line) => self.lines(table, line, false),
            Stage::Unsent(at) => self.unsent_lines(at, false),
            Stage::TooBig(at) => self.too_big(at, false),
            Stage::Resting | Stage::Quiet(_) | Stage::Ledger => {
                self.exporter.live = Stage::Resting;
                return None;
            }
        };
        self.exporter.live = self.after(stage);
        Some(match made {
            Some(made) => Step::Made(made, Tally::default()),
            None => Step::Next,
        })
    }

    fn poll_final(&mut self, now_us: u64, out: &mut [u8]) -> Option<Emitted> {
        if let Some(emitted) = self.outbox.pop(self.exporter.host_minor, out) {
            return Some(emitted);
        }
        // A stage without anything to show costs one step; a table scan is
        // cut at `scan_slots` and goes on at the next call.
        for _ in 0..STEPS {
            let step = match self.flush_step(now_us) {
                Some(step) => step,
                None => self.sweep_step(now_us)?,
            };
            if let Step::Made(record, tally) = step {
                return Some(self.emit_final(&record, tally, out));
            }
        }
        None
    }

    /// Finished records of a pass go out past the outbox: they are made only
    /// when the link has room.
    fn emit_final(&mut self, record: &Record, tally: Tally, out: &mut [u8]) -> Emitted {
        if let Ok(len) = encode_record_for(self.exporter.host_minor, record, out) {
            self.outbox.exported.add(&tally);
            Emitted { len, tally }
        } else {
            // Only a caller's buffer below MAX_ITEM comes here.
            self.outbox.lose(Responder::of_record(record), &tally);
            Emitted {
                len: 0,
                tally: Tally::default(),
            }
        }
    }

    fn next_live(&mut self, now_us: u64) -> Option<Record> {
        if !self.exporter.greeted {
            self.exporter.greeted = true;
            self.hello.at_us = now_us;
            return Some(Record::Hello(self.hello.clone()));
        }
        if let Some(port) = self.exporter.take_port(now_us) {
            return Some(Record::Port(port));
        }
        if let Some(mut time) = self.exporter.times.pop_front() {
            time.sent_us = now_us;
            return Some(Record::TimeReply(time));
        }
        if let Some(answer) = self.exporter.answers.pop_front() {
            return Some(Record::CommandReply(answer));
        }
        for _ in 0..STEPS {
            if let Step::Made(record, _) = self.live_step(now_us)? {
                return Some(record);
            }
        }
        None
    }

    /// When `poll_record` will next have something that is not there yet; 0
    /// while a pass is under way, for a call looks at so many slots only.
    pub fn poll_at(&self) -> Option<u64> {
        let Exporter {
            flush, sweep, live, ..
        } = &self.exporter;
        if self.exporter.has_port() || [flush, sweep, live].iter().any(|s| **s != Stage::Resting) {
            return Some(0);
        }
        let next = |began: Option<u64>, interval: u64| {
            (interval > 0).then(|| began.map_or(0, |began| began.saturating_add(interval)))
        };
        let live = next(self.exporter.live_began_us, self.config.live_us);
        let sweep = next(self.exporter.sweep_began_us, self.config.sweep_us);
        match (live, sweep) {
            (Some(live), Some(sweep)) => Some(live.min(sweep)),
            (live, sweep) => live.or(sweep),
        }
    }
}

/// Steps of passes in one call: enough to cross all empty stages.
const STEPS: usize = 16;

impl RecordSource for Sensor<'_> {
    fn poll_record(&mut self, now_us: u64, want: Want, out: &mut [u8]) -> Option<Emitted> {
        match want {
            Want::Final => self.poll_final(now_us, out),
            Want::Live => {
                let record = self.next_live(now_us)?;
                let len = encode_record_for(self.exporter.host_minor, &record, out).ok()?;
                Some(Emitted {
                    len,
                    tally: Tally::default(),
                })
            }
        }
    }

    fn note_uplink(&mut self, counts: &UplinkCounts, host_minor: u8) {
        self.books.uplink = *counts;
        self.exporter.host_minor = host_minor;
    }

    fn note_dropped(&mut self, item: &[u8], tally: &Tally, sent: bool) {
        let why = if sent {
            Why::Unconfirmed
        } else {
            Why::NeverSent
        };
        self.outbox.unsent.add(Responder::of_item(item), why, tally);
    }
}

/// The ledger's own size bound: it must fit an item.
const _: () = assert!(core::mem::size_of::<Ledger>() < magpie_protocol::MAX_BODY);
