//! Real batches, out of a real sensor: seeds for whoever reads them.

use magpie_link::{MAX_BATCH, Overflow, Sender, command_batch};
use magpie_protocol::{
    BpfInstruction, Command, Configuration, CountEntry, FilterAction, Instructions,
};
use magpie_sensor::{
    Config, EMPTY_ECHO_SET, EMPTY_FLOW_SET, EMPTY_REQUEST_SET, EMPTY_UNSENT_SET, FilterSlot,
    Identity, OutboxEntry, Sensor, Storage,
};

use crate::frames;

/// Storage as a very small board has it.
pub fn storage(flow_sets: usize, outbox: usize) -> Storage<'static> {
    let counters = || vec![CountEntry::default(); 8].into();
    Storage {
        flows: vec![EMPTY_FLOW_SET; flow_sets].into(),
        echoes: vec![EMPTY_ECHO_SET; 1].into(),
        requests: vec![EMPTY_REQUEST_SET; 1].into(),
        ethertypes: counters(),
        protocols: counters(),
        vlans: counters(),
        icmp: counters(),
        arp_operations: counters(),
        outbox: vec![OutboxEntry::EMPTY; outbox].into(),
        unsent: vec![EMPTY_UNSENT_SET; 1].into(),
        doubled: None,
        filters: vec![FilterSlot::EMPTY; 2].into(),
        packets: vec![0; 1000].into(),
    }
}

const ALL: BpfInstruction = BpfInstruction::new(0x06, 0, 0, 262_144);

/// Everything the host may ask.
pub fn commands() -> Vec<Command> {
    vec![
        Command::Hello {
            major: magpie_protocol::VERSION_MAJOR,
            minor: 0,
        },
        Command::Ack {
            boot_id: 0,
            next: 3,
        },
        Command::Flush { id: 7 },
        Command::TimeSync {
            id: 8,
            host_us: 1_700_000_000_000_000,
        },
        Command::Configure {
            id: 9,
            set: Configuration {
                idle_us: Some(1_000),
                live_us: Some(0),
                ..Configuration::default()
            },
        },
        Command::LoadFilter {
            id: 10,
            slot: 1,
            of: 1,
            at: 0,
            instructions: Instructions::take(&[ALL]).0,
        },
        Command::StartFilter {
            id: 11,
            slot: 1,
            literal: false,
            action: FilterAction::Capture {
                snap_len: 0,
                max_packets: 2,
                max_octets: 0,
                wait: false,
            },
            of: 1,
            check: crc32fast::hash(&ALL.to_octets()),
        },
        Command::StopFilter {
            id: 12,
            slot: 1,
            discard: true,
        },
    ]
}

/// Batches of a sensor that saw every seed frame, was asked everything, and
/// flushed.
pub fn of_a_sensor() -> Vec<Vec<u8>> {
    let identity = Identity {
        name: "seed",
        ..Identity::default()
    };
    let mut sensor = Sensor::new(Config::default(), identity, &[7; 32], storage(2, 120));
    let mut kept = vec![0; 0x4000];
    let mut sender = Sender::new(sensor.boot_id(), &mut kept, Overflow::Hold);
    let mut batches = Vec::new();
    let mut out = vec![0; MAX_BATCH];
    let mut at = 1_000_000_u64;
    for frame in frames::all() {
        sensor.observe(
            at,
            &frame,
            u32::try_from(frame.len()).expect("a seed is short"),
        );
        at += 1_000;
    }
    // What went before the host's first word is written for the oldest one.
    for said in [&[][..]].into_iter().chain(commands().chunks(1)) {
        if !said.is_empty() {
            let len = command_batch(sensor.boot_id(), 0, said, &mut out).expect("there is room");
            let heard = sender.handle_batch(at, &out[..len]).expect("our own batch");
            heard.for_each(|command| sensor.handle_command(at, &command));
            // Something for its filters.
            for frame in frames::all() {
                sensor.observe(at, &frame, 60);
            }
        }
        for _ in 0..100 {
            at += 20_000;
            while let Some(len) = sender.poll_transmit(at, &mut sensor, &mut out) {
                batches.push(out[..len].to_vec());
            }
        }
    }
    batches.dedup();
    batches.truncate(32);
    batches
}

/// Batches of a host, for the sensor with this boot id.
pub fn of_a_host(boot_id: u32) -> Vec<Vec<u8>> {
    let batch = |commands: &[Command]| {
        let mut out = vec![0; MAX_BATCH];
        let len = command_batch(boot_id, 0, commands, &mut out).expect("there is room");
        out.truncate(len);
        out
    };
    let mut batches: Vec<_> = commands()
        .iter()
        .map(|c| batch(core::slice::from_ref(c)))
        .collect();
    batches.push(batch(&commands()));
    batches
}
