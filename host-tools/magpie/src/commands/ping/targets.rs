//! Hosts by the words that name them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context as _, bail};
use dns_lookup::{AddrFamily, AddrInfoHints, SockType, getaddrinfo};
use magpie_os::probe::Family;

use crate::views::text::plain;

/// `AI_CANONNAME`, the same on every system that has it.
const CANONICAL: i32 = 2;
/// `AI_NUMERICHOST`, likewise: no name is looked for.
const NUMERIC: i32 = 4;
/// Most hosts of one range: those of a /16.
const RANGE: u32 = 16;

/// Whom to ping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// As it is shown.
    pub(super) name: String,
    pub(super) address: SocketAddr,
    /// It was named by its number.
    pub(super) is_number: bool,
}

impl Target {
    fn numbered(address: IpAddr) -> Self {
        Self {
            name: address.to_string(),
            address: (address, 0).into(),
            is_number: true,
        }
    }
}

/// The hosts that one word means.
pub(super) fn resolve(host: &str, family: Option<Family>) -> anyhow::Result<Vec<Target>> {
    let fits = |address: IpAddr| family.is_none_or(|family| family == Family::of(address));
    if let Some((address, prefix)) = host.split_once('/') {
        let address: IpAddr = address
            .parse()
            .with_context(|| format!("{host}: not an address"))?;
        let prefix: u32 = prefix
            .parse()
            .with_context(|| format!("{host}: not a prefix length"))?;
        let (version, longest) = if address.is_ipv4() { (4, 32) } else { (6, 128) };
        if prefix > longest {
            bail!("{host}: no prefix length of IPv{version}: at most {longest}");
        }
        let range = range(address, prefix).with_context(|| {
            format!("{host}: no range of at most 65536 addresses; name a longer prefix")
        })?;
        if !fits(address) {
            bail!("{host}: not of the IP version that was asked for");
        }
        return Ok(range.into_iter().map(Target::numbered).collect());
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        if !fits(address) {
            bail!("{host}: not of the IP version that was asked for");
        }
        return Ok(vec![Target::numbered(address)]);
    }
    let is_number = is_number(host);
    let hints = AddrInfoHints {
        flags: if is_number { NUMERIC } else { CANONICAL },
        address: match family {
            None => 0,
            Some(Family::V4) => AddrFamily::Inet.into(),
            Some(Family::V6) => AddrFamily::Inet6.into(),
        },
        socktype: SockType::DGram.into(),
        protocol: 0,
    };
    let found = getaddrinfo(Some(host), None, Some(hints)).map_err(std::io::Error::from);
    let first = found
        .with_context(|| host.to_owned())?
        .next()
        .with_context(|| format!("{host}: no address"))?
        .with_context(|| host.to_owned())?;
    Ok(vec![Target {
        name: match first.canonname {
            Some(name) => plain(&name),
            None => host.to_owned(),
        },
        address: first.sockaddr,
        is_number,
    }])
}

/// With an interface (`fe80::1%eth0`) it is a number too, and as `inet_aton` reads
/// it (127.1).
fn is_number(host: &str) -> bool {
    if let Some((address, _)) = host.split_once('%') {
        return address.parse::<IpAddr>().is_ok();
    }
    let hints = AddrInfoHints {
        flags: NUMERIC,
        ..AddrInfoHints::default()
    };
    host.starts_with(|first: char| first.is_ascii_digit())
        && getaddrinfo(Some(host), None, Some(hints)).is_ok()
}

/// The hosts of a network; without the network's own address and its broadcast
/// address, where it has them.
fn range(address: IpAddr, prefix: u32) -> Option<Vec<IpAddr>> {
    let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
    let host_bits = bits.checked_sub(prefix).filter(|bits| *bits <= RANGE)?;
    let first = match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    };
    let size = 1_u128 << host_bits;
    let network = first - first % size;
    let (skip, keep) = match (address, host_bits) {
        (_, 0 | 1) => (0, size),
        (IpAddr::V4(_), _) => (1, size - 2),
        // The subnet-router anycast address (RFC 4291 2.6.1).
        (IpAddr::V6(_), _) => (1, size - 1),
    };
    (skip..skip + keep)
        .map(|n| {
            let address = network + n;
            if bits == 32 {
                Some(Ipv4Addr::from(u32::try_from(address).ok()?).into())
            } else {
                Some(Ipv6Addr::from(address).into())
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(host: &str) -> Vec<String> {
        resolve(host, None)
            .unwrap()
            .into_iter()
            .map(|target| target.name)
            .collect()
    }

    #[test]
    fn ranges_have_their_hosts() {
        assert_eq!(numbers("192.0.2.5/30"), ["192.0.2.5", "192.0.2.6"]);
        assert_eq!(numbers("192.0.2.4/31"), ["192.0.2.4", "192.0.2.5"]);
        assert_eq!(numbers("192.0.2.4/32"), ["192.0.2.4"]);
        assert_eq!(
            numbers("2001:db8::/126"),
            ["2001:db8::1", "2001:db8::2", "2001:db8::3"]
        );
        assert_eq!(numbers("10.0.0.0/24").len(), 254);
        assert_eq!(numbers("10.0.0.0/16").len(), 65_534);
        assert_eq!(
            numbers("255.255.255.255/30"),
            ["255.255.255.253", "255.255.255.254"]
        );
        for wrong in ["10.0.0.0/15", "10.0.0.0/33", "x/24", "2001:db8::/64", "/"] {
            assert!(resolve(wrong, None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_that_is_none_says_why() {
        for (wrong, words) in [
            (
                "10.0.0.5/33",
                "10.0.0.5/33: no prefix length of IPv4: at most 32",
            ),
            ("::1/129", "::1/129: no prefix length of IPv6: at most 128"),
            (
                "10.0.0.5/15",
                "10.0.0.5/15: no range of at most 65536 addresses; name a longer prefix",
            ),
            ("10.0.0.5/-1", "10.0.0.5/-1: not a prefix length"),
        ] {
            let error = resolve(wrong, None).unwrap_err().to_string();
            assert_eq!(error, words);
        }
    }

    /// As `inet_aton` reads them: iputils shows no name for these either.
    #[test]
    fn numbers_of_every_form_are_numbers() {
        for host in ["127.1", "0x7f000001", "2130706433", "017700000001", "0"] {
            let target = &resolve(host, None).unwrap()[0];
            assert!(target.is_number, "{host}");
            assert_eq!(target.name, host);
        }
    }

    #[test]
    fn numbers_are_of_their_version() {
        assert!(resolve("127.0.0.1", Some(Family::V6)).is_err());
        assert!(resolve("::1", Some(Family::V6)).unwrap()[0].is_number);
        assert!(!resolve("localhost", Some(Family::V4)).unwrap()[0].is_number);
    }
}
