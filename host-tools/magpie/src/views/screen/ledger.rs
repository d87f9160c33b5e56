//! The ledger page: where every frame and every record went.

use magpie_collector::UnsentSums;
use magpie_protocol::{FlowSum, Known, Ledger, Sum};
use magpie_sources::Uplink;

use super::grid::shorten;
use super::line::{Line, Tone, width, wrap};
use super::look::{Facts, Findings};
use super::pace::Carried;
use super::summary::{self, books_tone, losses, lost_in_all};
use super::words;
use crate::views::text::{percent, plain, thousands};
use crate::views::{Times, names, rows, unsent};

/// Columns of a name and of a number.
const NAME: usize = 26;
const NUMBER: usize = 20;
/// Lines of what was not kept; the rest is one line.
const MOST_LINES: usize = 16;

/// A page that grows.
struct Page {
    columns: usize,
    lines: Vec<Line>,
}

impl Page {
    /// A name and numbers below each other; those that do not fit are left
    /// out.
    fn put(&mut self, tone: Tone, name: &str, cells: &[(Tone, &str)]) {
        let mut line = Line::of(tone, name);
        for (i, (tone, text)) in cells.iter().enumerate() {
            let end = NAME + NUMBER * (i + 1);
            if end <= self.columns {
                line.pad(end.saturating_sub(width(text)));
                line.push(*tone, *text);
            }
        }
        self.lines.push(line);
    }

    fn title(&mut self, text: &str, right: &[&str]) {
        if !self.lines.is_empty() {
            self.lines.push(Line::default());
        }
        let cells: Vec<_> = right.iter().map(|word| (Tone::Heading, *word)).collect();
        self.put(Tone::Heading, text, &cells);
    }

    fn row(&mut self, name: &str, cells: &[(Tone, String)]) {
        let cells: Vec<_> = cells.iter().map(|(tone, text)| (*tone, &**text)).collect();
        self.put(Tone::Plain, &format!("  {name}"), &cells);
    }

    /// A name and what the sensor says; on a line of its own where it is long.
    fn say(&mut self, name: &str, text: &str) {
        if width(name) + width(text) + 3 <= NAME + NUMBER {
            self.row(name, &[(Tone::Plain, text.to_owned())]);
        } else {
            self.row(name, &[]);
            for part in wrap(text, self.columns.saturating_sub(4)) {
                self.lines.push(Line::plain(format!("    {part}")));
            }
        }
    }

    fn sum(&mut self, name: &str, sum: Sum) {
        let cells = [sum.frames, sum.octets].map(|n| (Tone::Plain, thousands(n)));
        self.row(name, &cells);
    }

    fn count(&mut self, name: &str, n: u64, tone: Tone) {
        let tone = if n == 0 { Tone::Plain } else { tone };
        self.row(name, &[(tone, thousands(n))]);
    }

    fn known(&mut self, name: &str, known: Known) {
        let mut cells = vec![words::known(known)];
        if known == Known::AtLeast(0) {
            cells.push((Tone::Plain, "its counter shows 0".to_owned()));
        }
        self.row(name, &cells);
    }

    fn words(&mut self, tone: Tone, text: &str) {
        for line in wrap(text, self.columns) {
            self.lines.push(Line::of(tone, line));
        }
    }
}

/// All of it, longer than most screens.
pub(super) fn page(
    facts: &Facts,
    findings: &Findings,
    carried: &Carried,
    columns: usize,
) -> Vec<Line> {
    let ledger = facts.ledger.unwrap_or_default();
    let mut page = Page {
        columns,
        lines: Vec::new(),
    };
    frames(&mut page, facts, &ledger);
    tables(&mut page, &ledger);
    records(&mut page, facts, findings);
    not_kept(&mut page, facts);
    uplink(&mut page, facts, carried, &ledger);
    sensor(&mut page, facts);
    page.title("BOOKS", &[]);
    let books = &findings.books;
    page.words(books_tone(&books.state), &books.to_string());
    for broken in &books.broken {
        page.words(Tone::Loss, &format!("open at {broken}"));
    }
    for doubt in &books.doubts {
        page.words(Tone::Doubt, &format!("cannot be told: {doubt}"));
    }
    page.lines
}

fn frames(page: &mut Page, facts: &Facts, ledger: &Ledger) {
    page.title("FRAMES", &["FRAMES", "OCTETS"]);
    match &facts.status.offered {
        Some(offered) => page.sum(
            "on the wire, by its feeder",
            Sum {
                frames: offered.frames,
                octets: offered.octets,
            },
        ),
        None => page.row("on the wire", &[(Tone::Plain, "?".to_owned())]),
    }
    let losses = losses(facts, ledger);
    page.known("lost", lost_in_all(&losses));
    for (name, frames) in &losses {
        page.known(&format!("  {name}"), *frames);
    }
    let doubles = &ledger.doubles;
    if doubles.window_us > 0 || doubles.sum.frames > 0 {
        page.sum("doubled by the mirror", doubles.sum);
        page.count("  or sent twice", doubles.unsure, Tone::Doubt);
        page.count("  forgotten too early", doubles.forgotten, Tone::Doubt);
    }
    page.sum("counted", ledger.counted);
    let peak = facts.peak;
    if let (Some(frames), Some(octets)) = (peak.frames_a_second(), peak.octets_a_second()) {
        let cells = [frames, octets].map(|n| (Tone::Plain, words::whole(n)));
        page.row("  peak 1s", &cells);
        if let Some(share) = facts.peak_share() {
            page.say("  of the link", &format!("{:.1}%", share * 100.0));
        }
    }
    for (name, sum) in [
        ("  in flows", ledger.in_flows),
        ("  ARP", ledger.arp),
        ("  other than IP", ledger.other),
        ("  no valid header", ledger.invalid),
    ] {
        page.sum(name, sum);
    }
    if ledger.filtered.frames > 0 {
        page.sum("  for no table", ledger.filtered);
    }
    for (name, n, tone) in [
        ("among them malformed", ledger.malformed, Tone::Plain),
        ("  more than four tags", ledger.vlan_cut, Tone::Plain),
        ("  sent by the sensor", ledger.own_tx, Tone::Plain),
        ("  sent to the sensor", ledger.own_rx, Tone::Plain),
        ("  forged in its name", ledger.forged, Tone::Loss),
    ] {
        page.count(name, n, tone);
    }
}

fn tables(page: &mut Page, ledger: &Ledger) {
    page.title("TABLES OF THE SENSOR", &["FLOWS", "ECHO PAIRS"]);
    let (flows, echoes) = (&ledger.flows, &ledger.echoes);
    let mut both = |name: &str, a: u64, b: u64, tone: Tone| {
        let cells = [a, b].map(|n| (if n > 0 { tone } else { Tone::Plain }, thousands(n)));
        page.row(name, &cells);
    };
    both("made", flows.made, echoes.made, Tone::Plain);
    both("live", flows.live, echoes.live, Tone::Plain);
    both(
        "evicted (exported early)",
        flows.evicted,
        echoes.evicted,
        Tone::Doubt,
    );
    page.count("requests forgotten", ledger.echo_forgotten, Tone::Doubt);
}

fn records(page: &mut Page, facts: &Facts, findings: &Findings) {
    page.title("FINISHED RECORDS", &["RECORDS"]);
    let receiver = &facts.status.receiver;
    for (name, n, tone) in [
        ("made", findings.books.records, Tone::Plain),
        ("arrived here", findings.books.acked, Tone::Plain),
        ("never sent", findings.books.never_sent, Tone::Loss),
        ("unconfirmed", findings.books.unconfirmed, Tone::Loss),
        ("will not come here", receiver.lost_finals, Tone::Loss),
        ("live ones that never came", receiver.live_gap, Tone::Plain),
    ] {
        page.count(name, n, tone);
    }
}

/// What was not kept of flows, by protocol and responder.
fn not_kept(page: &mut Page, facts: &Facts) {
    if facts.unsent.total.flows() == 0 {
        return;
    }
    let mut sums = |title: &str, sum: fn(&UnsentSums) -> &FlowSum| {
        if sum(&facts.unsent.total).flows == 0 {
            return;
        }
        page.title(title, &["FLOWS", "OCTETS", "PACKETS"]);
        for (name, sums) in unsent::lines(&facts.unsent, MOST_LINES) {
            let sum = sum(&sums);
            if sum.flows > 0 {
                let cells = [sum.flows, sum.octets, sum.packets];
                let cells = cells.map(|n| (Tone::Loss, unsent::at_least(&sums, n)));
                // An address may go on below the heading, up to the number.
                let room = NAME + NUMBER - "  ".len() - width(&cells[0].1) - 1;
                page.row(&shorten(&name, room), &cells);
            }
        }
    };
    sums("NEVER SENT, TO", |sums| &sums.never_sent);
    sums("UNCONFIRMED, TO", |sums| &sums.unconfirmed);
}

fn uplink(page: &mut Page, facts: &Facts, carried: &Carried, ledger: &Ledger) {
    page.title("UPLINK", &["BATCHES"]);
    let (sent, receiver) = (&ledger.uplink, &facts.status.receiver);
    for (name, n) in [
        ("sent by the sensor", sent.batches),
        ("of these, again", sent.resent),
        ("understood here", receiver.batches),
        ("more than once", receiver.duplicates),
        ("out of order", receiver.out_of_order),
    ] {
        page.count(name, n, Tone::Plain);
    }
    let unknown: u64 = facts.link.unknown.values().sum();
    for (name, n) in [
        ("not understood here", facts.link.bad_batches),
        ("not understood there", sent.bad_frames),
        ("records not understood", facts.link.bad_bodies),
        ("records of unknown types", unknown),
    ] {
        page.count(name, n, Tone::Doubt);
    }
    if let Some(uplink) = &facts.status.uplink {
        page.say("records come by", uplink.name());
        if let Uplink::Udp {
            from: Some(from), ..
        } = uplink
        {
            page.say("from", &from.to_string());
        }
        if let Some(octets) = uplink.octets() {
            page.say("octets read off it", &thousands(octets));
            let now = carried.octets_a_second.map(words::whole);
            page.say("  a second, now", now.as_deref().unwrap_or("?"));
            let room = uplink.room().map(|room| thousands(room.into()));
            page.say("  a second, at most", room.as_deref().unwrap_or("?"));
        }
    }
}

fn sensor(page: &mut Page, facts: &Facts) {
    page.title("SENSOR", &[]);
    if let Some(hello) = &facts.hello {
        for (name, text) in [
            ("name", plain(&hello.name)),
            ("board", plain(&hello.board)),
            (
                "firmware",
                format!("{} ({})", plain(&hello.firmware), plain(&hello.git)),
            ),
            ("boot", format!("{:08x}", hello.boot_id)),
        ] {
            page.say(name, &text);
        }
        let sizes = &hello.capacities;
        page.say("flow table", &thousands(sizes.flows.into()));
        page.say("echo table", &thousands(sizes.echoes.into()));
        let boot = &hello.boot;
        if boot.count > 0 {
            page.say("boots since power came", &thousands(boot.count.into()));
            page.say("began by", &rows::boot_reason(boot.reason));
            if let Some(watchdogs) = boot.watchdogs {
                page.say("of these by the watchdog", &thousands(watchdogs.into()));
            }
        }
        if !boot.last_word.is_empty() {
            let text = format!("  last word of the boot before: {}", plain(&boot.last_word));
            page.words(Tone::Loss, &text);
        }
        if hello.zero_seed {
            page.row("seed zero", &[(Tone::Doubt, "hash guessable".to_owned())]);
        }
    }
    if let Some(port) = &facts.port {
        let link = names::link(port.link);
        page.say("link of its port", link.as_deref().unwrap_or("?"));
        page.say("its port", &names::net(port.net));
        if let Some(address) = rows::address(port.net) {
            page.say("its address", &address.to_string());
        }
        let busy = port
            .cpu_permille
            .map(|n| format!("{}%", percent(n.into(), 1_000)));
        page.say("its processor works", busy.as_deref().unwrap_or("?"));
        if port.refused > 0 {
            let refused = u64::from(port.refused);
            page.count("commands refused (UDP)", refused, Tone::Doubt);
        }
    }
    page.row("boots seen", &[(Tone::Plain, thousands(facts.boots))]);
    if let Some(ledger) = &facts.ledger {
        let at = facts.times.show(ledger.at_us);
        let at = u64::try_from(at).unwrap_or(0);
        let text = match facts.times {
            Times::Unix { .. } => summary::time_of_day(at),
            Times::Boot => format!("up {}", crate::views::text::clock(at)),
        };
        page.row("this ledger drawn up", &[(Tone::Plain, text)]);
    }
    let forgotten = facts.forgotten;
    for (name, n) in [
        ("flow keys forgotten here", forgotten.flows),
        ("echo pairs forgotten", forgotten.echoes),
        ("counter lines forgotten", forgotten.count_lines),
        ("boots added up", forgotten.boots),
    ] {
        if n > 0 {
            page.count(name, n, Tone::Doubt);
        }
    }
}
