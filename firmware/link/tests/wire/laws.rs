//! What holds for any wire.

use magpie_link::{Deframer, MAX_BATCH, MAX_FRAME, MIN_STORAGE, Overflow, Receiver, Sender, frame};
use proptest::prelude::*;

use super::Rig;
use super::sensor::Numbers;
use super::wires::Faults;

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
