//! What the outside says about the network before boot.

use core::net::{Ipv4Addr, SocketAddrV4};

/// Octets of encoded [`Settings`].
pub const SETTINGS_OCTETS: usize = 16;

/// What the image was built with (`cargo xtask build --speak --address …`).
const BUILT_IN: [u8; SETTINGS_OCTETS] = include!(concat!(env!("OUT_DIR"), "/network.rs"));

/// An address that is not asked for by DHCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnAddress {
    /// The sensor's address.
    pub address: Ipv4Addr,
    /// Bits of the network's part, at most 32.
    pub prefix: u8,
    /// Where packets to other networks go.
    pub gateway: Option<Ipv4Addr>,
}

/// How to speak. All octets zero: an address by DHCP, and records go to the
/// first host that sends commands.
///
/// | octets | field |
/// |---|---|
/// | 0-3 | host's address; 0.0.0.0 = none |
/// | 4-5 | its port, big endian |
/// | 6-9 | own address; 0.0.0.0 = DHCP |
/// | 10 | its prefix length |
/// | 11 | 0 |
/// | 12-15 | gateway; 0.0.0.0 = none |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// Where records go, and the only one whose commands are heard.
    pub host: Option<SocketAddrV4>,
    /// The sensor's own address; by DHCP where there is none.
    pub own: Option<OwnAddress>,
}

impl Settings {
    /// Those that the image was built with: none, unless it was told some.
    pub fn built_in() -> Self {
        Self::parse(&BUILT_IN)
    }

    /// Those given at boot; where none are given, those built in.
    pub fn at_boot(octets: &[u8; SETTINGS_OCTETS]) -> Self {
        if *octets == [0; SETTINGS_OCTETS] {
            Self::built_in()
        } else {
            Self::parse(octets)
        }
    }

    /// Reads them. What cannot be one is left out.
    pub fn parse(octets: &[u8; SETTINGS_OCTETS]) -> Self {
        let [
            h0,
            h1,
            h2,
            h3,
            p0,
            p1,
            a0,
            a1,
            a2,
            a3,
            prefix,
            _,
            g0,
            g1,
            g2,
            g3,
        ] = *octets;
        let given = |a: Ipv4Addr| (!a.is_unspecified()).then_some(a);
        let port = u16::from_be_bytes([p0, p1]);
        let host = given(Ipv4Addr::new(h0, h1, h2, h3)).filter(|_| port != 0);
        let own = given(Ipv4Addr::new(a0, a1, a2, a3)).filter(|_| prefix <= 32);
        Self {
            host: host.map(|address| SocketAddrV4::new(address, port)),
            own: own.map(|address| OwnAddress {
                address,
                prefix,
                gateway: given(Ipv4Addr::new(g0, g1, g2, g3)),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_given_is_nothing_set() {
        assert_eq!(Settings::parse(&[0; 16]), Settings::default());
        assert_eq!(Settings::at_boot(&[0; 16]), Settings::built_in());
    }

    #[test]
    fn every_field_is_found() {
        let octets = [10, 0, 0, 1, 0x12, 0x83, 10, 0, 0, 9, 24, 0, 10, 0, 0, 254];
        let settings = Settings::parse(&octets);
        assert_eq!(settings.host, Some("10.0.0.1:4739".parse().unwrap()));
        let own = settings.own.unwrap();
        assert_eq!(own.address, Ipv4Addr::new(10, 0, 0, 9));
        assert_eq!(own.prefix, 24);
        assert_eq!(own.gateway, Some(Ipv4Addr::new(10, 0, 0, 254)));
        assert_eq!(Settings::at_boot(&octets), settings);
    }

    #[test]
    fn what_cannot_be_is_left_out() {
        let mut octets = [1; 16];
        octets[4] = 0;
        octets[5] = 0;
        octets[10] = 33;
        assert_eq!(Settings::parse(&octets), Settings::default());
    }
}
