//! A million flows through tables of board size: no frame without its line in
//! the books, no flow without its sums, no memory, whether the uplink keeps up
//! or not.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use magpie_collector::{Picture, State, UnsentFlows, UnsentSums};
use magpie_link::{MAX_BATCH, Overflow, Receiver, Sender, Stream, command_batch};
use magpie_protocol::{FlowSum, Ledger, Record, Tally, decode_record};
use magpie_sensor::{Config, Identity, ROOM_PER_FRAME, Sensor, Storage};
use magpie_tests::bench::{Bench, Setup};
use magpie_tests::flood::{
    Flood, Kind, PACE_US, check_missing, missing, number_of, total, unsent, ways,
};

/// A million; without optimisation, which takes twenty times as long, less.
const FLOWS: u64 = if cfg!(debug_assertions) {
    60_000
} else {
    1_000_000
};
/// Some time of 2023.
const BEGIN_US: u64 = 1_700_000_000_000_000;

/// A picture of a million keys is large: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn setup(flows: usize) -> Setup {
    Setup {
        rate: 100_000_000,
        ..Setup::board(flows)
    }
}

fn feed(bench: &mut Bench, flood: &mut Flood, frames: u64) {
    for _ in 0..frames {
        let Some((at_us, frame)) = flood.next_frame() else {
            return;
        };
        let len = u32::try_from(frame.len()).expect("short");
        bench.frame(at_us, frame, len);
    }
}

/// Every key is one that was sent; those for which `whole` holds have exactly
/// what was sent, others no more. Gives packets and octets found.
fn check_sums(picture: &Picture, kind: Kind, whole: impl Fn(u64) -> bool) -> (u64, u64) {
    let mut found = (0, 0);
    for (key, held) in picture.flows().iter() {
        let truth = kind.truth(number_of(key));
        assert_eq!(truth.key, *key, "a flow that nobody sent");
        let sums = held.total().expect("a record");
        let have = ways(&sums);
        for (have, want) in have.iter().zip(&truth.ways) {
            found = (found.0 + have.0, found.1 + have.1);
            assert!(
                have.0 <= want.0 && have.1 <= want.1,
                "counted twice: {key:?} {have:?} {want:?}"
            );
        }
        if whole(number_of(key)) {
            assert_eq!(have, truth.ways, "{key:?}");
        }
    }
    found
}

fn a_million_flows(capacity: usize) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut bench = Bench::new(setup(capacity));
    let mut flood = Flood::new(FLOWS, BEGIN_US);
    feed(&mut bench, &mut flood, u64::MAX);
    assert!(bench.flush(), "no answer to the flush");
    let books = bench.books();
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    assert_eq!((books.never_sent, books.unconfirmed), (0, 0), "{books}");
    let (frames, octets) = total(0..FLOWS);
    let ledger = bench.picture().ledger().expect("a flushed ledger");
    assert_eq!(
        (ledger.counted.frames, ledger.counted.octets),
        (frames, octets)
    );
    assert_eq!(ledger.in_flows, ledger.counted);
    assert_eq!(ledger.malformed, 0);
    assert_eq!(bench.picture().flows().len() as u64, FLOWS);
    assert_eq!(
        check_sums(bench.picture(), Kind::Answered, |_| true),
        (frames, octets)
    );
    assert!(
        ledger.flows.evicted > FLOWS - FLOWS / 10,
        "{:?}",
        ledger.flows
    );
    println!(
        "{capacity} entries: {books}; {} flow records, {} evicted",
        ledger.flows.made, ledger.flows.evicted
    );
}

#[test]
fn a_million_flows_through_256_entries() {
    a_million_flows(256);
}

#[test]
fn a_million_flows_through_4096_entries() {
    a_million_flows(4096);
}

/// Nobody listens for most of the flood and frames do not wait: what could not
/// be kept is missing, and stands in the books to the flow, packet and octet.
fn a_stalled_uplink(capacity: usize, overflow: Overflow, kind: Kind, flows: u64) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stalled = Setup {
        hold: false,
        overflow,
        ..setup(capacity)
    };
    // What was shown live need not be missing when its end is dropped.
    stalled.config.live_us = 0;
    let lines = 8 * stalled.unsent_sets;
    let mut bench = Bench::new(stalled);
    let mut flood = Flood::of(kind, flows, BEGIN_US);
    let (frames, octets) = kind.total(0..flows);
    feed(&mut bench, &mut flood, frames / 10);
    bench.wait(1_000_000);
    bench.up.unplugged = true;
    feed(&mut bench, &mut flood, frames / 10 * 7);
    bench.up.unplugged = false;
    feed(&mut bench, &mut flood, u64::MAX);
    assert!(bench.flush(), "no answer to the flush");

    let books = bench.books();
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    let ledger = bench.picture().ledger().expect("a flushed ledger");
    assert_eq!(
        (ledger.counted.frames, ledger.counted.octets),
        (frames, octets)
    );
    let (never_sent, all) = dropped(&ledger);
    assert!(never_sent.flows > flows / 2, "{never_sent:?}");
    assert_eq!(books.never_sent + books.unconfirmed, all.records);
    assert!(books.to_string().contains("never_sent="), "{books}");

    // What was sent and never acknowledged may have arrived.
    let found = check_sums(bench.picture(), kind, |_| false);
    let (packets, octets) = (frames - found.0, octets - found.1);
    assert!(
        (never_sent.packets..=all.packets).contains(&packets)
            && (never_sent.octets..=all.octets).contains(&octets),
        "{packets} packets of {octets} octets are missing: {never_sent:?} {all:?}"
    );
    // A key is missing only if a record of it was dropped.
    let missing = flows - bench.picture().flows().len() as u64;
    assert!(missing > 0 && missing <= all.flows, "{missing}");
    let told = unsent(bench.picture());
    assert!(told.lines.len() <= lines);
    if kind == Kind::OneWay {
        whose_they_were(&told, bench.picture(), flows, lines);
    }
    println!(
        "{capacity} entries, {overflow:?}, {kind:?}: {books}; never sent {never_sent:?}, {packets} packets \
         missing, {missing} keys not seen"
    );
}

/// What was never sent; that, and what was sent and perhaps not heard.
fn dropped(ledger: &Ledger) -> (Tally, Tally) {
    let mut never_sent = ledger.never_sent;
    never_sent.add(&ledger.uplink.never_sent);
    let mut all = never_sent;
    all.add(&ledger.uplink.unconfirmed);
    (never_sent, all)
}

/// Flows, packets and octets of the generator that did not arrive, by what they
/// went to, are those of the lines.
fn whose_they_were(told: &UnsentFlows, picture: &Picture, flows: u64, room: usize) {
    let arrived = picture.flows().iter().map(|(key, _)| number_of(key));
    let arrived: HashSet<u64> = arrived.collect();
    let missing = missing(Kind::OneWay, 0..flows, |flow| arrived.contains(&flow));
    check_missing(told, |key| missing.get(key).copied().unwrap_or_default());
    // The four floods are in sight beside a scan of thousands. Where eight lines
    // are all, one may have lost its line while it was no flood yet.
    let unsure_at_most = if room > 8 { 0 } else { 8 };
    for flow in 0..4 {
        let key = Kind::OneWay.responder(flow);
        let line = told.lines.iter().find(|(of, _)| *of == key);
        let (_, sums) = line.unwrap_or_else(|| panic!("no line of {key:?}"));
        assert!(sums.missed_at_most <= unsure_at_most, "{key:?} {sums:?}");
        if sums.missed_at_most == 0 && sums.unconfirmed == FlowSum::default() {
            assert_eq!(sums.never_sent, missing[&key], "{key:?}");
        }
    }
    assert!(told.other.never_sent.flows > 0, "room for all: {told:?}");
}

#[test]
fn a_stalled_uplink_behind_256_entries() {
    a_stalled_uplink(256, Overflow::DropOldest, Kind::Answered, FLOWS);
}

#[test]
fn a_stalled_uplink_behind_4096_entries() {
    a_stalled_uplink(4096, Overflow::DropOldest, Kind::Answered, FLOWS);
}

#[test]
fn a_stalled_uplink_that_holds_what_it_has() {
    a_stalled_uplink(256, Overflow::Hold, Kind::Answered, FLOWS / 4);
}

#[test]
fn what_was_not_kept_behind_256_entries_is_known_by_responder() {
    a_stalled_uplink(256, Overflow::DropOldest, Kind::OneWay, FLOWS);
}

#[test]
fn what_was_not_kept_behind_4096_entries_is_known_by_responder() {
    a_stalled_uplink(4096, Overflow::DropOldest, Kind::OneWay, FLOWS);
}

#[test]
fn what_found_no_room_in_256_entries_outbox_is_known_by_responder() {
    a_stalled_uplink(256, Overflow::Hold, Kind::OneWay, FLOWS);
}

#[test]
fn what_found_no_room_in_4096_entries_outbox_is_known_by_responder() {
    a_stalled_uplink(4096, Overflow::Hold, Kind::OneWay, FLOWS);
}

/// Whose they were is told without a Flush as well, once somebody listens.
#[test]
fn a_host_that_comes_back_is_told_at_once() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut bench = Bench::new(Setup {
        hold: false,
        ..setup(256)
    });
    let mut flood = Flood::of(Kind::OneWay, 20_000, BEGIN_US);
    feed(&mut bench, &mut flood, 2_000);
    bench.wait(1_000_000);
    bench.up.unplugged = true;
    feed(&mut bench, &mut flood, 15_000);
    assert_eq!(bench.picture().unsent().total.flows(), 0);
    bench.up.unplugged = false;
    // The sensor's clock is that of its frames.
    let (at_us, frame) = flood.next_frame().expect("more to come");
    let len = u32::try_from(frame.len()).expect("short");
    bench.frame(at_us + 2_000_000, frame, len);
    bench.wait(3_000_000);
    let told = unsent(bench.picture());
    let ledger = bench.picture().ledger().expect("a live ledger");
    assert!(told.total.never_sent.flows > 5_000, "{:?}", told.total);
    assert_eq!(ledger.flush, 0);
}

/// What the records of a flood came to, read without a collector.
#[derive(Debug, Default)]
struct Read {
    flows: u64,
    packets: u64,
    octets: u64,
    ledger: Option<Ledger>,
}

/// Sensor and link, and a host that acknowledges at once: none of it allocates.
struct Bare {
    sensor: Sensor<'static>,
    sender: Sender<'static>,
    receiver: Receiver,
    read: Read,
    now_us: u64,
}

impl Bare {
    fn new(capacity: usize, overflow: Overflow) -> Self {
        let config = Config {
            idle_us: 3_000_000,
            ..Config::default()
        };
        let storage = Storage::owned(capacity, capacity / 16);
        let sensor = Sensor::new(config, Identity::default(), &[9; 32], storage);
        let kept = Box::leak(vec![0; 8192].into_boxed_slice());
        Self {
            sender: Sender::new(sensor.boot_id(), kept, overflow),
            sensor,
            receiver: Receiver::new(),
            read: Read::default(),
            now_us: BEGIN_US,
        }
    }

    fn frame(&mut self, at_us: u64, frame: &[u8]) {
        self.now_us = at_us;
        while self.sensor.outbox_room() < ROOM_PER_FRAME {
            self.work();
        }
        let len = u32::try_from(frame.len()).expect("short");
        self.sensor.observe(at_us, frame, len);
        self.work();
    }

    fn flush(&mut self) {
        let flush = magpie_protocol::Command::Flush { id: 7 };
        self.sensor.handle_command(self.now_us, &flush);
        for _ in 0..1_000_000 {
            self.now_us += 50_000;
            self.work();
            if self.read.ledger.is_some() {
                return;
            }
        }
        panic!("no answer to the flush");
    }

    /// A frame while nobody hears what the link sends.
    fn unheard(&mut self, at_us: u64, frame: &[u8]) {
        self.now_us = at_us;
        let len = u32::try_from(frame.len()).expect("short");
        self.sensor.observe(at_us, frame, len);
        let mut batch = [0; MAX_BATCH];
        let (sender, sensor) = (&mut self.sender, &mut self.sensor);
        while sender.poll_transmit(at_us, sensor, &mut batch).is_some() {}
    }

    /// All batches there are, each answered.
    fn work(&mut self) {
        let mut batch = [0; MAX_BATCH];
        while let Some(len) = self
            .sender
            .poll_transmit(self.now_us, &mut self.sensor, &mut batch)
        {
            self.take(&batch[..len]);
            if let Some(ack) = self.receiver.poll_ack() {
                let mut out = [0; 64];
                let boot_id = self.sensor.boot_id();
                let len = command_batch(boot_id, 0, &[ack], &mut out).expect("an ack fits");
                let commands = self.sender.handle_batch(self.now_us, &out[..len]);
                assert_eq!(commands.expect("a sound batch").count(), 0);
            }
        }
    }

    fn take(&mut self, batch: &[u8]) {
        let delivery = self.receiver.handle_batch(batch).expect("a sound batch");
        if delivery.stream != Stream::Final {
            return;
        }
        for item in delivery.items {
            match decode_record(item.expect("a sound item")).expect("a sound record") {
                Record::Flow(flow) => {
                    self.read.flows += 1;
                    self.read.packets += flow.ab.packets + flow.ba.packets;
                    self.read.octets += flow.ab.frame_octets + flow.ba.frame_octets;
                }
                Record::Ledger(ledger) if ledger.flush == 7 => self.read.ledger = Some(ledger),
                _ => {}
            }
        }
    }
}

/// The bench's collector needs memory for a million keys; sensor and link need
/// what they were given, and not one octet more.
fn nothing_is_allocated(capacity: usize) {
    let mut bare = Bare::new(capacity, Overflow::Hold);
    let mut flood = Flood::new(FLOWS, BEGIN_US);
    // The generator's queue finds its size first.
    for _ in 0..20_000 {
        let (at_us, frame) = flood.next_frame().expect("more to come");
        bare.frame(at_us, frame);
    }
    let allocated = allocation_counter::measure(|| {
        while let Some((at_us, frame)) = flood.next_frame() {
            bare.frame(at_us, frame);
        }
        bare.flush();
    });
    assert_eq!(
        (allocated.count_total, allocated.bytes_total),
        (0, 0),
        "{allocated:?}"
    );
    let (frames, octets) = total(0..FLOWS);
    let ledger = bare.read.ledger.expect("flushed");
    assert_eq!(
        (ledger.counted.frames, ledger.counted.octets),
        (frames, octets)
    );
    assert_eq!((bare.read.packets, bare.read.octets), (frames, octets));
    assert_eq!(bare.read.flows, ledger.flows.made);
    assert_eq!((ledger.flows.live, ledger.never_sent.records), (0, 0));
    assert!(bare.now_us > BEGIN_US + frames * PACE_US);
    // And it would be seen.
    let seen = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(capacity))));
    assert_eq!(seen.count_total, 1);
}

/// Nor for what cannot be kept, in the outbox and in the link.
fn nothing_is_allocated_for_what_is_dropped(capacity: usize, overflow: Overflow) {
    let mut bare = Bare::new(capacity, overflow);
    let mut flood = Flood::of(Kind::OneWay, FLOWS, BEGIN_US);
    for _ in 0..20_000 {
        let (at_us, frame) = flood.next_frame().expect("more to come");
        bare.unheard(at_us, frame);
    }
    let allocated = allocation_counter::measure(|| {
        while let Some((at_us, frame)) = flood.next_frame() {
            bare.unheard(at_us, frame);
        }
    });
    assert_eq!(allocated.count_total, 0, "{allocated:?}");
    let ledger = bare.sensor.ledger(bare.now_us);
    let dropped = UnsentSums::of(&ledger).flows();
    assert!(dropped > FLOWS / 2, "{dropped} flows of {FLOWS}");
    let by_link = ledger.uplink.never_sent.flows > FLOWS / 4;
    assert_eq!(by_link, overflow == Overflow::DropOldest && FLOWS > 900_000);
}

#[test]
fn nothing_is_allocated_for_what_256_entries_drop() {
    nothing_is_allocated_for_what_is_dropped(256, Overflow::DropOldest);
}

#[test]
fn nothing_is_allocated_for_what_4096_entries_drop() {
    nothing_is_allocated_for_what_is_dropped(4096, Overflow::Hold);
}

#[test]
fn nothing_is_allocated_for_a_million_flows_in_256_entries() {
    nothing_is_allocated(256);
}

#[test]
fn nothing_is_allocated_for_a_million_flows_in_4096_entries() {
    nothing_is_allocated(4096);
}
