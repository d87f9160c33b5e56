//! The rows above and below the flows.

use magpie_collector::State;
use magpie_protocol::{BootReason, ClockKind, Known, Ledger, LinkState, NetState};
use magpie_sources::{Phase, Uplink};

use super::Controls;
use super::line::{Line, Row, Tone};
use super::look::{Facts, Findings};
use super::pace::{Carried, Pace};
use super::words;
use crate::views::mirror::Words;
use crate::views::text::{clock, megabits, millis, plain, thousands};
use crate::views::{Sort, names, rows};

/// How the books look.
pub(super) fn books_tone(state: &State) -> Tone {
    match state {
        State::Closed => Tone::Plain,
        State::Partial(_) => Tone::Doubt,
        State::Open { .. } => Tone::Loss,
    }
}

/// Time of day of a host time.
pub(super) fn time_of_day(us: u64) -> String {
    format!("{}Z", clock(us % 86_400_000_000))
}

/// Who it is, since when, and how the books stand.
pub(super) fn head(
    facts: &Facts,
    findings: &Findings,
    controls: &Controls,
    columns: usize,
) -> Line {
    let mut row = Row::new("");
    row.say(0, 0, format!("magpie {}", time_of_day(facts.now_us)));
    if controls.frozen {
        row.part(1, 2, Line::of(Tone::Mark, "FROZEN"));
    }
    if let Some(hello) = &facts.hello {
        row.say(2, 2, plain(&hello.name));
        if !hello.board.is_empty() {
            row.say(6, 1, plain(&hello.board));
        }
        if hello.clock == ClockKind::SinceBoot {
            row.say(4, 2, format!("up {}", clock(facts.latest_us)));
        }
        if let Some(bound) = facts.clock_bound_us {
            let bound = i64::try_from(bound).unwrap_or(i64::MAX);
            row.say(5, 2, format!("clock +-{}ms", millis(bound)));
        }
    } else {
        row.say(2, 2, plain(&facts.name));
    }
    let state = &findings.books.state;
    let mut books = Line::plain("BOOKS: ");
    books.push(books_tone(state), state.to_string());
    row.part(0, 2, books);
    row.fit(columns)
}

/// A processor that is this busy may soon lose frames.
const NEARLY_BUSY: u16 = 900;

/// The cable and what the port says on it.
fn port(facts: &Facts) -> Option<Line> {
    let port = facts.port?;
    let link = names::link(port.link);
    let tone = match port.link {
        LinkState::Down => Tone::Loss,
        // A mirror port is never half duplex on purpose.
        LinkState::Up { full_duplex, .. } if !full_duplex => Tone::Doubt,
        LinkState::Up { .. } | LinkState::Unknown => Tone::Plain,
    };
    let mut line = Line::default();
    if let Some(link) = link {
        line.push(tone, link);
        line.push(Tone::Plain, ", ");
    }
    let tone = match port.net {
        NetState::NoLease => Tone::Doubt,
        _ => Tone::Plain,
    };
    line.push(tone, names::net(port.net));
    Some(line)
}

/// The busiest second: its share of the link where that is known.
fn peak(facts: &Facts) -> Option<String> {
    if let Some(share) = facts.peak_share() {
        return Some(format!("peak 1s {:.0}%", share * 100.0));
    }
    let octets = facts.peak.octets_a_second()?;
    Some(format!("peak 1s {} Mb/s", megabits(octets)))
}

/// The cable, how much passes, and how busy that keeps the sensor.
pub(super) fn link(facts: &Facts, ledger: &Ledger, pace: &Pace, columns: usize) -> Line {
    let mut row = Row::new("LINK");
    let mut gap = 0;
    if let Some(port) = port(facts) {
        row.part(0, gap, port);
        gap = 3;
    }
    let [octets, frames] = words::link_rates(pace);
    row.say(0, gap, format!("{octets} Mb/s"));
    row.say(0, 3, format!("{frames} f/s"));
    if let Some(peak) = peak(facts) {
        row.say(1, 3, peak);
    }
    if let Some(permille) = facts.port.and_then(|port| port.cpu_permille) {
        let tone = if permille >= NEARLY_BUSY {
            Tone::Doubt
        } else {
            Tone::Plain
        };
        let mut cpu = Line::plain("sensor cpu ");
        cpu.push(tone, format!("{}%", permille.min(1_000).div_ceil(10)));
        row.part(2, 3, cpu);
    }
    row.say(3, 3, format!("{} frames", thousands(ledger.counted.frames)));
    row.say(4, 3, format!("{} octets", thousands(ledger.counted.octets)));
    row.fit(columns)
}

/// Every place before the core where frames may be lost.
pub(super) fn losses(facts: &Facts, ledger: &Ledger) -> Vec<(String, Known)> {
    let lost = &ledger.lost;
    let mut all = vec![
        ("fcs".to_owned(), lost.fcs),
        ("oversize".to_owned(), lost.oversize),
        ("mac".to_owned(), lost.mac_fifo),
        ("desc".to_owned(), lost.no_descriptor),
        ("ring".to_owned(), lost.ring),
    ];
    let offered = facts.status.offered.iter();
    for refusal in offered.flat_map(|offered| &offered.refused) {
        let name = format!("refused {}", plain(&refusal.reason));
        all.push((name, Known::Exact(refusal.frames)));
    }
    all
}

/// All of it: as well known as its least known part.
pub(super) fn lost_in_all(losses: &[(String, Known)]) -> Known {
    let sum = losses
        .iter()
        .fold(0_u64, |sum, (_, known)| sum.saturating_add(known.value()));
    let exact = |(_, known): &(String, Known)| matches!(known, Known::Exact(_));
    if losses.iter().all(exact) {
        Known::Exact(sum)
    } else if sum == 0 {
        Known::Unknown
    } else {
        Known::AtLeast(sum)
    }
}

/// Finished records that will not come, as the sensor knows.
pub(super) fn records_lost(ledger: &Ledger) -> u64 {
    ledger
        .never_sent
        .records
        .saturating_add(ledger.uplink.never_sent.records)
        .saturating_add(ledger.uplink.unconfirmed.records)
}

/// What is lost goes first, then what cannot be told.
fn rank(known: Known) -> u8 {
    match known {
        Known::Exact(0) => 3,
        Known::Unknown | Known::AtLeast(0) => 1,
        Known::Exact(_) | Known::AtLeast(_) => 0,
    }
}

/// What was lost, and where.
pub(super) fn lost(facts: &Facts, ledger: &Ledger, columns: usize) -> Line {
    let mut row = Row::new("LOST");
    let losses = losses(facts, ledger);
    let mut part = |rank, name: &str, tone, number: &str, unit: &str| {
        let mut line = Line::plain(format!("{name} "));
        line.push(tone, format!("{number}{unit}"));
        row.part(rank, 2, line);
    };
    for (name, frames) in &losses {
        let (tone, number) = words::known(*frames);
        part(rank(*frames), name, tone, &number, "");
    }
    let records = Known::Exact(records_lost(ledger));
    let (tone, number) = words::known(records);
    part(rank(records), "uplink", tone, &number, " rec");
    let (tone, number) = words::known(lost_in_all(&losses));
    part(2, "since boot:", tone, &number, " fr");
    row.fit(columns)
}

/// What a wrongly set mirror port hides.
pub(super) fn mirror(findings: &Findings, columns: usize) -> Line {
    let mirror = &findings.mirror;
    let words = Words::of(mirror);
    let tone = |doubted: bool| {
        if doubted { Tone::Doubt } else { Tone::Plain }
    };
    let mut row = Row::new("MIRROR");
    let mut unseen = Line::plain("unseen ");
    unseen.push(tone(mirror.unseen.part > 0), words.unseen);
    row.part(0, 0, unseen);
    row.say(4, 1, words.meaning);
    row.say(1, 3, words.one_way);
    row.part(2, 3, Line::of(tone(mirror.tag_asym() > 0), words.tags));
    if let Some(dup) = words.dup {
        let doubles = mirror.doubled.is_some_and(|dup| dup.part > 0);
        row.part(3, 3, Line::of(tone(doubles), dup));
    }
    row.fit(columns)
}

/// What the flows below are.
pub(super) struct Listing<'a> {
    pub(super) controls: &'a Controls,
    /// Flows that pass the filter, the first in view, and how many are.
    pub(super) passing: usize,
    pub(super) top: usize,
    pub(super) shown: usize,
}

/// By what flows are ordered.
fn order(sort: Sort) -> &'static str {
    match sort {
        Sort::Octets => "by octets",
        Sort::Packets => "by packets",
        Sort::Rate => "last 10 s, by rate",
        Sort::Last => "latest first",
        Sort::Duration => "by duration",
        Sort::Rtt => "by handshake RTT",
        Sort::Back => "by segments back",
    }
}

/// The flow table, and which of its flows are shown.
pub(super) fn flows(
    facts: &Facts,
    ledger: &Ledger,
    pace: &Pace,
    listing: &Listing<'_>,
    columns: usize,
) -> Line {
    let mut row = Row::new("FLOWS");
    let live = thousands(ledger.flows.live);
    let most = facts.hello.as_ref().map_or(0, |h| h.capacities.flows);
    // A table in this process grows.
    if u64::from(most) < ledger.flows.live || most == 0 {
        row.say(0, 0, format!("{live} live"));
    } else {
        row.say(0, 0, format!("{live} live of {most}"));
    }
    let new = pace.a_second.map(|rates| words::whole(rates.flows));
    row.say(3, 3, format!("new {}/s", new.as_deref().unwrap_or("-")));
    let evicted = ledger.flows.evicted;
    let tone = if evicted > 0 {
        Tone::Doubt
    } else {
        Tone::Plain
    };
    let mut part = Line::plain("evicted ");
    part.push(tone, thousands(evicted));
    row.part(if evicted > 0 { 2 } else { 4 }, 3, part);
    let controls = listing.controls;
    let filter = controls.filter.trim();
    if filter.is_empty() && listing.top == 0 {
        row.say(5, 3, format!("keys {}", thousands(facts.keys as u64)));
    }
    row.say(1, 3, order(controls.sort));
    if !filter.is_empty() || listing.top > 0 {
        let first = if listing.shown == 0 {
            0
        } else {
            listing.top + 1
        };
        let range = format!(
            "{}-{} of {}",
            thousands(first as u64),
            thousands((listing.top + listing.shown) as u64),
            thousands(listing.passing as u64),
        );
        row.part(1, 3, Line::of(Tone::Mark, range));
    }
    row.fit(columns)
}

/// ICMP messages, what went wrong first.
pub(super) fn icmp(facts: &Facts, columns: usize) -> Option<Line> {
    // Errors matter most, then what the latest said, then all else.
    const SAID: u8 = 100;
    if facts.icmp.is_empty() {
        return None;
    }
    let mut row = Row::new("ICMP");
    for (i, count) in facts.icmp.iter().enumerate() {
        let place = u8::try_from(i).unwrap_or(SAID).min(SAID - 1);
        let rank = if count.is_error {
            place
        } else {
            place + SAID + 1
        };
        let frames = thousands(count.frames);
        row.say(rank, 2, format!("{} {frames}", count.name));
        if let Some(latest) = &count.latest {
            row.say(SAID, 1, format!("({latest})"));
        }
    }
    Some(row.fit(columns))
}

/// Which boot it is, as the board or else this host counts, and, where the board
/// says, why it began or how often its watchdog did.
fn boot(facts: &Facts) -> Line {
    let report = facts.hello.as_ref().map(|hello| &hello.boot);
    let mut line = Line::plain("boot ");
    let again = if facts.boots > 1 {
        Tone::Doubt
    } else {
        Tone::Plain
    };
    match report.filter(|report| report.count > 0) {
        None => line.push(again, facts.boots.to_string()),
        Some(report) => {
            line.push(again, report.count.to_string());
            let tone = match report.reason {
                BootReason::Watchdog | BootReason::Software => Tone::Loss,
                BootReason::BrownOut => Tone::Doubt,
                _ => Tone::Plain,
            };
            let reason = rows::boot_reason(report.reason);
            line.push(
                tone,
                match (report.reason, report.watchdogs) {
                    // What should not have been is said; else, how often it hung.
                    (BootReason::Software | BootReason::BrownOut, _) | (_, None) => {
                        format!(" ({reason})")
                    }
                    (_, Some(watchdogs)) => format!(" (watchdog {watchdogs})"),
                },
            );
        }
    }
    line
}

/// An uplink that is this full may soon lose records.
const NEARLY_FULL: f64 = 0.8;

/// How much of a line of known speed is taken. More than all of it cannot be:
/// then it is no line of this speed.
pub(super) fn share(uplink: &Uplink, carried: &Carried) -> Option<f64> {
    let share = carried.octets_a_second? / f64::from(uplink.room()?.max(1));
    (share <= 1.0).then_some(share)
}

/// By which way records come, how much, and how full that is; where there is no
/// room for all of it, the number of bits goes first.
fn uplink(facts: &Facts, carried: &Carried, row: &mut Row) {
    let Some(uplink) = &facts.status.uplink else {
        return;
    };
    row.say(2, 2, format!("uplink {}", uplink.name()));
    let Some(octets) = carried.octets_a_second else {
        return;
    };
    if facts.status.phase == Phase::Ended {
        return;
    }
    row.say(3, 1, words::bits(octets));
    if let Some(share) = share(uplink, carried) {
        let tone = if share >= NEARLY_FULL {
            Tone::Doubt
        } else {
            Tone::Plain
        };
        row.part(2, 1, Line::of(tone, format!("{:.0}%", share * 100.0)));
    }
}

/// The sensor itself, its uplink, and its records.
pub(super) fn sensor(
    facts: &Facts,
    findings: &Findings,
    ledger: &Ledger,
    carried: &Carried,
    columns: usize,
) -> Line {
    let mut row = Row::new("SENSOR");
    row.part(1, 0, boot(facts));
    uplink(facts, carried, &mut row);
    let books = &findings.books;
    row.say(0, 2, format!("records {}", thousands(books.acked)));
    let mut part = Line::plain("never sent ");
    let tone = if books.never_sent > 0 {
        Tone::Loss
    } else {
        Tone::Plain
    };
    part.push(tone, thousands(books.never_sent));
    row.part(0, 2, part);
    let uplink = &ledger.uplink;
    if uplink.batches > 0 {
        row.say(3, 2, format!("batches {}", thousands(uplink.batches)));
        row.say(3, 2, format!("sent again {}", thousands(uplink.resent)));
    }
    row.fit(columns)
}

#[cfg(test)]
mod tests {
    use Known::{AtLeast, Exact, Unknown};

    use super::*;

    #[test]
    fn what_is_lost_is_as_well_known_as_its_least_known_part() {
        let sum = |all: &[Known]| {
            let all: Vec<_> = all.iter().map(|known| (String::new(), *known)).collect();
            lost_in_all(&all)
        };
        assert_eq!(sum(&[Exact(2), Exact(3)]), Exact(5));
        assert_eq!(sum(&[Exact(0), Unknown]), Unknown);
        assert_eq!(sum(&[Exact(2), Unknown]), AtLeast(2));
        assert_eq!(sum(&[AtLeast(2), Exact(1)]), AtLeast(3));
    }
}
