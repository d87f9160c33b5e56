//! A hostile sensor at the collector: memory stays bounded, and the books can
//! be drawn up at any time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie_collector::{FilterEvent, FilterRequest, Limits, Picture, Session};
use magpie_fuzz::batches;
use magpie_fuzz::input::{Input, push_piece};
use magpie_link::{Header, MAX_BATCH};
use magpie_protocol::{
    BpfInstruction, Configuration, FilterAction, TableId, VERSION_MAJOR, VERSION_MINOR,
};

const LIMITS: Limits = Limits {
    flows: Some(8),
    echoes: Some(4),
    samples: Some(4),
    count_lines: Some(16),
    boots: Some(3),
    events: 8,
};

magpie_fuzz::seeds!({
    let mut seeds = Vec::new();
    for batch in batches::of_a_sensor() {
        let mut whole = vec![0];
        push_piece(&mut whole, &batch);
        seeds.push(whole);
        // Its items in a batch of another stream, boot and number.
        let mut items = vec![1, 0, 2, 0, 0];
        push_piece(&mut items, &batch[Header::OCTETS..]);
        seeds.push(items);
    }
    seeds.push(vec![4, 3, 3, 2, 0xff, 0xff, 3, 6, 3]);
    seeds
});

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let mut session = Session::new("fuzz");
    let mut picture = Picture::new("fuzz", LIMITS);
    let mut now = 1_700_000_000_000_000_u64;
    let mut next = [0_u64; 2];
    for _ in 0..200 {
        if input.is_empty() {
            break;
        }
        match input.u8() % 10 {
            0 => take(&mut session, now, input.piece(), &mut picture),
            1 => {
                let batch = wrapped(&mut input, &mut next);
                take(&mut session, now, &batch, &mut picture);
            }
            2 => now = now.wrapping_add(u64::from(input.u16()) * 1_000),
            3 => {
                let mut sent = 0;
                while let Some(batch) = session.poll_transmit(now) {
                    assert!(batch.len() <= MAX_BATCH);
                    sent += 1;
                    assert!(sent < 100, "it never has asked everything");
                }
                for event in session.take_filter_events() {
                    if let FilterEvent::Packet(packet) = event {
                        assert!(packet.octets.len() <= 200 * MAX_BATCH, "from nowhere");
                    }
                }
            }
            4 => session.request_flush(),
            5 => session.request_configure(Configuration::default()),
            6 => session.reconnected(),
            7 => session.request_filter(FilterRequest {
                slot: input.u8() % 2,
                program: vec![BpfInstruction::default(); usize::from(input.u8())],
                literal: false,
                action: FilterAction::Count,
                again: input.u8() % 2 == 0,
            }),
            8 => session.request_filter_stop(input.u8() % 2, input.u8() % 2 == 0),
            // The host's own clock: any time, but not the last one there is.
            _ => now = input.u64() >> 8,
        }
    }
    picture.take_events().for_each(drop);
    session.take_replies();
    let line = picture.books(None).to_string();
    assert!(line.starts_with("books "), "{line}");
    picture.finish();
    drop(picture.books(None).to_string());
});

/// Items under a header whose numbers mostly go on from the last one.
fn wrapped(input: &mut Input<'_>, next: &mut [u64; 2]) -> Vec<u8> {
    let (stream, boot, skip) = (input.u8() & 1, input.u8() & 7, input.u16());
    let items = input.piece();
    let expected = &mut next[usize::from(stream)];
    let first = if skip < 0xff00 {
        expected.saturating_add(u64::from(skip))
    } else {
        0
    };
    let oldest = if skip & 1 == 0 { 0 } else { first };
    *expected = first.saturating_add(1);
    [
        &[VERSION_MAJOR, VERSION_MINOR, stream, 0][..],
        &u32::from(boot).to_le_bytes(),
        &first.to_le_bytes(),
        &oldest.to_le_bytes(),
        items,
    ]
    .concat()
}

fn take(session: &mut Session, now: u64, batch: &[u8], picture: &mut Picture) {
    if let Err(error) = session.handle_batch(now, batch, picture) {
        assert!(error.to_string().contains("fuzz"), "it does not say where");
    }
    assert!(picture.flows().len() <= 8);
    assert!(picture.echoes().len() <= 4);
    assert!(picture.boots().len() <= 3);
    for table in [TableId::Ethertype, TableId::Vlan, TableId::Icmp] {
        // Boots kept apart, the sum of those that are not, and `other`.
        assert!(picture.counts(table).len() <= 16 * 4 + 1);
    }
}
