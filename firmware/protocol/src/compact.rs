//! The compact form of a flow record, since 1.3: flags say what follows.
//!
//! What can be told from the rest is not written: the other direction of a
//! flow that had none, what the link layer adds to each frame, ports and TCP
//! facts that are all zero. Every item stands alone: nothing is counted from
//! another one, which might be lost, or be sent again in another batch.

use crate::octets::{Reader, Writer};
use crate::{
    AddressPair, Direction, EncodeError, EndReason, FlowKey, FlowRecord, Handshake, Side, TcpFacts,
    VlanStack,
};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP6: u8 = 58;

/// Octets of an Ethernet header, and of a tag.
const HEADER: u64 = 14;
const TAG: u64 = 4;

/// First octet of flags: what the flow is.
mod what {
    pub(super) const REASON: u8 = 0b111;
    pub(super) const IPV6: u8 = 1 << 3;
    pub(super) const BY_B: u8 = 1 << 4;
    pub(super) const TAGGED: u8 = 1 << 5;
    pub(super) const PROTOCOL: u8 = 0b11 << 6;
    pub(super) const IS_ICMP: u8 = 1 << 6;
    pub(super) const IS_TCP: u8 = 2 << 6;
    pub(super) const IS_UDP: u8 = 3 << 6;
}

/// Second octet of flags: how it is written.
mod how {
    pub(super) const PORTS: u8 = 1;
    pub(super) const BRIEF: u8 = 1 << 1;
    pub(super) const ONE_WAY: u8 = 1 << 2;
    pub(super) const EXCESS_FORTH: u8 = 1 << 3;
    pub(super) const EXCESS_BACK: u8 = 1 << 4;
    pub(super) const TROUBLE: u8 = 1 << 5;
    pub(super) const HANDSHAKE: u8 = 1 << 6;
    pub(super) const IRREGULAR: u8 = 1 << 7;

    /// What only TCP has.
    const OF_TCP: u8 = TROUBLE | HANDSHAKE | IRREGULAR;

    /// False where flags contradict each other.
    pub(super) fn is_sound(how: u8, is_tcp: bool) -> bool {
        (is_tcp || how & OF_TCP == 0)
            && how & (ONE_WAY | EXCESS_BACK) != ONE_WAY | EXCESS_BACK
            && how & (HANDSHAKE | IRREGULAR) != IRREGULAR
    }
}

/// An identifier with this bit has another one behind it.
const MORE_TAGS: u16 = 1 << 15;
const TAG_BITS: u16 = MORE_TAGS | 0x0fff;

/// False for what only the old form can say: a reason of a newer version, TCP
/// facts of what is not TCP.
pub(crate) fn can_say(flow: &FlowRecord) -> bool {
    u8::from(flow.reason) <= what::REASON && flow.tcp.is_some() == (flow.key.protocol == TCP)
}

fn icmp(addresses: &AddressPair) -> u8 {
    match addresses {
        AddressPair::V4 { .. } => ICMP,
        AddressPair::V6 { .. } => ICMP6,
    }
}

/// What every frame of the flow has around its IP packet.
fn overhead(vlan: VlanStack) -> u64 {
    (vlan.depth() as u64).wrapping_mul(TAG).wrapping_add(HEADER)
}

/// The initiator's, the other's; and back.
fn by_initiator<T>(initiator: Side, [a, b]: [T; 2]) -> [T; 2] {
    match initiator {
        Side::A => [a, b],
        Side::B => [b, a],
    }
}

/// Writes a record that [`can_say`] agrees to.
pub(crate) fn write(flow: &FlowRecord, out: &mut Writer<'_>) -> Result<(), EncodeError> {
    let [what_at, how_at] = out.reserve()?;
    let (mut what, mut how) = (u8::from(flow.reason) & what::REASON, 0);
    out.varint(flow.flow_id)?;

    let (what_key, how_key) = write_key(&flow.key, out)?;
    what |= what_key;
    how |= how_key;
    if flow.initiator == Side::B {
        what |= what::BY_B;
    }

    // The low half changes with every flow, the high one hardly ever.
    let [f0, f1, f2, f3, ..] = flow.first_us.to_le_bytes();
    out.put([f0, f1, f2, f3])?;
    out.varint(flow.first_us >> 32)?;

    let [forth, back] = by_initiator(flow.initiator, [&flow.ab, &flow.ba]);
    let duration_us = flow.last_us.wrapping_sub(flow.first_us);
    if forth.packets == 1 && duration_us == 0 {
        how |= how::BRIEF;
    } else {
        out.varint(duration_us)?;
        out.varint(forth.packets)?;
    }
    let overhead = overhead(flow.key.vlan);
    how |= write_octets(forth, overhead, how::EXCESS_FORTH, out)?;
    let tcp = flow.tcp.as_ref();
    let [_, back_flags] = by_initiator(flow.initiator, tcp.map_or([0; 2], |tcp| tcp.flags));
    if *back == Direction::default() && back_flags == 0 {
        how |= how::ONE_WAY;
    } else {
        out.varint(back.packets)?;
        how |= write_octets(back, overhead, how::EXCESS_BACK, out)?;
    }
    if let Some(tcp) = tcp {
        how |= write_tcp(tcp, flow.initiator, how & how::ONE_WAY != 0, out)?;
    }
    (*what_at, *how_at) = (what, how);
    Ok(())
}

/// Writes a key; its flags of both octets.
fn write_key(key: &FlowKey, out: &mut Writer<'_>) -> Result<(u8, u8), EncodeError> {
    let (mut what, mut how) = (0, 0);
    let mut tags = key.vlan.ids().peekable();
    while let Some(id) = tags.next() {
        what |= what::TAGGED;
        let more = tags.peek().map_or(0, |_| MORE_TAGS);
        out.put((id | more).to_le_bytes())?;
    }
    match key.addresses {
        AddressPair::V4 { a, b } => {
            out.put(a)?;
            out.put(b)?;
        }
        AddressPair::V6 { a, b } => {
            what |= what::IPV6;
            out.put(a)?;
            out.put(b)?;
        }
    }
    what |= match key.protocol {
        TCP => what::IS_TCP,
        UDP => what::IS_UDP,
        protocol if protocol == icmp(&key.addresses) => what::IS_ICMP,
        protocol => {
            out.put([protocol])?;
            0
        }
    };
    if key.a_port | key.b_port != 0 {
        how |= how::PORTS;
        out.put(key.a_port.to_le_bytes())?;
        out.put(key.b_port.to_le_bytes())?;
    }
    Ok((what, how))
}

/// IP octets, and what the frames have beyond them and their headers: padding,
/// labels, sessions, more tags than a key holds.
fn write_octets(
    way: &Direction,
    overhead: u64,
    excess_flag: u8,
    out: &mut Writer<'_>,
) -> Result<u8, EncodeError> {
    out.varint(way.ip_octets)?;
    let excess = way
        .frame_octets
        .wrapping_sub(way.ip_octets)
        .wrapping_sub(way.packets.wrapping_mul(overhead));
    if excess == 0 {
        return Ok(0);
    }
    out.varint(excess)?;
    Ok(excess_flag)
}

fn write_tcp(
    tcp: &TcpFacts,
    initiator: Side,
    one_way: bool,
    out: &mut Writer<'_>,
) -> Result<u8, EncodeError> {
    let mut how = 0;
    let [forth, back] = by_initiator(initiator, tcp.flags);
    out.put([forth])?;
    if !one_way {
        out.put([back])?;
    }
    let trouble = [tcp.seq_back, tcp.seq_back_octets, tcp.unseen_octets];
    let trouble = trouble.as_flattened();
    if trouble.iter().any(|count| *count != 0) {
        how |= how::TROUBLE;
        let [mask] = out.reserve()?;
        *mask = 0;
        for (place, count) in trouble.iter().enumerate() {
            if *count != 0 {
                *mask |= 1 << place;
                out.varint(*count)?;
            }
        }
    }
    if let Some(handshake) = &tcp.handshake {
        how |= how::HANDSHAKE;
        let repeated = handshake.syn_retx | handshake.synack_retx != 0;
        if handshake.client != initiator || repeated {
            how |= how::IRREGULAR;
            out.put([u8::from(handshake.client == Side::B)])?;
            out.varint(u64::from(handshake.syn_retx))?;
            out.varint(u64::from(handshake.synack_retx))?;
        }
        out.varint(handshake.syn_to_synack_us.cast_unsigned())?;
        out.varint(handshake.synack_to_ack_us.cast_unsigned())?;
    }
    Ok(how)
}

/// Reads a body; `None` where it is no such record. Octets behind it belong to
/// a newer version.
pub(crate) fn read(body: &[u8]) -> Option<FlowRecord> {
    let mut body = Reader::new(body);
    let [what, how] = body.take()?;
    let flow_id = body.varint()?;
    let initiator = initiator(what);
    let key = read_key(what, how, &mut body)?;
    let is_tcp = key.protocol == TCP;
    if !how::is_sound(how, is_tcp) {
        return None;
    }
    let low = u32::from_le_bytes(body.take()?);
    let high = u32::try_from(body.varint()?).ok()?;
    let first_us = u64::from(high) << 32 | u64::from(low);
    let (duration_us, packets) = if how & how::BRIEF == 0 {
        (body.varint()?, body.varint()?)
    } else {
        (0, 1)
    };
    let overhead = overhead(key.vlan);
    let forth = read_way(packets, overhead, how & how::EXCESS_FORTH != 0, &mut body)?;
    let back = if how & how::ONE_WAY == 0 {
        let packets = body.varint()?;
        read_way(packets, overhead, how & how::EXCESS_BACK != 0, &mut body)?
    } else {
        Direction::default()
    };
    let [ab, ba] = by_initiator(initiator, [forth, back]);
    let tcp = if is_tcp {
        Some(read_tcp(how, initiator, &mut body)?)
    } else {
        None
    };
    Some(FlowRecord {
        flow_id,
        reason: EndReason::from(what & what::REASON),
        key,
        initiator,
        first_us,
        last_us: first_us.wrapping_add(duration_us),
        ab,
        ba,
        tcp,
    })
}

/// The key in a body, and who began the flow.
pub(crate) fn read_flow_key(body: &[u8]) -> Option<(FlowKey, Side)> {
    let mut body = Reader::new(body);
    let [what, how] = body.take()?;
    body.varint()?; // the record's number
    Some((read_key(what, how, &mut body)?, initiator(what)))
}

fn initiator(what: u8) -> Side {
    if what & what::BY_B == 0 {
        Side::A
    } else {
        Side::B
    }
}

fn read_key(what: u8, how: u8, body: &mut Reader<'_>) -> Option<FlowKey> {
    let mut vlan = VlanStack::NONE;
    let mut more = what & what::TAGGED != 0;
    while more {
        let tag = u16::from_le_bytes(body.take()?);
        if tag & !TAG_BITS != 0 || !vlan.push(tag & !MORE_TAGS) {
            return None;
        }
        more = tag & MORE_TAGS != 0;
    }
    let addresses = if what & what::IPV6 == 0 {
        let (a, b) = (body.take()?, body.take()?);
        AddressPair::V4 { a, b }
    } else {
        let (a, b) = (body.take()?, body.take()?);
        AddressPair::V6 { a, b }
    };
    let protocol = match what & what::PROTOCOL {
        what::IS_TCP => TCP,
        what::IS_UDP => UDP,
        what::IS_ICMP => icmp(&addresses),
        _ => body.octet()?,
    };
    let mut port = || {
        if how & how::PORTS == 0 {
            return Some(0);
        }
        body.take().map(u16::from_le_bytes)
    };
    Some(FlowKey {
        vlan,
        protocol,
        addresses,
        a_port: port()?,
        b_port: port()?,
    })
}

fn read_way(
    packets: u64,
    overhead: u64,
    has_excess: bool,
    body: &mut Reader<'_>,
) -> Option<Direction> {
    let ip_octets = body.varint()?;
    let excess = if has_excess { body.varint()? } else { 0 };
    Some(Direction {
        packets,
        ip_octets,
        frame_octets: ip_octets
            .wrapping_add(packets.wrapping_mul(overhead))
            .wrapping_add(excess),
    })
}

fn read_tcp(how: u8, initiator: Side, body: &mut Reader<'_>) -> Option<TcpFacts> {
    let forth = body.octet()?;
    let back = if how & how::ONE_WAY == 0 {
        body.octet()?
    } else {
        0
    };
    let mut tcp = TcpFacts {
        flags: by_initiator(initiator, [forth, back]),
        ..TcpFacts::default()
    };
    if how & how::TROUBLE != 0 {
        let mut mask = body.octet()?;
        let trouble = [
            &mut tcp.seq_back,
            &mut tcp.seq_back_octets,
            &mut tcp.unseen_octets,
        ];
        for count in trouble.into_iter().flatten() {
            if mask & 1 != 0 {
                *count = body.varint()?;
            }
            mask >>= 1;
        }
        if mask != 0 {
            return None;
        }
    }
    if how & how::HANDSHAKE != 0 {
        tcp.handshake = Some(read_handshake(how, initiator, body)?);
    }
    Some(tcp)
}

fn read_handshake(how: u8, initiator: Side, body: &mut Reader<'_>) -> Option<Handshake> {
    let (mut client, mut repeated) = (initiator, [0; 2]);
    if how & how::IRREGULAR != 0 {
        client = match body.octet()? {
            0 => Side::A,
            1 => Side::B,
            _ => return None,
        };
        for count in &mut repeated {
            *count = u32::try_from(body.varint()?).ok()?;
        }
    }
    let [syn_retx, synack_retx] = repeated;
    Some(Handshake {
        client,
        syn_retx,
        synack_retx,
        syn_to_synack_us: body.varint()?.cast_signed(),
        synack_to_ack_us: body.varint()?.cast_signed(),
    })
}
