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

use magpie_protocol::VlanStack;

pub(crate) use link::Carried;

/// Reads a frame, from its destination address on, without FCS.
///
/// `wire_len` is the frame's length on the wire in octets, without FCS; it
/// is at least `frame.len()` unless the caller errs, and then too nothing
/// worse than odd classes follows.
#[inline]
pub fn dissect(frame: &[u8], wire_len: u32) -> View {
    let mut view = View::empty();
    dissect_into(frame, wire_len, &mut view);
    view
}

/// As [`dissect`], into a view whose content does not matter: a view handed
/// on by value costs half as much as reading the frame.
pub fn dissect_into(frame: &[u8], wire_len: u32, view: &mut View) {
    // Field by field: the whole would be copied, its unused octets too.
    view.ethertype = link::NONE;
    view.vlan = VlanStack::NONE;
    view.vlan_cut = false;
    view.malformed = Classes::NONE;
    view.network = Network::Invalid;
    let (carried, packet) = link::read(frame, view);
    match carried {
        Carried::Ip4 => ipv4::read(packet, left(frame, packet, wire_len), view),
        Carried::Ip6 => ipv6::read(packet, left(frame, packet, wire_len), view),
        Carried::Arp => arp::read(packet, view),
        Carried::Other => view.network = Network::Other,
        Carried::Nothing => {}
    }
}

/// What the link layer of a frame carries, and the captured octets of that.
pub(crate) fn carried(frame: &[u8]) -> (Carried, &[u8]) {
    link::read(frame, &mut View::empty())
}

/// Octets the wire had from the start of `packet` (the captured end of
/// `frame`) on, padding included.
#[inline]
fn left(frame: &[u8], packet: &[u8], wire_len: u32) -> u32 {
    let headers = frame.len().wrapping_sub(packet.len());
    wire_len.saturating_sub(u32::try_from(headers).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
