//! How a probe is known again: a number, and a tag that nobody can make who
//! has not seen the probe.
//!
//! Flows stay what they are, so that every probe takes the same path: ports,
//! identifier and checksum do not change from probe to probe. What differs
//! lies behind them, where no router looks that balances load:
//!
//! | method | where |
//! |---|---|
//! | UDP | the first 8 octets of the payload: number (2), tag (6) |
//! | ICMP | the sequence number, and the same 8 octets of payload |
//! | TCP | the sequence number: number (2), tag (2) |
//!
//! Two more octets of payload make up for both, so that the checksum of UDP
//! and ICMP stays the same within a flow; another flow of ICMP is another
//! checksum.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher24;

/// Octets of payload that a probe is known by.
pub(crate) const IDENTITY_OCTETS: u32 = 8;
const IDENTITY: usize = IDENTITY_OCTETS as usize;

/// What tags are made with: new for each run.
#[derive(Debug, Clone)]
pub(crate) struct Secret(SipHasher24);

impl Secret {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self(SipHasher24::new_with_key(&key))
    }

    fn tag(&self, serial: u32) -> [u8; 8] {
        let mut hasher = self.0;
        hasher.write(&serial.to_be_bytes());
        hasher.finish().to_be_bytes()
    }

    /// Payload of a probe: identity, what makes the sum constant, and filler.
    pub(crate) fn payload(&self, serial: u32, wire: u16, flow: u16, octets: usize) -> Vec<u8> {
        let mut payload: Vec<u8> = (0x40_u8..0x80).cycle().take(octets).collect();
        let identity = self.identity(serial, wire);
        let mut words = [0; IDENTITY + 2];
        words[..IDENTITY].copy_from_slice(&identity);
        // The number stands in the ICMP header once more.
        let sum = identity
            .chunks_exact(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum::<u32>()
            + u32::from(wire);
        let making_up = fold(u32::from(flow) + u32::from(!fold(sum)));
        words[IDENTITY..].copy_from_slice(&making_up.to_be_bytes());
        for (to, from) in payload.iter_mut().zip(words) {
            *to = from;
        }
        payload
    }

    fn identity(&self, serial: u32, wire: u16) -> [u8; IDENTITY] {
        let mut identity = [0; IDENTITY];
        let tag = self.tag(serial);
        identity[..2].copy_from_slice(&wire.to_be_bytes());
        identity[2..].copy_from_slice(&tag[..IDENTITY - 2]);
        identity
    }

    /// Whether a payload begins as that of this probe does.
    pub(crate) fn is_payload_of(&self, serial: u32, wire: u16, payload: &[u8]) -> bool {
        payload.get(..IDENTITY) == Some(self.identity(serial, wire).as_slice())
    }

    /// Sequence number of a SYN.
    pub(crate) fn sequence(&self, serial: u32, wire: u16) -> u32 {
        let tag = self.tag(serial);
        u32::from(wire) << 16 | u32::from(u16::from_be_bytes([tag[0], tag[1]]))
    }
}

/// The number that a payload begins with.
pub(crate) fn wire_of(payload: &[u8]) -> Option<u16> {
    match payload {
        [high, low, ..] if payload.len() >= IDENTITY => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

/// A sum of 16-bit words with the carries added (RFC 1071).
fn fold(sum: u32) -> u16 {
    let halves = |sum: u32| {
        let [a, b, c, d] = sum.to_be_bytes();
        u32::from(u16::from_be_bytes([a, b])) + u32::from(u16::from_be_bytes([c, d]))
    };
    let [_, _, high, low] = halves(halves(sum)).to_be_bytes();
    u16::from_be_bytes([high, low])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(wire: u16, payload: &[u8]) -> u16 {
        let words = payload.chunks(2).map(|pair| {
            u32::from(u16::from_be_bytes([
                pair[0],
                pair.get(1).copied().unwrap_or(0),
            ]))
        });
        fold(words.map(|word| u32::from(fold(word))).sum::<u32>() + u32::from(wire))
    }

    #[test]
    fn the_sum_is_that_of_the_flow() {
        let secret = Secret::new([7; 16]);
        for octets in [10, 11, 32, 1_400] {
            for flow in [0, 1, 77, 0xfffe] {
                let of = |serial: u32| {
                    let [_, _, a, b] = serial.wrapping_mul(40_503).to_be_bytes();
                    let wire = u16::from_be_bytes([a, b]);
                    let sum = sum(wire, &secret.payload(serial, wire, flow, octets));
                    // Both mean zero to who adds with carries.
                    if sum == 0xffff { 0 } else { sum }
                };
                assert!(
                    (1..500).all(|serial| of(serial) == of(0)),
                    "{octets} {flow}"
                );
            }
        }
    }

    #[test]
    fn a_payload_is_known_by_its_own_probe_only() {
        let secret = Secret::new([1; 16]);
        let payload = secret.payload(5, 6, 0, 32);
        assert_eq!(wire_of(&payload), Some(6));
        assert!(secret.is_payload_of(5, 6, &payload));
        assert!(secret.is_payload_of(5, 6, &payload[..8]));
        assert!(!secret.is_payload_of(5 + 0x1_0000, 6, &payload));
        assert!(!secret.is_payload_of(5, 6, &payload[..7]));
        assert!(!Secret::new([2; 16]).is_payload_of(5, 6, &payload));
        assert_eq!(wire_of(&payload[..7]), None);
    }
}
