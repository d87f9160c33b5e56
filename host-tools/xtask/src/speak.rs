//! What an image whose port speaks is told when it is built: its address and its
//! host, where DHCP and the first that commands will not do.
//!
//! They travel as `magpie_node::speak::Settings` reads them, 16 octets in hexadecimal
//! in [`NETWORK`], which the build script of `magpie-node` takes up.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

use anyhow::{Result, bail};

/// `--cfg` of the variant whose port speaks.
pub(crate) const SPEAK_CFG: &str = "magpie_speak";
/// Environment variable of the settings.
pub(crate) const NETWORK: &str = "MAGPIE_NETWORK";

/// Options of `build` and `flash` alike.
#[derive(clap::Args, Debug, Clone, Default)]
pub(crate) struct Voice {
    /// The variant whose port speaks: the IP stack, and records over UDP
    #[arg(long)]
    pub(crate) speak: bool,
    /// Its IPv4 address and the length of its network's prefix, such as
    /// 192.0.2.9/24 [default: by DHCP]
    #[arg(long, value_name = "ADDRESS/PREFIX", requires = "speak")]
    address: Option<Own>,
    /// Where it sends what is for other networks
    #[arg(long, value_name = "ADDRESS", requires = "address")]
    gateway: Option<Ipv4Addr>,
    /// The host that gets its records, and the only one whose commands count, such
    /// as 192.0.2.1:4739 [default: the first that commands]
    #[arg(long, value_name = "ADDRESS:PORT", requires = "speak")]
    pub(crate) host: Option<SocketAddrV4>,
}

/// An address in its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Own {
    address: Ipv4Addr,
    prefix: u8,
}

impl FromStr for Own {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = text
            .split_once('/')
            .ok_or("no /PREFIX behind the address; for a network of 255.255.255.0 that is /24")?;
        let own = Self {
            address: address
                .parse()
                .map_err(|_| format!("`{address}` is no IPv4 address"))?,
            prefix: prefix
                .parse()
                .map_err(|_| format!("`/{prefix}` is no length"))?,
        };
        if !(1..=31).contains(&own.prefix) {
            return Err(format!(
                "a network has a prefix of /1 to /31, not /{prefix}"
            ));
        }
        Ok(own)
    }
}

impl Own {
    fn mask(self) -> u32 {
        u32::MAX << (32 - u32::from(self.prefix.clamp(1, 32)))
    }

    fn is_on_link(self, other: Ipv4Addr) -> bool {
        (self.address.to_bits() ^ other.to_bits()) & self.mask() == 0
    }

    /// Whether it is the network itself, or everybody in it (RFC 3021: neither
    /// where there are two addresses in all).
    fn is_reserved(self, other: Ipv4Addr) -> bool {
        let host = other.to_bits() & !self.mask();
        self.prefix < 31 && self.is_on_link(other) && (host == 0 || host == !self.mask())
    }
}

/// Why nobody can have this address, if so.
fn nobody(address: Ipv4Addr) -> Option<&'static str> {
    let [first, ..] = address.octets();
    match address {
        _ if first == 0 => Some("an address of this network's, of nobody (0.0.0.0/8)"),
        _ if address.is_loopback() => Some("a loopback address"),
        _ if address.is_multicast() => Some("a multicast address"),
        _ if first >= 240 => Some("a reserved address"),
        _ => None,
    }
}

impl Voice {
    /// Speaks, with an address by DHCP and to the first that commands.
    pub(crate) fn plain() -> Self {
        Self {
            speak: true,
            ..Self::default()
        }
    }

    /// Board and host of the tests' cable (`tests/src/udp/host.rs`).
    pub(crate) fn for_tests() -> Self {
        Self {
            speak: true,
            address: Some(Own {
                address: Ipv4Addr::new(10, 99, 0, 2),
                prefix: 24,
            }),
            gateway: None,
            host: Some(SocketAddrV4::new(Ipv4Addr::new(10, 99, 0, 1), 4739)),
        }
    }

    /// What stands in the image's name: an image with settings shall not be found
    /// under the name of the one without.
    pub(crate) fn suffix(&self) -> Option<String> {
        let dashed = |address: Ipv4Addr| address.to_string().replace('.', "-");
        let mut suffix = self.speak.then(|| "speak".to_owned())?;
        if let Some(own) = self.address {
            let _ = write!(suffix, "-{}", dashed(own.address));
        }
        if let Some(host) = self.host {
            let _ = write!(suffix, "-to-{}", dashed(*host.ip()));
        }
        Some(suffix)
    }

    /// The settings as they go into the image; `None` where none are given. Nonsense
    /// is refused: a board on a wall cannot be asked why it is silent.
    pub(crate) fn settings(&self) -> Result<Option<String>> {
        if self.address.is_none() && self.host.is_none() {
            return Ok(None);
        }
        self.check()?;
        let mut octets = [0; 16];
        if let Some(host) = self.host {
            octets[..4].copy_from_slice(&host.ip().octets());
            octets[4..6].copy_from_slice(&host.port().to_be_bytes());
        }
        if let Some(own) = self.address {
            octets[6..10].copy_from_slice(&own.address.octets());
            octets[10] = own.prefix;
        }
        if let Some(gateway) = self.gateway {
            octets[12..].copy_from_slice(&gateway.octets());
        }
        let hex = octets.iter().fold(String::new(), |mut hex, octet| {
            let _ = write!(hex, "{octet:02x}");
            hex
        });
        Ok(Some(hex))
    }

    fn check(&self) -> Result<()> {
        for (option, address) in [
            ("--address", self.address.map(|own| own.address)),
            ("--gateway", self.gateway),
            ("--host", self.host.map(|host| *host.ip())),
        ] {
            let Some(address) = address else { continue };
            if let Some(why) = nobody(address) {
                bail!("{option} {address} is {why}: nobody can have it");
            }
            if self.address.is_some_and(|own| own.is_reserved(address)) {
                bail!("{option} {address} is the network itself, or everybody in it");
            }
        }
        if let Some(host) = self.host.filter(|host| host.port() == 0) {
            bail!("--host {host}: no port 0; `magpie watch udp://0.0.0.0:4739` listens at 4739");
        }
        let Some(own) = self.address else {
            return Ok(());
        };
        let address = own.address;
        if let Some(gateway) = self.gateway {
            if gateway == address {
                bail!("--gateway {gateway} is the board's own address");
            }
            if !own.is_on_link(gateway) {
                bail!(
                    "--gateway {gateway} is not in the network of --address {address}/{}: nobody \
                     could reach it",
                    own.prefix
                );
            }
        }
        if let Some(host) = self.host {
            if *host.ip() == address {
                bail!("--host {host} is the board's own address");
            }
            if self.gateway.is_none() && !own.is_on_link(*host.ip()) {
                bail!(
                    "--host {host} is not in the network of --address {address}/{}: say by which \
                     --gateway it is reached",
                    own.prefix
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Voice;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        speak: Voice,
    }

    fn typed(line: &str) -> Result<Voice, String> {
        let words = ["xtask"].into_iter().chain(line.split_whitespace());
        Cli::try_parse_from(words)
            .map(|cli| cli.speak)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn settings_are_as_the_node_reads_them() {
        for (line, settings, suffix) in [
            ("", None, None),
            ("--speak", None, Some("speak")),
            (
                "--speak --address 10.0.0.9/24 --gateway 10.0.0.254 --host 192.0.2.1:4739",
                Some("c000020112830a00000918000a0000fe"),
                Some("speak-10-0-0-9-to-192-0-2-1"),
            ),
            (
                "--speak --address 10.0.0.9/24",
                Some("0000000000000a000009180000000000"),
                Some("speak-10-0-0-9"),
            ),
            // By DHCP, to a host that is known.
            (
                "--speak --host 192.0.2.1:9",
                Some("c0000201000900000000000000000000"),
                Some("speak-to-192-0-2-1"),
            ),
            (
                "--speak --address 10.0.0.0/31 --host 10.0.0.1:1",
                Some("0a00000100010a0000001f0000000000"),
                Some("speak-10-0-0-0-to-10-0-0-1"),
            ),
        ] {
            let args = typed(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            assert_eq!(args.suffix().as_deref(), suffix, "{line}");
            let told = args.settings().unwrap_or_else(|e| panic!("{line}: {e}"));
            assert_eq!(told.as_deref(), settings, "{line}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for (line, says) in [
            ("--address 10.0.0.9/24", "--speak"),
            ("--host 10.0.0.9:1", "--speak"),
            ("--speak --gateway 10.0.0.254", "--address"),
            ("--speak --address 10.0.0.9", "no /PREFIX"),
            ("--speak --address 10.0.0.300/24", "no IPv4 address"),
            ("--speak --address 10.0.0.9/x", "no length"),
            ("--speak --address 10.0.0.9/0", "/1 to /31"),
            ("--speak --address 10.0.0.9/32", "/1 to /31"),
            ("--speak --host 10.0.0.1", "--host"),
            ("--speak --host [::1]:4739", "--host"),
            ("--speak --host 10.0.0.1:0", "no port 0"),
            ("--speak --host 0.0.0.0:4739", "nobody"),
            ("--speak --host 127.0.0.1:4739", "loopback"),
            ("--speak --address 224.0.0.9/24", "multicast"),
            ("--speak --address 255.255.255.255/8", "reserved"),
            ("--speak --address 10.0.0.255/24", "everybody in it"),
            ("--speak --address 10.0.0.0/24", "the network itself"),
            (
                "--speak --address 10.0.0.9/24 --gateway 10.0.1.254",
                "nobody could reach it",
            ),
            (
                "--speak --address 10.0.0.9/24 --gateway 10.0.0.9",
                "own address",
            ),
            (
                "--speak --address 10.0.0.9/24 --gateway 10.0.0.255",
                "everybody",
            ),
            (
                "--speak --address 10.0.0.9/24 --host 10.0.0.9:1",
                "own address",
            ),
            (
                "--speak --address 10.0.0.9/24 --host 10.0.1.1:1",
                "which --gateway",
            ),
        ] {
            let told = typed(line).and_then(|args| args.settings().map_err(|e| e.to_string()));
            let error = told.expect_err(line).replace('\n', " ");
            assert!(error.contains(says), "{line}: {error}");
        }
    }
}
