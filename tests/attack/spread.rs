//! How keys spread over the sets of a table, whoever chose them: many boots,
//! families of keys as scans and attackers make them, against random keys.
#![allow(clippy::cast_precision_loss, reason = "means of a few thousand boots")]

use std::collections::HashMap;
use std::fmt::Write as _;

use magpie_protocol::{CountEntry, RecordSource, Want};
use magpie_sensor::{
    Config, EMPTY_ECHO_SET, EMPTY_FLOW_SET, EMPTY_REQUEST_SET, EMPTY_UNSENT_SET, Identity,
};
use magpie_sensor::{OutboxEntry, Sensor, Storage};

use crate::known::{Known, WAYS, Words, seed};

/// Boots a family meets.
const BOOTS: usize = if cfg!(debug_assertions) { 300 } else { 3_000 };

const CLIENT: u32 = 0x0a00_0001;
const SERVER: u32 = 0x0a00_0002;

/// A sensor with this many flow entries and little else.
pub(crate) fn sensor(config: Config, entries: usize, seed: &[u8; 32]) -> Sensor<'static> {
    let lines = || vec![CountEntry::default(); 64].into();
    let storage = Storage {
        flows: vec![EMPTY_FLOW_SET; entries / WAYS].into(),
        echoes: vec![EMPTY_ECHO_SET; 1].into(),
        requests: vec![EMPTY_REQUEST_SET; 1].into(),
        ethertypes: lines(),
        protocols: lines(),
        vlans: lines(),
        icmp: lines(),
        arp_operations: lines(),
        outbox: vec![OutboxEntry::EMPTY; 64].into(),
        unsent: vec![EMPTY_UNSENT_SET; 1].into(),
        doubled: None,
        filters: vec![].into(),
        packets: vec![].into(),
    };
    Sensor::new(config, Identity::default(), seed, storage)
}

/// Feeds the first frame of each, a microsecond apart; how many were evicted.
fn evicted(entries: usize, seed: &[u8; 32], keys: &[Words]) -> u64 {
    let mut sensor = sensor(Config::exact(), entries, seed);
    let mut out = [0; magpie_protocol::MAX_ITEM];
    for (at_us, key) in (1_000..).zip(keys) {
        let frame = key.syn();
        let len = u32::try_from(frame.len()).expect("short");
        sensor.observe(at_us, &frame, len);
        while sensor.poll_record(at_us, Want::Final, &mut out).is_some() {}
    }
    let census = sensor.ledger(0).flows;
    assert_eq!(census.made, keys.len() as u64);
    assert_eq!(census.live + census.evicted, census.made);
    census.evicted
}

/// Keys that a sensor with this seed puts in one set.
fn aimed(known: &Known, sets: usize, keys: usize) -> Vec<Words> {
    let mut hosts = (1_u32..).flat_map(|host| {
        (1024..=u16::MAX).map(move |port| Words::tcp4(host << 8, port, SERVER | 1 << 31, 443))
    });
    hosts
        .by_ref()
        .filter(|key| known.set(key, sets) == 5)
        .take(keys)
        .collect()
}

fn two_bits(keys: usize) -> Vec<Words> {
    let base = Words::tcp4(CLIENT, 40_000, SERVER, 80);
    let flip = |mut key: Words, bit: u32| {
        let word = match bit / 32 {
            0 => &mut key.ports,
            1 => &mut key.first[0],
            _ => &mut key.first[1],
        };
        *word ^= 1 << (bit % 32);
        key
    };
    let pairs = (0..96).flat_map(|x| (0..=x).map(move |y| (x, y)));
    pairs
        .map(|(x, y)| {
            if x == y {
                flip(base, x)
            } else {
                flip(flip(base, x), y)
            }
        })
        .take(keys)
        .collect()
}

/// Keys that somebody might send, by what they have in common; none knows the
/// secrets they will meet.
fn families(keys: usize, sets: usize) -> Vec<(&'static str, Vec<Words>)> {
    let net = 0x2001_0db8_0000_0001_u128 << 64;
    let mut random = fastrand::Rng::with_seed(7);
    let mut all: Vec<(&str, Vec<Words>)> = Vec::new();
    let mut add = |name, key: &mut dyn FnMut(u32) -> Words| {
        all.push((name, (0..).map(key).take(keys).collect()));
    };
    let port = |n: u32| u16::try_from(1024 + n).expect("16 bits");
    add("source ports", &mut |n| {
        Words::tcp4(CLIENT, port(n), SERVER, 80)
    });
    add("ports of a scan", &mut |n| {
        Words::tcp4(CLIENT, 40_000, SERVER, port(n))
    });
    add("sources", &mut |n| {
        Words::tcp4(CLIENT + n, 40_000, SERVER << 1, 80)
    });
    add("sources by /16", &mut |n| {
        Words::tcp4(n << 16, 40_000, u32::MAX, 80)
    });
    add("hosts x ports", &mut |n| {
        Words::tcp4(CLIENT + n / 64, port(n % 64), SERVER << 1, 80)
    });
    add("high bits", &mut |n| {
        let mut key = Words::tcp4(CLIENT, 40_000, SERVER, 80);
        key.first[0] |= (n & 7) << 29;
        key.first[1] |= (n >> 3 & 7) << 29;
        key.ports ^= (n >> 6 & 7) << 29 | (n >> 9 & 7) << 13;
        key
    });
    add("VLANs", &mut |n| {
        Words::tcp4(CLIENT, 40_000, SERVER, 80).tagged(u16::try_from(n).expect("small"))
    });
    add("IPv6 /64", &mut |n| {
        Words::tcp6(net, 40_000, net + 1 + u128::from(n), 80)
    });
    add("IPv6 /64, every 2^32nd", &mut |n| {
        Words::tcp6(net, 40_000, net + 1 + (u128::from(n) << 32), 80)
    });
    add("random", &mut |_| {
        let (a, b) = (random.u32(..1 << 31), random.u32(1 << 31..));
        Words::tcp4(a, random.u16(..), b, random.u16(..))
    });
    all.push(("one and two bits", two_bits(keys)));
    let other = Known::new(&seed(&mut fastrand::Rng::with_seed(99)));
    all.push(("one set of another boot", aimed(&other, sets, keys)));
    for (_, keys) in &mut all {
        for key in keys {
            *key = key.ordered();
        }
    }
    all
}

/// What a family came to over all boots.
struct Spread {
    /// Keys in the fullest set: sorted.
    fullest: Vec<usize>,
    /// Keys beyond the ways of their sets: sorted.
    beyond: Vec<usize>,
}

impl Spread {
    fn of(keys: &[Words], sets: usize, hash: impl Fn(&Known, &Words) -> u32) -> Self {
        let mut random = fastrand::Rng::with_seed(3);
        let (mut fullest, mut beyond) = (Vec::new(), Vec::new());
        for _ in 0..BOOTS {
            let known = Known::new(&seed(&mut random));
            let mut loads = vec![0_usize; sets];
            for key in keys {
                loads[hash(&known, key) as usize & (sets - 1)] += 1;
            }
            fullest.push(loads.iter().copied().max().unwrap_or(0));
            beyond.push(loads.iter().map(|load| load.saturating_sub(WAYS)).sum());
        }
        fullest.sort_unstable();
        beyond.sort_unstable();
        Self { fullest, beyond }
    }

    /// Mean, of a hundred boots the second worst, and the worst.
    fn summary(of: &[usize]) -> (f64, usize, usize) {
        let sum: usize = of.iter().sum();
        (
            sum as f64 / of.len() as f64,
            of[of.len() * 99 / 100],
            of[of.len() - 1],
        )
    }

    fn line(&self) -> String {
        let mut line = String::new();
        for of in [&self.fullest, &self.beyond] {
            let (mean, late, last) = Self::summary(of);
            let _ = write!(line, "{mean:7.1} {late:5} {last:5}  |");
        }
        line
    }
}

/// The table half full; however the keys were chosen, no boot is worse off
/// than with random ones.
fn spreads_as_random_keys_do(entries: usize) {
    let sets = entries / WAYS;
    let families = families(entries / 2, sets);
    let spreads: HashMap<&str, Spread> = families
        .iter()
        .map(|(name, keys)| (*name, Spread::of(keys, sets, Known::hash)))
        .collect();
    println!(
        "{entries} entries, {} keys, {BOOTS} boots: fullest set; beyond 8",
        entries / 2
    );
    let random = &spreads["random"];
    for (name, keys) in &families {
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), entries / 2, "{name}");
        let spread = &spreads[name];
        println!("{name:24} {}", spread.line());
        for (have, want, slack) in [
            (&spread.fullest, &random.fullest, 8),
            (&spread.beyond, &random.beyond, entries / 40),
        ] {
            let ((mean, late, last), want) = (Spread::summary(have), Spread::summary(want));
            assert!(
                mean < want.0 * 1.25 + 0.5,
                "{name}: mean {mean}, random {}",
                want.0
            );
            assert!(late <= want.1 * 3 / 2, "{name}: {late}, random {}", want.1);
            assert!(last <= want.2 + slack, "{name}: {last}, random {}", want.2);
        }
    }
}

#[test]
fn families_of_keys_spread_over_256_entries_as_random_keys_do() {
    spreads_as_random_keys_do(256);
}

#[test]
fn families_of_keys_spread_over_4096_entries_as_random_keys_do() {
    spreads_as_random_keys_do(4096);
}

/// Why the sum is scattered: by itself it is linear, and sequential keys of
/// one boot in a hundred crowd a few sets.
#[test]
fn the_bare_sum_would_have_crowded_a_boot_in_a_hundred() {
    let (_, ports) = families(2048, 512).swap_remove(0);
    let bare = Spread::of(&ports, 512, Known::bare);
    let scattered = Spread::of(&ports, 512, Known::hash);
    let crowded = |spread: &Spread| spread.beyond.iter().filter(|n| **n > 500).count();
    println!("bare      {}", bare.line());
    println!("scattered {}", scattered.line());
    assert!(
        crowded(&bare) * 200 > BOOTS,
        "{} of {BOOTS}",
        crowded(&bare)
    );
    assert_eq!(crowded(&scattered), 0);
}

/// Two keys were seen to share a set (by who reads the exports). With the bare
/// sum their difference is a step that stays near the set, from any key; the
/// scattered one tells nothing about other keys.
#[test]
fn a_collision_learnt_is_no_lever() {
    const SETS: usize = 512;
    const STEPS: u32 = 64;
    let mut random = fastrand::Rng::with_seed(11);
    let key = |n: u32| Words::tcp4(0x0b00_0000 + n, 40_000, SERVER | 1 << 31, 80);
    let mut shared = [0_u32; 2];
    let boots = BOOTS / 10;
    for _ in 0..boots {
        let known = Known::new(&seed(&mut random));
        let hashes: [fn(&Known, &Words) -> u32; 2] = [Known::bare, Known::hash];
        for (shared, hash) in shared.iter_mut().zip(hashes) {
            let set = |n| hash(&known, &key(n)) as usize % SETS;
            let step = (1..100_000)
                .find(|n| set(*n) == set(0))
                .expect("one in 512");
            // Somewhere else, by the same step.
            let mut sets: Vec<usize> = (0..STEPS).map(|n| set((1 << 20) + n * step)).collect();
            sets.sort_unstable();
            sets.dedup();
            *shared += STEPS - u32::try_from(sets.len()).expect("few");
        }
    }
    let [bare, scattered] = shared.map(|n| f64::from(n) / boots as f64);
    println!("of {STEPS} steps beside another: bare {bare:.1}, scattered {scattered:.1}");
    // 64 random keys: 3.8 of them beside another.
    assert!(bare > 16.0, "{bare}");
    assert!(scattered < 6.0, "{scattered}");
}

/// Whoever knows the secret fills one set: of a thousand flows the table keeps
/// eight. The same flows at the next boot are flows like others.
fn a_known_secret_is_a_broken_table(entries: usize) {
    let sets = entries / WAYS;
    let mut random = fastrand::Rng::with_seed(entries as u64);
    let secret = seed(&mut random);
    let known = Known::new(&secret);
    // Half of the places at most, so that others would hardly be evicted.
    let keys = aimed(&known, sets, (entries / 2).min(1_000));
    let count = keys.len() as u64;
    assert_eq!(evicted(entries, &secret, &keys), count - 8);

    let boots = 20_u32;
    let mut beyond = 0;
    for _ in 0..boots {
        let fresh = seed(&mut random);
        let evicted = evicted(entries, &fresh, &keys);
        // And the sensor's hash is what is computed here.
        let mut loads = vec![0_u64; sets];
        for key in &keys {
            loads[Known::new(&fresh).set(key, sets)] += 1;
        }
        let without_way: u64 = loads.iter().map(|load| load.saturating_sub(8)).sum();
        assert_eq!(evicted, without_way);
        beyond += evicted;
    }
    println!(
        "{entries} entries, {count} aimed flows: {} evicted; with a fresh secret {:.1}",
        count - 8,
        beyond as f64 / f64::from(boots),
    );
    assert!(
        beyond * 20 < count * u64::from(boots),
        "{beyond} of {boots} x {count}"
    );
}

#[test]
fn a_known_secret_is_a_broken_table_of_256() {
    a_known_secret_is_a_broken_table(256);
}

#[test]
fn a_known_secret_is_a_broken_table_of_4096() {
    a_known_secret_is_a_broken_table(4096);
}

/// The hash computed here is the sensor's for every family: as many leave as
/// find no way in their sets.
#[test]
fn a_sensor_evicts_what_finds_no_way() {
    let entries = 256;
    let sets = entries / WAYS;
    for (name, keys) in families(entries, sets) {
        for boot in 0..4 {
            let secret = seed(&mut fastrand::Rng::with_seed(boot));
            let known = Known::new(&secret);
            let mut loads = vec![0_usize; sets];
            for key in &keys {
                loads[known.set(key, sets)] += 1;
            }
            let beyond: usize = loads.iter().map(|load| load.saturating_sub(WAYS)).sum();
            assert_eq!(evicted(entries, &secret, &keys), beyond as u64, "{name}");
        }
    }
}
