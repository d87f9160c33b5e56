//! A frame, read once: link layer, network, transport, and what is wrong.
//!
//! [`dissect`] is total: any octets and any wire length give a [`View`], in
//! bounded work and without a panic path. Fixed headers are read by smoltcp's
//! `wire` over arrays of their exact size, so the optimiser proves every
//! range; VLAN, SNAP, `PPPoE`, MPLS and the IPv6 walk are ours, and each
//! walk has a limit beyond which a `*Deep` class is raised (EXACT.md 2, 4).
//!
//! A capture may hold fewer octets than the frame had on the wire: what is
//! read comes from the captured octets, sizes are judged by the wire's.

mod arp;
mod classes;
mod ipv4;
mod ipv6;
mod link;
mod transport;
mod view;

pub use classes::Classes;
pub use view::{Arp, ArpKind, Echo, Fragment, Icmp, Ip, Network, Tcp, Transport, View};

use link::Payload;

/// Reads a frame, from its destination address on, without FCS.
///
/// `wire_len` is the frame's length on the wire in octets, without FCS; it
/// is at least `frame.len()` unless the caller errs, and then too nothing
/// worse than odd classes follows.
pub fn dissect(frame: &[u8], wire_len: u32) -> View {
    let mut malformed = Classes::NONE;
    let link = link::read(frame, &mut malformed);
    let network = match link.payload {
        Payload::Ip4(packet) => ipv4::read(packet, left(frame, packet, wire_len), &mut malformed),
        Payload::Ip6(packet) => ipv6::read(packet, left(frame, packet, wire_len), &mut malformed),
        Payload::Arp(packet) => arp::read(packet, &mut malformed),
        Payload::Other => Network::Other,
        Payload::Invalid => Network::Invalid,
    };
    View {
        ethertype: link.ethertype,
        vlan: link.vlan,
        vlan_cut: link.vlan_cut,
        malformed,
        network,
    }
}

/// Octets the wire had from the start of `packet` (the captured end of
/// `frame`) on, padding included.
#[inline]
fn left(frame: &[u8], packet: &[u8], wire_len: u32) -> u32 {
    let header = frame.len().saturating_sub(packet.len());
    wire_len.saturating_sub(u32::try_from(header).unwrap_or(u32::MAX))
}

