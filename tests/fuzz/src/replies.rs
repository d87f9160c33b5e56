//! Traces with a key that is known, and what could be said of their probes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use magpie_probe::trace::{Live, Machine, Method, Multipath, Once, Plan, Transmit};

use crate::input::push_piece;

/// With it the seeds can answer probes that a target will send.
pub const KEY: [u8; 16] = [0x5a; 16];
const LOCAL: u16 = 20_000;

/// A plan, by the first octet of an input.
pub fn plan(choice: u8) -> Plan {
    let is_v4 = choice & 1 == 0;
    let method = match choice >> 1 & 3 {
        0 => Method::Tcp,
        1 => Method::Icmp,
        _ => Method::Udp,
    };
    let at = |n: u8| -> IpAddr {
        if is_v4 {
            Ipv4Addr::new(192, 0, 2, n).into()
        } else {
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n.into()).into()
        }
    };
    let mut plan = Plan::new(at(1), at(2), method);
    if choice & 8 == 0 {
        plan.local = Some(LOCAL);
    }
    plan.max_hops = 8;
    if choice & 16 != 0 && method != Method::Tcp {
        plan.find_mtu = true;
        plan.packet_octets = 1_500;
    }
    plan
}

/// A machine, by the same octet.
pub fn machine(choice: u8) -> Box<dyn Machine> {
    let plan = plan(choice);
    match choice >> 5 & 3 {
        0 => Box::new(Live::new(plan, KEY, Duration::from_millis(200), Some(5)).expect("sound")),
        1 => Box::new(Multipath::new(plan, KEY).expect("sound")),
        _ => Box::new(Once::new(plan, KEY).expect("sound")),
    }
}

/// An ICMP error that quotes a probe whole, as raw sockets hear it.
fn error(plan: &Plan, probe: &Transmit, icmp_type: u8, code: u8) -> Vec<u8> {
    let mut transport = probe.octets.clone();
    if plan.method == Method::Udp {
        let mut header = Vec::new();
        let length = u16::try_from(transport.len() + 8).unwrap_or(u16::MAX);
        for word in [LOCAL + probe.probe.flow, plan.port, length, 0] {
            header.extend(word.to_be_bytes());
        }
        transport.splice(..0, header);
    }
    let length = u16::try_from(transport.len()).unwrap_or(u16::MAX);
    let mut message = vec![icmp_type, code, 0, 0, 0, 0, 5, 120];
    match (plan.source, plan.destination) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let protocol = match plan.method {
                Method::Udp => 17,
                Method::Tcp => 6,
                Method::Icmp => 1,
            };
            let [high, low] = length.saturating_add(20).to_be_bytes();
            message.extend([0x45, 0, high, low, 0, 0, 0, 0, 1, protocol, 0, 0]);
            message.extend(from.octets());
            message.extend(to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let protocol = match plan.method {
                Method::Udp => 17,
                Method::Tcp => 6,
                Method::Icmp => 58,
            };
            let [high, low] = length.to_be_bytes();
            message.extend([0x60, 0, 0, 0, high, low, protocol, 1]);
            message.extend(from.octets());
            message.extend(to.octets());
        }
        _ => {}
    }
    message.extend(transport);
    message
}

/// One step of an input: an arrival of this kind.
fn step(kind: u8, from: u8, octets: &[u8]) -> Vec<u8> {
    let mut step = vec![3, kind, from];
    push_piece(&mut step, octets);
    step
}

/// Inputs that answer probes as routers do, for every kind of trace.
pub fn all() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for choice in 0..=0x7f_u8 {
        let plan = plan(choice);
        let mut machine = machine(choice);
        let mut input = vec![choice, 0, 12];
        for _ in 0..12 {
            let Some(probe) = machine.poll_transmit(Duration::ZERO) else {
                break;
            };
            let (exceeded, port) = if plan.destination.is_ipv4() {
                ((11, 0), (3, 3))
            } else {
                ((3, 0), (1, 4))
            };
            let router = probe.probe.hop + 10;
            input.extend(step(
                0,
                router,
                &error(&plan, &probe, exceeded.0, exceeded.1),
            ));
            input.extend(step(0, 1, &error(&plan, &probe, port.0, port.1)));
            // By the queue of errors: type, code, then what is quoted.
            let quoted = [&[exceeded.0, exceeded.1], &probe.octets[..]].concat();
            input.extend(step(3, router, &quoted));
            input.extend([1, 200, 2]);
        }
        seeds.push(input);
    }
    seeds
}
