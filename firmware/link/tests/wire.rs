//! Sender and receiver over wires that lose, repeat, reorder and corrupt.

use magpie_link::{
    Deframer, LinkError, MAX_BATCH, MAX_FRAME, MIN_STORAGE, Overflow, Receiver, Sender, Stream,
    command_batch, frame,
};
use magpie_protocol::{
    CommandReply, Emitted, Outcome, Record, RecordSource, Tally, UplinkCounts, Want, decode_record,
    encode_record,
};
use proptest::prelude::*;

/// Makes numbered records: finals count from 0 upwards, so do live ones.
#[derive(Default)]
struct Numbers {
    finals_left: u32,
    finals_made: u32,
    live_left: u32,
    live_made: u32,
    pulled: Tally,
    noted: UplinkCounts,
    /// What it was told was dropped: never sent, unconfirmed.
    dropped: [Tally; 2],
}

impl Numbers {
    fn new(finals_left: u32, live_left: u32) -> Self {
        Self {
            finals_left,
            live_left,
            ..Self::default()
        }
    }
}

/// What a final record amounts to.
fn tally_of(id: u32) -> Tally {
    Tally {
        records: 1,
        flows: u64::from(!id.is_multiple_of(3)),
        packets: u64::from(id % 3 * id),
        octets: u64::from(id % 3) * u64::from(id) * 1500,
    }
}

fn numbered(id: u32, command: u8) -> Record {
    Record::CommandReply(CommandReply {
        id,
        command,
        outcome: Outcome::Done,
    })
}

impl RecordSource for Numbers {
    fn poll_record(&mut self, _now_us: u64, want: Want, out: &mut [u8]) -> Option<Emitted> {
        assert!(want == Want::Packet || out.len() >= magpie_protocol::MAX_ITEM);
        match want {
            Want::Packet => None,
            Want::Final => {
                self.finals_left = self.finals_left.checked_sub(1)?;
                let id = self.finals_made;
                self.finals_made += 1;
                let tally = tally_of(id);
                self.pulled.add(&tally);
                Some(Emitted {
                    len: encode_record(&numbered(id, 1), out).unwrap(),
                    tally,
                })
            }
            Want::Live => {
                self.live_left = self.live_left.checked_sub(1)?;
                let id = self.live_made;
                self.live_made += 1;
                let len = encode_record(&numbered(id, 2), out).unwrap();
                Some(Emitted {
                    len,
                    tally: Tally::default(),
                })
            }
        }
    }

    fn note_uplink(&mut self, counts: &UplinkCounts, _: u8) {
        self.noted = *counts;
    }

    /// It is told of the record that was dropped, not of another.
    fn note_dropped(&mut self, item: &[u8], tally: &Tally, sent: bool) {
        let [id] = ids(magpie_protocol::Items::new(item))[..] else {
            panic!("one record is dropped at a time");
        };
        assert_eq!(*tally, tally_of(id));
        self.dropped[usize::from(sent)].add(tally);
    }
}

fn ids(items: magpie_protocol::Items<'_>) -> Vec<u32> {
    items
        .map(|item| match decode_record(item.unwrap()).unwrap() {
            Record::CommandReply(reply) => reply.id,
            other => panic!("unexpected {other:?}"),
        })
        .collect()
}

/// How bad a wire is: chances in 256, a frame.
#[derive(Debug, Clone, Copy)]
struct Faults {
    lose: u8,
    repeat: u8,
    delay: u8,
    damage: u8,
    garbage: u8,
}

impl Faults {
    const NONE: Self = Self {
        lose: 0,
        repeat: 0,
        delay: 0,
        damage: 0,
        garbage: 0,
    };
}

/// One direction of a byte stream: frames in, frames out later.
struct Wire {
    faults: Faults,
    /// False: nothing gets through at all.
    up: bool,
    random: u64,
    sent: u64,
    in_flight: Vec<(u64, u64, Vec<u8>)>,
}

impl Wire {
    fn new(faults: Faults, seed: u64) -> Self {
        Self {
            faults,
            up: true,
            random: seed | 1,
            sent: 0,
            in_flight: Vec::new(),
        }
    }

    fn random(&mut self) -> u64 {
        // xorshift64: repeatable, so that a failing case can be made small.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 8
    }

    fn chance(&mut self, of_256: u8) -> bool {
        self.random() % 256 < u64::from(of_256)
    }

    fn send(&mut self, now: u64, batch: &[u8]) {
        let mut framed = [0; MAX_FRAME];
        let len = frame(batch, &mut framed).unwrap();
        let mut octets = framed[..len].to_vec();
        if !self.up || self.chance(self.faults.lose) {
            return;
        }
        if self.chance(self.faults.damage) {
            let place = usize::try_from(self.random()).unwrap() % octets.len();
            octets[place] ^= 1 << (self.random() % 8);
        }
        if self.chance(self.faults.damage) {
            let keep = usize::try_from(self.random()).unwrap() % octets.len();
            octets.truncate(keep);
        }
        if self.chance(self.faults.garbage) {
            for _ in 0..self.random() % 3000 {
                let octet = self.random().to_le_bytes()[0];
                octets.push(octet);
            }
        }
        for _ in 0..=u8::from(self.chance(self.faults.repeat)) {
            let mut at = now + 10_000;
            if self.chance(self.faults.delay) {
                at += self.random() % 600_000;
            }
            self.sent += 1;
            self.in_flight.push((at, self.sent, octets.clone()));
        }
    }

    fn arrived(&mut self, now: u64) -> Vec<u8> {
        self.in_flight.sort_unstable();
        let count = self.in_flight.partition_point(|(at, ..)| *at <= now);
        self.in_flight
            .drain(..count)
            .flat_map(|(.., octets)| octets)
            .collect()
    }
}

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

#[test]
fn a_clean_wire_delivers_everything_once() {
    let mut rig = Rig::new(7, 4096, Overflow::Hold, Faults::NONE, 1);
    rig.source = Numbers::new(5000, 300);
    rig.finish();
    assert!(rig.taken.finals.iter().copied().eq(0..5000));
    assert!(rig.taken.live.iter().copied().eq(0..300));
    let counts = rig.sender.counts();
    assert_eq!(
        (counts.acked, counts.resent, counts.bad_frames),
        (5000, 0, 0)
    );
    assert_eq!(rig.source.noted.never_sent, Tally::default());
    assert_eq!(rig.receiver.counts().duplicates, 0);
    // 8 octets a record, 1352 a batch: nothing goes out half empty while
    // there is more.
    assert!(counts.batches < 5000 * 8 / 1352 + 10, "{counts:?}");
}

/// Live records go first while finals are scarce, and have their turn when
/// these are plenty.
#[test]
fn live_records_have_their_turn() {
    let mut rig = Rig::new(7, 65536, Overflow::Hold, Faults::NONE, 1);
    rig.source = Numbers::new(40_000, 1000);
    rig.run(5_000 * 12);
    assert!(rig.taken.finals.len() > 1000);
    assert!(!rig.taken.live.is_empty());
}

#[test]
fn a_host_that_stalls_a_minute_loses_nothing() {
    let mut rig = Rig::new(7, 4096, Overflow::Hold, Faults::NONE, 1);
    rig.source = Numbers::new(20_000, 100);
    rig.run(50_000);
    rig.host_reads = false;
    let before = rig.sender.counts().batches;
    rig.run(60_000_000);
    // An absent host costs little: one batch every four seconds.
    assert!(
        rig.sender.counts().batches - before < 30,
        "{:?}",
        rig.sender.counts()
    );
    rig.host_reads = true;
    rig.finish();
    assert!(rig.taken.finals.iter().copied().eq(0..20_000));
    assert_eq!((rig.taken.lost_finals, rig.taken.live_gap), (0, 0));
    // Repetitions of the stall do not feed on themselves.
    assert!(rig.sender.counts().resent < 30, "{:?}", rig.sender.counts());
}

#[test]
fn a_host_that_comes_late_begins_at_the_oldest() {
    for overflow in [Overflow::Hold, Overflow::DropOldest] {
        let mut rig = Rig::new(7, 4096, overflow, Faults::NONE, 1);
        rig.source = Numbers::new(2000, 100);
        rig.up.up = false;
        rig.run(60_000_000);
        rig.up.up = true;
        rig.finish();
        let joined_at = rig.taken.joined_at.unwrap();
        let finals = u32::try_from(joined_at).unwrap()..2000;
        assert!(rig.taken.finals.iter().copied().eq(finals), "{overflow:?}");
        assert_eq!(rig.taken.lost_finals, 0);
        let counts = rig.sender.counts();
        assert_eq!(
            joined_at,
            counts.never_sent.records + counts.unconfirmed.records
        );
        assert_eq!(
            joined_at > 0,
            overflow == Overflow::DropOldest,
            "{joined_at}"
        );
        // The first batch had been sent, the last ones dropped had not.
        assert_eq!(
            counts.unconfirmed.records > 0,
            overflow == Overflow::DropOldest
        );
    }
}

/// What was dropped while the host was away is reported as lost, exactly.
#[test]
fn dropped_records_are_reported_exactly() {
    let mut rig = Rig::new(7, MIN_STORAGE + 200, Overflow::DropOldest, Faults::NONE, 1);
    rig.source = Numbers::new(50, 1);
    rig.run(1_000_000);
    assert_eq!(rig.taken.finals.len(), 50);
    rig.up.up = false;
    rig.source.finals_left = 500;
    rig.run(30_000_000);
    assert_eq!(rig.source.finals_left, 0);
    rig.up.up = true;
    rig.source.finals_left = 10;
    rig.finish();
    let counts = rig.sender.counts();
    let dropped = counts.never_sent.records + counts.unconfirmed.records;
    assert!(dropped > 300, "{counts:?}");
    assert_eq!(rig.taken.lost_finals, dropped);
    assert_eq!(rig.taken.finals.len() as u64 + dropped, 560);
    assert!(rig.taken.finals.is_sorted());
}

/// A burst larger than the storage waits for a host that answers.
#[test]
fn drop_oldest_holds_while_the_host_answers() {
    let mut rig = Rig::new(7, MIN_STORAGE + 200, Overflow::DropOldest, Faults::NONE, 1);
    rig.source = Numbers::new(20_000, 1);
    rig.finish();
    assert!(rig.taken.finals.iter().copied().eq(0..20_000));
}

#[test]
fn a_new_host_goes_on_where_the_old_one_ended() {
    let mut rig = Rig::new(7, 4096, Overflow::Hold, Faults::NONE, 1);
    rig.source = Numbers::new(10_000, 500);
    rig.run(100_000);
    let first = std::mem::take(&mut rig.taken);
    let next = rig.receiver.next_final().unwrap();
    assert!(next > 0 && next < 10_000);
    rig.receiver = Receiver::new();
    rig.finish();
    let joined_at = rig.taken.joined_at.unwrap();
    assert!(joined_at <= next, "a gap between the two hosts");
    assert!(
        first
            .finals
            .iter()
            .copied()
            .eq(0..u32::try_from(next).unwrap())
    );
    assert!(
        rig.taken
            .finals
            .iter()
            .copied()
            .eq(u32::try_from(joined_at).unwrap()..10_000)
    );
    assert_eq!(rig.taken.lost_finals, 0);
}

#[test]
fn a_reboot_starts_anew_and_counts_nothing_twice() {
    let slow = Faults {
        delay: 128,
        ..Faults::NONE
    };
    let mut rig = Rig::new(7, 4096, Overflow::Hold, slow, 9);
    rig.source = Numbers::new(10_000, 500);
    rig.run(100_000);
    let made = rig.taken.finals.len();
    assert!(made > 0);
    // Frames of the first run are still on their way when the second begins.
    assert!(!rig.up.in_flight.is_empty());
    rig.sender = Sender::new(8, Vec::leak(vec![0; 4096]), Overflow::Hold);
    rig.source = Numbers::new(3000, 50);
    rig.finish();
    assert_eq!(rig.taken.boots, 2);
    assert!(
        rig.taken
            .finals
            .iter()
            .rev()
            .take(3000)
            .rev()
            .copied()
            .eq(0..3000)
    );
    let late = LinkError::OtherBoot { boot_id: 7 };
    assert!(rig.taken.refused.contains(&late));
    assert!(rig.taken.refused.iter().all(|error| *error == late));
    assert_eq!(
        rig.receiver.counts().other_boot,
        rig.taken.refused.len() as u64
    );
    assert_eq!(rig.sender.counts().acked, 3000);
}

fn faults() -> impl Strategy<Value = Faults> {
    (0..100_u8, 0..100_u8, 0..100_u8, 0..60_u8, 0..40_u8).prop_map(
        |(lose, repeat, delay, damage, garbage)| Faults {
            lose,
            repeat,
            delay,
            damage,
            garbage,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever a wire does, every finished record arrives once and in order.
    #[test]
    fn a_bad_wire_delivers_every_final_once(
        faults in faults(),
        seed in any::<u64>(),
        storage in MIN_STORAGE + 300..9000,
        finals in 0..3000_u32,
        live in 0..300_u32,
    ) {
        let mut rig = Rig::new(7, storage, Overflow::Hold, faults, seed);
        rig.source = Numbers::new(finals, live);
        rig.finish();
        prop_assert!(rig.taken.finals.iter().copied().eq(0..finals));
        prop_assert_eq!(rig.taken.lost_finals, 0);
        let counts = rig.sender.counts();
        prop_assert_eq!(counts.acked, u64::from(finals));
        // Live records: rising, and the gaps are counted exactly.
        prop_assert!(rig.taken.live.is_sorted_by(|a, b| a < b));
        if let (Some(first), Some(last)) = (rig.taken.live.first(), rig.taken.live.last()) {
            let span = u64::from(last - first) + 1;
            prop_assert_eq!(span, rig.taken.live.len() as u64 + rig.taken.live_gap);
        }
    }

    /// With a host that comes and goes, what did not arrive is known exactly.
    #[test]
    fn a_broken_wire_loses_what_it_says(
        faults in faults(),
        seed in any::<u64>(),
        storage in MIN_STORAGE..3000,
        phases in proptest::collection::vec((0..600_u32, any::<bool>(), 0..20_000_000_u64), 1..6),
    ) {
        let mut rig = Rig::new(7, storage, Overflow::DropOldest, faults, seed);
        // Both meet before the wire breaks.
        rig.source = Numbers::new(1, 0);
        rig.finish();
        prop_assert_eq!(rig.taken.joined_at, Some(0));
        for (finals, up, us) in phases {
            rig.source.finals_left += finals;
            rig.source.live_left += 1;
            rig.up.up = up;
            rig.down.up = up;
            rig.run(us);
        }
        (rig.up.up, rig.down.up) = (true, true);
        rig.source.finals_left += 1;
        rig.finish();
        let counts = rig.sender.counts();
        let made = u64::from(rig.source.finals_made);
        let delivered = rig.taken.finals.len() as u64;
        let lost = rig.taken.lost_finals;
        prop_assert!(rig.taken.finals.is_sorted_by(|a, b| a < b));
        prop_assert_eq!(delivered + lost, made);
        let (never, unconfirmed) = (counts.never_sent.records, counts.unconfirmed.records);
        prop_assert_eq!(counts.acked + never + unconfirmed, made);
        prop_assert!(never <= lost && lost <= never + unconfirmed);
        prop_assert!(counts.acked <= delivered && delivered <= counts.acked + unconfirmed);
    }

    /// Any octets, at either end: no panic, and the link still works.
    #[test]
    fn hostile_batches_harm_nothing(
        batches in proptest::collection::vec(hostile_batch(), 1..40),
        storage in 0..2000_usize,
    ) {
        let mut rig = Rig::new(7, storage.max(MIN_STORAGE), Overflow::DropOldest, Faults::NONE, 1);
        let mut tiny = Sender::new(7, Vec::leak(vec![0; storage % 700]), Overflow::DropOldest);
        rig.source = Numbers::new(100, 10);
        let mut stranger = Receiver::new();
        for batch in &batches {
            rig.step(5_000);
            if let Ok(commands) = rig.sender.handle_batch(rig.now, batch) {
                prop_assert!(commands.count() <= batch.len());
            }
            rig.check_books();
            let mut out = [0; MAX_BATCH];
            let _ = tiny.handle_batch(u64::MAX, batch);
            let _ = tiny.poll_transmit(rig.now, &mut Numbers::new(10, 1), &mut out);
            let _ = tiny.poll_at();
            if let Ok(delivery) = stranger.handle_batch(batch) {
                prop_assert!(delivery.items.flatten().count() * 2 <= batch.len());
            }
            let _ = stranger.poll_ack();
        }
    }

    /// After any noise the next frame behind a 0x00 is read.
    #[test]
    fn frames_are_found_again_after_noise(
        noise in proptest::collection::vec(any::<u8>(), 0..4000),
        batch in proptest::collection::vec(any::<u8>(), 24..=MAX_BATCH),
    ) {
        let mut framed = [0; MAX_FRAME];
        let len = frame(&batch, &mut framed).unwrap();
        let mut deframer = Deframer::<{ MAX_BATCH + 4 }>::new();
        let mut got = Vec::new();
        for octet in noise.iter().chain(&[0]).chain(&framed[..len]) {
            if let Some(Ok(batch)) = deframer.push(*octet) {
                got.push(batch.to_vec());
            }
        }
        prop_assert_eq!(got, [batch]);
        let counts = deframer.counts();
        prop_assert_eq!(counts.frames, 1);
        // Every octet of the noise is accounted for, but for empty frames.
        prop_assert!(counts.garbage_octets <= noise.len() as u64 + 1);
        let other = noise.iter().filter(|octet| **octet != 0).count() as u64;
        prop_assert!(counts.garbage_octets >= other);
    }
}

/// Batches with a sound form and any values, or any octets.
fn hostile_batch() -> impl Strategy<Value = Vec<u8>> {
    let number = || prop_oneof![Just(u64::MAX), Just(0), 0..200_u64, any::<u64>()];
    let boot = prop_oneof![Just(0), Just(7_u32), any::<u32>()];
    let items = prop_oneof![
        (number(), prop_oneof![Just(7_u32), any::<u32>()]).prop_map(|(next, boot_id)| {
            let mut out = [0; 64];
            let ack = magpie_protocol::Command::Ack { boot_id, next };
            let len = magpie_protocol::encode_command(&ack, &mut out).unwrap();
            out[..len].to_vec()
        }),
        proptest::collection::vec(any::<u8>(), 0..100),
        Just([200, 0].repeat(600)),
    ];
    let sound = (0..4_u8, boot, number(), number(), items).prop_map(
        |(stream, boot_id, first_seq, oldest, items)| {
            let mut batch = vec![1, 0, stream, 0];
            batch.extend(boot_id.to_le_bytes());
            batch.extend(first_seq.to_le_bytes());
            batch.extend(oldest.to_le_bytes());
            batch.extend(items);
            batch
        },
    );
    prop_oneof![4 => sound, 1 => proptest::collection::vec(any::<u8>(), 0..1500)]
}
