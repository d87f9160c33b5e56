//! `magpie interfaces`.

use std::time::Duration;

use clap::Args;

use super::{InfoFormat, time};

pub(super) const EXAMPLES: &str = "\
Examples:
  magpie interfaces                   all of them: state, addresses, counters, offloads
  magpie interfaces -D                what `magpie watch if:NAME` can listen to
  magpie interfaces eth0 --rate       what passes in a second
  magpie interfaces --rate=10s --format json | jq '{name, rx_octets_per_s}'

WATCH says whether `magpie watch if:NAME` can listen to it, MERGES what puts
frames together there, so that they are counted longer and fewer than they are
on the wire (`ethtool -K NAME gro off lro off tso off gso off`).

Exit codes: 0; 2: there is no such interface, or the system does not tell.";

/// `magpie interfaces`.
#[derive(Debug, Args)]
pub struct Interfaces {
    /// These alone
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// A numbered line for each that can be listened to, as tcpdump -D
    #[arg(short = 'D', long)]
    pub list_interfaces: bool,
    /// Packets and octets a second, counted for so long [without a time: 1s]
    #[arg(long, value_name = "TIME", value_parser = some_time, num_args = 0..=1,
          require_equals = true, default_missing_value = "1s",
          conflicts_with = "list_interfaces")]
    pub rate: Option<Duration>,
    /// How to show them
    #[arg(long, default_value = "table")]
    pub format: InfoFormat,
}

/// In no time nothing passes, at no rate.
fn some_time(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("a rate needs some time, such as 1s".to_owned()),
        time => Ok(time),
    }
}
