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
    /// Frames that it can wait for a double of at once; 0: it does not look
    /// for doubles.
    // Behind the rest of Hello by hand (item.rs).
    #[serde(skip)]
    pub doubles: u32,
    /// Filters and packets; all 0 and false from a sensor before 1.4.
    // Likewise.
    #[serde(skip)]
    pub filters: FilterRoom,
}

/// What a sensor can hold of filters and of the packets that they select.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct FilterRoom {
    /// Filters that can be set at once.
    pub slots: u8,
    /// Octets of packets that wait for the link, each with some of its own.
    pub ring_octets: u32,
    /// True when it hands out packets at all; false in an image that was built
    /// without (`no-payload`).
    pub payload: bool,
}

/// Why a sensor began anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum BootReason {
    /// It does not say: a capture file, a board that keeps nothing over a reset,
    /// protocol 1.0.
    #[default]
    NotTold,
    /// Power came.
    PowerOn,
    /// Power sagged.
    BrownOut,
    /// Its watchdog found that it hung.
    Watchdog,
    /// It ended itself, after a panic or a fault: see [`BootReport::last_word`].
    Software,
    /// The reset button, or a debugger.
    Pin,
    /// A reason of a newer version.
    Unknown(u8),
}

impl From<u8> for BootReason {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::NotTold,
            1 => Self::PowerOn,
            2 => Self::BrownOut,
            3 => Self::Watchdog,
            4 => Self::Software,
            5 => Self::Pin,
            other => Self::Unknown(other),
        }
    }
}

impl From<BootReason> for u8 {
    fn from(reason: BootReason) -> Self {
        match reason {
            BootReason::NotTold => 0,
            BootReason::PowerOn => 1,
            BootReason::BrownOut => 2,
            BootReason::Watchdog => 3,
            BootReason::Software => 4,
            BootReason::Pin => 5,
            BootReason::Unknown(code) => code,
        }
    }
}

/// How a sensor came to its present boot. All empty when it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BootReport {
    /// Boots since power came, this one included; 0: not told.
    pub count: u32,
    /// Why it began anew.
    pub reason: BootReason,
    /// What the boot before said in its end: a panic's message, a fault's
    /// registers; empty if there was nothing.
    pub last_word: String<96>,
    /// How many of these boots its watchdog began; `None` when it does not say,
    /// or has none.
    // Behind the rest of Hello by hand (item.rs).
    #[serde(skip)]
    pub watchdogs: Option<u32>,
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
/// | boot (since 1.1; a body may end before it) | count varint, reason octet, `last_word` text of at most 96 octets |
/// | [`Capacities::doubles`] (since 1.2; likewise) | varint |
/// | [`BootReport::watchdogs`] (since 1.3; likewise) | option of a varint |
/// | [`Capacities::filters`] (since 1.4; likewise) | slots octet, `ring_octets` varint, payload octet |
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
    /// How it came to this boot.
    // Behind the rest by hand (item.rs): a sensor of 1.0 ends before it.
    #[serde(skip)]
    pub boot: BootReport,
}
