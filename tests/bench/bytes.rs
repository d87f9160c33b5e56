//! Octets of a flow: in the table, and on the uplink.
//!
//! The real core and the real link, one exact run a capture. A finished flow
//! costs its item, and of its batch and of the framing (COBS, CRC-32) the
//! share of its octets.

use std::collections::BTreeMap;

use magpie_link::{Header, MAX_FRAME, SEAL_OCTETS, Stream, frame};
use magpie_protocol::{
    AddressPair, Direction, FlowRecord, Items, Record, RecordType, Side, decode_record,
};
use magpie_sensor::FlowSet;
use magpie_tests::bench::{Bench, Setup};
use magpie_tests::corpus::Capture;
use serde_json::{Value, json};

/// What was sent for flows.
#[derive(Default)]
struct Sum {
    flows: u64,
    /// Of their items.
    items: u64,
    /// With batches and framing.
    framed: f64,
    /// The same once batches are sealed.
    sealed: f64,
    /// How many items have so many octets.
    sizes: BTreeMap<usize, u64>,
    /// By IP version and protocol: flows and octets of their items.
    kinds: BTreeMap<String, (u64, u64)>,
    /// Octets by part of an item.
    parts: BTreeMap<&'static str, i64>,
}

/// Measures over all flows of the captures.
pub(crate) fn measure(captures: &[Capture]) -> Value {
    let mut sum = Sum::default();
    for capture in captures {
        let mut bench = Bench::new(Setup::exact());
        // Until the host has spoken, records are written for the oldest one.
        bench.wait(1_000);
        bench.tap = Some(Vec::new());
        bench.feed(capture, 0, usize::MAX);
        assert!(bench.flush(), "{}: no ledger came", capture.name);
        for batch in bench.tap.take().unwrap_or_default() {
            sum.add_batch(&batch);
        }
    }
    sum.report(captures.len())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "octets of captures are far below 2^52"
)]
impl Sum {
    fn add_batch(&mut self, batch: &[u8]) {
        let (header, octets) = Header::parse(batch).expect("our own batch");
        if header.stream != Stream::Final {
            return;
        }
        let mut out = vec![0; MAX_FRAME];
        let framed = frame(batch, &mut out).expect("a batch fits a frame") as f64;
        let mut rest = octets;
        while let Some(item) = Items::new(rest).next() {
            let item = item.expect("our own item");
            let head = if item.body.len() < 0x80 { 2 } else { 3 };
            let size = head + item.body.len();
            if let Ok(Record::Flow(flow)) = decode_record(item) {
                let share = size as f64 / octets.len() as f64;
                assert_eq!(item.kind, RecordType::CompactFlow as u8);
                self.framed += framed * share;
                self.sealed += (framed + SEAL_OCTETS as f64) * share;
                self.add_flow(&flow, head, size);
            }
            rest = &rest[size..];
        }
    }

    fn add_flow(&mut self, flow: &FlowRecord, head: usize, size: usize) {
        self.flows += 1;
        self.items += size as u64;
        *self.sizes.entry(size).or_default() += 1;
        let kind = format!("{}/{}", flow.key.addresses.version(), flow.key.protocol);
        let kind = self.kinds.entry(kind).or_default();
        kind.0 += 1;
        kind.1 += size as u64;
        let mut left = signed(size);
        for (part, octets) in parts(flow, head) {
            *self.parts.entry(part).or_default() += octets;
            left -= octets;
        }
        // Nothing while every field is encoded by itself.
        *self.parts.entry("not attributed").or_default() += left;
    }

    /// The size that this share of the items does not exceed.
    fn quantile(&self, share: f64) -> usize {
        let mut seen = 0;
        for (size, items) in &self.sizes {
            seen += items;
            if seen as f64 >= share * self.flows as f64 {
                return *size;
            }
        }
        0
    }

    fn report(&self, captures: usize) -> Value {
        let mean = |octets: f64| (octets / self.flows as f64 * 100.0).round() / 100.0;
        let mut parts: BTreeMap<_, _> = self
            .parts
            .iter()
            .map(|(part, octets)| (*part, mean(*octets as f64)))
            .collect();
        parts.insert("batch and framing", mean(self.framed - self.items as f64));
        let kinds: BTreeMap<_, _> = self
            .kinds
            .iter()
            .map(|(kind, (flows, octets))| {
                let mean = (*octets as f64 / *flows as f64 * 100.0).round() / 100.0;
                (kind, json!({ "flows": flows, "item": mean }))
            })
            .collect();
        let slots = size_of::<FlowSet>() / magpie_sensor::EMPTY_FLOW_SET.len();
        json!({
            "captures": captures,
            "flows": self.flows,
            "flow_slot": slots,
            "uplink_a_flow": mean(self.framed),
            "uplink_a_flow_sealed": mean(self.sealed),
            "item": {
                "min": self.quantile(0.0),
                "median": self.quantile(0.5),
                "mean": mean(self.items as f64),
                "p95": self.quantile(0.95),
                "max": self.quantile(1.0),
            },
            "parts": parts,
            "kinds": kinds,
        })
    }
}

fn signed(octets: usize) -> i64 {
    i64::try_from(octets).unwrap_or(i64::MAX)
}

/// Octets of a number as LEB128.
fn varint(number: u64) -> i64 {
    i64::from((u64::BITS - number.leading_zeros()).div_ceil(7).max(1))
}

/// Octets of each part of a compact item: its table, said once more.
fn parts(flow: &FlowRecord, head: usize) -> Vec<(&'static str, i64)> {
    let key = &flow.key;
    let (addresses, icmp) = match key.addresses {
        AddressPair::V4 { .. } => (8, 1),
        AddressPair::V6 { .. } => (32, 58),
    };
    let (forth, back) = match flow.initiator {
        Side::A => (&flow.ab, &flow.ba),
        Side::B => (&flow.ba, &flow.ab),
    };
    let duration_us = flow.last_us.wrapping_sub(flow.first_us);
    let is_brief = forth.packets == 1 && duration_us == 0;
    let unless = |known: bool, octets: i64| if known { 0 } else { octets };
    let tcp_flags = flow.tcp.map_or([0; 2], |tcp| tcp.flags);
    let is_one_way = back.packets == 0 && tcp_flags.contains(&0);
    let excess = |way: &Direction| {
        let known = way.ip_octets + way.packets * (14 + 4 * key.vlan.depth() as u64);
        unless(
            known == way.frame_octets,
            varint(way.frame_octets.wrapping_sub(known)),
        )
    };
    let mut parts = vec![
        ("type and length", signed(head)),
        ("flags", 2),
        ("flow_id", varint(flow.flow_id)),
        ("key: vlan", signed(2 * key.vlan.depth())),
        ("key: addresses", addresses),
        (
            "key: protocol",
            unless([6, 17, icmp].contains(&key.protocol), 1),
        ),
        ("key: ports", unless((key.a_port, key.b_port) == (0, 0), 4)),
        ("first", 4 + varint(flow.first_us >> 32)),
        ("duration", unless(is_brief, varint(duration_us))),
        (
            "packets",
            unless(is_brief, varint(forth.packets)) + unless(is_one_way, varint(back.packets)),
        ),
        (
            "IP octets",
            varint(forth.ip_octets) + unless(is_one_way, varint(back.ip_octets)),
        ),
        ("frame octets", excess(forth) + excess(back)),
    ];
    if let Some(tcp) = &flow.tcp {
        let trouble = [tcp.seq_back, tcp.seq_back_octets, tcp.unseen_octets];
        let trouble = trouble.as_flattened();
        let counts: i64 = trouble.iter().map(|n| unless(*n == 0, varint(*n))).sum();
        let handshake = tcp.handshake.map_or(0, |handshake| {
            let [syn, synack] = [handshake.syn_retx, handshake.synack_retx].map(u64::from);
            let is_smooth = handshake.client == flow.initiator && syn + synack == 0;
            varint(handshake.syn_to_synack_us.cast_unsigned())
                + varint(handshake.synack_to_ack_us.cast_unsigned())
                + unless(is_smooth, 1 + varint(syn) + varint(synack))
        });
        parts.extend([
            ("tcp: flags", if is_one_way { 1 } else { 2 }),
            ("tcp: seq_back, unseen", unless(counts == 0, 1 + counts)),
            ("tcp: handshake", handshake),
        ]);
    }
    parts
}
