//! Any octets as a frame whose addresses are replaced.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie_capture::anonymize::{Anonymizer, Key, Payload};

magpie_fuzz::seeds!(magpie_fuzz::frames::all());

fuzz_target!(|data: &[u8]| {
    let key = Key::parse(&[7; 32]).expect("a key");
    let (mut cut, mut kept) = (data.to_vec(), data.to_vec());
    let keep = Anonymizer::new(&key, Payload::Cut).frame(&mut cut);
    assert!(keep <= data.len());
    // All of it, or up to an address of which there is only a part.
    let all = Anonymizer::new(&key, Payload::Kept).frame(&mut kept);
    assert!(all == data.len() || all == keep);
    // What is behind the known headers is as it was; where it is cut, nobody sees it.
    assert_eq!(kept[keep..], data[keep..]);
    // A group stays one, and anybody else somebody.
    if let (Some(old), Some(new)) = (data.first(), kept.first()) {
        assert!(data.len() < 6 || old & 1 == new & 1);
    }
});
