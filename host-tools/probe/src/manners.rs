//! What may be sent at whom without being asked twice: a budget for each
//! destination. This machine itself is excepted.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Shortest interval between probes of one destination.
pub const INTERVAL: Duration = Duration::from_millis(200);
/// So many may go out at once (as iputils allows everybody).
pub const BURST: u32 = 3;
/// So many destinations: a /24.
pub const DESTINATIONS: usize = 256;
/// A flood sends at least so often, whether answers come or not.
pub const FLOOD_INTERVAL: Duration = Duration::from_millis(10);

/// What somebody wants to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<'a> {
    /// To whom; one that is there twice gets twice as much.
    pub destinations: &'a [IpAddr],
    /// Time between probes of one entry of these; 0 is a flood.
    pub interval: Duration,
    /// As fast as answers come back.
    pub flood: bool,
    /// As fast as answers come back, one at a time.
    pub adaptive: bool,
    /// So many at once, in the beginning or per round.
    pub burst: u32,
    /// Length of each packet, with its IP header.
    pub octets: usize,
}

/// What is more than the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// Probes of a destination closer together than [`INTERVAL`].
    Interval(Duration),
    /// A flood.
    Flood,
    /// As fast as answers come.
    Adaptive,
    /// More at once than [`BURST`].
    Burst(u32),
    /// More destinations than [`DESTINATIONS`].
    Range(usize),
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interval(interval) => write!(
                f,
                "an interval of {} ms to one destination is below {} ms",
                interval.as_secs_f64() * 1e3,
                INTERVAL.as_millis()
            ),
            Self::Flood => write!(f, "a flood"),
            Self::Adaptive => write!(f, "probes as fast as answers come (-A)"),
            Self::Burst(n) => write!(f, "{n} probes at once are more than {BURST}"),
            Self::Range(n) => write!(f, "{n} destinations are more than {DESTINATIONS} (a /24)"),
        }
    }
}

/// Whether an address is this machine's own for sure.
fn is_here(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified()
}

/// What of a plan needs to be asked for by name (`--fast`).
pub fn judge(plan: &Plan<'_>) -> Vec<Excess> {
    let mut outside: Vec<IpAddr> = plan
        .destinations
        .iter()
        .copied()
        .filter(|address| !is_here(*address))
        .collect();
    if outside.is_empty() {
        return Vec::new();
    }
    outside.sort_unstable();
    let most = outside
        .chunk_by(|a, b| a == b)
        .map(<[IpAddr]>::len)
        .max()
        .unwrap_or(1);
    let times = u32::try_from(most).unwrap_or(u32::MAX);
    let mut excess = Vec::new();
    if plan.flood || plan.interval.is_zero() {
        excess.push(Excess::Flood);
    } else if plan.adaptive {
        excess.push(Excess::Adaptive);
    }
    let interval = plan.interval / times.max(1);
    if interval < INTERVAL && !plan.interval.is_zero() {
        excess.push(Excess::Interval(interval));
    }
    let burst = plan.burst.saturating_mul(times);
    if burst > BURST {
        excess.push(Excess::Burst(burst));
    }
    outside.dedup();
    if outside.len() > DESTINATIONS {
        excess.push(Excess::Range(outside.len()));
    }
    excess
}

impl Plan<'_> {
    /// What will be sent, in words for who is about to allow it.
    pub fn words(&self) -> String {
        let destinations = match self.destinations {
            [one] => one.to_string(),
            several => format!("{} destinations", several.len()),
        };
        let burst = if self.burst > 1 {
            format!(", {} of them at once", self.burst)
        } else {
            String::new()
        };
        let octets = self.octets;
        if self.flood || self.adaptive || self.interval.is_zero() {
            return format!(
                "{destinations}: packets of {octets} octets as fast as answers come back, and at \
                 least {} a second each{burst}",
                if self.adaptive { 1 } else { 100 }
            );
        }
        let seconds = self.interval.as_secs_f64();
        let rate = 1.0 / seconds;
        let of_all = usize_to_f64(self.destinations.len()) * rate;
        let bits = of_all * usize_to_f64(octets) * 8.0 / 1e6;
        format!(
            "{destinations}: a packet of {octets} octets every {} ms each{burst}; {of_all:.0} \
             packets and {bits:.3} Mbit a second in all",
            seconds * 1e3
        )
    }
}

/// Counts of what one program sends are far from 2^32.
fn usize_to_f64(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn plan(destinations: &[IpAddr]) -> Plan<'_> {
        Plan {
            destinations,
            interval: Duration::from_secs(1),
            flood: false,
            adaptive: false,
            burst: 1,
            octets: 84,
        }
    }

    #[test]
    fn what_ping_does_by_itself_is_in_the_budget() {
        assert!(judge(&plan(&[FAR])).is_empty());
        let interval = INTERVAL;
        let fastest = Plan {
            interval,
            burst: BURST,
            ..plan(&[FAR])
        };
        assert!(judge(&fastest).is_empty());
    }

    #[test]
    fn each_way_to_be_faster_has_its_name() {
        let ms = Duration::from_millis;
        let cases = [
            (
                Plan {
                    interval: ms(199),
                    ..plan(&[FAR])
                },
                vec![Excess::Interval(ms(199))],
            ),
            (
                Plan {
                    flood: true,
                    ..plan(&[FAR])
                },
                vec![Excess::Flood],
            ),
            (
                Plan {
                    interval: ms(0),
                    ..plan(&[FAR])
                },
                vec![Excess::Flood],
            ),
            (
                Plan {
                    adaptive: true,
                    ..plan(&[FAR])
                },
                vec![Excess::Adaptive],
            ),
            (
                Plan {
                    burst: 4,
                    ..plan(&[FAR])
                },
                vec![Excess::Burst(4)],
            ),
            // The same one six times is six times as much.
            (
                plan(&[FAR; 6]),
                vec![Excess::Interval(ms(1000) / 6), Excess::Burst(6)],
            ),
        ];
        for (plan, excess) in cases {
            assert_eq!(judge(&plan), excess, "{plan:?}");
        }
        let many: Vec<IpAddr> = (0..257_u32)
            .map(|n| std::net::Ipv4Addr::from(0xc000_0200 + n).into())
            .collect();
        assert_eq!(judge(&plan(&many)), [Excess::Range(257)]);
        assert!(judge(&plan(&many[1..])).is_empty());
    }

    #[test]
    fn this_machine_may_be_flooded() {
        for here in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            let here = [here.parse().unwrap()];
            let flood = Plan {
                flood: true,
                burst: 1000,
                ..plan(&here)
            };
            assert!(judge(&flood).is_empty(), "{here:?}");
        }
        let both = ["127.0.0.1".parse().unwrap(), FAR];
        assert!(
            !judge(&Plan {
                flood: true,
                ..plan(&both)
            })
            .is_empty()
        );
    }

    #[test]
    fn what_will_be_sent_is_said() {
        let text = Plan {
            interval: Duration::from_millis(100),
            ..plan(&[FAR])
        }
        .words();
        assert_eq!(
            text,
            "192.0.2.1: a packet of 84 octets every 100 ms each; 10 packets and 0.007 Mbit a second in all"
        );
    }
}
