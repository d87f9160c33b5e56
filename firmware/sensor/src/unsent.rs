//! Flows whose finished records were not kept, summed by what they went to:
//! IP protocol and responder ([`magpie_protocol::Unsent`]).
//!
//! While nobody listens, records are made that nobody takes. Their sums are in
//! the ledger; this table says whose they were, as far as it has room. It is
//! kept by Space-Saving (Metwally, Agrawal and El Abbadi, 2005) over sets of
//! eight lines, with the sums apart from the weights:
//!
//! - A key that the table holds is counted in its line.
//! - Another takes a free line of its set, or else that of the smallest
//!   weight: the sums found there go to `other`, the weight stays and becomes
//!   the most that the newcomer may have lost to `other` before.
//!
//! So every record is in exactly one line or in `other`. A line whose key
//! found a free place is exact since boot, and any other a lower bound with a
//! known distance. A key with more than an eighth of the records of its set
//! has a line, whoever came before and however many others come: a night
//! without a host does not hide the flood at its end, and the scan behind a
//! flood does not wash the flood's victim out. (First come, first served would
//! be exact for each, and blind from the moment on in which the table is full.)
//!
//! What an attacker can do: send to ever new responders, so that they take the
//! lines of others that are as light. Each then costs a packet and holds a
//! line until the next; what was there stands in `other`, in sum exact. Sets
//! are chosen by the tables' keyed hash.

use magpie_protocol::{
    Address, FlowKey, FlowSum, Items, Record, Side, Tally, Unsent, UnsentKey, UnsentLine,
    decode_flow_key,
};
use managed::ManagedSlice;

use crate::{hash::Secret, key::Key, table::index_mask};

/// One set of the table of flows whose records were not kept.
pub type UnsentSet = [UnsentSlot; WAYS];
const WAYS: usize = 8;

/// One line: 80 octets, all zero when free.
#[derive(Debug, Clone, Copy)]
pub struct UnsentSlot {
    never_sent: FlowSum,
    unconfirmed: FlowSum,
    responder: Responder,
    /// Flows counted at this place since boot, up to [`HEAVIEST`]; 0: free.
    weight: u32,
    missed_at_most: u32,
}

/// Protocol and address of a responder, in words: version and protocol, then
/// the address, of which IPv4 fills the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Responder([u32; 5]);

const IP4: u32 = 4 << 8;
const IP6: u32 = 6 << 8;

impl Responder {
    const NONE: Self = Self([0; 5]);

    /// Of a flow of this key that `initiator` began.
    pub(crate) fn of(key: &Key, initiator: Side) -> Self {
        let (path, [a, b, c, d]) = (key.path(), key.end_point(initiator.other()));
        let protocol = u32::from(path.protocol());
        if path.is_ip4() {
            Self([IP4 | protocol, a, 0, 0, 0])
        } else {
            Self([IP6 | protocol, a, b, c, d])
        }
    }

    /// Of a flow, in the protocol's form.
    fn of_flow(key: &FlowKey, initiator: Side) -> Self {
        let UnsentKey {
            protocol,
            responder,
        } = UnsentKey::of(key, initiator);
        let (version, [a, b, c, d]) = match responder {
            Address::V4(octets) => (IP4, [u32::from_be_bytes(octets), 0, 0, 0]),
            Address::V6(octets) => (IP6, crate::key::of_v6(octets)),
        };
        Self([version | u32::from(protocol), a, b, c, d])
    }

    /// Of a record, if it is a flow's.
    pub(crate) fn of_record(record: &Record) -> Option<Self> {
        match record {
            Record::Flow(flow) => Some(Self::of_flow(&flow.key, flow.initiator)),
            _ => None,
        }
    }

    /// Of an encoded record.
    pub(crate) fn of_item(item: &[u8]) -> Option<Self> {
        let item = Items::new(item).next()?.ok()?;
        decode_flow_key(item).map(|(key, initiator)| Self::of_flow(&key, initiator))
    }

    /// Equal; the address first, since it differs most often.
    fn is(&self, other: &Self) -> bool {
        let (Self([head, a, b, c, d]), Self([other_head, w, x, y, z])) = (self, other);
        a == w && head == other_head && (b ^ x) | (c ^ y) | (d ^ z) == 0
    }

    fn key(self) -> UnsentKey {
        let Self([head, a, b, c, d]) = self;
        UnsentKey {
            protocol: (head & 0xff) as u8,
            responder: if head & IP6 == IP6 {
                Address::V6(crate::key::to_v6([a, b, c, d]))
            } else {
                Address::V4(a.to_be_bytes())
            },
        }
    }
}

/// Why a record was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    NeverSent,
    Unconfirmed,
}

/// Weights are counted up to here; a line that is as heavy stays for ever.
const HEAVIEST: u32 = u32::MAX;

const NOTHING: FlowSum = FlowSum {
    flows: 0,
    packets: 0,
    octets: 0,
};

impl UnsentSlot {
    /// The free line.
    pub(crate) const EMPTY: Self = Self {
        never_sent: NOTHING,
        unconfirmed: NOTHING,
        responder: Responder::NONE,
        weight: 0,
        missed_at_most: 0,
    };

    fn add(&mut self, why: Why, tally: &Tally) {
        let sum = match why {
            Why::NeverSent => &mut self.never_sent,
            Why::Unconfirmed => &mut self.unconfirmed,
        };
        sum.add(&tally.into());
        let flows = u32::try_from(tally.flows).unwrap_or(HEAVIEST);
        self.weight = self.weight.saturating_add(flows);
    }

    fn line(&self, place: u16, key: Option<UnsentKey>) -> UnsentLine {
        UnsentLine {
            place,
            key,
            missed_at_most: self.missed_at_most.into(),
            never_sent: self.never_sent,
            unconfirmed: self.unconfirmed,
        }
    }
}

/// The table, and what has no line in it.
pub(crate) struct UnsentFlows<'a> {
    sets: ManagedSlice<'a, UnsentSet>,
    mask: usize,
    secret: Secret,
    other: UnsentSlot,
    /// Something changed since the last live showing.
    changed: bool,
}

impl<'a> UnsentFlows<'a> {
    /// Nothing is missing yet.
    pub(crate) fn new(sets: ManagedSlice<'a, UnsentSet>, seed: &[u8; 32]) -> Self {
        Self {
            mask: index_mask(sets.len()),
            sets,
            secret: Secret::new(seed),
            other: UnsentSlot::EMPTY,
            changed: false,
        }
    }

    /// A finished record was not kept. Its responder is `None` where it could
    /// not be read.
    pub(crate) fn add(&mut self, responder: Option<Responder>, why: Why, tally: &Tally) {
        if tally.flows == 0 {
            return;
        }
        self.changed = true;
        match responder.and_then(|responder| self.line_of(responder)) {
            Some(line) => line.add(why, tally),
            None => self.other.add(why, tally),
        }
    }

    /// The line of a responder, which may have been another's.
    fn line_of(&mut self, responder: Responder) -> Option<&mut UnsentSlot> {
        let hash = self.secret.of_address(responder.0);
        let set = self.sets.get_mut(hash as usize & self.mask)?;
        let (mut way, mut least) = (0, HEAVIEST);
        for (at, slot) in (0..).zip(set.iter()) {
            if slot.responder.is(&responder) {
                return set.get_mut(at);
            }
            if slot.weight < least {
                (way, least) = (at, slot.weight);
            }
        }
        if least == HEAVIEST {
            return None;
        }
        let slot = set.get_mut(way)?;
        if least > 0 {
            self.other.never_sent.add(&slot.never_sent);
            self.other.unconfirmed.add(&slot.unconfirmed);
        }
        *slot = UnsentSlot {
            responder,
            weight: least,
            missed_at_most: least,
            ..UnsentSlot::EMPTY
        };
        Some(slot)
    }

    fn capacity(&self) -> usize {
        let sets = if self.sets.is_empty() {
            0
        } else {
            self.mask.saturating_add(1)
        };
        sets.saturating_mul(WAYS)
    }

    /// Places, `other` behind the last.
    pub(crate) fn len(&self) -> usize {
        self.capacity().saturating_add(1)
    }

    /// Lines from this place on, as many as a record holds; the cursor moves
    /// behind them.
    pub(crate) fn lines(
        &self,
        at: &mut usize,
        limit: usize,
    ) -> heapless::Vec<UnsentLine, { Unsent::MAX_LINES }> {
        let mut lines = heapless::Vec::new();
        let stop = at.saturating_add(limit).min(self.len());
        while *at < stop && !lines.is_full() {
            if let Some(line) = self.line(*at) {
                let _ = lines.push(line);
            }
            *at = at.saturating_add(1);
        }
        lines
    }

    /// The line at this place, if it counted anything.
    fn line(&self, at: usize) -> Option<UnsentLine> {
        let place = u16::try_from(at).unwrap_or(u16::MAX);
        let (slot, key) = if at < self.capacity() {
            let slot = self.sets.as_flattened().get(at)?;
            (slot, Some(slot.responder.key()))
        } else {
            (&self.other, None)
        };
        let line = slot.line(place, key);
        (line.weight() > 0).then_some(line)
    }

    /// True once after each change.
    pub(crate) fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn table(sets: usize) -> UnsentFlows<'static> {
        let empty = [UnsentSlot::EMPTY; 8];
        UnsentFlows::new(ManagedSlice::Owned(vec![empty; sets]), &[5; 32])
    }

    fn host(n: u32) -> Responder {
        Responder([IP4 | 6, n, 0, 0, 0])
    }

    fn tally(packets: u64) -> Tally {
        Tally {
            records: 1,
            flows: 1,
            packets,
            octets: 60 * packets,
        }
    }

    fn all(table: &mut UnsentFlows<'_>) -> Vec<UnsentLine> {
        let (mut at, mut all) = (0, Vec::new());
        while at < table.len() {
            all.extend(table.lines(&mut at, 7));
        }
        all
    }

    fn v4(n: u32) -> UnsentKey {
        UnsentKey {
            protocol: 6,
            responder: Address::V4(n.to_be_bytes()),
        }
    }

    #[test]
    fn a_line_is_as_small_as_promised() {
        assert_eq!(size_of::<UnsentSlot>(), 80);
    }

    #[test]
    fn as_long_as_there_is_room_every_line_is_exact() {
        let mut table = table(1);
        for n in 0..800 {
            let why = [Why::NeverSent, Why::Unconfirmed][usize::from(n % 16 >= 8)];
            table.add(Some(host(n % 8)), why, &tally(u64::from(n % 8)));
        }
        // What is no flow is nobody's.
        let records = Tally {
            records: 9,
            ..Tally::default()
        };
        table.add(None, Why::NeverSent, &records);
        let lines = all(&mut table);
        assert_eq!(lines.len(), 8);
        for line in lines {
            let n = (0..8)
                .find(|n| line.key == Some(v4(*n)))
                .expect("a key of ours");
            let sum = FlowSum {
                flows: 50,
                packets: 50 * u64::from(n),
                octets: 3_000 * u64::from(n),
            };
            assert_eq!((line.never_sent, line.unconfirmed), (sum, sum));
            assert_eq!(line.missed_at_most, 0);
        }
    }

    #[test]
    fn without_storage_all_is_other() {
        let mut table = table(0);
        table.add(Some(host(1)), Why::NeverSent, &tally(2));
        table.add(None, Why::Unconfirmed, &tally(3));
        let [other] = all(&mut table)[..] else {
            panic!("one line")
        };
        assert_eq!((other.place, other.key), (0, None));
        assert_eq!(
            (other.never_sent.packets, other.unconfirmed.packets),
            (2, 3)
        );
    }

    /// Keys as they come in a night, then a flood of one among a scan of
    /// thousands: sums exact, bounds true, the victim in sight.
    #[test]
    fn a_late_flood_is_seen_and_no_line_says_too_much() {
        for sets in [1, 8] {
            let mut table = table(sets);
            let mut truth = BTreeMap::<u32, FlowSum>::new();
            let mut drop = |table: &mut UnsentFlows<'_>, n: u32, packets| {
                table.add(Some(host(n)), Why::NeverSent, &tally(packets));
                truth.entry(n).or_default().add(&(&tally(packets)).into());
            };
            for n in 0..5_000_u32 {
                drop(&mut table, n.wrapping_mul(n) % 211, 3);
            }
            for n in 0..4_000 {
                drop(&mut table, 1_000_000 + n, 1);
                drop(&mut table, 4_242, 2);
            }
            let lines = all(&mut table);
            assert_eq!(lines.len(), 8 * sets + 1);
            let mut sum = FlowSum::default();
            for line in &lines {
                sum.add(&line.never_sent);
                let Some(key) = line.key else { continue };
                let (_, truth) = truth
                    .iter()
                    .find(|(n, _)| v4(**n) == key)
                    .expect("a key of ours");
                let said = line.never_sent;
                assert!(said.flows <= truth.flows && said.packets <= truth.packets);
                assert!(truth.flows - said.flows <= line.missed_at_most, "{line:?}");
            }
            let total = truth.values().fold(FlowSum::default(), |mut sum, one| {
                sum.add(one);
                sum
            });
            assert_eq!(sum, total);
            let victim = lines.iter().find(|line| line.key == Some(v4(4_242)));
            let victim = victim.expect("half of the last 8,000 flows went to it");
            assert!(victim.never_sent.flows > 3_000, "{victim:?}");
        }
    }

    #[test]
    fn a_place_only_gains_weight() {
        let mut table = table(1);
        let mut before = [0; 8];
        for n in 0..1_000_u32 {
            let why = [Why::NeverSent, Why::Unconfirmed][usize::from(n % 3 == 0)];
            table.add(Some(host(n.wrapping_mul(n) % 37)), why, &tally(1));
            for line in all(&mut table) {
                if line.key.is_some() {
                    let weight = &mut before[usize::from(line.place)];
                    assert!(line.weight() >= *weight);
                    *weight = line.weight();
                }
            }
        }
        assert_eq!(before.iter().sum::<u64>(), 1_000);
    }

    /// Past 32 bits of flows nobody is replaced: no bound would hold.
    #[test]
    fn the_heaviest_lines_stay() {
        let mut table = table(1);
        for n in 0..8 {
            table.add(Some(host(n)), Why::NeverSent, &tally(1));
        }
        let many = Tally {
            flows: u64::from(u32::MAX) + 5,
            ..tally(1)
        };
        for n in 0..8 {
            table.add(Some(host(n)), Why::NeverSent, &many);
        }
        table.add(Some(host(99)), Why::NeverSent, &tally(7));
        let lines = all(&mut table);
        assert_eq!(lines.len(), 9);
        assert_eq!((lines[8].key, lines[8].never_sent.packets), (None, 7));
    }

    #[test]
    fn a_responder_is_read_from_a_record_as_from_the_table() {
        use magpie_protocol::{
            AddressPair, Direction, EndReason, FlowKey, FlowRecord, MAX_ITEM, VlanStack,
            encode_record,
        };
        let addresses = [
            AddressPair::V4 {
                a: [10, 0, 0, 1],
                b: [10, 0, 0, 2],
            },
            AddressPair::V6 {
                a: [0x20; 16],
                b: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
            },
        ];
        for addresses in addresses {
            for initiator in [Side::A, Side::B] {
                let flow = FlowRecord {
                    flow_id: 9,
                    reason: EndReason::Idle,
                    key: FlowKey {
                        vlan: VlanStack::NONE,
                        protocol: 132,
                        addresses,
                        a_port: 5,
                        b_port: 6,
                    },
                    initiator,
                    first_us: 1,
                    last_us: 2,
                    ab: Direction::default(),
                    ba: Direction::default(),
                    tcp: None,
                };
                let mut out = [0; MAX_ITEM];
                let len = encode_record(&Record::Flow(flow), &mut out).unwrap();
                let responder = Responder::of_item(&out[..len]).unwrap();
                assert_eq!(responder.key(), UnsentKey::of(&flow.key, initiator));
                assert_eq!(responder.key().responder, addresses.of(initiator.other()));
            }
        }
        assert_eq!(Responder::of_item(&[]), None);
        assert_eq!(Responder::of_item(&[3, 1, 0]), None);
    }
}
