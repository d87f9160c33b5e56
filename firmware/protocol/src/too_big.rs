//! Who said last that a packet was too big for the way ahead.

use serde::{Deserialize, Serialize};

use crate::AddressPair;

/// The latest message that a packet was too big for a link ahead: Destination
/// Unreachable, fragmentation needed and DF set (RFC 792, RFC 1191 section 4),
/// or Packet Too Big (RFC 4443 section 3.2); one for each version. Live when
/// another one came, and with every flush, to hosts from [`TooBig::SINCE`] on.
///
/// | field | encoding |
/// |---|---|
/// | `at_us` | varint |
/// | addresses | as in a flow's key: who says so, then whose packet it was |
/// | `mtu` | varint |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TooBig {
    /// When it was seen, in sensor time.
    pub at_us: u64,
    /// Its source `a`, the router, and its destination `b`, who sent too much
    /// at once. (A key has the lower address first: this pair has not.)
    pub addresses: AddressPair,
    /// Octets of an IP packet that the link takes, as the message says; 0 where
    /// it does not, as before RFC 1191.
    pub mtu: u32,
}

impl TooBig {
    /// Minor version from which hosts read it.
    pub const SINCE: u8 = 3;
}
