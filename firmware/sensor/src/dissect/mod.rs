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
mod parsed;
mod transport;
mod view;

pub use classes::Classes;
pub use view::{Arp, ArpKind, Echo, Fragment, Icmp, Ip, Network, Tcp, Transport, View};

pub(crate) use link::Carried;
pub(crate) use parsed::{Content, Link, Parsed, Part, Rare, Segment};

/// Reads a frame, from its destination address on, without FCS.
///
/// `wire_len` is the frame's length on the wire in octets, without FCS; it
/// is at least `frame.len()` unless the caller errs, and then too nothing
/// worse than odd classes follows.
pub fn dissect(frame: &[u8], wire_len: u32) -> View {
    let mut parsed = Parsed::nothing();
    parse(frame, wire_len, &mut parsed);
    parsed.view()
}

/// The same for the tables, into a [`Parsed`] of nothing.
#[inline]
pub(crate) fn parse(frame: &[u8], wire_len: u32, parsed: &mut Parsed) {
    let (carried, octets) = link::read(frame, parsed);
    let packet = frame.get(octets..).unwrap_or(&[]);
    // How many the wire had from there on, padding included.
    let left = wire_len.saturating_sub(u32::try_from(octets).unwrap_or(u32::MAX));
    match carried {
        Carried::Ip4 => ipv4::read(packet, left, parsed),
        Carried::Ip6 => ipv6::read(packet, left, parsed),
        Carried::Arp => arp::read(packet, parsed),
        Carried::Other => parsed.link.belongs_to(Part::Other),
        Carried::Nothing => {}
    }
}

/// What the link layer of a frame carries, and the captured octets of that.
pub(crate) fn carried(frame: &[u8]) -> (Carried, &[u8]) {
    let (carried, octets) = link::read(frame, &mut Parsed::nothing());
    (carried, frame.get(octets..).unwrap_or(&[]))
}

#[cfg(test)]
mod tests;
