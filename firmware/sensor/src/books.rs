//! Every frame is counted here exactly once, before any table takes it.

use magpie_protocol::{CountEntry, Ledger, Losses, Malformed, Sum, TableId, UplinkCounts};

use crate::{
    counters::Counters,
    dissect::{Arp, ArpKind, Fragment, Icmp, Ip, Network, Transport, View},
    own::Own,
    storage::Storage,
};

/// Totals, overlays and the counter tables.
pub(crate) struct Books<'a> {
    counted: Sum,
    in_flows: Sum,
    arp: Sum,
    other: Sum,
    invalid: Sum,
    malformed: u64,
    vlan_cut: u64,
    pub(crate) own: Option<Own>,
    pub(crate) losses: Losses,
    pub(crate) uplink: UplinkCounts,
    ethertypes: Counters<'a>,
    protocols: Counters<'a>,
    vlans: Counters<'a>,
    icmp: Counters<'a>,
    arp_operations: Counters<'a>,
    fragments: [u64; 4],
    arp_kinds: [u64; 3],
    classes: [u64; Malformed::ALL.len()],
}

/// The tables, in the order they are exported.
pub(crate) const TABLES: [TableId; 8] = [
    TableId::Ethertype,
    TableId::IpProtocol,
    TableId::Vlan,
    TableId::Icmp,
    TableId::ArpOperation,
    TableId::Fragment,
    TableId::ArpKind,
    TableId::Malformed,
];

fn add(sum: &mut Sum, octets: u64) {
    sum.frames = sum.frames.saturating_add(1);
    sum.octets = sum.octets.saturating_add(octets);
}

fn bump(counter: Option<&mut u64>) {
    if let Some(counter) = counter {
        *counter = counter.saturating_add(1);
    }
}

fn version(ip: &Ip) -> u64 {
    u64::from(ip.addresses.version())
}

impl<'a> Books<'a> {
    /// Nothing counted. Takes the counter tables out of `storage`.
    pub(crate) fn new(storage: &mut Storage<'a>) -> Self {
        use core::mem::replace;
        let take = |slice: &mut managed::ManagedSlice<'a, CountEntry>| {
            Counters::new(replace(slice, managed::ManagedSlice::Borrowed(&mut [])))
        };
        Self {
            counted: Sum::default(),
            in_flows: Sum::default(),
            arp: Sum::default(),
            other: Sum::default(),
            invalid: Sum::default(),
            malformed: 0,
            vlan_cut: 0,
            own: None,
            losses: Losses::default(),
            uplink: UplinkCounts::default(),
            ethertypes: take(&mut storage.ethertypes),
            protocols: take(&mut storage.protocols),
            vlans: take(&mut storage.vlans),
            icmp: take(&mut storage.icmp),
            arp_operations: take(&mut storage.arp_operations),
            fragments: [0; 4],
            arp_kinds: [0; 3],
            classes: [0; Malformed::ALL.len()],
        }
    }

    /// Doubles every table in which the next key might become `other`.
    #[cfg(feature = "std")]
    pub(crate) fn grow_if_crowded(&mut self) {
        for table in [
            &mut self.ethertypes,
            &mut self.protocols,
            &mut self.vlans,
            &mut self.icmp,
            &mut self.arp_operations,
        ] {
            table.grow_if_crowded();
        }
    }

    /// Frames counted since boot.
    pub(crate) fn frames(&self) -> u64 {
        self.counted.frames
    }

    /// Counts one frame.
    #[inline]
    pub(crate) fn count(&mut self, view: &View, wire_len: u32) {
        let octets = u64::from(wire_len);
        add(&mut self.counted, octets);
        self.ethertypes.count(u64::from(view.ethertype), octets);
        self.vlans.count(view.vlan.to_bits(), octets);
        if view.vlan_cut {
            self.vlan_cut = self.vlan_cut.saturating_add(1);
        }
        if !view.malformed.is_empty() {
            self.malformed = self.malformed.saturating_add(1);
            for class in view.malformed.iter() {
                bump(self.classes.get_mut(usize::from(class as u8)));
            }
        }
        match &view.network {
            Network::Ip(ip) => {
                add(&mut self.in_flows, octets);
                self.count_ip(ip);
            }
            Network::Arp(arp) => {
                add(&mut self.arp, octets);
                self.count_arp(*arp);
            }
            Network::Other => add(&mut self.other, octets),
            Network::Invalid => add(&mut self.invalid, octets),
        }
    }

    #[inline]
    fn count_ip(&mut self, ip: &Ip) {
        let key = version(ip) << 8 | u64::from(ip.protocol);
        self.protocols.count(key, u64::from(ip.ip_octets));
        let [first4, later4, first6, later6] = &mut self.fragments;
        match (ip.fragment, version(ip)) {
            (Fragment::Whole, _) => {}
            (Fragment::First, 4) => bump(Some(first4)),
            (Fragment::Later, 4) => bump(Some(later4)),
            (Fragment::First, _) => bump(Some(first6)),
            (Fragment::Later, _) => bump(Some(later6)),
        }
        if let Transport::Icmp(Icmp { kind, code, .. }) = &ip.transport {
            self.icmp.count(
                version(ip) << 16 | u64::from(*kind) << 8 | u64::from(*code),
                0,
            );
        }
    }

    fn count_arp(&mut self, arp: Arp) {
        self.arp_operations.count(u64::from(arp.operation), 0);
        let [gratuitous, probe, normal] = &mut self.arp_kinds;
        match arp.kind {
            Some(ArpKind::Gratuitous) => bump(Some(gratuitous)),
            Some(ArpKind::Probe) => bump(Some(probe)),
            Some(ArpKind::Normal) => bump(Some(normal)),
            None => {}
        }
    }

    fn table(&mut self, table: TableId) -> Option<&mut Counters<'a>> {
        match table {
            TableId::Ethertype => Some(&mut self.ethertypes),
            TableId::IpProtocol => Some(&mut self.protocols),
            TableId::Vlan => Some(&mut self.vlans),
            TableId::Icmp => Some(&mut self.icmp),
            TableId::ArpOperation => Some(&mut self.arp_operations),
            _ => None,
        }
    }

    fn fixed(&self, table: TableId) -> &[u64] {
        match table {
            TableId::Fragment => &self.fragments,
            TableId::ArpKind => &self.arp_kinds,
            TableId::Malformed => &self.classes,
            _ => &[],
        }
    }

    /// Places of a table, used or not.
    pub(crate) fn len(&mut self, table: TableId) -> usize {
        match self.table(table) {
            Some(counters) => counters.len(),
            None => self.fixed(table).len(),
        }
    }

    /// The line at a place, if it counted anything.
    pub(crate) fn line(&mut self, table: TableId, at: usize) -> Option<CountEntry> {
        if let Some(counters) = self.table(table) {
            return counters.entry(at);
        }
        let frames = *self.fixed(table).get(at)?;
        (frames > 0).then_some(CountEntry {
            key: u64::try_from(at).ok()?,
            frames,
            octets: 0,
        })
    }

    /// True once after each change of the table; the small fixed ones always.
    pub(crate) fn take_changed(&mut self, table: TableId) -> bool {
        match self.table(table) {
            Some(counters) => core::mem::take(&mut counters.changed),
            None => true,
        }
    }

    /// The frames' part of the ledger.
    pub(crate) fn ledger(&self, at_us: u64) -> Ledger {
        Ledger {
            at_us,
            counted: self.counted,
            in_flows: self.in_flows,
            arp: self.arp,
            other: self.other,
            invalid: self.invalid,
            lost: self.losses,
            malformed: self.malformed,
            vlan_cut: self.vlan_cut,
            own_tx: self.own.map_or(0, |own| own.seen),
            own_rx: self.own.map_or(0, |own| own.received),
            forged: self.own.map_or(0, |own| own.forged),
            uplink: self.uplink,
            ..Ledger::default()
        }
    }
}
