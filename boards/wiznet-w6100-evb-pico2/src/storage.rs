//! How much this board holds: sizes, statics of that size, slices of those.
//! All are zero when empty (`.bss`), so they cost neither flash nor stack.

use magpie_node::{Buffers, UPLINK_BUFFER};
use magpie_protocol::CountEntry;
use magpie_sensor::{
    DoubledSet, DoubledTable, EMPTY_ECHO_SET, EMPTY_FLOW_SET, EMPTY_REQUEST_SET, EMPTY_UNSENT_SET,
    EchoSet, FilterSlot, FlowSet, OutboxEntry, RequestSet, Storage, UnsentSet,
};
use magpie_w6100::MAX_FRAME;
use managed::{Managed, ManagedSlice::Borrowed};
use static_cell::ConstStaticCell;

use crate::chip::{Batch, EMPTY_BATCH};

/// Eight flows each: 2,048.
const FLOW_SETS: usize = 256;
/// Eight echo pairs each: 128.
const ECHO_SETS: usize = 16;
/// Eight echo requests each: 1,024.
const REQUEST_SETS: usize = 128;
/// Lines of each counter table.
const COUNTS: usize = 128;
/// Finished records on their way to the link.
const OUTBOX: usize = 90;
/// Eight lines each for those that were not kept: 64.
const UNSENT_SETS: usize = 8;
/// Octets of finished records until they are acknowledged.
pub(crate) const RESEND: usize = 32 * 1024;
/// Four frames each whose double may come: 512.
const DOUBLED_SETS: usize = 128;
/// Filters that the host may set.
const FILTER_SLOTS: usize = 4;
/// Octets of packets that they selected, on their way to the link.
const PACKETS: usize = if cfg!(magpie_no_payload) {
    0
} else {
    32 * 1024
};
/// What was read out of the chip and waits for the node: one is filled and one
/// emptied, and the third waits.
const BATCHES: usize = 3;
/// Octets of one frame.
const SCRATCH: usize = MAX_FRAME;

const FREE: CountEntry = CountEntry {
    key: 0,
    frames: 0,
    octets: 0,
};
type Counts = ConstStaticCell<[CountEntry; COUNTS]>;

static FLOWS: ConstStaticCell<[FlowSet; FLOW_SETS]> =
    ConstStaticCell::new([EMPTY_FLOW_SET; FLOW_SETS]);
static ECHOES: ConstStaticCell<[EchoSet; ECHO_SETS]> =
    ConstStaticCell::new([EMPTY_ECHO_SET; ECHO_SETS]);
static REQUESTS: ConstStaticCell<[RequestSet; REQUEST_SETS]> =
    ConstStaticCell::new([EMPTY_REQUEST_SET; REQUEST_SETS]);
static ETHERTYPES: Counts = ConstStaticCell::new([FREE; COUNTS]);
static PROTOCOLS: Counts = ConstStaticCell::new([FREE; COUNTS]);
static VLANS: Counts = ConstStaticCell::new([FREE; COUNTS]);
static ICMP: Counts = ConstStaticCell::new([FREE; COUNTS]);
static ARP_OPERATIONS: Counts = ConstStaticCell::new([FREE; COUNTS]);
static OUTBOX_ENTRIES: ConstStaticCell<[OutboxEntry; OUTBOX]> =
    ConstStaticCell::new([OutboxEntry::EMPTY; OUTBOX]);
static UNSENT: ConstStaticCell<[UnsentSet; UNSENT_SETS]> =
    ConstStaticCell::new([EMPTY_UNSENT_SET; UNSENT_SETS]);
static DOUBLED: ConstStaticCell<DoubledTable<[DoubledSet; DOUBLED_SETS]>> =
    ConstStaticCell::new(DoubledTable::EMPTY);
static FILTERS: ConstStaticCell<[FilterSlot; FILTER_SLOTS]> =
    ConstStaticCell::new([FilterSlot::EMPTY; FILTER_SLOTS]);
static PACKET_OCTETS: ConstStaticCell<[u8; PACKETS]> = ConstStaticCell::new([0; PACKETS]);
static RESEND_OCTETS: ConstStaticCell<[u8; RESEND]> = ConstStaticCell::new([0; RESEND]);
static SCRATCH_OCTETS: ConstStaticCell<[u8; SCRATCH]> = ConstStaticCell::new([0; SCRATCH]);
static READ: ConstStaticCell<[Batch; BATCHES]> = ConstStaticCell::new([EMPTY_BATCH; BATCHES]);
static FRAMED: ConstStaticCell<[u8; UPLINK_BUFFER]> = ConstStaticCell::new([0; UPLINK_BUFFER]);

/// The sensor's memory; to be called once.
pub(crate) fn sensor() -> Storage<'static> {
    Storage {
        flows: Borrowed(FLOWS.take()),
        echoes: Borrowed(ECHOES.take()),
        requests: Borrowed(REQUESTS.take()),
        ethertypes: Borrowed(ETHERTYPES.take()),
        protocols: Borrowed(PROTOCOLS.take()),
        vlans: Borrowed(VLANS.take()),
        icmp: Borrowed(ICMP.take()),
        arp_operations: Borrowed(ARP_OPERATIONS.take()),
        outbox: Borrowed(OUTBOX_ENTRIES.take()),
        unsent: Borrowed(UNSENT.take()),
        doubled: Some(Managed::Borrowed(DOUBLED.take())),
        filters: Borrowed(FILTERS.take()),
        packets: Borrowed(PACKET_OCTETS.take()),
    }
}

/// The link's memory; to be called once.
pub(crate) fn resend() -> &'static mut [u8] {
    RESEND_OCTETS.take()
}

/// The node's memory; to be called once.
pub(crate) fn buffers() -> Buffers<'static> {
    Buffers {
        scratch: SCRATCH_OCTETS.take(),
        framed: FRAMED.take(),
    }
}

/// Between the chip's task and the port; to be called once.
pub(crate) fn batches() -> &'static mut [Batch] {
    READ.take()
}
