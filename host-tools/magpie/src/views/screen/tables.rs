//! Flows, echo pairs and sources as tables.

use magpie_collector::{EchoLoss, Mirror, addresses, ends};
use magpie_protocol::Side;

use super::grid::{self, Cell, Column, EXTRA, cell};
use super::line::{Line, Tone};
use super::look::{EchoRow, Facts, Findings, FlowRow};
use super::pace::Pace;
use super::{summary, words};
use crate::views::text::{megabits, millis, plain, thousands};
use crate::views::{names, table};

const FLOW: [Column; 15] = [
    Column::number("VLAN", 4, 5),
    Column::words("P", 3, 2),
    Column::ends("ORIGINATOR", 20, 0),
    Column::ends("RESPONDER", 20, 1),
    Column::number("Mb/s>", 5, 3),
    Column::number("<Mb/s", 5, 4),
    Column::number("RTT ms", 6, 6),
    Column::number("BACK%", 5, 7),
    Column::number("OCTETS>", 9, EXTRA),
    Column::number("<OCTETS", 9, EXTRA + 1),
    Column::number("PACKETS>", 8, EXTRA + 2),
    Column::number("<PACKETS", 8, EXTRA + 3),
    Column::number("SEEN", 5, EXTRA + 4),
    Column::number("UNSEEN", 8, EXTRA + 5),
    Column::words("FLAGS", 13, EXTRA + 6),
];

/// Flows in view under their heading.
pub(super) fn flows(
    rows: &[FlowRow],
    mirror: &Mirror,
    latest_us: u64,
    columns: usize,
) -> Vec<Line> {
    let rows: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| flow(row, mirror, latest_us))
        .collect();
    grid::lines(&FLOW, &rows, columns)
}

fn flow(row: &FlowRow, mirror: &Mirror, latest_us: u64) -> Vec<Cell> {
    let FlowRow { key, sums, rate } = row;
    let ((originator, port), (responder, to)) = ends(key, sums.initiator);
    let [ab, ba] = *rate;
    let a_first = sums.initiator == Side::A;
    let (there, back) = if a_first { (ab, ba) } else { (ba, ab) };
    let (sent, answered) = sums.by_role();
    let one_way = mirror.is_one_way(key);
    let tag_asym = mirror.is_tag_asym(key);
    let (back, rtt) = if tag_asym {
        (cell("-"), (Tone::Doubt, "tags".to_owned()))
    } else if one_way {
        (cell("-"), (Tone::Doubt, "1-way".to_owned()))
    } else if answered.packets == 0 {
        (cell("-"), cell(table::handshake_rtt(sums)))
    } else {
        (cell(megabits(back)), cell(table::handshake_rtt(sums)))
    };
    let answer = |n: u64| {
        if answered.packets == 0 {
            "-".to_owned()
        } else {
            thousands(n)
        }
    };
    let tcp = sums.tcp.filter(|_| key.protocol == 6);
    let unseen = tcp.map(|tcp| tcp.unseen_octets[0].saturating_add(tcp.unseen_octets[1]));
    let unseen = match unseen {
        None => cell("-"),
        Some(0) => cell("0"),
        Some(n) => (Tone::Doubt, thousands(n)),
    };
    let flags = tcp.map_or_else(String::new, |tcp| {
        let [a, b] = tcp.flags.map(names::flags);
        if a_first {
            format!("{a}/{b}")
        } else {
            format!("{b}/{a}")
        }
    });
    vec![
        cell(names::vlan(key.vlan)),
        cell(names::protocol_or_number(key.protocol)),
        cell(table::end_point(originator, port)),
        cell(table::end_point(responder, to)),
        cell(megabits(there)),
        back,
        rtt,
        cell(table::back(key, sums)),
        cell(thousands(sent.frame_octets)),
        cell(answer(answered.frame_octets)),
        cell(thousands(sent.packets)),
        cell(answer(answered.packets)),
        cell(words::span(latest_us.saturating_sub(sums.last_us))),
        unseen,
        cell(flags),
    ]
}

const ECHO: [Column; 10] = [
    Column::words("ECHO", 6, 8),
    Column::ends("REQUESTER", 15, 0),
    Column::ends("TARGET", 15, 1),
    Column::number("ID", 5, EXTRA),
    Column::number("SENT", 6, 2),
    Column::number("BACK", 6, 4),
    Column::number("WAIT", 4, 6),
    Column::number("LOST", 4, 3),
    Column::number("DUP", 3, 7),
    Column::number("med/p95 ms", 11, 5),
];

/// Echo pairs in view under their heading; nothing where there are none.
pub(super) fn echoes(rows: &[EchoRow], mirror: &Mirror, columns: usize) -> Vec<Line> {
    if rows.is_empty() {
        return Vec::new();
    }
    let rows: Vec<Vec<Cell>> = rows.iter().map(|row| echo(row, mirror)).collect();
    grid::lines(&ECHO, &rows, columns)
}

fn echo(row: &EchoRow, mirror: &Mirror) -> Vec<Cell> {
    let EchoRow { key, sums, rtt } = row;
    let (requester, target) = addresses(&key.addresses);
    let loss = mirror.loss(key, sums);
    // Nothing is called lost that may only not have been shown.
    let tone = match loss {
        EchoLoss::Exactly(0) => Tone::Plain,
        EchoLoss::Exactly(_) => Tone::Loss,
        EchoLoss::AtMost(..) | EchoLoss::Hidden(_) => Tone::Doubt,
    };
    let hidden = match loss {
        EchoLoss::Hidden(doubt) => Some(doubt.word()),
        EchoLoss::Exactly(_) | EchoLoss::AtMost(..) => None,
    };
    let certain = |n: u64| hidden.map_or_else(|| cell(thousands(n)), |_| cell("-"));
    let times = match (hidden, rtt) {
        (Some(why), _) => (Tone::Doubt, why.to_owned()),
        (None, Some((median, p95))) => cell(format!("{}/{}", millis(*median), millis(*p95))),
        (None, None) => cell("-"),
    };
    vec![
        cell(names::vlan(key.vlan)),
        cell(requester.to_string()),
        cell(target.to_string()),
        cell(key.id.to_string()),
        cell(thousands(sums.requests)),
        certain(sums.matched),
        certain(sums.waiting),
        (tone, table::echo_loss(loss)),
        certain(sums.duplicates),
        times,
    ]
}

const SOURCE: [Column; 7] = [
    Column::words("", 1, 0),
    Column::words("SENSOR", 8, 1),
    Column::words("BOOKS", 8, 2),
    Column::number("LOST", 4, 3),
    Column::number("Mb/s", 6, 4),
    Column::number("f/s", 6, 5),
    Column::number("FLOWS", 5, 6),
];

/// One line a source, where there are several; the chosen one is marked.
pub(super) fn sources(
    all: &[(&Facts, &Findings, &Pace)],
    chosen: usize,
    room: usize,
    columns: usize,
) -> Vec<Line> {
    // The chosen one is always among them.
    let first = (chosen + 1).saturating_sub(room);
    let rows: Vec<Vec<Cell>> = all
        .iter()
        .enumerate()
        .skip(first)
        .take(room)
        .map(|(i, (facts, findings, pace))| {
            let name = facts
                .hello
                .as_ref()
                .map_or(&*facts.name, |hello| &hello.name);
            let ledger = facts.ledger.unwrap_or_default();
            let [octets, frames] = words::link_rates(pace);
            let lost = words::known(summary::lost_in_all(&summary::losses(facts, &ledger)));
            let state = &findings.books.state;
            let octets = if facts.is_unplugged() {
                (Tone::Loss, "down".to_owned())
            } else {
                cell(octets)
            };
            vec![
                (Tone::Mark, if i == chosen { ">" } else { "" }.to_owned()),
                cell(plain(name)),
                (summary::books_tone(state), state.to_string()),
                lost,
                octets,
                cell(frames),
                cell(thousands(ledger.flows.live)),
            ]
        })
        .collect();
    grid::lines(&SOURCE, &rows, columns)
}
