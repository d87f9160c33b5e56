//! Up to the network layer.

use etherparse::{EtherType, LaxLinkExtSlice, LaxSlicedPacket, err::Layer};
use magpie_protocol::{ETHERTYPE_LLC, VlanStack};
use magpie_sensor::dissect::Network;

use super::{Second, Why};

const IP4: u16 = 0x0800;
const IP6: u16 = 0x86dd;
const ARP: u16 = 0x0806;
const MACSEC: u16 = 0x88e5;
/// EXACT.md 2.
const MOST: usize = 32;

fn is_tag(kind: u16) -> bool {
    matches!(kind, 0x8100 | 0x88a8 | 0x9100)
}

impl Second {
    pub(super) fn link(&mut self, frame: &[u8], wire_len: u32) {
        let Ok(mut packet) = LaxSlicedPacket::from_ethernet(frame) else {
            self.refused = true;
            return;
        };
        let mut tags = 0;
        loop {
            for ext in &packet.link_exts {
                match ext {
                    LaxLinkExtSlice::Vlan(tag) if tags < MOST => {
                        self.view.vlan.push(tag.vlan_identifier().value());
                        tags += 1;
                        self.view.vlan_cut = tags > VlanStack::MAX;
                        self.view.ethertype = u32::from(tag.ether_type().0);
                    }
                    LaxLinkExtSlice::Vlan(_) => return self.because(Why::TagsDeep),
                    LaxLinkExtSlice::Macsec(_) => return self.macsec(),
                }
            }
            let Some(payload) = packet.ether_payload() else {
                unreachable!("MACsec alone has none, and was not read");
            };
            let (kind, rest) = (payload.ether_type.0, payload.payload);
            self.view.ethertype = u32::from(kind);
            let stopped = packet.stop_err.as_ref().map(|(_, layer)| *layer);
            match kind {
                _ if stopped == Some(Layer::VlanHeader) => {
                    self.refused = true;
                    return;
                }
                _ if is_tag(kind) && tags >= MOST => return self.because(Why::TagsDeep),
                _ if is_tag(kind) => {
                    self.because(Why::ManyTags);
                    packet = LaxSlicedPacket::from_ether_type(payload.ether_type, rest);
                }
                MACSEC => return self.macsec(),
                ..0x600 => {
                    let Some(inner) = self.snap(rest) else { return };
                    self.view.ethertype = u32::from(inner.0);
                    packet = LaxSlicedPacket::from_ether_type(inner, &rest[8..]);
                    // Known to be no tag: the rest is as behind any type.
                    return self.carried(inner.0, &packet, &rest[8..], frame, wire_len);
                }
                _ => return self.carried(kind, &packet, rest, frame, wire_len),
            }
        }
    }

    fn macsec(&mut self) {
        self.because(Why::Macsec);
        self.view.ethertype = u32::from(MACSEC);
        self.view.network = Network::Other;
    }

    /// The type behind LLC/SNAP, where reading goes on there.
    fn snap(&mut self, rest: &[u8]) -> Option<EtherType> {
        self.view.network = Network::Other;
        let &[0xaa, 0xaa, 3, 0, 0, 0 | 0xf8, high, low, ..] = rest else {
            self.because(Why::Llc);
            self.view.ethertype = u32::try_from(ETHERTYPE_LLC).expect("17 bits");
            return None;
        };
        let kind = u16::from_be_bytes([high, low]);
        self.because(Why::Snap);
        self.view.ethertype = u32::from(kind);
        if is_tag(kind) || kind < 0x600 || kind == MACSEC {
            self.because(Why::SnapOfMore);
            return None;
        }
        self.view.network = Network::Invalid;
        Some(EtherType(kind))
    }

    /// What a type that is no tag carries.
    fn carried(
        &mut self,
        kind: u16,
        packet: &LaxSlicedPacket<'_>,
        rest: &[u8],
        frame: &[u8],
        wire_len: u32,
    ) {
        let (kind, rest) = match kind {
            0x8864 => match self.pppoe(rest) {
                Some(carried) => carried,
                None => return,
            },
            0x8847 | 0x8848 => match self.mpls(rest) {
                Some(carried) => carried,
                None => return,
            },
            _ => (kind, rest),
        };
        let headers = u32::try_from(frame.len() - rest.len()).expect("a short frame");
        let left = wire_len.saturating_sub(headers);
        let again;
        let packet = if packet.net.is_some() || packet.stop_err.is_some() {
            packet
        } else {
            again = LaxSlicedPacket::from_ether_type(EtherType(kind), rest);
            &again
        };
        match kind {
            IP4 | IP6 => self.ip(kind == IP6, packet, rest, left),
            ARP => self.arp(packet, rest),
            _ => self.view.network = Network::Other,
        }
    }

    fn pppoe<'f>(&mut self, rest: &'f [u8]) -> Option<(u16, &'f [u8])> {
        self.because(Why::Pppoe);
        let &[version_type, code, _, _, _, _, high, low, ..] = rest else {
            return None; // Network::Invalid stands
        };
        self.view.network = Network::Other;
        let (protocol, octets) = if high & 1 == 1 {
            (u16::from(high), 7)
        } else {
            (u16::from_be_bytes([high, low]), 8)
        };
        let kind = match (version_type, code, protocol) {
            (0x11, 0, 0x21) => IP4,
            (0x11, 0, 0x57) => IP6,
            _ => return None,
        };
        self.view.network = Network::Invalid;
        Some((kind, &rest[octets..]))
    }

    fn mpls<'f>(&mut self, rest: &'f [u8]) -> Option<(u16, &'f [u8])> {
        self.because(Why::Mpls);
        let mut labels = rest.chunks_exact(4).take(MOST);
        let bottom = labels.position(|label| label[2] & 1 == 1)?;
        let rest = &rest[(bottom + 1) * 4..];
        let kind = match rest.first().map(|octet| octet >> 4) {
            Some(4) => IP4,
            Some(6) => IP6,
            _ => {
                self.view.network = Network::Other;
                return None;
            }
        };
        Some((kind, rest))
    }
}
