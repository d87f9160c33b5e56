//! How much this board holds, and in which of its memories: sizes, statics of
//! that size, slices of those.
//!
//! The flow table is all of AXI SRAM, to the octet. What every frame touches
//! beside it lies in the DTCM (`.bss`), what few do in the others. None of it
//! costs flash or stack.

use core::sync::atomic::{AtomicBool, Ordering};

use magpie_node::{Buffers, UPLINK_BUFFER};
use magpie_protocol::CountEntry;
use magpie_sensor::{
    DoubledSet, DoubledTable, EMPTY_ECHO_SET, EMPTY_FLOW_SET, EMPTY_REQUEST_SET, EMPTY_UNSENT_SET,
    EchoSet, FilterSlot, FlowSet, OutboxEntry, RequestSet, Storage, UnsentSet,
};
use magpie_stm32h7_eth::MAX_FRAME;
use managed::{Managed, ManagedSlice::Borrowed};
use static_cell::ConstStaticCell;

use crate::bank::Bank;

/// Eight flows each: 4,096.
const FLOW_SETS: usize = 512;
/// Eight echo pairs each: 256.
const ECHO_SETS: usize = 32;
/// Eight echo requests each: 2,048.
const REQUEST_SETS: usize = 256;
/// Lines of each counter table.
const COUNTS: usize = 128;
/// Finished records on their way to the link: 16 KB.
const OUTBOX: usize = 120;
/// Eight lines each for those that were not kept: 64.
const UNSENT_SETS: usize = 8;
/// Octets of finished records until they are acknowledged.
pub(crate) const RESEND: usize = if cfg!(magpie_speak) { 32 } else { 48 } * 1024;
/// Four frames each whose double may come: 512, 3 ms of 100 Mbit/s.
const DOUBLED_SETS: usize = 128;

/// Filters that the host may set.
const FILTER_SLOTS: usize = 4;
/// Octets of packets that they selected, on their way to the link: 4 ms of 100 Mbit/s.
const PACKETS: usize = if cfg!(magpie_no_payload) {
    0
} else {
    50 * 1024
};

const FREE: CountEntry = CountEntry {
    key: 0,
    frames: 0,
    octets: 0,
};
type Counts = ConstStaticCell<[CountEntry; COUNTS]>;
type Doubled = DoubledTable<[DoubledSet; DOUBLED_SETS]>;

/// 4,096 flows of 128 octets, in four cache lines each: AXI SRAM begins with one.
const _: () = assert!(size_of::<[FlowSet; FLOW_SETS]>() == 512 * 1024);

#[allow(unsafe_code)] // a section of memory.x: AXI SRAM
#[unsafe(link_section = ".axi")]
static FLOWS: Bank<[FlowSet; FLOW_SETS]> = Bank::new();

#[allow(unsafe_code)] // SRAM1-3
#[unsafe(link_section = ".sram")]
static REQUESTS: Bank<[RequestSet; REQUEST_SETS]> = Bank::new();
#[allow(unsafe_code)]
#[unsafe(link_section = ".sram")]
static DOUBLED: Bank<Doubled> = Bank::new();

#[allow(unsafe_code)] // ITCM
#[unsafe(link_section = ".itcm")]
static FILTERS: Bank<[FilterSlot; FILTER_SLOTS]> = Bank::new();
#[allow(unsafe_code)]
#[unsafe(link_section = ".itcm")]
static PACKET_OCTETS: Bank<[u8; PACKETS]> = Bank::new();

#[allow(unsafe_code)] // SRAM4
#[unsafe(link_section = ".sram4")]
static RESEND_OCTETS: Bank<[u8; RESEND]> = Bank::new();
#[allow(unsafe_code)]
#[unsafe(link_section = ".sram4")]
static UNSENT: Bank<[UnsentSet; UNSENT_SETS]> = Bank::new();

static ECHOES: ConstStaticCell<[EchoSet; ECHO_SETS]> =
    ConstStaticCell::new([EMPTY_ECHO_SET; ECHO_SETS]);
static ETHERTYPES: Counts = ConstStaticCell::new([FREE; COUNTS]);
static PROTOCOLS: Counts = ConstStaticCell::new([FREE; COUNTS]);
static VLANS: Counts = ConstStaticCell::new([FREE; COUNTS]);
static ICMP: Counts = ConstStaticCell::new([FREE; COUNTS]);
static ARP_OPERATIONS: Counts = ConstStaticCell::new([FREE; COUNTS]);
static OUTBOX_ENTRIES: ConstStaticCell<[OutboxEntry; OUTBOX]> =
    ConstStaticCell::new([OutboxEntry::EMPTY; OUTBOX]);
static SCRATCH: ConstStaticCell<[u8; MAX_FRAME]> = ConstStaticCell::new([0; MAX_FRAME]);
static FRAMED: ConstStaticCell<[u8; UPLINK_BUFFER]> = ConstStaticCell::new([0; UPLINK_BUFFER]);

static TAKEN: AtomicBool = AtomicBool::new(false);
static RESEND_TAKEN: AtomicBool = AtomicBool::new(false);

/// What must happen once.
fn once(taken: &AtomicBool) {
    assert!(
        !taken.swap(true, Ordering::AcqRel),
        "memory is handed out once"
    );
}

/// The sensor's memory; to be called once, after SRAM1-3 got their clocks.
pub(crate) fn sensor() -> Storage<'static> {
    once(&TAKEN);
    // SAFETY: this is reached once (TAKEN). AXI SRAM, SRAM4 and the ITCM always
    // have their clocks (RM0433, "RCC"), SRAM1-3 by now.
    #[allow(unsafe_code)]
    let (flows, requests, unsent, doubled, filters, packets) = unsafe {
        (
            FLOWS.fill(EMPTY_FLOW_SET),
            REQUESTS.fill(EMPTY_REQUEST_SET),
            UNSENT.fill(EMPTY_UNSENT_SET),
            DOUBLED.init(Doubled::EMPTY),
            FILTERS.fill(FilterSlot::EMPTY),
            PACKET_OCTETS.fill(0),
        )
    };
    Storage {
        flows: Borrowed(flows),
        echoes: Borrowed(ECHOES.take()),
        requests: Borrowed(requests),
        ethertypes: Borrowed(ETHERTYPES.take()),
        protocols: Borrowed(PROTOCOLS.take()),
        vlans: Borrowed(VLANS.take()),
        icmp: Borrowed(ICMP.take()),
        arp_operations: Borrowed(ARP_OPERATIONS.take()),
        outbox: Borrowed(OUTBOX_ENTRIES.take()),
        unsent: Borrowed(unsent),
        doubled: Some(Managed::Borrowed(doubled)),
        filters: Borrowed(filters),
        packets: Borrowed(packets),
    }
}

/// The link's memory; to be called once.
pub(crate) fn resend() -> &'static mut [u8] {
    once(&RESEND_TAKEN);
    // SAFETY: this is reached once (RESEND_TAKEN); as in `sensor`.
    #[allow(unsafe_code)]
    unsafe {
        RESEND_OCTETS.fill(0)
    }
}

/// The node's memory; to be called once.
pub(crate) fn buffers() -> Buffers<'static> {
    Buffers {
        scratch: SCRATCH.take(),
        framed: FRAMED.take(),
    }
}

#[cfg(magpie_speak)]
mod speaking {
    use super::{AtomicBool, Bank, once};

    type Network = magpie_node::speak::Memory<4, 4, 4>;

    #[allow(unsafe_code)] // SRAM4
    #[unsafe(link_section = ".sram4")]
    static NETWORK: Bank<Network> = Bank::new();
    static TAKEN: AtomicBool = AtomicBool::new(false);

    /// The IP stack's memory; to be called once.
    pub(crate) fn network() -> &'static mut Network {
        once(&TAKEN);
        // SAFETY: this is reached once (TAKEN); as in `sensor`.
        #[allow(unsafe_code)]
        unsafe {
            NETWORK.init(const { Network::new() })
        }
    }
}
#[cfg(magpie_speak)]
pub(crate) use speaking::network;
