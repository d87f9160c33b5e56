//! Capture files of every kind, made here.

use std::io::Write;

use crate::frames;

fn pcap(magic: u32, link_type: u32, modified: bool, big: bool) -> Vec<u8> {
    let word = |n: u32| {
        if big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let half = |n: u16| {
        if big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let mut file = word(magic).to_vec();
    file.extend(half(2));
    file.extend(half(4));
    for n in [0, 0, 0xffff, link_type] {
        file.extend(word(n));
    }
    for frame in frames::all().iter().take(3) {
        let len = u32::try_from(frame.len()).expect("a seed is short");
        for n in [1_700_000_000, 5, len, len + 4] {
            file.extend(word(n));
        }
        if modified {
            file.extend([0; 8]);
        }
        file.extend(frame);
    }
    file
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let len = u32::try_from(12 + padded)
        .expect("a seed is short")
        .to_le_bytes();
    let mut octets = [&kind.to_le_bytes()[..], &len, body].concat();
    octets.resize(8 + padded, 0);
    octets.extend(len);
    octets
}

fn pcapng() -> Vec<u8> {
    let section = [
        0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255,
    ];
    // Ethernet, snap length 64, if_tsresol 9, if_fcslen 4.
    let options = [9, 0, 1, 0, 9, 0, 0, 0, 13, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0];
    let interface = [&[1, 0, 0, 0, 64, 0, 0, 0][..], &options].concat();
    let mut file = [block(0x0a0d_0d0a, &section), block(1, &interface)].concat();
    for frame in frames::all().iter().take(2) {
        let len = u32::try_from(frame.len())
            .expect("a seed is short")
            .to_le_bytes();
        let enhanced = [&[0; 4][..], &[1, 2, 3, 4], &[5, 6, 7, 8], &len, &len, frame].concat();
        file.extend(block(6, &enhanced));
        let packet = [&[0; 4][..], &[1, 2, 3, 4], &[5, 6, 7, 8], &len, &len, frame].concat();
        file.extend(block(2, &packet));
        file.extend(block(3, &[&len[..], frame].concat()));
    }
    file.extend(block(5, &[0; 12]));
    file
}

/// One of each kind, whole and cut, packed and not.
pub fn all() -> Vec<Vec<u8>> {
    let mut files = vec![
        pcap(0xa1b2_c3d4, 1, false, false),
        pcap(0xa1b2_c3d4, 1, false, true),
        pcap(0xa1b2_3c4d, 1, false, false),
        pcap(0xa1b2_cd34, 1, true, true),
        // The link type's upper bits say that a frame ends with four octets of FCS.
        pcap(0xa1b2_c3d4, 0x2400_0001, false, false),
        pcapng(),
    ];
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&files[0]).expect("a vector takes all");
    files.push(packer.finish().expect("a vector takes all"));
    let cut: Vec<_> = files
        .iter()
        .map(|file| file[..file.len() - 5].to_vec())
        .collect();
    files.extend(cut);
    files
}
