//! A board's memory for tables and queues: statics of the sizes that it names.

/// What [`storage!`](crate::storage!) is made of.
#[doc(hidden)]
pub mod parts {
    pub use magpie_protocol::CountEntry;
    pub use magpie_sensor::{
        DoubledSet, DoubledTable, EMPTY_ECHO_SET, EMPTY_FLOW_SET, EMPTY_REQUEST_SET,
        EMPTY_UNSENT_SET, EchoSet, FilterSlot, FlowSet, OutboxEntry, RequestSet, Storage,
        UnsentSet,
    };
    pub use managed::Managed;
    pub use managed::ManagedSlice::Borrowed;
    pub use static_cell::ConstStaticCell;

    /// Begins with a cache line: a flow of 128 octets takes four of them then,
    /// else five.
    #[repr(C, align(32))]
    pub struct OnLines<T>(pub T);

    /// A free line of a counter table.
    pub const FREE: CountEntry = CountEntry {
        key: 0,
        frames: 0,
        octets: 0,
    };
}

/// Makes a module of a board into its storage: statics of these sizes, which are
/// zero when empty (`.bss`: they cost neither flash nor stack), and functions
/// that hand each of them out once.
///
/// | size | in |
/// |---|---|
/// | `flow_sets` | sets of eight flows |
/// | `echo_sets` | sets of eight echo pairs |
/// | `request_sets` | sets of eight echo requests |
/// | `ethertypes`, `protocols`, `vlans`, `icmp`, `arp_operations` | lines of the counter tables |
/// | `outbox` | finished records on their way to the link |
/// | `unsent_sets` | sets of eight lines for those that were not kept, by protocol and responder |
/// | `resend` | octets of finished records until they are acknowledged |
/// | `scratch` | octets of one frame, with its stamp if it has one |
/// | `doubled_sets` | sets of four frames whose double may come |
/// | `filter_slots` | filters that the host may set |
/// | `packets` | octets of packets that they selected, on their way to the link (none in an image without payload) |
/// | `network`, where there is a variant that speaks | its frames received, frames to be sent, and batches |
///
/// It makes `sensor()` (a `magpie_sensor::Storage`), `resend()` and `RESEND` for
/// the link, `buffers()` ([`Buffers`](crate::Buffers)) and, in images that speak,
/// `network()` (`speak::Memory`); each function panics when it is called a second
/// time.
#[macro_export]
macro_rules! storage {
    (
        flow_sets: $flow_sets:expr,
        echo_sets: $echo_sets:expr,
        request_sets: $request_sets:expr,
        ethertypes: $ethertypes:expr,
        protocols: $protocols:expr,
        vlans: $vlans:expr,
        icmp: $icmp:expr,
        arp_operations: $arp_operations:expr,
        outbox: $outbox:expr,
        unsent_sets: $unsent_sets:expr,
        resend: $resend:expr,
        scratch: $scratch:expr,
        doubled_sets: $doubled_sets:expr,
        filter_slots: $filter_slots:expr,
        packets: $packets:expr
        $(, network: $network:expr)? $(,)?
    ) => {
        use $crate::storage::parts::ConstStaticCell as Cell;
        use $crate::storage::parts::{
            CountEntry, DoubledSet, DoubledTable, EchoSet, FilterSlot, FlowSet, OutboxEntry,
            RequestSet, UnsentSet,
        };

        static FLOWS: Cell<$crate::storage::parts::OnLines<[FlowSet; $flow_sets]>> =
            Cell::new($crate::storage::parts::OnLines(
                [$crate::storage::parts::EMPTY_FLOW_SET; $flow_sets],
            ));
        static ECHOES: Cell<[EchoSet; $echo_sets]> =
            Cell::new([$crate::storage::parts::EMPTY_ECHO_SET; $echo_sets]);
        static REQUESTS: Cell<[RequestSet; $request_sets]> =
            Cell::new([$crate::storage::parts::EMPTY_REQUEST_SET; $request_sets]);
        static ETHERTYPES: Cell<[CountEntry; $ethertypes]> =
            Cell::new([$crate::storage::parts::FREE; $ethertypes]);
        static PROTOCOLS: Cell<[CountEntry; $protocols]> =
            Cell::new([$crate::storage::parts::FREE; $protocols]);
        static VLANS: Cell<[CountEntry; $vlans]> =
            Cell::new([$crate::storage::parts::FREE; $vlans]);
        static ICMP: Cell<[CountEntry; $icmp]> = Cell::new([$crate::storage::parts::FREE; $icmp]);
        static ARP_OPERATIONS: Cell<[CountEntry; $arp_operations]> =
            Cell::new([$crate::storage::parts::FREE; $arp_operations]);
        static OUTBOX: Cell<[OutboxEntry; $outbox]> =
            Cell::new([OutboxEntry::EMPTY; $outbox]);
        static UNSENT: Cell<[UnsentSet; $unsent_sets]> =
            Cell::new([$crate::storage::parts::EMPTY_UNSENT_SET; $unsent_sets]);
        static DOUBLED: Cell<DoubledTable<[DoubledSet; $doubled_sets]>> =
            Cell::new(DoubledTable::EMPTY);
        static FILTERS: Cell<[FilterSlot; $filter_slots]> =
            Cell::new([FilterSlot::EMPTY; $filter_slots]);
        static PACKETS: Cell<[u8; if cfg!(magpie_no_payload) { 0 } else { $packets }]> =
            Cell::new([0; if cfg!(magpie_no_payload) { 0 } else { $packets }]);
        static RESEND_OCTETS: Cell<[u8; RESEND]> = Cell::new([0; RESEND]);
        static SCRATCH: Cell<[u8; $scratch]> = Cell::new([0; $scratch]);
        static FRAMED: Cell<[u8; $crate::UPLINK_BUFFER]> = Cell::new([0; $crate::UPLINK_BUFFER]);

        /// Octets of finished records until they are acknowledged.
        pub(crate) const RESEND: usize = $resend;

        /// The sensor's memory; to be called once.
        pub(crate) fn sensor() -> $crate::storage::parts::Storage<'static> {
            use $crate::storage::parts::{Borrowed, Managed};
            $crate::storage::parts::Storage {
                flows: Borrowed(&mut FLOWS.take().0),
                echoes: Borrowed(ECHOES.take()),
                requests: Borrowed(REQUESTS.take()),
                ethertypes: Borrowed(ETHERTYPES.take()),
                protocols: Borrowed(PROTOCOLS.take()),
                vlans: Borrowed(VLANS.take()),
                icmp: Borrowed(ICMP.take()),
                arp_operations: Borrowed(ARP_OPERATIONS.take()),
                outbox: Borrowed(OUTBOX.take()),
                unsent: Borrowed(UNSENT.take()),
                doubled: Some(Managed::Borrowed(DOUBLED.take())),
                filters: Borrowed(FILTERS.take()),
                packets: Borrowed(PACKETS.take()),
            }
        }

        /// The link's memory; to be called once.
        pub(crate) fn resend() -> &'static mut [u8] {
            RESEND_OCTETS.take()
        }

        /// The node's memory; to be called once.
        pub(crate) fn buffers() -> $crate::Buffers<'static> {
            $crate::Buffers {
                scratch: SCRATCH.take(),
                framed: FRAMED.take(),
            }
        }

        $(
            #[cfg(magpie_speak)]
            type Network = $crate::speak::Memory<$network, $network, $network>;
            #[cfg(magpie_speak)]
            static NETWORK: Cell<Network> = Cell::new(Network::new());

            /// The IP stack's memory; to be called once.
            #[cfg(magpie_speak)]
            pub(crate) fn network() -> &'static mut Network {
                NETWORK.take()
            }
        )?
    };
}
