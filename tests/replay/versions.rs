//! Sensors and hosts of other versions, made up from what a sensor of this
//! version really sends.

use magpie_collector::{Limits, Picture, Session, SessionError};
use magpie_link::{Header, LinkError, MAX_BATCH, Overflow, SEAL_OCTETS, Sender, command_batch};
use magpie_protocol::{
    Command, Items, Outcome, Record, RecordSource, RecordType, VERSION_MAJOR, VERSION_MINOR, Want,
    decode_record,
};
use magpie_sensor::{Config, Identity, Sensor, Storage};
use magpie_tests::answer;
use magpie_tests::bench::{Bench, Setup};
use magpie_tests::corpus::own_named;
use magpie_tests::truth::{Level, compare};

/// Everything a sensor sends for one capture, and what it comes to.
fn recorded() -> (Vec<Vec<u8>>, magpie_tests::truth::Exact) {
    let capture = own_named("vlan.pcap");
    let mut bench = Bench::new(Setup::board(256));
    bench.tap = Some(Vec::new());
    bench.feed(&capture, 0, usize::MAX);
    assert!(bench.flush());
    (bench.tap.take().expect("the tap was open"), capture.truth())
}

fn read(batches: &[Vec<u8>]) -> (Picture, Vec<SessionError>) {
    let mut session = Session::new("other version");
    let mut picture = Picture::new("other version", Limits::EXACT);
    let mut errors = Vec::new();
    for batch in batches {
        errors.extend(session.handle_batch(1, batch, &mut picture).err());
    }
    (picture, errors)
}

fn put(kind: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    let len = body.len();
    if len < 0x80 {
        out.push(u8::try_from(len).expect("under 128"));
    } else {
        out.push(u8::try_from(len & 0x7f | 0x80).expect("one octet"));
        out.push(u8::try_from(len >> 7).expect("a body of at most 600 octets"));
    }
    out.extend(body);
}

/// The same batch with every item changed.
fn rewrite(batch: &[u8], mut change: impl FnMut(u8, &[u8], &mut Vec<u8>)) -> Vec<u8> {
    let mut out = batch[..Header::OCTETS].to_vec();
    for item in Items::new(&batch[Header::OCTETS..]) {
        let item = item.expect("an item of our own sensor");
        change(item.kind, item.body, &mut out);
    }
    out
}

#[test]
fn a_newer_minor_version_appends_fields_and_they_are_ignored() {
    let (batches, truth) = recorded();
    let newer: Vec<Vec<u8>> = batches
        .iter()
        .map(|batch| {
            // To as many items as there surely is room for: the length of one
            // may take an octet more, too.
            let mut room = SEAL_OCTETS / 2;
            let mut out = rewrite(batch, |kind, body, out| {
                let appended = &b"\x07"[..usize::from(room > 0)];
                room = room.saturating_sub(1);
                put(kind, &[body, appended].concat(), out);
            });
            out[1] += 1;
            assert!(out.len() <= MAX_BATCH, "{}", out.len());
            out
        })
        .collect();
    let (picture, errors) = read(&newer);
    assert_eq!(errors, []);
    assert_eq!(compare(&truth, &answer::of(&picture), Level::Sums), []);
}

/// What a sensor says to a host of 1.2 is what such a sensor said, and all of
/// it; the octets of a host's version decide, batch by batch.
#[test]
fn flows_have_the_form_that_their_host_reads() {
    let capture = own_named("vlan.pcap");
    let kinds = |host_minor| {
        let mut bench = Bench::new(Setup {
            host_minor,
            ..Setup::board(256)
        });
        bench.wait(1_000); // the host speaks
        bench.tap = Some(Vec::new());
        bench.feed(&capture, 0, usize::MAX);
        assert!(bench.flush());
        let answer = answer::of(bench.picture());
        assert_eq!(compare(&capture.truth(), &answer, Level::Sums), []);
        let mut kinds = [0_u64; 256];
        for batch in bench.tap.take().expect("the tap was open") {
            for item in Items::new(&batch[Header::OCTETS..]) {
                kinds[usize::from(item.expect("an item of our own sensor").kind)] += 1;
            }
        }
        [RecordType::Flow, RecordType::CompactFlow].map(|kind| kinds[kind as usize])
    };
    let [old, compact] = kinds(VERSION_MINOR);
    assert!(old == 0 && compact > 0, "{old} {compact}");
    assert_eq!(kinds(VERSION_MINOR + 1), [0, compact]);
    for minor in 0..3 {
        assert_eq!(kinds(minor), [compact, 0], "1.{minor}");
    }
}

#[test]
fn records_of_unknown_types_are_skipped_and_counted() {
    let (batches, truth) = recorded();
    let mut added = 0;
    let newer: Vec<Vec<u8>> = batches
        .iter()
        .map(|batch| {
            // In place of a record, so that the numbers stay those of the batch.
            let mut out = batch.clone();
            if batch[2] == 1 && batch.len() < MAX_BATCH - 4 {
                put(99, b"?!", &mut out);
                added += 1;
            }
            out
        })
        .collect();
    let live_only = newer
        .iter()
        .zip(&batches)
        .filter(|(new, old)| new != old)
        .count();
    assert_eq!(live_only, added);
    assert!(added > 0, "no batch of live records");
    let (picture, errors) = read(&newer);
    assert_eq!(errors, []);
    assert_eq!(
        picture.link().unknown.values().sum::<u64>(),
        added as u64,
        "{:?}",
        picture.link()
    );
    assert_eq!(compare(&truth, &answer::of(&picture), Level::Sums), []);
}

#[test]
fn another_major_version_is_refused_by_name() {
    let (mut batches, _) = recorded();
    for batch in &mut batches {
        batch[0] = VERSION_MAJOR + 1;
        batch[1] = 3;
    }
    let (picture, errors) = read(&batches);
    assert_eq!(errors.len(), batches.len());
    let said = errors[0].to_string();
    assert!(
        errors[0].is_fatal() && said.contains(&format!("{}.3", VERSION_MAJOR + 1)),
        "{said}"
    );
    assert_eq!(picture.link().refused_versions, batches.len() as u64);
    assert!(picture.flows().is_empty() && picture.boots().is_empty());
}

#[test]
fn an_unknown_seal_or_stream_is_refused_and_counted() {
    let (batches, _) = recorded();
    for (at, value) in [(2, 77), (3, 9)] {
        let mut batch = batches[0].clone();
        batch[at] = value;
        let (picture, errors) = read(&[batch]);
        assert!(
            matches!(errors[..], [SessionError::Batch { .. }]),
            "{errors:?}"
        );
        assert_eq!(picture.link().bad_batches, 1);
    }
}

/// Any octet of any batch changed, any length cut: no panic, and nothing
/// appears that the counters could not hold.
#[test]
fn batches_of_hostile_octets_do_no_harm() {
    let (batches, _) = recorded();
    let mut random = fastrand::Rng::with_seed(4);
    let mut session = Session::new("hostile");
    let mut picture = Picture::new(
        "hostile",
        Limits {
            flows: Some(100),
            echoes: Some(10),
            ..Limits::default()
        },
    );
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut batch = batches[random.usize(..batches.len())].clone();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..batch.len());
            batch[at] = random.u8(..);
        }
        if random.bool() {
            batch.truncate(random.usize(..=batch.len()));
        }
        refused += u32::from(session.handle_batch(1, &batch, &mut picture).is_err());
        let _ = session.poll_transmit(1);
    }
    assert!(refused > 1000, "only {refused} refused");
    assert!(picture.flows().len() <= 100 && picture.echoes().len() <= 10);
    let _ = (picture.books(None).to_string(), answer_size(&picture));
}

fn answer_size(picture: &Picture) -> usize {
    picture.flows().sorted().len()
}

#[test]
fn a_sensor_answers_a_host_of_another_version_and_hears_no_foreign_batch() {
    let mut sensor = Sensor::new(
        Config::default(),
        Identity::default(),
        &[3; 32],
        Storage::owned(8, 4),
    );
    let mut kept = vec![0; 4096];
    let mut sender = Sender::new(sensor.boot_id(), &mut kept, Overflow::Hold);
    let mut batch = vec![0; MAX_BATCH];
    let hello = Command::Hello {
        major: VERSION_MAJOR + 1,
        minor: 0,
    };
    let len = command_batch(0, 0, &[hello], &mut batch).expect("room for one command");
    batch.truncate(len);
    let heard: Vec<Command> = sender
        .handle_batch(0, &batch)
        .expect("our own framing")
        .collect();
    assert_eq!(heard, [hello]);
    sensor.handle_command(0, &hello);
    let mut out = [0; 700];
    let mut outcomes = Vec::new();
    while let Some(emitted) = sensor.poll_record(0, Want::Live, &mut out) {
        for item in Items::new(&out[..emitted.len]) {
            if let Record::CommandReply(reply) =
                decode_record(item.expect("an item")).expect("a record")
            {
                outcomes.push(reply.outcome);
            }
        }
    }
    assert_eq!(outcomes, [Outcome::BadVersion]);

    batch[0] = VERSION_MAJOR + 1;
    assert!(matches!(
        sender.handle_batch(0, &batch),
        Err(LinkError::BadVersion { .. })
    ));
    assert_eq!(sender.counts().bad_frames, 1);
}
