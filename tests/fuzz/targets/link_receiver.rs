//! A hostile sensor's batches at the host's end of the link.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie_fuzz::input::{Input, push_piece};
use magpie_link::{MAX_BATCH, Receiver, Stream, command_batch};

magpie_fuzz::seeds!(
    magpie_fuzz::batches::of_a_sensor()
        .iter()
        .map(|batch| {
            let mut seed = Vec::new();
            push_piece(&mut seed, batch);
            seed
        })
        .collect()
);

fuzz_target!(|data: &[u8]| {
    let mut receiver = Receiver::new();
    let mut input = Input::new(data);
    let (mut finals, mut live, mut asked) = (0_u64, 0_u64, 0_u64);
    while !input.is_empty() {
        let before = (receiver.boot_id(), receiver.next_final());
        let Ok(delivery) = receiver.handle_batch(input.piece()) else {
            assert_eq!(
                (receiver.boot_id(), receiver.next_final()),
                before,
                "refused, yet it changed"
            );
            asked += 1;
            continue;
        };
        asked += 1;
        let (boot_id, stream, new_boot) = (delivery.boot_id, delivery.stream, delivery.new_boot);
        let mut count = 0_u64;
        for item in delivery.items {
            assert!(item.is_ok(), "delivered what cannot be delimited");
            count += 1;
        }
        match stream {
            Stream::Final => finals += count,
            Stream::Live => live += count,
            Stream::Command => panic!("a command from the sensor"),
        }
        assert_eq!(receiver.boot_id(), Some(boot_id));
        if let (false, (Some(same), Some(next))) = (new_boot, before)
            && same == boot_id
        {
            let now = receiver.next_final().expect("known");
            let step = if stream == Stream::Final { count } else { 0 };
            assert!(
                now >= next.saturating_add(step),
                "finished records out of order"
            );
        }
        if let Some(ack) = receiver.poll_ack() {
            let mut out = [0; MAX_BATCH];
            command_batch(boot_id, 0, &[ack], &mut out).expect("an acknowledgement fits");
            assert!(receiver.poll_ack().is_none(), "acknowledged twice");
        }
    }
    let counts = receiver.counts();
    assert_eq!((counts.finals, counts.live), (finals, live));
    assert_eq!(counts.batches + counts.other_boot + counts.bad, asked);
});
