//! A flow's key as the table holds it: words to hash and compare at once.

use core::cmp::Ordering;

use magpie_protocol::{AddressPair, FlowKey, Side, VlanStack};

use crate::dissect::Ip;

/// A key in twelve words; see [`PackedKey::of`] for their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackedKey {
    /// Address of a (4), of b (4), both ports, VLAN stack (2).
    pub(crate) words: [u32; 11],
    pub(crate) protocol: u8,
    /// 4 or 6; 0 in a free slot.
    pub(crate) version: u8,
}

fn words6(address: [u8; 16]) -> [u32; 4] {
    let bits = u128::from_be_bytes(address);
    let word = |shift: u32| ((bits >> shift) & 0xffff_ffff) as u32;
    [word(96), word(64), word(32), word(0)]
}

fn address6(words: [u32; 4]) -> [u8; 16] {
    words
        .iter()
        .fold(0_u128, |bits, word| (bits << 32) | u128::from(*word))
        .to_be_bytes()
}

impl PackedKey {
    /// The key of a packet, and which end point sent it: the lower one (by
    /// address octets, then port) is `a`.
    #[inline]
    pub(crate) fn of(vlan: VlanStack, ip: &Ip) -> (Self, Side) {
        let (source, destination, version) = match ip.addresses {
            AddressPair::V4 { a, b } => (
                [u32::from_be_bytes(a), 0, 0, 0],
                [u32::from_be_bytes(b), 0, 0, 0],
                4,
            ),
            AddressPair::V6 { a, b } => (words6(a), words6(b), 6),
        };
        let (from, to) = (ip.source_port, ip.destination_port);
        let side = if source.cmp(&destination).then(from.cmp(&to)) == Ordering::Greater {
            Side::B
        } else {
            Side::A
        };
        let ((a, ap), (b, bp)) = match side {
            Side::A => ((source, from), (destination, to)),
            Side::B => ((destination, to), (source, from)),
        };
        let ports = u32::from(ap) << 16 | u32::from(bp);
        let stack = vlan.to_bits();
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (a, b);
        let (outer, inner) = ((stack >> 32) as u32, (stack & 0xffff_ffff) as u32);
        let words = [a0, a1, a2, a3, b0, b1, b2, b3, ports, outer, inner];
        (
            Self {
                words,
                protocol: ip.protocol,
                version,
            },
            side,
        )
    }

    /// The words to hash.
    #[inline]
    pub(crate) fn hash_words(&self) -> impl Iterator<Item = u32> + '_ {
        let last = u32::from(self.protocol) << 8 | u32::from(self.version);
        self.words.iter().copied().chain(core::iter::once(last))
    }

    /// The key in the protocol's form.
    pub(crate) fn unpack(&self) -> FlowKey {
        let [a0, a1, a2, a3, b0, b1, b2, b3, ports, outer, inner] = self.words;
        let addresses = if self.version == 4 {
            AddressPair::V4 {
                a: a0.to_be_bytes(),
                b: b0.to_be_bytes(),
            }
        } else {
            AddressPair::V6 {
                a: address6([a0, a1, a2, a3]),
                b: address6([b0, b1, b2, b3]),
            }
        };
        FlowKey {
            vlan: VlanStack::from_bits(u64::from(outer) << 32 | u64::from(inner)),
            protocol: self.protocol,
            addresses,
            a_port: (ports >> 16) as u16,
            b_port: (ports & 0xffff) as u16,
        }
    }
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

    #[test]
    fn both_directions_share_a_key() {
        let mut vlan = VlanStack::NONE;
        vlan.push(200);
        vlan.push(100);
        let (low, high) = ([10, 0, 0, 1], [10, 0, 1, 0]);
        let there = PackedKey::of(vlan, &ip(AddressPair::V4 { a: low, b: high }, 9, 7));
        let back = PackedKey::of(vlan, &ip(AddressPair::V4 { a: high, b: low }, 7, 9));
        assert_eq!(there.0, back.0);
        assert_eq!((there.1, back.1), (Side::A, Side::B));
        let key = there.0.unpack();
        assert_eq!(key.addresses, AddressPair::V4 { a: low, b: high });
        assert_eq!((key.a_port, key.b_port, key.vlan), (9, 7, vlan));
    }

    #[test]
    fn equal_addresses_are_ordered_by_port() {
        let same = AddressPair::V6 {
            a: [0xfe; 16],
            b: [0xfe; 16],
        };
        let (key, side) = PackedKey::of(VlanStack::NONE, &ip(same, 500, 4));
        assert_eq!(side, Side::B);
        assert_eq!((key.unpack().a_port, key.unpack().b_port), (4, 500));
        assert_eq!(key.unpack().addresses, same);
    }
}
