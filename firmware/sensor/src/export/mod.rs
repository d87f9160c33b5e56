//! What leaves when: finished records first in, first out; live ones, made
//! from the tables as they are, in the gaps.
//!
//! Live records are never queued: a pass over the books and tables begins
//! every `live_us` and shows what changed since the last one, as fast as the
//! link takes it. A flush is a pass of the same kind that ends every record
//! and closes with the ledger.

use magpie_protocol::{
    CommandReply, Emitted, FilterReply, FilterStatus, Ledger, PacketPart, Port, Record,
    RecordSource, Tally, TimeReply, UplinkCounts, Want, encode_record_for,
};

use crate::{
    Sensor,
    unsent::{Responder, Why},
};

mod answers;
mod pass;

use answers::Answers;
pub use answers::Way;
use pass::{Stage, Step};

/// The passes under way and the answers to give.
#[derive(Debug, Default)]
pub(crate) struct Exporter {
    greeted: bool,
    /// What the host reads; 0, which all do, until it said.
    host_minor: u8,
    /// The way of the records to come.
    way: Way,
    times: Answers<TimeReply>,
    answers: Answers<CommandReply>,
    filter_replies: Answers<FilterReply>,
    /// Commands refused, since boot.
    refused: u32,
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
            refused: self.refused,
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

    /// Answers a time request.
    pub(crate) fn answer_time(&mut self, way: Way, reply: TimeReply) {
        self.times.push(way, reply);
    }

    /// Answers a command.
    pub(crate) fn answer(&mut self, way: Way, reply: CommandReply) {
        self.answers.push(way, reply);
    }

    /// Answers a command about filters.
    pub(crate) fn answer_filter(&mut self, way: Way, reply: FilterReply) {
        self.filter_replies.push(way, reply);
    }

    /// Answers one that is refused, and counts it: that is news.
    pub(crate) fn refuse(&mut self, way: Way, reply: FilterReply) {
        self.refused = self.refused.saturating_add(1);
        self.port_due = true;
        self.answer_filter(way, reply);
    }

    /// Whether the host reads what filters say.
    fn reads_filters(&self) -> bool {
        self.host_minor >= FilterStatus::SINCE
    }
}

impl Sensor<'_> {
    /// By which way the records to come go. Answers go only by the way of their
    /// commands, and packets only by the line.
    pub fn set_way(&mut self, way: Way) {
        self.exporter.way = way;
    }

    fn poll_final(&mut self, now_us: u64, out: &mut [u8]) -> Option<Emitted> {
        if let Some(emitted) = self.outbox.pop(self.exporter.host_minor, out) {
            return Some(emitted);
        }
        // A stage without anything to show costs one step; a table scan is
        // cut at `scan_slots` and goes on at the next call.
        for _ in 0..STEPS {
            let step = match self.flush_step(now_us, out) {
                Some(step) => step,
                None => self.sweep_step(now_us, out)?,
            };
            if let Step::Made(emitted) = step {
                return Some(emitted);
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

    /// Live records are worth nothing to anybody but their reader. `None`: only
    /// a caller's buffer below [`magpie_protocol::MAX_ITEM`] comes to that.
    fn emit_live(&self, record: &Record, out: &mut [u8]) -> Option<Emitted> {
        let len = encode_record_for(self.exporter.host_minor, record, out).ok()?;
        Some(Emitted {
            len,
            tally: Tally::default(),
        })
    }

    fn poll_live(&mut self, now_us: u64, out: &mut [u8]) -> Option<Emitted> {
        if !self.exporter.greeted {
            self.exporter.greeted = true;
            self.hello.at_us = now_us;
            return self.emit_live(&Record::Hello(self.hello.clone()), out);
        }
        if let Some(port) = self.exporter.take_port(now_us) {
            return self.emit_live(&Record::Port(port), out);
        }
        let way = self.exporter.way;
        if let Some(mut time) = self.exporter.times.next(way) {
            time.sent_us = now_us;
            return self.emit_live(&Record::TimeReply(time), out);
        }
        if let Some(answer) = self.exporter.answers.next(way) {
            return self.emit_live(&Record::CommandReply(answer), out);
        }
        if self.exporter.reads_filters() {
            if let Some(reply) = self.exporter.filter_replies.next(way) {
                return self.emit_live(&Record::FilterReply(reply), out);
            }
            if let Some(status) = self.filters.take_status(now_us) {
                return self.emit_live(&Record::FilterStatus(status), out);
            }
            if self.filters.take_start() {
                // Whoever counts what is seen meanwhile begins there.
                let ledger = Record::Ledger(self.told_ledger(now_us));
                return self.emit_live(&ledger, out);
            }
        }
        for _ in 0..STEPS {
            if let Step::Made(emitted) = self.live_step(now_us, out)? {
                return Some(emitted);
            }
        }
        None
    }

    /// Parts of packets, when no other live record waits, or would if the pass
    /// under way went on.
    fn next_part(&mut self, out: &mut [u8]) -> Option<usize> {
        let Exporter {
            greeted,
            host_minor,
            way,
            times,
            answers,
            filter_replies,
            live,
            ..
        } = &self.exporter;
        let waits = !greeted
            || !times.is_empty()
            || !answers.is_empty()
            || !filter_replies.is_empty()
            || *live != Stage::Resting
            || self.exporter.has_port()
            || self.filters.has_news();
        // By the network anybody may listen: there they wait.
        if waits || *way == Way::Network || *host_minor < PacketPart::SINCE {
            return None;
        }
        self.filters.poll_part(out)
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
            Want::Live => self.poll_live(now_us, out),
            Want::Packet => self.next_part(out).map(|len| Emitted {
                len,
                tally: Tally::default(),
            }),
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
