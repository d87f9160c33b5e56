//! A table that is full forgets the frame that was shown first, and says so;
//! what it forgot is at most what it missed.

use magpie_protocol::{Command, CommandType, Configuration, Outcome, Record, RecordSource, Want};
use magpie_protocol::{Items, MAX_ITEM, decode_record};
use magpie_sensor::{Config, Identity, Sensor, Storage};

/// An original of its own for each number.
fn frame(number: u32) -> Vec<u8> {
    let mut frame = vec![2; 60];
    frame[12..34].copy_from_slice(&[
        0x08, 0, 0x45, 0, 0, 46, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ]);
    frame[40..44].copy_from_slice(&number.to_be_bytes());
    frame
}

fn sensor<const SETS: usize>(dedup_us: u32) -> Sensor<'static> {
    let storage = Storage::owned(64, 16).with_doubled::<SETS>();
    let config = Config {
        dedup_us,
        ..Config::default()
    };
    Sensor::new(config, Identity::default(), &[3; 32], storage)
}

/// So many frames within one window, then the copies of all of them.
fn flood<const SETS: usize>(frames: u32) -> (u64, u64) {
    let mut sensor = sensor::<SETS>(500);
    for number in 0..frames {
        sensor.observe(100, &frame(number), 60);
    }
    for number in 0..frames {
        sensor.observe(200, &frame(number), 60);
    }
    let ledger = sensor.ledger(0);
    let found = ledger.doubles.sum.frames;
    assert_eq!(ledger.counted.frames + found, 2 * u64::from(frames));
    (found, ledger.doubles.forgotten)
}

#[test]
fn what_was_forgotten_is_said() {
    assert_eq!(flood::<1>(4), (4, 0));
    // Copies that were missed are frames of their own and push out others.
    let (found, forgotten) = flood::<1>(5);
    assert!(found < 5 && forgotten >= 5 - found, "{found} {forgotten}");
    for frames in [256, 700, 1_024, 2_000] {
        let (found, forgotten) = flood::<256>(frames);
        let missed = u64::from(frames) - found;
        assert!(missed <= forgotten, "{frames}: {missed} {forgotten}");
    }
    // A keyed digest spreads them: a quarter full, next to nothing is missed.
    let (found, _) = flood::<256>(256);
    assert!(found >= 250, "{found}");
}

/// A frame whose time has passed makes room without a word.
#[test]
fn what_is_too_old_is_not_missed() {
    let mut sensor = sensor::<1>(500);
    for number in 0..1_000 {
        sensor.observe(u64::from(number) * 126, &frame(number), 60);
    }
    assert_eq!(sensor.ledger(0).doubles.forgotten, 0);
    for number in 1_000..1_010 {
        sensor.observe(u64::from(number) * 124, &frame(number), 60);
    }
    assert!(sensor.ledger(0).doubles.forgotten > 0);
}

fn replies(sensor: &mut Sensor<'_>) -> Vec<Outcome> {
    let mut out = [0; MAX_ITEM];
    let mut all = Vec::new();
    while let Some(emitted) = sensor.poll_record(0, Want::Live, &mut out) {
        for item in Items::new(&out[..emitted.len]).flatten() {
            if let Ok(Record::CommandReply(reply)) = decode_record(item) {
                assert_eq!(reply.command, CommandType::Configure as u8);
                all.push(reply.outcome);
            }
        }
    }
    all
}

fn configure(sensor: &mut Sensor<'_>, dedup_us: u32) {
    let set = Configuration {
        idle_us: Some(5),
        dedup_us: Some(dedup_us),
        ..Configuration::default()
    };
    sensor.handle_command(0, &Command::Configure { id: 1, set });
}

#[test]
fn it_is_switched_on_and_off_by_command() {
    let mut sensor = sensor::<16>(0);
    let show = |sensor: &mut Sensor<'_>, number| {
        sensor.observe(10, &frame(number), 60);
        sensor.observe(20, &frame(number), 60);
        sensor.ledger(0).doubles
    };
    assert_eq!(show(&mut sensor, 1).sum.frames, 0);
    configure(&mut sensor, 300);
    assert_eq!(replies(&mut sensor), [Outcome::Done]);
    let doubles = show(&mut sensor, 2);
    assert_eq!((doubles.window_us, doubles.sum.frames), (300, 1));
    configure(&mut sensor, 0);
    assert_eq!(replies(&mut sensor), [Outcome::Done]);
    let doubles = show(&mut sensor, 3);
    assert_eq!((doubles.window_us, doubles.sum.frames), (0, 1));
}

#[test]
fn without_a_table_it_is_unsupported() {
    let config = Config {
        dedup_us: 500,
        ..Config::default()
    };
    let storage = Storage::owned(64, 16);
    let mut sensor = Sensor::new(config, Identity::default(), &[3; 32], storage);
    sensor.observe(10, &frame(1), 60);
    sensor.observe(20, &frame(1), 60);
    let ledger = sensor.ledger(0);
    assert_eq!(ledger.counted.frames, 2);
    assert_eq!(ledger.doubles.window_us, 0);
    configure(&mut sensor, 300);
    assert_eq!(replies(&mut sensor), [Outcome::Unsupported]);
    // Off it is already.
    configure(&mut sensor, 0);
    assert_eq!(replies(&mut sensor), [Outcome::Done]);
}
