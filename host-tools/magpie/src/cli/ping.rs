//! The command line of `magpie ping`: iputils' flags.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::{Args, ValueEnum};
use magpie_probe::ip_options::Stamps;
use magpie_probe::ping::{LONGEST, Pattern};

use super::time;

pub(super) const EXAMPLES: &str = "\
HOST is a name, an address, or a range such as 10.0.0.0/28. Several are pinged at once, each
every --interval; their lines begin with the host.

Examples:
  magpie ping example.org                      until Ctrl-C; Ctrl-\\ says how it stands
  magpie ping -c 5 -n 192.0.2.1                five packets, numbers instead of names
  magpie ping 10.0.0.1 10.0.0.2 gw.example     several hosts at once
  magpie ping -c 3 10.0.0.0/28                 every host of a small network
  magpie ping -M do -s 1472 192.0.2.1          is there a hop with a small MTU?
  magpie ping -D -O 192.0.2.1 | tee ping.log   time stamps, and what is not answered yet
  magpie ping --plot 192.0.2.1                 round trips as a picture
  magpie ping --format json -c 10 192.0.2.1 | jq 'select(.type == \"summary\")'
  magpie ping --fast -i 0.02 192.0.2.1         50 a second

Beyond iputils' numbers the summary has median, 95th percentile, jitter (RFC 3550 6.4.1, of
round trips) and the longest outage. A duplicate counts in no round trip; a reply after
--timeout is late, and received.

No root is needed where net.ipv4.ping_group_range admits your group, or with
  sudo setcap cap_net_raw+ep $(command -v magpie)

To other machines than this one, intervals below 200 ms, floods, -A, more than 3 packets at
once and more than 256 hosts need --fast.

Exit codes:
  0  every host answered
  1  a host did not, or with -w and -c not often enough
  2  the command line is wrong, a name is unknown, or nothing could be sent";

/// `magpie ping`.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools)] // flags
pub struct Ping {
    /// Whom to ping (see below)
    #[arg(required = true, value_name = "HOST")]
    pub hosts: Vec<String>,
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// IPv6 only
    #[arg(short = '6')]
    pub ipv6: bool,
    /// Ring the bell for each reply
    #[arg(short = 'a', long)]
    pub audible: bool,
    /// Adaptive: the next packet goes when a reply came (needs --fast)
    #[arg(short = 'A', long)]
    pub adaptive: bool,
    /// Allow broadcast addresses
    #[arg(short = 'b', long)]
    pub broadcast: bool,
    /// Stop after so many packets; with -w: after so many replies
    #[arg(short = 'c', long, value_name = "COUNT")]
    pub count: Option<NonZeroU64>,
    /// Call connect(2) on the socket
    #[arg(short = 'C', long)]
    pub connect: bool,
    /// Begin each line with the time, in seconds since 1970
    #[arg(short = 'D', long)]
    pub timestamps: bool,
    /// Identifier of the packets [default: the system chooses]
    #[arg(short = 'e', long, value_name = "ID", value_parser = number16)]
    pub identifier: Option<u16>,
    /// Flood: a dot for each packet, taken back for each reply; without -i as fast as they come
    /// back, and at least 100 a second (needs --fast)
    #[arg(short = 'f', long)]
    pub flood: bool,
    /// Time between packets to a host, in seconds; 0: as fast as they come back (below 0.2 needs
    /// --fast) [default: 1]
    #[arg(short = 'i', long, value_name = "SECONDS", value_parser = time)]
    pub interval: Option<Duration>,
    /// Send by this interface, or from this address
    #[arg(short = 'I', long, value_name = "INTERFACE|ADDRESS")]
    pub interface: Option<String>,
    /// So many packets at once in the beginning, and in flight in a flood (above 3 needs --fast)
    #[arg(short = 'l', long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub preload: u32,
    /// Multicast that is sent does not come back to this machine
    #[arg(short = 'L', long)]
    pub no_loop: bool,
    /// Mark the packets, for routing and filters (needs a right, which the error names)
    #[arg(short = 'm', long, value_name = "MARK", value_parser = number32)]
    pub mark: Option<u32>,
    /// Path MTU: don't fragment, fragment here, let routers fragment, or don't fragment whatever
    /// the known path MTU
    #[arg(short = 'M', long, value_enum, value_name = "HOW")]
    pub pmtudisc: Option<PathMtu>,
    /// Numbers instead of names
    #[arg(short = 'n', long)]
    pub numeric: bool,
    /// Say what is not answered before the next packet goes
    #[arg(short = 'O', long)]
    pub outstanding: bool,
    /// Fill packets with these octets, up to 16, in hexadecimal
    #[arg(short = 'p', long, value_name = "PATTERN", value_parser = pattern)]
    pub pattern: Option<Pattern>,
    /// Nothing but the summary
    #[arg(short = 'q', long)]
    pub quiet: bool,
    /// TOS or traffic class, such as 0xb8
    #[arg(short = 'Q', long, value_name = "TOS", value_parser = number8)]
    pub tos: Option<u8>,
    /// Past the routing table: hosts on networks of our own only
    #[arg(short = 'r', long)]
    pub bypass_routing: bool,
    /// Record route (IPv4): up to nine addresses. Many routers ignore it or drop such packets
    #[arg(short = 'R', long, conflicts_with = "ip_timestamp")]
    pub record_route: bool,
    /// Octets of payload
    #[arg(short = 's', long, value_name = "OCTETS", default_value_t = 56, value_parser = size)]
    pub size: usize,
    /// The socket's send buffer, in octets
    #[arg(short = 'S', long, value_name = "OCTETS")]
    pub sndbuf: Option<usize>,
    /// TTL or hop limit
    #[arg(short = 't', long, value_name = "TTL", value_parser = clap::value_parser!(u8).range(1..))]
    pub ttl: Option<u8>,
    /// Time stamps of routers (IPv4): tsonly, tsandaddr or tsprespec:ADDRESS[,ADDRESS...]. Many
    /// ignore it or drop such packets
    #[arg(short = 'T', long, value_name = "WHICH", value_parser = stamps)]
    pub ip_timestamp: Option<Stamps>,
    /// Say more: by which socket and why, identifiers
    #[arg(short = 'v', long)]
    pub verbose: bool,
    /// End after so many seconds, whatever came; 0: never
    #[arg(short = 'w', long, value_name = "SECONDS", value_parser = time)]
    pub deadline: Option<Duration>,
    /// A packet is lost after so many seconds; the end waits so long if nothing came at all, else
    /// for twice the longest round trip
    #[arg(short = 'W', long, value_name = "SECONDS", value_parser = time, default_value = "10")]
    pub timeout: Duration,
    /// Draw round trips over time
    #[arg(long, conflicts_with_all = ["format", "flood"])]
    pub plot: bool,
    /// Allow what is more than a host may be expected to take gladly, and say what will be sent
    #[arg(long)]
    pub fast: bool,
    /// How to show it
    #[arg(long, default_value = "table")]
    pub format: Format,
}

impl Ping {
    /// When it ends, whatever came: never where that is 0, as in iputils.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline.filter(|deadline| !deadline.is_zero())
    }
}

/// How a ping is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, in ping's lines.
    Table,
    /// One object a line: sent, reply, error, timeout, summary.
    Json,
}

/// Path MTU discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PathMtu {
    /// Don't fragment; what is longer than the known path MTU is refused here.
    Do,
    /// Fragment here what is longer than the known path MTU.
    Want,
    /// Routers may fragment.
    Dont,
    /// Don't fragment, whatever the known path MTU.
    Probe,
}

/// A number, with `0x` in hexadecimal.
fn number(text: &str, most: u32) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    match parsed {
        Ok(number) if number <= most => Ok(number),
        Ok(_) => Err(format!("greater than {most}")),
        Err(error) => Err(error.to_string()),
    }
}

fn number32(text: &str) -> Result<u32, String> {
    number(text, u32::MAX)
}

fn number16(text: &str) -> Result<u16, String> {
    let number = number(text, u16::MAX.into())?;
    u16::try_from(number).map_err(|error| error.to_string())
}

fn number8(text: &str) -> Result<u8, String> {
    let number = number(text, u8::MAX.into())?;
    u8::try_from(number).map_err(|error| error.to_string())
}

fn size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size) if size <= LONGEST => Ok(size),
        Ok(_) => Err(format!("an IP packet holds {LONGEST} at most")),
        Err(error) => Err(std::num::ParseIntError::to_string(&error)),
    }
}

fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).ok_or_else(|| "not up to 32 hexadecimal digits".to_owned())
}

fn stamps(text: &str) -> Result<Stamps, String> {
    match text {
        "tsonly" => Ok(Stamps::Only),
        "tsandaddr" => Ok(Stamps::WithAddress),
        _ => {
            let hosts = text
                .strip_prefix("tsprespec:")
                .ok_or("not tsonly, tsandaddr or tsprespec:ADDRESS[,ADDRESS...]")?;
            let hosts: Result<Vec<_>, _> = hosts.split(',').map(str::parse).collect();
            match hosts {
                Ok(hosts) if hosts.len() <= 4 => Ok(Stamps::By(hosts)),
                Ok(_) => Err("more than 4 addresses".to_owned()),
                Err(error) => Err(std::net::AddrParseError::to_string(&error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(words: &str) -> Result<Ping, String> {
        let words = ["magpie", "ping"]
            .into_iter()
            .chain(words.split_whitespace());
        match Cli::try_parse_from(words) {
            Ok(Cli {
                command: Command::Ping(ping),
            }) => Ok(ping.0),
            Ok(_) => Err("another command".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn every_flag_of_iputils_is_taken() {
        let flags = "-4 -a -A -b -c 3 -C -D -e 7 -f -i 0.5 -I lo -l 2 -L -m 0x10 -M do -n -O -p ff \
                     -q -Q 0x10 -r -R -s 100 -S 9000 -t 9 -v -w 5 -W 1.5 127.0.0.1";
        let ping = parse(flags).unwrap();
        assert_eq!(ping.interval, Some(Duration::from_millis(500)));
        assert_eq!(
            (ping.mark, ping.tos, ping.identifier),
            (Some(16), Some(16), Some(7))
        );
        assert_eq!(ping.timeout, Duration::from_millis(1_500));
        let ping = parse("-T tsprespec:10.0.0.1,10.0.0.2 -6 ::1").unwrap();
        assert!(matches!(ping.ip_timestamp, Some(Stamps::By(hosts)) if hosts.len() == 2));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            "",
            "-c 0 x",
            "-s 65508 x",
            "-t 0 x",
            "-t 256 x",
            "-p xy x",
            "-Q 256 x",
            "-l 0 x",
            "-4 -6 x",
            "-R -T tsonly x",
            "-T never x",
            "-i -1 x",
            "-e 65536 x",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }
}
