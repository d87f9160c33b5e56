//! Any numbers, addresses and sums.

use magpie_protocol::{AddressPair, Census, Known, Side, Sum, Tally, VlanStack};
use proptest::collection::vec;
use proptest::prelude::*;

/// Counters small and large, so that every length of varint comes up.
pub(crate) fn number() -> impl Strategy<Value = u64> + Clone {
    (any::<u64>(), 0..64_u32).prop_map(|(n, shift)| n >> shift)
}

pub(crate) fn signed() -> impl Strategy<Value = i64> {
    (any::<i64>(), 0..64_u32).prop_map(|(n, shift)| n >> shift)
}

pub(crate) fn numbers<const N: usize>() -> impl Strategy<Value = [u64; N]> {
    vec(number(), N).prop_map(|numbers| numbers.try_into().unwrap())
}

pub(crate) fn stack() -> impl Strategy<Value = VlanStack> {
    vec(0..4096_u16, 0..=VlanStack::MAX).prop_map(|ids| {
        let mut stack = VlanStack::NONE;
        for id in ids {
            assert!(stack.push(id));
        }
        stack
    })
}

pub(crate) fn addresses() -> impl Strategy<Value = AddressPair> {
    prop_oneof![
        any::<([u8; 4], [u8; 4])>().prop_map(|(a, b)| AddressPair::V4 { a, b }),
        any::<([u8; 16], [u8; 16])>().prop_map(|(a, b)| AddressPair::V6 { a, b }),
    ]
}

pub(crate) fn side() -> impl Strategy<Value = Side> {
    any::<bool>().prop_map(|b| if b { Side::B } else { Side::A })
}

pub(crate) fn known() -> impl Strategy<Value = Known> {
    prop_oneof![
        Just(Known::Unknown),
        number().prop_map(Known::Exact),
        number().prop_map(Known::AtLeast)
    ]
}

pub(crate) fn tally([records, flows, packets, octets]: [u64; 4]) -> Tally {
    Tally {
        records,
        flows,
        packets,
        octets,
    }
}

pub(crate) fn census([made, live, live_packets, live_octets, evicted]: [u64; 5]) -> Census {
    Census {
        made,
        live,
        live_packets,
        live_octets,
        evicted,
    }
}

pub(crate) fn sum([frames, octets]: [u64; 2]) -> Sum {
    Sum { frames, octets }
}

/// Text of at most `N` octets, in any alphabet.
pub(crate) fn text<const N: usize>() -> impl Strategy<Value = heapless::String<N>> {
    any::<String>().prop_map(|all| {
        let mut text = heapless::String::new();
        for c in all.chars() {
            if text.push(c).is_err() {
                break;
            }
        }
        text
    })
}
