//! Parts of packets: known octets, and the room they leave.

use core::num::NonZeroU32;

use magpie_protocol::{
    DecodeError, MAX_BODY, MAX_ITEM, PacketHead, PacketPart, PartPlace, Sum, decode_packet_part,
    decode_record, encode_packet_part,
};

use super::{hex, one_item};

/// Parts of packets: known octets of a first and of a later one.
#[test]
fn parts_of_packets_have_their_known_octets() {
    let first = PacketPart {
        slot: 1,
        run: 300,
        number: 7,
        place: PartPlace::First(PacketHead {
            at_us: 128,
            wire_len: 60,
            captured_len: 5,
            dropped: Sum {
                frames: 2,
                octets: 3000,
            },
        }),
    };
    let later = PacketPart {
        place: PartPlace::Later(NonZeroU32::new(3).unwrap()),
        ..first
    };
    let none = PacketPart {
        slot: 0,
        run: 0,
        number: 0,
        ..later
    };
    for (part, octets, known) in [
        (
            first,
            [&b"ab"[..], b"c"],
            "101001ac02070080013c0502b81703616263",
        ),
        (later, [&b"de"[..], b""], "100801ac020703026465"),
        (none, [&[][..], &[]], "10050000000300"),
    ] {
        let mut out = [0; MAX_ITEM];
        let len = encode_packet_part(&part, octets, &mut out).unwrap();
        assert_eq!(hex(&out[..len]), known);
        let item = one_item(&out[..len]);
        let all = octets.concat();
        assert_eq!(decode_packet_part(item), Ok((part, &all[..])));
        // It is no record; newer fields stand behind it.
        assert_eq!(decode_record(item), Err(DecodeError::UnknownType(16)));
        let longer = [item.body, &[9; 3]].concat();
        let longer = magpie_protocol::Item {
            body: &longer,
            ..item
        };
        assert_eq!(decode_packet_part(longer), Ok((part, &all[..])));
        for cut in 0..item.body.len() {
            let shorter = magpie_protocol::Item {
                body: &item.body[..cut],
                ..item
            };
            let refused = Err(DecodeError::BadBody(16));
            assert_eq!(decode_packet_part(shorter), refused, "cut to {cut}");
        }
    }
    let other = magpie_protocol::Item {
        kind: 15,
        body: &[0; 9],
    };
    let refused = Err(DecodeError::UnknownType(15));
    assert_eq!(decode_packet_part(other), refused);
}

/// The greatest head leaves the room that is promised.
#[test]
fn the_greatest_part_fits() {
    let part = PacketPart {
        slot: u8::MAX,
        run: u32::MAX,
        number: u64::MAX,
        place: PartPlace::First(PacketHead {
            at_us: u64::MAX,
            wire_len: u32::MAX,
            captured_len: u32::MAX,
            dropped: Sum {
                frames: u64::MAX,
                octets: u64::MAX,
            },
        }),
    };
    let octets = [7; MAX_BODY];
    let most = MAX_BODY - PacketPart::MAX_HEAD;
    let mut out = [0; MAX_ITEM];
    let len = encode_packet_part(&part, [&octets[..most], &[]], &mut out).unwrap();
    // A place other than 0 would take four octets more.
    assert_eq!(len, MAX_ITEM - 4);
    assert!(encode_packet_part(&part, [&octets[..most], &octets[..5]], &mut [0; 700]).is_err());
}
