//! A flow's key as the table holds it: words to hash and compare at once.

use core::cmp::Ordering;

use magpie_protocol::{FlowKey, Side, VlanStack};

use crate::{dissect::Ip, words};

/// A key in twelve words; see [`PackedKey::of`] for their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackedKey {
    /// Address of a (4), of b (4), both ports, VLAN stack (2).
    pub(crate) words: [u32; 11],
    pub(crate) protocol: u8,
    /// 4 or 6; 0 in a free slot.
    pub(crate) version: u8,
}

impl PackedKey {
    /// The key of a packet, and which end point sent it: the lower one (by
    /// address octets, then port) is `a`.
    #[inline]
    pub(crate) fn of(vlan: VlanStack, ip: &Ip) -> (Self, Side) {
        let (source, destination, version) = words::of_addresses(&ip.addresses);
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
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (a, b);
        let [outer, inner] = words::of_stack(vlan);
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
        FlowKey {
            vlan: words::to_stack([outer, inner]),
            protocol: self.protocol,
            addresses: words::to_addresses([a0, a1, a2, a3], [b0, b1, b2, b3], self.version),
            a_port: (ports >> 16) as u16,
            b_port: (ports & 0xffff) as u16,
        }
    }
}

#[cfg(test)]
mod tests {
    use magpie_protocol::AddressPair;

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
