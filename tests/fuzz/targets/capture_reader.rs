//! Any octets as a capture file.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use magpie_capture::{MAX_CAPTURED, Reader};

magpie_fuzz::seeds!(magpie_fuzz::captures::all());

fuzz_target!(|data: &[u8]| {
    let packed = data.starts_with(&[0x1f, 0x8b]);
    let mut reader = match Reader::new("fuzz", Cursor::new(data.to_vec())) {
        Ok(reader) => reader,
        Err(error) => {
            assert!(error.to_string().starts_with("fuzz: "));
            return;
        }
    };
    let mut captured = 0;
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => {
                assert!(frame.nanos < 1_000);
                assert!(frame.data.len() <= MAX_CAPTURED);
                captured += frame.data.len();
                assert!(packed || captured <= data.len(), "more than the file holds");
            }
            Ok(None) => break,
            Err(error) => {
                assert!(error.to_string().starts_with("fuzz: "));
                assert!(packed || error.offset <= data.len() as u64);
                break;
            }
        }
    }
    let again = reader.next_frame();
    assert!(matches!(again, Ok(None)), "something behind the end");
});
