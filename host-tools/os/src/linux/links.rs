//! Interfaces by rtnetlink(7), and what only their drivers know.

use std::collections::HashMap;
use std::io;

use socket2::{Domain, Socket, Type};

use super::card;
use super::interface::offloads;
use super::netlink::{attributes, list};
use crate::octets;
use crate::{Interface, InterfaceAddress, InterfaceCounters, OsError};

// linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h
const GET_LINK: u16 = 18;
const GET_ADDRESS: u16 = 22;
const LINK_ADDRESS: u16 = 1;
const LINK_NAME: u16 = 3;
const LINK_MTU: u16 = 4;
const LINK_CONTROLLER: u16 = 10;
const LINK_STATE: u16 = 16;
const LINK_INFO: u16 = 18;
const LINK_INFO_KIND: u16 = 1;
const LINK_COUNTERS: u16 = 23;
const ADDRESS: u16 = 1;
const ADDRESS_LOCAL: u16 = 2;
/// `struct ifinfomsg`, `struct ifaddrmsg`.
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;

/// Interfaces of this network, in the kernel's order.
pub fn interfaces() -> Result<Vec<Interface>, OsError> {
    let failed = |reason| OsError::Io {
        thing: "interfaces".to_owned(),
        what: "the kernel does not list them",
        reason,
        advice: "see `ip link`",
    };
    let links = links().map_err(failed)?;
    let mut addresses: HashMap<u32, Vec<InterfaceAddress>> = HashMap::new();
    for (index, address) in self::addresses().map_err(failed)? {
        addresses.entry(index).or_default().push(address);
    }
    let names: HashMap<_, _> = links
        .iter()
        .map(|link| (link.of.index, link.of.name.clone()))
        .collect();
    // Any socket will do to ask drivers; without one they are not asked.
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None).ok();
    Ok(links
        .into_iter()
        .map(|link| {
            let mut found = link.of;
            found.addresses = addresses.remove(&found.index).unwrap_or_default();
            found.controller = link.controller.and_then(|index| names.get(&index)).cloned();
            let index = found.index.cast_signed();
            (found.mbit, found.full_duplex) = card::speed(&found.name, index);
            // The loopback interface has no card: what merges there never was a frame.
            if let Some(socket) = socket.as_ref().filter(|_| !found.is_loopback()) {
                found.offloads = offloads(socket, &found.name);
            }
            found
        })
        .collect())
}

/// Names by number.
pub(super) fn names() -> io::Result<HashMap<u32, String>> {
    let links = links()?.into_iter();
    Ok(links.map(|link| (link.of.index, link.of.name)).collect())
}

/// What the kernel says, with the number of what it is part of.
pub(super) struct Link {
    of: Interface,
    controller: Option<u32>,
}

fn links() -> io::Result<Vec<Link>> {
    list(
        libc::NETLINK_ROUTE as isize,
        GET_LINK,
        &[0; LINK_HEADER],
        link,
    )
}

fn addresses() -> io::Result<Vec<(u32, InterfaceAddress)>> {
    let protocol = libc::NETLINK_ROUTE as isize;
    list(protocol, GET_ADDRESS, &[0; ADDRESS_HEADER], address)
}

pub(super) fn link(body: &[u8]) -> Option<Link> {
    let mut found = Link {
        of: Interface {
            index: octets::u32(body, 4)?,
            name: String::new(),
            hardware: octets::u16(body, 2)?,
            flags: octets::u32(body, 8)?,
            state: state(0),
            mtu: 0,
            address: Vec::new(),
            addresses: Vec::new(),
            controller: None,
            kind: None,
            mbit: None,
            full_duplex: None,
            counters: InterfaceCounters::default(),
            offloads: Vec::new(),
        },
        controller: None,
    };
    for (kind, value) in attributes(body, LINK_HEADER) {
        match kind {
            LINK_NAME => found.of.name = text(value),
            LINK_MTU => found.of.mtu = octets::u32(value, 0)?,
            LINK_ADDRESS => found.of.address = value.to_vec(),
            LINK_STATE => found.of.state = state(octets::u8(value, 0)?),
            LINK_CONTROLLER => found.controller = octets::u32(value, 0),
            LINK_COUNTERS => found.of.counters = counters(value)?,
            LINK_INFO => {
                let kind = attributes(value, 0).find(|(kind, _)| *kind == LINK_INFO_KIND);
                found.of.kind = kind.map(|(_, value)| text(value));
            }
            _ => {}
        }
    }
    Some(found)
}

/// RFC 2863, `IF_OPER_...`
fn state(number: u8) -> &'static str {
    match number {
        1 => "not present",
        2 => "down",
        3 => "lower layer down",
        4 => "testing",
        5 => "dormant",
        6 => "up",
        _ => "unknown",
    }
}

fn counters(value: &[u8]) -> Option<InterfaceCounters> {
    let counter = |n: usize| octets::u64(value, n * 8);
    Some(InterfaceCounters {
        rx_packets: counter(0)?,
        tx_packets: counter(1)?,
        rx_octets: counter(2)?,
        tx_octets: counter(3)?,
        rx_errors: counter(4)?,
        tx_errors: counter(5)?,
        rx_dropped: counter(6)?,
        tx_dropped: counter(7)?,
        multicast: counter(8)?,
        collisions: counter(9)?,
        rx_length_errors: counter(10)?,
        rx_over_errors: counter(11)?,
        rx_crc_errors: counter(12)?,
        rx_frame_errors: counter(13)?,
        rx_fifo_errors: counter(14)?,
        rx_missed_errors: counter(15)?,
        tx_aborted_errors: counter(16)?,
        tx_carrier_errors: counter(17)?,
        tx_fifo_errors: counter(18)?,
    })
}

pub(super) fn address(body: &[u8]) -> Option<(u32, InterfaceAddress)> {
    let ipv6 = match i32::from(octets::u8(body, 0)?) {
        libc::AF_INET => false,
        libc::AF_INET6 => true,
        _ => return None,
    };
    let prefix = octets::u8(body, 1)?;
    let index = octets::u32(body, 4)?;
    let mut whole = None;
    let mut local = None;
    for (kind, value) in attributes(body, ADDRESS_HEADER) {
        match kind {
            ADDRESS => whole = octets::address(value, ipv6),
            ADDRESS_LOCAL => local = octets::address(value, ipv6),
            _ => {}
        }
    }
    // On a link with two ends, ADDRESS is the other one.
    let address = local.or(whole)?;
    let peer = whole.filter(|whole| *whole != address);
    let found = InterfaceAddress {
        address,
        prefix,
        peer,
    };
    Some((index, found))
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|octet| *octet == 0);
    let value = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::netlink::tests::attribute;
    use super::*;

    fn header(hardware: u16, index: u32, flags: u32) -> Vec<u8> {
        let mut body = vec![0, 0];
        body.extend(hardware.to_ne_bytes());
        body.extend(index.to_ne_bytes());
        body.extend(flags.to_ne_bytes());
        body.extend([0; 4]);
        body
    }

    #[test]
    fn a_link_is_read() {
        let mut body = header(1, 7, 0x1_1043);
        body.extend(attribute(LINK_NAME, b"eth0\0"));
        body.extend(attribute(LINK_MTU, &1500_u32.to_ne_bytes()));
        body.extend(attribute(LINK_ADDRESS, &[2, 0, 0, 0, 0, 1]));
        body.extend(attribute(LINK_STATE, &[6]));
        body.extend(attribute(LINK_CONTROLLER, &9_u32.to_ne_bytes()));
        let kind = attribute(LINK_INFO_KIND, b"veth\0");
        body.extend(attribute(0x8000 | LINK_INFO, &kind));
        let values: Vec<u8> = (0..25_u64).flat_map(u64::to_ne_bytes).collect();
        body.extend(attribute(LINK_COUNTERS, &values));
        let got = link(&body).unwrap();
        assert_eq!((got.of.name.as_str(), got.of.index), ("eth0", 7));
        assert_eq!((got.of.mtu, got.of.state), (1500, "up"));
        assert_eq!(
            (got.controller, got.of.kind.as_deref()),
            (Some(9), Some("veth"))
        );
        let names: Vec<_> = got.of.flag_names().collect();
        assert_eq!(
            names,
            ["UP", "BROADCAST", "RUNNING", "MULTICAST", "LOWER_UP"]
        );
        for (n, (name, value)) in got.of.counters.fields().into_iter().enumerate() {
            assert_eq!(u64::try_from(n).unwrap(), value, "{name}");
        }
        assert!(got.of.cannot_be_captured().is_none());
        let tunnel = link(&header(776, 1, 0)).unwrap().of;
        assert!(tunnel.cannot_be_captured().unwrap().contains("776"));
        for length in 0..12 {
            assert!(link(&body[..length]).is_none());
        }
    }

    #[test]
    fn an_address_is_read() {
        let mut body = vec![2, 24, 0, 0];
        body.extend(7_u32.to_ne_bytes());
        let mut point = body.clone();
        body.extend(attribute(ADDRESS, &[10, 0, 0, 1]));
        body.extend(attribute(ADDRESS_LOCAL, &[10, 0, 0, 1]));
        let (index, got) = address(&body).unwrap();
        assert_eq!((index, got.prefix, got.peer), (7, 24, None));
        assert_eq!(got.address, std::net::IpAddr::from([10, 0, 0, 1]));
        point.extend(attribute(ADDRESS, &[10, 0, 0, 2]));
        point.extend(attribute(ADDRESS_LOCAL, &[10, 0, 0, 1]));
        let (_, got) = address(&point).unwrap();
        assert_eq!(got.address, std::net::IpAddr::from([10, 0, 0, 1]));
        assert_eq!(got.peer, Some([10, 0, 0, 2].into()));
        assert!(address(&point[..8]).is_none());
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(rest in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut body = header(1, 1, 1);
            body.extend(&rest);
            let _ = link(&body);
            let _ = link(&rest);
            let _ = address(&rest);
        }
    }
}
