//! IP and ARP.

use etherparse::{
    Ipv4HeaderSlice, Ipv6ExtensionSlice, Ipv6ExtensionsSlice, Ipv6HeaderSlice, LaxIpSlice,
    LaxNetSlice, LaxSlicedPacket, checksum::Sum16BitWords, err, ip_number,
};
use magpie_protocol::{AddressPair, Malformed};
use magpie_sensor::dissect::{Arp, ArpKind, Fragment, Ip, Network, Transport};

use super::{Second, Why, padded};

/// EXACT.md 4.
const MOST_HEADERS: usize = 128;
const MOST_OPTIONS: usize = 64;

fn ip(addresses: AddressPair, protocol: u8, ip_octets: u32) -> Ip {
    Ip {
        addresses,
        protocol,
        ip_octets,
        fragment: Fragment::Whole,
        source_port: 0,
        destination_port: 0,
        transport: Transport::Other,
    }
}

impl Second {
    /// `rest` and `left`: captured octets, and the wire's, from the network
    /// layer on; `six`: by the type it is IPv6.
    pub(super) fn ip(&mut self, six: bool, packet: &LaxSlicedPacket<'_>, rest: &[u8], left: u32) {
        match (&packet.net, six) {
            (Some(LaxNetSlice::Ipv4(_)), true) | (Some(LaxNetSlice::Ipv6(_)), false) => {
                self.because(Why::VersionOfType);
            }
            (Some(LaxNetSlice::Ipv4(slice)), false) => {
                self.incomplete = slice.payload().incomplete;
                self.refused = packet.stop_err.is_some();
                self.ip4(slice.header(), slice.payload().payload, left);
                self.agrees_with_the_whole(packet);
            }
            (Some(LaxNetSlice::Ipv6(slice)), true) => {
                self.incomplete = slice.payload().incomplete;
                self.refused = packet.stop_err.is_some();
                self.ip6(slice.header(), &rest[40..], left);
                self.agrees_with_the_whole(packet);
            }
            _ => {
                self.refused = true;
                self.cut_options(six, rest, left);
            }
        }
    }

    /// Read layer by layer, with nothing overruled, the frame is what etherparse
    /// makes of it in one go.
    fn agrees_with_the_whole(&self, packet: &LaxSlicedPacket<'_>) {
        let Network::Ip(ip) = &self.view.network else {
            return;
        };
        if self.why.is_empty() {
            let payload = packet.ip_payload().expect("an IP packet");
            assert_eq!(payload.ip_number.0, ip.protocol);
            assert_eq!(payload.fragmented, ip.fragment != Fragment::Whole);
            assert_eq!(
                packet.transport.is_some(),
                matches!(ip.protocol, 1 | 2 | 6 | 17 | 58)
                    && packet.stop_err.is_none()
                    && !payload.fragmented
            );
        }
    }

    fn cut_options(&mut self, six: bool, rest: &[u8], left: u32) {
        let Some(first) = rest.first().filter(|_| !six && rest.len() >= 20) else {
            return;
        };
        let octets = usize::from(first & 15) * 4;
        if first >> 4 != 4 || octets < 20 || octets > left as usize {
            return;
        }
        self.because(Why::CutOptions);
        let whole = padded(rest, octets);
        let (LaxIpSlice::Ipv4(slice), _) = LaxIpSlice::from_slice(&whole).expect("a whole header")
        else {
            unreachable!("its version is 4");
        };
        self.ip4(slice.header(), &[], left);
        // Nobody can tell.
        self.view.malformed = super::Classes::NONE;
    }

    fn ip4(&mut self, header: Ipv4HeaderSlice<'_>, body: &[u8], left: u32) {
        let header_octets = u32::from(header.ihl()) * 4;
        let ip_octets = match u32::from(header.total_len()) {
            0 => left,
            below if below < header_octets => return self.because(Why::LengthBelowHeader),
            octets => octets.min(left),
        };
        let addresses = AddressPair::V4 {
            a: header.source(),
            b: header.destination(),
        };
        let protocol = header.protocol();
        let mut ip = ip(addresses, protocol.0, ip_octets);
        if header.fragments_offset().value() != 0 {
            ip.fragment = Fragment::Later;
        } else if header.more_fragments() {
            ip.fragment = Fragment::First;
        }
        // Over the octets: etherparse's header drops the reserved flag.
        let sum = Sum16BitWords::new().add_slice(header.slice());
        if sum.ones_complement() != 0 {
            self.view.malformed.insert(Malformed::Ip4Cksum);
        }
        if protocol == ip_number::AUTH {
            self.because(Why::Authentication);
        } else {
            self.transport(&mut ip, body, ip_octets - header_octets);
        }
        self.view.network = Network::Ip(ip);
    }

    /// `rest`: everything behind the fixed header.
    fn ip6(&mut self, header: Ipv6HeaderSlice<'_>, rest: &[u8], left: u32) {
        let next = header.next_header();
        let mut octets = u32::from(header.payload_length());
        if octets == 0 {
            let hop_by_hop = next == ip_number::IPV6_HOP_BY_HOP;
            let jumbo = hop_by_hop.then(|| jumbo(rest)).flatten();
            self.because(jumbo.map_or(Why::PayloadZero, |_| Why::Jumbo));
            octets = jumbo.unwrap_or(0);
        }
        let ip_octets = octets.saturating_add(40).min(left);
        let addresses = AddressPair::V6 {
            a: header.source(),
            b: header.destination(),
        };
        let mut ip = ip(addresses, next.0, ip_octets);
        let octets = ip_octets - 40;
        let body = &rest[..rest.len().min(octets as usize)];
        if let Some(behind) = self.extensions(&mut ip, body) {
            let walked = u32::try_from(body.len() - behind.len()).expect("a short frame");
            self.transport(&mut ip, behind, octets - walked);
        }
        self.view.network = Network::Ip(ip);
    }

    /// Walks as EXACT.md 4 does over what etherparse found; what stands behind
    /// the headers, if the walk came to its end.
    fn extensions<'f>(&mut self, ip: &mut Ip, body: &'f [u8]) -> Option<&'f [u8]> {
        let (mut walked, mut fragments, mut rest) = (0, 0, body);
        loop {
            let from = ip.protocol.into();
            let (found, next, behind, error) = Ipv6ExtensionsSlice::from_slice_lax(from, rest);
            let (mut here, mut parts) = (rest, found.clone().into_iter());
            // Behind a walk that failed the iterator (0.21.0) would read on
            // beyond its octets, unchecked: it is asked for those it has only.
            while here.len() > behind.len()
                && let Some(extension) = parts.next()
            {
                if let Ipv6ExtensionSlice::Authentication(_) = extension {
                    self.because(Why::Authentication);
                    return Some(here);
                }
                if walked == MOST_HEADERS {
                    self.because(Why::HeadersDeep);
                    return None;
                }
                let (octets, next) = match &extension {
                    Ipv6ExtensionSlice::Authentication(_) => unreachable!("seen above"),
                    Ipv6ExtensionSlice::Fragment(f) => {
                        fragments += 1;
                        if fragments > 1 {
                            self.because(Why::FragmentTwice);
                        }
                        ip.fragment = match (f.fragment_offset().value(), f.more_fragments()) {
                            (0, false) => Fragment::Whole,
                            (0, true) => Fragment::First,
                            _ => Fragment::Later,
                        };
                        (f.slice().len(), f.next_header())
                    }
                    Ipv6ExtensionSlice::HopByHop(e)
                    | Ipv6ExtensionSlice::Routing(e)
                    | Ipv6ExtensionSlice::DestinationOptions(e) => {
                        (e.slice().len(), e.next_header())
                    }
                };
                walked += 1;
                here = &here[octets..];
                ip.protocol = next.0;
                if ip.fragment == Fragment::Later {
                    if matches!(next.0, 0 | 43 | 44 | 51 | 60) {
                        self.because(Why::WalkInFragment);
                    }
                    return Some(here);
                }
            }
            assert_eq!((here.len(), ip.protocol), (behind.len(), next.0));
            // A header of its own error: etherparse does not look into those.
            let within = matches!(ip.protocol, 0 | 43 | 44 | 60);
            match error {
                None => return Some(behind),
                Some(_) if next == ip_number::AUTH => {
                    self.because(Why::Authentication);
                    return Some(behind);
                }
                Some(_) if within && walked == MOST_HEADERS => {
                    self.because(Why::HeadersDeep);
                    return None;
                }
                Some((
                    err::ipv6_exts::HeaderSliceError::Content(
                        err::ipv6_exts::HeaderError::HopByHopNotAtStart,
                    ),
                    _,
                )) => {
                    self.because(Why::HopByHopLater);
                    rest = behind;
                }
                Some(_) => return None,
            }
        }
    }

    pub(super) fn arp(&mut self, packet: &LaxSlicedPacket<'_>, rest: &[u8]) {
        let Some(LaxNetSlice::Arp(arp)) = &packet.net else {
            self.refused = true;
            if let [_, _, _, _, _, _, high, low, ..] = *rest {
                self.because(Why::ArpCut);
                self.view.network = Network::Arp(Arp {
                    operation: u16::from_be_bytes([high, low]),
                    kind: None,
                });
            }
            return;
        };
        let about_ip4 = arp.proto_addr_type().0 == 0x0800 && arp.proto_addr_size() == 4;
        let kind = match (arp.sender_protocol_addr(), arp.target_protocol_addr()) {
            (sender, target) if sender == target => ArpKind::Gratuitous,
            ([0, 0, 0, 0], _) => ArpKind::Probe,
            _ => ArpKind::Normal,
        };
        self.view.network = Network::Arp(Arp {
            operation: arp.operation().0,
            kind: about_ip4.then_some(kind),
        });
    }
}

/// RFC 2675, in the first 64 options.
fn jumbo(hop_by_hop: &[u8]) -> Option<u32> {
    let octets = 8 + usize::from(*hop_by_hop.get(1)?) * 8;
    hop_by_hop.get(..8)?;
    let options = &hop_by_hop[..octets.min(hop_by_hop.len())];
    let mut at = 2;
    for _ in 0..MOST_OPTIONS {
        match *options.get(at..)? {
            // An option takes two octets of what is left, also this one.
            [0, _, ..] => at += 1,
            [0xc2, 4, a, b, c, d, ..] => return Some(u32::from_be_bytes([a, b, c, d])),
            [_, len, ..] => at += 2 + usize::from(len),
            _ => return None,
        }
    }
    None
}
