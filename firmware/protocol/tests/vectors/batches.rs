//! Items of a batch: types this version does not know, and broken lengths.

use magpie_protocol::{Command, DecodeError, Items, decode_command, decode_record};

/// Types this version does not know keep their place in a batch.
#[test]
fn unknown_types_are_named_and_skipped() {
    let octets = [200, 3, 1, 2, 3, 130, 1, 7, 99, 0];
    let items: Vec<_> = Items::new(&octets).collect::<Result<_, _>>().unwrap();
    let decoded: Vec<_> = items.iter().map(|item| decode_command(*item)).collect();
    assert_eq!(
        decoded,
        [
            Err(DecodeError::UnknownType(200)),
            Ok(Command::Flush { id: 7 }),
            Err(DecodeError::UnknownType(99)),
        ]
    );
    assert_eq!(decode_record(items[0]), Err(DecodeError::UnknownType(200)));
}

#[test]
fn broken_lengths_end_a_batch() {
    for (octets, why) in [
        (&[3][..], DecodeError::Truncated),
        (&[3, 0x80], DecodeError::Truncated),
        (&[3, 2, 0], DecodeError::Truncated),
        (&[3, 0x85, 0x00, 0, 0, 0, 0, 0], DecodeError::BadLength), // not minimal
        (&[3, 0x80, 0x80, 0x01], DecodeError::BadLength),          // over two octets
        (&[3, 0xd9, 0x04, 0], DecodeError::BadLength),             // 601, one over MAX_BODY
    ] {
        let items: Vec<_> = Items::new(octets).collect();
        assert_eq!(items, [Err(why)], "{octets:?}");
    }
}
