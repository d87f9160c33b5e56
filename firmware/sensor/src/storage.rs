//! The memory a sensor works in.

use magpie_protocol::CountEntry;
use managed::{Managed, ManagedSlice};

use crate::{
    DoubledTable, EchoSet, EchoSlot, FilterSlot, FlowSet, FlowSlot, OutboxEntry, RequestSet,
    RequestSlot, UnsentSet, table::Slot, unsent::UnsentSlot,
};

/// A set of the flow table with nothing in it (all zero).
pub const EMPTY_FLOW_SET: FlowSet = [FlowSlot::EMPTY; 8];
/// A set of the echo table with nothing in it (all zero).
pub const EMPTY_ECHO_SET: EchoSet = [EchoSlot::EMPTY; 8];
/// A set of the request table with nothing in it (all zero).
pub const EMPTY_REQUEST_SET: RequestSet = [RequestSlot::EMPTY; 8];
/// A set of flows whose records were not kept with nothing in it (all zero).
pub const EMPTY_UNSENT_SET: UnsentSet = [UnsentSlot::EMPTY; 8];

/// Every buffer of a sensor. On a board: statics, all-zero at first. Of each
/// table the largest power of two of its sets or entries is used.
pub struct Storage<'a> {
    /// Bidirectional flows, eight to a set.
    pub flows: ManagedSlice<'a, FlowSet>,
    /// Echo pairs, eight to a set.
    pub echoes: ManagedSlice<'a, EchoSet>,
    /// Echo requests that wait for their reply or were answered, eight to a set.
    pub requests: ManagedSlice<'a, RequestSet>,
    /// Counters by ethertype.
    pub ethertypes: ManagedSlice<'a, CountEntry>,
    /// Counters by IP version and protocol.
    pub protocols: ManagedSlice<'a, CountEntry>,
    /// Counters by VLAN stack.
    pub vlans: ManagedSlice<'a, CountEntry>,
    /// Counters by ICMP version, type and code.
    pub icmp: ManagedSlice<'a, CountEntry>,
    /// Counters by ARP operation.
    pub arp_operations: ManagedSlice<'a, CountEntry>,
    /// Finished records on their way to the link.
    pub outbox: ManagedSlice<'a, OutboxEntry>,
    /// Flows whose records were not kept, by protocol and responder, eight to a
    /// set.
    pub unsent: ManagedSlice<'a, UnsentSet>,
    /// Frames whose double may come; `None`: doubles cannot be looked for.
    pub doubled: Option<Managed<'a, DoubledTable>>,
    /// Filters that the host may set, 256 at most; none: there is no room for them.
    pub filters: ManagedSlice<'a, FilterSlot>,
    /// Packets that filters selected, on their way to the link; none: they only
    /// count.
    pub packets: ManagedSlice<'a, u8>,
}

#[cfg(feature = "std")]
impl Storage<'static> {
    /// Storage on the heap: `flows` flow entries, `echoes` echo pairs (sixteen
    /// requests each), counter tables that hold every key of theirs (VLAN
    /// stacks: 65,536), an outbox of 512 records, 64 lines for what does not find
    /// room there, no table for doubles, four filters and no room for packets.
    pub fn owned(flows: usize, echoes: usize) -> Self {
        fn vec<T: Clone>(value: T, len: usize) -> ManagedSlice<'static, T> {
            ManagedSlice::Owned(std::vec![value; len])
        }
        let flow_sets = flows.div_ceil(8).max(1).next_power_of_two();
        let echo_sets = echoes.div_ceil(8).max(1).next_power_of_two();
        let free = CountEntry::default();
        Self {
            flows: vec(EMPTY_FLOW_SET, flow_sets),
            echoes: vec(EMPTY_ECHO_SET, echo_sets),
            requests: vec(EMPTY_REQUEST_SET, echo_sets.saturating_mul(16)),
            ethertypes: vec(free, 0x2_0000),
            protocols: vec(free, 0x1000),
            vlans: vec(free, 0x1_0000),
            icmp: vec(free, 0x4_0000),
            arp_operations: vec(free, 0x1_0000),
            outbox: vec(OutboxEntry::EMPTY, 512),
            unsent: vec(EMPTY_UNSENT_SET, 8),
            doubled: None,
            filters: vec(FilterSlot::EMPTY, 4),
            packets: ManagedSlice::Borrowed(&mut []),
        }
    }

    /// The same with so many octets of room for packets.
    #[must_use]
    pub fn with_packets(mut self, octets: usize) -> Self {
        self.packets = ManagedSlice::Owned(std::vec![0; octets]);
        self
    }

    /// The same with room for frames whose double may come: four to a set.
    #[must_use]
    pub fn with_doubled<const SETS: usize>(mut self) -> Self {
        let table = DoubledTable::<[crate::DoubledSet; SETS]>::EMPTY;
        self.doubled = Some(Managed::Owned(std::boxed::Box::new(table)));
        self
    }
}
