//! Counts of one's own: frame by frame from the second reading, in maps that
//! grow, without the sensor's core.

use std::collections::BTreeMap;

use magpie_collector::{Picture, State};
use magpie_protocol::{AddressPair, FlowKey, Ledger, Sum, TableId};
use magpie_sensor::dissect::{Fragment, Ip, Network, Transport};
use magpie_tests::bench::Bench;

use crate::second::Second;

/// Packets, IP octets, frame octets.
type Way = [u64; 3];

/// What one flow comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sums {
    ways: [Way; 2],
    first_us: u64,
    last_us: u64,
}

/// Counted so far.
#[derive(Default)]
pub(crate) struct Count {
    counted: Sum,
    /// In flows, ARP, other, invalid.
    parts: [Sum; 4],
    flows: BTreeMap<FlowKey, Sums>,
    tables: BTreeMap<TableId, BTreeMap<u64, (u64, u64)>>,
}

fn add(sum: &mut Sum, octets: u64) {
    sum.frames += 1;
    sum.octets += octets;
}

/// The key, and whether the frame goes from `b` to `a`.
fn key_of(vlan: magpie_protocol::VlanStack, ip: &Ip) -> (FlowKey, bool) {
    let ports = (ip.source_port, ip.destination_port);
    let back = match ip.addresses {
        AddressPair::V4 { a, b } => (a, ports.0) > (b, ports.1),
        AddressPair::V6 { a, b } => (a, ports.0) > (b, ports.1),
    };
    let (addresses, (a_port, b_port)) = match (back, ip.addresses) {
        (false, same) => (same, ports),
        (true, AddressPair::V4 { a, b }) => (AddressPair::V4 { a: b, b: a }, (ports.1, ports.0)),
        (true, AddressPair::V6 { a, b }) => (AddressPair::V6 { a: b, b: a }, (ports.1, ports.0)),
    };
    let key = FlowKey {
        vlan,
        protocol: ip.protocol,
        addresses,
        a_port,
        b_port,
    };
    (key, back)
}

impl Count {
    /// Counts one frame.
    pub(crate) fn frame(&mut self, at_us: u64, frame: &[u8], wire_len: u32) {
        let view = Second::read(frame, wire_len).view;
        let octets = u64::from(wire_len);
        add(&mut self.counted, octets);
        self.line(TableId::Ethertype, u64::from(view.ethertype), octets);
        self.line(TableId::Vlan, view.vlan.to_bits(), octets);
        let part = match &view.network {
            Network::Ip(ip) => {
                self.ip(at_us, view.vlan, ip, octets);
                0
            }
            Network::Arp(arp) => {
                self.line(TableId::ArpOperation, u64::from(arp.operation), 0);
                1
            }
            Network::Other => 2,
            Network::Invalid => 3,
        };
        add(&mut self.parts[part], octets);
    }

    fn ip(&mut self, at_us: u64, vlan: magpie_protocol::VlanStack, ip: &Ip, octets: u64) {
        let version = u64::from(ip.addresses.version());
        let ip_octets = u64::from(ip.ip_octets);
        let protocol = version << 8 | u64::from(ip.protocol);
        self.line(TableId::IpProtocol, protocol, ip_octets);
        match ip.fragment {
            Fragment::Whole => {}
            Fragment::First => self.line(TableId::Fragment, version - 4, 0),
            Fragment::Later => self.line(TableId::Fragment, version - 3, 0),
        }
        if let Transport::Icmp(icmp) = &ip.transport {
            let message = version << 16 | u64::from(icmp.kind) << 8 | u64::from(icmp.code);
            self.line(TableId::Icmp, message, 0);
        }
        let (key, back) = key_of(vlan, ip);
        let sums = self.flows.entry(key).or_insert(Sums {
            ways: [[0; 3]; 2],
            first_us: at_us,
            last_us: at_us,
        });
        let way = &mut sums.ways[usize::from(back)];
        *way = [way[0] + 1, way[1] + ip_octets, way[2] + octets];
        sums.first_us = sums.first_us.min(at_us);
        sums.last_us = sums.last_us.max(at_us);
    }

    fn line(&mut self, table: TableId, key: u64, octets: u64) {
        let line = self
            .tables
            .entry(table)
            .or_default()
            .entry(key)
            .or_default();
        *line = (line.0 + 1, line.1 + octets);
    }

    /// Holds a flushed bench against what was counted here.
    pub(crate) fn check(&self, what: &str, bench: &Bench) {
        let books = bench.books();
        assert_eq!(
            books.state,
            State::Closed,
            "{what}: {books} {:?}",
            books.broken
        );
        let picture = bench.picture();
        let ledger = picture.ledger().expect("a flushed ledger");
        self.check_ledger(what, &ledger);
        self.check_tables(what, picture);
        let mut seen = 0;
        for (key, held) in picture.flows().iter() {
            let sums = held.total().expect("a record");
            let ways = [&sums.ab, &sums.ba].map(|w| [w.packets, w.ip_octets, w.frame_octets]);
            let have = Sums {
                ways,
                first_us: sums.first_us,
                last_us: sums.last_us,
            };
            assert_eq!(Some(&have), self.flows.get(key), "{what}: {key:?}");
            seen += 1;
        }
        assert_eq!(seen, self.flows.len(), "{what}: keys");
    }

    fn check_ledger(&self, what: &str, ledger: &Ledger) {
        let parts = [ledger.in_flows, ledger.arp, ledger.other, ledger.invalid];
        assert_eq!(
            (ledger.counted, parts),
            (self.counted, self.parts),
            "{what}: ledger"
        );
    }

    fn check_tables(&self, what: &str, picture: &Picture) {
        for (table, lines) in &self.tables {
            let have: BTreeMap<u64, (u64, u64)> = picture
                .counts(*table)
                .iter()
                .map(|(key, line)| (*key, (line.frames, line.octets)))
                .collect();
            assert_eq!(&have, lines, "{what}: {table:?}");
        }
    }
}
