//! One place of the flow table: 160 octets.

use magpie_protocol::{Direction, EndReason, FlowRecord, Side};

use super::{PackedKey, of, tcp::TcpState};
use crate::{
    Config,
    dissect::{Ip, Tcp, Transport},
    table::Slot,
};

/// IP protocol number of TCP.
const TCP: u8 = 6;

/// The slot's record began with a packet of `b`.
const FROM_B: u8 = 1;
/// Something changed since the last live showing.
const CHANGED: u8 = 2;

/// One flow. All zero when free.
///
/// Counters are 32 bits wide: before one would overflow the record is
/// exported ([`EndReason::Split`]) and counting starts anew, so the sums stay
/// exact. A slot whose record was exported and that saw no packet since
/// *rests*: it remembers the connection but has no record of its own.
#[derive(Debug, Clone, Copy)]
pub struct FlowSlot {
    words: [u32; 11],
    protocol: u8,
    /// 4 or 6; 0 when free.
    version: u8,
    state: u8,
    /// 0 when resting.
    flow_id: u64,
    first_us: u64,
    last_us: u64,
    packets: [u32; 2],
    ip_octets: [u32; 2],
    frame_octets: [u32; 2],
    tcp: TcpState,
}

impl Slot for FlowSlot {
    type Key = PackedKey;

    const EMPTY: Self = Self {
        words: [0; 11],
        protocol: 0,
        version: 0,
        state: 0,
        flow_id: 0,
        first_us: 0,
        last_us: 0,
        packets: [0; 2],
        ip_octets: [0; 2],
        frame_octets: [0; 2],
        tcp: TcpState::NEW,
    };

    fn is_free(&self) -> bool {
        self.version == 0
    }

    #[inline]
    fn holds(&self, key: &PackedKey) -> bool {
        self.words == key.words && self.protocol == key.protocol && self.version == key.version
    }

    /// Resting slots lose least, then the one that was quiet longest.
    fn rank(&self) -> u64 {
        if self.is_recording() { self.last_us } else { 0 }
    }
}

/// As [`of`], to look at only.
fn peek(pair: [u32; 2], side: Side) -> u32 {
    let [a, b] = pair;
    match side {
        Side::A => a,
        Side::B => b,
    }
}

impl FlowSlot {
    /// A slot for this key, resting.
    pub(crate) fn new(key: &PackedKey) -> Self {
        let PackedKey {
            words,
            protocol,
            version,
        } = *key;
        Self {
            words,
            protocol,
            version,
            ..Self::EMPTY
        }
    }

    pub(crate) fn key(&self) -> PackedKey {
        PackedKey {
            words: self.words,
            protocol: self.protocol,
            version: self.version,
        }
    }

    /// Has a record of its own.
    pub(crate) fn is_recording(&self) -> bool {
        self.flow_id != 0
    }

    /// Starts a record with a packet of `from`.
    pub(crate) fn begin(&mut self, flow_id: u64, at_us: u64, from: Side) {
        self.flow_id = flow_id;
        self.first_us = at_us;
        self.last_us = at_us;
        self.state = if from == Side::B { FROM_B } else { 0 };
    }

    /// Forgets the record, not the connection.
    pub(crate) fn rest(&mut self) {
        self.flow_id = 0;
        self.packets = [0; 2];
        self.ip_octets = [0; 2];
        self.frame_octets = [0; 2];
        self.tcp.restart_counts();
    }

    /// Counts one packet.
    #[inline]
    pub(crate) fn count(&mut self, at_us: u64, from: Side, ip_octets: u32, wire_len: u32) {
        self.first_us = self.first_us.min(at_us);
        self.last_us = self.last_us.max(at_us);
        self.state |= CHANGED;
        let add = |total: &mut u32, n: u32| *total = total.saturating_add(n);
        add(of(&mut self.packets, from), 1);
        add(of(&mut self.ip_octets, from), ip_octets);
        add(of(&mut self.frame_octets, from), wire_len);
    }

    /// True when counting this packet could overflow a counter.
    #[inline]
    pub(crate) fn is_nearly_full(&self, from: Side, ip_octets: u32, wire_len: u32) -> bool {
        peek(self.packets, from) == u32::MAX
            || peek(self.ip_octets, from).checked_add(ip_octets).is_none()
            || peek(self.frame_octets, from)
                .checked_add(wire_len)
                .is_none()
            || (self.protocol == TCP && self.tcp.is_nearly_full())
    }

    /// The TCP part of one packet.
    #[inline]
    pub(crate) fn tcp(&mut self, at_us: u64, from: Side, segment: &Tcp) {
        self.tcp.observe(at_us, from, segment);
    }

    /// A SYN that opens a new connection on a closed one.
    #[inline]
    pub(crate) fn reopens(&self, from: Side, ip: &Ip) -> bool {
        match &ip.transport {
            Transport::Tcp(segment) => self.tcp.reopens(from, segment),
            _ => false,
        }
    }

    /// Age of the record.
    pub(crate) fn age_us(&self, at_us: u64) -> u64 {
        if self.is_recording() {
            at_us.saturating_sub(self.first_us)
        } else {
            0
        }
    }

    /// Why it is to be forgotten now, if it is.
    pub(crate) fn expired(&self, now_us: u64, config: &Config) -> Option<EndReason> {
        let quiet = now_us.saturating_sub(self.last_us);
        if config.end_us > 0 && self.tcp.is_closed() && quiet >= config.end_us {
            Some(EndReason::End)
        } else if config.idle_us > 0 && quiet >= config.idle_us {
            Some(EndReason::Idle)
        } else {
            None
        }
    }

    /// True once for each change.
    pub(crate) fn take_changed(&mut self) -> bool {
        let changed = self.state & CHANGED != 0;
        self.state &= !CHANGED;
        changed
    }

    /// The record as of now.
    pub(crate) fn record(&self, reason: EndReason) -> FlowRecord {
        let [packets_a, packets_b] = self.packets;
        let [ip_a, ip_b] = self.ip_octets;
        let [frame_a, frame_b] = self.frame_octets;
        let direction = |packets, ip_octets, frame_octets| Direction {
            packets: u64::from(packets),
            ip_octets: u64::from(ip_octets),
            frame_octets: u64::from(frame_octets),
        };
        FlowRecord {
            flow_id: self.flow_id,
            reason,
            key: self.key().unpack(),
            initiator: if self.state & FROM_B == 0 {
                Side::A
            } else {
                Side::B
            },
            first_us: self.first_us,
            last_us: self.last_us,
            ab: direction(packets_a, ip_a, frame_a),
            ba: direction(packets_b, ip_b, frame_b),
            tcp: (self.protocol == TCP).then(|| self.tcp.facts()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_as_small_as_promised() {
        assert_eq!(core::mem::size_of::<FlowSlot>(), 160);
    }
}
