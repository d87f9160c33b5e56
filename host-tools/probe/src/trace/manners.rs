//! What a trace may send without being asked twice. Its probes meet another
//! router each, so what counts is how many are under way, and how often one
//! router is asked.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::Plan;
use crate::manners::INTERVAL;

/// Probes under way at once. A path that is shorter than thought sees as many
/// at its end, once.
pub const PARALLEL: u16 = 32;
/// Probes a hop.
pub const QUERIES: u8 = 5;
/// Between two probes of a search for ways beside each other, which asks a
/// router up to some hundred times.
pub const SPACING: Duration = Duration::from_millis(10);

/// What kind of trace it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Once.
    Once,
    /// Round after round, with this interval.
    Live(Duration),
    /// All ways beside each other.
    Multipath,
}

/// What is more than the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// More under way than [`PARALLEL`].
    Parallel(u16),
    /// More probes a hop than [`QUERIES`].
    Queries(u8),
    /// Rounds closer together than [`INTERVAL`].
    Interval(Duration),
    /// Probes of a search closer together than [`SPACING`].
    Spacing(Duration),
}

impl Display for Excess {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parallel(n) => write!(out, "{n} probes under way are more than {PARALLEL}"),
            Self::Queries(n) => write!(out, "{n} probes a hop are more than {QUERIES}"),
            Self::Interval(interval) => write!(
                out,
                "rounds every {} ms are closer together than {} ms",
                interval.as_millis(),
                INTERVAL.as_millis()
            ),
            Self::Spacing(spacing) => write!(
                out,
                "probes every {} ms are closer together than the {} ms of --multipath",
                spacing.as_millis(),
                SPACING.as_millis()
            ),
        }
    }
}

/// What of a plan needs to be asked for by name (`--fast`). This machine may
/// be asked as often as one likes.
pub fn judge(plan: &Plan, manner: Manner) -> Vec<Excess> {
    if plan.destination.to_canonical().is_loopback() {
        return Vec::new();
    }
    let mut excess = Vec::new();
    if plan.parallel > PARALLEL {
        excess.push(Excess::Parallel(plan.parallel));
    }
    if plan.queries > QUERIES {
        excess.push(Excess::Queries(plan.queries));
    }
    match manner {
        Manner::Live(interval) if interval < INTERVAL => excess.push(Excess::Interval(interval)),
        Manner::Multipath if plan.send_wait < SPACING => {
            excess.push(Excess::Spacing(plan.send_wait));
        }
        _ => {}
    }
    excess
}

/// What will be sent, in words for who is about to allow it.
pub fn words(plan: &Plan, manner: Manner) -> String {
    let hops = u32::from(plan.max_hops.saturating_sub(plan.first_hop)) + 1;
    let (to, octets) = (plan.destination, plan.packet_octets);
    match manner {
        Manner::Once => format!(
            "{to}: up to {} packets of {octets} octets, {} at once",
            hops * u32::from(plan.queries),
            plan.parallel
        ),
        Manner::Live(interval) => format!(
            "{to}: up to {hops} packets of {octets} octets every {} ms, until it is ended",
            interval.as_millis()
        ),
        Manner::Multipath => format!(
            "{to}: some hundred packets of {octets} octets, {} at once",
            plan.parallel
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Method;

    #[test]
    fn what_goes_beyond_is_named() {
        let far = |text: &str| text.parse().unwrap();
        let mut plan = Plan::new(far("192.0.2.1"), far("192.0.2.2"), Method::Udp);
        let second = Duration::from_secs(1);
        assert!(judge(&plan, Manner::Once).is_empty());
        assert!(judge(&plan, Manner::Live(second)).is_empty());
        assert!(judge(&plan, Manner::Live(INTERVAL)).is_empty());
        let hasty = Duration::from_millis(199);
        assert_eq!(judge(&plan, Manner::Live(hasty)), [Excess::Interval(hasty)]);
        assert_eq!(
            judge(&plan, Manner::Multipath),
            [Excess::Spacing(Duration::ZERO)]
        );
        plan.send_wait = SPACING;
        assert!(judge(&plan, Manner::Multipath).is_empty());
        (plan.parallel, plan.queries) = (33, 6);
        assert_eq!(
            judge(&plan, Manner::Once),
            [Excess::Parallel(33), Excess::Queries(6)]
        );
        assert_eq!(
            words(&plan, Manner::Once),
            "192.0.2.1: up to 180 packets of 60 octets, 33 at once"
        );
        plan.destination = far("127.0.0.1");
        assert!(judge(&plan, Manner::Live(Duration::ZERO)).is_empty());
    }
}
