//! The object that EXACT.md describes, for comparison with a truth.

use std::io::{self, Write};

use magpie_collector::{EchoSums, FlowSums, Picture, addresses};
use magpie_protocol::{Direction, EchoKey, FlowKey, KEY_OTHER, Side, TableId};
use serde_json::{Map, Value, json};

use super::names;

/// Nanoseconds, as the truth counts time.
fn ns(us: u64) -> u64 {
    us.saturating_mul(1_000)
}

fn span_ns(us: i64) -> i64 {
    us.saturating_mul(1_000)
}

fn side(side: Side) -> &'static str {
    match side {
        Side::A => "a",
        Side::B => "b",
    }
}

/// A counter table by the names of its keys.
fn counts(picture: &Picture, table: TableId, octets: bool) -> Map<String, Value> {
    picture
        .counts(table)
        .into_iter()
        .map(|(key, line)| {
            let value = if octets {
                json!([line.frames, line.octets])
            } else {
                line.frames.into()
            };
            (names::key(table, key), value)
        })
        .collect()
}

/// The ICMP table of one IP version.
fn icmp(picture: &Picture, version: u64) -> Map<String, Value> {
    picture
        .counts(TableId::Icmp)
        .into_iter()
        .filter(|(key, _)| *key >> 16 == version)
        .map(|(key, line)| (names::key(TableId::Icmp, key), line.frames.into()))
        .collect()
}

fn direction(direction: &Direction) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("pkts".into(), direction.packets.into());
    out.insert("ip_bytes".into(), direction.ip_octets.into());
    out.insert("frame_bytes".into(), direction.frame_octets.into());
    out
}

fn flow(key: &FlowKey, sums: &FlowSums) -> Value {
    let (a, b) = addresses(&key.addresses);
    let mut sides = [direction(&sums.ab), direction(&sums.ba)];
    if key.protocol == 6 {
        let tcp = sums.tcp.unwrap_or_default();
        for (i, side) in sides.iter_mut().enumerate() {
            side.insert("flags".into(), tcp.flags[i].into());
            side.insert("seq_back".into(), tcp.seq_back[i].into());
            side.insert("seq_back_bytes".into(), tcp.seq_back_octets[i].into());
            side.insert("unseen_bytes".into(), tcp.unseen_octets[i].into());
        }
    }
    let [ab, ba] = sides;
    let mut out = json!({
        "vlan": key.vlan.ids().collect::<Vec<_>>(),
        "ver": key.addresses.version(),
        "proto": key.protocol,
        "a": a.to_string(),
        "ap": key.a_port,
        "b": b.to_string(),
        "bp": key.b_port,
        "init": side(sums.initiator),
        "first_ns": ns(sums.first_us),
        "last_ns": ns(sums.last_us),
        "ab": ab,
        "ba": ba,
    });
    if let (Some(shake), Value::Object(out)) = (sums.handshake(), &mut out) {
        let total = shake
            .syn_to_synack_us
            .saturating_add(shake.synack_to_ack_us);
        out.insert(
            "handshake".into(),
            json!({
                "client": side(shake.client),
                "syn_retx": shake.syn_retx,
                "synack_retx": shake.synack_retx,
                "syn_to_synack_ns": span_ns(shake.syn_to_synack_us),
                "synack_to_ack_ns": span_ns(shake.synack_to_ack_us),
                "total_ns": span_ns(total),
            }),
        );
    }
    out
}

fn echo(picture: &Picture, key: &EchoKey, sums: &EchoSums) -> Value {
    let (requester, target) = addresses(&key.addresses);
    let samples = picture
        .echoes()
        .get(key)
        .map(|echo| echo.samples().in_order());
    let rtt_ns: Vec<i64> = samples.into_iter().flatten().map(span_ns).collect();
    json!({
        "vlan": key.vlan.ids().collect::<Vec<_>>(),
        "ver": key.addresses.version(),
        "src": requester.to_string(),
        "dst": target.to_string(),
        "id": key.id,
        "requests": sums.requests,
        "replies": sums.replies,
        "matched": sums.matched,
        "lost": sums.unanswered(),
        "dup": sums.duplicates,
        "orphan": sums.orphans,
        "rtt_ns": rtt_ns,
    })
}

/// The object but for its flows and echo pairs, of which there may be many.
fn head(picture: &Picture) -> Map<String, Value> {
    let ledger = picture.ledger().unwrap_or_default();
    let mut arp = counts(picture, TableId::ArpOperation, false);
    arp.extend(counts(picture, TableId::ArpKind, false));
    let mut malformed = counts(picture, TableId::Malformed, false);
    malformed.insert("frames".into(), ledger.malformed.into());
    let tables: [(&str, Value); 12] = [
        ("file", picture.name().into()),
        ("frames", ledger.counted.frames.into()),
        ("frame_bytes", ledger.counted.octets.into()),
        (
            "ethertype",
            counts(picture, TableId::Ethertype, true).into(),
        ),
        (
            "ip_proto",
            counts(picture, TableId::IpProtocol, true).into(),
        ),
        ("vlan", counts(picture, TableId::Vlan, false).into()),
        (
            "fragments",
            counts(picture, TableId::Fragment, false).into(),
        ),
        ("icmp4", icmp(picture, 4).into()),
        ("icmp6", icmp(picture, 6).into()),
        ("arp", arp.into()),
        ("malformed", malformed.into()),
        ("flow_count", picture.flows().len().into()),
    ];
    tables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Writes a member that is a list, item by item.
fn list(name: &str, items: impl Iterator<Item = Value>, out: &mut impl Write) -> io::Result<()> {
    write!(out, ",\"{name}\":[")?;
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *out, &item)?;
    }
    out.write_all(b"]")
}

/// Writes the whole picture in the shape of `corpus/truth/*.json`, on one
/// line. Flows are made one at a time: there may be millions.
pub fn write(picture: &Picture, out: &mut impl Write) -> io::Result<()> {
    let head = serde_json::to_vec(&head(picture))?;
    // Without its closing brace.
    out.write_all(head.strip_suffix(b"}").unwrap_or(&head))?;
    let echoes = picture.echoes().by_key();
    let echoes = echoes.map(|(key, sums)| echo(picture, &key, &sums));
    list("echo", echoes, out)?;
    let flows = picture.flows().by_key();
    let flows = flows.map(|(key, sums)| flow(&key, &sums));
    list("flows", flows, out)?;
    out.write_all(b"}\n")
}

/// What had to be given up, in words: where this is not empty the object is
/// not exact.
pub fn shortfalls(picture: &Picture) -> Vec<String> {
    let ledger = picture.ledger().unwrap_or_default();
    let forgotten = picture.forgotten();
    let sum =
        |of: fn(&magpie_collector::Boot) -> u64| -> u64 { picture.boots().iter().map(of).sum() };
    let mut all: Vec<String> = [
        (
            ledger.flows.evicted,
            "flows were evicted from the sensor's table",
        ),
        (
            ledger.echoes.evicted,
            "echo pairs were evicted from the sensor's table",
        ),
        (
            ledger.echo_forgotten,
            "echo requests were forgotten by the sensor",
        ),
        (
            ledger.never_sent.records,
            "records found no room in the sensor's outbox",
        ),
        (
            ledger.doubles.forgotten,
            "frames were forgotten by the sensor before a double of theirs could come",
        ),
        (
            ledger.uplink.never_sent.records,
            "records were dropped before they were sent",
        ),
        (
            ledger.uplink.unconfirmed.records,
            "records were dropped unconfirmed",
        ),
        (
            sum(magpie_collector::Boot::lost_finals),
            "records will not come: dropped, or gone to another host",
        ),
        (
            sum(magpie_collector::Boot::unread),
            "records could not be read",
        ),
        (
            forgotten.flows,
            "flow keys were forgotten here (--max-flows)",
        ),
        (forgotten.echoes, "echo pairs were forgotten here"),
        (forgotten.count_lines, "counter lines were forgotten here"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, what)| format!("{n} {what}"))
    .collect();
    for table in [
        TableId::Ethertype,
        TableId::IpProtocol,
        TableId::Vlan,
        TableId::Icmp,
        TableId::ArpOperation,
    ] {
        if let Some(line) = picture.counts(table).get(&KEY_OTHER) {
            let name = names::table(table);
            all.push(format!(
                "{} frames stand under `other` in table {name}",
                line.frames
            ));
        }
    }
    all
}
