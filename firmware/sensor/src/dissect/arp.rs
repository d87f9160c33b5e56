//! ARP (RFC 826).

use magpie_protocol::Malformed;

use super::{Arp, ArpKind, Content, Parsed, Part, Rare};

/// Protocol type IPv4, with addresses of four octets.
const IP4: u16 = 0x0800;

#[inline(never)] // rare: keep it out of the way of IP
pub(super) fn read(packet: &[u8], parsed: &mut Parsed) {
    let Some((
        [
            _,
            _,
            proto_high,
            proto_low,
            hardware_len,
            proto_len,
            op_high,
            op_low,
        ],
        addresses,
    )) = packet.split_first_chunk::<8>()
    else {
        parsed.rare.raise(Malformed::ArpShort);
        return;
    };
    let hardware_octets = usize::from(*hardware_len);
    let proto_octets = usize::from(*proto_len);
    // Two of each: at most 1,020 octets.
    let octets = hardware_octets
        .saturating_add(proto_octets)
        .saturating_mul(2);
    let kind = match addresses.get(..octets) {
        None => {
            parsed.rare.raise(Malformed::ArpShort);
            None
        }
        Some(addresses) => {
            let about_ip4 = u16::from_be_bytes([*proto_high, *proto_low]) == IP4;
            kind(addresses, hardware_octets).filter(|_| about_ip4 && proto_octets == 4)
        }
    };
    let operation = u16::from_be_bytes([*op_high, *op_low]);
    parsed.link.belongs_to(Part::Arp);
    parsed.rare.set(Rare::ARP);
    parsed.content = Content::Arp(Arp { operation, kind });
}

/// `addresses`: hardware and protocol address of the sender, then of the
/// target, the protocol's four octets each.
fn kind(addresses: &[u8], hardware_octets: usize) -> Option<ArpKind> {
    let (sender, rest) = addresses.get(hardware_octets..)?.split_first_chunk::<4>()?;
    let target = rest.get(hardware_octets..)?.first_chunk::<4>()?;
    Some(if sender == target {
        ArpKind::Gratuitous
    } else if *sender == [0; 4] {
        ArpKind::Probe
    } else {
        ArpKind::Normal
    })
}
