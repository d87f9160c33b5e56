//! The conversation with a sensor: versions, reboots, gaps, time, Flush.

use std::collections::VecDeque;

use magpie_collector::{Clock, Event, Limits, Picture, Session, SessionError};
use magpie_link::{Overflow, Sender};
use magpie_protocol::{
    AddressPair, BootReport, Capacities, ClockKind, Command, CommandReply, CommandType,
    Configuration, Direction, Emitted, EndReason, FlowKey, FlowRecord, Hello, Ledger, MAX_ITEM,
    Outcome, Record, RecordSource, Side, Tally, TimeReply, UplinkCounts, VERSION_MAJOR,
    VERSION_MINOR, VlanStack, Want, encode_record,
};
use proptest::prelude::*;

/// A sensor as its host sees it.
struct Sensor {
    sender: Sender<'static>,
    core: Core,
    boot_id: u32,
    flushes: Vec<u32>,
    hellos: u32,
}

#[derive(Default)]
struct Core {
    finals: VecDeque<Record>,
    live: VecDeque<Record>,
}

impl RecordSource for Core {
    fn poll_record(&mut self, _: u64, want: Want, out: &mut [u8]) -> Option<Emitted> {
        let record = match want {
            Want::Final => self.finals.pop_front()?,
            Want::Live => self.live.pop_front()?,
            Want::Packet => return None,
        };
        let len = encode_record(&record, out).unwrap();
        let tally = Tally {
            records: 1,
            ..Tally::default()
        };
        Some(Emitted { len, tally })
    }

    fn note_uplink(&mut self, _: &UplinkCounts, _: u8) {}

    fn note_dropped(&mut self, _: &[u8], _: &Tally, _: bool) {}
}

fn hello(boot_id: u32, clock: ClockKind) -> Record {
    Record::Hello(Hello {
        major: 1,
        minor: 0,
        boot_id,
        at_us: 5,
        clock,
        zero_seed: false,
        name: "tap1".try_into().unwrap(),
        board: "test".try_into().unwrap(),
        firmware: "0.1.0".try_into().unwrap(),
        git: "abc".try_into().unwrap(),
        capacities: Capacities::default(),
        boot: BootReport::default(),
    })
}

fn flow(id: u64, packets: u64) -> Record {
    Record::Flow(FlowRecord {
        flow_id: id,
        reason: EndReason::Idle,
        key: FlowKey {
            vlan: VlanStack::NONE,
            protocol: 17,
            addresses: AddressPair::V4 {
                a: [10, 0, 0, 1],
                b: [10, 0, 0, 2],
            },
            a_port: 1,
            b_port: 2,
        },
        initiator: Side::A,
        first_us: 1,
        last_us: 2,
        ab: Direction {
            packets,
            ip_octets: 28 * packets,
            frame_octets: 60 * packets,
        },
        ba: Direction::default(),
        tcp: None,
    })
}

impl Sensor {
    fn boot(boot_id: u32) -> Self {
        let storage = Box::leak(vec![0; 64 * 1024].into_boxed_slice());
        Self {
            sender: Sender::new(boot_id, storage, Overflow::Hold),
            core: Core::default(),
            boot_id,
            flushes: Vec::new(),
            hellos: 0,
        }
    }

    fn batches(&mut self, now_us: u64) -> Vec<Vec<u8>> {
        let mut out = [0; magpie_link::MAX_BATCH];
        let mut all = Vec::new();
        // Few finished records wait a moment for company.
        for now_us in [now_us, now_us + 50_000] {
            while let Some(len) = self.sender.poll_transmit(now_us, &mut self.core, &mut out) {
                all.push(out[..len].to_vec());
            }
        }
        all
    }

    fn hear(&mut self, now_us: u64, batch: &[u8]) {
        let commands: Vec<Command> = self.sender.handle_batch(now_us, batch).unwrap().collect();
        for command in commands {
            match command {
                Command::Hello { .. } => {
                    self.hellos += 1;
                    let answer = hello(self.boot_id, ClockKind::SinceBoot);
                    self.core.live.push_back(answer);
                }
                Command::Flush { id } => self.flushes.push(id),
                Command::TimeSync { id, host_us } => {
                    self.core.live.push_back(Record::TimeReply(TimeReply {
                        id,
                        host_us,
                        received_us: now_us - 1_000_000,
                        sent_us: now_us - 1_000_000,
                    }));
                }
                Command::Configure { id, .. } => {
                    self.core.live.push_back(Record::CommandReply(CommandReply {
                        id,
                        command: CommandType::Configure as u8,
                        outcome: Outcome::Done,
                    }));
                }
                _ => {}
            }
        }
    }
}

/// Both ends, without a wire between them.
fn exchange(now_us: u64, session: &mut Session, sensor: &mut Sensor, picture: &mut Picture) {
    for _ in 0..4 {
        for batch in sensor.batches(now_us) {
            session.handle_batch(now_us, &batch, picture).unwrap();
        }
        while let Some(batch) = session.poll_transmit(now_us) {
            sensor.hear(now_us, &batch);
        }
    }
}

fn packets(picture: &Picture) -> u64 {
    let flows = picture.flows().sorted();
    flows.iter().map(|(_, sums)| sums.packets()).sum()
}

fn watching() -> Picture {
    let limits = Limits {
        events: 100,
        ..Limits::default()
    };
    Picture::new("test", limits)
}

const SECOND: u64 = 1_000_000;

#[test]
fn hello_is_asked_until_it_is_answered() {
    let mut session = Session::new("test");
    let mut picture = watching();
    let mut asked = 0;
    for turn in 0..100 {
        while session.poll_transmit(SECOND + turn * 100_000).is_some() {
            asked += 1;
        }
    }
    assert!(
        (3..10).contains(&asked),
        "asked {asked} times in ten seconds"
    );
    let mut sensor = Sensor::boot(7);
    exchange(20 * SECOND, &mut session, &mut sensor, &mut picture);
    assert_eq!(picture.hello().unwrap().name, "tap1");
    let before = sensor.hellos;
    exchange(60 * SECOND, &mut session, &mut sensor, &mut picture);
    assert_eq!(sensor.hellos, before, "it was answered");
    session.reconnected();
    exchange(61 * SECOND, &mut session, &mut sensor, &mut picture);
    assert_eq!(sensor.hellos, before + 1);
}

#[test]
fn time_is_compared_again_after_a_second_then_every_ten() {
    let mut session = Session::new("test");
    let mut picture = watching();
    let mut sensor = Sensor::boot(7);
    for tenth in 0..300 {
        let now_us = 100 * SECOND + tenth * 100_000;
        exchange(now_us, &mut session, &mut sensor, &mut picture);
    }
    let clocks: Vec<Clock> = picture
        .take_events()
        .filter_map(|event| match event {
            Event::Clock(clock) => Some(clock),
            _ => None,
        })
        .collect();
    let times = clocks.iter().map(|clock| clock.measured_us / SECOND);
    assert_eq!(times.collect::<Vec<_>>(), [100, 101, 111, 121]);
    assert_eq!(clocks[0].offset_us, 1_000_000);
    assert!(clocks[0].bound_at(100 * SECOND) < 10);
    assert_eq!(picture.clock().unwrap().wall_us(5), 1_000_005);
}

#[test]
fn the_clock_of_another_boot_is_unknown_until_it_is_compared() {
    let mut session = Session::new("test");
    let mut picture = watching();
    let mut sensor = Sensor::boot(7);
    exchange(100 * SECOND, &mut session, &mut sensor, &mut picture);
    assert!(picture.clock().is_some());
    let mut sensor = Sensor::boot(8);
    sensor.core.finals.push_back(flow(1, 1));
    for batch in sensor.batches(101 * SECOND) {
        session
            .handle_batch(101 * SECOND, &batch, &mut picture)
            .unwrap();
    }
    assert_eq!((picture.boots().len(), picture.clock()), (2, None));
    exchange(102 * SECOND, &mut session, &mut sensor, &mut picture);
    assert_eq!(picture.clock().unwrap().measured_us, 102 * SECOND);
}

#[test]
fn a_flush_is_asked_until_its_own_ledger_comes() {
    let mut session = Session::new("test");
    let mut picture = watching();
    let mut sensor = Sensor::boot(7);
    exchange(SECOND, &mut session, &mut sensor, &mut picture);
    session.request_flush();
    exchange(2 * SECOND, &mut session, &mut sensor, &mut picture);
    let first = sensor.flushes[0];
    assert_ne!(first, 0);
    // A ledger of another Flush is not the one.
    let ledger = |flush| {
        Record::Ledger(Ledger {
            flush,
            ..Ledger::default()
        })
    };
    sensor.core.finals.push_back(ledger(first.wrapping_add(1)));
    exchange(4 * SECOND, &mut session, &mut sensor, &mut picture);
    assert!(!session.flushed());
    assert_eq!(sensor.flushes.last(), Some(&first), "the same number again");
    sensor.core.finals.push_back(ledger(first));
    exchange(5 * SECOND, &mut session, &mut sensor, &mut picture);
    assert!(session.flushed());
    // Another session with the same boot uses another number.
    let mut later = Session::new("later");
    let mut sensor_again = Sensor::boot(7);
    exchange(9 * SECOND, &mut later, &mut sensor_again, &mut picture);
    later.request_flush();
    exchange(
        9 * SECOND + 5_000,
        &mut later,
        &mut sensor_again,
        &mut picture,
    );
    assert_ne!(sensor_again.flushes[0], first);
}

#[test]
fn settings_are_asked_for_until_answered() {
    let mut session = Session::new("test");
    let mut picture = watching();
    let mut sensor = Sensor::boot(7);
    exchange(SECOND, &mut session, &mut sensor, &mut picture);
    session.request_configure(Configuration {
        idle_us: Some(5),
        ..Configuration::default()
    });
    assert!(session.is_configuring());
    exchange(2 * SECOND, &mut session, &mut sensor, &mut picture);
    assert!(!session.is_configuring());
    assert_eq!(session.take_replies()[0].outcome, Outcome::Done);
}

/// Up to the last numbers there are: of records and of table entries.
#[test]
fn the_last_numbers_are_numbers_like_others() {
    for stream in [0, 1] {
        let mut session = Session::new("test");
        let mut picture = watching();
        let last = u64::MAX - 2;
        let numbers = if stream == 0 { [last; 2] } else { [last, 0] };
        let mut batch = vec![VERSION_MAJOR, VERSION_MINOR, stream, 0, 7, 0, 0, 0];
        batch.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        for id in [u64::MAX - 1, u64::MAX] {
            let mut out = [0; MAX_ITEM];
            let len = encode_record(&flow(id, 5), &mut out).unwrap();
            batch.extend(&out[..len]);
        }
        session.handle_batch(SECOND, &batch, &mut picture).unwrap();
        assert_eq!(packets(&picture), 10);
        session.poll_transmit(SECOND);
    }
}

#[test]
fn a_reboot_adds_and_counts_nothing_twice() {
    let mut session = Session::new("test");
    let mut picture = watching();
    let mut first = Sensor::boot(7);
    first.core.finals.extend([flow(0, 10), flow(1, 5)]);
    let old = first.batches(SECOND);
    for batch in old.iter().chain(&old) {
        session.handle_batch(SECOND, batch, &mut picture).unwrap();
    }
    assert_eq!(packets(&picture), 15, "repetition is harmless");
    // Numbers and identifiers begin anew.
    let mut second = Sensor::boot(8);
    second.core.finals.extend([flow(0, 1), flow(1, 2)]);
    exchange(3 * SECOND, &mut session, &mut second, &mut picture);
    exchange(4 * SECOND, &mut session, &mut second, &mut picture);
    assert_eq!(packets(&picture), 18);
    assert_eq!(picture.seen_boots(), 2);
    assert!(picture.take_events().any(|event| event
        == Event::Reboot {
            boot_id: 8,
            boots: 2
        }));
    // What still arrives from before is refused and counted.
    let late = session.handle_batch(4 * SECOND, &old[0], &mut picture);
    assert!(matches!(late, Err(SessionError::Batch { .. })));
    assert_eq!(packets(&picture), 18);
    assert_eq!(picture.link().bad_batches, 1);
}

#[test]
fn lost_live_records_are_a_gap_and_harmless() {
    let mut session = Session::new("test");
    let mut picture = watching();
    let mut sensor = Sensor::boot(7);
    exchange(SECOND, &mut session, &mut sensor, &mut picture);
    for n in 0..3 {
        let Record::Flow(mut live) = flow(9, 10 + n) else {
            unreachable!("it is a flow");
        };
        live.reason = EndReason::Live;
        sensor.core.live.push_back(Record::Flow(live));
        let batches = sensor.batches(2 * SECOND + n);
        if n != 1 {
            for batch in batches {
                session
                    .handle_batch(2 * SECOND, &batch, &mut picture)
                    .unwrap();
            }
        }
    }
    assert_eq!(packets(&picture), 12);
    assert_eq!(picture.boots()[0].live_gaps(), 1);
    assert_eq!(picture.boots()[0].lost_finals(), 0);
}

#[test]
fn another_major_version_is_refused_by_name() {
    let mut session = Session::new("serial:/dev/ttyX");
    let mut picture = watching();
    let mut batch = Sensor::boot(7);
    batch.core.finals.push_back(flow(0, 1));
    let mut batch = batch.batches(SECOND).remove(0);
    batch[0] = 2;
    batch[1] = 5;
    let error = session
        .handle_batch(SECOND, &batch, &mut picture)
        .expect_err("version 2");
    assert!(error.is_fatal());
    let text = error.to_string();
    assert!(
        text.contains("serial:/dev/ttyX") && text.contains("2.5") && text.contains("1.4"),
        "{text}"
    );
    assert_eq!(picture.link().refused_versions, 1);
}

#[test]
fn newer_records_are_skipped_and_counted() {
    let mut session = Session::new("test");
    let mut picture = watching();
    let mut sensor = Sensor::boot(7);
    sensor.core.finals.push_back(flow(0, 3));
    let mut batch = sensor.batches(SECOND).remove(0);
    // A newer minor version, a record of type 99, and a flow whose body is not
    // one.
    batch[1] = 9;
    batch.extend([99, 2, 1, 2, 3, 1, 0]);
    session.handle_batch(SECOND, &batch, &mut picture).unwrap();
    assert_eq!(packets(&picture), 3);
    assert_eq!(picture.link().unknown.get(&99), Some(&1));
    assert_eq!(picture.link().bad_bodies, 1);
    assert_eq!(picture.boots()[0].unread(), 2);
}

proptest! {
    #[test]
    fn no_octets_make_it_panic(
        batches in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
        header in any::<bool>(),
    ) {
        let mut session = Session::new("test");
        let mut picture = watching();
        for mut batch in batches {
            if header && batch.len() > 24 {
                // Past the header, into the records.
                let stream = batch[2] % 3;
                batch[..4].copy_from_slice(&[1, 0, stream, 0]);
                batch[12..16].fill(0);
                batch[16..24].fill(0);
            }
            let _ = session.handle_batch(1, &batch, &mut picture);
            while session.poll_transmit(2).is_some() {}
        }
        let _ = picture.books(None).to_string();
    }
}
