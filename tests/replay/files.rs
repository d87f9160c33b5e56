//! Capture files written in every form there is.

use magpie_emulator::FeedFrame;

/// A form of pcap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    big: bool,
    nanos: bool,
    modified: bool,
}

impl Form {
    pub(crate) const ALL: [Self; 6] = [
        Self {
            big: false,
            nanos: false,
            modified: false,
        },
        Self {
            big: true,
            nanos: false,
            modified: false,
        },
        Self {
            big: false,
            nanos: true,
            modified: false,
        },
        Self {
            big: true,
            nanos: true,
            modified: false,
        },
        Self {
            big: false,
            nanos: false,
            modified: true,
        },
        Self {
            big: true,
            nanos: false,
            modified: true,
        },
    ];
}

fn u32_of(n: u64) -> u32 {
    u32::try_from(n).expect("fits 32 bits")
}

fn words(big: bool, words: &[u32]) -> Vec<u8> {
    let octets = |w: &u32| {
        if big {
            w.to_be_bytes()
        } else {
            w.to_le_bytes()
        }
    };
    words.iter().flat_map(octets).collect()
}

/// The file that libpcap and others write.
pub(crate) fn pcap(frames: &[FeedFrame], form: Form) -> Vec<u8> {
    let Form {
        big,
        nanos,
        modified,
    } = form;
    let magic = match (nanos, modified) {
        (true, _) => 0xa1b2_3c4d,
        (_, true) => 0xa1b2_cd34,
        _ => 0xa1b2_c3d4,
    };
    let version = if big { 0x0002_0004 } else { 0x0004_0002 };
    let mut out = words(big, &[magic, version, 0, 0, 262_144, 1]);
    for frame in frames {
        let part = frame.at_us % 1_000_000 * if nanos { 1000 } else { 1 };
        let held = u32_of(frame.octets.len() as u64);
        out.extend(words(
            big,
            &[
                u32_of(frame.at_us / 1_000_000),
                u32_of(part),
                held,
                frame.wire_octets,
            ],
        ));
        if modified {
            // Interface, protocol, packet type and padding of Kuznetzov's patch.
            out.extend(words(big, &[2, 0x0800_0000]));
        }
        out.extend(&frame.octets);
    }
    out
}

/// pcapng with one interface in microseconds.
pub(crate) fn pcapng(frames: &[FeedFrame], big: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut block = |kind: u32, mut body: Vec<u8>| {
        body.resize(body.len().next_multiple_of(4), 0);
        let len = u32_of(body.len() as u64 + 12);
        out.extend(words(big, &[kind, len]));
        out.extend(body);
        out.extend(words(big, &[len]));
    };
    let version = if big { 0x0001_0000 } else { 1 };
    block(
        0x0a0d_0d0a,
        words(big, &[0x1a2b_3c4d, version, u32::MAX, u32::MAX]),
    );
    let link = if big { 0x0001_0000 } else { 1 };
    block(1, words(big, &[link, 262_144]));
    for frame in frames {
        let time = frame.at_us;
        let held = u32_of(frame.octets.len() as u64);
        let mut body = words(
            big,
            &[
                0,
                u32_of(time >> 32),
                u32_of(time & 0xffff_ffff),
                held,
                frame.wire_octets,
            ],
        );
        body.extend(&frame.octets);
        block(6, body);
    }
    out
}
