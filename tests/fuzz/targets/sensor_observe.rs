//! Frames, commands and a clock of any kind: the books of the core close, and
//! what it exported is what it says it exported.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use magpie_fuzz::batches::storage;
use magpie_fuzz::frames;
use magpie_fuzz::input::{Input, push_piece};
use magpie_protocol::{
    BpfInstruction, Command, Configuration, FilterAction, FlowSum, Instructions, Items, MAX_ITEM,
    Record, RecordSource, UnsentLine, UplinkCounts, VERSION_MINOR, Want, decode_packet_part,
    decode_record,
};
use magpie_sensor::{Config, Identity, Sensor};

magpie_fuzz::seeds!({
    let one = |frame: &Vec<u8>| {
        let mut seed = vec![0, 10, 0];
        push_piece(&mut seed, frame);
        seed
    };
    let mut seeds: Vec<Vec<u8>> = frames::all().iter().map(one).collect();
    let connection: Vec<u8> = frames::connection().iter().flat_map(one).collect();
    seeds.push([&[0x00][..], &connection, &[6, 1, 0, 3, 40]].concat());
    seeds.push(vec![6, 1, 0, 3, 200, 4, 200]);
    // A filter that captures all, a frame, its packet.
    let mut filtered = vec![0, 7, 3, 0, 1, 0, 0, 0, 2];
    push_piece(&mut filtered, &[0x28, 0, 0, 0, 12, 0, 0, 0]);
    filtered.extend([0; 8]);
    seeds.push([&filtered[..], &connection, &[4, 200, 7, 4, 200, 7, 6]].concat());
    seeds
});

/// Empty answers after which a scan is over, however few slots a call looks at.
const QUIET: u32 = 600;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let setup = input.u8();
    let config = if setup & 1 == 0 {
        Config::default()
    } else {
        Config::exact()
    };
    let outbox = [120, 8, 1, 0][usize::from(setup >> 1 & 3)];
    let storage = storage(1 << (setup >> 3 & 1), outbox);
    let mut run = Run {
        sensor: Sensor::new(config, Identity::default(), &[setup; 32], storage),
        now: 1_000_000_000,
        frames: 0,
        octets: 0,
        packets: 0,
        records: 0,
        unsent: BTreeMap::new(),
    };
    run.sensor
        .note_uplink(&UplinkCounts::default(), VERSION_MINOR);
    for _ in 0..300 {
        if input.is_empty() {
            break;
        }
        run.step(&mut input);
    }
    run.check();
    run.sensor
        .handle_command(run.now, &Command::Flush { id: 0xf1f1 });
    run.drain(Want::Final, u32::MAX);
    run.check();
    let exported = run.sensor.ledger(run.now).exported;
    assert_eq!(
        (exported.records, exported.packets),
        (run.records, run.packets)
    );
    run.check_unsent();
});

struct Run {
    sensor: Sensor<'static>,
    now: u64,
    /// What was offered.
    frames: u64,
    octets: u64,
    /// What finished records said.
    packets: u64,
    records: u64,
    /// The latest line of each place.
    unsent: BTreeMap<u16, UnsentLine>,
}

impl Run {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() {
            op @ (0 | 8..) => {
                self.now = self.now.wrapping_add(u64::from(input.u16()) * 10);
                let frame = input.piece();
                let len = u32::try_from(frame.len()).expect("inputs are short");
                let wire_len = if op == 0xff { input.u32() } else { len };
                self.sensor.observe(self.now, frame, wire_len);
                self.frames += 1;
                self.octets += u64::from(wire_len);
            }
            1 => self.now = self.now.wrapping_add(input.u64()),
            2 => self.now = self.now.saturating_sub(u64::from(input.u32())),
            3 => self.drain(Want::Final, u32::from(input.u8())),
            4 => self.drain(Want::Live, u32::from(input.u8())),
            5 => {
                let set = Configuration {
                    idle_us: Some(u64::from(input.u16())),
                    active_us: Some(u64::from(input.u16())),
                    end_us: Some(u64::from(input.u16())),
                    live_us: Some(u64::from(input.u16())),
                    dedup_us: Some(u32::from(input.u16())),
                };
                self.sensor
                    .handle_command(self.now, &Command::Configure { id: 1, set });
            }
            6 => {
                let id = u32::from(input.u16());
                self.sensor.handle_command(self.now, &Command::Flush { id });
            }
            _ => {
                let command = match input.u8() % 7 {
                    3 => {
                        self.set_filter(input);
                        return;
                    }
                    4 => {
                        self.drain(Want::Packet, u32::from(input.u8()));
                        return;
                    }
                    5 => Command::StopFilter {
                        id: input.u32(),
                        slot: input.u8() % 3,
                        discard: input.u8() % 2 == 0,
                    },
                    6 => {
                        self.drain(Want::Live, u32::MAX);
                        return;
                    }
                    0 => Command::Hello {
                        major: input.u8(),
                        minor: input.u8(),
                    },
                    1 => Command::Ack {
                        boot_id: input.u32(),
                        next: input.u64(),
                    },
                    _ => Command::TimeSync {
                        id: input.u32(),
                        host_us: input.u64(),
                    },
                };
                self.sensor.handle_command(self.now, &command);
            }
        }
    }

    /// Any program, with a return at its end, started with the right check sum.
    fn set_filter(&mut self, input: &mut Input<'_>) {
        let (slot, id, kind) = (input.u8() % 3, input.u32() | 1, input.u8());
        let octets = input.piece().chunks_exact(8).take(Instructions::MAX - 1);
        let mut program: Vec<_> = octets
            .map(|octets| BpfInstruction::from_octets(octets.try_into().expect("eight")))
            .collect();
        program.push(BpfInstruction {
            code: 6,
            k: u32::MAX,
            ..BpfInstruction::default()
        });
        let of = u16::try_from(program.len()).expect("few");
        let load = Command::LoadFilter {
            id,
            slot,
            of,
            at: 0,
            instructions: Instructions::take(&program).0,
        };
        self.sensor.handle_command(self.now, &load);
        let octets: Vec<u8> = program.iter().flat_map(|i| i.to_octets()).collect();
        let start = Command::StartFilter {
            id,
            slot,
            literal: kind & 4 == 0,
            action: match kind & 3 {
                0 => FilterAction::Count,
                1 => FilterAction::Only,
                _ => FilterAction::Capture {
                    snap_len: input.u32(),
                    max_packets: u64::from(input.u16()),
                    max_octets: u64::from(input.u16()),
                    wait: kind & 8 == 0,
                },
            },
            of,
            check: crc32fast::hash(&octets),
        };
        self.sensor.handle_command(self.now, &start);
    }

    fn drain(&mut self, want: Want, most: u32) {
        let mut out = [0; MAX_ITEM];
        let (mut quiet, mut taken) = (0, 0);
        while quiet < QUIET && taken < most {
            let Some(emitted) = self.sensor.poll_record(self.now, want, &mut out) else {
                quiet += 1;
                continue;
            };
            assert!(taken < 10_000, "records without end");
            (quiet, taken) = (0, taken + 1);
            let mut items = Items::new(&out[..emitted.len]);
            let item = items.next().expect("one item").expect("a sound item");
            assert!(items.next().is_none());
            if want == Want::Packet {
                decode_packet_part(item).expect("a sound part");
                continue;
            }
            let record = decode_record(item).expect("a sound record");
            if let Record::FilterStatus(status) = &record
                && let FilterAction::Capture { .. } = status.action
            {
                let (kept, dropped) = (status.kept, status.dropped);
                assert_eq!(status.matched.frames, kept.frames + dropped.frames);
                assert_eq!(status.matched.octets, kept.octets + dropped.octets);
                assert!(status.forwarded.frames <= kept.frames);
            }
            if want == Want::Final {
                self.records += 1;
                if let Record::Flow(flow) = &record {
                    self.packets += flow.ab.packets + flow.ba.packets;
                }
            }
            if let Record::Unsent(unsent) = record {
                let lines = unsent.lines.iter().map(|line| (line.place, *line));
                self.unsent.extend(lines);
            }
        }
    }

    /// After a Flush: lines and `other` are all that was not kept.
    fn check_unsent(&self) {
        let lines = self.unsent.values();
        let sum = lines.fold(FlowSum::default(), |mut sum, line| {
            sum.add(&line.never_sent);
            sum
        });
        let never_sent = self.sensor.ledger(self.now).never_sent;
        assert_eq!(sum, FlowSum::from(&never_sent));
    }

    /// The equations of the ledger.
    fn check(&self) {
        let ledger = self.sensor.ledger(self.now);
        assert_eq!(
            (ledger.counted.frames, ledger.counted.octets),
            (self.frames, self.octets)
        );
        let parts = [
            ledger.in_flows,
            ledger.arp,
            ledger.other,
            ledger.invalid,
            ledger.filtered,
        ];
        assert_eq!(
            ledger.counted.frames,
            parts.iter().map(|p| p.frames).sum::<u64>()
        );
        assert_eq!(
            ledger.counted.octets,
            parts.iter().map(|p| p.octets).sum::<u64>()
        );
        let (flows, exported, lost) = (ledger.flows, ledger.exported, ledger.never_sent);
        assert_eq!(flows.made, flows.live + exported.flows + lost.flows);
        let packets = flows.live_packets + exported.packets + lost.packets;
        assert_eq!(ledger.in_flows.frames, packets);
        let octets = flows.live_octets + exported.octets + lost.octets;
        assert_eq!(ledger.in_flows.octets, octets);
        assert!(ledger.malformed <= ledger.counted.frames);
    }
}
