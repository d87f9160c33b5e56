//! The command line.

pub mod capture;
pub mod extcap;
pub mod ping;
pub mod traceroute;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use magpie_collector::Limits;
use magpie_protocol::Configuration;
use magpie_sources::{OpenOptions, SensorOptions, Spec};

use crate::views::csv::Table;
use crate::views::{Choice, Sort};

mod interfaces;
mod later;
mod sockets;

pub use interfaces::Interfaces;
pub use later::Later;
pub use sockets::Sockets;

/// Number and source revision.
pub(crate) const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("MAGPIE_GIT_ID"), ")");

const EXAMPLES: &str = "\
Examples:
  magpie replay lab.pcap                      totals, top flows, ICMP, echo, the books
  magpie replay lab.pcap --format json        one object a line
  magpie replay - --format csv --table flow   flows of a capture on stdin
  magpie watch serial:/dev/ttyACM0            a board on a serial line
  magpie watch if:eth0                        what an interface of this machine sees
  magpie watch qemu:mps2-an386,feed=lab.pcap  an emulated board that sees a capture
  magpie sensor info serial:/dev/ttyACM0      who is there?
  magpie ping -c 5 192.0.2.1                  as ping, and more numbers
  magpie traceroute example.org               which routers packets pass
  magpie capture eth0 port 53                 packets, as tcpdump
  magpie interfaces                           what can be listened to
  magpie sockets -tlnp                        who listens on this machine

Exit codes:
  0  all went well
  1  ping, traceroute: a host did not answer
  2  the command line, a file or a source cannot be used
  3  --format exact, and something had to be forgotten
  4  the books are open: frames are unaccounted for";

const REPLAY_EXAMPLES: &str = "\
Examples:
  magpie replay lab.pcap
  zcat lab.pcap.gz | magpie replay - --sort packets --top 5
  magpie replay *.pcapng --format json | jq 'select(.type == \"flow\")'
  magpie replay lab.pcap --idle 15s --flows 512   as a small board would see it
  magpie replay kept.magpie                       what `watch --record` kept

Exit codes: 0, 2, 3, 4 as `magpie --help` lists them. A capture whose last
record is cut is read to there, with a warning, and is no failure.";

const WATCH_EXAMPLES: &str = "\
SOURCE is one of
  serial:PATH[@BAUD]                  a board on a tty or a unix socket
  qemu:BOARD[,feed=FILE][,pace=N]     an emulated board, its mirror port fed from a
                                      capture, with N frames a second at most
  qemu:BOARD,if=IFACE[,pace=N]        likewise, with what an interface sees
  if:IFACE                            an interface of this machine, every frame of it;
                                      needs CAP_NET_RAW, once by
                                      sudo setcap cap_net_raw+ep $(command -v magpie)
  udp://ADDR:PORT                     a sensor that sends datagrams to this address of
                                      ours; the first one heard, each its own port
  file:PATH                           a capture or a recording; - is stdin

Examples:
  magpie watch serial:/dev/ttyACM0@921600
  sudo magpie watch if:eth0 --seconds 60
  magpie watch qemu:mps2-an386,feed=lab.pcap --record kept.magpie
  magpie watch serial:/dev/ttyACM0 serial:/dev/ttyACM1 --format json | tee flows.json

On a terminal a live screen: ? shows its keys. q or Ctrl-C asks the sensors for
everything they hold and ends with the summary; a second one ends at once. Exit
codes: 0, 2, 3, 4 as `magpie --help` lists them.";

const SENSOR_EXAMPLES: &str = "\
Examples:
  magpie sensor info serial:/dev/ttyACM0
  magpie sensor info qemu:mps2-an386 --format json | jq .boot_id
  magpie sensor info udp://0.0.0.0:4739 --wait 60   until a sensor is heard";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  magpie completions bash > ~/.local/share/bash-completion/completions/magpie
  magpie completions zsh > ~/.zfunc/_magpie
  magpie completions fish > ~/.config/fish/completions/magpie.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  magpie man ping | man -l -
  magpie man --dir ~/.local/share/man/man1      then: man magpie-ping";

/// Counts what passes a mirror port: flows, ICMP, ping, ARP, and whether every
/// frame is accounted for.
#[derive(Debug, Parser)]
#[command(name = "magpie", version = VERSION, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the sensor core over captures, or read recordings again
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(Later<Replay>),
    /// Follow sensors
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(Later<Watch>),
    /// Look after sensors
    #[command(after_help = SENSOR_EXAMPLES)]
    Sensor(Later<Sensor>),
    /// Ping hosts: round trips, loss, and who says why
    #[command(after_help = ping::EXAMPLES, args_override_self = true)]
    Ping(Box<Later<ping::Ping>>),
    /// Show which routers packets to a host pass
    #[command(after_help = traceroute::EXAMPLES)]
    Traceroute(Box<Later<traceroute::Traceroute>>),
    /// Show or write packets: tcpdump's flags and filters
    #[command(after_help = capture::EXAMPLES)]
    Capture(Box<Later<capture::Capture>>),
    /// Make sensors known to Wireshark, and answer it
    #[command(after_help = extcap::EXAMPLES)]
    Extcap(Box<Later<extcap::Extcap>>),
    /// List this machine's sockets or routes, as ss and netstat do
    #[command(after_help = sockets::EXAMPLES)]
    Sockets(Later<Sockets>),
    /// List this machine's interfaces: state, addresses, rates, drops, offloads
    #[command(after_help = interfaces::EXAMPLES)]
    Interfaces(Later<Interfaces>),
    /// Print a completion script
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(Later<Completions>),
    /// Print a manual page, or write all of them
    #[command(after_help = MAN_EXAMPLES)]
    Man(Later<Man>),
}

/// Arguments of `magpie completions`.
#[derive(Debug, Clone, Args)]
pub struct Completions {
    /// For which shell.
    pub shell: Shell,
}

/// Arguments of `magpie man`.
#[derive(Debug, Clone, Args)]
pub struct Man {
    /// Of which subcommand, such as `ping` or `sensor info` [default: of all
    /// together]
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub names: Vec<String>,
    /// Write a page for each subcommand into this folder, which is made
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Arguments of `magpie sensor`.
#[derive(Debug, Args)]
pub struct Sensor {
    /// What to do with it.
    #[command(subcommand)]
    pub command: SensorCommand,
}

/// What can be done with a sensor.
#[derive(Debug, Subcommand)]
pub enum SensorCommand {
    /// Say who it is: name, board, firmware, protocol, uptime, boot, capacities
    #[command(after_help = SENSOR_EXAMPLES)]
    Info(Info),
}

/// How the picture is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: totals, top flows, ICMP, echo, mirror health, the books.
    Table,
    /// One object a line, each with its type.
    Json,
    /// One table (--table) with a header line.
    Csv,
    /// One object a source, for comparison with a truth (EXACT.md).
    Exact,
}

/// Options of every view.
#[derive(Debug, Args)]
pub struct ViewOptions {
    /// How to show what was seen
    #[arg(long, default_value = "table")]
    pub format: Format,
    /// Which table, for --format csv
    #[arg(long, value_enum, value_name = "NAME", required_if_eq("format", "csv"))]
    pub table: Option<Table>,
    /// Show so many flows [default: 20 in tables, else all]
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// Order flows, greatest first [default: octets in tables, else by key]
    #[arg(long, value_enum, value_name = "KEY")]
    pub sort: Option<Sort>,
    /// Keep at most so many flow keys of a source: those that changed last and,
    /// of the others, those with the most octets; the rest is summed, as
    /// forgotten [default: 100000, exact: all]
    #[arg(long, value_name = "N")]
    pub max_flows: Option<NonZeroUsize>,
}

/// Rows of a table for people.
const TABLE_TOP: usize = 20;

impl ViewOptions {
    /// Which flows are shown.
    pub fn choice(&self) -> Choice {
        let people = self.format == Format::Table;
        Choice {
            top: self.top.or(people.then_some(TABLE_TOP)),
            sort: self.sort.or(people.then_some(Sort::Octets)),
        }
    }

    /// What is kept of a source; `events` is how many changes may wait.
    pub fn limits(&self, events: usize) -> Limits {
        let base = if self.format == Format::Exact {
            Limits::EXACT
        } else {
            Limits::default()
        };
        Limits {
            flows: self.max_flows.map(NonZeroUsize::get).or(base.flows),
            events,
            ..base
        }
    }
}

/// Options of the sensor core.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sensor core")]
pub struct CoreOptions {
    /// In this process (captures, interfaces): flow table of so many entries,
    /// as on a board; more are evicted, and added up here
    /// [default: 32768 in replay, else or for exact: grows]
    #[arg(long, value_name = "N")]
    pub flows: Option<NonZeroUsize>,
    /// In this process: echo table of so many entries
    /// [default: 1024 in replay, else or for exact: grows]
    #[arg(long, value_name = "N")]
    pub echoes: Option<NonZeroUsize>,
    /// A flow ends after so long without a frame; 0s is never
    /// [default: 60s, exact: never; a board: as it is]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub idle: Option<Duration>,
    /// A flow's record is exported at this age; 0s is never
    /// [default: 5min, exact: never; a board: as it is]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub active: Option<Duration>,
    /// A closed connection leaves after so long; 0s is never
    /// [default: 1s, exact: never; a board: as it is]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub end: Option<Duration>,
    /// The mirror shows frames twice: a frame that comes again within this time,
    /// as it was or one routing hop later, is not counted but for `dup`
    /// [without a time: 500us; a board: as it is]
    #[arg(long, value_name = "TIME", value_parser = window, num_args = 0..=1,
          require_equals = true, default_missing_value = "500us")]
    pub dedup: Option<Duration>,
}

/// `15s`, `500ms`, `5min`; a bare number is seconds.
fn time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
    }
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

/// A window of [`CoreOptions::dedup`]; 0 switches it off.
fn window(text: &str) -> Result<Duration, String> {
    match time(text)? {
        longest if longest > Duration::from_secs(1) => Err("longer than 1 s".into()),
        window => Ok(window),
    }
}

/// A factor of speed, such as `1` or `0.5`.
fn multiplier(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(times) if times.is_finite() && times > 0.0 => Ok(times),
        Ok(_) => Err("not greater than 0".into()),
        Err(error) => Err(error.to_string()),
    }
}

impl CoreOptions {
    /// What a board is asked for until its next boot: what the user named.
    pub fn settings(&self) -> Configuration {
        let us = |time: Option<Duration>| {
            time.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
        };
        Configuration {
            idle_us: us(self.idle),
            active_us: us(self.active),
            end_us: us(self.end),
            live_us: None,
            dedup_us: self
                .dedup
                .map(|window| u32::try_from(window.as_micros()).unwrap_or(u32::MAX)),
        }
    }

    /// How sources are opened; `base` says what the user did not.
    pub fn open(&self, format: Format, base: SensorOptions) -> OpenOptions {
        let base = if format == Format::Exact {
            SensorOptions::exact()
        } else {
            base
        };
        let sensor = SensorOptions {
            flows: self.flows.map_or(base.flows, NonZeroUsize::get),
            echoes: self.echoes.map_or(base.echoes, NonZeroUsize::get),
            grow: base.grow && self.flows.is_none() && self.echoes.is_none(),
            idle: self.idle.unwrap_or(base.idle),
            active: self.active.unwrap_or(base.active),
            end: self.end.unwrap_or(base.end),
            dedup: self.dedup.unwrap_or(base.dedup),
            git: crate::GIT.to_owned(),
            ..base
        };
        OpenOptions {
            sensor,
            ..OpenOptions::default()
        }
    }
}

/// `magpie replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Captures (pcap, pcapng, gzip) or recordings; - is stdin
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How to show it.
    #[command(flatten)]
    pub view: ViewOptions,
    /// The core.
    #[command(flatten)]
    pub core: CoreOptions,
}

/// `magpie watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Where records come from (see below)
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<Spec>,
    /// How to show it.
    #[command(flatten)]
    pub view: ViewOptions,
    /// End after so many seconds
    #[arg(long, value_name = "N")]
    pub seconds: Option<f64>,
    /// Keep the raw records of the (one) source in a file; `replay` reads it
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Emulated boards: let the board's own clock count from its boot, instead
    /// of giving every frame its capture time
    #[arg(long)]
    pub own_clock: bool,
    /// Emulated boards: feed the capture N times as fast as it was recorded
    /// [default: as fast as the board takes it]
    #[arg(long, value_name = "N", value_parser = multiplier)]
    pub multiplier: Option<f64>,
    /// Emulated boards: feed the capture over and over, until Ctrl-C
    #[arg(long = "loop")]
    pub repeat: bool,
    /// Emulated boards: run this image instead of the one `cargo xtask build`
    /// made
    #[arg(long, value_name = "ELF")]
    pub image: Option<PathBuf>,
    /// Emulated boards: keep the firmware's log (of an image built to log; read
    /// it with `defmt-print -e ELF`) in a file
    #[arg(long, value_name = "FILE")]
    pub board_log: Option<PathBuf>,
    /// The core.
    #[command(flatten)]
    pub core: CoreOptions,
}

/// `magpie sensor info`.
#[derive(Debug, Args)]
pub struct Info {
    /// Which sensor (as for `magpie watch`)
    #[arg(value_name = "SOURCE")]
    pub source: Spec,
    /// How to show it
    #[arg(long, default_value = "table")]
    pub format: InfoFormat,
    /// Wait so many seconds for an answer
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    pub wait: f64,
}

/// How a sensor's description is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InfoFormat {
    /// For people.
    Table,
    /// One object on one line.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read() {
        for (text, us) in [
            ("15s", 15_000_000),
            ("0", 0),
            ("1.5", 1_500_000),
            ("5min", 300_000_000),
        ] {
            assert_eq!(time(text).map(|time| time.as_micros()), Ok(us), "{text}");
        }
        assert!(time("soon").is_err() && time("-1").is_err());
    }

    #[test]
    fn csv_needs_a_table() {
        let parse = |words: &[&str]| Cli::try_parse_from(words).is_ok();
        assert!(!parse(&["magpie", "replay", "x", "--format", "csv"]));
        assert!(parse(&[
            "magpie", "replay", "x", "--format", "csv", "--table", "flow"
        ]));
    }
}
