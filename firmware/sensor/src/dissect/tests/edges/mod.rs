//! Each malformed class at its edge: the first frame raises it, the second,
//! its nearest neighbour, does not.

mod ipv4;
mod ipv6;
mod link;
mod transport;

use std::vec::Vec;

use magpie_protocol::Malformed::{self, *};

use crate::dissect::{Classes, Network, dissect};
use ipv4::ipv4_edges;
use ipv6::ipv6_edges;
use link::link_edges;
use transport::transport_edges;

/// A frame and its length on the wire.
struct Frame {
    octets: Vec<u8>,
    wire_len: u32,
}

impl Frame {
    /// Captured whole.
    fn whole(octets: Vec<u8>) -> Self {
        let wire_len = u32::try_from(octets.len()).unwrap();
        Self { octets, wire_len }
    }

    /// Only the first octets captured.
    fn cut(octets: &[u8], captured: usize) -> Self {
        let wire_len = u32::try_from(octets.len()).unwrap();
        Self {
            octets: octets[..captured].to_vec(),
            wire_len,
        }
    }

    fn classes(&self) -> Classes {
        dissect(&self.octets, self.wire_len).malformed
    }
}

/// The class, a frame that raises it and what else that frame raises, and a
/// frame that raises nothing.
type Edge = (Malformed, Frame, &'static [Malformed], Frame);

#[test]
fn every_class_at_its_edge() {
    let mut seen = Classes::NONE;
    let tables = [link_edges(), ipv4_edges(), ipv6_edges(), transport_edges()];
    for (table, edges) in tables.iter().enumerate() {
        for (row, (class, raises, others, sound)) in edges.iter().enumerate() {
            let at = std::format!("table {table}, row {row}, {}", class.name());
            let expected: Classes = others.iter().copied().chain([*class]).collect();
            assert_eq!(raises.classes(), expected, "{at}");
            // A neighbour that cannot be sound in every respect says so in
            // the first frame's list.
            let mut left = sound.classes();
            if others.contains(&L4Short) {
                left = left.iter().filter(|c| *c != L4Short).collect();
            }
            assert_eq!(left, Classes::NONE, "the neighbour of {at}");
            seen.insert(*class);
        }
    }
    assert_eq!(
        seen,
        Malformed::ALL.into_iter().collect(),
        "a class has no row"
    );
}

#[test]
fn a_frame_without_a_valid_header_is_invalid_and_only_that() {
    let invalid: Classes = [
        EthShort, VlanShort, VlanDeep, PppoeShort, MplsShort, MplsDeep, Ip4Short, Ip4Version,
        Ip4Ihl, Ip4Len, Ip6Short, Ip6Version,
    ]
    .into_iter()
    .collect();
    for (class, raises, _, sound) in [link_edges(), ipv4_edges(), ipv6_edges(), transport_edges()]
        .into_iter()
        .flatten()
    {
        let view = dissect(&raises.octets, raises.wire_len);
        // An ARP packet is counted as such as soon as its operation is there.
        let arp_without_operation = class == ArpShort && raises.octets.len() < 14 + 8;
        let expected = view.malformed.iter().any(|c| invalid.contains(c)) || arp_without_operation;
        assert_eq!(
            view.network == Network::Invalid,
            expected,
            "{}",
            class.name()
        );
        assert_ne!(
            dissect(&sound.octets, sound.wire_len).network,
            Network::Invalid
        );
    }
}
