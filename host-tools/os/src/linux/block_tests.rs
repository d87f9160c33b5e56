use super::*;

/// Where frames begin in these blocks: header, address, 16 octets of space.
const MAC: u16 = 96;

/// What the kernel would write.
struct Wrote<'f> {
    frame: &'f [u8],
    wire_len: u32,
    status: u32,
    tci: u32,
    tpid: u16,
    kind: u8,
}

impl<'f> Wrote<'f> {
    fn frame(frame: &'f [u8]) -> Self {
        Self {
            frame,
            wire_len: u32::try_from(frame.len()).unwrap(),
            status: libc::TP_STATUS_USER,
            tci: 0,
            tpid: 0,
            kind: 3,
        }
    }

    fn tagged(frame: &'f [u8], tci: u32, tpid: u16, bits: u32) -> Self {
        let status = libc::TP_STATUS_USER | bits;
        Self {
            status,
            tci,
            tpid,
            ..Self::frame(frame)
        }
    }

    fn header(&self, next: u32) -> Vec<u8> {
        let mut out = vec![0; usize::from(MAC)];
        let mut put = |at: usize, octets: &[u8]| out[at..at + octets.len()].copy_from_slice(octets);
        put(0, &next.to_ne_bytes());
        put(4, &1_700_000_000_u32.to_ne_bytes());
        put(8, &123_456_789_u32.to_ne_bytes());
        put(12, &u32::try_from(self.frame.len()).unwrap().to_ne_bytes());
        put(16, &self.wire_len.to_ne_bytes());
        put(20, &self.status.to_ne_bytes());
        put(24, &MAC.to_ne_bytes());
        put(32, &self.tci.to_ne_bytes());
        put(36, &self.tpid.to_ne_bytes());
        put(48 + 10, &[self.kind]);
        out
    }
}

/// A block of these frames.
fn block(wrote: &[Wrote<'_>]) -> Vec<u8> {
    let mut out = vec![0; 48];
    let count = u32::try_from(wrote.len()).unwrap();
    out[12..16].copy_from_slice(&count.to_ne_bytes());
    out[16..20].copy_from_slice(&48_u32.to_ne_bytes());
    for one in wrote {
        let octets = usize::from(MAC) + one.frame.len();
        let padded = octets.next_multiple_of(16);
        out.extend_from_slice(&one.header(u32::try_from(padded).unwrap()));
        out.extend_from_slice(one.frame);
        out.resize(out.len() + padded - octets, 0);
    }
    out
}

fn only(wrote: Wrote<'_>) -> (Entry, Vec<u8>) {
    let mut block = block(&[wrote]);
    let entry = entry(&mut block, 48).unwrap();
    let octets = block[entry.octets.clone()].to_vec();
    (entry, octets)
}

/// Two addresses, a type, a payload.
const PLAIN: &[u8] = b"DDDDDDSSSSSS\x08\x00payload";

#[test]
fn frames_follow_each_other() {
    let mut block = block(&[
        Wrote::frame(PLAIN),
        Wrote {
            wire_len: 9000,
            kind: libc::PACKET_OUTGOING,
            ..Wrote::frame(&PLAIN[..14])
        },
    ]);
    assert_eq!(frames(&block), Some((2, 48)));
    let first = entry(&mut block, 48).unwrap();
    assert_eq!(first.at_ns, 1_700_000_000_123_456_789);
    assert_eq!((first.wire_len, first.outgoing), (21, false));
    assert_eq!(&block[first.octets], PLAIN);
    let second = entry(&mut block, first.next).unwrap();
    assert_eq!((second.wire_len, second.outgoing), (9000, true));
    assert_eq!(&block[second.octets], &PLAIN[..14]);
}

#[test]
fn tags_kept_apart_are_put_back() {
    let valid = libc::TP_STATUS_VLAN_VALID;
    let both = valid | libc::TP_STATUS_VLAN_TPID_VALID;
    // tci, tpid, bits; what stands behind the addresses then.
    let cases: [(u32, u16, u32, &[u8]); 6] = [
        (0x200a, 0x8100, both, b"\x81\x00\x20\x0a\x08\x00payload"),
        (0x0fff, 0x88a8, both, b"\x88\xa8\x0f\xff\x08\x00payload"),
        // A priority tag of id 0 is one too.
        (0, 0x8100, both, b"\x81\x00\x00\x00\x08\x00payload"),
        // An old kernel does not say which.
        (5, 0, valid, b"\x81\x00\x00\x05\x08\x00payload"),
        // What stands in the fields without the bit means nothing.
        (5, 0x8100, 0, b"\x08\x00payload"),
        (5, 0x88a8, valid, b"\x81\x00\x00\x05\x08\x00payload"),
    ];
    for (tci, tpid, bits, rest) in cases {
        let (entry, octets) = only(Wrote::tagged(PLAIN, tci, tpid, bits));
        assert_eq!(&octets[..12], b"DDDDDDSSSSSS", "{tci:x} {tpid:x}");
        assert_eq!(&octets[12..], rest, "{tci:x} {tpid:x} {bits:x}");
        assert_eq!(usize::try_from(entry.wire_len).unwrap(), octets.len());
    }
}

#[test]
fn the_inner_tag_stays_behind_the_outer_one() {
    let frame = b"DDDDDDSSSSSS\x81\x00\x00\x14\x08\x00x";
    let bits = libc::TP_STATUS_VLAN_VALID | libc::TP_STATUS_VLAN_TPID_VALID;
    let (_, octets) = only(Wrote::tagged(frame, 10, 0x88a8, bits));
    assert_eq!(
        octets,
        b"DDDDDDSSSSSS\x88\xa8\x00\x0a\x81\x00\x00\x14\x08\x00x"
    );
}

#[test]
fn frames_cut_before_a_tag_stay_as_they_are() {
    let bits = libc::TP_STATUS_VLAN_VALID;
    let (entry, octets) = only(Wrote::tagged(&PLAIN[..11], 10, 0, bits));
    assert_eq!((octets.len(), entry.wire_len), (11, 11));
    let (_, octets) = only(Wrote::tagged(&PLAIN[..12], 10, 0, bits));
    assert_eq!(octets, b"DDDDDDSSSSSS\x81\x00\x00\x0a");
}

#[test]
fn what_is_no_header_gives_nothing() {
    let whole = block(&[Wrote::frame(PLAIN)]);
    for len in 0..whole.len() - 11 {
        let mut cut = whole[..len].to_vec();
        assert_eq!(entry(&mut cut, 48), None, "{len}");
    }
    for at in [whole.len(), usize::MAX - 3, usize::MAX] {
        assert_eq!(entry(&mut whole.clone(), at), None);
    }
    // Lengths and offsets that lead out of the block.
    for field in [12, 24] {
        let mut wrong = whole.clone();
        wrong[48 + field..48 + field + 2].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(entry(&mut wrong, 48), None, "{field}");
    }
    assert_eq!(frames(&whole[..19]), None);
}

#[test]
fn offsets_are_those_of_the_kernel() {
    // A tag put back over the address would show the wrong direction.
    assert_eq!(ADDRESS_AT, 48);
    assert_eq!(size_of::<tpacket3_hdr>(), 48);
}
