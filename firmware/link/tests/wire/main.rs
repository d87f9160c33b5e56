//! Sender and receiver over wires that lose, repeat, reorder and corrupt.

mod hosts;
mod laws;
mod sensor;
mod wires;

use magpie_link::{
    Deframer, LinkError, MAX_BATCH, Overflow, Receiver, Sender, Stream, command_batch,
};

use sensor::{Numbers, ids};
use wires::{Faults, Wire};

/// What one receiver was given.
#[derive(Default)]
struct Taken {
    finals: Vec<u32>,
    live: Vec<u32>,
    joined_at: Option<u64>,
    lost_finals: u64,
    live_gap: u64,
    boots: u64,
    refused: Vec<LinkError>,
}

/// A sensor, a host and the two wires between them.
struct Rig {
    now: u64,
    sender: Sender<'static>,
    source: Numbers,
    up: Wire,
    down: Wire,
    at_host: Deframer<{ MAX_BATCH + 4 }>,
    at_sensor: Deframer<{ magpie_link::MAX_COMMAND_BATCH + 4 }>,
    receiver: Receiver,
    taken: Taken,
    host_reads: bool,
}

impl Rig {
    fn new(boot_id: u32, storage: usize, overflow: Overflow, faults: Faults, seed: u64) -> Self {
        Self {
            now: 0,
            sender: Sender::new(boot_id, Vec::leak(vec![0; storage]), overflow),
            source: Numbers::default(),
            up: Wire::new(faults, seed),
            down: Wire::new(faults, seed.rotate_left(32)),
            at_host: Deframer::new(),
            at_sensor: Deframer::new(),
            receiver: Receiver::new(),
            taken: Taken::default(),
            host_reads: true,
        }
    }

    /// The sensor's books, in records.
    fn check_books(&self) {
        let counts = self.sender.counts();
        let booked = counts.acked
            + self.sender.held()
            + counts.never_sent.records
            + counts.unconfirmed.records;
        assert_eq!(self.source.pulled.records, booked, "{counts:?}");
        let dropped = [counts.never_sent, counts.unconfirmed];
        assert_eq!(self.source.dropped, dropped);
        let noted = &self.source.noted;
        assert_eq!([noted.never_sent, noted.unconfirmed], dropped);
    }

    fn step(&mut self, us: u64) {
        self.now += us;
        for octet in self.down.arrived(self.now) {
            if let Some(Ok(batch)) = self.at_sensor.push(octet) {
                let _ = self.sender.handle_batch(self.now, batch);
            }
        }
        let mut out = [0; MAX_BATCH];
        // A wire of some 280 kB/s: one batch a step.
        if let Some(len) = self
            .sender
            .poll_transmit(self.now, &mut self.source, &mut out)
        {
            self.up.send(self.now, &out[..len]);
        } else if let Some(at) = self.sender.poll_at() {
            assert!(
                at > self.now,
                "promised work at {at}, did none at {}",
                self.now
            );
        }
        self.check_books();
        if !self.host_reads {
            return; // what arrives waits in the system's buffer
        }
        for octet in self.up.arrived(self.now) {
            let Some(Ok(batch)) = self.at_host.push(octet) else {
                continue;
            };
            let delivery = match self.receiver.handle_batch(batch) {
                Ok(delivery) => delivery,
                Err(error) => {
                    self.taken.refused.push(error);
                    continue;
                }
            };
            self.taken.boots += u64::from(delivery.new_boot);
            self.taken.joined_at = Some(delivery.joined_at);
            self.taken.lost_finals += delivery.lost_finals;
            self.taken.live_gap += delivery.live_gap;
            match delivery.stream {
                Stream::Final => self.taken.finals.extend(ids(delivery.items)),
                _ => self.taken.live.extend(ids(delivery.items)),
            }
        }
        if let (Some(ack), Some(boot_id)) = (self.receiver.poll_ack(), self.receiver.boot_id()) {
            let mut batch = [0; 64];
            let len = command_batch(boot_id, 0, &[ack], &mut batch).unwrap();
            self.down.send(self.now, &batch[..len]);
        }
    }

    fn run(&mut self, us: u64) {
        let end = self.now + us;
        while self.now < end {
            self.step(5_000);
        }
    }

    /// Until the next thing that can happen, so that waiting costs no time.
    fn wait(&self) -> u64 {
        let arrivals = self
            .up
            .in_flight
            .iter()
            .chain(&self.down.in_flight)
            .map(|(at, ..)| *at);
        let next = arrivals.chain(self.sender.poll_at()).min().unwrap_or(0);
        next.saturating_sub(self.now).max(5_000)
    }

    /// Until everything is acknowledged or dropped.
    fn finish(&mut self) {
        let limit = self.now + 3_600_000_000;
        while self.source.finals_left > 0 || self.source.live_left > 0 || !self.sender.all_acked() {
            assert!(self.now < limit, "stalled: {:?}", self.sender);
            self.step(self.wait());
        }
    }
}
