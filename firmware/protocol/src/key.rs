//! What a flow is: VLAN stack, IP version, protocol, two end points.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::Address;

/// The outermost VLAN identifiers of a frame, outermost first, at most four.
///
/// A frame with more tags is keyed by its outermost four; the ledger counts
/// such frames (`vlan_cut`). A priority tag (identifier 0) is kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VlanStack([u16; VlanStack::MAX]);

impl VlanStack {
    /// Most identifiers a key holds.
    pub const MAX: usize = 4;
    /// No tag at all.
    pub const NONE: Self = Self([Self::ABSENT; Self::MAX]);
    const ABSENT: u16 = 0xffff;

    /// Appends the next inner identifier (12 bits); false when full.
    pub fn push(&mut self, id: u16) -> bool {
        match self.0.iter_mut().find(|slot| **slot == Self::ABSENT) {
            Some(slot) => {
                *slot = id & 0x0fff;
                true
            }
            None => false,
        }
    }

    /// The identifiers, outermost first.
    pub fn ids(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().copied().take_while(|id| *id != Self::ABSENT)
    }

    /// How many identifiers are held.
    pub fn depth(&self) -> usize {
        self.ids().count()
    }

    /// The four places as one integer, the outermost in the highest 16 bits,
    /// 0xffff where there is no tag: the key of the VLAN table.
    pub fn to_bits(self) -> u64 {
        self.0
            .iter()
            .fold(0, |bits, id| (bits << 16) | u64::from(*id))
    }

    /// Inverse of [`Self::to_bits`]; places behind a gap are dropped.
    pub fn from_bits(bits: u64) -> Self {
        let mut stack = Self::NONE;
        for part in bits.to_be_bytes().chunks_exact(2) {
            let id = part.iter().fold(0_u16, |id, b| (id << 8) | u16::from(*b));
            if id == Self::ABSENT {
                break;
            }
            stack.push(id);
        }
        stack
    }
}

impl core::fmt::Debug for VlanStack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl Serialize for VlanStack {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut ids = heapless::Vec::<u16, { Self::MAX }>::new();
        for id in self.ids() {
            let _ = ids.push(id);
        }
        ids.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for VlanStack {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ids = heapless::Vec::<u16, { Self::MAX }>::deserialize(deserializer)?;
        let mut stack = Self::NONE;
        for id in ids {
            if id > 0x0fff {
                return Err(D::Error::custom("VLAN identifier over 12 bits"));
            }
            stack.push(id);
        }
        Ok(stack)
    }
}

/// The two addresses of a flow; `a` and `b` are ordered with their ports, see
/// [`FlowKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AddressPair {
    /// IPv4.
    V4 {
        /// Address of the lower end point.
        a: [u8; 4],
        /// Address of the higher end point.
        b: [u8; 4],
    },
    /// IPv6.
    V6 {
        /// Address of the lower end point.
        a: [u8; 16],
        /// Address of the higher end point.
        b: [u8; 16],
    },
}

impl AddressPair {
    /// 4 or 6.
    pub fn version(&self) -> u8 {
        match self {
            Self::V4 { .. } => 4,
            Self::V6 { .. } => 6,
        }
    }

    /// The address of one end point.
    pub fn of(&self, side: Side) -> Address {
        match (*self, side) {
            (Self::V4 { a, .. }, Side::A) => Address::V4(a),
            (Self::V4 { b, .. }, Side::B) => Address::V4(b),
            (Self::V6 { a, .. }, Side::A) => Address::V6(a),
            (Self::V6 { b, .. }, Side::B) => Address::V6(b),
        }
    }
}

/// One of the two end points of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Side {
    /// The lower end point.
    A,
    /// The higher end point.
    B,
}

impl Side {
    /// The opposite end point.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Key of a bidirectional flow (EXACT.md 6). `a` is the lower end point:
/// address octets compared first, then the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FlowKey {
    /// VLAN stack of the frames; another stack is another flow.
    pub vlan: VlanStack,
    /// IP protocol number (the last header walked to, for IPv6).
    pub protocol: u8,
    /// IP version and both addresses.
    pub addresses: AddressPair,
    /// Port of `a`; 0 where the protocol or the fragment has none.
    pub a_port: u16,
    /// Port of `b`.
    pub b_port: u16,
}
