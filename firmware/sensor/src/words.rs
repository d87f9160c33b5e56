//! Parts of a key as 32-bit words, to hash and compare at once.

use magpie_protocol::{AddressPair, VlanStack};

/// Both addresses, four words each (IPv4 fills the first), and the IP version.
#[inline]
pub(crate) fn of_addresses(addresses: &AddressPair) -> ([u32; 4], [u32; 4], u8) {
    match *addresses {
        AddressPair::V4 { a, b } => (
            [u32::from_be_bytes(a), 0, 0, 0],
            [u32::from_be_bytes(b), 0, 0, 0],
            4,
        ),
        AddressPair::V6 { a, b } => (of_v6(a), of_v6(b), 6),
    }
}

/// Inverse of [`of_addresses`]; every version but 4 is taken for 6.
pub(crate) fn to_addresses(a: [u32; 4], b: [u32; 4], version: u8) -> AddressPair {
    if version == 4 {
        let ([a, ..], [b, ..]) = (a, b);
        AddressPair::V4 {
            a: a.to_be_bytes(),
            b: b.to_be_bytes(),
        }
    } else {
        AddressPair::V6 {
            a: to_v6(a),
            b: to_v6(b),
        }
    }
}

/// A VLAN stack: outer tags, inner tags.
#[inline]
pub(crate) fn of_stack(vlan: VlanStack) -> [u32; 2] {
    of_u64(vlan.to_bits())
}

/// Inverse of [`of_stack`].
pub(crate) fn to_stack([outer, inner]: [u32; 2]) -> VlanStack {
    VlanStack::from_bits(u64::from(outer) << 32 | u64::from(inner))
}

/// Upper and lower half.
#[inline]
pub(crate) fn of_u64(value: u64) -> [u32; 2] {
    [(value >> 32) as u32, (value & 0xffff_ffff) as u32]
}

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

    #[test]
    fn addresses_come_back() {
        let octets = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        let six = AddressPair::V6 {
            a: octets,
            b: [0xff; 16],
        };
        let (a, b, version) = of_addresses(&six);
        assert_eq!((a[0], a[3], version), (0x0102_0304, 0x0d0e_0f10, 6));
        assert_eq!(to_addresses(a, b, version), six);
        let four = AddressPair::V4 {
            a: [10, 0, 0, 1],
            b: [192, 0, 2, 80],
        };
        let (a, b, version) = of_addresses(&four);
        assert_eq!((a, version), ([0x0a00_0001, 0, 0, 0], 4));
        assert_eq!(to_addresses(a, b, version), four);
    }

    #[test]
    fn a_stack_comes_back() {
        let mut vlan = VlanStack::NONE;
        for id in [100, 30, 4095, 1] {
            assert!(vlan.push(id));
        }
        assert_eq!(to_stack(of_stack(vlan)), vlan);
    }
}
