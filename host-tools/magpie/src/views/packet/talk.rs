//! Who talks to whom: what the headers say that a line begins with.

use std::net::IpAddr;

/// As far as headers were there to be read. Of packets in packets it is the
/// outer one that counts (but for VLAN tags, MPLS and `PPPoE`, which only bring
/// it); of two ends the first is the sender.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Talk {
    /// MAC addresses.
    pub macs: Option<[[u8; 6]; 2]>,
    /// Identifiers of VLANs, outermost first.
    pub vlan: Vec<u16>,
    /// The type behind Ethernet's header and VLAN tags; a length where it is one
    /// (LLC).
    pub ethertype: Option<u16>,
    /// Addresses of IP, or of who asks by ARP and who is asked.
    pub ends: Option<[IpAddr; 2]>,
    /// What IP carries: of IPv6 behind the headers that can be walked, and
    /// behind an authentication header.
    pub protocol: Option<u8>,
    /// Ports.
    pub ports: Option<[u16; 2]>,
}

impl Talk {
    /// Hears an IP header; whether it is the outer one.
    pub(super) fn hear(&mut self, ends: [IpAddr; 2], protocol: u8) -> bool {
        let is_first = self.ends.is_none();
        if is_first {
            self.ends = Some(ends);
            self.protocol = Some(protocol);
        }
        is_first
    }
}
