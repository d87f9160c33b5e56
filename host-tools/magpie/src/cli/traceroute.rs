//! The command line of `magpie traceroute`: traceroute's flags, and mtr's table.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use magpie_probe::trace::{Method, Wait};

use super::time;

pub(super) const EXAMPLES: &str = "\
Examples:
  magpie traceroute example.org
  magpie traceroute -n -I 192.0.2.1            ICMP echo, numbers instead of names
  magpie traceroute -T -p 443 example.org      TCP SYN (raw, see below)
  magpie traceroute --mtu 192.0.2.1            path MTU, F= where a link is smaller
  magpie traceroute -e -A --asn-db asn.mmdb 192.0.2.1   MPLS labels, AS numbers
  magpie traceroute --multipath 192.0.2.1      all ways side by side, and their links
  magpie traceroute --live example.org         round after round, until Ctrl-C
  magpie traceroute --live --rounds 10 example.org | tee report
  magpie traceroute --format json 192.0.2.1 | jq 'select(.type == \"hop\")'

Behind a round trip, as in traceroute: !N no route, !H host and !P protocol unreachable,
!S source route failed, !F-MTU too long, !X prohibited, !V and !C precedence, !<code> another
one. '-9' behind an address: the answer seems to have come by 9 hops, another number than
the probe went. * is silence.

All probes keep ports, identifier and checksum (Paris), so that they take one path; -p is
one port, never a range. Where a router quotes only 28 octets, hops that stay open are asked
from other source ports, and a line says so.

UDP and, where net.ipv4.ping_group_range admits your group, ICMP need no right. -T and else -I
need CAP_NET_RAW, once by
  sudo setcap cap_net_raw+ep $(command -v magpie)
which is laid down once the sockets are open.

To other machines than this one, more than 32 probes under way (-N) or 5 a hop (-q), rounds
below 200 ms and --multipath with less than 10 ms between probes (-z) need --fast.

Exit codes:
  0  the destination answered
  1  it did not: the trace ended on the way, or in silence
  2  the command line is wrong, a name is unknown, or nothing could be sent";

/// Where the AS numbers are, if `--asn-db` does not say.
pub(crate) const ASN_DB: &str = "MAGPIE_ASN_DB";

/// `magpie traceroute`.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools)] // flags
pub struct Traceroute {
    /// Name or address
    #[arg(value_name = "HOST")]
    pub host: String,
    /// Octets of a probe with its IP header; less than needed is raised [default: an IP header and
    /// 40]
    #[arg(value_name = "PACKETLEN")]
    pub packet_len: Option<u32>,
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// IPv6 only
    #[arg(short = '6')]
    pub ipv6: bool,
    /// ICMP echo instead of UDP
    #[arg(short = 'I', long, conflicts_with = "tcp")]
    pub icmp: bool,
    /// TCP SYN instead of UDP (raw only)
    #[arg(short = 'T', long)]
    pub tcp: bool,
    /// First hop
    #[arg(short = 'f', long, value_name = "HOP", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..))]
    pub first: u8,
    /// Last hop
    #[arg(short = 'm', long, value_name = "HOP", default_value_t = 30,
          value_parser = clap::value_parser!(u8).range(1..))]
    pub max_hops: u8,
    /// Probes a hop (above 5 needs --fast)
    #[arg(short = 'q', long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u8).range(1..=10))]
    pub queries: u8,
    /// Probes under way at once (above 32 needs --fast)
    #[arg(short = 'N', long, value_name = "N", default_value_t = 32,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub sim_queries: u16,
    /// Wait so many seconds at most, or so many round trips of the same hop (HERE) or, without
    /// one, of a hop behind it (NEAR)
    #[arg(short = 'w', long, value_name = "MAX[,HERE,NEAR]", default_value = "5,3,10",
          value_parser = wait)]
    pub wait: Wait,
    /// At least so many seconds from probe to probe; more than 10 is milliseconds
    #[arg(short = 'z', long, value_name = "TIME", value_parser = send_wait)]
    pub sendwait: Option<Duration>,
    /// Destination port [default: 33434, TCP 80]; of ICMP the first sequence number [default: 1]
    #[arg(short = 'p', long, value_name = "PORT")]
    pub port: Option<u16>,
    /// From this address of ours
    #[arg(short = 's', long, value_name = "ADDRESS")]
    pub source: Option<IpAddr>,
    /// By this interface
    #[arg(short = 'i', long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Numbers instead of names
    #[arg(short = 'n')]
    pub numeric: bool,
    /// TOS or traffic class
    #[arg(short = 't', long, value_name = "TOS")]
    pub tos: Option<u8>,
    /// AS numbers behind addresses, from an MMDB file on this machine: --asn-db, or what
    /// `MAGPIE_ASN_DB` names
    #[arg(short = 'A', long)]
    pub as_path_lookups: bool,
    /// An MMDB file with `autonomous_system_number`, such as GeoLite2-ASN.mmdb; implies -A
    #[arg(long, value_name = "FILE")]
    pub asn_db: Option<PathBuf>,
    /// Show ICMP extensions: MPLS labels, others in hexadecimal
    #[arg(short = 'e', long)]
    pub extensions: bool,
    /// Don't fragment
    #[arg(short = 'F', long)]
    pub dont_fragment: bool,
    /// Find the path MTU, with one probe under way; F=N where a link carries only N octets
    #[arg(long, conflicts_with_all = ["tcp", "multipath", "live"])]
    pub mtu: bool,
    /// Find all ways side by side, and draw them
    #[arg(long, conflicts_with_all = ["live", "queries"])]
    pub multipath: bool,
    /// Go on, round after round, and keep loss and round trips of each hop
    #[arg(long)]
    pub live: bool,
    /// With --live: one round every so many seconds (below 0.2 needs --fast)
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = time)]
    pub interval: Duration,
    /// With --live: end after so many rounds
    #[arg(long, value_name = "N", requires = "live",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: Option<u32>,
    /// Allow what is more than a network may be expected to take gladly, and say what will be sent
    #[arg(long)]
    pub fast: bool,
    /// How to show it
    #[arg(long, default_value = "table")]
    pub format: Format,
}

impl Traceroute {
    /// By what probes go.
    pub fn method(&self) -> Method {
        match (self.icmp, self.tcp) {
            (true, _) => Method::Icmp,
            (_, true) => Method::Tcp,
            _ => Method::Udp,
        }
    }
}

/// How a trace is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, in traceroute's or mtr's lines.
    Table,
    /// One object a line: trace, probe, hop, note, router, link, diamond, summary.
    Json,
}

/// `MAX`, or `MAX,HERE,NEAR`; with MAX alone the factors are 0, as in
/// traceroute.
fn wait(text: &str) -> Result<Wait, String> {
    let mut parts = text.split(',');
    let max = time(parts.next().unwrap_or_default())?;
    if max.is_zero() {
        return Err("nothing is waited for".to_owned());
    }
    let mut factor = || match parts.next() {
        None => Ok(0.0),
        Some(text) => match text.parse::<f64>() {
            Ok(factor) if factor.is_finite() && factor >= 0.0 => Ok(factor),
            Ok(_) => Err("a factor below 0".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    };
    let (here, near) = (factor()?, factor()?);
    match parts.next() {
        None => Ok(Wait { max, here, near }),
        Some(_) => Err("more than MAX,HERE,NEAR".to_owned()),
    }
}

fn send_wait(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 10.0 => {
            Duration::try_from_secs_f64(number / 1e3).map_err(|error| error.to_string())
        }
        _ => time(text),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(words: &str) -> Result<Traceroute, String> {
        let words = ["magpie", "traceroute"]
            .into_iter()
            .chain(words.split_whitespace());
        match Cli::try_parse_from(words) {
            Ok(Cli {
                command: Command::Traceroute(options),
            }) => Ok(options.0),
            Ok(_) => Err("another command".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn flags_of_traceroute_are_taken() {
        let options = parse(
            "-4 -F -f 2 -i lo -m 20 -N 8 -n -p 53 -q 2 -s 127.0.0.1 -t 16 -w 1.5 -z 20 -A -e \
             127.0.0.1 100",
        )
        .unwrap();
        assert_eq!(
            (options.first, options.max_hops, options.queries),
            (2, 20, 2)
        );
        assert_eq!(options.packet_len, Some(100));
        let wait = Wait {
            max: Duration::from_millis(1_500),
            here: 0.0,
            near: 0.0,
        };
        assert_eq!(options.wait, wait);
        assert_eq!(options.sendwait, Some(Duration::from_millis(20)));
        assert_eq!(parse("x").unwrap().wait, Wait::default());
        assert_eq!(parse("x").unwrap().method(), Method::Udp);
        assert_eq!(parse("-I x").unwrap().method(), Method::Icmp);
        assert_eq!(parse("-T x").unwrap().method(), Method::Tcp);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            "",
            "-4 -6 x",
            "-I -T x",
            "-f 0 x",
            "-m 0 x",
            "-q 0 x",
            "-q 11 x",
            "-N 0 x",
            "-w 0 x",
            "-w 1,-1 x",
            "-w 1,2,3,4 x",
            "-z -1 x",
            "--mtu -T x",
            "--rounds 3 x",
            "--live --multipath x",
            "-p 65536 x",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }
}
