//! Keys of the tables, in words: to order, hash and compare at once.

use core::cmp::Ordering;

use magpie_protocol::{AddressPair, EchoKey, FlowKey, Side, VlanStack};

use crate::dissect::Ip;

/// VLAN stack, IP version and protocol of a frame in two words, never both
/// zero. A frame without IP has version and protocol 0.
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

    /// The path of a frame, `ip` being what it carries.
    #[inline]
    pub(crate) fn of(vlan: VlanStack, ip: Option<&Ip>) -> Self {
        let (version, protocol) = match ip {
            None => (0, 0),
            Some(ip) => match ip.addresses {
                AddressPair::V4 { .. } => (IP4, ip.protocol),
                AddressPair::V6 { .. } => (IP6, ip.protocol),
            },
        };
        let [outer, inner] = if vlan == VlanStack::NONE {
            [0, 0]
        } else {
            pack(vlan)
        };
        Self([outer | u32::from(protocol) << 24, inner | version | USED])
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

    #[inline]
    pub(crate) fn words(self) -> [u32; 2] {
        self.0
    }
}

#[inline(never)] // most frames have no tag
fn pack(vlan: VlanStack) -> [u32; 2] {
    let mut words = [0; 4];
    let mut depth = 0;
    for (word, id) in words.iter_mut().zip(vlan.ids()) {
        *word = u32::from(id);
        depth = u32::wrapping_add(depth, 1 << 24);
    }
    let [first, second, third, fourth] = words;
    [first << 12 | second, third << 12 | fourth | depth]
}

/// Key of a flow, or of an echo pair: that is the key of its flow, which has
/// no ports, with the identifier and who asks in their place.
#[derive(Debug, Clone, Copy)]
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

    /// The key of a packet's flow, and which end point sent it: the lower one
    /// (by address octets, then port) is `a`.
    #[inline]
    pub(crate) fn of(path: Path, ip: &Ip) -> (Self, Side) {
        let (from, to) = (u32::from(ip.source_port), u32::from(ip.destination_port));
        match ip.addresses {
            AddressPair::V4 { a, b } => {
                let (source, destination) = (u32::from_be_bytes(a), u32::from_be_bytes(b));
                let upward = source < destination || (source == destination && from <= to);
                let (ports, first, side) = if upward {
                    (from << 16 | to, [source, destination], Side::A)
                } else {
                    (to << 16 | from, [destination, source], Side::B)
                };
                let rest = [0; 6];
                (
                    Self {
                        ports,
                        first,
                        path,
                        rest,
                    },
                    side,
                )
            }
            AddressPair::V6 { a, b } => {
                let (source, destination) = (of_v6(a), of_v6(b));
                let (ports, a, b, side) = match source.cmp(&destination).then(from.cmp(&to)) {
                    Ordering::Greater => (to << 16 | from, destination, source, Side::B),
                    _ => (from << 16 | to, source, destination, Side::A),
                };
                let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (a, b);
                let first = [a0, b0];
                let rest = [a1, a2, a3, b1, b2, b3];
                (
                    Self {
                        ports,
                        first,
                        path,
                        rest,
                    },
                    side,
                )
            }
        }
    }

    /// The echo pair's key, from its flow's.
    #[inline]
    pub(crate) fn of_echo(&self, id: u16, requester: Side) -> Self {
        let asks = u32::from(requester == Side::B && !self.is_one_host());
        Self {
            ports: u32::from(id) << 16 | asks,
            ..*self
        }
    }

    /// Both end points have the same address, so neither asks.
    #[inline]
    fn is_one_host(&self) -> bool {
        let ([a, b], [a1, a2, a3, b1, b2, b3]) = (self.first, self.rest);
        a == b && [a1, a2, a3] == [b1, b2, b3]
    }

    /// Nobody's.
    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.path == Path::NONE
    }

    /// Equal; ports first, since they differ most often.
    #[inline]
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.ports == other.ports
            && self.first == other.first
            && self.path == other.path
            && (other.path.is_ip4() || self.has_rest(other))
    }

    #[inline]
    fn has_rest(&self, other: &Self) -> bool {
        let differing = |d, (x, y): (&u32, &u32)| d | (x ^ y);
        self.rest.iter().zip(&other.rest).fold(0, differing) == 0
    }

    /// The words that every key has: ports first.
    #[inline]
    pub(crate) fn words(&self) -> [u32; 5] {
        let ([a, b], [outer, inner]) = (self.first, self.path.words());
        [self.ports, a, b, outer, inner]
    }

    /// The words that only IPv6 has.
    #[inline]
    pub(crate) fn rest(&self) -> Option<&[u32; 6]> {
        (!self.path.is_ip4()).then_some(&self.rest)
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

    /// In the protocol's form, for a key made by [`Self::of_echo`].
    pub(crate) fn echo(&self) -> EchoKey {
        EchoKey {
            vlan: self.path.vlan(),
            addresses: match (self.ports & 1, self.addresses()) {
                (0, addresses) => addresses,
                (_, AddressPair::V4 { a, b }) => AddressPair::V4 { a: b, b: a },
                (_, AddressPair::V6 { a, b }) => AddressPair::V6 { a: b, b: a },
            },
            id: (self.ports >> 16) as u16,
        }
    }
}

#[inline]
fn of_v6(address: [u8; 16]) -> [u32; 4] {
    let bits = u128::from_be_bytes(address);
    let word = |shift: u32| ((bits >> shift) & 0xffff_ffff) as u32;
    [word(96), word(64), word(32), word(0)]
}

fn to_v6(words: [u32; 4]) -> [u8; 16] {
    words
        .iter()
        .fold(0_u128, |bits, word| (bits << 32) | u128::from(*word))
        .to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dissect::{Fragment, Transport};

    fn ip(addresses: AddressPair, source_port: u16, destination_port: u16) -> Ip {
        Ip {
            addresses,
            protocol: 17,
            ip_octets: 28,
            fragment: Fragment::Whole,
            source_port,
            destination_port,
            transport: Transport::Other,
        }
    }

    fn stack(ids: &[u16]) -> VlanStack {
        let mut vlan = VlanStack::NONE;
        for id in ids {
            assert!(vlan.push(*id));
        }
        vlan
    }

    fn key(vlan: VlanStack, ip: &Ip) -> (Key, Side) {
        Key::of(Path::of(vlan, Some(ip)), ip)
    }

    #[test]
    fn both_directions_share_a_key() {
        let vlan = stack(&[200, 100]);
        let (low, high) = ([10, 0, 0, 1], [10, 0, 1, 0]);
        let there = key(vlan, &ip(AddressPair::V4 { a: low, b: high }, 9, 7));
        let back = key(vlan, &ip(AddressPair::V4 { a: high, b: low }, 7, 9));
        assert!(there.0.is(&back.0));
        assert_eq!((there.1, back.1), (Side::A, Side::B));
        let key = there.0.flow();
        assert_eq!(key.addresses, AddressPair::V4 { a: low, b: high });
        assert_eq!((key.a_port, key.b_port, key.vlan), (9, 7, vlan));
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
            let (key, side) = key(VlanStack::NONE, &ip(same, 500, 4));
            assert_eq!(side, Side::B);
            assert_eq!((key.flow().a_port, key.flow().b_port), (4, 500));
            assert_eq!(key.flow().addresses, same);
        }
    }

    #[test]
    fn any_other_octet_is_another_key() {
        let a = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        let b = [0xaa; 16];
        let one = key(VlanStack::NONE, &ip(AddressPair::V6 { a, b }, 1, 2)).0;
        assert_eq!(one.flow().addresses, AddressPair::V6 { a, b });
        for at in 0..16 {
            let (mut a2, mut b2) = (a, b);
            a2[at] ^= 0x10;
            b2[at] ^= 1;
            for addresses in [AddressPair::V6 { a: a2, b }, AddressPair::V6 { a, b: b2 }] {
                let other = key(VlanStack::NONE, &ip(addresses, 1, 2)).0;
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
        let (six, four) = (
            key(VlanStack::NONE, &ip(zeros, 1, 2)).0,
            key(VlanStack::NONE, &ip(four, 1, 2)).0,
        );
        assert!(!six.is(&four) && !four.is(&six));
    }

    #[test]
    fn a_path_comes_back() {
        let some = ip(
            AddressPair::V4 {
                a: [1; 4],
                b: [2; 4],
            },
            0,
            0,
        );
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
            .map(|ids| Path::of(stack(ids), Some(&some)))
            .collect();
        for (ids, path) in stacks.iter().zip(&paths) {
            assert_eq!(path.vlan(), stack(ids));
            assert_eq!(path.protocol(), 17);
            assert_eq!(paths.iter().filter(|other| *other == path).count(), 1);
            assert_ne!(*path, Path::NONE);
            assert_ne!(*path, Path::of(stack(ids), None));
        }
    }

    #[test]
    fn an_echo_key_says_who_asks() {
        let (low, high) = ([10, 0, 0, 1], [10, 0, 1, 0]);
        let flow = key(
            VlanStack::NONE,
            &ip(AddressPair::V4 { a: low, b: high }, 0, 0),
        )
        .0;
        let down = flow.of_echo(77, Side::B).echo();
        assert_eq!(
            (down.id, down.addresses),
            (77, AddressPair::V4 { a: high, b: low })
        );
        assert_eq!(
            flow.of_echo(77, Side::A).echo().addresses,
            AddressPair::V4 { a: low, b: high }
        );
        assert!(!flow.of_echo(77, Side::A).is(&flow.of_echo(77, Side::B)));
    }
}
