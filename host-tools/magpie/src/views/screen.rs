//! The live screen: what one wants to see at three in the morning.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt::Write as _;

use magpie_collector::{Mirror, addresses, ends};
use magpie_protocol::{ClockKind, Known, Ledger, TableId};

use super::text::{Columns, clock, cut, megabits, millis, percent, plain, shorten, thousands};
use super::{Choice, Seen, Sort, names, rows, table};

/// Echo pairs shown.
const ECHO_LINES: usize = 5;
/// Columns of a flow's line beside its end points, and of an echo pair's.
const BESIDE_FLOW: usize = 42;
const BESIDE_ECHO: usize = 54;
/// End points get at least so many characters.
const LEAST_END: usize = 15;
/// ICMP messages shown.
const ICMP_KINDS: usize = 5;

/// What a source had counted when it was last looked at.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    at_us: u64,
    frames: u64,
    octets: u64,
    made: u64,
    frames_a_second: f64,
    octets_a_second: f64,
    flows_a_second: f64,
}

/// Draws the screen; remembers what it drew, for rates.
#[derive(Debug, Default)]
pub struct Screen {
    before: HashMap<String, Before>,
}

#[allow(clippy::cast_precision_loss)] // rates for the eye
fn rate(new: u64, old: u64, us: u64) -> f64 {
    new.saturating_sub(old) as f64 * 1e6 / us as f64
}

impl Screen {
    /// The lines of the screen, cut to this many columns and rows.
    pub fn draw(
        &mut self,
        sources: &[Seen<'_>],
        choice: &Choice,
        columns: usize,
        height: usize,
    ) -> Vec<String> {
        let each = height.saturating_sub(1) / sources.len().max(1);
        let mut lines = Vec::new();
        for seen in sources {
            let mut of_source = self.source(seen, choice, columns, each);
            of_source.truncate(each);
            lines.extend(of_source);
        }
        lines.push("-- Ctrl-C ends with the summary".to_owned());
        lines
            .into_iter()
            .map(|line| cut(&line, columns).to_owned())
            .collect()
    }

    /// Rates since the last ledger; the sensor's clock measures the time.
    fn rates(&mut self, seen: &Seen<'_>, ledger: &Ledger) -> Before {
        let before = self
            .before
            .entry(seen.picture.name().to_owned())
            .or_default();
        let passed = ledger.at_us.saturating_sub(before.at_us);
        if before.at_us == 0 || ledger.at_us < before.at_us || passed >= 900_000 {
            let first = before.at_us == 0 || ledger.at_us < before.at_us;
            let of = |new, old| if first { 0.0 } else { rate(new, old, passed) };
            *before = Before {
                at_us: ledger.at_us,
                frames: ledger.counted.frames,
                octets: ledger.counted.octets,
                made: ledger.flows.made,
                frames_a_second: of(ledger.counted.frames, before.frames),
                octets_a_second: of(ledger.counted.octets, before.octets),
                flows_a_second: of(ledger.flows.made, before.made),
            };
        }
        *before
    }

    fn source(
        &mut self,
        seen: &Seen<'_>,
        choice: &Choice,
        columns: usize,
        height: usize,
    ) -> Vec<String> {
        let picture = seen.picture;
        let ledger = picture.ledger().unwrap_or_default();
        let rates = self.rates(seen, &ledger);
        let mut lines = vec![head(seen, columns)];
        lines.push(format!(
            "LINK   {} Mb/s  {:.0} f/s  {} frames  {} octets",
            megabits(rates.octets_a_second),
            rates.frames_a_second,
            thousands(ledger.counted.frames),
            thousands(ledger.counted.octets),
        ));
        lines.push(lost(seen, &ledger));
        let mirror = seen.mirror();
        let tags = match mirror.tag_asym() {
            0 => "tags symmetric".to_owned(),
            n => format!("tags differ in {n} flows"),
        };
        lines.push(format!(
            "MIRROR unseen >={} (acked, never seen)   one-way {}%   {tags}",
            mirror.unseen,
            percent(mirror.one_way(), mirror.keys),
        ));
        let max = picture.hello().map_or(0, |hello| hello.capacities.flows);
        lines.push(format!(
            "FLOWS  {} live of {max}   new {:.0}/s   evicted {}   keys {}",
            thousands(ledger.flows.live),
            rates.flows_a_second,
            thousands(ledger.flows.evicted),
            thousands(picture.flows().len() as u64),
        ));
        let tail = tail(seen, &ledger);
        let echoes = echoes(seen, &mirror, columns);
        let room = height
            .saturating_sub(lines.len() + echoes.len() + tail.len() + 1)
            .min(choice.top.unwrap_or(usize::MAX));
        lines.extend(flows(seen, &mirror, choice, columns, room));
        lines.extend(echoes);
        lines.extend(tail);
        lines
    }
}

/// The first line; what matters least gives way where it does not fit.
fn head(seen: &Seen<'_>, columns: usize) -> String {
    let picture = seen.picture;
    let time = format!("magpie {}Z", clock(seen.now_us % 86_400_000_000));
    let books = format!("BOOKS: {}", seen.books().state);
    let Some(hello) = picture.hello() else {
        let name = plain(picture.name());
        return format!("{time}  {name}  no answer yet  {books}");
    };
    let up = match hello.clock {
        ClockKind::SinceBoot => Some(format!("up {}", clock(picture.latest_us()))),
        _ => None,
    };
    let bound = picture.clock().map(|measured| {
        let bound = i64::try_from(measured.bound_at(seen.now_us)).unwrap_or(i64::MAX);
        format!("clock +-{}ms", millis(bound))
    });
    let (name, board) = (plain(&hello.name), plain(&hello.board));
    let with = |board: Option<String>, bound: Option<String>| {
        let named = board.map_or_else(|| name.clone(), |board| format!("{name} {board}"));
        let parts = [
            Some(time.clone()),
            Some(named),
            up.clone(),
            bound,
            Some(books.clone()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join("  ")
    };
    [
        with(Some(board), bound.clone()),
        with(None, bound),
        with(None, None),
    ]
    .into_iter()
    .find(|line| line.chars().count() <= columns)
    .unwrap_or_else(|| with(None, None))
}

// Writing to a String cannot fail.
fn lost(seen: &Seen<'_>, ledger: &Ledger) -> String {
    let lost = &ledger.lost;
    let mut line = "LOST  ".to_owned();
    for (name, known) in [
        ("fcs", lost.fcs),
        ("oversize", lost.oversize),
        ("mac", lost.mac_fifo),
        ("desc", lost.no_descriptor),
        ("ring", lost.ring),
    ] {
        let n = match known {
            Known::Unknown => "?".to_owned(),
            Known::Exact(n) => thousands(n),
            Known::AtLeast(n) => format!(">={}", thousands(n)),
        };
        let _ = write!(line, " {name} {n}");
    }
    let uplink = &ledger.uplink;
    let dropped = ledger
        .never_sent
        .records
        .saturating_add(uplink.never_sent.records)
        .saturating_add(uplink.unconfirmed.records);
    let _ = write!(line, "  uplink {} rec", thousands(dropped));
    for refusal in seen
        .offered
        .into_iter()
        .flat_map(|offered| &offered.refused)
    {
        let _ = write!(
            line,
            "  refused {} {}",
            refusal.reason,
            thousands(refusal.frames)
        );
    }
    line
}

/// Flows, the fastest first unless asked for otherwise.
fn flows(
    seen: &Seen<'_>,
    mirror: &Mirror,
    choice: &Choice,
    width: usize,
    room: usize,
) -> Vec<String> {
    let width = end_width(width, BESIDE_FLOW);
    let mut columns = Columns::new(
        "<<<<>>>>",
        &[
            "VLAN",
            "P",
            "ORIGINATOR",
            "RESPONDER",
            "Mb/s>",
            "<Mb/s",
            "RTT ms",
            "BACK%",
        ],
    );
    let choice = Choice {
        top: Some(room),
        sort: choice.sort.or(Some(Sort::Rate)),
    };
    for (key, sums) in rows::chosen_flows(seen, &choice) {
        let ((originator, port), (responder, to)) = ends(&key, sums.initiator);
        let held = seen.picture.flows().get(&key);
        let [ab, ba] = held.map_or([0.0; 2], |flow| flow.rate().at(seen.now_us));
        let (there, back) = match sums.initiator {
            magpie_protocol::Side::A => (ab, ba),
            magpie_protocol::Side::B => (ba, ab),
        };
        let one_way = mirror.is_one_way(&key);
        columns.row([
            names::vlan(key.vlan),
            names::protocol_or_number(key.protocol),
            shorten(&table::end_point(originator, port), width),
            shorten(&table::end_point(responder, to), width),
            megabits(there),
            if one_way {
                "-".to_owned()
            } else {
                megabits(back)
            },
            if one_way {
                "1-way".to_owned()
            } else {
                table::handshake_rtt(&sums)
            },
            table::back(&key, &sums),
        ]);
    }
    columns.lines("")
}

/// Room for one of two end points beside the other columns.
fn end_width(columns: usize, beside: usize) -> usize {
    (columns.saturating_sub(beside) / 2).max(LEAST_END)
}

/// Echo pairs, those with the most requests first.
fn echoes(seen: &Seen<'_>, mirror: &Mirror, width: usize) -> Vec<String> {
    let width = end_width(width, BESIDE_ECHO);
    let mut pairs = seen.picture.echoes().sorted();
    if pairs.is_empty() {
        return Vec::new();
    }
    pairs.sort_by_key(|(_, sums)| Reverse(sums.requests));
    let heading = [
        "ECHO",
        "REQUESTER",
        "TARGET",
        "SENT",
        "BACK",
        "WAIT",
        "LOST",
        "DUP",
        "med/p95 ms",
    ];
    let mut columns = Columns::new("<<<>>>>>>", &heading);
    for (key, sums) in pairs.iter().take(ECHO_LINES) {
        let (requester, target) = addresses(&key.addresses);
        let doubt = mirror.doubt(key);
        let lost = doubt.map_or_else(|| sums.lost().to_string(), |_| "?".to_owned());
        columns.row([
            names::vlan(key.vlan),
            shorten(&requester.to_string(), width),
            shorten(&target.to_string(), width),
            sums.requests.to_string(),
            sums.matched.to_string(),
            sums.waiting.to_string(),
            lost,
            sums.duplicates.to_string(),
            doubt.map_or_else(|| table::rtt(seen, key), str::to_owned),
        ]);
    }
    columns.lines("")
}

fn tail(seen: &Seen<'_>, ledger: &Ledger) -> Vec<String> {
    let mut lines = Vec::new();
    let icmp = seen.picture.counts(TableId::Icmp);
    if !icmp.is_empty() {
        let mut sorted: Vec<_> = icmp.into_iter().collect();
        sorted.sort_by_key(|(_, line)| Reverse(line.frames));
        let mut line = "ICMP  ".to_owned();
        for (key, count) in sorted.into_iter().take(ICMP_KINDS) {
            let (version, kind, code) = (key >> 16, key >> 8 & 0xff, key & 0xff);
            let name = names::icmp(version, kind, code)
                .map_or_else(|| names::key(TableId::Icmp, key), str::to_owned);
            let _ = write!(line, " {name} {}", thousands(count.frames));
        }
        lines.push(line);
    }
    let malformed = ledger.malformed;
    let arp = ledger.arp.frames;
    lines.push(format!(
        "OTHER  ARP {}  not IP {}  no valid header {}  malformed {}",
        thousands(arp),
        thousands(ledger.other.frames),
        thousands(ledger.invalid.frames),
        thousands(malformed),
    ));
    let books = seen.books();
    lines.push(format!(
        "SENSOR boot {}  records {}  never sent {}  batches {} ({} again)",
        seen.picture.seen_boots(),
        thousands(books.acked),
        thousands(books.never_sent),
        thousands(ledger.uplink.batches),
        thousands(ledger.uplink.resent),
    ));
    lines
}
