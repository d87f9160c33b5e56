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
    /// Finished records that will not come: the sensor dropped them, or another
    /// host acknowledged them.
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
    /// Finished records that will not come, by this batch's word: the sensor
    /// dropped them, or another host has them. Each is reported once.
    pub lost_finals: u64,
    /// Live records missing right before this batch.
    pub live_gap: u64,
    /// Number of the first of `items`, if there is one.
    pub first_seq: u64,
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
            first_seq: header.first_seq.max(expected),
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

#[cfg(test)]
mod tests {
    use magpie_protocol::VERSION_MINOR;

    use super::*;

    /// A batch of `count` items whose bodies are their numbers' low octets.
    fn batch(stream: Stream, boot_id: u32, first: u64, count: u64, oldest: u64) -> Vec<u8> {
        let mut batch = Header::new(stream, boot_id, first, oldest)
            .to_octets()
            .to_vec();
        for number in first..first + count {
            batch.extend([8, 1, number.to_le_bytes()[0]]);
        }
        batch
    }

    fn finals(boot_id: u32, first: u64, count: u64, oldest: u64) -> Vec<u8> {
        batch(Stream::Final, boot_id, first, count, oldest)
    }

    fn numbers(delivery: &Delivery<'_>) -> Vec<u8> {
        delivery
            .items
            .clone()
            .map(|item| item.unwrap().body[0])
            .collect()
    }

    fn ack(boot_id: u32, next: u64) -> Command {
        Command::Ack { boot_id, next }
    }

    #[test]
    fn only_what_is_new_is_delivered() {
        let mut receiver = Receiver::new();
        let octets = finals(7, 0, 3, 0);
        let first = receiver.handle_batch(&octets).unwrap();
        assert!(first.new_boot);
        assert_eq!((first.joined_at, numbers(&first)), (0, vec![0, 1, 2]));
        assert_eq!(receiver.poll_ack(), Some(ack(7, 3)));
        assert_eq!(receiver.poll_ack(), None);
        // The same again: nothing new, but the acknowledgement is repeated.
        let again = receiver.handle_batch(&octets).unwrap();
        assert_eq!((again.new_boot, numbers(&again)), (false, vec![]));
        assert_eq!(receiver.poll_ack(), Some(ack(7, 3)));
        // Sent again with company: only the company is new.
        let octets = finals(7, 1, 4, 0);
        let rest = receiver.handle_batch(&octets).unwrap();
        assert_eq!((rest.first_seq, numbers(&rest)), (3, vec![3, 4]));
        // Too early: waits for what is missing.
        let octets = finals(7, 6, 2, 0);
        assert_eq!(numbers(&receiver.handle_batch(&octets).unwrap()), []);
        assert_eq!(receiver.poll_ack(), Some(ack(7, 5)));
        let counts = receiver.counts();
        assert_eq!(
            (counts.finals, counts.duplicates, counts.out_of_order),
            (5, 1, 1)
        );
    }

    #[test]
    fn what_the_sensor_dropped_is_lost_once() {
        let mut receiver = Receiver::new();
        receiver.handle_batch(&finals(7, 0, 3, 0)).unwrap();
        let octets = finals(7, 10, 2, 8);
        let late = receiver.handle_batch(&octets).unwrap();
        // 3 to 7 are gone; 8 and 9 may still come.
        assert_eq!((late.lost_finals, numbers(&late)), (5, vec![]));
        assert_eq!(receiver.poll_ack(), Some(ack(7, 8)));
        let octets = finals(7, 8, 4, 8);
        let rest = receiver.handle_batch(&octets).unwrap();
        assert_eq!((rest.lost_finals, numbers(&rest)), (0, vec![8, 9, 10, 11]));
        // A live batch says it just as well.
        let octets = batch(Stream::Live, 7, 0, 1, 20);
        assert_eq!(receiver.handle_batch(&octets).unwrap().lost_finals, 8);
        assert_eq!(receiver.counts().lost_finals, 13);
        // An old word of the sensor takes nothing back.
        let octets = finals(7, 8, 4, 8);
        assert_eq!(numbers(&receiver.handle_batch(&octets).unwrap()), []);
        assert_eq!(receiver.next_final(), Some(20));
    }

    #[test]
    fn what_an_earlier_host_had_is_not_lost() {
        let mut receiver = Receiver::new();
        let octets = batch(Stream::Live, 7, 30, 1, 100);
        let first = receiver.handle_batch(&octets).unwrap();
        assert_eq!(
            (first.joined_at, first.lost_finals, first.live_gap),
            (100, 0, 0)
        );
        assert_eq!(receiver.poll_ack(), None, "nothing finished arrived");
        // The earlier host's last word reached the sensor in between.
        let octets = finals(7, 110, 2, 110);
        let second = receiver.handle_batch(&octets).unwrap();
        assert_eq!((second.joined_at, second.lost_finals), (110, 0));
        assert_eq!(numbers(&second), [110, 111]);
        let octets = finals(7, 120, 1, 120);
        let third = receiver.handle_batch(&octets).unwrap();
        assert_eq!((third.joined_at, third.lost_finals), (110, 8));
    }

    #[test]
    fn live_gaps_are_counted_and_latecomers_dropped() {
        let mut receiver = Receiver::new();
        let live = |first, count| batch(Stream::Live, 7, first, count, 0);
        assert_eq!(receiver.handle_batch(&live(5, 2)).unwrap().live_gap, 0);
        let octets = live(10, 1);
        let delivery = receiver.handle_batch(&octets).unwrap();
        assert_eq!((delivery.live_gap, numbers(&delivery)), (3, vec![10]));
        assert_eq!(delivery.first_seq, 10);
        assert_eq!(numbers(&receiver.handle_batch(&live(7, 3)).unwrap()), []);
        let counts = receiver.counts();
        assert_eq!((counts.live, counts.live_gap, counts.duplicates), (3, 3, 1));
    }

    #[test]
    fn a_reboot_is_a_new_run_and_the_old_one_is_over() {
        let mut receiver = Receiver::new();
        receiver.handle_batch(&finals(7, 0, 3, 0)).unwrap();
        let octets = finals(8, 0, 2, 0);
        let second = receiver.handle_batch(&octets).unwrap();
        assert_eq!((second.new_boot, numbers(&second)), (true, vec![0, 1]));
        assert_eq!(
            receiver.poll_ack(),
            Some(ack(8, 2)),
            "never the run that ended"
        );
        let late = receiver.handle_batch(&finals(7, 3, 3, 0)).unwrap_err();
        assert_eq!(late, LinkError::OtherBoot { boot_id: 7 });
        assert_eq!(receiver.boot_id(), Some(8));
        let counts = receiver.counts();
        assert_eq!((counts.boots, counts.other_boot, counts.finals), (2, 1, 5));
    }

    #[test]
    fn a_stray_run_does_not_end_the_real_one() {
        let mut receiver = Receiver::new();
        receiver.handle_batch(&finals(7, 0, 3, 0)).unwrap();
        receiver.handle_batch(&finals(99, 0, 1, 0)).unwrap();
        let octets = finals(7, 2, 3, 0);
        for _ in 1..GOES_ON {
            assert!(receiver.handle_batch(&octets).is_err());
        }
        let resumed = receiver.handle_batch(&octets).unwrap();
        assert!(!resumed.new_boot);
        assert_eq!(numbers(&resumed), [3, 4], "2 had been delivered before");
        assert_eq!(
            receiver.handle_batch(&finals(99, 1, 1, 0)).unwrap_err(),
            LinkError::OtherBoot { boot_id: 99 }
        );
        assert_eq!(receiver.counts().boots, 2);
    }

    #[test]
    fn many_boots_are_remembered_and_memory_stays_bounded() {
        let mut receiver = Receiver::new();
        for boot_id in 1..100 {
            assert!(
                receiver
                    .handle_batch(&finals(boot_id, 0, 1, 0))
                    .unwrap()
                    .new_boot
            );
            for late in boot_id.saturating_sub(8).max(1)..boot_id {
                assert!(
                    receiver.handle_batch(&finals(late, 1, 1, 0)).is_err(),
                    "{late}"
                );
            }
        }
    }

    #[test]
    fn bad_batches_change_nothing() {
        let mut receiver = Receiver::new();
        receiver.handle_batch(&finals(7, 0, 3, 0)).unwrap();
        receiver.poll_ack();
        let mut broken = finals(7, 3, 2, 0);
        broken.pop();
        let cases = [
            (
                broken,
                LinkError::BadItems(magpie_protocol::DecodeError::Truncated),
            ),
            (finals(8, 3, 0, 4), LinkError::BadSequence),
            (
                batch(Stream::Command, 8, 0, 1, 0),
                LinkError::WrongStream(Stream::Command),
            ),
            (
                {
                    let mut batch = finals(7, 0, 2, 0);
                    batch[8..16].fill(0xff);
                    batch
                },
                LinkError::BadSequence,
            ),
            (
                {
                    let mut batch = finals(8, 0, 2, 0);
                    batch[0] = 2;
                    batch
                },
                LinkError::BadVersion {
                    major: 2,
                    minor: VERSION_MINOR,
                },
            ),
        ];
        for (batch, error) in &cases {
            assert_eq!(receiver.handle_batch(batch).unwrap_err(), *error);
            assert_eq!(receiver.poll_ack(), None);
        }
        assert_eq!(receiver.counts().bad, cases.len() as u64);
        assert_eq!(
            (receiver.boot_id(), receiver.next_final()),
            (Some(7), Some(3))
        );
    }

    #[test]
    fn a_newer_sensor_is_understood() {
        let mut receiver = Receiver::new();
        let mut octets = finals(7, 0, 2, 0);
        octets[1] = VERSION_MINOR + 1;
        octets[Header::OCTETS] = 111; // a type of a newer version
        let delivery = receiver.handle_batch(&octets).unwrap();
        assert_eq!(delivery.minor, VERSION_MINOR + 1);
        let kinds: Vec<_> = delivery.items.map(|item| item.unwrap().kind).collect();
        assert_eq!(kinds, [111, 8]);
        assert_eq!(receiver.poll_ack(), Some(ack(7, 2)));
    }
}
