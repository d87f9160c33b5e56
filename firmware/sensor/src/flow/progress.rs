//! How far a flow and its connection are.

use magpie_protocol::Side;

/// How far a flow and its connection are: bits. Each B bit stands next to its
/// A bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress(pub(super) u16);

impl Progress {
    pub(super) const NEW: Self = Self(0);

    // Of the connection; goes with it.
    pub(super) const HIGHEST_A: u16 = 1;
    pub(super) const HIGHEST_B: u16 = 2;
    pub(super) const FIN_A: u16 = 4;
    // FIN_B: 8.
    pub(super) const FIN_ACKED_A: u16 = 16;
    pub(super) const FIN_ACKED_B: u16 = 32;
    pub(super) const CLOSED: u16 = 64;
    pub(super) const CONNECTION: u16 = 127;
    /// A SYN was seen.
    pub(super) const OPENING: u16 = 128;
    /// And its SYN/ACK.
    pub(super) const ANSWERED: u16 = 256;
    /// The latest SYN came from b.
    pub(super) const OPENER_B: u16 = 512;
    /// The first handshake is complete.
    pub(super) const COMPLETED: u16 = 1024;
    /// It was b's.
    pub(super) const CLIENT_B: u16 = 2048;
    // Of the record.
    pub(super) const RECORDING: u16 = 4096;
    /// It began with a packet of b.
    pub(super) const FROM_B: u16 = 8192;
    /// Something changed since the last live showing.
    pub(super) const CHANGED: u16 = 16384;
    /// Of the flow: an earlier record of it was an elephant's.
    pub(super) const ELEPHANT: u16 = 32768;

    #[inline]
    pub(super) fn has(self, bits: u16) -> bool {
        self.0 & bits != 0
    }

    #[inline]
    pub(super) fn has_all(self, bits: u16) -> bool {
        self.0 & bits == bits
    }

    pub(super) fn set(&mut self, bits: u16, on: bool) {
        self.0 = if on { self.0 | bits } else { self.0 & !bits };
    }

    pub(super) fn side(self, b_bit: u16) -> Side {
        if self.has(b_bit) { Side::B } else { Side::A }
    }

    #[inline]
    pub(super) fn is_recording(self) -> bool {
        self.has(Self::RECORDING)
    }

    /// Recording, and the connection is not closed.
    #[inline]
    pub(super) fn is_open(self) -> bool {
        self.0 & (Self::RECORDING | Self::CLOSED) == Self::RECORDING
    }

    /// The first handshake is complete, both sides' sequence numbers are
    /// known, and none has ended.
    #[inline]
    pub(super) fn is_established(self) -> bool {
        const ESTABLISHED: u16 =
            Progress::HIGHEST_A | Progress::HIGHEST_B | Progress::ANSWERED | Progress::COMPLETED;
        const FIN: u16 = Progress::FIN_A | Progress::FIN_A << 1;
        self.0 & (ESTABLISHED | FIN) == ESTABLISHED
    }

    /// FIN of both sides acknowledged, or RST.
    pub(super) fn is_closed(self) -> bool {
        self.has(Self::CLOSED)
    }

    /// Recording, and no earlier record was an elephant's.
    #[inline]
    pub(super) fn is_mouse(self) -> bool {
        self.0 & (Self::RECORDING | Self::ELEPHANT) == Self::RECORDING
    }

    pub(super) fn was_elephant(self) -> bool {
        self.has(Self::ELEPHANT)
    }

    pub(super) fn begin(&mut self, from: Side) {
        self.set(Self::RECORDING, true);
        self.set(Self::FROM_B, from == Side::B);
    }

    pub(super) fn rest(&mut self, elephant: bool) {
        self.set(Self::RECORDING | Self::CHANGED, false);
        self.set(Self::ELEPHANT, elephant);
    }

    pub(super) fn initiator(self) -> Side {
        self.side(Self::FROM_B)
    }

    #[inline]
    pub(super) fn note_change(&mut self) {
        self.0 |= Self::CHANGED;
    }

    /// True once for each change.
    pub(super) fn take_change(&mut self) -> bool {
        let changed = self.has(Self::CHANGED);
        self.set(Self::CHANGED, false);
        changed
    }
}

/// The A bit or the B bit.
#[inline]
pub(super) fn bit(a: u16, side: Side) -> u16 {
    match side {
        Side::A => a,
        Side::B => a << 1,
    }
}
