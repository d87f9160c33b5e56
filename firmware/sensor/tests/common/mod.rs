//! Frames to feed and records to read back.
#![allow(dead_code, missing_docs, unreachable_pub)] // shared by several test files, none of which uses all

use std::collections::BTreeMap;

use magpie_protocol::{
    CountEntry, Direction, EndReason, FlowKey, FlowRecord, Items, MAX_ITEM, Record, RecordSource,
    Want, decode_record,
};
use magpie_sensor::{Config, Identity, Sensor, Storage};

pub fn sensor(config: Config, flows: usize) -> Sensor<'static> {
    Sensor::new(config, Identity::default(), &[7; 32], storage(flows, 16))
}

/// As [`Storage::owned`], with counter tables small enough to scan often.
pub fn storage(flows: usize, echoes: usize) -> Storage<'static> {
    let counters = || vec![CountEntry::default(); 2048].into();
    Storage {
        ethertypes: counters(),
        protocols: counters(),
        vlans: counters(),
        icmp: counters(),
        arp_operations: counters(),
        ..Storage::owned(flows, echoes)
    }
}

/// Everything of one kind that the sensor has to say now.
pub fn drain(sensor: &mut Sensor<'_>, now_us: u64, want: Want) -> Vec<Record> {
    let mut out = [0; MAX_ITEM];
    let mut records = Vec::new();
    let mut quiet = 0;
    // A scan is cut at `scan_slots`, so one empty answer is not the end;
    // 300 cover the largest table of `storage` many times.
    while quiet < 300 {
        match sensor.poll_record(now_us, want, &mut out) {
            Some(emitted) => {
                quiet = 0;
                let item = Items::new(&out[..emitted.len]).next().unwrap().unwrap();
                records.push(decode_record(item).unwrap());
            }
            None => quiet += 1,
        }
    }
    records
}

pub fn flush(sensor: &mut Sensor<'_>, now_us: u64, id: u32) -> Vec<Record> {
    sensor.handle_command(now_us, &magpie_protocol::Command::Flush { id });
    drain(sensor, now_us, Want::Final)
}

pub fn flows(records: &[Record]) -> Vec<FlowRecord> {
    records
        .iter()
        .filter_map(|r| match r {
            Record::Flow(flow) => Some(*flow),
            _ => None,
        })
        .collect()
}

pub fn reasons(records: &[Record]) -> Vec<EndReason> {
    flows(records).iter().map(|flow| flow.reason).collect()
}

/// What must survive every split: packets, octets, flags, first, last.
pub type Sums = BTreeMap<FlowKey, (Direction, Direction, [u8; 2], u64, u64)>;

pub fn sums(records: &[Record]) -> Sums {
    let mut all = Sums::new();
    for flow in flows(records).iter().filter(|flow| flow.reason.is_final()) {
        let add = |sum: &mut Direction, d: &Direction| {
            sum.packets += d.packets;
            sum.ip_octets += d.ip_octets;
            sum.frame_octets += d.frame_octets;
        };
        let entry = all.entry(flow.key).or_insert((
            Direction::default(),
            Direction::default(),
            [0; 2],
            u64::MAX,
            0,
        ));
        add(&mut entry.0, &flow.ab);
        add(&mut entry.1, &flow.ba);
        let flags = flow.tcp.map_or([0; 2], |tcp| tcp.flags);
        entry.2 = [entry.2[0] | flags[0], entry.2[1] | flags[1]];
        entry.3 = entry.3.min(flow.first_us);
        entry.4 = entry.4.max(flow.last_us);
    }
    all
}

/// An Ethernet frame with an IPv4 packet from 10.0.0.`from` to 10.0.0.`to`.
pub fn ipv4(from: u8, to: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).unwrap();
    let mut header = vec![0x45, 0];
    header.extend(total.to_be_bytes());
    header.extend([0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, to]);
    let mut sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    header[10..12].copy_from_slice(&(!u16::try_from(sum).unwrap()).to_be_bytes());
    let mut frame = vec![2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 8, 0];
    frame.extend(header);
    frame.extend(payload);
    frame
}

pub fn udp(from: u8, to: u8, source: u16, destination: u16, len: usize) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(source.to_be_bytes());
    datagram.extend(destination.to_be_bytes());
    datagram.extend(u16::try_from(8 + len).unwrap().to_be_bytes());
    datagram.extend([0, 0]);
    datagram.resize(8 + len, 0x55);
    ipv4(from, to, 17, &datagram)
}

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const ACK: u8 = 16;

/// A segment of the connection 10.0.0.1:4000 – 10.0.0.2:80; `up` is from 1 to 2.
pub fn tcp(up: bool, sequence: u32, acknowledgement: u32, flags: u8, payload: usize) -> Vec<u8> {
    let (from, to, source, destination) = if up {
        (1, 2, 4000_u16, 80_u16)
    } else {
        (2, 1, 80, 4000)
    };
    let mut segment = Vec::new();
    segment.extend(source.to_be_bytes());
    segment.extend(destination.to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    segment.extend(acknowledgement.to_be_bytes());
    segment.extend([0x50, flags, 1, 0, 0, 0, 0, 0]);
    segment.resize(20 + payload, 0x2e);
    ipv4(from, to, 6, &segment)
}

pub fn echo(from: u8, to: u8, request: bool, id: u16, sequence: u16) -> Vec<u8> {
    let mut message = vec![if request { 8 } else { 0 }, 0, 0, 0];
    message.extend(id.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    message.extend([9; 16]);
    ipv4(from, to, 1, &message)
}

pub fn feed(sensor: &mut Sensor<'_>, at_us: u64, frame: &[u8]) {
    sensor.observe(at_us, frame, u32::try_from(frame.len()).unwrap());
}
