//! Frames without the addresses of those who sent them.
//!
//! Addresses are replaced under a key: alike where they were alike, and two
//! that had their first n bits in common have them in common afterwards
//! (Crypto-PAn: Xu, Fan, Ammar, Moon, "Prefix-preserving IP address
//! anonymization", ICNP 2002). IPv4, IPv6 and MAC addresses each have a
//! mapping of their own, wherever they stand in what is known here: Ethernet,
//! ARP, IP (within IP and GRE, too), ICMP with the packets it quotes, neighbour
//! discovery, IGMP, MLD.
//!
//! A checksum over addresses is right where it was, and zero anywhere else: where
//! it was wrong, where checksum offload left the sum of a pseudo header alone,
//! where it covers octets that are cut or that the capture does not hold (a
//! fragment's, a quoted packet's). Brought up to date by the difference, it would
//! tell of the addresses that were there; over octets that are not shown, of
//! their sum. So none says more than the octets beside it, but whether it was
//! right. One that covers no address, as an echo's of ICMP or SCTP's, stays while
//! all is shown that it covers.
//!
//! What is kept on purpose: multicast stays multicast with its scope, groups
//! that everybody uses (`224.0.0.0/24`, `ff02::1`; of MAC addresses
//! `01:80:c2:..`, `01:00:0c:..`, `01:1b:19:00:00:00`) stay themselves, and so do
//! broadcast, loopback, link-local prefixes and addresses of zeroes. IP multicast
//! keeps the MAC address that belongs to its group. Any other group's MAC address
//! is replaced like a station's: load balancing writes IPv4 addresses there.
//!
//! Everything behind the headers that are known here is cut, since names,
//! addresses and secrets stand in payload: a cut packet is shorter than it was
//! on the wire, and says so. A header ends where IP says that the packet does,
//! and options are kept at the length they are defined to have, without what
//! pads them; others are overwritten, and so are routes of IPv6 and what proves
//! an authentication header. [`Payload::Kept`] leaves payload with whatever it
//! tells: what is not known here, too, as DCCP, OSPF and reports of `IGMPv3` and
//! `MLDv2`, with checksums over addresses that it may have; and an FCS, which a
//! caller must have dropped. An address of which there is only a part ends the
//! frame either way. Not hidden in either case: ports, lengths, times, sequence
//! numbers, and who talks with whom how much. Whoever can send packets past the
//! capture can find out what an address became; so one key should not serve for
//! long.
//!
//! Order of use: [`Key::random`] or [`Key::parse`], [`Anonymizer::new`],
//! [`Anonymizer::frame`] for each.

mod addresses;
mod checksum;
mod frame;
mod icmp;
mod options;
#[cfg(test)]
mod tests;

use std::fmt;

use addresses::Addresses;

/// Octets of a key.
pub const KEY_OCTETS: usize = 32;

/// What decides what an address becomes. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_OCTETS]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Why this is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither 32 octets nor 64 hexadecimal digits (openssl rand -hex 32 makes some)")]
pub struct NoKey;

impl Key {
    /// A key that nobody knows, and that is gone with this process.
    pub fn random() -> std::io::Result<Self> {
        let mut octets = [0; KEY_OCTETS];
        getrandom::fill(&mut octets).map_err(std::io::Error::other)?;
        Ok(Self(octets))
    }

    /// What a file holds: 32 octets, or 64 hexadecimal digits and white space.
    pub fn parse(file: &[u8]) -> Result<Self, NoKey> {
        if let Ok(octets) = <[u8; KEY_OCTETS]>::try_from(file) {
            return Ok(Self(octets));
        }
        let digits: Option<Vec<u8>> = file
            .iter()
            .filter(|octet| !octet.is_ascii_whitespace())
            .map(|octet| char::from(*octet).to_digit(16))
            .map(|digit| digit.and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let digits = digits.filter(|digits| digits.len() == 2 * KEY_OCTETS);
        let mut octets = [0; KEY_OCTETS];
        for (octet, pair) in octets.iter_mut().zip(digits.ok_or(NoKey)?.chunks(2)) {
            *octet = pair.iter().fold(0, |all, digit| all << 4 | digit);
        }
        Ok(Self(octets))
    }
}

/// What becomes of the octets behind the headers that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Payload {
    /// They are cut, and no checksum tells of them.
    #[default]
    Cut,
    /// They stay as they are.
    Kept,
}

/// Replaces addresses.
pub struct Anonymizer {
    addresses: Addresses,
    payload: Payload,
    /// Whether an address of this frame ends behind what there is of it.
    is_cut: bool,
}

impl Anonymizer {
    /// Under this key.
    pub fn new(key: &Key, payload: Payload) -> Self {
        Self {
            addresses: Addresses::new(&key.0),
            payload,
            is_cut: false,
        }
    }

    /// Replaces the addresses of an Ethernet frame without FCS; how many of its
    /// octets may be shown.
    pub fn frame(&mut self, frame: &mut [u8]) -> usize {
        self.is_cut = false;
        let known = frame::ethernet(frame, self).min(frame.len());
        match self.payload {
            Payload::Kept if !self.is_cut => frame.len(),
            _ => known,
        }
    }

    /// Replaces an IPv4 address at `at`, if all of it is there.
    fn v4(&mut self, octets: &mut [u8], at: usize) -> Option<()> {
        replace(octets, at, |old| self.addresses.v4(old)).or_else(|| self.none(octets, at))
    }

    /// Likewise an IPv6 address.
    fn v6(&mut self, octets: &mut [u8], at: usize) -> Option<()> {
        replace(octets, at, |old| self.addresses.v6(old)).or_else(|| self.none(octets, at))
    }

    /// Likewise a MAC address.
    fn mac(&mut self, octets: &mut [u8], at: usize) -> Option<()> {
        replace(octets, at, |old| self.addresses.mac(old)).or_else(|| self.none(octets, at))
    }

    /// A part of an address cannot be replaced: the frame is to end before it.
    fn none(&mut self, octets: &[u8], at: usize) -> Option<()> {
        self.is_cut |= octets.len() > at;
        None
    }
}

/// Replaces `N` octets at `at`, if they are there.
fn replace<const N: usize>(
    octets: &mut [u8],
    at: usize,
    by: impl FnOnce([u8; N]) -> [u8; N],
) -> Option<()> {
    let place = octets.get_mut(at..)?.first_chunk_mut::<N>()?;
    *place = by(*place);
    Some(())
}
