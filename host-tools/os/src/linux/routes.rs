//! The routing table as `netstat` reads it: `/proc/net/route`, `ipv6_route`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::proc_net;
use crate::{OsError, Route};

/// Routes of this network: those of IPv4 in the main table, or all of IPv6.
/// None where the kernel does not have that protocol.
pub fn routes(ipv6: bool) -> Result<Vec<Route>, OsError> {
    let name = if ipv6 { "ipv6_route" } else { "route" };
    let octets = match proc_net::text(name) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        octets => octets.map_err(|reason| OsError::Io {
            thing: name.to_owned(),
            what: "the routing table cannot be read",
            reason,
            advice: "see that /proc is mounted",
        })?,
    };
    let text = String::from_utf8_lossy(&octets);
    let lines = text.lines();
    Ok(if ipv6 {
        lines.filter_map(route6).collect()
    } else {
        let routes = lines.skip(1).filter_map(route4);
        routes.filter(Route::is_up).collect()
    })
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT`
pub(super) fn route4(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |n: usize| words.get(n).copied();
    let address = |n| match proc_net::address_of_words(word(n)?)? {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    };
    let number = |n| word(n)?.parse().ok();
    let mask: Ipv4Addr = address(7)?;
    Some(Route {
        destination: address(1)?.into(),
        prefix: u8::try_from(mask.to_bits().leading_ones()).ok()?,
        gateway: address(2)?.into(),
        flags: u32::from_str_radix(word(3)?, 16).ok()?,
        references: number(4)?,
        uses: number(5)?,
        metric: number(6)?,
        mss: number(8)?,
        window: number(9)?,
        irtt_ms: number(10)?,
        interface: word(0)?.to_owned(),
    })
}

/// `destination length source length next-hop metric references uses flags
/// interface`, all numbers in hexadecimal, addresses in network order.
pub(super) fn route6(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |n: usize| words.get(n).copied();
    let address = |n| {
        let digits = word(n)?;
        let bits = u128::from_str_radix(digits, 16).ok();
        bits.filter(|_| digits.len() == 32).map(Ipv6Addr::from_bits)
    };
    let number = |n| u32::from_str_radix(word(n)?, 16).ok();
    Some(Route {
        destination: address(0)?.into(),
        prefix: u8::try_from(number(1)?).ok().filter(|n| *n <= 128)?,
        gateway: address(4)?.into(),
        metric: number(5)?,
        references: number(6)?,
        uses: number(7)?,
        flags: number(8)?,
        mss: 0,
        window: 0,
        irtt_ms: 0,
        interface: word(9)?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_proc_are_read() {
        let line = "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t1400\t7\t8   ";
        let got = route4(line).unwrap();
        assert_eq!(got.gateway, IpAddr::from([192, 0, 2, 1]));
        assert_eq!((got.prefix, got.metric), (0, 100));
        assert_eq!((got.mss, got.window, got.irtt_ms), (1400, 7, 8));
        assert_eq!(
            (got.flag_letters(), got.interface.as_str()),
            ("UG".into(), "eth0")
        );
        let line = "*\t00000A0A\t00000000\t0201\t0\t0\t0\t0000FFFF\t0\t0\t0";
        let got = route4(line).unwrap();
        assert_eq!((got.prefix, got.flag_letters()), (16, "!".into()));
    }

    #[test]
    fn lines_of_ipv6_are_read() {
        let line = "20010db8000000000000000000000000 20 00000000000000000000000000000000 00 \
                    fd000000000000000000000000000001 00000400 00000002 00000003 00040003     eth0";
        let got = route6(line).unwrap();
        assert_eq!(got.destination, "2001:db8::".parse::<IpAddr>().unwrap());
        assert_eq!(got.gateway, "fd00::1".parse::<IpAddr>().unwrap());
        assert_eq!((got.prefix, got.metric), (32, 1024));
        assert_eq!((got.references, got.uses), (2, 3));
        assert_eq!(got.flag_letters(), "UGA");
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC*", words in proptest::collection::vec("[0-9a-f]{1,33}", 0..12)) {
            let _ = route4(&line);
            let _ = route6(&line);
            let _ = route4(&words.join(" "));
            let _ = route6(&words.join(" "));
        }
    }
}
