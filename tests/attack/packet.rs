//! Packets between two ends, as a test wants them.

use magpie_protocol::{AddressPair, FlowKey, VlanStack};

/// The lower end.
pub(crate) const A: [u8; 4] = [10, 0, 0, 1];
/// The higher end.
pub(crate) const B: [u8; 4] = [10, 0, 0, 2];
const PORTS: [u16; 2] = [40_000, 80];

/// An IPv4 packet in a frame; `total` stands in its length field.
pub(crate) fn ip4(from: [u8; 4], protocol: u8, total: usize, body: &[u8]) -> Vec<u8> {
    let to = if from == A { B } else { A };
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend(u16::try_from(total).expect("16 bits").to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    frame.extend(from);
    frame.extend(to);
    let check = checksum(&frame[14..34]);
    frame[24..26].copy_from_slice(&check.to_be_bytes());
    frame.extend(body);
    frame
}

/// Of an IPv4 header whose own is zero yet.
pub(crate) fn checksum(header: &[u8]) -> u16 {
    let sum: u32 = header
        .chunks_exact(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("folded twice")
}

/// A datagram of this port of the lower end, or to it.
pub(crate) fn udp(port: u16, back: bool, octets: usize) -> Vec<u8> {
    let mut body = Vec::new();
    let ports = if back { [53, port] } else { [port, 53] };
    let len = u16::try_from(8 + octets).expect("short");
    for word in [ports[0], ports[1], len, 0] {
        body.extend(word.to_be_bytes());
    }
    body.resize(8 + octets, 0x5a);
    ip4(if back { B } else { A }, 17, 28 + octets, &body)
}

/// A TCP segment without options.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) from: [u8; 4],
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    pub(crate) flags: u8,
    pub(crate) payload: usize,
}

impl Segment {
    /// Flags by letter: S, A, F, R.
    pub(crate) fn new(from: [u8; 4], sequence: u32, acknowledgement: u32, flags: &str) -> Self {
        let bit = |letter| match letter {
            'F' => 1,
            'S' => 2,
            'R' => 4,
            'A' => 16,
            other => panic!("no flag {other}"),
        };
        Self {
            from,
            sequence,
            acknowledgement,
            flags: flags.chars().map(bit).sum(),
            payload: 0,
        }
    }

    /// As a frame that holds the headers only; its wire length is
    /// [`Self::wire_len`].
    pub(crate) fn frame(&self) -> Vec<u8> {
        let ports = if self.from == A {
            PORTS
        } else {
            [PORTS[1], PORTS[0]]
        };
        let mut body: Vec<u8> = ports.into_iter().flat_map(u16::to_be_bytes).collect();
        body.extend(self.sequence.to_be_bytes());
        body.extend(self.acknowledgement.to_be_bytes());
        body.extend([0x50, self.flags, 4, 0, 0, 0, 0, 0]);
        ip4(self.from, 6, 40 + self.payload, &body)
    }

    pub(crate) fn wire_len(&self) -> u32 {
        u32::try_from(54 + self.payload).expect("short")
    }
}

/// The key of all [`Segment`]s.
pub(crate) fn tcp_key() -> FlowKey {
    FlowKey {
        vlan: VlanStack::NONE,
        protocol: 6,
        addresses: AddressPair::V4 { a: A, b: B },
        a_port: PORTS[0],
        b_port: PORTS[1],
    }
}
