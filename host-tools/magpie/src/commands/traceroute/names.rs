//! Names of addresses, and the systems that they belong to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use maxminddb::{Reader, path};

use crate::views::text::plain;

/// A name that takes longer to find is left out.
const PATIENCE: Duration = Duration::from_secs(3);
/// Questions to the system's resolver at once.
const AT_ONCE: usize = 32;

/// A name that is looked for.
#[derive(Debug)]
enum Name {
    Asked(Instant),
    Known(Option<String>),
}

/// Names by the system's resolver, looked for in threads of their own: an
/// answer may take as long as it likes without harming a round trip.
#[derive(Debug)]
pub(super) struct Names {
    known: HashMap<IpAddr, Name>,
    waiting: Vec<IpAddr>,
    under_way: usize,
    told: Receiver<(IpAddr, Option<String>)>,
    tell: Sender<(IpAddr, Option<String>)>,
    wanted: bool,
}

impl Names {
    /// Nothing is looked for where numbers are wanted.
    pub(super) fn new(wanted: bool) -> Self {
        let (tell, told) = mpsc::channel();
        Self {
            known: HashMap::new(),
            waiting: Vec::new(),
            under_way: 0,
            told,
            tell,
            wanted,
        }
    }

    /// Begins to look for the name of an address.
    pub(super) fn look_for(&mut self, address: IpAddr) {
        if self.wanted && !self.known.contains_key(&address) {
            self.known.insert(address, Name::Asked(Instant::now()));
            self.waiting.push(address);
        }
        self.turn();
    }

    /// Takes what was found, and asks for more.
    fn turn(&mut self) {
        while let Ok((address, name)) = self.told.try_recv() {
            self.under_way = self.under_way.saturating_sub(1);
            self.known.insert(address, Name::Known(name));
        }
        while self.under_way < AT_ONCE {
            let Some(address) = self.waiting.pop() else {
                return;
            };
            self.under_way += 1;
            let tell = self.tell.clone();
            std::thread::spawn(move || {
                let name = dns_lookup::lookup_addr(&address)
                    .ok()
                    .map(|name| plain(&name))
                    .filter(|name| !name.is_empty() && *name != address.to_string());
                // Nobody waits any more: no harm.
                let _ = tell.send((address, name));
            });
        }
    }

    /// True where it is known what the name is, or that none is to be had.
    pub(super) fn is_settled(&mut self, address: IpAddr) -> bool {
        self.turn();
        match self.known.get(&address) {
            Some(Name::Asked(since)) => since.elapsed() >= PATIENCE,
            Some(Name::Known(_)) | None => true,
        }
    }

    /// The name, where there is one.
    pub(super) fn of(&self, address: IpAddr) -> Option<&str> {
        match self.known.get(&address) {
            Some(Name::Known(name)) => name.as_deref(),
            _ => None,
        }
    }
}

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

    #[test]
    fn numbers_ask_nobody() {
        let mut names = Names::new(false);
        let here = "127.0.0.1".parse().unwrap();
        names.look_for(here);
        assert!(names.is_settled(here));
        assert_eq!(names.of(here), None);
    }
}
