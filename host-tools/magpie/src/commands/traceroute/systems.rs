//! The systems that addresses belong to.

use std::net::IpAddr;
use std::path::Path;

use anyhow::Context as _;
use maxminddb::{Reader, path};

/// AS numbers from a file.
#[derive(Debug)]
pub(super) struct Systems(Reader<Vec<u8>>);

impl Systems {
    pub(super) fn open(file: &Path) -> anyhow::Result<Self> {
        let reader = Reader::open_readfile(file);
        reader
            .map(Self)
            .with_context(|| format!("{}: not an MMDB file that can be read", file.display()))
    }

    /// The AS that announces the network of an address.
    pub(super) fn of(&self, address: IpAddr) -> Option<u32> {
        let found = self.0.lookup(address).ok()?;
        found.decode_path(&path!["autonomous_system_number"]).ok()?
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A string, as MMDB 2.0 writes it.
    fn text(text: &str) -> Vec<u8> {
        let length = u8::try_from(text.len()).unwrap();
        assert!(length < 29);
        [&[2 << 5 | length], text.as_bytes()].concat()
    }

    /// A database that knows 10.0.0.0/8 and its AS.
    fn database(asn: u32) -> Vec<u8> {
        let nodes = 8_u32;
        let mut octets = Vec::new();
        for bit in 0..8 {
            let next = match bit {
                7 => nodes + 16,
                bit => bit + 1,
            };
            let is_set = 10_u8 >> (7 - bit) & 1 == 1;
            let pair = if is_set { [nodes, next] } else { [next, nodes] };
            octets.extend(
                pair.iter()
                    .flat_map(|record| record.to_be_bytes()[1..].to_vec()),
            );
        }
        octets.extend([0; 16]);
        octets.push(7 << 5 | 1);
        octets.extend(text("autonomous_system_number"));
        octets.push(6 << 5 | 4);
        octets.extend(asn.to_be_bytes());
        octets.extend(b"\xab\xcd\xefMaxMind.com");
        octets.push(7 << 5 | 9);
        for (name, value) in [
            ("binary_format_major_version", 2_u8),
            ("binary_format_minor_version", 0),
            ("ip_version", 4),
            ("node_count", 8),
            ("record_size", 24),
        ] {
            octets.extend(text(name));
            let kind = if name == "node_count" { 6 } else { 5 };
            octets.extend([kind << 5 | 1, value]);
        }
        octets.extend(text("build_epoch"));
        octets.extend([1, 2, 1]);
        octets.extend(text("database_type"));
        octets.extend(text("test"));
        octets.extend(text("description"));
        octets.push(7 << 5);
        octets.extend(text("languages"));
        octets.extend([0, 4]);
        octets
    }

    #[test]
    fn an_as_comes_from_the_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&database(64_500)).unwrap();
        let systems = Systems::open(file.path()).unwrap();
        assert_eq!(systems.of("10.1.2.3".parse().unwrap()), Some(64_500));
        assert_eq!(systems.of("11.1.2.3".parse().unwrap()), None);
        assert_eq!(systems.of("::1".parse().unwrap()), None);
    }

    #[test]
    fn a_file_that_is_none_is_refused_by_name() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"no database").unwrap();
        let error = Systems::open(file.path()).unwrap_err().to_string();
        assert!(
            error.contains(&file.path().display().to_string()),
            "{error}"
        );
    }
}
