//! Keys of the tables, in words: to order, hash and compare at once.

use magpie_protocol::{AddressPair, EchoKey, FlowKey, Side, VlanStack};

/// VLAN stack, IP version and protocol of a frame in two words, the second
/// never zero. A frame without IP has version and protocol 0.
///
/// | bits | first word | second word |
/// |---|---|---|
/// | 0-11 | second identifier | fourth identifier |
/// | 12-23 | outermost identifier | third identifier |
/// | 24-31 | protocol | depth (24-26), IPv4 (28), IPv6 (29), 1 (31) |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path([u32; 2]);

const USED: u32 = 1 << 31;
const IP4: u32 = 1 << 28;
const IP6: u32 = 1 << 29;

impl Path {
    /// Of nothing: what a free place holds.
    pub(crate) const NONE: Self = Self([0; 2]);

    /// Of a frame without tags, and without IP so far.
    const NEW: Self = Self([0, USED]);

    /// Behind one more tag, if a key holds so many.
    fn push(&mut self, id: u16) {
        let Self([outer, inner]) = self;
        let id = u32::from(id & 0xfff);
        match *inner >> 24 & 7 {
            0 => *outer |= id << 12,
            1 => *outer |= id,
            2 => *inner |= id << 12,
            3 => *inner |= id,
            _ => return,
        }
        *inner = inner.wrapping_add(1 << 24);
    }

    /// The path of a frame that carries this protocol over IP.
    #[inline]
    fn carrying(self, version: u32, protocol: u8) -> Self {
        let Self([outer, inner]) = self;
        Self([outer | u32::from(protocol) << 24, inner | version])
    }

    pub(crate) fn vlan(self) -> VlanStack {
        let Self([outer, inner]) = self;
        let mut stack = VlanStack::NONE;
        let depth = (inner >> 24 & 7) as usize;
        for word in [outer >> 12, outer, inner >> 12, inner].iter().take(depth) {
            stack.push((word & 0xfff) as u16);
        }
        stack
    }

    pub(crate) fn protocol(self) -> u8 {
        let Self([outer, _]) = self;
        (outer >> 24) as u8
    }

    /// 4 or 6, of what has IP.
    pub(crate) fn version(self) -> Option<u8> {
        let Self([_, inner]) = self;
        match inner & (IP4 | IP6) {
            0 => None,
            IP4 => Some(4),
            _ => Some(6),
        }
    }

    #[inline]
    pub(crate) fn is_ip4(self) -> bool {
        let Self([_, inner]) = self;
        inner & IP4 != 0
    }

    /// Of nothing. One word tells.
    #[inline]
    fn is_none(self) -> bool {
        let Self([_, inner]) = self;
        inner == 0
    }

    #[inline]
    pub(crate) fn words(self) -> [u32; 2] {
        self.0
    }
}

/// Key of a flow, or of an echo pair: that is the key of its flow, which has
/// no ports, with the identifier and who asks in their place.
#[derive(Debug, Clone, Copy)]
#[repr(C)] // what IPv4 has no use for comes last
pub(crate) struct Key {
    /// Port of a in the upper half, of b in the lower; or identifier, and who asks.
    ports: u32,
    /// First word of each address; all of it in IPv4.
    first: [u32; 2],
    path: Path,
    /// The other words of IPv6 addresses, three of a, three of b.
    rest: [u32; 6],
}

impl Key {
    /// No frame has it: what a free place holds.
    pub(crate) const NONE: Self = Self {
        ports: 0,
        first: [0; 2],
        path: Path::NONE,
        rest: [0; 6],
    };

    /// Of a frame of which nothing was read.
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            path: Path::NEW,
            ports: 0,
            first: [0; 2],
            rest: [0; 6],
        }
    }

    #[inline]
    pub(crate) fn path(&self) -> Path {
        self.path
    }

    /// The frame has one more tag.
    pub(crate) fn push_tag(&mut self, id: u16) {
        self.path.push(id);
    }

    /// The frame carries an IPv4 packet; the source's port is in the upper
    /// half of `ports`. Gives which end point sent it: the lower one (by
    /// address octets, then port) is `a`.
    #[inline]
    pub(crate) fn set_ip4(
        &mut self,
        protocol: u8,
        source: u32,
        destination: u32,
        ports: u32,
    ) -> Side {
        self.path = self.path.carrying(IP4, protocol);
        let (from, to) = (ports >> 16, ports & 0xffff);
        if source > destination || (source == destination && from > to) {
            (self.ports, self.first) = (ports.rotate_left(16), [destination, source]);
            Side::B
        } else {
            (self.ports, self.first) = (ports, [source, destination]);
            Side::A
        }
    }

    /// The same for IPv6.
    #[inline]
    pub(crate) fn set_ip6(
        &mut self,
        protocol: u8,
        source: &[u8; 16],
        destination: &[u8; 16],
        ports: u32,
    ) -> Side {
        self.path = self.path.carrying(IP6, protocol);
        let (from, to) = (ports >> 16, ports & 0xffff);
        let (source, destination) = (of_v6(*source), of_v6(*destination));
        let upward = source.cmp(&destination).then(from.cmp(&to)).is_le();
        let (ports, [a0, a1, a2, a3], [b0, b1, b2, b3]) = if upward {
            (ports, source, destination)
        } else {
            (ports.rotate_left(16), destination, source)
        };
        self.ports = ports;
        self.first = [a0, b0];
        self.rest = [a1, a2, a3, b1, b2, b3];
        if upward { Side::A } else { Side::B }
    }

    /// Addresses and ports, those of the end point `from` first.
    pub(crate) fn sent_by(&self, from: Side) -> (AddressPair, [u16; 2]) {
        let (a_port, b_port) = ((self.ports >> 16) as u16, (self.ports & 0xffff) as u16);
        match from {
            Side::A => (self.addresses(), [a_port, b_port]),
            Side::B => (swapped(self.addresses()), [b_port, a_port]),
        }
    }

    /// What was its flow's becomes the echo pair's.
    #[inline]
    pub(crate) fn become_echo(&mut self, id: u16, requester: Side) {
        let asks = u32::from(requester == Side::B && !self.is_one_host());
        self.ports = u32::from(id) << 16 | asks;
    }

    /// The words in which pairs of one flow differ.
    #[inline]
    pub(crate) fn of_pair(&self) -> u32 {
        self.ports
    }

    /// The key of an echo pair's flow.
    #[cfg(any(test, feature = "std"))]
    pub(crate) fn flow_of_echo(&self) -> Self {
        Self { ports: 0, ..*self }
    }

    /// Both end points have the same address, so neither asks.
    #[inline]
    fn is_one_host(&self) -> bool {
        let ([a, b], [a1, a2, a3, b1, b2, b3]) = (self.first, self.rest);
        a == b && (a1, a2, a3) == (b1, b2, b3)
    }

    /// Nobody's.
    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.path.is_none()
    }

    /// As far as one word tells: ports differ most often.
    #[inline]
    pub(crate) fn resembles(&self, other: &Self) -> bool {
        self.ports == other.ports
    }

    /// Equal.
    #[inline]
    pub(crate) fn is(&self, other: &Self) -> bool {
        let ([a, b], [outer, inner]) = (self.first, self.path.words());
        let ([a2, b2], [outer2, inner2]) = (other.first, other.path.words());
        // All at once: those that resemble each other are mostly equal.
        let differing =
            (self.ports ^ other.ports) | (a ^ a2) | (b ^ b2) | (outer ^ outer2) | (inner ^ inner2);
        differing == 0 && (other.path.is_ip4() || self.has_rest(other))
    }

    #[inline(never)] // else IPv4 keys would load what only IPv6 has
    fn has_rest(&self, other: &Self) -> bool {
        let differing = |d, (x, y): (&u32, &u32)| d | (x ^ y);
        self.rest.iter().zip(&other.rest).fold(0, differing) == 0
    }

    /// The words of both end points that every key has: ports first.
    #[inline]
    pub(crate) fn ends(&self) -> [u32; 3] {
        let [a, b] = self.first;
        [self.ports, a, b]
    }

    /// The words that only IPv6 has.
    #[inline]
    pub(crate) fn rest(&self) -> Option<&[u32; 6]> {
        (!self.path.is_ip4()).then_some(&self.rest)
    }

    /// Address of one end point in words; of IPv4 the first is all.
    pub(crate) fn end_point(&self, side: Side) -> [u32; 4] {
        let ([a0, b0], [a1, a2, a3, b1, b2, b3]) = (self.first, self.rest);
        match side {
            Side::A => [a0, a1, a2, a3],
            Side::B => [b0, b1, b2, b3],
        }
    }

    fn addresses(&self) -> AddressPair {
        let ([a0, b0], [a1, a2, a3, b1, b2, b3]) = (self.first, self.rest);
        if self.path.is_ip4() {
            let (a, b) = (a0.to_be_bytes(), b0.to_be_bytes());
            AddressPair::V4 { a, b }
        } else {
            let (a, b) = (to_v6([a0, a1, a2, a3]), to_v6([b0, b1, b2, b3]));
            AddressPair::V6 { a, b }
        }
    }

    /// In the protocol's form.
    pub(crate) fn flow(&self) -> FlowKey {
        FlowKey {
            vlan: self.path.vlan(),
            protocol: self.path.protocol(),
            addresses: self.addresses(),
            a_port: (self.ports >> 16) as u16,
            b_port: (self.ports & 0xffff) as u16,
        }
    }

    /// In the protocol's form, for a key that became an echo pair's.
    pub(crate) fn echo(&self) -> EchoKey {
        EchoKey {
            vlan: self.path.vlan(),
            addresses: match self.ports & 1 {
                0 => self.addresses(),
                _ => swapped(self.addresses()),
            },
            id: (self.ports >> 16) as u16,
        }
    }
}

fn swapped(pair: AddressPair) -> AddressPair {
    match pair {
        AddressPair::V4 { a, b } => AddressPair::V4 { a: b, b: a },
        AddressPair::V6 { a, b } => AddressPair::V6 { a: b, b: a },
    }
}

#[inline]
pub(crate) fn of_v6(address: [u8; 16]) -> [u32; 4] {
    let bits = u128::from_be_bytes(address);
    let word = |shift: u32| ((bits >> shift) & 0xffff_ffff) as u32;
    [word(96), word(64), word(32), word(0)]
}

pub(crate) fn to_v6(words: [u32; 4]) -> [u8; 16] {
    words
        .iter()
        .fold(0_u128, |bits, word| (bits << 32) | u128::from(*word))
        .to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of a UDP packet from `a` to `b`, and who sent it.
    fn key(tags: &[u16], addresses: AddressPair, from: u32, to: u32) -> (Key, Side) {
        let mut key = Key::new();
        for id in tags {
            key.push_tag(*id);
        }
        let ports = from << 16 | to;
        let side = match addresses {
            AddressPair::V4 { a, b } => {
                key.set_ip4(17, u32::from_be_bytes(a), u32::from_be_bytes(b), ports)
            }
            AddressPair::V6 { a, b } => key.set_ip6(17, &a, &b, ports),
        };
        (key, side)
    }

    fn stack(ids: &[u16]) -> VlanStack {
        let mut vlan = VlanStack::NONE;
        for id in ids {
            assert!(vlan.push(*id));
        }
        vlan
    }

    #[test]
    fn both_directions_share_a_key() {
        let vlan = [200, 100];
        let (low, high) = ([10, 0, 0, 1], [10, 0, 1, 0]);
        let sent = AddressPair::V4 { a: high, b: low };
        let there = key(&vlan, AddressPair::V4 { a: low, b: high }, 9, 7);
        let back = key(&vlan, sent, 7, 9);
        assert!(there.0.is(&back.0));
        assert_eq!(back.0.sent_by(back.1), (sent, [7, 9]));
        assert_eq!((there.1, back.1), (Side::A, Side::B));
        let key = there.0.flow();
        assert_eq!(key.addresses, AddressPair::V4 { a: low, b: high });
        assert_eq!((key.a_port, key.b_port, key.vlan), (9, 7, stack(&vlan)));
        assert_eq!(key.protocol, 17);
    }

    #[test]
    fn equal_addresses_are_ordered_by_port() {
        for same in [
            AddressPair::V6 {
                a: [0xfe; 16],
                b: [0xfe; 16],
            },
            AddressPair::V4 {
                a: [10; 4],
                b: [10; 4],
            },
        ] {
            let (key, side) = key(&[], same, 500, 4);
            assert_eq!(side, Side::B);
            assert_eq!((key.flow().a_port, key.flow().b_port), (4, 500));
            assert_eq!(key.flow().addresses, same);
        }
    }

    #[test]
    fn any_other_octet_is_another_key() {
        let a = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        let b = [0xaa; 16];
        let one = key(&[], AddressPair::V6 { a, b }, 1, 2).0;
        assert_eq!(one.flow().addresses, AddressPair::V6 { a, b });
        for at in 0..16 {
            let (mut a2, mut b2) = (a, b);
            a2[at] ^= 0x10;
            b2[at] ^= 1;
            for addresses in [AddressPair::V6 { a: a2, b }, AddressPair::V6 { a, b: b2 }] {
                let other = key(&[], addresses, 1, 2).0;
                assert!(!one.is(&other) && !other.is(&one));
            }
        }
        // IPv4 addresses that look like the first words of IPv6 ones.
        let zeros = AddressPair::V6 {
            a: [0; 16],
            b: [0; 16],
        };
        let four = AddressPair::V4 {
            a: [0; 4],
            b: [0; 4],
        };
        let (six, four) = (key(&[], zeros, 1, 2).0, key(&[], four, 1, 2).0);
        assert!(!six.is(&four) && !four.is(&six));
    }

    #[test]
    fn a_path_comes_back() {
        let some = AddressPair::V4 {
            a: [1; 4],
            b: [2; 4],
        };
        let stacks: [&[u16]; 7] = [
            &[],
            &[0],
            &[0, 0],
            &[100, 30, 4095, 1],
            &[0, 5],
            &[4095],
            &[1, 2, 3],
        ];
        let paths: Vec<Path> = stacks
            .iter()
            .map(|ids| key(ids, some, 0, 0).0.path())
            .collect();
        for (ids, path) in stacks.iter().zip(&paths) {
            assert_eq!(path.vlan(), stack(ids));
            assert_eq!(path.protocol(), 17);
            assert_eq!(paths.iter().filter(|other| *other == path).count(), 1);
            assert!(!path.is_none());
            let mut other = Path::NEW;
            ids.iter().for_each(|id| other.push(*id));
            assert_ne!(*path, other);
            assert_eq!((other.vlan(), other.version()), (stack(ids), None));
        }
    }

    #[test]
    fn an_echo_key_says_who_asks() {
        let (low, high) = ([10, 0, 0, 1], [10, 0, 1, 0]);
        let flow = key(&[], AddressPair::V4 { a: low, b: high }, 0, 0).0;
        let asked_by = |requester| {
            let mut pair = flow;
            pair.become_echo(77, requester);
            assert!(pair.flow_of_echo().is(&flow));
            pair
        };
        let down = asked_by(Side::B).echo();
        assert_eq!(
            (down.id, down.addresses),
            (77, AddressPair::V4 { a: high, b: low })
        );
        assert_eq!(
            asked_by(Side::A).echo().addresses,
            AddressPair::V4 { a: low, b: high }
        );
        assert!(!asked_by(Side::A).is(&asked_by(Side::B)));
    }
}
