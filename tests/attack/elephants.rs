//! Elephants survive mice: how many of the busiest flows keep their one record
//! while a flood of new ones passes through the table; by the sensor, and by
//! other rules in a table of the same geometry.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "times of a test: positive, far below 2^52"
)]

use std::collections::HashMap;

use magpie_protocol::{AddressPair, EndReason, FlowKey, MAX_ITEM, Record, RecordSource, Want};
use magpie_protocol::{Items, decode_record};
use magpie_sensor::{Config, Sensor};

use crate::known::{Known, WAYS, Words, seed};
use crate::spread::sensor;

/// Flows of the mix, each with a rate by Zipf's law, and their rate together.
const FLOWS: u32 = 500;
const RATE: f64 = 1_000.0;
/// The busiest of these are the elephants.
const ELEPHANTS: u32 = 50;
/// The flood comes so many times as fast, after a minute of peace.
const FLOOD: f64 = 100.0;
const PEACE_S: f64 = 60.0;
const FLOOD_S: f64 = if cfg!(debug_assertions) { 2.0 } else { 10.0 };
/// Flows of the flood have numbers from here on.
const MICE: u32 = 1 << 24;

/// One frame of a flow.
type Event = (u64, u32);

fn key_of(flow: u32) -> Words {
    if flow < MICE {
        // Clients behind a few addresses, one server.
        let port = u16::try_from(2_000 + flow).expect("few flows");
        Words::tcp4(0x0a00_0000 + flow % 7, port, 0x0a00_0100, 443)
    } else {
        // Sources and ports as if drawn, all distinct.
        let drawn = flow.wrapping_mul(0x9e37_79b1);
        let port = u16::try_from(drawn >> 7 & 0xffff).expect("16 bits");
        Words::tcp4(0x0a00_0100, 443, 0x4000_0000 | drawn >> 2, port)
    }
}

/// Frames of the mix, and of a flood whose flows have `each` frames.
fn events(each: u32, draw: u64) -> Vec<Event> {
    let mut random = fastrand::Rng::with_seed(draw);
    let weights: f64 = (1..=FLOWS).map(|rank| 1.0 / f64::from(rank)).sum();
    let us = |s: f64| (s * 1e6) as u64;
    let end_s = PEACE_S + FLOOD_S;
    let mut all = Vec::new();
    for rank in 1..=FLOWS {
        let rate = RATE / f64::from(rank) / weights;
        let mut at_s = 0.0;
        loop {
            at_s -= (1.0 - random.f64()).ln() / rate;
            if at_s > end_s {
                break;
            }
            all.push((1 + us(at_s), rank));
        }
    }
    let frames = (FLOOD_S * RATE * FLOOD) as u32;
    all.extend((0..frames).map(|n| {
        let at_s = PEACE_S + f64::from(n) / (RATE * FLOOD);
        (1 + us(at_s), MICE + n / each)
    }));
    all.sort_by_key(|(at_us, _)| *at_us);
    all
}

/// A place of the model: whose, its last frame, its frames.
type Place = (u32, u64, u32);
/// How dispensable a place is: of a full set, the first of the most
/// dispensable leaves.
type Rule = fn(&Place, u64) -> f64;

fn lru((_, last_us, _): &Place, now_us: u64) -> f64 {
    (now_us - last_us) as f64
}

/// Two classes: flows of one frame leave before all others.
fn second_chance(place: &Place, now_us: u64) -> f64 {
    lru(place, now_us) + if place.2 < 2 { 1e12 } else { 0.0 }
}

fn least_used(place: &Place, _: u64) -> f64 {
    -f64::from(place.2)
}

fn by_packets(place: &Place, now_us: u64) -> f64 {
    (lru(place, now_us) + 1.0) / f64::from(place.2)
}

/// What this table had before: a sixteenth for each factor of eight.
fn by_eights(place: &Place, now_us: u64) -> f64 {
    let quiet = now_us - place.1;
    ((quiet >> (place.2.ilog2() / 3 * 4).min(12)) + 1) as f64
}

/// The sensor's.
fn by_square(place: &Place, now_us: u64) -> f64 {
    // Linear between powers of two.
    let log2 = |n: u64| {
        let whole = n.ilog2();
        f64::from(whole) + n as f64 / f64::from(whole).exp2() - 1.0
    };
    log2((now_us - place.1) | 1) - 2.0 * log2(u64::from(place.2.min(1024)))
}

const RULES: [(&str, Rule); 6] = [
    ("LRU", lru),
    ("one-frame flows first", second_chance),
    ("least used", least_used),
    ("quiet / packets", by_packets),
    ("quiet / 16 per 8-fold", by_eights),
    ("quiet / packets^2", by_square),
];

/// How often each flow of the mix was evicted.
type Evictions = Vec<u32>;

fn unbroken(evictions: &Evictions) -> usize {
    evictions[1..=ELEPHANTS as usize]
        .iter()
        .filter(|n| **n == 0)
        .count()
}

fn model(events: &[Event], entries: usize, secret: &[u8; 32], rule: Rule) -> Evictions {
    let (known, sets) = (Known::new(secret), entries / WAYS);
    let mut table = vec![[(0, 0, 0); WAYS]; sets];
    let mut evictions = vec![0; FLOWS as usize + 1];
    for (at_us, flow) in events {
        let set = &mut table[known.set(&key_of(*flow).ordered(), sets)];
        if let Some((_, last_us, frames)) = set.iter_mut().find(|place| place.0 == *flow) {
            (*last_us, *frames) = (*at_us, *frames + 1);
            continue;
        }
        let free = set.iter().position(|place| place.0 == 0);
        let way = free.unwrap_or_else(|| {
            let (mut leaves, mut most) = (0, f64::NEG_INFINITY);
            for (way, place) in set.iter().enumerate() {
                let dispensable = rule(place, *at_us);
                if dispensable > most {
                    (leaves, most) = (way, dispensable);
                }
            }
            leaves
        });
        if let Some(n) = evictions.get_mut(set[way].0 as usize) {
            *n += 1;
        }
        set[way] = (*flow, *at_us, 1);
    }
    evictions[0] = 0; // free places
    evictions
}

/// Takes every record there is.
fn drain(sensor: &mut Sensor<'_>, at_us: u64, mut each: impl FnMut(&FlowKey, EndReason, u64)) {
    let mut out = [0; MAX_ITEM];
    while let Some(emitted) = sensor.poll_record(at_us, Want::Final, &mut out) {
        for item in Items::new(&out[..emitted.len]) {
            let record = decode_record(item.expect("a sound item")).expect("a sound record");
            if let Record::Flow(flow) = record {
                each(&flow.key, flow.reason, flow.ab.packets + flow.ba.packets);
            }
        }
    }
}

fn flow_key(words: &Words) -> FlowKey {
    let [a, b] = words.first.map(u32::to_be_bytes);
    let [a_high, a_low, b_high, b_low] = words.ports.to_be_bytes();
    FlowKey {
        vlan: magpie_protocol::VlanStack::NONE,
        protocol: 6,
        addresses: AddressPair::V4 { a, b },
        a_port: u16::from_be_bytes([a_high, a_low]),
        b_port: u16::from_be_bytes([b_high, b_low]),
    }
}

/// Time-outs that do not end a record within the test.
fn config() -> Config {
    Config {
        idle_us: 0,
        active_us: 0,
        end_us: 0,
        live_us: 0,
        ..Config::default()
    }
}

fn observe(sensor: &mut Sensor<'_>, at_us: u64, frame: &[u8]) {
    sensor.observe(at_us, frame, u32::try_from(frame.len()).expect("short"));
}

/// The same by a sensor; every frame must come out again in some record.
fn real(events: &[Event], entries: usize, secret: &[u8; 32]) -> Evictions {
    let mut sensor = sensor(config(), entries, secret);
    let numbers: HashMap<FlowKey, usize> = (1..=FLOWS)
        .map(|flow| (flow_key(&key_of(flow).ordered()), flow as usize))
        .collect();
    let mut evictions = vec![0; FLOWS as usize + 1];
    let (mut packets, mut newest) = (0, 0);
    for (at_us, flow) in events {
        // Of the mix: ACKs of connections that were there before.
        let key = key_of(*flow).ordered();
        let opens = *flow > newest.max(MICE - 1);
        newest = newest.max(*flow);
        let frame = if opens { key.syn() } else { key.ack() };
        observe(&mut sensor, *at_us, &frame);
        drain(&mut sensor, *at_us, |key, reason, n| {
            packets += n;
            if let Some(number) = numbers.get(key) {
                assert_eq!(reason, EndReason::Evicted);
                evictions[*number] += 1;
            }
        });
    }
    let census = sensor.ledger(0).flows;
    assert_eq!(packets + census.live_packets, events.len() as u64);
    assert_eq!(sensor.ledger(0).never_sent.records, 0);
    evictions
}

fn elephants_survive(entries: usize, at_least: usize, lru_at_most: usize) {
    println!(
        "{entries} entries: unbroken of the busiest {ELEPHANTS}, by frames a flow of the flood"
    );
    let each = [1, 2, 8, 64, 512];
    let mut rows = vec![[0; 5]; RULES.len()];
    for (column, each) in each.into_iter().enumerate() {
        let events = events(each, 5);
        let secret = seed(&mut fastrand::Rng::with_seed(5));
        for ((name, rule), row) in RULES.iter().zip(&mut rows) {
            let evictions = model(&events, entries, &secret, *rule);
            row[column] = unbroken(&evictions);
            if *name == "quiet / packets^2" {
                // The model is the sensor: it breaks the same flows as often.
                let same = real(&events, entries, &secret) == evictions;
                assert!(same, "{each} frames each");
            }
        }
    }
    for ((name, _), row) in RULES.iter().zip(&rows) {
        println!("{name:24} {row:?}");
    }
    let of = |wanted| {
        let at = RULES.iter().position(|(name, _)| *name == wanted);
        rows[at.expect("a rule")]
    };
    let (ours, lru) = (of("quiet / packets^2"), of("LRU"));
    assert!(ours[0] >= at_least, "{ours:?}");
    assert!(lru[0] <= lru_at_most, "{lru:?}");
    // Who sends more frames a flow has fewer flows: never better than LRU.
    assert!(
        ours.iter().zip(&lru).all(|(ours, lru)| ours >= lru),
        "{ours:?} {lru:?}"
    );
    // And no row of cheap flows does to it what it does to the other rules.
    assert!(ours[1] * 10 >= ours[0] * 8, "{ours:?}");
}

#[test]
fn elephants_survive_a_flood_in_256_entries() {
    elephants_survive(256, 35, 5);
}

#[test]
fn elephants_survive_a_flood_in_4096_entries() {
    elephants_survive(4096, 45, 5);
}

/// Keys of one set of this secret.
fn neighbours(known: &Known, sets: usize, count: usize) -> Vec<Words> {
    (1..=u16::MAX)
        .map(|port| Words::tcp4(0x0a00_0001, port, 0x0a00_0002, 443))
        .filter(|key| known.set(key, sets) == 0)
        .take(count)
        .collect()
}

/// Busy until the flood, silent from then on: a dead flow goes at its
/// time-out, flood or no flood, and is not evicted before.
#[test]
fn a_dead_elephant_leaves_by_its_time_out() {
    const IDLE_US: u64 = 10_000_000;
    let secret = [5; 32];
    let mut sensor = sensor(
        Config {
            idle_us: IDLE_US,
            ..config()
        },
        256,
        &secret,
    );
    let elephant = neighbours(&Known::new(&secret), 32, 1)[0];
    for n in 0..2_000 {
        observe(&mut sensor, 1 + n * 1_000, &elephant.ack());
    }
    let last_us = 1 + 1_999_000;
    let (key, mut left) = (flow_key(&elephant), None);
    for n in 0..200_000_u32 {
        let at_us = last_us + u64::from(n) * 100;
        observe(&mut sensor, at_us, &key_of(MICE + n).ordered().syn());
        drain(&mut sensor, at_us, |k, reason, packets| {
            if *k == key {
                left = Some((reason, packets, at_us - last_us));
            }
        });
    }
    let (reason, packets, after_us) = left.expect("it left");
    assert_eq!((reason, packets), (EndReason::Idle, 2_000));
    assert!(
        (IDLE_US..IDLE_US + 2_000_000).contains(&after_us),
        "{after_us}"
    );
}

/// One of light weight has no such patience: LRU would do no more for it.
#[test]
fn a_dead_mouse_leaves_at_once() {
    let secret = [5; 32];
    let known = Known::new(&secret);
    let mut sensor = sensor(config(), 256, &secret);
    let keys = neighbours(&known, 32, 20);
    for (n, key) in (1..).zip(&keys) {
        observe(&mut sensor, n * 1_000, &key.syn());
    }
    let mut left = Vec::new();
    drain(&mut sensor, 30_000, |key, _, _| left.push(*key));
    let oldest: Vec<FlowKey> = keys[..12].iter().map(flow_key).collect();
    assert_eq!(left, oldest);
}

/// Nine busy flows for eight ways: one place of the set changes hands all the
/// time. Seven of the elephants keep their one record; nobody's packet is
/// lost; and who has none of the seven places is counted in more records.
#[test]
fn nine_elephants_in_a_set_of_eight() {
    const ROUNDS: u64 = 5_000;
    let secret = [5; 32];
    let mut sensor = sensor(config(), 256, &secret);
    let keys = neighbours(&Known::new(&secret), 32, 9);
    let mut records: HashMap<FlowKey, (u64, u64)> = HashMap::new();
    for round in 0..ROUNDS {
        // The ninth comes when the others are well known.
        let busy = if round < 1_000 { 8 } else { 9 };
        for (n, key) in (0..).zip(&keys[..busy]) {
            let at_us = 1 + round * 10_000 + n * 1_000;
            observe(&mut sensor, at_us, &key.ack());
            drain(&mut sensor, at_us, |key, _, packets| {
                let record = records.entry(*key).or_default();
                *record = (record.0 + 1, record.1 + packets);
            });
        }
    }
    let broken: Vec<(u64, u64)> = keys
        .iter()
        .filter_map(|key| records.get(&flow_key(key)).copied())
        .collect();
    println!("records and packets of those that did not stay: {broken:?}");
    assert_eq!(keys.len() - broken.len(), 7, "{broken:?}");
    let census = sensor.ledger(0).flows;
    let exported: u64 = broken.iter().map(|(_, packets)| packets).sum();
    assert_eq!(
        exported + census.live_packets,
        1_000 * 8 + (ROUNDS - 1_000) * 9
    );
    assert_eq!(census.live, 8);
}
