//! The passes over books and tables: flush, sweep, live. Each is cut into
//! steps of bounded work.

use magpie_protocol::{Counts, Emitted, EndReason, Ledger, Record, TableId, Tally, TooBig, Unsent};

use crate::{Sensor, books::TABLES};

/// Where a pass stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
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

/// True when an interval is over; a clock that stepped back starts it anew.
fn due(now_us: u64, began_us: Option<u64>, interval_us: u64) -> bool {
    interval_us > 0 && began_us.is_none_or(|began| now_us.abs_diff(began) >= interval_us)
}

/// A finished record that stands for nothing but itself.
const RECORD: Tally = Tally {
    records: 1,
    flows: 0,
    packets: 0,
    octets: 0,
};

/// What one step of a pass came to. A record is written where it is made: it
/// takes as much room as the longest there is, and to hand it on would copy
/// all of that.
pub(super) enum Step {
    /// A record, written.
    Made(Emitted),
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

    /// The ledger as the host reads it.
    pub(super) fn told_ledger(&self, now_us: u64) -> Ledger {
        self.ledger(now_us).told_to(self.exporter.host_minor)
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

    pub(super) fn flush_step(&mut self, now_us: u64, out: &mut [u8]) -> Option<Step> {
        let limit = self.limit();
        let mut stage = self.exporter.flush;
        let made = match &mut stage {
            Stage::Resting => return None,
            Stage::Flows(at) => self
                .flows
                .finish_next(at, limit, |_| Some(EndReason::Flush))
                .map(|(flow, tally)| self.emit_final(&Record::Flow(flow), tally, out)),
            Stage::Echoes(at) => self
                .echoes
                .finish_next(at, limit, now_us, self.config.idle_us, true)
                .map(|(echo, tally)| self.emit_final(&Record::Echo(echo), tally, out)),
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
                self.lines(table, line, true)
                    .map(|counts| self.emit_final(&counts, RECORD, out))
            }
            Stage::Unsent(at) => {
                if *at == 0 {
                    self.exporter.unsent_as_of = self.unsent_flows();
                }
                self.unsent_lines(at, true)
                    .map(|lines| self.emit_final(&lines, RECORD, out))
            }
            Stage::TooBig(at) => self
                .too_big(at, true)
                .map(|it| self.emit_final(&it, RECORD, out)),
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
                let mut ledger = self.told_ledger(now_us);
                ledger.exported.add(&RECORD);
                ledger.flush = self.exporter.flush_id;
                let ledger = Record::Ledger(ledger);
                return Some(Step::Made(self.emit_final(&ledger, RECORD, out)));
            }
        };
        self.exporter.flush = self.after(stage);
        Some(made.map_or(Step::Next, Step::Made))
    }

    pub(super) fn sweep_step(&mut self, now_us: u64, out: &mut [u8]) -> Option<Step> {
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
            Stage::Flows(at) => self
                .flows
                .finish_next(at, limit, |slot| {
                    let old = config.active_us > 0 && slot.age_us(now_us) >= config.active_us;
                    slot.expired(now_us, &config)
                        .or(old.then_some(EndReason::Active))
                })
                .map(|(flow, tally)| self.emit_final(&Record::Flow(flow), tally, out)),
            Stage::Echoes(at) => self
                .echoes
                .finish_next(at, limit, now_us, config.idle_us, false)
                .map(|(echo, tally)| self.emit_final(&Record::Echo(echo), tally, out)),
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
        Some(made.map_or(Step::Next, Step::Made))
    }

    pub(super) fn live_step(&mut self, now_us: u64, out: &mut [u8]) -> Option<Step> {
        let (config, limit) = (self.config, self.limit());
        if self.exporter.live == Stage::Resting {
            if !due(now_us, self.exporter.live_began_us, config.live_us) {
                return None;
            }
            self.exporter.live_began_us = Some(now_us);
            // The ledger first: it is what a host that just came wants to see.
            self.exporter.live = Stage::Flows(0);
            self.exporter.port_due = true;
            self.filters.show();
            let ledger = Record::Ledger(self.told_ledger(now_us));
            return self.emit_live(&ledger, out).map(Step::Made);
        }
        let mut stage = self.exporter.live;
        let made = match &mut stage {
            Stage::Flows(at) => self
                .flows
                .show_next(at, limit)
                .and_then(|flow| self.emit_live(&Record::Flow(flow), out)),
            Stage::Echoes(at) => self
                .echoes
                .show_next(at, limit)
                .and_then(|echo| self.emit_live(&Record::Echo(echo), out)),
            Stage::Requests(at) => {
                *at = usize::MAX;
                None
            }
            Stage::Tables(table, line) => self
                .lines(table, line, false)
                .and_then(|counts| self.emit_live(&counts, out)),
            Stage::Unsent(at) => self
                .unsent_lines(at, false)
                .and_then(|lines| self.emit_live(&lines, out)),
            Stage::TooBig(at) => self
                .too_big(at, false)
                .and_then(|it| self.emit_live(&it, out)),
            Stage::Resting | Stage::Quiet(_) | Stage::Ledger => {
                self.exporter.live = Stage::Resting;
                return None;
            }
        };
        self.exporter.live = self.after(stage);
        Some(made.map_or(Step::Next, Step::Made))
    }
}
