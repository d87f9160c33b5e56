//! What holds for any frames, rings and lengths.

use magpie_protocol::{
    FilterAction, Items, MAX_ITEM, PartPlace, RecordSource, Want, decode_packet_part,
};
use magpie_sensor::Sensor;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Packet, frame, longer, sensor, set, status};
use crate::common::feed;

#[derive(Debug, Clone)]
enum Step {
    Frame(u8, usize),
    Poll(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (any::<u8>(), 60..1600_usize).prop_map(|(n, len)| Step::Frame(n, len)),
        2 => (100..=MAX_ITEM, 0..6_usize).prop_map(|(room, most)| Step::Poll(room, most)),
    ]
}

proptest! {
    /// Every frame selected comes out as it was or is counted as dropped, with
    /// its octets, before the next one that comes: whatever the ring, the snap
    /// length, the link.
    #[test]
    fn every_selected_frame_is_accounted_for(
        steps in vec(step(), 0..120),
        ring in 0..6000_usize,
        snap_len in prop_oneof![Just(0_u32), 1..1600_u32],
        than in 0..1600_u32,
    ) {
        let mut core = sensor(2, ring.max(1));
        let action = FilterAction::Capture { snap_len, max_packets: 0, max_octets: 0, wait: false };
        set(&mut core, 7, 1, &longer(than), action);
        set(&mut core, 8, 0, &longer(than), FilterAction::Count);
        let mut selected = vec![];
        let mut got: Vec<Packet> = vec![];
        // A packet may come in two polls.
        let mut take = |core: &mut Sensor<'static>, room: usize, most: usize| {
            let mut out = vec![0; room];
            for _ in 0..most {
                let Some(emitted) = core.poll_record(0, Want::Packet, &mut out) else { break };
                let item = Items::new(&out[..emitted.len]).next().unwrap().unwrap();
                let (part, octets) = decode_packet_part(item).unwrap();
                match part.place {
                    PartPlace::First(head) => got.push(Packet {
                        slot: part.slot, run: part.run, number: part.number, at_us: head.at_us,
                        wire_len: head.wire_len, len: head.captured_len, dropped: head.dropped,
                        octets: octets.to_vec(),
                    }),
                    PartPlace::Later(offset) => {
                        let last = got.last_mut().unwrap();
                        assert_eq!(offset.get() as usize, last.octets.len());
                        last.octets.extend(octets);
                    }
                }
            }
        };
        for (at, step) in (0_u64..).zip(steps) {
            match step {
                Step::Frame(n, len) => {
                    let frame = frame(n, len);
                    feed(&mut core, at, &frame);
                    if frame.len() > than as usize {
                        selected.push((at, frame));
                    }
                }
                Step::Poll(room, most) => take(&mut core, room, most),
            }
        }
        // The last frame there is tells what was dropped before it.
        take(&mut core, MAX_ITEM, 10_000);
        let status = status(&mut core, 1);
        let octets = |all: &[(u64, Vec<u8>)]| all.iter().map(|(_, f)| f.len() as u64).sum::<u64>();
        prop_assert_eq!(status.matched.frames, selected.len() as u64);
        prop_assert_eq!(status.matched.octets, octets(&selected));
        prop_assert_eq!(status.matched.frames, status.kept.frames + status.dropped.frames);
        prop_assert_eq!(status.matched.octets, status.kept.octets + status.dropped.octets);
        prop_assert_eq!(status.forwarded, status.kept);
        prop_assert_eq!(got.len() as u64, status.kept.frames);
        let mut place = 0;
        for (number, packet) in (0..).zip(&got) {
            let at = selected[place..].iter().position(|(at, _)| *at == packet.at_us);
            let skipped = at.expect("a frame that was selected");
            place += skipped;
            let frame = &selected[place].1;
            prop_assert_eq!(packet.number, number);
            let kept_before = number + packet.dropped.frames;
            prop_assert_eq!(kept_before, place as u64, "all before it are known");
            let len = if snap_len == 0 { frame.len() } else { frame.len().min(snap_len as usize) };
            prop_assert_eq!(&packet.octets, &frame[..len]);
            prop_assert_eq!((packet.len as usize, packet.wire_len as usize), (len, frame.len()));
            place += 1;
        }
        let books = core.ledger(0);
        prop_assert_eq!(books.counted.frames, books.in_flows.frames + books.invalid.frames + books.other.frames);
    }
}
