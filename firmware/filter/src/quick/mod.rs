//! Programs that only compare fields of a packet, as most do, in a form in
//! which a comparison takes a sensor some twenty machine instructions.
//!
//! A field is read as the four octets that begin with it, and a mask leaves
//! what belongs to it: so octets, halves and words, tests of equality and of
//! bits, and networks (`and` before `jeq`) are all one kind of test.

mod learn;
#[cfg(test)]
mod tests;

use crate::Packet;

/// Tests that are kept of a program. What has more is left to the machine as
/// soon as one of those would be made.
pub const MAX_TESTS: usize = 64;

/// A program's tests. [`Quick::EMPTY`] knows none: everything is left to the
/// machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quick {
    tests: [Test; MAX_TESTS],
}

/// One test. All zero is one that holds; as each goes on behind itself, a table
/// of those has an end too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(16))] // else its place takes a multiplication
struct Test {
    mask: u32,
    /// What the field is compared with, in its place under the mask.
    value: u32,
    /// Where the field begins, in octets behind the addresses; or, where no packet
    /// that is looked at has octets, one of [`kind`] and what it needs.
    at: u16,
    /// Tests that are skipped where it holds, and where it does not; [`REJECT`].
    holds: u8,
    fails: u8,
}

/// In place of tests that are skipped: the packet is rejected. More than there
/// are, wherever one is.
const REJECT: u8 = 128;
const _: () = assert!(MAX_TESTS <= REJECT as usize);

impl Test {
    const ZERO: Self = Self {
        at: 0,
        holds: 0,
        fails: 0,
        mask: 0,
        value: 0,
    };
    const LEAVE: Self = Self {
        at: kind::LEAVE,
        ..Self::ZERO
    };
}

/// What is no test for equality of a field behind the addresses. The lower
/// octet is where the field begins.
mod kind {
    /// Less is the place of a field.
    pub(super) const FIRST: u16 = 0x8000;
    /// The packet is left to the machine.
    pub(super) const LEAVE: u16 = 0x8000;
    /// The end: `value` octets are kept.
    pub(super) const END: u16 = 0x8100;
    /// Greater, unsigned; greater or equal: of a field behind the addresses.
    pub(super) const GREATER: u16 = 0x8300;
    pub(super) const NOT_LESS: u16 = 0x8400;
    /// The same of a field behind the IPv4 header.
    pub(super) const BEHIND_GREATER: u16 = 0x8500;
    pub(super) const BEHIND_NOT_LESS: u16 = 0x8600;
    /// Equality of a field within the addresses.
    pub(super) const ADDRESS_EQUAL: u16 = 0x8700;
    /// Equality of a field behind the IPv4 header (and so many octets). The
    /// last one: those of ports are many.
    pub(super) const BEHIND_EQUAL: u16 = 0xc000;
}

impl Quick {
    /// Knows no test.
    pub const EMPTY: Self = Self {
        tests: [Test::ZERO; MAX_TESTS],
    };

    /// Octets to keep of the packet, as [`crate::Program::run`] would tell; `None`
    /// where only that can tell.
    #[expect(clippy::inline_always, reason = "a call takes as long as a test")]
    #[inline(always)]
    pub fn run(&self, packet: &Packet<'_>) -> Option<u32> {
        let rest = packet.rest();
        // In a longer one the kinds would be places.
        if rest.len() >= usize::from(kind::FIRST) {
            return None;
        }
        let mut next = 0_usize;
        // Left at the first test that there is not: all is known before, or not
        // at all.
        while let Some(test) = self.tests.get(next) {
            let at = usize::from(test.at);
            let skipped = if let Some(field) = field(rest, at) {
                test.skipped(field)
            } else if test.at >= kind::BEHIND_EQUAL {
                let at = behind(rest, at & 0xff)?;
                test.skipped(field(rest, at)?)
            } else if test.at == kind::END {
                return Some(test.value);
            } else {
                seldom(test, packet.head(), rest)?
            };
            next = next.wrapping_add(usize::from(skipped)).wrapping_add(1);
        }
        (next > usize::from(REJECT)).then_some(0)
    }
}

impl Test {
    #[inline]
    fn skipped(&self, field: u32) -> u8 {
        if field & self.mask == self.value {
            self.holds
        } else {
            self.fails
        }
    }
}

/// The four octets from there on.
#[inline]
fn field(octets: &[u8], at: usize) -> Option<u32> {
    let field = octets.get(at..at.wrapping_add(4))?.first_chunk()?;
    Some(u32::from_be_bytes(*field))
}

/// So many octets behind an IPv4 header, less those of the addresses.
#[inline]
fn behind(rest: &[u8], at: usize) -> Option<usize> {
    let [_, _, first, ..] = *rest else {
        return None;
    };
    Some(usize::from(first & 0xf).wrapping_mul(4).wrapping_add(at))
}

/// What few programs need: tests to skip.
#[inline(never)]
fn seldom(test: &Test, head: &[u8], rest: &[u8]) -> Option<u8> {
    let [_, at] = test.at.to_be_bytes();
    let (kind, at) = (test.at & !0xff, usize::from(at));
    let (from, at) = match kind {
        kind::BEHIND_GREATER | kind::BEHIND_NOT_LESS => (rest, behind(rest, at)?),
        kind::GREATER | kind::NOT_LESS => (rest, at),
        kind::ADDRESS_EQUAL => (head, at),
        _ => return None,
    };
    let field = field(from, at)? & test.mask;
    let holds = match kind {
        kind::GREATER | kind::BEHIND_GREATER => field > test.value,
        kind::NOT_LESS | kind::BEHIND_NOT_LESS => field >= test.value,
        _ => field == test.value,
    };
    Some(if holds { test.holds } else { test.fails })
}
