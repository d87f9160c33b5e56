//! What is behind a header that may hold addresses is looked at all the same:
//! else, with payload kept, its addresses stay, and a checksum over true ones.

use super::checksums::sum;
use super::untold::{SECRET, ether, hides, ipv4, ipv6, v6};
use super::{A, B, MACS, Payload, anonymized, tells_nothing};

/// A segment of TCP with a right checksum, to the last of these ends.
fn tcp(ends: &[u8]) -> Vec<u8> {
    let mut segment = [
        0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0x50, 16, 1, 0, 0, 0, 0, 0,
    ]
    .to_vec();
    segment.extend(b"kept");
    let right = !sum(&[ends, &[0, 6, 0, 24], &segment]);
    segment[16..18].copy_from_slice(&right.to_be_bytes());
    segment
}

fn is_right(ends: &[u8], segment: &[u8]) -> bool {
    sum(&[ends, &[0, 6, 0, 24], segment]) == 0xffff
}

#[test]
fn segments_behind_headers_of_ipv6() {
    let ends = [v6("2001:db8::1"), v6("2001:db8::2")].concat();
    // Options that nobody here knows, a home address, a router alert too long.
    let options = |kind: u8| [&[6, 2, kind, 18][..], SECRET, SECRET, &[9; 2], &[1, 0]].concat();
    let segment = tcp(&ends);
    for (next, header, is_over) in [
        (0, options(0x3e), true),
        (60, options(201), true),
        (0, options(5), true),
        (
            43,
            [&[6, 2, 0, 0, 1, 2, 3, 4][..], SECRET, SECRET].concat(),
            true,
        ),
        // Its checksum is over the address that the route leads to.
        (
            43,
            [&[6, 2, 0, 1, 0, 0, 0, 0][..], SECRET, SECRET].concat(),
            false,
        ),
    ] {
        let segment = if is_over {
            segment.clone()
        } else {
            tcp(&[&ends[..16], SECRET, SECRET].concat())
        };
        let frame = ether(0x86dd, &ipv6(next, &[&header[..], &segment].concat()));
        let kept = anonymized(&frame, Payload::Kept);
        assert_eq!(kept.len(), frame.len(), "{next}");
        hides(&kept);
        assert_ne!(kept[22..54], frame[22..54]);
        let told = &kept[54 + header.len()..];
        assert!(told.ends_with(b"kept"));
        if is_over {
            assert!(is_right(&kept[22..54], told), "{next}: {told:?}");
        } else {
            assert_eq!(told[16..18], [0, 0]);
        }
        let cut = anonymized(&frame, Payload::Cut);
        assert_eq!(cut[..54 + header.len()], kept[..54 + header.len()]);
        assert_eq!(cut.len(), 54 + header.len() + 20);
        // What is there of it in part is hidden as well.
        for length in 54..frame.len() {
            for payload in [Payload::Kept, Payload::Cut] {
                let new = anonymized(&frame[..length], payload);
                assert!(payload == Payload::Cut || new.len() == length);
                hides(&new);
            }
        }
    }
}

#[test]
fn segments_behind_an_authentication_header() {
    let ends = [A, B].concat();
    let header = [&[6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2][..], SECRET, &[9; 4]].concat();
    let segment = tcp(&ends);
    let frame = ether(0x800, &ipv4(&[], 51, &[&header[..], &segment].concat()));
    let kept = anonymized(&frame, Payload::Kept);
    assert_eq!(kept.len(), frame.len());
    assert!(is_right(&kept[26..34], &kept[58..]));
    assert_eq!(kept[34..46], frame[34..46]);
    hides(&kept);
    assert_eq!(anonymized(&frame, Payload::Cut).len(), 58 + 20);
    // One that is too short, or cut, is the end.
    for length in 0..24 {
        let mut frame = frame[..34 + length].to_vec();
        anonymized(&frame, Payload::Kept);
        if let Some(words) = frame.get_mut(35) {
            *words = 0;
        }
        assert!(anonymized(&frame, Payload::Cut).len() <= 34 + length);
    }
}

#[test]
fn neighbours_options_behind_others() {
    let fixed = [&[134; 1][..], &[0; 15]].concat();
    // Name servers, a search list, one too long: then the router's own address.
    for other in [
        [&[25, 3, 0, 0, 0, 0, 0, 9][..], SECRET, SECRET].concat(),
        [&[31, 2, 0, 0, 0, 0, 0, 9][..], SECRET].concat(),
        [&[5, 2, 0, 0, 0, 0, 5, 220][..], SECRET].concat(),
    ] {
        let message = [&fixed[..], &other, &[1, 1], &MACS.0].concat();
        let frame = ether(0x86dd, &ipv6(58, &message));
        for payload in [Payload::Kept, Payload::Cut] {
            let new = anonymized(&frame, payload);
            assert_eq!(new.len(), frame.len());
            assert_eq!(new[70..72], other[..2]);
            hides(&new);
            tells_nothing(&new);
            assert_eq!(new[70 + other.len()..][..2], [1, 1]);
        }
        for length in 70..frame.len() {
            hides(&anonymized(&frame[..length], Payload::Kept));
        }
    }
}
