//! Frames, written octet by octet: cases are as plain as their headers.

/// A frame in the making, without FCS.
pub(crate) struct Frame<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

/// Who speaks with whom, by the last octets of addresses and by ports.
#[derive(Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) source: u32,
    pub(crate) destination: u32,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
}

impl Pair {
    /// The `n`th client of one server.
    pub(crate) fn client(n: u16, port: u16) -> Self {
        Self {
            source: 0x0a00_0a00 + u32::from(n),
            destination: 0xc000_0250,
            source_port: 40_000 + n,
            destination_port: port,
        }
    }

    /// The other direction.
    pub(crate) fn back(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
        }
    }
}

/// TCP flags.
pub(crate) const SYN: u8 = 0x02;
pub(crate) const ACK: u8 = 0x10;

/// A segment's own fields.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) payload: usize,
}

const TYPE_IP4: u16 = 0x0800;
const TYPE_IP6: u16 = 0x86dd;
/// Shortest frame, without FCS.
const SHORTEST: usize = 60;

impl<'b> Frame<'b> {
    /// An empty frame in this buffer.
    pub(crate) fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    fn push(&mut self, octets: &[u8]) -> &mut Self {
        self.buffer[self.len..][..octets.len()].copy_from_slice(octets);
        self.len += octets.len();
        self
    }

    fn fill(&mut self, octets: usize) -> &mut Self {
        self.buffer[self.len..][..octets].fill(0);
        self.len += octets;
        self
    }

    /// The frame, padded as on the wire.
    fn done(mut self) -> &'b [u8] {
        self.fill(SHORTEST.saturating_sub(self.len));
        &self.buffer[..self.len]
    }

    /// Addresses, tags (TPID and id) and the type behind them.
    fn ethernet(&mut self, tags: &[(u16, u16)], ethertype: u16) -> &mut Self {
        self.push(&[2, 0, 0, 0, 0, 1]).push(&[2, 0, 0, 0, 0, 2]);
        for (tpid, id) in tags {
            self.push(&tpid.to_be_bytes()).push(&id.to_be_bytes());
        }
        self.push(&ethertype.to_be_bytes())
    }

    fn ip4(&mut self, pair: Pair, protocol: u8, payload: usize) -> &mut Self {
        let start = self.len;
        let total = u16::try_from(20 + payload).unwrap_or(u16::MAX);
        self.push(&[0x45, 0]).push(&total.to_be_bytes());
        self.push(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
        self.push(&pair.source.to_be_bytes());
        self.push(&pair.destination.to_be_bytes());
        let (words, _) = self.buffer[start..self.len].as_chunks::<2>();
        let sum: u32 = words
            .iter()
            .map(|w| u32::from(u16::from_be_bytes(*w)))
            .sum();
        let [_, _, high, low] = (!((sum & 0xffff) + (sum >> 16))).to_be_bytes();
        self.buffer[start + 10..][..2].copy_from_slice(&[high, low]);
        self
    }

    fn ip6(&mut self, pair: Pair, next: u8, payload: usize) -> &mut Self {
        let payload = u16::try_from(payload).unwrap_or(u16::MAX);
        self.push(&[0x60, 0, 0, 0]).push(&payload.to_be_bytes());
        self.push(&[next, 64]);
        for address in [pair.source, pair.destination] {
            self.push(&[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0]);
            self.push(&address.to_be_bytes());
        }
        self
    }

    fn ports(&mut self, pair: Pair) -> &mut Self {
        self.push(&pair.source_port.to_be_bytes());
        self.push(&pair.destination_port.to_be_bytes())
    }

    fn segment(&mut self, pair: Pair, segment: Segment) -> &mut Self {
        self.ports(pair).push(&segment.seq.to_be_bytes());
        self.push(&segment.ack.to_be_bytes());
        self.push(&[0x50, segment.flags, 0xff, 0xff, 0, 0, 0, 0]);
        self.fill(segment.payload)
    }

    /// TCP over IPv4, behind these tags.
    pub(crate) fn tcp(mut self, tags: &[(u16, u16)], pair: Pair, segment: Segment) -> &'b [u8] {
        self.ethernet(tags, TYPE_IP4);
        self.ip4(pair, 6, 20 + segment.payload);
        self.segment(pair, segment);
        self.done()
    }

    /// UDP over IPv4.
    pub(crate) fn udp(mut self, pair: Pair, payload: u16) -> &'b [u8] {
        let len = 8 + payload;
        self.ethernet(&[], TYPE_IP4).ip4(pair, 17, usize::from(len));
        self.ports(pair).push(&len.to_be_bytes()).push(&[0, 0]);
        self.fill(usize::from(payload));
        self.done()
    }

    /// An echo request (8) or reply (0) with 56 octets, as `ping` sends.
    pub(crate) fn echo(mut self, pair: Pair, kind: u8, seq: u16) -> &'b [u8] {
        self.ethernet(&[], TYPE_IP4).ip4(pair, 1, 8 + 56);
        self.push(&[kind, 0, 0, 0, 0x12, 0x34])
            .push(&seq.to_be_bytes());
        self.fill(56);
        self.done()
    }

    /// TCP over IPv6 behind hop-by-hop options (router alert), routing and
    /// destination options.
    pub(crate) fn tcp6_extended(mut self, pair: Pair, segment: Segment) -> &'b [u8] {
        self.ethernet(&[], TYPE_IP6).ip6(pair, 0, 24 + 20);
        self.push(&[43, 0, 5, 2, 0, 0, 1, 0]);
        self.push(&[60, 0, 2, 0, 0, 0, 0, 0]);
        self.push(&[6, 0, 1, 4, 0, 0, 0, 0]);
        self.segment(pair, segment);
        self.done()
    }

    /// The deepest walks of EXACT.md in one frame: 32 tags, a jumbo payload
    /// sought in vain among 64 options, 128 extension headers.
    pub(crate) fn walks(mut self, pair: Pair) -> &'b [u8] {
        let tags = [(0x8100, 7); 32];
        self.ethernet(&tags, TYPE_IP6).ip6(pair, 0, 0);
        // Two octets of the header and 63 options of two, then padding.
        self.push(&[60, 16]);
        for _ in 0..67 {
            self.push(&[1, 0]);
        }
        for _ in 0..127 {
            self.push(&[60, 0, 1, 4, 0, 0, 0, 0]);
        }
        self.done()
    }
}
