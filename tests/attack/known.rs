//! The hash of the sensor's tables as somebody computes it who knows the seed:
//! from the description in `firmware/sensor/src/hash.rs`, with none of its
//! code. And keys and frames to aim with.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::packet::checksum;

/// Ways of a set.
pub(crate) const WAYS: usize = 8;

/// A flow's key in the words that are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Words {
    /// Port of a in the upper half, of b in the lower.
    pub(crate) ports: u32,
    /// First word of each address.
    pub(crate) first: [u32; 2],
    /// VLAN stack, protocol, version.
    pub(crate) path: [u32; 2],
    /// The other words of IPv6 addresses.
    pub(crate) rest: [u32; 6],
}

impl Words {
    /// A TCP connection over IPv4, without tags.
    pub(crate) fn tcp4(a: u32, a_port: u16, b: u32, b_port: u16) -> Self {
        assert!(a < b, "a is the lower address");
        Self {
            ports: u32::from(a_port) << 16 | u32::from(b_port),
            first: [a, b],
            path: [6 << 24, 1 << 31 | 1 << 28],
            rest: [0; 6],
        }
    }

    /// One over IPv6.
    pub(crate) fn tcp6(a: u128, a_port: u16, b: u128, b_port: u16) -> Self {
        assert!(a < b, "a is the lower address");
        let words = |address: u128| {
            let word = |at: u32| u32::try_from(address >> at & 0xffff_ffff).expect("32 bits");
            [word(96), word(64), word(32), word(0)]
        };
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (words(a), words(b));
        Self {
            first: [a0, b0],
            path: [6 << 24, 1 << 31 | 1 << 29],
            rest: [a1, a2, a3, b1, b2, b3],
            ..Self::tcp4(0, a_port, 1, b_port)
        }
    }

    /// The lower end first, as a sensor has it.
    pub(crate) fn ordered(mut self) -> Self {
        let [a, b] = self.first;
        if self.path[1] & 1 << 28 != 0 && (a, self.ports >> 16) > (b, self.ports & 0xffff) {
            self.first = [b, a];
            self.ports = self.ports.rotate_left(16);
        }
        self
    }

    /// Behind this tag.
    pub(crate) fn tagged(mut self, id: u16) -> Self {
        self.path[0] |= u32::from(id) << 12;
        self.path[1] |= 1 << 24;
        self
    }

    /// The first frame of the connection, from a.
    pub(crate) fn syn(&self) -> Vec<u8> {
        self.segment(2)
    }

    /// A frame in the middle of it, from a.
    pub(crate) fn ack(&self) -> Vec<u8> {
        self.segment(16)
    }

    fn segment(&self, flags: u8) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        if self.path[1] >> 24 & 7 == 1 {
            let [.., high, low] = (self.path[0] >> 12 & 0xfff).to_be_bytes();
            frame.extend([0x81, 0, high, low]);
        }
        if self.path[1] & 1 << 29 == 0 {
            let mut header = [0; 20];
            header[..10].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6]);
            header[12..16].copy_from_slice(&self.first[0].to_be_bytes());
            header[16..].copy_from_slice(&self.first[1].to_be_bytes());
            let check = checksum(&header);
            header[10..12].copy_from_slice(&check.to_be_bytes());
            frame.extend([8, 0]);
            frame.extend(header);
        } else {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64]);
            let (a, b) = self.rest.split_at(3);
            for (first, rest) in [(self.first[0], a), (self.first[1], b)] {
                frame.extend(first.to_be_bytes());
                frame.extend(rest.iter().flat_map(|word| word.to_be_bytes()));
            }
        }
        frame.extend(self.ports.to_be_bytes());
        frame.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 4, 0, 0, 0, 0, 0]);
        frame
    }
}

/// The multipliers of one seed.
pub(crate) struct Known([u64; 12]);

impl Known {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let key = seed[..16].try_into().expect("sixteen");
        Self(std::array::from_fn(|index| {
            let mut hasher = SipHasher24::new_with_key(&key);
            hasher.write(&seed[16..]);
            hasher.write_u8(u8::try_from(index).expect("below 12"));
            hasher.finish()
        }))
    }

    /// The sum alone: its upper half is strongly universal.
    pub(crate) fn bare(&self, key: &Words) -> u32 {
        let words = [
            &key.path[..],
            &[key.ports],
            &key.first,
            if key.path[1] & 1 << 28 == 0 {
                &key.rest
            } else {
                &[]
            },
        ]
        .concat();
        let [start, multipliers @ ..] = &self.0;
        let sum = words
            .iter()
            .zip(multipliers)
            .fold(*start, |sum, (word, m)| {
                sum.wrapping_add(m.wrapping_mul(u64::from(*word)))
            });
        u32::try_from(sum >> 32).expect("32 bits")
    }

    /// What the tables use.
    pub(crate) fn hash(&self, key: &Words) -> u32 {
        let bare = self.bare(key);
        let product = (bare ^ bare >> 16).wrapping_mul(0x9e37_79b1);
        product ^ product >> 16
    }

    /// The set of a key.
    pub(crate) fn set(&self, key: &Words, sets: usize) -> usize {
        self.hash(key) as usize & (sets - 1)
    }
}

/// A seed as a board draws it.
pub(crate) fn seed(random: &mut fastrand::Rng) -> [u8; 32] {
    std::array::from_fn(|_| random.u8(..))
}
