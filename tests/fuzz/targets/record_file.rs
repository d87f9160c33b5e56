//! A recording (`--record FILE`), whole or damaged, read as `replay` does: up
//! to the books.
#![no_main]

use std::io::Cursor;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use magpie_collector::{Limits, Picture, Session};
use magpie_fuzz::batches;
use magpie_fuzz::input::{Input, push_piece};
use magpie_sources::{Incoming, RecordFile, Source};

/// As the table in `record_file.rs` has it, written down a second time.
const HEAD: &[u8] = b"magpie records\n\x01";

magpie_fuzz::seeds!({
    let mut whole = vec![1];
    for batch in batches::of_a_sensor() {
        whole.extend([1, 7]);
        push_piece(&mut whole, &batch);
    }
    // The feed is done, the line was lost, what was offered, and a kind of
    // later versions.
    for (kind, body) in [(2, &[][..]), (3, &[]), (4, &[9, 200, 0]), (9, b"new")] {
        whole.extend([kind, 8]);
        push_piece(&mut whole, body);
    }
    vec![whole, [&[0][..], HEAD].concat(), vec![0]]
});

/// A file of entries whose checksums are right, so that their bodies are read.
fn file_of(input: &mut Input<'_>) -> (Vec<u8>, usize) {
    let mut file = HEAD.to_vec();
    let mut batches = 0;
    while !input.is_empty() {
        let kind = input.u8();
        let at_us = u64::from(input.u8()) << 40;
        let body = input.piece();
        let length = u32::try_from(body.len()).expect("an input is short");
        let mut entry = vec![kind];
        entry.extend(length.to_le_bytes());
        entry.extend(at_us.to_le_bytes());
        entry.extend(body);
        file.extend(&entry);
        file.extend(crc32fast::hash(&entry).to_le_bytes());
        batches += usize::from(kind == 1);
    }
    (file, batches)
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let sound = input.u8() & 1 == 1;
    let (file, written) = if sound {
        file_of(&mut input)
    } else {
        (input.rest().to_vec(), usize::MAX)
    };
    let octets = file.len();
    let mut source = match RecordFile::new("fuzz", "fuzz", Cursor::new(file)) {
        Ok(source) => source,
        Err(error) => {
            assert!(!sound, "{error}");
            assert!(error.to_string().starts_with("fuzz: "));
            return;
        }
    };
    let mut session = Session::new("fuzz");
    let mut picture = Picture::new("fuzz", Limits::default());
    let (mut read, mut given) = (0, 0);
    // Every entry costs octets, so the end comes.
    for _ in 0..=octets {
        match source.receive(Duration::ZERO) {
            Ok(Incoming::Batch(batch)) => {
                read += 1;
                given += batch.len();
                let now_us = source.received_at().unwrap_or(0);
                // What is refused is the session's business.
                let _ = session.handle_batch(now_us, &batch, &mut picture);
            }
            Ok(Incoming::Ended) => break,
            Ok(_) => {}
            Err(error) => panic!("a damaged file is told at its end: {error}"),
        }
    }
    let end = source.receive(Duration::ZERO);
    assert!(matches!(end, Ok(Incoming::Ended)), "nothing behind the end");
    assert!(given <= octets, "more than the file holds");
    // Only an `offered` that cannot be read ends a file with right checksums,
    // and that is told.
    let told = source.failure().is_some();
    assert!(read <= written, "nothing is given twice");
    assert!(
        !sound || told || read == written,
        "every sound batch is given once"
    );
    picture.finish();
    let books = picture.books(source.offered().as_ref());
    assert!(books.to_string().starts_with("books "));
});
