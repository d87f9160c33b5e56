//! What was captured of a header and what follows it.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The capture ends before what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// The protocol whose octets are missing, by tcpdump's name: it stands in
    /// `[|tcp]`.
    pub(super) of: &'static str,
    /// Somebody looked before he read. A reader that runs into the end takes
    /// all with him: no header is known then, and a dump shows the frame.
    pub(super) foreseen: bool,
}

/// Octets of one protocol: those that were captured, and how many there were
/// on the wire. No access panics.
#[derive(Debug, Clone, Copy)]
pub(super) struct Octets<'a> {
    seen: &'a [u8],
    length: usize,
    of: &'static str,
    checked: bool,
}

impl<'a> Octets<'a> {
    /// `length` octets were on the wire, `seen` of them were captured.
    pub(super) fn new(seen: &'a [u8], length: usize, of: &'static str) -> Self {
        Self {
            seen,
            length,
            of,
            checked: false,
        }
    }

    /// The same octets, told to be of another protocol.
    pub(super) fn of(self, of: &'static str) -> Self {
        Self {
            of,
            checked: false,
            ..self
        }
    }

    /// Of a protocol that tcpdump reads only after a look at how much there is:
    /// each end is foreseen.
    pub(super) fn checked(self) -> Self {
        Self {
            checked: true,
            ..self
        }
    }

    /// What was captured.
    pub(super) fn seen(&self) -> &'a [u8] {
        self.seen
    }

    /// Octets on the wire.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Whether all octets up to `end` were captured.
    pub(super) fn has(&self, end: usize) -> bool {
        self.seen.len() >= end
    }

    /// The error of octets that are missing here, by who has looked.
    pub(super) fn cut(&self) -> Cut {
        Cut {
            of: self.of,
            foreseen: true,
        }
    }

    /// That of who has not.
    fn end(&self) -> Cut {
        Cut {
            of: self.of,
            foreseen: self.checked,
        }
    }

    /// Looks whether all octets up to `end` were captured.
    pub(super) fn look(&self, end: usize) -> Result<(), Cut> {
        if self.has(end) {
            Ok(())
        } else {
            Err(self.cut())
        }
    }

    /// What follows the first `octets`.
    pub(super) fn after(self, octets: usize) -> Self {
        Self {
            seen: self.seen.get(octets..).unwrap_or_default(),
            length: self.length.saturating_sub(octets),
            ..self
        }
    }

    /// Said to be `length` octets long by a header: what was captured beyond
    /// that is padding, or not ours.
    pub(super) fn of_length(self, length: usize) -> Self {
        Self {
            seen: self.seen.get(..length).unwrap_or(self.seen),
            length,
            ..self
        }
    }

    /// Said to be `length` octets long by a header that is not to be trusted
    /// more than the next one.
    pub(super) fn said(self, length: usize) -> Self {
        Self { length, ..self }
    }

    /// `count` octets from `at` on.
    pub(super) fn slice(&self, at: usize, count: usize) -> Result<&'a [u8], Cut> {
        let from = self.seen.get(at..).ok_or(self.end())?;
        from.get(..count).ok_or(self.end())
    }

    /// Likewise, of a number known before.
    pub(super) fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Cut> {
        let found = self.seen.get(at..).and_then(|from| from.first_chunk());
        found.copied().ok_or(self.end())
    }

    /// One octet.
    pub(super) fn u8(&self, at: usize) -> Result<u8, Cut> {
        self.array(at).map(|[octet]| octet)
    }

    /// Two octets in network order.
    pub(super) fn u16(&self, at: usize) -> Result<u16, Cut> {
        self.array(at).map(u16::from_be_bytes)
    }

    /// Three octets in network order.
    pub(super) fn u24(&self, at: usize) -> Result<u32, Cut> {
        let [a, b, c] = self.array(at)?;
        Ok(u32::from_be_bytes([0, a, b, c]))
    }

    /// Four octets in network order.
    pub(super) fn u32(&self, at: usize) -> Result<u32, Cut> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// An IPv4 address.
    pub(super) fn v4(&self, at: usize) -> Result<Ipv4Addr, Cut> {
        self.array::<4>(at).map(Ipv4Addr::from)
    }

    /// An IPv6 address.
    pub(super) fn v6(&self, at: usize) -> Result<Ipv6Addr, Cut> {
        self.array::<16>(at).map(Ipv6Addr::from)
    }
}
