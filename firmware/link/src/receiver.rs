//! The host's end: order, repetition, loss and reboots.

use magpie_protocol::{Command, Items};

use crate::batch::{Header, LinkError, Stream, count_items};

/// Earlier sensor runs that are remembered, so that their late batches are
/// not taken for a new run.
const EARLIER_RUNS: usize = 8;
/// So many batches of an earlier run, and none of the current one between
/// them, are no latecomers: that run goes on, and the current one was a stray.
const GOES_ON: u8 = 16;

/// What a [`Receiver`] met since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiverCounts {
    /// Batches understood and of the current run.
    pub batches: u64,
    /// Runs of the sensor.
    pub boots: u64,
    /// Finished records delivered.
    pub finals: u64,
    /// Live records delivered.
    pub live: u64,
    /// Batches, live or final, of which every record had been delivered
    /// before, or which came behind later live ones.
    pub duplicates: u64,
    /// Batches of finished records that came too early; they come again.
    pub out_of_order: u64,
    /// Batches of an earlier run.
    pub other_boot: u64,
    /// Batches refused for any other reason.
    pub bad: u64,
    /// Finished records gone for good.
    pub lost_finals: u64,
    /// Live records that never came or came too late.
    pub live_gap: u64,
}

/// What a batch brought.
#[derive(Debug, Clone)]
pub struct Delivery<'d> {
    /// The sensor's run.
    pub boot_id: u32,
    /// Which stream the items are of.
    pub stream: Stream,
    /// The sensor's minor version.
    pub minor: u8,
    /// True for the first batch of a run: forget nothing, but add what comes
    /// to what earlier runs said.
    pub new_boot: bool,
    /// Number of this run's finished record at which this receiver began;
    /// those before went to an earlier receiver or were dropped by the sensor
    /// (its ledger says which). It may still rise until the first finished
    /// record is delivered: an earlier receiver's last acknowledgement may
    /// arrive at the sensor after this one's first batch left it.
    pub joined_at: u64,
    /// Finished records that the sensor dropped before they arrived here, by
    /// this batch's word; each is reported once.
    pub lost_finals: u64,
    /// Live records missing right before this batch.
    pub live_gap: u64,
    /// Records not delivered before, in order; each can be delimited.
    pub items: Items<'d>,
}

/// The run now listened to.
#[derive(Debug, Clone, Copy)]
struct Run {
    boot_id: u32,
    joined_at: u64,
    /// A finished record was delivered.
    begun: bool,
    next_final: u64,
    next_live: Option<u64>,
}

/// Host's end of one wire. One receiver lives as long as its source, over
/// any number of the sensor's reboots.
#[derive(Debug, Default)]
pub struct Receiver {
    run: Option<Run>,
    /// The latest first.
    earlier: [Option<Run>; EARLIER_RUNS],
    /// Batches of earlier runs since the last one of the current run.
    late: u8,
    ack_due: bool,
    counts: ReceiverCounts,
}

impl Receiver {
    /// Knows no sensor yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was met so far.
    pub fn counts(&self) -> ReceiverCounts {
        self.counts
    }

    /// The sensor run now listened to, once a batch came: what a
    /// [`crate::command_batch`] is addressed to.
    pub fn boot_id(&self) -> Option<u32> {
        self.run.map(|run| run.boot_id)
    }

    /// Number of the next finished record expected of this run.
    pub fn next_final(&self) -> Option<u64> {
        self.run.map(|run| run.next_final)
    }

    /// Takes a batch of the sensor.
    pub fn handle_batch<'d>(&mut self, batch: &'d [u8]) -> Result<Delivery<'d>, LinkError> {
        let delivery = self.accept(batch);
        let counter = match &delivery {
            Ok(_) => &mut self.counts.batches,
            Err(LinkError::OtherBoot { .. }) => &mut self.counts.other_boot,
            Err(_) => &mut self.counts.bad,
        };
        *counter = counter.saturating_add(1);
        delivery
    }

    /// The acknowledgement that is due, if any. Call it when the records of
    /// the last delivery are safe: what is acknowledged is not sent again.
    pub fn poll_ack(&mut self) -> Option<Command> {
        let run = self.run?;
        core::mem::take(&mut self.ack_due).then_some(Command::Ack {
            boot_id: run.boot_id,
            next: run.next_final,
        })
    }

    fn accept<'d>(&mut self, batch: &'d [u8]) -> Result<Delivery<'d>, LinkError> {
        let (header, octets) = Header::parse(batch)?;
        if header.stream == Stream::Command {
            return Err(LinkError::WrongStream(header.stream));
        }
        // Everything is checked before anything changes.
        let count = count_items(octets)?;
        let end = header
            .first_seq
            .checked_add(count)
            .ok_or(LinkError::BadSequence)?;
        if header.stream == Stream::Final && header.oldest > header.first_seq {
            return Err(LinkError::BadSequence);
        }
        let (mut run, new_boot) = self.enter(&header)?;
        let gone = header.oldest.saturating_sub(run.next_final);
        let lost_finals = if run.begun { gone } else { 0 };
        run.next_final = run.next_final.max(header.oldest);
        if !run.begun {
            run.joined_at = run.next_final;
        }
        let mut items = Items::new(octets);
        let mut live_gap = 0;
        let expected = match header.stream {
            Stream::Final => {
                self.ack_due = true;
                run.next_final
            }
            _ => run.next_live.unwrap_or(header.first_seq),
        };
        if header.stream == Stream::Final && header.first_seq > expected {
            // Something before is missing: the sensor will come back to it.
            items = Items::new(&[]);
            add(&mut self.counts.out_of_order, 1);
        } else if end <= expected && count > 0 {
            items = Items::new(&[]);
            add(&mut self.counts.duplicates, 1);
        } else {
            // A batch sent again may begin with records that had arrived.
            let known = expected.saturating_sub(header.first_seq);
            for _ in 0..known.min(count) {
                items.next();
            }
            let fresh = count.saturating_sub(known);
            if header.stream == Stream::Final {
                run.next_final = end.max(expected);
                run.begun |= fresh > 0;
                add(&mut self.counts.finals, fresh);
            } else {
                live_gap = header.first_seq.saturating_sub(expected);
                run.next_live = Some(end.max(expected));
                add(&mut self.counts.live, fresh);
            }
        }
        add(&mut self.counts.lost_finals, lost_finals);
        add(&mut self.counts.live_gap, live_gap);
        self.run = Some(run);
        Ok(Delivery {
            boot_id: header.boot_id,
            stream: header.stream,
            minor: header.minor,
            new_boot,
            joined_at: run.joined_at,
            lost_finals,
            live_gap,
            items,
        })
    }

    /// The run a batch belongs to, and whether it begins with it.
    fn enter(&mut self, header: &Header) -> Result<(Run, bool), LinkError> {
        let boot_id = header.boot_id;
        if let Some(run) = self.run.filter(|run| run.boot_id == boot_id) {
            self.late = 0;
            return Ok((run, false));
        }
        let of_batch = |run: &Option<Run>| run.is_some_and(|run| run.boot_id == boot_id);
        let known = self.earlier.iter_mut().find(|run| of_batch(run));
        if known.is_some() {
            self.late = self.late.saturating_add(1);
            if self.late < GOES_ON {
                return Err(LinkError::OtherBoot { boot_id });
            }
        }
        // What the run had delivered stays known: nothing comes twice.
        let resumed = known.and_then(Option::take);
        if let Some(left) = self.run {
            self.earlier.rotate_right(1);
            if let Some(place) = self.earlier.first_mut() {
                *place = Some(left);
            }
        }
        self.late = 0;
        self.ack_due = false; // it would have named the run that was left
        if let Some(run) = resumed {
            return Ok((run, false));
        }
        add(&mut self.counts.boots, 1);
        let oldest = header.oldest;
        Ok((
            Run {
                boot_id,
                joined_at: oldest,
                begun: false,
                next_final: oldest,
                next_live: None,
            },
            true,
        ))
    }
}

fn add(counter: &mut u64, n: u64) {
    *counter = counter.saturating_add(n);
}
