//! What the screen takes out of a picture. A source waits while its picture
//! is looked at, so little is done here: no text is written and nothing is
//! sorted as a whole.

use std::cmp::Reverse;

use magpie_collector::{Books, FlowSums, Forgotten, LinkFacts, Mirror, Peak, UnsentFlows};
use magpie_protocol::{EchoKey, FlowKey, Hello, KEY_OTHER, Ledger, LinkState, Port, TableId};
use magpie_sources::Status;

use super::filter::Filter;
use crate::views::{Seen, Sort, Times, names, rows};

/// What takes a look at every flow, and is renewed less often than the screen.
#[derive(Debug, Clone)]
pub struct Findings {
    /// What the mirror port may hide.
    pub mirror: Mirror,
    /// The balance.
    pub books: Books,
}

impl Findings {
    /// Looks at all of a picture.
    pub fn of(seen: &Seen<'_>) -> Self {
        Self {
            books: seen.books(),
            mirror: seen.mirror().clone(),
        }
    }
}

/// A source, without its flows and echo pairs.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) now_us: u64,
    pub(super) hello: Option<Hello>,
    pub(super) ledger: Option<Ledger>,
    pub(super) port: Option<Port>,
    pub(super) status: Status,
    pub(super) boots: u64,
    pub(super) latest_us: u64,
    pub(super) peak: Peak,
    pub(super) clock_bound_us: Option<u64>,
    pub(super) times: Times,
    /// Flow keys held.
    pub(super) keys: usize,
    pub(super) forgotten: Forgotten,
    pub(super) unsent: UnsentFlows,
    pub(super) link: LinkFacts,
    /// ICMP messages by name, in the order of the row.
    pub(super) icmp: Vec<IcmpCount>,
}

impl Facts {
    pub(super) fn of(seen: &Seen<'_>, status: &Status) -> Self {
        let picture = seen.picture;
        Self {
            name: picture.name().to_owned(),
            now_us: seen.now_us,
            hello: picture.hello().cloned(),
            ledger: picture.ledger(),
            port: picture.port().copied(),
            status: status.clone(),
            boots: picture.seen_boots(),
            latest_us: picture.latest_us(),
            peak: picture.peak(),
            clock_bound_us: picture.clock().map(|clock| clock.bound_at(seen.now_us)),
            times: seen.times(),
            keys: picture.flows().len(),
            forgotten: picture.forgotten(),
            unsent: picture.unsent(),
            link: picture.link().clone(),
            icmp: icmp(seen),
        }
    }
}

impl Facts {
    /// No frame can come.
    pub(super) fn is_unplugged(&self) -> bool {
        self.port.is_some_and(|port| port.link == LinkState::Down)
    }

    /// The busiest second as a share of the link, where its speed is known.
    pub(super) fn peak_share(&self) -> Option<f64> {
        match self.port?.link {
            LinkState::Up { mbit, .. } => self.peak.share_of(mbit),
            LinkState::Down | LinkState::Unknown => None,
        }
    }
}

/// ICMP messages of one name.
#[derive(Debug, Clone)]
pub(super) struct IcmpCount {
    pub(super) name: String,
    pub(super) frames: u64,
    pub(super) is_error: bool,
    /// What the latest one said, if it was of a packet that was too big.
    pub(super) latest: Option<String>,
}

/// ICMP messages: what went wrong first, then ping and the rest.
fn icmp(seen: &Seen<'_>) -> Vec<IcmpCount> {
    let mut named: Vec<IcmpCount> = Vec::new();
    for (key, line) in seen.picture.counts(TableId::Icmp) {
        let (version, kind, code) = (key >> 16, key >> 8 & 0xff, key & 0xff);
        let name = match names::icmp(version, kind, code) {
            _ if key == KEY_OTHER => "other".to_owned(),
            Some(name) => name.to_owned(),
            None => format!("v{version} {kind}/{code}"),
        };
        let is_error = match version {
            4 => matches!(kind, 3 | 4 | 5 | 11 | 12),
            _ => version == 6 && (kind < 128 || kind == 137),
        };
        let mut latest = seen.picture.too_big();
        let latest = latest.find(|one| names::is_too_big(one, version, kind, code));
        let count = IcmpCount {
            name,
            frames: line.frames,
            is_error,
            latest: latest.map(names::too_big_words),
        };
        // IPv4's and IPv6's are one to the eye.
        match named.iter_mut().find(|known| known.name == count.name) {
            Some(known) => {
                known.frames = known.frames.saturating_add(count.frames);
                known.latest = known.latest.take().or(count.latest);
            }
            None => named.push(count),
        }
    }
    named.sort_by_key(|count| (!count.is_error, Reverse(count.frames)));
    named
}

/// A key and what it is ordered by.
pub(super) type Ranked<K> = (Reverse<u64>, K);

/// Every flow with its rank.
pub(super) fn rank_flows(seen: &Seen<'_>, sort: Sort, into: &mut Vec<Ranked<FlowKey>>) {
    into.clear();
    into.extend(seen.picture.flows().iter().filter_map(|(key, flow)| {
        let rank = rows::rank(seen.now_us, sort, flow)?;
        Some((Reverse(rank), *key))
    }));
}

/// Every echo pair with its requests.
pub(super) fn rank_echoes(seen: &Seen<'_>) -> Vec<Ranked<EchoKey>> {
    let pairs = seen.picture.echoes().iter().filter_map(|(key, echo)| {
        let sums = echo.total()?;
        Some((Reverse(sums.requests), *key))
    });
    pairs.collect()
}

/// The keys in view, and how many there are that pass the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window<K> {
    pub(super) keys: Vec<K>,
    /// Those that pass.
    pub(super) passing: usize,
    /// Of these, the first in view.
    pub(super) top: usize,
}

/// Chooses what is in view, and sorts no more than that.
pub(super) fn choose<K: Copy + Ord>(
    ranked: &mut Vec<Ranked<K>>,
    passes: impl Fn(&K) -> bool,
    top: usize,
    room: usize,
) -> Window<K> {
    ranked.retain(|(_, key)| passes(key));
    let passing = ranked.len();
    let top = top.min(passing.saturating_sub(room));
    let end = (top + room).min(passing);
    let mut view = ranked.as_mut_slice();
    if end < view.len() {
        view.select_nth_unstable(end);
        view = &mut view[..end];
    }
    if top > 0 && top < view.len() {
        view.select_nth_unstable(top);
    }
    let view = &mut view[top..];
    view.sort_unstable();
    Window {
        keys: view.iter().map(|(_, key)| *key).collect(),
        passing,
        top,
    }
}

/// The flows in view.
pub(super) fn choose_flows(
    ranked: &mut Vec<Ranked<FlowKey>>,
    filter: &Filter,
    top: usize,
    room: usize,
) -> Window<FlowKey> {
    choose(ranked, |key| filter.passes_flow(key), top, room)
}

/// One flow in view.
#[derive(Debug, Clone)]
pub(super) struct FlowRow {
    pub(super) key: FlowKey,
    pub(super) sums: FlowSums,
    /// Octets a second, `a` to `b` and back.
    pub(super) rate: [f64; 2],
}

/// The flows of a window; those forgotten meanwhile are left out.
pub(super) fn flow_rows(seen: &Seen<'_>, keys: &[FlowKey]) -> Vec<FlowRow> {
    let flows = seen.picture.flows();
    let row = |key: &FlowKey| {
        let flow = flows.get(key)?;
        Some(FlowRow {
            key: *key,
            sums: flow.total()?,
            rate: flow.rate().at(seen.now_us),
        })
    };
    keys.iter().filter_map(row).collect()
}

/// One echo pair in view.
#[derive(Debug, Clone)]
pub(super) struct EchoRow {
    pub(super) key: EchoKey,
    pub(super) sums: magpie_collector::EchoSums,
    /// Median and 95th percentile, microseconds.
    pub(super) rtt: Option<(i64, i64)>,
}

/// Likewise for echo pairs.
pub(super) fn echo_rows(seen: &Seen<'_>, keys: &[EchoKey]) -> Vec<EchoRow> {
    let echoes = seen.picture.echoes();
    let row = |key: &EchoKey| {
        let echo = echoes.get(key)?;
        let samples = echo.samples();
        Some(EchoRow {
            key: *key,
            sums: echo.total()?,
            rtt: samples.percentile(50).zip(samples.percentile(95)),
        })
    };
    keys.iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_view_is_what_a_full_sort_would_show() {
        // A fixed scramble with many equal ranks.
        let all: Vec<Ranked<u32>> = (0..1_000_u32)
            .map(|n| (Reverse(u64::from(n.wrapping_mul(7_919) % 50)), n))
            .collect();
        let mut sorted = all.clone();
        sorted.sort_unstable();
        for (top, room) in [
            (0, 10),
            (0, 0),
            (500, 37),
            (995, 10),
            (5_000, 10),
            (0, 2_000),
        ] {
            let window = choose(&mut all.clone(), |_| true, top, room);
            let top = top.min(1_000_usize.saturating_sub(room));
            let want: Vec<u32> = sorted
                .iter()
                .skip(top)
                .take(room)
                .map(|(_, n)| *n)
                .collect();
            assert_eq!(window.keys, want, "{top} {room}");
            assert_eq!((window.passing, window.top), (1_000, top));
        }
        let even = choose(&mut all.clone(), |n| n % 2 == 0, 0, 1_000);
        assert_eq!(even.passing, 500);
        assert!(even.keys.iter().all(|n| n % 2 == 0));
    }
}
