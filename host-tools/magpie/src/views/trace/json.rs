//! A trace as objects, one a line.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use magpie_probe::ProbeKey;
use magpie_probe::trace::{
    Answer, Cause, Counts, Diamond, Graph, HopReport, Kind, Note, Object, Place, Plan, Verdict,
    Vertex,
};
use serde_json::{Value, json};

use super::{Label, Labels, us};
use crate::views::rows::Row;

/// An object of these fields, in this order.
fn row(value: Value) -> Row {
    match value {
        Value::Object(row) => row,
        _ => Row::new(),
    }
}

/// What was asked for: the first line.
pub fn trace(host: &str, plan: &Plan, mode: &str, at_us: u64) -> Row {
    row(json!({
        "type": "trace",
        "host": host,
        "destination": plan.destination.to_string(),
        "source": plan.source.to_string(),
        "mode": mode,
        "method": plan.method.name(),
        "port": plan.port,
        "first_hop": plan.first_hop,
        "max_hops": plan.max_hops,
        "packet_octets": plan.packet_octets,
        "at_us": at_us,
    }))
}

fn object(object: &Object) -> Value {
    match object {
        Object::Mpls(labels) => {
            let labels: Vec<Value> = labels
                .iter()
                .map(|entry| {
                    json!({
                        "label": entry.label,
                        "traffic_class": entry.traffic_class,
                        "bottom": entry.bottom,
                        "ttl": entry.ttl,
                    })
                })
                .collect();
            json!({ "mpls": labels })
        }
        Object::Other {
            class,
            kind,
            octets,
        } => {
            let hex = octets.iter().fold(String::new(), |mut hex, octet| {
                // A String takes whatever is written.
                let _ = write!(hex, "{octet:02x}");
                hex
            });
            json!({ "class": class, "kind": kind, "octets": hex })
        }
    }
}

fn label(row: &mut Row, label: Label) {
    row.insert("name".into(), label.name.into());
    row.insert("asn".into(), label.asn.flatten().into());
}

/// Fields of an answer, or of none.
fn answer(row: &mut Row, hop: u8, answer: Option<&Answer>, labels: &Labels<'_>) {
    row.insert("from".into(), answer.map(|a| a.from.to_string()).into());
    label(row, answer.map(|a| labels(a.from)).unwrap_or_default());
    row.insert("rtt_us".into(), answer.map(|a| us(a.rtt)).into());
    row.insert("reply".into(), answer.map(|a| a.kind.name()).into());
    let letters = answer.and_then(|answer| match answer.kind {
        Kind::Unreachable(cause) => Some(cause.to_string()).filter(|text| !text.is_empty()),
        _ => None,
    });
    row.insert("annotation".into(), letters.into());
    let mtu = answer.and_then(|answer| match answer.kind {
        Kind::Unreachable(Cause::TooBig { mtu }) => Some(mtu),
        _ => None,
    });
    row.insert("next_mtu".into(), mtu.into());
    row.insert("reply_ttl".into(), answer.and_then(|a| a.ttl).into());
    let back = answer.and_then(Answer::hops_back);
    row.insert("hops_back".into(), back.into());
    let tells = answer.filter(|a| !matches!(a.kind, Kind::Unreachable(_)));
    let asymmetric = tells.and(back).map(|back| back != hop);
    row.insert("asymmetric".into(), asymmetric.into());
    let extensions = answer.map(|a| a.extensions.iter().map(object).collect::<Vec<_>>());
    row.insert("extensions".into(), extensions.into());
}

/// One probe of the table, when it is known what became of it.
pub fn probe(place: &Place, key: Option<ProbeKey>, sent_us: u64, labels: &Labels<'_>) -> Row {
    let mut row = row(json!({
        "type": "probe",
        "hop": place.hop,
        "attempt": place.attempt,
        "serial": place.probe.serial,
        "flow": place.probe.flow,
        "octets": place.probe.octets,
        "sent_us": sent_us,
    }));
    let on_the_wire = match key {
        None => Value::Null,
        Some(ProbeKey::Echo {
            identifier,
            sequence,
        }) => json!({ "icmp_id": identifier, "icmp_seq": sequence }),
        Some(ProbeKey::Udp { source_port, .. }) => json!({ "source_port": source_port }),
        Some(ProbeKey::Tcp {
            source_port,
            sequence,
            ..
        }) => json!({ "source_port": source_port, "tcp_seq": sequence }),
    };
    row.insert("key".into(), on_the_wire);
    row.insert("path_mtu".into(), place.mtu.into());
    answer(&mut row, place.hop, place.answer.as_ref(), labels);
    row
}

/// All probes of one hop.
pub fn hop(places: &[Place]) -> Option<Row> {
    let hop = places.first()?.hop;
    let answers: Vec<&Answer> = places.iter().filter_map(|p| p.answer.as_ref()).collect();
    let mut routers: Vec<String> = Vec::new();
    for answer in &answers {
        let from = answer.from.to_string();
        if !routers.contains(&from) {
            routers.push(from);
        }
    }
    let rtts = || answers.iter().map(|answer| answer.rtt);
    Some(row(json!({
        "type": "hop",
        "hop": hop,
        "sent": places.len(),
        "answered": answers.len(),
        "routers": routers,
        "rtt_min_us": rtts().min().map(us),
        "rtt_max_us": rtts().max().map(us),
        "other_flows": places.iter().any(|place| place.probe.flow != 0),
        "final": answers.iter().any(|answer| answer.kind.is_final()),
    })))
}

/// What `Verdict` is called.
fn verdict(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::None => None,
        Verdict::Silent => Some("silent"),
        Verdict::RateLimited => Some("rate-limited"),
    }
}

/// One hop of a live trace, after so many rounds.
pub fn live(hop: &HopReport, rounds: u32, labels: &Labels<'_>) -> Row {
    let routers: Vec<Value> = hop
        .routers
        .iter()
        .map(|(router, times)| {
            let mut one = row(json!({ "address": router.to_string(), "answered": times }));
            label(&mut one, labels(*router));
            Value::Object(one)
        })
        .collect();
    let trips = &hop.trips;
    let time = |time: Option<Duration>| time.map(us);
    row(json!({
        "type": "hop",
        "rounds": rounds,
        "hop": hop.hop,
        "sent": hop.sent,
        "waiting": hop.waiting,
        "answered": hop.answered,
        "lost": hop.lost,
        "late": hop.late,
        "unnamed": hop.unnamed,
        "duplicates": hop.duplicates,
        "routers": routers,
        "rtt_last_us": time(trips.last()),
        "rtt_mean_us": time(trips.mean()),
        "rtt_best_us": time(trips.best()),
        "rtt_worst_us": time(trips.worst()),
        "rtt_deviation_us": time(trips.deviation()),
        "jitter_us": time(trips.jitter()),
        "verdict": verdict(hop.verdict),
    }))
}

/// Routers, links and diamonds of a graph.
pub fn graph(graph: &Graph, labels: &Labels<'_>) -> Vec<Row> {
    let address = |vertex: Vertex| vertex.map(|router: IpAddr| router.to_string());
    let mut rows = Vec::new();
    for level in &graph.levels {
        for (vertex, seen) in &level.vertices {
            let mut one = row(json!({
                "type": "router",
                "hop": level.hop,
                "address": address(*vertex),
            }));
            label(&mut one, vertex.map(labels).unwrap_or_default());
            let rest = row(json!({
                "flows": seen.flows.iter().collect::<Vec<_>>(),
                "rtt_best_us": seen.trips.best().map(us),
                "reply": seen.last.as_ref().map(|answer| answer.kind.name()),
                "certain": level.is_certain,
            }));
            one.extend(rest);
            rows.push(one);
        }
    }
    for (hop, from, to) in &graph.links {
        rows.push(row(json!({
            "type": "link",
            "hop": hop,
            "from": address(*from),
            "to": address(*to),
        })));
    }
    for Diamond { from, to, width } in graph.diamonds() {
        rows.push(row(json!({
            "type": "diamond",
            "from_hop": from,
            "to_hop": to,
            "width": width,
        })));
    }
    rows
}

/// Something that whoever reads the result has to know.
pub fn note(note: Note) -> Row {
    let Note::ShortQuotes(router) = note;
    row(json!({
        "type": "note",
        "note": "short-quotes",
        "router": router.to_string(),
    }))
}

/// The last line.
pub fn summary(
    plan: &Plan,
    counts: &Counts,
    reached: bool,
    path_mtu: Option<u32>,
    took: Duration,
    queue_drops: Option<u64>,
) -> Row {
    row(json!({
        "type": "summary",
        "destination": plan.destination.to_string(),
        "reached": reached,
        "sent": counts.sent,
        "answered": counts.answered,
        "late": counts.late,
        "lost": counts.lost,
        "waiting": counts.waiting(),
        "duplicates": counts.duplicates,
        "unnamed": counts.unnamed,
        "foreign": counts.foreign,
        "path_mtu": path_mtu,
        "took_us": us(took),
        "queue_drops": queue_drops,
    }))
}
