//! Packets of several sources, in the order of their times.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// A packet that waits for earlier ones.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) at_ns: u64,
    /// In which order they came, for those of one time.
    order: u64,
    /// The interface's number in this run.
    pub(super) interface: u32,
    pub(super) wire_len: u32,
    pub(super) flags: u32,
    pub(super) dropped: u64,
    pub(super) octets: Vec<u8>,
    pub(super) comment: Option<String>,
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ns, self.order).cmp(&(other.at_ns, other.order))
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Octets held at most; beyond them order is given up.
const MOST: usize = 64 << 20;
/// What a packet costs beside its octets.
const EACH: usize = 128;

/// Packets that wait.
#[derive(Debug, Default)]
pub(super) struct Merge {
    held: BinaryHeap<Reverse<Held>>,
    octets: usize,
    orders: u64,
}

impl Merge {
    pub(super) fn push(&mut self, mut packet: Held) {
        self.orders += 1;
        packet.order = self.orders;
        self.octets += packet.octets.len() + EACH;
        self.held.push(Reverse(packet));
    }

    /// The earliest packet, if it is not later than this, or if there are too
    /// many.
    pub(super) fn pop(&mut self, until_ns: u64) -> Option<Held> {
        let Reverse(first) = self.held.peek()?;
        if first.at_ns > until_ns && self.octets < MOST {
            return None;
        }
        let Reverse(packet) = self.held.pop()?;
        self.octets -= packet.octets.len() + EACH;
        Some(packet)
    }
}

/// A packet to hold.
pub(super) fn held(interface: u32, packet: &super::source::Packet<'_>, dropped: u64) -> Held {
    Held {
        at_ns: packet.at_ns,
        order: 0,
        interface,
        wire_len: packet.wire_len,
        flags: packet.flags,
        dropped,
        octets: packet.octets.to_vec(),
        comment: packet.comment.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(at_ns: u64, interface: u32, octets: usize) -> Held {
        Held {
            at_ns,
            order: 0,
            interface,
            wire_len: 0,
            flags: 0,
            dropped: 0,
            octets: vec![0; octets],
            comment: None,
        }
    }

    #[test]
    fn earlier_ones_go_first_and_those_of_one_time_as_they_came() {
        let mut merge = Merge::default();
        for (at, interface) in [(5, 0), (3, 1), (5, 2), (9, 3), (3, 4)] {
            merge.push(packet(at, interface, 1));
        }
        let mut out = Vec::new();
        while let Some(packet) = merge.pop(5) {
            out.push(packet.interface);
        }
        assert_eq!(out, [1, 4, 0, 2]);
        assert_eq!(merge.pop(u64::MAX).map(|p| p.interface), Some(3));
        assert_eq!((merge.octets, merge.pop(u64::MAX)), (0, None));
    }

    #[test]
    fn too_many_do_not_wait() {
        let mut merge = Merge::default();
        for n in 0..5 {
            merge.push(packet(n, 0, MOST / 4));
        }
        assert_eq!(merge.pop(0).map(|p| p.at_ns), Some(0));
        assert_eq!(merge.pop(0).map(|p| p.at_ns), Some(1));
        assert_eq!(merge.pop(0), None);
    }
}
