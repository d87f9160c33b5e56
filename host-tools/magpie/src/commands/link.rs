//! Addresses that each link has its own of.

use std::net::{IpAddr, SocketAddr};

/// Says which interface must be named, where an address of one link comes
/// without one; `flag` is the one that names it.
pub(crate) fn check(name: &str, to: SocketAddr, named: bool, flag: &str) -> anyhow::Result<()> {
    let has_zone = matches!(to, SocketAddr::V6(to) if to.scope_id() != 0);
    if named || has_zone || !is_of_one_link(to.ip()) {
        return Ok(());
    }
    let address = to.ip();
    anyhow::bail!(
        "{name}: every link has its own: name the interface, as in {address}%eth0 or {flag} eth0"
    )
}

/// Link-local, or multicast that stays on a link or in an interface (RFC 4007).
fn is_of_one_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) if v6.is_multicast() => matches!(v6.segments()[0] & 0xf, 1 | 2),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_of_one_link_needs_an_interface() {
        let needs = |address: &str| {
            let address: IpAddr = address.parse().unwrap();
            check(&address.to_string(), (address, 0).into(), false, "-I").is_err()
        };
        for one in ["fe80::1", "febf::1", "ff01::1", "ff02::1", "ff12::1"] {
            assert!(needs(one), "{one}");
            let address: IpAddr = one.parse().unwrap();
            assert!(check(one, (address, 0).into(), true, "-I").is_ok());
        }
        for every in [
            "::1",
            "fec0::1",
            "fd00::1",
            "ff05::1",
            "ff0e::1",
            "169.254.0.1",
        ] {
            assert!(!needs(every), "{every}");
        }
        let zoned: SocketAddr = "[fe80::1%3]:0".parse().unwrap();
        assert!(check("fe80::1%eth2", zoned, false, "-I").is_ok());
    }
}
