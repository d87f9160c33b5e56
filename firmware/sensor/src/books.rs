//! Every frame is counted here exactly once, before any table takes it.

use magpie_protocol::{CountEntry, Ledger, Losses, Malformed, Sum, TableId, TooBig, UplinkCounts};

use crate::{
    counters::Counters,
    dissect::{Arp, ArpKind, Content, Icmp, Link, Parsed, Part, Rare},
    hash::{PathSum, Secret},
    key::Path,
    own::Own,
    storage::Storage,
};

/// Frames that look alike to every table here, counted together until somebody
/// asks: one addition a frame instead of one a table.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))] // a cache line
struct Kind {
    path: Path,
    link: Link,
    sum: PathSum,
    frames: u32,
    octets: u32,
    /// Never more than `octets`.
    ip_octets: u32,
}

/// Kinds that are counted at a time.
const KINDS: usize = 16;
/// Bits of a hash that do not say where a kind stands.
const SPARE: u32 = u32::BITS - KINDS.ilog2();
/// Scatters kinds so that the twelve commonest (TCP, UDP, echo requests, echo
/// replies and other ICMP over IPv4 and IPv6, ARP, LLC; all untagged) have
/// places of their own.
const SCATTER: u32 = 0xf499_8d7d;

impl Kind {
    const NONE: Self = Self {
        path: Path::NONE,
        link: Link::new(0),
        sum: PathSum::NONE,
        frames: 0,
        octets: 0,
        ip_octets: 0,
    };

    fn new(path: Path, link: Link, sum: PathSum) -> Self {
        Self {
            path,
            link,
            sum,
            ..Self::NONE
        }
    }

    /// Counts one frame; false, and nothing done, where a counter is full.
    #[inline]
    fn count(&mut self, wire_len: u32, ip_octets: u32) -> bool {
        let (Some(frames), Some(octets)) = (
            self.frames.checked_add(1),
            self.octets.checked_add(wire_len),
        ) else {
            return false;
        };
        self.frames = frames;
        self.octets = octets;
        self.ip_octets = self.ip_octets.wrapping_add(ip_octets);
        true
    }

    #[inline]
    fn place(path: Path, link: Link) -> usize {
        let [outer, inner] = path.words();
        ((outer ^ inner ^ link.word()).wrapping_mul(SCATTER) >> SPARE) as usize
    }
}

/// Totals, overlays and the counter tables.
#[repr(C)]
pub(crate) struct Books<'a> {
    kinds: [Kind; KINDS],
    /// By [`Part`], without what `kinds` holds.
    parts: [Sum; Part::ALL.len()],
    malformed: u64,
    vlan_cut: u64,
    /// Over IPv4, over IPv6.
    pub(crate) too_big: [Latest<TooBig>; 2],
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
    /// Frames that no table was shown.
    filtered: Sum,
}

/// The latest of its kind, and whether it was shown.
#[derive(Clone, Copy)]
pub(crate) struct Latest<T> {
    seen: Option<T>,
    changed: bool,
}

impl<T: Copy> Latest<T> {
    const NONE: Self = Self {
        seen: None,
        changed: false,
    };

    fn see(&mut self, one: T) {
        self.seen = Some(one);
        self.changed = true;
    }

    /// It, once for each one seen; where `all`, whatever was shown.
    pub(crate) fn take(&mut self, all: bool) -> Option<T> {
        let due = core::mem::take(&mut self.changed) || all;
        self.seen.filter(|_| due)
    }
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

fn bump(counter: Option<&mut u64>) {
    if let Some(counter) = counter {
        *counter = counter.saturating_add(1);
    }
}

impl<'a> Books<'a> {
    /// Nothing counted. Takes the counter tables out of `storage`.
    pub(crate) fn new(storage: &mut Storage<'a>) -> Self {
        use core::mem::replace;
        let take = |slice: &mut managed::ManagedSlice<'a, CountEntry>| {
            Counters::new(replace(slice, managed::ManagedSlice::Borrowed(&mut [])))
        };
        Self {
            kinds: [Kind::NONE; KINDS],
            parts: [Sum::default(); Part::ALL.len()],
            malformed: 0,
            vlan_cut: 0,
            too_big: [Latest::NONE; 2],
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
            filtered: Sum::default(),
        }
    }

    /// An exact run: no key may become `other`.
    #[cfg(feature = "std")]
    pub(crate) fn count_exactly(&mut self) {
        for table in [
            &mut self.ethertypes,
            &mut self.protocols,
            &mut self.vlans,
            &mut self.icmp,
            &mut self.arp_operations,
        ] {
            table.count_exactly();
        }
    }

    /// Frames that the tables were shown since boot.
    pub(crate) fn frames(&self) -> u64 {
        self.sums().iter().map(|part| part.frames).sum()
    }

    /// Counts a frame that no table is shown.
    pub(crate) fn count_filtered(&mut self, wire_len: u32) {
        let Sum { frames, octets } = &mut self.filtered;
        *frames = frames.wrapping_add(1);
        *octets = octets.wrapping_add(u64::from(wire_len));
    }

    /// Counts one frame; gives the sum of its path.
    #[inline]
    pub(crate) fn count(&mut self, frame: &Parsed, wire_len: u32, secret: &Secret) -> PathSum {
        let (path, link) = (frame.key.path(), frame.link);
        let place = Kind::place(path, link);
        if let Some(kind) = self.kinds.get_mut(place)
            && kind.path == path
            && kind.link == link
            && kind.count(wire_len, frame.ip_octets)
        {
            return kind.sum;
        }
        self.count_anew(place, frame, wire_len, secret.of_path(path))
    }

    /// The first frame of a kind, or of a kind whose counters were full.
    #[inline(never)]
    fn count_anew(&mut self, place: usize, frame: &Parsed, wire_len: u32, sum: PathSum) -> PathSum {
        if let Some(kind) = self.kinds.get_mut(place) {
            let mut new = Kind::new(frame.key.path(), frame.link, sum);
            new.count(wire_len, frame.ip_octets);
            let old = core::mem::replace(kind, new);
            self.settle_kind(&old);
        }
        sum
    }

    /// Counts what most frames have nothing of.
    #[inline(never)]
    pub(crate) fn count_rare(&mut self, at_us: u64, frame: &Parsed) {
        let rare = frame.rare;
        if rare.has(Rare::VLAN_CUT) {
            self.vlan_cut = self.vlan_cut.saturating_add(1);
        }
        let classes = rare.classes();
        if !classes.is_empty() {
            self.malformed = self.malformed.saturating_add(1);
            for class in classes.iter() {
                bump(self.classes.get_mut(usize::from(class as u8)));
            }
        }
        let is_ip4 = frame.key.path().is_ip4();
        if rare.has(Rare::FIRST | Rare::LATER) {
            let [first4, later4, first6, later6] = &mut self.fragments;
            bump(Some(match (is_ip4, rare.has(Rare::LATER)) {
                (true, false) => first4,
                (true, true) => later4,
                (false, false) => first6,
                (false, true) => later6,
            }));
        }
        match frame.content {
            Content::Icmp(Icmp {
                kind, code, mtu, ..
            }) if rare.has(Rare::ICMP) => {
                let version = if is_ip4 { 4 << 16 } else { 6 << 16 };
                let key = version | u64::from(kind) << 8 | u64::from(code);
                self.icmp.count(key, 0);
                if let Some(mtu) = mtu {
                    let (addresses, _) = frame.key.sent_by(frame.from);
                    let [over_4, over_6] = &mut self.too_big;
                    let latest = if is_ip4 { over_4 } else { over_6 };
                    latest.see(TooBig {
                        at_us,
                        addresses,
                        mtu,
                    });
                }
            }
            Content::Arp(arp) => self.count_arp(arp),
            // Echo messages are counted by their kind.
            Content::Nothing | Content::Tcp(_) | Content::TcpFirst(_) | Content::Icmp(_) => {}
        }
    }

    /// Puts what was counted together into the tables.
    pub(crate) fn settle(&mut self) {
        for at in 0..KINDS {
            if let Some(kind) = self.kinds.get_mut(at) {
                let none_yet = Kind::new(kind.path, kind.link, kind.sum);
                let counted = core::mem::replace(kind, none_yet);
                self.settle_kind(&counted);
            }
        }
    }

    #[inline(never)]
    fn settle_kind(&mut self, kind: &Kind) {
        let Kind {
            path,
            link,
            frames,
            octets,
            ip_octets,
            ..
        } = *kind;
        if frames == 0 {
            return;
        }
        let (frames, octets, ip_octets) =
            (u64::from(frames), u64::from(octets), u64::from(ip_octets));
        self.ethertypes
            .add(u64::from(link.ethertype()), frames, octets);
        self.vlans.add(path.vlan().to_bits(), frames, octets);
        if let Some(version) = path.version() {
            let key = u64::from(version) << 8 | u64::from(path.protocol());
            self.protocols.add(key, frames, ip_octets);
        }
        if let Some(request) = link.echo() {
            // Types of RFC 792 and RFC 4443.
            let kind = match (path.is_ip4(), request) {
                (true, true) => 4 << 16 | 8 << 8,
                (true, false) => 4 << 16,
                (false, true) => 6 << 16 | 128 << 8,
                (false, false) => 6 << 16 | 129 << 8,
            };
            self.icmp.add(kind, frames, 0);
        }
        if let Some(part) = self.parts.get_mut(link.part() as usize) {
            part.frames = part.frames.wrapping_add(frames);
            part.octets = part.octets.wrapping_add(octets);
        }
    }

    /// The four parts, with what `kinds` holds.
    fn sums(&self) -> [Sum; Part::ALL.len()] {
        let mut sums = self.parts;
        for kind in &self.kinds {
            if let Some(part) = sums.get_mut(kind.link.part() as usize) {
                part.frames = part.frames.wrapping_add(u64::from(kind.frames));
                part.octets = part.octets.wrapping_add(u64::from(kind.octets));
            }
        }
        sums
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
        let [invalid, in_flows, arp, other] = self.sums();
        let mut counted = Sum::default();
        for part in [in_flows, arp, other, invalid, self.filtered] {
            counted.frames = counted.frames.wrapping_add(part.frames);
            counted.octets = counted.octets.wrapping_add(part.octets);
        }
        Ledger {
            at_us,
            counted,
            in_flows,
            arp,
            other,
            invalid,
            lost: self.losses,
            malformed: self.malformed,
            vlan_cut: self.vlan_cut,
            own_tx: self.own.map_or(0, |own| own.seen),
            own_rx: self.own.map_or(0, |own| own.received),
            forged: self.own.map_or(0, |own| own.forged),
            uplink: self.uplink,
            filtered: self.filtered,
            ..Ledger::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use magpie_protocol::ETHERTYPE_LLC;

    #[test]
    fn the_commonest_kinds_have_places_of_their_own() {
        let mut all = std::vec::Vec::new();
        for (four, six, echo) in [
            (6, 6, None),
            (17, 17, None),
            (1, 58, None),
            (1, 58, Some(true)),
            (1, 58, Some(false)),
        ] {
            let (mut ip4, mut ip6) = (Parsed::nothing(), Parsed::nothing());
            ip4.key.set_ip4(four, 1, 2, 0);
            ip6.key.set_ip6(six, &[1; 16], &[2; 16], 0);
            for (frame, ethertype) in [(ip4, 0x0800), (ip6, 0x86dd)] {
                let mut link = Link::of(ethertype, Part::Flow);
                if let Some(request) = echo {
                    link.set_echo(request);
                }
                assert_eq!(
                    (link.part(), link.echo(), link.ethertype()),
                    (Part::Flow, echo, ethertype)
                );
                all.push((frame.key.path(), link));
            }
        }
        let none = Parsed::nothing().key.path();
        let llc = u32::try_from(ETHERTYPE_LLC).unwrap();
        all.push((none, Link::of(0x0806, Part::Arp)));
        all.push((none, Link::of(llc, Part::Other)));
        let places: std::collections::BTreeSet<_> = all
            .iter()
            .map(|(path, link)| Kind::place(*path, *link))
            .collect();
        assert_eq!(places.len(), all.len());
        assert!(places.into_iter().all(|place| place < KINDS));
    }

    /// What a 32-bit counter cannot hold went into the tables before.
    #[test]
    fn counters_of_a_kind_never_wrap() {
        let mut kind = Kind::NONE;
        assert!(kind.count(u32::MAX - 1, 7));
        assert!(!kind.count(2, 2));
        assert!(kind.count(1, 1));
        assert_eq!((kind.frames, kind.octets, kind.ip_octets), (2, u32::MAX, 8));
        kind.frames = u32::MAX;
        assert!(!kind.count(0, 0));
        assert_eq!(size_of::<Kind>(), 32, "a cache line");
    }
}
