//! Small builders: each gives the octets of one layer.

use std::{vec, vec::Vec};

/// Any octets in a row.
pub(super) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// An Ethernet header with this type (or length), then `after`.
pub(super) fn eth(ethertype: u16, after: &[u8]) -> Vec<u8> {
    join(&[
        &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1],
        &ethertype.to_be_bytes(),
        after,
    ])
}

/// `ids` as tags behind `0x8100`-like types, then `ethertype`, then `after`.
pub(super) fn tagged(tpids: &[u16], ethertype: u16, after: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    for (n, next) in tpids.iter().skip(1).chain([&ethertype]).enumerate() {
        octets.extend(u16::try_from(n + 10).unwrap().to_be_bytes());
        octets.extend(next.to_be_bytes());
    }
    octets.extend(after);
    eth(*tpids.first().unwrap_or(&ethertype), &octets)
}

/// An IPv4 packet; the checksum is made right.
#[derive(Clone)]
pub(super) struct Ip4 {
    pub(super) version_ihl: u8,
    /// `None` = as long as it is.
    pub(super) total: Option<u16>,
    pub(super) flags_offset: u16,
    pub(super) protocol: u8,
    pub(super) options: Vec<u8>,
    pub(super) body: Vec<u8>,
}

impl Ip4 {
    pub(super) fn new(protocol: u8, body: &[u8]) -> Self {
        Self {
            version_ihl: 0x45,
            total: None,
            flags_offset: 0x4000,
            protocol,
            options: vec![],
            body: body.to_vec(),
        }
    }

    pub(super) fn octets(&self) -> Vec<u8> {
        let len = 20 + self.options.len() + self.body.len();
        let total = self.total.unwrap_or(u16::try_from(len).unwrap());
        let mut header = join(&[
            &[self.version_ihl, 0],
            &total.to_be_bytes(),
            &[0, 7],
            &self.flags_offset.to_be_bytes(),
            &[64, self.protocol, 0, 0],
            &SOURCE4,
            &DESTINATION4,
            &self.options,
        ]);
        let checked = header.len().min(usize::from(self.version_ihl & 15) * 4);
        let mut sum: u32 = header[..checked]
            .chunks(2)
            .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])))
            .sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        let checksum = !u16::try_from(sum).unwrap();
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        join(&[&header, &self.body])
    }

    /// In an Ethernet frame.
    pub(super) fn frame(&self) -> Vec<u8> {
        eth(0x0800, &self.octets())
    }
}

pub(super) const SOURCE4: [u8; 4] = [192, 0, 2, 9];
pub(super) const DESTINATION4: [u8; 4] = [192, 0, 2, 1];
pub(super) const SOURCE6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
pub(super) const DESTINATION6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// An IPv6 packet; `payload` as given or as long as it is.
pub(super) fn ip6(next: u8, payload: Option<u16>, body: &[u8]) -> Vec<u8> {
    let payload = payload.unwrap_or(u16::try_from(body.len()).unwrap());
    join(&[
        &[0x60, 0, 0, 0],
        &payload.to_be_bytes(),
        &[next, 64],
        &SOURCE6,
        &DESTINATION6,
        body,
    ])
}

/// An IPv6 packet in an Ethernet frame.
pub(super) fn frame6(next: u8, body: &[u8]) -> Vec<u8> {
    eth(0x86dd, &ip6(next, None, body))
}

/// An extension header of `8 + 8 * more` octets.
pub(super) fn extension(next: u8, more: u8) -> Vec<u8> {
    let mut octets = vec![0; 8 + 8 * usize::from(more)];
    octets[0] = next;
    octets[1] = more;
    octets
}

/// `count` destination options headers, then `last`.
pub(super) fn extensions(count: usize, last: u8) -> Vec<u8> {
    (1..=count)
        .flat_map(|n| extension(if n == count { last } else { 60 }, 0))
        .collect()
}

/// A fragment header; `offset` in octets.
pub(super) fn fragment(next: u8, offset: u16, more: bool) -> Vec<u8> {
    let [high, low] = (offset | u16::from(more)).to_be_bytes();
    vec![next, 0, high, low, 0, 0, 0, 1]
}

/// A hop-by-hop header with these options, padded to eight octets by zeros.
pub(super) fn hop_by_hop(next: u8, options: &[u8]) -> Vec<u8> {
    let mut octets = join(&[&[next, 0], options]);
    octets.resize(octets.len().next_multiple_of(8), 0);
    octets[1] = u8::try_from(octets.len() / 8 - 1).unwrap();
    octets
}

/// A TCP header of 20 octets with this data offset (in words), then `data`.
pub(super) fn tcp(offset: u8, flags: u8, data: &[u8]) -> Vec<u8> {
    join(&[
        &[
            0xc0,
            0x01,
            0x01,
            0xbb,
            1,
            2,
            3,
            4,
            5,
            6,
            7,
            8,
            offset << 4,
            flags,
        ],
        &[0xff, 0xff, 0, 0, 0, 0],
        data,
    ])
}

/// A UDP header with this length field, then `data`.
pub(super) fn udp(length: u16, data: &[u8]) -> Vec<u8> {
    join(&[&[0xc0, 0x02, 0, 53], &length.to_be_bytes(), &[0, 0], data])
}

/// An ICMP message: type, code, identifier 0x1234, sequence 0x5678.
pub(super) fn icmp(kind: u8, code: u8) -> Vec<u8> {
    vec![kind, code, 0, 0, 0x12, 0x34, 0x56, 0x78]
}

/// A label stack of `count`, the last with the bottom bit, then `after`.
pub(super) fn labels(count: usize, after: &[u8]) -> Vec<u8> {
    let mut octets: Vec<u8> = (1..=count)
        .flat_map(|n| [0, 1, 0x40 | u8::from(n == count), 64])
        .collect();
    octets.extend(after);
    octets
}

/// An ARP packet about IPv4 over Ethernet.
pub(super) fn arp(operation: u16, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    join(&[
        &[0, 1, 8, 0, 6, 4],
        &operation.to_be_bytes(),
        &[2, 0, 0, 0, 0, 1],
        &sender,
        &[0; 6],
        &target,
    ])
}
