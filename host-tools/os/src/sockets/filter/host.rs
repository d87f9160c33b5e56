//! Addresses, ports and names within a filter.

use std::net::IpAddr;

use super::{Names, number, port_of};
use crate::sockets::{End, SocketKind};

/// What an end has to be.
#[derive(Debug, Clone)]
pub(super) enum Host {
    /// One of these networks (any where there is none), and this port.
    Inet {
        networks: Vec<(IpAddr, u8)>,
        port: Option<u32>,
    },
    Unix(Pattern),
}

impl Host {
    /// `10.0.0.1`, `10.0.0.0/8:22`, `[::1]:22`, `::1`, `:22`, `*:22`, `*`, or a
    /// name.
    pub(super) fn parse(word: &str, names: &Names<'_>) -> Result<Self, String> {
        if let Some(network) = network(word) {
            return Ok(Self::Inet {
                networks: vec![network],
                port: None,
            });
        }
        let (address, rest) = if let Some(rest) = word.strip_prefix('[') {
            let Some((address, rest)) = rest.split_once(']') else {
                return Err(format!("`{word}`: a bracket is not closed"));
            };
            // The prefix stands behind the bracket, or in it.
            match rest.find(':') {
                _ if rest.is_empty() => (address.to_owned(), None),
                Some(at) => {
                    let (length, port) = rest.split_at(at);
                    (format!("{address}{length}"), Some(port))
                }
                None => (format!("{address}{rest}"), None),
            }
        } else {
            match word.rfind(':') {
                Some(at) => {
                    let (address, port) = word.split_at(at);
                    (address.to_owned(), Some(port))
                }
                None => (word.to_owned(), None),
            }
        };
        let port = match rest.map(|rest| rest.trim_start_matches(':')) {
            None | Some("" | "*") => None,
            Some(text) => Some(port(text, names)?),
        };
        let networks = match address.as_str() {
            "" | "*" => Vec::new(),
            text => match network(text) {
                Some(network) => vec![network],
                None => host(text, names)?,
            },
        };
        Ok(Self::Inet { networks, port })
    }

    pub(super) fn matches(&self, end: &End) -> bool {
        match (self, end) {
            (Self::Unix(pattern), End::Unix { name, .. }) => {
                pattern.matches(&shown(name.as_deref().unwrap_or_default()))
            }
            (Self::Unix(_), End::Inet { .. }) => false,
            (Self::Inet { networks, port }, end) => {
                port.is_none_or(|port| port == port_of(end))
                    && (networks.is_empty()
                        || matches!(end, End::Inet { address, .. }
                            if networks.iter().any(|network| within(*address, *network))))
            }
        }
    }
}

/// A name as `ss` shows it: with `@` for each zero of one without a file.
fn shown(name: &[u8]) -> Vec<u8> {
    match name {
        [0, ..] => name
            .iter()
            .map(|octet| if *octet == 0 { b'@' } else { *octet })
            .collect(),
        _ => name.to_vec(),
    }
}

/// An address with or without the length of its network.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv6() { 128 } else { 32 };
    let length = match length {
        None => most,
        Some(digits) => digits.parse().ok().filter(|length| *length <= most)?,
    };
    Some((address, length))
}

/// Whether an address is in a network. One of IPv4 that a socket of IPv6 has
/// is in networks of either.
fn within(address: IpAddr, (network, length): (IpAddr, u8)) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => same(
            address.to_bits().into(),
            network.to_bits().into(),
            32,
            length,
        ),
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            same(address.to_bits(), network.to_bits(), 128, length)
        }
        (IpAddr::V6(address), IpAddr::V4(_)) => address
            .to_ipv4_mapped()
            .is_some_and(|address| within(address.into(), (network, length))),
        (IpAddr::V4(_), IpAddr::V6(_)) => false,
    }
}

fn same(left: u128, right: u128, bits: u32, length: u8) -> bool {
    let host_bits = bits.saturating_sub(u32::from(length));
    let shifted = |address: u128| address.checked_shr(host_bits).unwrap_or(0);
    shifted(left) == shifted(right)
}

/// A number, or a name of `/etc/services`. Inodes of unix sockets stand in the
/// place of ports, so it may be longer than one.
pub(super) fn port(text: &str, names: &Names<'_>) -> Result<u32, String> {
    if let Some(port) = number(text) {
        return Ok(port);
    }
    let (tcp, udp) = names.services.ports(text);
    let asked = |kind| names.kinds.contains(&kind);
    let tcp = tcp.filter(|_| asked(SocketKind::Tcp));
    let udp = udp.filter(|_| asked(SocketKind::Udp));
    match (tcp, udp) {
        (Some(tcp), Some(udp)) if tcp != udp => Err(format!(
            "`{text}` is port {tcp} of TCP and {udp} of UDP; write the number"
        )),
        (Some(port), _) | (None, Some(port)) => Ok(port.into()),
        (None, None) => Err(format!(
            "`{text}` is no port: neither a number nor in /etc/services"
        )),
    }
}

fn host(text: &str, names: &Names<'_>) -> Result<Vec<(IpAddr, u8)>, String> {
    // Digits alone, or with a length, were meant as an address.
    let looks_like_address = text.contains('/')
        || text
            .chars()
            .all(|c| c.is_ascii_hexdigit() || matches!(c, '.' | ':'));
    let found = if looks_like_address {
        Vec::new()
    } else {
        (names.resolve)(text)
    };
    if found.is_empty() {
        return Err(format!(
            "`{text}` is neither an address (10.0.0.1, 10.0.0.0/8, [::1]) nor a host that is known"
        ));
    }
    let whole = |address: IpAddr| (address, if address.is_ipv6() { 128 } else { 32 });
    Ok(found.into_iter().map(whole).collect())
}

/// A pattern of the shell, with `*` and `?`; case does not matter.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Vec<u8>);

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_ascii_lowercase().into_bytes())
    }

    fn matches(&self, name: &[u8]) -> bool {
        // How much of both is matched, and where to go on if that was wrong:
        // the last star takes one octet more. So at most their product.
        let (mut at, mut of) = (0, 0);
        let mut star = None;
        while let Some(octet) = name.get(at) {
            match self.0.get(of) {
                Some(b'*') => {
                    star = Some((at, of));
                    of += 1;
                }
                Some(want) if *want == b'?' || *want == octet.to_ascii_lowercase() => {
                    at += 1;
                    of += 1;
                }
                _ => {
                    let Some((from, star_of)) = star else {
                        return false;
                    };
                    star = Some((from + 1, star_of));
                    (at, of) = (from + 1, star_of + 1);
                }
            }
        }
        self.0.iter().skip(of).all(|octet| *octet == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_the_shell() {
        for (pattern, name, matches) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("/run/*.sock", "/run/a/b.sock", true),
            ("/run/*.sock", "/run/b.sock.x", false),
            ("/RUN/?", "/run/x", true),
            ("?", "", false),
            ("*a*b", "xaxxab", true),
            ("*a*b", "xaxxabc", false),
            ("a*", "b", false),
            ("a**", "a", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(name.as_bytes()),
                matches,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn networks() {
        for (address, of, inside) in [
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("11.1.2.3", "0.0.0.0/0", true),
            ("::1", "0.0.0.0/0", false),
            ("::ffff:10.1.2.3", "10.0.0.0/8", true),
            ("::ffff:10.1.2.3", "::ffff:0:0/96", true),
            ("10.1.2.3", "::ffff:0:0/96", false),
            ("2001:db8::1", "2001:db8::/32", true),
            ("2001:db9::1", "2001:db8::/32", false),
            ("::1", "::/0", true),
            ("::1", "::1", true),
            ("::2", "::1", false),
        ] {
            let network = network(of).unwrap();
            assert_eq!(
                within(address.parse().unwrap(), network),
                inside,
                "{address} in {of}"
            );
        }
        assert_eq!(network("10.0.0.0/33"), None);
        assert_eq!(network("::/129"), None);
        assert_eq!(network("10/8"), None);
    }
}
