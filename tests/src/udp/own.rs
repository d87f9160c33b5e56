//! What host and board said to each other is on the wire too, and counted:
//! taken out of an answer, the mirrored capture must remain.

use std::collections::BTreeMap;
use std::net::IpAddr;

use smoltcp::wire::{
    ArpOperation, ArpPacket, EthernetAddress, EthernetFrame, EthernetProtocol, Ipv4Packet,
    UdpPacket,
};

use super::host::BOARD;
use crate::truth::Exact;

/// What a board may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// ARP.
    Arp,
    /// DHCP of a client.
    Dhcp,
    /// A datagram of its own port.
    Export,
}

/// What this frame of a board is; an error is a frame it must not send.
pub fn said(frame: &[u8], own_port: u16) -> Result<Said, String> {
    let wrong = || format!("it must not send this: {frame:02x?}");
    let ethernet = EthernetFrame::new_checked(frame).map_err(|_| wrong())?;
    match ethernet.ethertype() {
        EthernetProtocol::Arp => Ok(Said::Arp),
        EthernetProtocol::Ipv4 => {
            let ip = Ipv4Packet::new_checked(ethernet.payload()).map_err(|_| wrong())?;
            let udp = UdpPacket::new_checked(ip.payload()).map_err(|_| wrong())?;
            match (udp.src_port(), udp.dst_port()) {
                (68, 67) => Ok(Said::Dhcp),
                (port, _) if port == own_port => Ok(Said::Export),
                _ => Err(wrong()),
            }
        }
        _ => Err(wrong()),
    }
}

fn less(table: &mut BTreeMap<String, (u64, u64)>, key: &str, octets: usize) {
    let entry = table
        .get_mut(key)
        .unwrap_or_else(|| panic!("no line for {key}"));
    let octets = u64::try_from(octets).expect("a frame");
    *entry = (entry.0 - 1, entry.1 - octets);
    if entry.0 == 0 {
        table.remove(key);
    }
}

fn one_less(table: &mut BTreeMap<String, u64>, key: &str) {
    let entry = table
        .get_mut(key)
        .unwrap_or_else(|| panic!("no line for {key}"));
    *entry -= 1;
    if *entry == 0 {
        table.remove(key);
    }
}

/// Takes these frames out of an answer, and the flows of the board with all
/// their packets. The answer must have them: it panics where it has not.
pub fn without(answer: &mut Exact, frames: &[Vec<u8>]) {
    let mut packets = 0;
    for frame in frames {
        answer.frames -= 1;
        answer.frame_bytes -= u64::try_from(frame.len()).expect("a frame");
        one_less(&mut answer.vlan, "-");
        let ethernet = EthernetFrame::new_checked(&frame[..]).expect("a frame of ours");
        match ethernet.ethertype() {
            EthernetProtocol::Arp => {
                less(&mut answer.ethertype, "0x0806", frame.len());
                let arp = ArpPacket::new_checked(ethernet.payload()).expect("ARP of ours");
                let operation = match arp.operation() {
                    ArpOperation::Request => "op1",
                    ArpOperation::Reply => "op2",
                    ArpOperation::Unknown(other) => panic!("ARP operation {other}"),
                };
                one_less(&mut answer.arp, operation);
                let (sender, target) = (arp.source_protocol_addr(), arp.target_protocol_addr());
                let kind = if sender == target {
                    "gratuitous"
                } else if sender == [0; 4] {
                    "probe"
                } else {
                    "normal"
                };
                one_less(&mut answer.arp, kind);
            }
            EthernetProtocol::Ipv4 => {
                less(&mut answer.ethertype, "0x0800", frame.len());
                let ip = Ipv4Packet::new_checked(ethernet.payload()).expect("IPv4 of ours");
                less(&mut answer.ip_proto, "4/17", ip.total_len().into());
                packets += 1;
            }
            other => panic!("a frame of type {other}"),
        }
    }
    let mut gone = 0;
    answer.flows.retain(|flow| {
        let board = [flow.a, flow.b].contains(&IpAddr::V4(BOARD));
        let dhcp = flow.proto == 17 && [(flow.ap, flow.bp), (flow.bp, flow.ap)].contains(&(67, 68));
        // The capture may hold DHCP of others.
        let ours = board || (dhcp && flow.a.to_string().starts_with("10.99.0."));
        if ours {
            gone += flow.ab.pkts + flow.ba.pkts;
        }
        !ours
    });
    assert!(
        gone <= packets,
        "{gone} packets in flows of the board, which had {packets}"
    );
}

/// How many of these frames are for this address alone.
pub fn addressed_to(frames: &[Vec<u8>], address: EthernetAddress) -> u64 {
    let ours = frames.iter().filter(|f| f[..6] == address.0);
    u64::try_from(ours.count()).expect("a test's frames")
}
