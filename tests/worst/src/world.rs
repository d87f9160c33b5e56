//! The sensor that frames are shown to, as `boards/bench` has it in its case
//! `worst`: one set of each table, so that a few frames bring about any state a
//! frame can meet (the work for a frame is one set, however many there are),
//! counter tables that are full, an address of its own.

use magpie_protocol::{CountEntry, MAX_ITEM, RecordSource, Want};
use magpie_sensor::dissect::{self, Network, Transport};
use magpie_sensor::{
    Config, EMPTY_ECHO_SET, EMPTY_FLOW_SET, EMPTY_REQUEST_SET, EchoSet, FlowSet, Identity,
    OutboxEntry, RequestSet, Sensor, Storage,
};
use managed::ManagedSlice;

use crate::frame::OWN;
use crate::steps;

/// The seed of `boards/bench`.
const SEED: [u8; 32] = *b"instructions, not milliseconds..";
/// Lines of each counter table on qemu-mps2-an386, the board of the goal.
const LINES: usize = 128;

/// A frame and when it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) at_us: u64,
    pub(crate) octets: Vec<u8>,
}

/// What the last frame of a sequence did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) steps: u64,
    /// What kind of frame it was, and what became of it: for people, and to
    /// keep the dearest of each.
    pub(crate) class: String,
}

/// The storage.
pub(crate) struct World {
    flows: [FlowSet; 1],
    echoes: [EchoSet; 1],
    requests: [RequestSet; 1],
    /// Ethertypes, protocols, stacks, ICMP messages, ARP operations.
    counters: [Vec<CountEntry>; 5],
    /// As they were before a sequence.
    full: [Vec<CountEntry>; 5],
    outbox: Vec<OutboxEntry>,
}

impl World {
    /// Its counter tables are those after these frames.
    pub(crate) fn after(prelude: &[Shown]) -> Self {
        let empty = || vec![CountEntry::default(); LINES];
        let mut world = Self {
            flows: [EMPTY_FLOW_SET],
            echoes: [EMPTY_ECHO_SET],
            requests: [EMPTY_REQUEST_SET],
            counters: std::array::from_fn(|_| empty()),
            full: std::array::from_fn(|_| empty()),
            outbox: vec![OutboxEntry::EMPTY; 120],
        };
        world.show(prelude);
        world.full = world.counters.clone();
        world
    }

    /// Every line of every counter table is taken.
    pub(crate) fn is_full(&self) -> bool {
        let mut lines = self.full.iter().flatten();
        lines.all(|line| line.frames > 0)
    }

    /// Shows a sequence to a new sensor: what the last frame did.
    pub(crate) fn play(&mut self, sequence: &[Shown]) -> Done {
        for (counters, full) in self.counters.iter_mut().zip(&self.full) {
            counters.copy_from_slice(full);
        }
        self.show(sequence)
    }

    fn show(&mut self, sequence: &[Shown]) -> Done {
        self.flows = [EMPTY_FLOW_SET];
        self.echoes = [EMPTY_ECHO_SET];
        self.requests = [EMPTY_REQUEST_SET];
        let [ethertypes, protocols, vlans, icmp, arp_operations] = &mut self.counters;
        let lines = |table| ManagedSlice::Borrowed(table);
        let storage = Storage {
            flows: ManagedSlice::Borrowed(&mut self.flows),
            echoes: ManagedSlice::Borrowed(&mut self.echoes),
            requests: ManagedSlice::Borrowed(&mut self.requests),
            ethertypes: lines(ethertypes),
            protocols: lines(protocols),
            vlans: lines(vlans),
            icmp: lines(icmp),
            arp_operations: lines(arp_operations),
            outbox: ManagedSlice::Borrowed(&mut self.outbox),
            // Asked only where the outbox is full, which it is not here.
            unsent: ManagedSlice::Borrowed(&mut []),
            doubled: None,
            filters: ManagedSlice::Borrowed(&mut []),
            packets: ManagedSlice::Borrowed(&mut []),
        };
        let mut sensor = Sensor::new(Config::default(), Identity::default(), &SEED, storage);
        sensor.set_own(OWN);
        let mut done = Done {
            steps: 0,
            class: String::new(),
        };
        let mut out = [0; MAX_ITEM];
        for (at, shown) in (1..).zip(sequence) {
            let wire_len = u32::try_from(shown.octets.len()).expect("frames are short");
            let last = at == sequence.len();
            let before = last.then(|| sensor.ledger(0));
            let steps = steps::of(|| sensor.observe(shown.at_us, &shown.octets, wire_len));
            if let Some(before) = before {
                let after = sensor.ledger(0);
                let mut class = named(&shown.octets);
                for (what, old, new) in [
                    (
                        "doubled",
                        before.doubles.sum.frames,
                        after.doubles.sum.frames,
                    ),
                    (
                        "own",
                        before.own_rx + before.forged,
                        after.own_rx + after.forged,
                    ),
                    ("new", before.flows.made, after.flows.made),
                    ("evicts", before.flows.evicted, after.flows.evicted),
                    ("evicts pair", before.echoes.evicted, after.echoes.evicted),
                    ("exports", before.exported.records, after.exported.records),
                    ("forgets", before.echo_forgotten, after.echo_forgotten),
                ] {
                    for _ in old..new {
                        class = format!("{class}, {what}");
                    }
                }
                done = Done { steps, class };
            }
            while sensor
                .poll_record(shown.at_us, Want::Final, &mut out)
                .is_some()
            {}
        }
        done
    }
}

/// Layers and malformed classes.
fn named(frame: &[u8]) -> String {
    let len = u32::try_from(frame.len()).expect("frames are short");
    let view = dissect::dissect(frame, len);
    let network = match view.network {
        Network::Ip(ip) => {
            let transport = match ip.transport {
                Transport::Tcp(tcp) => match tcp.flags & 7 {
                    0 => "tcp",
                    _ => "tcp control",
                },
                Transport::Icmp(icmp) if icmp.echo.is_some() => "echo",
                Transport::Icmp(_) => "icmp",
                Transport::Other => "ip",
            };
            format!("{transport} v{}", ip.addresses.version())
        }
        Network::Arp(_) => "arp".to_owned(),
        Network::Other => "other".to_owned(),
        Network::Invalid => "invalid".to_owned(),
    };
    let mut class = network;
    for malformed in view.malformed.iter() {
        class = format!("{class} {}", malformed.name());
    }
    class
}
