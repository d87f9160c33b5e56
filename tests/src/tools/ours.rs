//! `magpie ping` and `magpie traceroute` with `--format json`, as what the
//! others say.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::mtr::Hub;
use super::ping::{Pinged, Refusal, Reply, Summary};
use super::traceroute::{Hop, Label, Probe, Traced};

/// What iputils has no word for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Remarks {
    /// Numbers of answers that came after one to a later request.
    pub reordered: Vec<u32>,
    /// Numbers of answers that came after their time.
    pub late: Vec<u32>,
    /// The summary, field by field.
    pub summary: Value,
}

/// A ping of one address, and what only ours says of it.
pub type Ours = BTreeMap<IpAddr, (Pinged, Remarks)>;

fn field<T: DeserializeOwned>(row: &Value, name: &str) -> Result<T, String> {
    let value = row.get(name).ok_or_else(|| format!("no `{name}` in {row}"));
    serde_json::from_value(value?.clone()).map_err(|e| format!("`{name}`: {e} in {row}"))
}

fn rows(text: &str) -> impl Iterator<Item = Result<Value, String>> {
    let row = |line| serde_json::from_str(line).map_err(|e| format!("{e} in `{line}`"));
    text.lines().map(row)
}

#[allow(clippy::cast_precision_loss)] // far below 2^52
fn ms(us: u64) -> f64 {
    us as f64 / 1e3
}

/// Reads what `magpie ping --format json` printed, by address.
pub fn pings(text: &str) -> Result<Ours, String> {
    let mut all = Ours::new();
    for row in rows(text) {
        let row = row?;
        let (ping, remarks) = all.entry(field(&row, "address")?).or_insert_with(|| {
            let ping = Pinged {
                replies: Vec::new(),
                refusals: Vec::new(),
                local: Vec::new(),
                summary: Summary::default(),
            };
            (ping, Remarks::default())
        });
        match field::<String>(&row, "type")?.as_str() {
            "sent" | "timeout" | "advice" => {}
            "reply" => {
                let reply = reply(&row)?;
                for (is, of) in [
                    ("reordered", &mut remarks.reordered),
                    ("late", &mut remarks.late),
                ] {
                    if field(&row, is)? {
                        of.push(reply.seq);
                    }
                }
                ping.replies.push(reply);
            }
            "error" => match field(&row, "from")? {
                Some(from) => ping.refusals.push(Refusal {
                    from,
                    seq: field(&row, "icmp_seq")?,
                    why: field(&row, "text")?,
                }),
                None => ping.local.push(field(&row, "text")?),
            },
            "summary" => {
                ping.summary = summary(&row)?;
                remarks.summary = row;
            }
            _ => return Err(format!("an unknown type: {row}")),
        }
    }
    match all
        .iter()
        .find(|(_, (_, remarks))| remarks.summary.is_null())
    {
        Some((address, _)) => Err(format!("no summary of {address}")),
        None if all.is_empty() => Err("nothing was said".into()),
        None => Ok(all),
    }
}

fn reply(row: &Value) -> Result<Reply, String> {
    Ok(Reply {
        from: field(row, "from")?,
        seq: field(row, "icmp_seq")?,
        ttl: field(row, "ttl")?,
        ms: Some(ms(field(row, "rtt_us")?)),
        duplicate: field(row, "duplicate")?,
        wrong: field::<Option<u64>>(row, "wrong_octet")?.is_some(),
    })
}

fn summary(row: &Value) -> Result<Summary, String> {
    let (sent, lost): (u32, u32) = (field(row, "transmitted")?, field(row, "lost")?);
    let trip = |name| Ok::<_, String>(field::<Option<u64>>(row, name)?.map(ms));
    let trips: [Option<f64>; 4] = [
        trip("rtt_min_us")?,
        trip("rtt_avg_us")?,
        trip("rtt_max_us")?,
        trip("rtt_mdev_us")?,
    ];
    let rtt = match trips {
        [Some(min), Some(avg), Some(max), Some(mdev)] => Some([min, avg, max, mdev]),
        [None, None, None, None] => None,
        _ => return Err(format!("some round trips, not all: {row}")),
    };
    Ok(Summary {
        sent,
        received: field(row, "received")?,
        duplicates: field(row, "duplicates")?,
        corrupted: field(row, "bad_checksums")?,
        errors: field(row, "errors")?,
        loss: f64::from(lost) * 100.0 / f64::from(sent.max(1)),
        rtt,
    })
}

/// What stands beside the table of a trace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beside {
    /// Routers that a note names for quoting too little.
    pub short_quotes: Vec<IpAddr>,
    /// The summary.
    pub summary: Value,
}

/// Reads what `magpie traceroute --format json` printed.
pub fn trace(text: &str) -> Result<(Traced, Beside), String> {
    let mut hops = BTreeMap::<u8, BTreeMap<u8, Probe>>::new();
    let mut beside = Beside::default();
    for row in rows(text) {
        let row = row?;
        match field::<String>(&row, "type")?.as_str() {
            "trace" | "hop" => {}
            "probe" => {
                let (hop, attempt) = (field(&row, "hop")?, field(&row, "attempt")?);
                let before = hops.entry(hop).or_default().insert(attempt, probe(&row)?);
                if before.is_some() {
                    return Err(format!("a probe twice: {row}"));
                }
            }
            "note" => beside.short_quotes.push(field(&row, "router")?),
            "summary" => beside.summary = row,
            _ => return Err(format!("an unknown type: {row}")),
        }
    }
    let hop = |(ttl, probes): (u8, BTreeMap<u8, Probe>)| Hop {
        ttl,
        probes: probes.into_values().collect(),
    };
    let traced = Traced {
        hops: hops.into_iter().map(hop).collect(),
    };
    match beside.summary {
        Value::Null => Err("no summary".into()),
        _ => Ok((traced, beside)),
    }
}

#[derive(Deserialize)]
struct Entry {
    label: u32,
    traffic_class: u8,
    bottom: bool,
    ttl: u8,
}

fn probe(row: &Value) -> Result<Probe, String> {
    let mut labels = Vec::new();
    for object in field::<Option<Vec<Value>>>(row, "extensions")?.unwrap_or_default() {
        let stack: Vec<Entry> = field(&object, "mpls")?;
        labels.extend(stack.into_iter().map(|entry| Label {
            label: entry.label,
            class: entry.traffic_class,
            bottom: entry.bottom,
            ttl: entry.ttl,
        }));
    }
    Ok(Probe {
        from: field(row, "from")?,
        ms: field::<Option<u64>>(row, "rtt_us")?.map(ms),
        annotation: field(row, "annotation")?,
        labels,
        mtu: field(row, "path_mtu")?,
    })
}

/// Reads what `magpie traceroute --live --format json` printed: each hop as it
/// stood in the end, and what the program makes of it.
pub fn live(text: &str) -> Result<Vec<(Hub, Option<String>)>, String> {
    let mut hubs = BTreeMap::new();
    for row in rows(text) {
        let row = row?;
        match field::<String>(&row, "type")?.as_str() {
            "hop" => {
                let hub = hub(&row)?;
                hubs.insert(hub.ttl, (hub, field(&row, "verdict")?));
            }
            "trace" | "probe" | "note" | "summary" => {}
            _ => return Err(format!("an unknown type: {row}")),
        }
    }
    Ok(hubs.into_values().collect())
}

#[derive(Deserialize)]
struct Router {
    address: IpAddr,
}

fn hub(row: &Value) -> Result<Hub, String> {
    let routers: Vec<Router> = field(row, "routers")?;
    let (sent, lost): (u32, u32) = (field(row, "sent")?, field(row, "lost")?);
    let trip = |name| Ok::<_, String>(field::<Option<u64>>(row, name)?.map_or(0.0, ms));
    Ok(Hub {
        ttl: field(row, "hop")?,
        host: routers.first().map(|router| router.address),
        sent,
        loss: f64::from(lost) * 100.0 / f64::from(sent.max(1)),
        rtt: [
            trip("rtt_best_us")?,
            trip("rtt_mean_us")?,
            trip("rtt_worst_us")?,
        ],
    })
}

/// What `--multipath` found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ways {
    /// Who answered at each hop; nobody where a way is silent.
    pub routers: BTreeMap<u8, Vec<Option<IpAddr>>>,
    /// From which hop to which, and how wide.
    pub diamonds: Vec<(u8, u8, u64)>,
}

/// Reads what `magpie traceroute --multipath --format json` printed.
pub fn ways(text: &str) -> Result<Ways, String> {
    let mut ways = Ways::default();
    for row in rows(text) {
        let row = row?;
        match field::<String>(&row, "type")?.as_str() {
            "router" => {
                let at = ways.routers.entry(field(&row, "hop")?).or_default();
                at.push(field(&row, "address")?);
            }
            "diamond" => ways.diamonds.push((
                field(&row, "from_hop")?,
                field(&row, "to_hop")?,
                field(&row, "width")?,
            )),
            "trace" | "probe" | "link" | "note" | "summary" => {}
            _ => return Err(format!("an unknown type: {row}")),
        }
    }
    Ok(ways)
}

#[cfg(test)]
mod tests {
    use super::{pings, trace};

    #[test]
    fn a_ping() {
        let text = r#"{"type":"sent","probe":"ping","host":"gw","address":"192.0.2.1","at_us":1,"number":1,"icmp_id":7,"icmp_seq":1,"octets":64}
{"type":"reply","probe":"ping","host":"gw","address":"192.0.2.1","at_us":2,"number":1,"icmp_id":7,"icmp_seq":1,"from":"192.0.2.1","octets":64,"ttl":61,"rtt_us":1234,"duplicate":false,"late":false,"reordered":true,"wrong_octet":20}
{"type":"error","probe":"ping","host":"gw","address":"192.0.2.1","at_us":3,"number":2,"icmp_id":7,"icmp_seq":2,"from":"10.0.0.1","text":"Packet filtered"}
{"type":"summary","probe":"ping","host":"gw","address":"192.0.2.1","transmitted":2,"received":1,"lost":1,"duplicates":0,"bad_checksums":0,"errors":1,"rtt_min_us":1234,"rtt_avg_us":1234,"rtt_max_us":1234,"rtt_mdev_us":0}
"#;
        let all = pings(text).expect("all of it");
        let (ping, remarks) = &all[&[192, 0, 2, 1].into()];
        assert_eq!(remarks.reordered, [1]);
        assert_eq!(ping.which(|reply| reply.wrong), [1].into());
        assert_eq!(ping.round_trips(), [1.234]);
        assert_eq!(ping.refusals.len(), 1);
        assert_eq!((ping.summary.loss, ping.summary.errors), (50.0, 1));
        let (cut, _) = text.split_once(r#"{"type":"summary""#).expect("a summary");
        assert!(pings(cut).is_err(), "without a summary");
        assert!(pings("").is_err());
    }

    #[test]
    fn a_trace() {
        let text = r#"{"type":"trace","host":"gw"}
{"type":"probe","hop":1,"attempt":1,"from":null,"rtt_us":null,"annotation":null,"path_mtu":null,"extensions":null}
{"type":"probe","hop":1,"attempt":0,"from":"10.0.0.1","rtt_us":88,"annotation":"!H","path_mtu":1300,"extensions":[{"mpls":[{"label":16,"traffic_class":5,"bottom":true,"ttl":1}]}]}
{"type":"note","note":"short-quotes","router":"10.0.0.1"}
{"type":"summary","reached":false}
"#;
        let (run, beside) = trace(text).expect("all of it");
        assert_eq!(run.hops.len(), 1);
        let [first, second] = &run.hops[0].probes[..] else {
            panic!("{run:?}");
        };
        assert_eq!((first.ms, first.mtu), (Some(0.088), Some(1300)));
        assert_eq!(first.labels[0].class, 5);
        assert_eq!(second.from, None);
        assert_eq!(beside.short_quotes.len(), 1);
        assert!(trace("").is_err());
    }
}
