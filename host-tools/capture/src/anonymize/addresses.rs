//! What an address becomes.

use std::collections::HashMap;

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};

use super::KEY_OCTETS;

/// Addresses that are remembered of each kind; then all are forgotten.
const REMEMBERED: usize = 0x1_0000;

/// One prefix-preserving mapping of addresses of up to 128 bits, which stand
/// in the upper bits of a number.
struct Mapping {
    cipher: Aes128,
    /// Fills a block behind the bits of the address.
    pad: u128,
    bits: u32,
    /// Whether the bit after these first ones (so many of them) must stay.
    stays: fn(u128, u32) -> bool,
    /// Whole addresses that stay.
    fixed: &'static [u128],
    known: HashMap<u128, u128>,
}

impl Mapping {
    /// Whether the bit behind the first `bits` of an address is turned.
    fn turns(&self, address: u128, bits: u32) -> bool {
        let kept = mask(bits);
        let block = (address & kept) | (self.pad & !kept);
        let mut block = block.to_be_bytes().into();
        self.cipher.encrypt_block(&mut block);
        block.first().is_some_and(|octet| octet & 0x80 != 0)
    }

    fn walk(&self, address: u128) -> u128 {
        (0..self.bits)
            .filter(|bits| !(self.stays)(address, *bits) && self.turns(address, *bits))
            .fold(address, |all, bit| all ^ (1 << 127) >> bit)
    }

    fn map(&mut self, address: u128) -> u128 {
        if let Some(known) = self.known.get(&address) {
            return *known;
        }
        let mut new = address;
        if !self.fixed.contains(&address) {
            new = self.walk(address);
            // What would become one that stays takes what that would have become.
            while self.fixed.contains(&new) {
                new = self.walk(new);
            }
        }
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(address, new);
        new
    }
}

/// The uppermost bits.
fn mask(bits: u32) -> u128 {
    u128::MAX.checked_shl(128 - bits).unwrap_or(0)
}

/// Whether the bit after the first `bits` ones of `address` decides whether the
/// address lies within `prefix`, which must not change.
fn leads_to(address: u128, bits: u32, prefix: u128, length: u32) -> bool {
    bits < length && (address ^ prefix) & mask(bits) == 0
}

fn within(address: u128, prefix: u128, length: u32) -> bool {
    (address ^ prefix) & mask(length) == 0
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> u128 {
    (u32::from_be_bytes([a, b, c, d]) as u128) << 96
}

fn v4_stays(address: u128, bits: u32) -> bool {
    // Multicast, loopback, link-local.
    let prefixes = [
        (v4(224, 0, 0, 0), 4),
        (v4(127, 0, 0, 0), 8),
        (v4(169, 254, 0, 0), 16),
        (v4(224, 0, 0, 0), 24),
    ];
    let leads = prefixes
        .into_iter()
        .any(|(prefix, length)| leads_to(address, bits, prefix, length));
    leads || within(address, v4(224, 0, 0, 0), 24) || within(address, v4(127, 0, 0, 0), 8)
}

const V4_FIXED: &[u128] = &[v4(0, 0, 0, 0), v4(255, 255, 255, 255)];

const MULTICAST: u128 = 0xff << 120;
const LINK_LOCAL: u128 = 0xfe80 << 112;
/// `ff02::1:ff00:0` has 24 bits of an address behind it.
const SOLICITED: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000;

fn v6_stays(address: u128, bits: u32) -> bool {
    if within(address, MULTICAST, 8) && bits >= 8 {
        // Flags and scope, then zeroes before a group that everybody uses.
        let group = address & !mask(16);
        return bits < 16
            || group < 0x1_0000
            || group & mask(bits) & !mask(16) == 0 && bits < 112
            || leads_to(address, bits, SOLICITED, 104);
    }
    leads_to(address, bits, MULTICAST, 8) || leads_to(address, bits, LINK_LOCAL, 64)
}

/// `::` and `::1`.
const V6_FIXED: &[u128] = &[0, 1];

fn mac_stays(_: u128, bits: u32) -> bool {
    // Locally administered, and a group's: the lowest bits of the first octet.
    matches!(bits, 6 | 7)
}

const MAC_FIXED: &[u128] = &[0];

/// Groups that are nobody's: broadcast, IEEE 802.1's, Cisco's, PTP's.
fn is_everybodys(mac: [u8; 6]) -> bool {
    matches!(
        mac,
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
            | [0x01, 0x80, 0xc2, ..]
            | [0x01, 0x00, 0x0c, ..]
            | [0x01, 0x1b, 0x19, 0, 0, 0]
    )
}

/// Whether a MAC address is that of an IP group (RFC 1112, 2464).
fn is_ip_groups(mac: [u8; 6]) -> bool {
    matches!(mac, [0x01, 0x00, 0x5e, ..] | [0x33, 0x33, ..])
}

/// The three mappings.
pub(super) struct Addresses {
    v4: Mapping,
    v6: Mapping,
    mac: Mapping,
}

impl Addresses {
    pub(super) fn new(key: &[u8; KEY_OCTETS]) -> Self {
        let (first, second) = key.split_at(KEY_OCTETS / 2);
        let half = |octets: &[u8]| <[u8; KEY_OCTETS / 2]>::try_from(octets).unwrap_or_default();
        let cipher = Aes128::new(&half(first).into());
        let secret = u128::from_be_bytes(half(second));
        // IPv4's pad is that of Crypto-PAn; the others differ, so that an
        // address of one kind tells nothing of another's.
        let mapping = |kind: u128, bits, stays, fixed| {
            let mut pad = (secret ^ kind).to_be_bytes().into();
            cipher.encrypt_block(&mut pad);
            Mapping {
                cipher: cipher.clone(),
                pad: u128::from_be_bytes(pad.into()),
                bits,
                stays,
                fixed,
                known: HashMap::new(),
            }
        };
        Self {
            v4: mapping(0, 32, v4_stays, V4_FIXED),
            v6: mapping(6, 128, v6_stays, V6_FIXED),
            mac: mapping(48, 48, mac_stays, MAC_FIXED),
        }
    }

    /// What an IPv4 address becomes.
    pub(super) fn v4(&mut self, octets: [u8; 4]) -> [u8; 4] {
        let new = self.v4.map(u128::from(u32::from_be_bytes(octets)) << 96) >> 96;
        u32::try_from(new).unwrap_or_default().to_be_bytes()
    }

    /// What an IPv6 address becomes.
    pub(super) fn v6(&mut self, octets: [u8; 16]) -> [u8; 16] {
        self.v6.map(u128::from_be_bytes(octets)).to_be_bytes()
    }

    /// What a MAC address becomes. That of an IP group becomes another's, whose
    /// unknown bits were zeroes.
    pub(super) fn mac(&mut self, octets: [u8; 6]) -> [u8; 6] {
        match octets {
            same if is_everybodys(same) => same,
            [0x01, 0x00, 0x5e, b, c, d] => {
                let [_, b, c, d] = self.v4([239, b, c, d]);
                [0x01, 0x00, 0x5e, b & 0x7f, c, d]
            }
            [0x33, 0x33, a, b, c, d] => {
                let group = self.v6([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]);
                let [.., a, b, c, d] = group;
                [0x33, 0x33, a, b, c, d]
            }
            _ => {
                let mut new = self.mapped(octets);
                // None becomes one that is treated in another way.
                while is_everybodys(new) || is_ip_groups(new) {
                    new = self.mapped(new);
                }
                new
            }
        }
    }

    fn mapped(&mut self, octets: [u8; 6]) -> [u8; 6] {
        let mut whole = [0; 16];
        whole[..6].copy_from_slice(&octets);
        let new = self.mac.map(u128::from_be_bytes(whole)).to_be_bytes();
        new.first_chunk().copied().unwrap_or_default()
    }

    /// What Crypto-PAn itself makes of an IPv4 address, without what stays.
    #[cfg(test)]
    pub(super) fn crypto_pan(&mut self, octets: [u8; 4]) -> [u8; 4] {
        self.v4.stays = |_, _| false;
        self.v4.fixed = &[];
        self.v4(octets)
    }
}
