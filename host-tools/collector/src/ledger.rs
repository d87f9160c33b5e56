//! Ledgers of several boots, added up.

use magpie_protocol::{Census, Doubles, Known, Ledger, Losses, Sum, UplinkCounts};

fn sum(into: &mut Sum, other: &Sum) {
    into.frames = into.frames.saturating_add(other.frames);
    into.octets = into.octets.saturating_add(other.octets);
}

fn count(into: &mut u64, other: u64) {
    *into = into.saturating_add(other);
}

/// A sum is as well known as its least known part.
fn known(into: Known, other: Known) -> Known {
    let n = into.value().saturating_add(other.value());
    match (into, other) {
        (Known::Exact(_), Known::Exact(_)) => Known::Exact(n),
        (Known::Unknown, Known::Unknown) => Known::Unknown,
        _ => Known::AtLeast(n),
    }
}

fn losses(into: &mut Losses, other: &Losses) {
    into.fcs = known(into.fcs, other.fcs);
    into.oversize = known(into.oversize, other.oversize);
    into.mac_fifo = known(into.mac_fifo, other.mac_fifo);
    into.no_descriptor = known(into.no_descriptor, other.no_descriptor);
    into.ring = known(into.ring, other.ring);
}

fn census(into: &mut Census, other: &Census) {
    count(&mut into.made, other.made);
    count(&mut into.live, other.live);
    count(&mut into.live_packets, other.live_packets);
    count(&mut into.live_octets, other.live_octets);
    count(&mut into.evicted, other.evicted);
}

fn uplink(into: &mut UplinkCounts, other: &UplinkCounts) {
    count(&mut into.acked, other.acked);
    into.never_sent.add(&other.never_sent);
    into.unconfirmed.add(&other.unconfirmed);
    count(&mut into.batches, other.batches);
    count(&mut into.resent, other.resent);
    count(&mut into.bad_frames, other.bad_frames);
}

/// The window is the widest.
fn doubles(into: &mut Doubles, other: &Doubles) {
    into.window_us = into.window_us.max(other.window_us);
    sum(&mut into.sum, &other.sum);
    count(&mut into.unsure, other.unsure);
    count(&mut into.forgotten, other.forgotten);
}

/// Adds another boot's ledger; time and Flush become the other's. A sum must
/// begin with `None` (see [`crate::Picture::ledger`]): an empty ledger knows
/// no losses.
pub fn add(into: &mut Option<Ledger>, other: &Ledger) {
    let Some(into) = into else {
        *into = Some(*other);
        return;
    };
    into.at_us = other.at_us;
    into.flush = other.flush;
    sum(&mut into.counted, &other.counted);
    sum(&mut into.in_flows, &other.in_flows);
    sum(&mut into.arp, &other.arp);
    sum(&mut into.other, &other.other);
    sum(&mut into.invalid, &other.invalid);
    losses(&mut into.lost, &other.lost);
    count(&mut into.malformed, other.malformed);
    count(&mut into.vlan_cut, other.vlan_cut);
    count(&mut into.own_tx, other.own_tx);
    count(&mut into.own_rx, other.own_rx);
    count(&mut into.forged, other.forged);
    census(&mut into.flows, &other.flows);
    census(&mut into.echoes, &other.echoes);
    count(&mut into.echo_forgotten, other.echo_forgotten);
    into.exported.add(&other.exported);
    into.never_sent.add(&other.never_sent);
    uplink(&mut into.uplink, &other.uplink);
    doubles(&mut into.doubles, &other.doubles);
    sum(&mut into.filtered, &other.filtered);
}
