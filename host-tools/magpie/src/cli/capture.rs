//! The command line of `magpie capture`: tcpdump's flags.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{ArgAction, Args, ValueEnum};
use magpie_sources::Spec;

use super::InfoFormat;

pub(super) const EXAMPLES: &str = "\
SOURCE is if:IFACE, file:PATH or a sensor (serial:, qemu:), as `magpie watch --help` lists them;
`-i any` is every interface of this machine. Sensors hand packets out over serial lines and USB
alone. FILTER is tcpdump's language (man pcap-filter); several words are one. With -i or
-r, or -d, all words are FILTER.

FILTER sees frames without their VLAN tags, so that `host X` and `not host X` mean what one thinks;
with --no-vlan, or where FILTER itself says `vlan`, it sees them as they are, as in tcpdump.

Examples:
  magpie capture eth0 port 53                   one line a packet
  magpie capture -i any -c 10 icmp or arp
  magpie capture -i eth0 -i eth1 -w all.pcapng  several interfaces, one file
  magpie capture -r old.pcap -w dns.pcapng udp port 53
  magpie capture -i eth0 -w - | tshark -r -     as it comes
  magpie capture -i eth0 -C 100 -W 10 -w ring   the last 10 files of 100 million octets
  magpie capture -i eth0 -G 3600 -w %F-%H.pcapng
  magpie capture -r old.pcap -w share.pcapng --anonymize
  magpie capture -d tcp port 80                 the filter's program
  magpie capture serial:/dev/ttyACM0 host 10.0.0.5 -w seen.pcapng
                                                a sensor, which runs the filter itself
  magpie capture eth0 tcp port 445 --decode     tshark's lines

Files are pcapng, with each interface's name, filter, drops and statistics; --file-format pcap for
programs that read nothing else. A file that exists is not overwritten without --force.

--anonymize replaces addresses (IPv4, IPv6, MAC; in ARP, neighbour discovery and quoted packets,
too) so that common prefixes stay common, under a key that is forgotten unless --anonymize-key
names a file with one (32 octets, or 64 hexadecimal digits). What follows the headers is cut, since
it may hold addresses as well, and checksums over it become 0; --anonymize-payload keeps both.

Listening needs CAP_NET_RAW, once by
  sudo setcap cap_net_raw+ep $(command -v magpie)
and is given up as soon as all is open.

Exit codes:
  0  all went well, also where no packet was chosen
  2  the command line, FILTER, a source or a file cannot be used; a full disk
  4  the books are open: packets are unaccounted for";

/// `magpie capture`.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools)] // flags
pub struct Capture {
    /// Where packets come from (unless -i or -r says so), and which ones (see below)
    #[arg(value_name = "SOURCE|FILTER")]
    pub words: Vec<String>,
    /// Listen to this interface (its name, or its number of -D) or other source; any: all
    /// interfaces that are up at the start. May be given several times
    #[arg(short, long = "interface", value_name = "SOURCE")]
    pub interfaces: Vec<String>,
    /// Read this capture file; - is stdin. May be given several times
    #[arg(short, long = "read", value_name = "FILE")]
    pub read: Vec<PathBuf>,
    /// List what can be listened to
    #[arg(short = 'D', long)]
    pub list_interfaces: bool,
    /// Take FILTER from a file; # begins a comment
    #[arg(short = 'F', long, value_name = "FILE")]
    pub filter_file: Option<PathBuf>,
    /// Show FILTER's program and end; -dd: as C, -ddd: as numbers
    #[arg(short, action = ArgAction::Count)]
    pub dump_program: u8,
    /// Do not let libpcap improve FILTER's program
    #[arg(short = 'O', long)]
    pub no_optimize: bool,
    /// FILTER sees VLAN tags where they are
    #[arg(long)]
    pub no_vlan: bool,
    /// End after so many packets
    #[arg(short = 'c', value_name = "COUNT")]
    pub count_packets: Option<NonZeroU64>,
    /// Keep so many octets of a packet; 0: all
    #[arg(
        short,
        long = "snapshot-length",
        value_name = "OCTETS",
        default_value_t = 0
    )]
    pub snap_len: u32,
    /// Do not make the interface promiscuous
    #[arg(short = 'p', long = "no-promiscuous-mode")]
    pub not_promiscuous: bool,
    /// Only packets received (in) or sent (out)
    #[arg(
        short = 'Q',
        long,
        value_enum,
        value_name = "DIRECTION",
        default_value = "inout"
    )]
    pub direction: Direction,
    /// Link type; there is only Ethernet
    #[arg(short = 'y', long, value_name = "TYPE", value_parser = ["EN10MB"], ignore_case = true)]
    pub linktype: Option<String>,

    /// Write packets into a file instead; - is stdout
    #[arg(short, long, value_name = "FILE", help_heading = "Files")]
    pub write: Option<PathBuf>,
    /// Print lines, too
    #[arg(long, help_heading = "Files")]
    pub print: bool,
    /// Write each packet at once
    #[arg(short = 'U', long, help_heading = "Files")]
    pub packet_buffered: bool,
    /// Begin another file after so many million octets (with k, m, g: KiB, MiB, GiB)
    #[arg(short = 'C', value_name = "SIZE", value_parser = size, requires = "write",
          help_heading = "Files")]
    pub file_size: Option<u64>,
    /// Begin another file every so many seconds; FILE is a pattern of strftime
    #[arg(short = 'G', value_name = "SECONDS", value_parser = seconds, requires = "write",
          help_heading = "Files")]
    pub rotate: Option<Duration>,
    /// With -C: go round in so many files. With -G: end after so many
    #[arg(
        short = 'W',
        value_name = "COUNT",
        requires = "write",
        help_heading = "Files"
    )]
    pub files: Option<NonZeroU32>,
    /// Overwrite files
    #[arg(long, help_heading = "Files")]
    pub force: bool,
    /// Form of FILE
    #[arg(
        long,
        value_enum,
        default_value = "pcapng",
        value_name = "FORMAT",
        help_heading = "Files"
    )]
    pub file_format: FileFormat,
    /// Replace addresses, prefix by prefix, and cut payload
    #[arg(long, help_heading = "Files")]
    pub anonymize: bool,
    /// Under the key in this file, so that other captures fit
    #[arg(
        long,
        value_name = "FILE",
        requires = "anonymize",
        help_heading = "Files"
    )]
    pub anonymize_key: Option<PathBuf>,
    /// Keep payload, whatever stands in it
    #[arg(long, requires = "anonymize", help_heading = "Files")]
    pub anonymize_payload: bool,

    /// Only say how many packets there were
    #[arg(long, help_heading = "Lines")]
    pub count: bool,
    /// Let tshark print them, if it is installed (-V with -v, and -n, -x); no --format json
    #[arg(long, conflicts_with_all = ["count", "print"], help_heading = "Lines")]
    pub decode: bool,
    /// Numbers instead of names of ports, protocols and owners of MAC addresses (hosts are always
    /// numbers)
    #[arg(short, action = ArgAction::Count, help_heading = "Lines")]
    pub numeric: u8,
    /// Show the link header
    #[arg(short = 'e', help_heading = "Lines")]
    pub link: bool,
    /// Less of each protocol
    #[arg(short, long, help_heading = "Lines")]
    pub quiet: bool,
    /// More of each protocol: -v, -vv, -vvv; with -w: say how many there are
    #[arg(short, long, action = ArgAction::Count, help_heading = "Lines")]
    pub verbose: u8,
    /// TCP sequence numbers as they are
    #[arg(short = 'S', long, help_heading = "Lines")]
    pub absolute_tcp_sequence_numbers: bool,
    /// Time: -t none, -tt since 1970, -ttt since the line before, -tttt with date, -ttttt since
    /// the first
    #[arg(short, action = ArgAction::Count, help_heading = "Lines")]
    pub time: u8,
    /// Times in nanoseconds
    #[arg(long, help_heading = "Lines")]
    pub nano: bool,
    /// Number lines
    #[arg(long, help_heading = "Lines")]
    pub number: bool,
    /// Octets in hex; -xx: with the link header
    #[arg(short = 'x', action = ArgAction::Count, help_heading = "Lines")]
    pub hex: u8,
    /// Octets in hex and ASCII; -XX: with the link header
    #[arg(short = 'X', action = ArgAction::Count, help_heading = "Lines")]
    pub hex_ascii: u8,
    /// Octets in ASCII
    #[arg(short = 'A', action = ArgAction::Count, help_heading = "Lines")]
    pub ascii: u8,
    /// Write each line at once
    #[arg(short, help_heading = "Lines")]
    pub line_buffered: bool,
    /// For people, or one object a line (octets with -x)
    #[arg(long, default_value = "table", help_heading = "Lines")]
    pub format: InfoFormat,
}

/// `-Q`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// Received.
    In,
    /// Sent by this machine.
    Out,
    /// Both.
    Inout,
}

/// `--file-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// pcapng.
    Pcapng,
    /// pcap with microseconds.
    Pcap,
    /// pcap with nanoseconds.
    Nsecpcap,
}

/// What the words of a command line mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where packets come from.
    pub sources: Vec<Spec>,
    /// Every interface of this machine.
    pub any: bool,
    /// The expression on the command line; empty: all packets.
    pub expression: String,
}

/// What names all interfaces.
pub(crate) const ANY: &str = "any";

impl Request {
    /// Whether its sources can be used together.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.any && !self.sources.is_empty() {
            bail!("{ANY}: it is all interfaces, so name no other source beside it");
        }
        Ok(())
    }
}

impl Capture {
    /// Tells sources and filter apart.
    pub fn request(&self) -> anyhow::Result<Request> {
        let mut sources = Vec::new();
        let mut any = false;
        let mut words = &self.words[..];
        let mut named: Vec<&str> = self.interfaces.iter().map(String::as_str).collect();
        if let ([first, rest @ ..], true) = (words, self.words_name_a_source()) {
            named.push(first);
            words = rest;
        }
        for name in named {
            if name == ANY {
                any = true;
            } else if is_bare(name) && !self.interfaces.is_empty() {
                // After -i a bare name is an interface, whatever files there are.
                sources.push(format!("if:{name}").parse()?);
            } else {
                sources.push(name.parse()?);
            }
        }
        sources.extend(self.read.iter().cloned().map(Spec::File));
        let request = Request {
            sources,
            any,
            expression: words.join(" "),
        };
        request.check()?;
        Ok(request)
    }

    fn words_name_a_source(&self) -> bool {
        self.interfaces.is_empty() && self.read.is_empty() && self.dump_program == 0
    }
}

/// Neither `kind:...` nor a path.
fn is_bare(name: &str) -> bool {
    !name.contains([':', '/'])
}

/// `-C`: millions of octets, or with a suffix that many KiB, MiB, GiB.
fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1_000_000),
    };
    let number: u64 = digits.parse().map_err(|_| "not a number".to_owned())?;
    match number.checked_mul(unit) {
        Some(0) => Err("not greater than 0".into()),
        Some(octets) => Ok(octets),
        None => Err("too much".into()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(0) => Err("not greater than 0".into()),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => Err("not a number of seconds".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Cli, Command};
    use super::*;

    fn parsed(words: &str) -> Capture {
        let words = ["magpie", "capture"].into_iter().chain(words.split(' '));
        match Cli::try_parse_from(words).expect("a command line").command {
            Command::Capture(capture) => capture.0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sources_and_filters_are_told_apart() {
        let cases = [
            ("eth0", &["if:eth0"][..], ""),
            ("eth0 port 53", &["if:eth0"], "port 53"),
            ("-i eth0 port 53", &["if:eth0"], "port 53"),
            ("-i src -i b tcp", &["if:src", "if:b"], "tcp"),
            ("-r - -n tcp[13] & 2 != 0", &["file:-"], "tcp[13] & 2 != 0"),
            (
                "-r a.pcap -r b.pcap ip",
                &["file:a.pcap", "file:b.pcap"],
                "ip",
            ),
            (
                "-nnvvXX -c 3 serial:/dev/x host a",
                &["serial:/dev/x"],
                "host a",
            ),
            ("-d tcp port 80", &[], "tcp port 80"),
        ];
        for (words, sources, expression) in cases {
            let request = parsed(words).request().expect(words);
            let named: Vec<_> = request.sources.iter().map(Spec::to_string).collect();
            assert_eq!(named, sources, "{words}");
            assert_eq!(request.expression, expression, "{words}");
        }
        let any = parsed("-i any arp").request().expect("any");
        assert!(any.any && any.sources.is_empty() && any.expression == "arp");
        assert!(parsed("-i any -i eth0").request().is_err());
    }

    #[test]
    fn sizes_of_files() {
        for (text, octets) in [
            ("1", Some(1_000_000)),
            ("2k", Some(2048)),
            ("3M", Some(3 << 20)),
            ("1g", Some(1 << 30)),
            ("0", None),
            ("k", None),
            ("99999999999999999", None),
        ] {
            assert_eq!(size(text).ok(), octets, "{text}");
        }
    }
}
