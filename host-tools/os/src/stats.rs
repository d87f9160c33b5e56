//! What is known of a capture, on every system.

/// One frame, where the kernel put it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'r> {
    /// When the kernel received it, in nanoseconds since 1970.
    pub at_ns: u64,
    /// Its octets from the Ethernet header on, tags in place, without FCS;
    /// fewer than `wire_len` only where it is longer than a block of the ring.
    pub data: &'r [u8],
    /// Octets on the wire, without FCS.
    pub wire_len: u32,
    /// This host sent it.
    pub outgoing: bool,
}

/// What came of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// There are frames.
    Frames,
    /// The time is over.
    Quiet,
    /// The interface went down (or was down at the start): told once. Frames
    /// come again when it is up.
    Down,
    /// It is up again: told once.
    Up,
    /// It was deleted or moved to another namespace: nothing comes any more.
    Gone,
}

/// Frames since the capture was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Passed the interface, as the kernel counted; dropped ones among them.
    pub packets: u64,
    /// Dropped by the kernel, since the ring was full.
    pub dropped: u64,
    /// Given to the caller.
    pub read: u64,
    /// Sent by this host, among those read.
    pub outgoing: u64,
    /// Longer than the interface could carry when it was opened, among those
    /// read: several frames merged by the network card or the kernel.
    pub merged: u64,
}

impl Stats {
    /// Frames that the kernel put into the ring and nobody has read yet.
    pub fn waiting(&self) -> u64 {
        self.packets
            .saturating_sub(self.dropped)
            .saturating_sub(self.read)
    }
}

/// What is known of frames that never came from the network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card {
    /// There is no card: a virtual interface.
    None,
    /// Nobody tells.
    Unknown,
    /// What the driver counted since the capture was opened. A driver need not
    /// count everything.
    Drops(CardDrops),
}

/// Frames that the network card dropped, in the words of the kernel's
/// `/sys/class/net/.../statistics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CardDrops {
    /// With a wrong frame check sequence.
    pub crc: u64,
    /// Of a wrong length.
    pub length: u64,
    /// For which its FIFO had no room.
    pub fifo: u64,
    /// For which the host had no buffer.
    pub missed: u64,
}

impl CardDrops {
    /// What came on top since `before`; counters that went back count from
    /// there.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            crc: self.crc.saturating_sub(before.crc),
            length: self.length.saturating_sub(before.length),
            fifo: self.fifo.saturating_sub(before.fifo),
            missed: self.missed.saturating_sub(before.missed),
        }
    }

    /// All of them.
    pub fn sum(&self) -> u64 {
        [self.crc, self.length, self.fifo, self.missed]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// A feature of a network card or driver that merges frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offload {
    /// Generic receive offload: received segments of a connection.
    Gro,
    /// Large receive offload: likewise, in the card.
    Lro,
    /// TCP segmentation offload: what this host sends.
    Tso,
    /// Generic segmentation offload: likewise.
    Gso,
}

impl Offload {
    /// As `ethtool -K` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gro => "gro",
            Self::Lro => "lro",
            Self::Tso => "tso",
            Self::Gso => "gso",
        }
    }

    /// Whether it merges what is received; else what this host sends.
    pub fn receives(self) -> bool {
        matches!(self, Self::Gro | Self::Lro)
    }
}

/// Size of the ring between kernel and caller, and what comes into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureOptions {
    /// Octets of a block, a multiple of the page: the kernel hands over block
    /// by block. No frame longer than this is captured whole.
    pub block_octets: u32,
    /// How many blocks.
    pub blocks: u32,
    /// A block that is not full is handed over after so many milliseconds.
    pub retire_ms: u32,
    /// Frames for others too, by a membership of this socket.
    pub promiscuous: bool,
}

impl Default for CaptureOptions {
    /// 32 MiB: a quarter of a second of 1 Gbit/s. Frames are seen 20 ms late
    /// at most.
    fn default() -> Self {
        Self {
            block_octets: 256 * 1024,
            blocks: 128,
            retire_ms: 20,
            promiscuous: true,
        }
    }
}
