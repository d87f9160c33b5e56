//! The classic traceroute of Linux (Butskoy's).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::read;

/// One entry of an MPLS label stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// The label, 20 bits.
    pub label: u32,
    /// Traffic class, 3 bits.
    pub class: u8,
    /// Bottom of the stack.
    pub bottom: bool,
    /// Its own TTL.
    pub ttl: u8,
}

/// What came of one probe.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Probe {
    /// Who answered; nobody, `*`.
    pub from: Option<IpAddr>,
    /// Round trip, milliseconds.
    pub ms: Option<f64>,
    /// `!H`, `!<5>`, `!F-1300`, as printed.
    pub annotation: Option<String>,
    /// The labels that the answer quotes, outermost first.
    pub labels: Vec<Label>,
    /// `F=1300`: the MTU that was learnt with this answer.
    pub mtu: Option<u32>,
}

/// One hop.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hop {
    /// Its TTL.
    pub ttl: u8,
    /// Its probes as they were sent.
    pub probes: Vec<Probe>,
}

/// One run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Traced {
    /// By TTL.
    pub hops: Vec<Hop>,
}

impl Hop {
    /// Who answered.
    pub fn hosts(&self) -> BTreeSet<IpAddr> {
        self.probes.iter().filter_map(|probe| probe.from).collect()
    }

    /// What they said with it.
    pub fn annotations(&self) -> BTreeSet<&str> {
        let said = self.probes.iter();
        said.filter_map(|probe| probe.annotation.as_deref())
            .collect()
    }

    /// The labels that each of them saw.
    pub fn labels(&self) -> BTreeMap<IpAddr, Vec<Label>> {
        let seen = self.probes.iter().filter(|probe| !probe.labels.is_empty());
        seen.filter_map(|probe| Some((probe.from?, probe.labels.clone())))
            .collect()
    }

    /// Round trips, milliseconds.
    pub fn round_trips(&self) -> Vec<f64> {
        self.probes.iter().filter_map(|probe| probe.ms).collect()
    }
}

impl Traced {
    /// Reads what `traceroute -n` printed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut hops = Vec::new();
        for line in text.lines() {
            if line.is_empty() || line.starts_with("traceroute to ") {
                continue;
            }
            let mut words = line.split_whitespace();
            let ttl = read(words.next().unwrap_or_default(), line)?;
            let probes = probes(words, line)?;
            hops.push(Hop { ttl, probes });
        }
        if hops.is_empty() {
            return Err(format!("no hop in {text:?}"));
        }
        Ok(Self { hops })
    }

    /// Who answered at each hop.
    pub fn hosts(&self) -> Vec<BTreeSet<IpAddr>> {
        self.hops.iter().map(Hop::hosts).collect()
    }
}

fn probes<'a>(words: impl Iterator<Item = &'a str>, line: &str) -> Result<Vec<Probe>, String> {
    let mut probes = Vec::<Probe>::new();
    // A host and its labels stand before all the times that are theirs.
    let mut host = Probe::default();
    let mut ms = None;
    for word in words {
        let needs_one = || format!("`{word}` before any answer in `{line}`");
        if word == "*" {
            probes.push(Probe::default());
        } else if word == "ms" {
            let ms = ms.take().ok_or_else(needs_one)?;
            probes.push(Probe {
                ms: Some(ms),
                ..host.clone()
            });
        } else if word.starts_with('!') {
            probes.last_mut().ok_or_else(needs_one)?.annotation = Some(word.to_owned());
        } else if let Some(mtu) = word.strip_prefix("F=") {
            probes.last_mut().ok_or_else(needs_one)?.mtu = Some(read(mtu, line)?);
        } else if word.starts_with("'-") {
            // Hops of the way back, where they are others than there.
        } else if let Some(stack) = word.strip_prefix("<MPLS:") {
            host.labels = labels(stack.trim_end_matches('>'), line)?;
        } else if let Ok(from) = word.parse() {
            host = Probe {
                from: Some(from),
                ..Probe::default()
            };
        } else {
            ms = Some(read(word, line)?);
        }
    }
    Ok(probes)
}

/// `L=16003,E=5,S=0,T=0/L=24017,E=0,S=1,T=7`
fn labels(stack: &str, line: &str) -> Result<Vec<Label>, String> {
    let entry = |text: &str| {
        let field = |name: &str| {
            let mut all = text.split(',').filter_map(|f| f.strip_prefix(name));
            all.next()
                .ok_or_else(|| format!("no `{name}` in `{text}` in `{line}`"))
        };
        Ok(Label {
            label: read(field("L=")?, line)?,
            class: read(field("E=")?, line)?,
            bottom: field("S=")? == "1",
            ttl: read(field("T=")?, line)?,
        })
    };
    stack.split('/').map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::{BTreeSet, Label, Traced};

    #[test]
    fn several_hosts_silence_and_annotations() {
        let text = "\
traceroute to 10.3.4.2 (10.3.4.2), 30 hops max, 60 byte packets
 1  10.3.1.2  0.488 ms F=1500  0.432 ms  0.420 ms
 2  10.3.5.2  0.408 ms 10.3.2.2  0.381 ms  0.275 ms
 3  * * *
 4  2001:db8:7:2::2  0.024 ms !<5> * 2001:db8:7:2::2  0.019 ms !X
";
        let run = Traced::parse(text).expect("all of it");
        let hosts = run.hosts();
        let hosts: Vec<_> = hosts.iter().map(BTreeSet::len).collect();
        assert_eq!(hosts, [1, 2, 0, 1]);
        let probes: Vec<_> = run.hops.iter().map(|hop| hop.probes.len()).collect();
        assert_eq!(probes, [3, 3, 3, 3]);
        assert_eq!(run.hops[0].probes[0].mtu, Some(1500));
        assert_eq!(run.hops[1].round_trips(), [0.408, 0.381, 0.275]);
        assert_eq!(run.hops[3].annotations(), ["!<5>", "!X"].into());
        assert_eq!(run.hops[3].round_trips(), [0.024, 0.019]);
    }

    #[test]
    fn labels_are_those_of_the_host_before_them() {
        let text = " 3  10.6.3.2 <MPLS:L=16003,E=5,S=0,T=0/L=24017,E=0,S=1,T=7>  0.4 ms  0.4 ms 10.6.4.2  1 ms\n";
        let run = Traced::parse(text).expect("all of it");
        let outer = Label {
            label: 16003,
            class: 5,
            bottom: false,
            ttl: 0,
        };
        let inner = Label {
            label: 24017,
            class: 0,
            bottom: true,
            ttl: 7,
        };
        let expected = [([10, 6, 3, 2].into(), vec![outer, inner])].into();
        assert_eq!(run.hops[0].labels(), expected);
        assert_eq!(run.hops[0].probes[1].labels, [outer, inner]);
        assert!(run.hops[0].probes[2].labels.is_empty());
    }

    #[test]
    fn what_is_not_understood_fails() {
        assert!(Traced::parse("").is_err());
        assert!(Traced::parse(" 1  router.example  0.1 ms\n").is_err());
        assert!(Traced::parse(" 1  !H\n").is_err());
    }
}
