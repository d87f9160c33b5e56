//! Names of ports and protocols.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::Path;

use super::SocketKind;

/// Ports that the system gives out by itself where nothing says otherwise.
const EPHEMERAL: RangeInclusive<u16> = 1024..=4999;

/// `/etc/services`, `/etc/protocols`, and which ports are nobody's in
/// particular.
#[derive(Debug, Clone)]
pub struct Services {
    ports: HashMap<(SocketKind, u16), String>,
    numbers: HashMap<(SocketKind, String), u16>,
    protocols: HashMap<u16, String>,
    ephemeral: RangeInclusive<u16>,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            ports: HashMap::new(),
            numbers: HashMap::new(),
            protocols: HashMap::new(),
            ephemeral: EPHEMERAL,
        }
    }
}

impl Services {
    /// Those of this system. Files that are missing name nothing.
    pub fn of_system() -> Self {
        // Any octets may stand in comments.
        let text = |path: &str| {
            let octets = std::fs::read(Path::new(path)).unwrap_or_default();
            String::from_utf8_lossy(&octets).into_owned()
        };
        Self::from_texts(
            &text("/etc/services"),
            &text("/etc/protocols"),
            &text("/proc/sys/net/ipv4/ip_local_port_range"),
        )
    }

    /// From the text of services(5), protocols(5) and the kernel's range of
    /// local ports.
    pub fn from_texts(services: &str, protocols: &str, local_ports: &str) -> Self {
        let mut known = Self::default();
        for (name, value, aliases) in entries(services) {
            let Some((port, kind)) = value.split_once('/') else {
                continue;
            };
            let kind = match kind {
                "tcp" => SocketKind::Tcp,
                "udp" => SocketKind::Udp,
                _ => continue,
            };
            let Ok(port) = port.parse() else { continue };
            // The first line of a port counts, as in the C library.
            let first = known.ports.entry((kind, port));
            first.or_insert_with(|| name.to_owned());
            for name in std::iter::once(name).chain(aliases) {
                let number = known.numbers.entry((kind, name.to_owned()));
                number.or_insert(port);
            }
        }
        for (name, value, _) in entries(protocols) {
            if let Ok(number) = value.parse() {
                let first = known.protocols.entry(number);
                first.or_insert_with(|| name.to_owned());
            }
        }
        let mut range = local_ports.split_whitespace().map(str::parse);
        if let (Some(Ok(first)), Some(Ok(last))) = (range.next(), range.next()) {
            known.ephemeral = first..=last;
        }
        known
    }

    /// Name of a port; `None` where it has none or is one that the system gives
    /// out by itself.
    pub fn name(&self, kind: SocketKind, port: u16) -> Option<&str> {
        match kind {
            SocketKind::Raw => self.protocols.get(&port).map(String::as_str),
            _ if self.is_ephemeral(port) => None,
            _ => self.ports.get(&(kind, port)).map(String::as_str),
        }
    }

    /// Ports of a name, of TCP and of UDP.
    pub(crate) fn ports(&self, name: &str) -> (Option<u16>, Option<u16>) {
        let of = |kind| self.numbers.get(&(kind, name.to_owned())).copied();
        (of(SocketKind::Tcp), of(SocketKind::Udp))
    }

    /// Ports that the system gives out by itself.
    pub(crate) fn ephemeral(&self) -> RangeInclusive<u16> {
        self.ephemeral.clone()
    }

    /// Whether the system gives this port out by itself.
    pub fn is_ephemeral(&self, port: u16) -> bool {
        self.ephemeral.contains(&port)
    }
}

/// Name, value and other names of each line.
fn entries(text: &str) -> impl Iterator<Item = (&str, &str, std::str::SplitWhitespace<'_>)> {
    text.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?, words))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_the_c_library_reads_them() {
        let services = "\
# a comment
http 80/tcp www www-http # WorldWideWeb
domain\t\t53/tcp
domain\t\t53/udp
other 80/tcp
bad x/tcp
worse 70000/udp
lone
sctp-thing 5/sctp
filenet-tms 32768/tcp
";
        let known = Services::from_texts(services, "ip 0 IP\nicmp 1 ICMP\n", "32768\t60999\n");
        assert_eq!(known.name(SocketKind::Tcp, 80), Some("http"));
        assert_eq!(known.name(SocketKind::Udp, 80), None);
        assert_eq!(known.ports("www"), (Some(80), None));
        assert_eq!(known.ports("domain"), (Some(53), Some(53)));
        assert_eq!(known.name(SocketKind::Raw, 1), Some("icmp"));
        // Has a name, and yet it is nobody's.
        assert_eq!(known.name(SocketKind::Tcp, 32768), None);
        assert!(known.is_ephemeral(60999) && !known.is_ephemeral(61000));
        assert!(Services::from_texts("", "", "").is_ephemeral(1024));
    }
}
