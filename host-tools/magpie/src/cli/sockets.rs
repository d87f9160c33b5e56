//! `magpie sockets`.

use clap::Args;
use magpie_os::{SocketKind, State, States};

use super::InfoFormat;

pub(super) const EXAMPLES: &str = "\
FILTER is the language of ss: first states, then conditions.
  state NAME, exclude NAME   established, syn-sent, syn-recv, fin-wait-1, fin-wait-2,
                             time-wait, unconnected, close-wait, last-ack, listening,
                             closing; all, connected, synchronized, bucket, big
  src, dst ADDRESS           10.0.0.1, 10.0.0.0/8, [::1]:22, :22, *:https, a host's
                             name, unix:/run/*, inet:..., inet6:...
  sport, dport OP PORT       = != < > <= >= (eq ne lt gt le ge); 22, :22, :ssh; of
                             unix sockets the inode
  dev NAME, fwmark N[/MASK], autobound
  and, or, not, ( )          and and or bind alike, from left to right, as in ss

Examples:
  magpie sockets -tlnp                        who listens, and which process
  magpie sockets -tan state time-wait
  magpie sockets -ti dst 10.0.0.0/8           RTT, retransmissions, window of each
  magpie sockets -t '( dport = :https or sport = :22 )'
  magpie sockets -x src 'unix:/run/*'
  magpie sockets -rn                          the routing table, IPv4 and IPv6
  magpie sockets -ta --format json | jq 'select(.tcp.total_retransmits > 0)'

Exit codes: 0, also where nothing is listed; 2: the command line or the filter
cannot be used, or the system does not tell. What cannot be seen without rights
(processes that do not show what they have open) is said once on stderr, and is no failure.";

/// `magpie sockets`: flags as those of `ss`, save for `-r`, which is `netstat`'s.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // one a flag
pub struct Sockets {
    /// TCP
    #[arg(short, long)]
    pub tcp: bool,
    /// UDP
    #[arg(short, long)]
    pub udp: bool,
    /// Raw IP
    #[arg(short = 'w', long)]
    pub raw: bool,
    /// Unix
    #[arg(short = 'x', long)]
    pub unix: bool,
    /// IPv4 alone
    #[arg(short = '4', long)]
    pub ipv4: bool,
    /// IPv6 alone
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Those that listen, and those without a peer
    #[arg(short, long)]
    pub listening: bool,
    /// In every state [default: connected]
    #[arg(short, long)]
    pub all: bool,
    /// Ports and protocols as numbers
    #[arg(short, long)]
    pub numeric: bool,
    /// Processes that have them open
    #[arg(short, long)]
    pub processes: bool,
    /// User, inode, cookie; timers as -o
    #[arg(short, long)]
    pub extended: bool,
    /// Memory
    #[arg(short, long)]
    pub memory: bool,
    /// Timers; TCP's options, with -i
    #[arg(short, long)]
    pub options: bool,
    /// What TCP knows: RTT, retransmissions, congestion window
    #[arg(short, long)]
    pub info: bool,
    /// How many there are
    #[arg(short, long)]
    pub summary: bool,
    /// The routing table instead, as netstat -rn
    #[arg(short, long, conflicts_with_all = ["filter", "summary"])]
    pub route: bool,
    /// No heading
    #[arg(short = 'H', long)]
    pub no_header: bool,
    /// How to show them; json has everything, processes with -p
    #[arg(long, default_value = "table")]
    pub format: InfoFormat,
    /// Which ones (see below)
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,
}

impl Sockets {
    /// Whether nothing says which sockets are meant.
    pub fn names_no_kind(&self) -> bool {
        !(self.tcp || self.udp || self.raw || self.unix || self.ipv4 || self.ipv6)
    }

    /// Which tables: those of the flags; of a family alone all that it has.
    pub fn kinds(&self) -> Vec<SocketKind> {
        let inet = self.tcp || self.udp || self.raw;
        let every_inet = !inet && (self.ipv4 || self.ipv6 || !self.unix);
        let asked = |kind: SocketKind| match kind {
            SocketKind::Tcp => self.tcp || every_inet,
            SocketKind::Udp => self.udp || every_inet,
            SocketKind::Raw => self.raw || every_inet,
            _ => self.unix || self.names_no_kind(),
        };
        SocketKind::ALL
            .into_iter()
            .filter(|kind| asked(*kind))
            .collect()
    }

    /// Which versions of IP: both where none is named.
    pub fn families(&self) -> (bool, bool) {
        (self.ipv4 || !self.ipv6, self.ipv6 || !self.ipv4)
    }

    /// States where the filter names none.
    pub fn states(&self) -> States {
        let datagrams = self.udp || self.raw;
        let streams = self.tcp || self.unix || self.ipv4 || self.ipv6;
        if self.all {
            States::ALL
        } else if self.listening {
            States::LISTENING
        } else if datagrams && !streams {
            States::of(State::Established)
        } else {
            States::CONNECTED
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(words: &str) -> Sockets {
        let words = ["magpie", "sockets"]
            .into_iter()
            .chain(words.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            Command::Sockets(options) => options.0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_choose_as_in_ss() {
        let kinds = |words| {
            let names: Vec<_> = parse(words).kinds().iter().map(|k| k.name()).collect();
            names.join(" ")
        };
        for (words, want) in [
            ("", "u_str u_dgr u_seq raw udp tcp"),
            ("-t", "tcp"),
            ("-tu", "udp tcp"),
            ("-4", "raw udp tcp"),
            ("-4t", "tcp"),
            ("-x", "u_str u_dgr u_seq"),
            ("-xt", "u_str u_dgr u_seq tcp"),
            ("-x6", "u_str u_dgr u_seq raw udp tcp"),
            ("-w", "raw"),
        ] {
            assert_eq!(kinds(words), want, "{words}");
        }
        assert_eq!(parse("-t").families(), (true, true));
        assert_eq!(parse("-t4").families(), (true, false));
        assert_eq!(parse("-t46").families(), (true, true));
        assert_eq!(parse("-u").states(), States::of(State::Established));
        assert_eq!(parse("-ut").states(), States::CONNECTED);
        assert_eq!(parse("-ul").states(), States::LISTENING);
        assert_eq!(parse("-la").states(), States::ALL);
    }

    #[test]
    fn a_filter_follows_the_flags() {
        let options = parse("-tanp state time-wait ( dport = :22 or ! src 10.0.0.1 )");
        assert!(options.tcp && options.all && options.numeric && options.processes);
        let words = options.filter.join(" ");
        assert_eq!(words, "state time-wait ( dport = :22 or ! src 10.0.0.1 )");
        // Routes have no states.
        let routes = ["magpie", "sockets", "-r", "state", "all"];
        assert!(Cli::try_parse_from(routes).is_err());
    }
}
