//! How much this board holds: sizes, statics of that size, slices of those.
//! All are zero when empty (`.bss`), so they cost neither flash nor stack.

use magpie_node::{Buffers, UPLINK_BUFFER};
use magpie_protocol::CountEntry;
use magpie_sensor::{
    EMPTY_ECHO_SET, EMPTY_FLOW_SET, EMPTY_REQUEST_SET, EchoSet, FlowSet, RequestSet, Storage,
};
use managed::ManagedSlice::Borrowed;
use static_cell::ConstStaticCell;

/// Eight flows each: 256, or 128 beside an IP stack.
const FLOW_SETS: usize = if cfg!(magpie_speak) { 16 } else { 32 };
/// Four echo pairs each: 16.
const ECHO_SETS: usize = 4;
/// Eight echo requests each: 64.
const REQUEST_SETS: usize = 8;
/// Lines of the counter tables.
const ETHERTYPE_LINES: usize = 16;
const PROTOCOL_LINES: usize = 32;
const VLAN_LINES: usize = 16;
const ICMP_LINES: usize = 32;
const ARP_LINES: usize = 8;
/// Octets of finished records on their way to the link.
const OUTBOX: usize = 1920;
/// Octets of finished records until they are acknowledged.
pub(crate) const RESEND: usize = if cfg!(magpie_speak) { 4096 } else { 2560 };
/// Octets of one frame with its stamp.
const SCRATCH: usize = 2048;

const FREE: CountEntry = CountEntry {
    key: 0,
    frames: 0,
    octets: 0,
};
type Lines<const N: usize> = ConstStaticCell<[CountEntry; N]>;

static FLOWS: ConstStaticCell<[FlowSet; FLOW_SETS]> =
    ConstStaticCell::new([EMPTY_FLOW_SET; FLOW_SETS]);
static ECHOES: ConstStaticCell<[EchoSet; ECHO_SETS]> =
    ConstStaticCell::new([EMPTY_ECHO_SET; ECHO_SETS]);
static REQUESTS: ConstStaticCell<[RequestSet; REQUEST_SETS]> =
    ConstStaticCell::new([EMPTY_REQUEST_SET; REQUEST_SETS]);
static ETHERTYPES: Lines<ETHERTYPE_LINES> = ConstStaticCell::new([FREE; ETHERTYPE_LINES]);
static PROTOCOLS: Lines<PROTOCOL_LINES> = ConstStaticCell::new([FREE; PROTOCOL_LINES]);
static VLANS: Lines<VLAN_LINES> = ConstStaticCell::new([FREE; VLAN_LINES]);
static ICMP: Lines<ICMP_LINES> = ConstStaticCell::new([FREE; ICMP_LINES]);
static ARP_OPERATIONS: Lines<ARP_LINES> = ConstStaticCell::new([FREE; ARP_LINES]);
static OUTBOX_OCTETS: ConstStaticCell<[u8; OUTBOX]> = ConstStaticCell::new([0; OUTBOX]);
static RESEND_OCTETS: ConstStaticCell<[u8; RESEND]> = ConstStaticCell::new([0; RESEND]);
static SCRATCH_OCTETS: ConstStaticCell<[u8; SCRATCH]> = ConstStaticCell::new([0; SCRATCH]);
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
        outbox: Borrowed(OUTBOX_OCTETS.take()),
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

/// An IP stack's memory: frames received, frames to be sent, batches.
#[cfg(magpie_speak)]
type Network = magpie_node::speak::Memory<2, 2, 2>;
#[cfg(magpie_speak)]
static NETWORK: ConstStaticCell<Network> = ConstStaticCell::new(Network::new());

/// The IP stack's memory; to be called once.
#[cfg(magpie_speak)]
pub(crate) fn network() -> &'static mut Network {
    NETWORK.take()
}
