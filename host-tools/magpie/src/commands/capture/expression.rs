//! The filter: its text, its program, and who runs it.

use std::fs;

use anyhow::Context as _;
use magpie_capture::filter::{Compile, Filter, Listing};
use magpie_protocol::BpfInstruction;

use super::sensor::Asks;
use crate::cli::capture::{Capture as Options, Request};

/// A compiled expression.
pub(super) struct Expression {
    /// `None`: all packets, which nobody need compile.
    filter: Option<Filter>,
    /// Frames are seen with their tags.
    literal: bool,
    compile: Compile,
}

impl Expression {
    pub(super) fn compile(options: &Options, request: &Request) -> anyhow::Result<Self> {
        let text = match &options.filter_file {
            // What else the command line says is ignored then, as in tcpdump.
            Some(path) => {
                let text = fs::read_to_string(path);
                without_comments(&text.with_context(|| format!("-F {}", path.display()))?)
            }
            None => request.expression.clone(),
        };
        let compile = Compile {
            snap_len: match options.snap_len {
                0 => Compile::default().snap_len,
                octets => octets,
            },
            optimize: !options.no_optimize,
        };
        let filter = match &*text {
            "" => None,
            text => Some(Filter::compile(text, compile)?),
        };
        let says_vlan = filter.as_ref().is_some_and(Filter::says_vlan);
        Ok(Self {
            filter,
            literal: options.no_vlan || says_vlan,
            compile,
        })
    }

    /// tcpdump's `-d`, `-dd`, `-ddd`.
    pub(super) fn listing(&self, how: u8) -> anyhow::Result<String> {
        let listing = match how {
            1 => Listing::Readable,
            2 => Listing::C,
            _ => Listing::Decimal,
        };
        Ok(match &self.filter {
            Some(filter) => filter.listing(listing),
            None => Filter::compile("", self.compile)?.listing(listing),
        })
    }

    /// For the file; `None`: all packets.
    pub(super) fn text(&self) -> Option<String> {
        self.filter
            .as_ref()
            .map(|filter| filter.expression().to_owned())
    }

    /// Whether it takes a frame.
    #[inline]
    pub(super) fn takes(&self, octets: &[u8], wire_len: u32) -> bool {
        let filter = self.filter.as_ref();
        filter.is_none_or(|filter| filter.run(octets, wire_len, self.literal) != 0)
    }

    /// What is to be said where it runs on packets as they come.
    pub(super) fn caution(&self) -> Option<&'static str> {
        let text = self.text()?;
        says_ip_broadcast(&text).then_some(
            "ip broadcast: takes 255.255.255.255 and 0.0.0.0 only, since the network's own \
             broadcast address is not known here; name that with dst host",
        )
    }

    /// What a sensor is asked for; `alone`: no other source gives packets.
    pub(super) fn asks(&self, options: &Options, alone: bool) -> anyhow::Result<Asks> {
        /// `BPF_RET | BPF_K`.
        const RETURN: u16 = 0x06;
        let program = match &self.filter {
            Some(filter) => filter
                .for_sensor()?
                .instructions()
                .iter()
                .map(|of| BpfInstruction {
                    code: of.code,
                    jt: of.jt,
                    jf: of.jf,
                    k: of.k,
                })
                .collect(),
            None => vec![BpfInstruction {
                code: RETURN,
                jt: 0,
                jf: 0,
                k: self.compile.snap_len,
            }],
        };
        Ok(Asks {
            program,
            literal: self.literal,
            snap_len: options.snap_len,
            packets: match options.count_packets {
                Some(count) if alone => count.get(),
                _ => 0,
            },
        })
    }
}

/// What a file of `-F` says without its comments, which go from a `#` to the end
/// of the line, as in tcpdump's.
fn without_comments(text: &str) -> String {
    let lines = text.split('\n');
    let said: Vec<_> = lines
        .map(|line| line.split_once('#').map_or(line, |(said, _)| said))
        .collect();
    said.join("\n").trim().to_owned()
}

/// Whether the IPv4 broadcast address is asked for, which depends on a netmask.
fn says_ip_broadcast(text: &str) -> bool {
    let between = |c: char| c.is_whitespace() || "()!&|".contains(c);
    let mut before = "";
    text.split(between)
        .filter(|word| !word.is_empty())
        .any(|word| {
            let found = word == "broadcast" && before == "ip";
            before = word;
            found
        })
}

#[cfg(test)]
mod tests {
    use super::{says_ip_broadcast, without_comments};

    #[test]
    fn comments_end_with_their_line() {
        for (text, said) in [
            ("tcp\n", "tcp"),
            ("# all\ntcp # but\nand port 7\n", "tcp \nand port 7"),
            ("tcp and port 7#x", "tcp and port 7"),
            ("tcp # a # b\nor udp", "tcp \nor udp"),
            ("#tcp", ""),
            ("", ""),
        ] {
            assert_eq!(without_comments(text), said, "{text}");
        }
    }

    #[test]
    fn broadcast_of_ip_is_found() {
        for (text, expected) in [
            ("ip broadcast", true),
            ("udp and not (ip  broadcast)", true),
            ("tcp||ip broadcast&&udp", true),
            ("broadcast", false),
            ("ether broadcast and ip", false),
            ("ip and broadcast", false),
            ("ip multicast", false),
        ] {
            assert_eq!(says_ip_broadcast(text), expected, "{text}");
        }
    }
}
