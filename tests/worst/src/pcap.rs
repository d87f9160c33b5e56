//! Sequences in a capture file: little-endian, microseconds, Ethernet. Before
//! each sequence stands a record without octets.

use std::io;

use crate::world::Shown;

const HEADER: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0xffff, 1];

fn record(file: &mut Vec<u8>, at_us: u64, octets: &[u8]) {
    let len = u32::try_from(octets.len()).expect("frames are short");
    let word = |n: u64| u32::try_from(n).expect("times are of this century");
    for n in [word(at_us / 1_000_000), word(at_us % 1_000_000), len, len] {
        file.extend(n.to_le_bytes());
    }
    file.extend(octets);
}

/// The file.
pub(crate) fn write(sequences: &[Vec<Shown>]) -> Vec<u8> {
    let mut file: Vec<u8> = HEADER.iter().flat_map(|n| n.to_le_bytes()).collect();
    for sequence in sequences {
        record(&mut file, 0, &[]);
        for shown in sequence {
            record(&mut file, shown.at_us, &shown.octets);
        }
    }
    file
}

/// What [`write`] wrote.
pub(crate) fn read(file: &[u8]) -> io::Result<Vec<Vec<Shown>>> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let expected: Vec<u8> = HEADER.iter().flat_map(|n| n.to_le_bytes()).collect();
    let mut rest = file
        .strip_prefix(&*expected)
        .ok_or_else(|| bad("not a capture that was written here"))?;
    let mut sequences: Vec<Vec<Shown>> = Vec::new();
    while !rest.is_empty() {
        let (header, after) = rest.split_first_chunk::<16>().ok_or_else(|| bad("cut"))?;
        let (words, _) = header.as_chunks::<4>();
        let word = |at: usize| u32::from_le_bytes(words[at]);
        let len = word(2) as usize;
        let (octets, after) = after.split_at_checked(len).ok_or_else(|| bad("cut"))?;
        rest = after;
        if octets.is_empty() {
            sequences.push(Vec::new());
            continue;
        }
        let at_us = u64::from(word(0)) * 1_000_000 + u64::from(word(1));
        let sequence = sequences.last_mut();
        let sequence = sequence.ok_or_else(|| bad("a frame of no sequence"))?;
        sequence.push(Shown {
            at_us,
            octets: octets.to_vec(),
        });
    }
    Ok(sequences)
}
