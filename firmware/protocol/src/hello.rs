//! Who the sensor is.

use heapless::String;
use serde::{Deserialize, Serialize};

/// What the sensor's microseconds count from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum ClockKind {
    /// Since boot; the host maps it by time sync.
    SinceBoot,
    /// Since 1970-01-01 UTC, taken from the frames' own time stamps
    /// (a capture file, or a feed that carries stamps).
    Unix,
    /// A kind of a newer version.
    Unknown(u8),
}

impl From<u8> for ClockKind {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::SinceBoot,
            1 => Self::Unix,
            other => Self::Unknown(other),
        }
    }
}

impl From<ClockKind> for u8 {
    fn from(kind: ClockKind) -> Self {
        match kind {
            ClockKind::SinceBoot => 0,
            ClockKind::Unix => 1,
            ClockKind::Unknown(code) => code,
        }
    }
}

/// How much a sensor can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Capacities {
    /// Flow table entries.
    pub flows: u32,
    /// Echo table entries.
    pub echoes: u32,
    /// Echo requests that can wait for their reply.
    pub echo_requests: u32,
    /// Octets of finished records waiting for the link.
    pub outbox_octets: u32,
    /// Octets of finished records waiting for acknowledgement.
    pub resend_octets: u32,
    /// Longest frame taken, without FCS.
    pub max_frame: u32,
}

/// The sensor's first record after a boot and the answer to the host's Hello.
///
/// | field | encoding |
/// |---|---|
/// | major, minor | octet each |
/// | `boot_id` | varint |
/// | `at_us` | varint |
/// | clock | octet |
/// | `zero_seed` | octet |
/// | name, board | text, at most 32 octets |
/// | firmware, git | text, at most 24 octets |
/// | capacities | 6 varints |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Protocol version, major.
    pub major: u8,
    /// Protocol version, minor.
    pub minor: u8,
    /// Drawn at boot from the seed; another one is another boot.
    pub boot_id: u32,
    /// Sensor time of this record.
    pub at_us: u64,
    /// What the clock counts from.
    pub clock: ClockKind,
    /// True when the board had no entropy: the hash is guessable.
    pub zero_seed: bool,
    /// Name of this sensor.
    pub name: String<32>,
    /// Board it runs on.
    pub board: String<32>,
    /// Firmware version.
    pub firmware: String<24>,
    /// Source revision it was built from.
    pub git: String<24>,
    /// Sizes.
    pub capacities: Capacities,
}
