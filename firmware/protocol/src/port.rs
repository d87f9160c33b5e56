//! What a sensor's port and processor are at.

use serde::{Deserialize, Serialize};

/// The cable at the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "RawLink", into = "RawLink")]
pub enum LinkState {
    /// It cannot tell, or tells a state of a newer version.
    #[default]
    Unknown,
    /// No cable, nobody at its other end, or nothing agreed on yet.
    Down,
    /// Frames can come.
    Up {
        /// Speed in Mbit/s; 0: it cannot tell.
        mbit: u32,
        /// Both sides may send at once.
        full_duplex: bool,
    },
}

/// State, speed, duplex.
#[derive(Serialize, Deserialize)]
struct RawLink(u8, u32, bool);

impl From<RawLink> for LinkState {
    fn from(RawLink(state, mbit, full_duplex): RawLink) -> Self {
        match state {
            1 => Self::Down,
            2 => Self::Up { mbit, full_duplex },
            _ => Self::Unknown,
        }
    }
}

impl From<LinkState> for RawLink {
    fn from(link: LinkState) -> Self {
        match link {
            LinkState::Unknown => Self(0, 0, false),
            LinkState::Down => Self(1, 0, false),
            LinkState::Up { mbit, full_duplex } => Self(2, mbit, full_duplex),
        }
    }
}

/// What the port is to the network that it watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "RawNet", into = "RawNet")]
pub enum NetState {
    /// Silent: it sends nothing.
    #[default]
    Silent,
    /// It may speak, and asks for an address by DHCP.
    Asking,
    /// It has asked for ten seconds, goes on asking, and got none: records stay
    /// on the serial line.
    NoLease,
    /// It has this IPv4 address.
    Up([u8; 4]),
    /// A state of a newer version.
    Unknown(u8),
}

/// State, address.
#[derive(Serialize, Deserialize)]
struct RawNet(u8, [u8; 4]);

impl From<RawNet> for NetState {
    fn from(RawNet(state, address): RawNet) -> Self {
        match state {
            0 => Self::Silent,
            1 => Self::Asking,
            2 => Self::NoLease,
            3 => Self::Up(address),
            other => Self::Unknown(other),
        }
    }
}

impl From<NetState> for RawNet {
    fn from(net: NetState) -> Self {
        match net {
            NetState::Silent => Self(0, [0; 4]),
            NetState::Asking => Self(1, [0; 4]),
            NetState::NoLease => Self(2, [0; 4]),
            NetState::Up(address) => Self(3, address),
            NetState::Unknown(state) => Self(state, [0; 4]),
        }
    }
}

/// What a board's port and processor are at; live, with every ledger and at once
/// when link or network change, to hosts from [`Port::SINCE`] on. A sensor without a
/// port of its own has none.
///
/// | field | encoding |
/// |---|---|
/// | `at_us` | varint |
/// | link | state: octet (0 = unknown, 1 = down, 2 = up); Mbit/s: varint; full duplex: octet |
/// | net | state: octet (0 = silent, 1 = asking, 2 = no lease, 3 = up); address: 4 octets |
/// | `cpu_permille` | option of a varint |
/// | refused (since 1.4; a body may end before it) | varint |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Port {
    /// Sensor time of this record.
    pub at_us: u64,
    /// The cable.
    pub link: LinkState,
    /// The port's own voice.
    pub net: NetState,
    /// How much of the last second or so the processor did not sleep, of 1,000;
    /// `None` where nothing measures it.
    pub cpu_permille: Option<u16>,
    /// Commands that came by the network and were refused since boot, because
    /// anybody may have sent them ([`crate::FilterReason::NotAuthenticated`]).
    // Behind the rest by hand (item.rs).
    #[serde(skip)]
    pub refused: u32,
}

impl Port {
    /// Minor version from which hosts read it.
    pub const SINCE: u8 = 3;
}
