//! Filters: what they select, what becomes of it, and what is refused.
#![allow(missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod laws;
mod life;
mod packets;
mod refused;
mod runs;
mod tables;

use magpie_protocol::{
    BpfInstruction, Command, FilterAction, FilterReason, FilterReply, FilterStatus, Instructions,
    Items, Outcome, PartPlace, Record, RecordSource, Sum, UplinkCounts, VERSION_MINOR, Want,
    decode_packet_part,
};
use magpie_sensor::{Config, FilterSlot, Identity, Sensor, Storage};

use common::{drain, udp};

const LD_H_ABS: u16 = 0x28;
const LD_LEN: u16 = 0x80;
const JEQ: u16 = 0x15;
const JGT: u16 = 0x25;
const JA: u16 = 0x05;
const RET: u16 = 0x06;

fn op(code: u16, jt: u8, jf: u8, k: u32) -> BpfInstruction {
    BpfInstruction { code, jt, jf, k }
}

fn all() -> Vec<BpfInstruction> {
    vec![op(RET, 0, 0, 262_144)]
}

/// Frames longer than this on the wire.
fn longer(than: u32) -> Vec<BpfInstruction> {
    vec![
        op(LD_LEN, 0, 0, 0),
        op(JGT, 0, 1, than),
        op(RET, 0, 0, 262_144),
        op(RET, 0, 0, 0),
    ]
}

fn ethertype(is: u32) -> Vec<BpfInstruction> {
    vec![
        op(LD_H_ABS, 0, 0, 12),
        op(JEQ, 0, 1, is),
        op(RET, 0, 0, 262_144),
        op(RET, 0, 0, 0),
    ]
}

fn check_sum(program: &[BpfInstruction]) -> u32 {
    let octets: Vec<u8> = program.iter().flat_map(|i| i.to_octets()).collect();
    crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&octets)
}

const CAPTURE: FilterAction = FilterAction::Capture {
    snap_len: 0,
    max_packets: 0,
    max_octets: 0,
    wait: false,
};

fn sensor(slots: usize, ring: usize) -> Sensor<'static> {
    let storage = Storage {
        filters: vec![FilterSlot::EMPTY; slots].into(),
        ..common::storage(64, 16).with_packets(ring)
    };
    let mut core = Sensor::new(Config::exact(), Identity::default(), &[7; 32], storage);
    core.note_uplink(&UplinkCounts::default(), VERSION_MINOR);
    drain(&mut core, 0, Want::Live); // Hello
    core
}

fn told(core: &mut Sensor<'_>) -> (Vec<FilterReply>, Vec<FilterStatus>) {
    let (mut replies, mut statuses) = (vec![], vec![]);
    for record in drain(core, 0, Want::Live) {
        match record {
            Record::FilterReply(reply) => replies.push(reply),
            Record::FilterStatus(status) => statuses.push(status),
            _ => {}
        }
    }
    (replies, statuses)
}

/// The answer to one command.
fn ask(core: &mut Sensor<'_>, command: Command) -> FilterReply {
    core.handle_command(0, &command);
    let (replies, _) = told(core);
    let [reply] = replies[..] else {
        panic!("one answer to {command:?}: {replies:?}");
    };
    reply
}

fn status(core: &mut Sensor<'_>, slot: u8) -> FilterStatus {
    core.handle_command(0, &Command::Hello { major: 1, minor: 4 });
    let (_, statuses) = told(core);
    *statuses.iter().rfind(|s| s.slot == slot).unwrap()
}

fn load(core: &mut Sensor<'_>, slot: u8, program: &[BpfInstruction]) {
    let of = u16::try_from(program.len()).unwrap();
    let (mut rest, mut at) = (program, 0);
    while !rest.is_empty() {
        let instructions;
        (instructions, rest) = Instructions::take(rest);
        let command = Command::LoadFilter {
            id: 1000 + u32::from(at),
            slot,
            of,
            at,
            instructions,
        };
        at += u16::try_from(instructions.as_slice().len()).unwrap();
        let reply = ask(core, command);
        assert_eq!(
            (reply.outcome, reply.reason),
            (Outcome::Done, FilterReason::None)
        );
    }
}

fn start(id: u32, slot: u8, program: &[BpfInstruction], action: FilterAction) -> Command {
    Command::StartFilter {
        id,
        slot,
        literal: false,
        action,
        of: u16::try_from(program.len()).unwrap(),
        check: check_sum(program),
    }
}

/// Loads and starts.
fn set(core: &mut Sensor<'_>, id: u32, slot: u8, program: &[BpfInstruction], action: FilterAction) {
    load(core, slot, program);
    let reply = ask(core, start(id, slot, program, action));
    assert_eq!(reply.outcome, Outcome::Done, "{:?}", reply.reason);
}

/// A packet as the host puts it together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Packet {
    slot: u8,
    run: u32,
    number: u64,
    at_us: u64,
    wire_len: u32,
    len: u32,
    dropped: Sum,
    octets: Vec<u8>,
}

/// Packets that come out now, in a buffer of so many octets.
fn packets(core: &mut Sensor<'_>, room: usize, most: usize) -> Vec<Packet> {
    let mut all: Vec<Packet> = vec![];
    let mut out = vec![0; room];
    for _ in 0..most {
        let Some(emitted) = core.poll_record(0, Want::Packet, &mut out) else {
            break;
        };
        let item = Items::new(&out[..emitted.len]).next().unwrap().unwrap();
        let (part, octets) = decode_packet_part(item).unwrap();
        match part.place {
            PartPlace::First(head) => all.push(Packet {
                slot: part.slot,
                run: part.run,
                number: part.number,
                at_us: head.at_us,
                wire_len: head.wire_len,
                len: head.captured_len,
                dropped: head.dropped,
                octets: octets.to_vec(),
            }),
            PartPlace::Later(offset) => {
                let last = all.last_mut().expect("a part without its first");
                assert_eq!(offset.get() as usize, last.octets.len());
                assert_eq!(
                    (last.slot, last.run, last.number),
                    (part.slot, part.run, part.number)
                );
                last.octets.extend(octets);
            }
        }
    }
    all
}

fn frame(n: u8, len: usize) -> Vec<u8> {
    let mut frame = udp(1, n, 1000, 53, 18);
    frame.resize(len.max(60), n);
    frame
}
