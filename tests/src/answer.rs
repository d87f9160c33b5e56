//! A picture read as an answer: a second reading of the collector's records,
//! apart from the program's own `--format exact`, so that a slip in one of
//! them shows.

use std::collections::BTreeMap;
use std::net::IpAddr;

use magpie_collector::{FlowSums, Picture};
use magpie_protocol::{
    AddressPair, Direction, ETHERTYPE_LLC, ETHERTYPE_NONE, FlowKey, KEY_OTHER, Malformed, Side,
    TableId, VlanStack,
};

use crate::truth::{Echo, Exact, Flow, Handshake, OTHER, Way};

/// All that a picture knows, in the truth's form.
pub fn of(picture: &Picture) -> Exact {
    let ledger = picture.ledger().unwrap_or_default();
    let mut malformed = single(picture, TableId::Malformed, |key| {
        let class = usize::try_from(key)
            .ok()
            .and_then(|n| Malformed::ALL.get(n));
        class.map_or_else(|| format!("class{key}"), |class| class.name().to_owned())
    });
    malformed.insert("frames".into(), ledger.malformed);
    let mut arp = single(picture, TableId::ArpOperation, |op| format!("op{op}"));
    arp.extend(single(picture, TableId::ArpKind, |kind| match kind {
        0 => "gratuitous".into(),
        1 => "probe".into(),
        2 => "normal".into(),
        other => format!("kind{other}"),
    }));
    Exact {
        frames: ledger.counted.frames,
        frame_bytes: ledger.counted.octets,
        ethertype: pairs(picture, TableId::Ethertype, |key| match key {
            ETHERTYPE_NONE => "none".into(),
            ETHERTYPE_LLC => "llc".into(),
            kind => format!("{kind:#06x}"),
        }),
        ip_proto: pairs(picture, TableId::IpProtocol, |key| {
            format!("{}/{}", key >> 8, key & 0xff)
        }),
        vlan: single(picture, TableId::Vlan, |bits| {
            let ids: Vec<String> = VlanStack::from_bits(bits)
                .ids()
                .map(|id| id.to_string())
                .collect();
            if ids.is_empty() {
                "-".into()
            } else {
                ids.join(".")
            }
        }),
        fragments: single(picture, TableId::Fragment, |key| {
            ["v4_first", "v4_later", "v6_first", "v6_later"]
                [usize::try_from(key).expect("four kinds")]
            .into()
        }),
        icmp4: icmp(picture, 4),
        icmp6: icmp(picture, 6),
        arp,
        malformed,
        echo: echoes(picture),
        flows: picture
            .flows()
            .sorted()
            .iter()
            .map(|(key, sums)| flow(key, sums))
            .collect(),
    }
}

fn named(key: u64, name: impl Fn(u64) -> String) -> String {
    if key == KEY_OTHER {
        OTHER.into()
    } else {
        name(key)
    }
}

fn pairs(
    picture: &Picture,
    table: TableId,
    name: impl Fn(u64) -> String,
) -> BTreeMap<String, (u64, u64)> {
    let lines = picture.counts(table);
    lines
        .iter()
        .map(|(key, line)| (named(*key, &name), (line.frames, line.octets)))
        .collect()
}

fn single(
    picture: &Picture,
    table: TableId,
    name: impl Fn(u64) -> String,
) -> BTreeMap<String, u64> {
    let lines = picture.counts(table);
    lines
        .iter()
        .map(|(key, line)| (named(*key, &name), line.frames))
        .collect()
}

/// Lines of one IP version; the common `other` goes to version 4.
fn icmp(picture: &Picture, version: u64) -> BTreeMap<String, u64> {
    let lines = picture.counts(TableId::Icmp);
    let ours = lines.iter().filter(|(key, _)| {
        if **key == KEY_OTHER {
            version == 4
        } else {
            **key >> 16 == version
        }
    });
    ours.map(|(key, line)| {
        (
            named(*key, |key| format!("{}/{}", key >> 8 & 0xff, key & 0xff)),
            line.frames,
        )
    })
    .collect()
}

fn addresses(pair: &AddressPair) -> (IpAddr, IpAddr) {
    match *pair {
        AddressPair::V4 { a, b } => (a.into(), b.into()),
        AddressPair::V6 { a, b } => (a.into(), b.into()),
    }
}

fn side(side: Side) -> String {
    match side {
        Side::A => "a".into(),
        Side::B => "b".into(),
    }
}

/// Nanoseconds of a capture's time in microseconds.
fn ns(us: u64) -> i64 {
    i64::try_from(us).expect("a time of this era") * 1000
}

fn flow(key: &FlowKey, sums: &FlowSums) -> Flow {
    let (a, b) = addresses(&key.addresses);
    let way = |n: usize, d: &Direction| Way {
        pkts: d.packets,
        ip_bytes: d.ip_octets,
        frame_bytes: d.frame_octets,
        flags: sums.tcp.map(|tcp| tcp.flags[n]),
        seq_back: sums.tcp.map(|tcp| tcp.seq_back[n]),
        seq_back_bytes: sums.tcp.map(|tcp| tcp.seq_back_octets[n]),
        unseen_bytes: sums.tcp.map(|tcp| tcp.unseen_octets[n]),
    };
    let handshake = sums.handshake().map(|h| Handshake {
        client: side(h.client),
        syn_retx: h.syn_retx.into(),
        synack_retx: h.synack_retx.into(),
        syn_to_synack_ns: h.syn_to_synack_us * 1000,
        synack_to_ack_ns: h.synack_to_ack_us * 1000,
        total_ns: (h.syn_to_synack_us + h.synack_to_ack_us) * 1000,
    });
    Flow {
        vlan: key.vlan.ids().collect(),
        ver: key.addresses.version(),
        proto: key.protocol,
        a,
        ap: key.a_port,
        b,
        bp: key.b_port,
        init: side(sums.initiator),
        first_ns: ns(sums.first_us),
        last_ns: ns(sums.last_us),
        ab: way(0, &sums.ab),
        ba: way(1, &sums.ba),
        handshake,
    }
}

fn echoes(picture: &Picture) -> Vec<Echo> {
    let mut out = Vec::new();
    for (key, held) in picture.echoes().iter() {
        let Some(sums) = held.total() else { continue };
        let (src, dst) = addresses(&key.addresses);
        out.push(Echo {
            vlan: key.vlan.ids().collect(),
            ver: key.addresses.version(),
            src,
            dst,
            id: key.id,
            requests: sums.requests,
            replies: sums.replies,
            matched: sums.matched,
            lost: sums.unanswered(),
            dup: sums.duplicates,
            orphan: sums.orphans,
            rtt_ns: held
                .samples()
                .in_order()
                .into_iter()
                .map(|us| us * 1000)
                .collect(),
        });
    }
    out
}
