//! Rows that account for frames and records: ledger, gaps, books.

use magpie_collector::{UnsentSums, address};
use magpie_protocol::{Census, FlowSum, Ledger, Sum, Tally, UnsentKey};
use serde_json::Value;

use super::{Row, Seen, put, put_known, row};

fn put_sum(row: &mut Row, name: &str, sum: Sum) {
    put(row, format!("{name}_frames"), sum.frames);
    put(row, format!("{name}_octets"), sum.octets);
}

fn put_census(row: &mut Row, name: &str, census: &Census) {
    put(row, format!("{name}_made"), census.made);
    put(row, format!("{name}_live"), census.live);
    put(row, format!("{name}_evicted"), census.evicted);
}

fn put_tally(row: &mut Row, name: &str, tally: &Tally) {
    put(row, format!("{name}_records"), tally.records);
    put(row, format!("{name}_flows"), tally.flows);
    put(row, format!("{name}_packets"), tally.packets);
    put(row, format!("{name}_octets"), tally.octets);
}

/// A ledger.
pub fn ledger(seen: &Seen<'_>, ledger: &Ledger) -> Row {
    let mut row = row("ledger", seen);
    put(&mut row, "at_us", seen.times().show(ledger.at_us));
    put(&mut row, "flush", ledger.flush);
    for (name, sum) in [
        ("counted", ledger.counted),
        ("in_flows", ledger.in_flows),
        ("arp", ledger.arp),
        ("other", ledger.other),
        ("invalid", ledger.invalid),
    ] {
        put_sum(&mut row, name, sum);
    }
    for (name, known) in [
        ("lost_fcs", ledger.lost.fcs),
        ("lost_oversize", ledger.lost.oversize),
        ("lost_mac_fifo", ledger.lost.mac_fifo),
        ("lost_no_descriptor", ledger.lost.no_descriptor),
        ("lost_ring", ledger.lost.ring),
    ] {
        put_known(&mut row, name, known);
    }
    for (name, n) in [
        ("malformed_frames", ledger.malformed),
        ("vlan_cut_frames", ledger.vlan_cut),
        ("own_tx_frames", ledger.own_tx),
        ("own_rx_frames", ledger.own_rx),
        ("forged_frames", ledger.forged),
    ] {
        put(&mut row, name, n);
    }
    put_census(&mut row, "flows", &ledger.flows);
    put_census(&mut row, "echoes", &ledger.echoes);
    put(&mut row, "echo_forgotten", ledger.echo_forgotten);
    put_tally(&mut row, "exported", &ledger.exported);
    put_tally(&mut row, "never_sent", &ledger.never_sent);
    put_tally(&mut row, "uplink_never_sent", &ledger.uplink.never_sent);
    put_tally(&mut row, "uplink_unconfirmed", &ledger.uplink.unconfirmed);
    put(&mut row, "uplink_acked", ledger.uplink.acked);
    put(&mut row, "uplink_batches", ledger.uplink.batches);
    put(&mut row, "uplink_resent", ledger.uplink.resent);
    put(&mut row, "uplink_bad_frames", ledger.uplink.bad_frames);
    let doubles = &ledger.doubles;
    put(&mut row, "doubled_window_us", doubles.window_us);
    put_sum(&mut row, "doubled", doubles.sum);
    put(&mut row, "doubled_unsure_frames", doubles.unsure);
    put(&mut row, "doubled_forgotten_frames", doubles.forgotten);
    put_sum(&mut row, "filtered", ledger.filtered);
    row
}

fn put_flows(row: &mut Row, name: &str, sum: FlowSum) {
    put(row, format!("{name}_flows"), sum.flows);
    put(row, format!("{name}_packets"), sum.packets);
    put(row, format!("{name}_octets"), sum.octets);
}

/// One line of what the sensor could not keep of its flows.
fn unsent_line(seen: &Seen<'_>, of: &str, key: Option<&UnsentKey>, sums: &UnsentSums) -> Row {
    let responder = key.map(|key| address(key.responder));
    let mut row = row("unsent", seen);
    put(&mut row, "of", of);
    let version = responder.map(|address| if address.is_ipv4() { 4 } else { 6 });
    put(&mut row, "ip_version", version);
    put(&mut row, "protocol", key.map(|key| key.protocol));
    put(
        &mut row,
        "responder",
        responder.map(|address| address.to_string()),
    );
    put_flows(&mut row, "never_sent", sums.never_sent);
    put_flows(&mut row, "unconfirmed", sums.unconfirmed);
    let missed = key.map_or(Value::Null, |_| sums.missed_at_most.into());
    put(&mut row, "missed_flows_at_most", missed);
    row
}

/// What the sensor could not keep of its flows, by what they went to.
pub fn unsent(seen: &Seen<'_>) -> Vec<Row> {
    let unsent = seen.picture.unsent();
    let lines = unsent.lines.iter();
    let mut rows: Vec<Row> = lines
        .map(|(key, sums)| unsent_line(seen, "responder", Some(key), sums))
        .collect();
    for (of, sums) in [("other", &unsent.other), ("untold", &unsent.untold)] {
        if sums.flows() > 0 {
            rows.push(unsent_line(seen, of, None, sums));
        }
    }
    rows
}

pub(super) fn gap(seen: &Seen<'_>, boot_id: u32, is_final: bool, records: u64) -> Row {
    let mut row = row("gap", seen);
    put(&mut row, "boot_id", format!("{boot_id:08x}"));
    put(&mut row, "stream", if is_final { "final" } else { "live" });
    put(&mut row, "records", records);
    row
}

/// Records that did not arrive, by boot.
pub fn gaps(seen: &Seen<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for boot in seen.picture.boots() {
        for (is_final, records) in [(true, boot.lost_finals()), (false, boot.live_gaps())] {
            if records > 0 {
                rows.push(gap(seen, boot.id(), is_final, records));
            }
        }
    }
    rows
}

/// What could not be read.
pub fn link(seen: &Seen<'_>) -> Row {
    let link = seen.picture.link();
    let mut row = row("link", seen);
    let unknown: u64 = link.unknown.values().sum();
    put(&mut row, "unknown_records", unknown);
    put(&mut row, "bad_records", link.bad_bodies);
    put(&mut row, "bad_batches", link.bad_batches);
    put(&mut row, "refused_versions", link.refused_versions);
    row
}

/// Mirror health.
pub fn mirror(seen: &Seen<'_>) -> Row {
    let mirror = seen.mirror();
    let mut row = row("mirror", seen);
    put(&mut row, "keys", mirror.keys);
    put(&mut row, "one_way", mirror.one_way());
    put(&mut row, "tag_asym", mirror.tag_asym());
    put(&mut row, "unseen_octets", mirror.unseen.part);
    put(&mut row, "tcp_octets", mirror.unseen.whole);
    let doubled = mirror.doubled;
    put(&mut row, "doubled_frames", doubled.map(|dup| dup.part));
    put(&mut row, "arrived_frames", doubled.map(|dup| dup.whole));
    row
}

/// What did not fit into this program's memory bounds, if anything.
pub fn forgotten(seen: &Seen<'_>) -> Option<Row> {
    let forgotten = seen.picture.forgotten();
    if !forgotten.any() {
        return None;
    }
    let mut row = row("forgotten", seen);
    put(&mut row, "flows", forgotten.flows);
    put(&mut row, "packets", forgotten.packets);
    put(&mut row, "frame_octets", forgotten.octets);
    put(&mut row, "echoes", forgotten.echoes);
    put(&mut row, "echo_requests", forgotten.requests);
    put(&mut row, "count_lines", forgotten.count_lines);
    put(&mut row, "live_records", forgotten.live);
    put(&mut row, "boots", forgotten.boots);
    put(&mut row, "changes", forgotten.events);
    Some(row)
}

/// The books, and their line.
pub fn books(seen: &Seen<'_>) -> Row {
    let books = seen.books();
    let mut row = row("books", seen);
    put(&mut row, "state", books.state.to_string());
    put_known(&mut row, "wire", books.wire);
    put(&mut row, "counted", books.counted);
    for loss in &books.lost {
        put_known(&mut row, &format!("lost_{}", loss.reason), loss.frames);
    }
    put(&mut row, "doubled", books.doubled);
    put(&mut row, "filtered", books.filtered);
    put(&mut row, "own", books.own);
    let unaccounted = books.unaccounted.and_then(|n| i64::try_from(n).ok());
    put(&mut row, "unaccounted", unaccounted);
    put(&mut row, "records", books.records);
    put(&mut row, "acked", books.acked);
    put(&mut row, "never_sent", books.never_sent);
    put(&mut row, "unconfirmed", books.unconfirmed);
    put(&mut row, "line", books.to_string());
    row
}
