//! Any octets on a serial line: bounded, counted, and found again at the next
//! delimiter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie_link::{Deframer, MAX_BATCH, MAX_FRAME, frame};

magpie_fuzz::seeds!({
    let batches = magpie_fuzz::batches::of_a_sensor().into_iter();
    let all = batches.chain(magpie_fuzz::batches::of_a_host(1));
    all.map(|batch| framed(&batch)).collect()
});

fn framed(batch: &[u8]) -> Vec<u8> {
    let mut out = vec![0; MAX_FRAME];
    let len = frame(batch, &mut out).expect("a batch fits");
    out.truncate(len);
    out
}

fuzz_target!(|data: &[u8]| {
    let mut deframer: Deframer<{ MAX_BATCH + 4 }> = Deframer::new();
    let (mut whole, mut broken) = (0_u64, 0_u64);
    for octet in data {
        match deframer.push(*octet) {
            None => {}
            Some(Err(_)) => broken += 1,
            Some(Ok(batch)) => {
                whole += 1;
                let mut again: Deframer<{ MAX_BATCH + 4 }> = Deframer::new();
                let mut found = None;
                for octet in framed(batch) {
                    if let Some(Ok(same)) = again.push(octet) {
                        found = Some(same.to_vec());
                    }
                }
                assert_eq!(found.as_deref(), Some(batch));
            }
        }
    }
    let counts = deframer.counts();
    assert_eq!(counts.frames, whole);
    assert_eq!(counts.bad_crc + counts.cut + counts.too_long, broken);
    assert!(counts.garbage_octets <= data.len() as u64);

    // Whatever came before, a frame of ours gets through.
    let ours = [1_u8; 40];
    let mut found = false;
    for octet in framed(&ours) {
        found |= deframer.push(octet) == Some(Ok(&ours[..]));
    }
    assert!(found, "the frame behind the noise was lost");
});
